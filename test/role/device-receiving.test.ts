/**
 * What a device makes of what the server hands it: each message once, whatever is repeated, forged, crashed or full, and
 * what it keeps on disk for that (PROTOCOL.md sections 6 and 8).
 */
import t from 'tap'
import { equal, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { INVITATION_PAYLOAD_BYTES } from '../../src/group/padding.js'
import type { DeviceBounds } from '../../src/role/device/core.js'
import { STORED_VERSION } from '../../src/role/device/records.js'
import { encodeMessage } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import { crypto, Lab, type Order, random, type TestDevice } from './device-lab.js'

t.comment(`SEED=${seed}`)

const HOUR_MS = 3_600_000
const passphrase = utf8('correct horse battery staple')

function send(group: string, text: string): Order {
  return { type: 'send', group, body: utf8(text) }
}

/** Anna and Ben in a group; Ben is the one examined. */
function pair(bounds: DeviceBounds = {}) {
  const lab = new Lab()
  const [anna, ben] = [lab.device('anna'), lab.device('ben', {}, bounds)] as const
  const group = lab.makeGroup('friends', anna, ben)
  /** Hands Ben a payload; true once he has confirmed it. */
  const confirms = (payload: Uint8Array) => {
    const number = lab.deliver(ben.id, payload)
    lab.network.runFor(500)
    return lab.confirmed.includes(number)
  }
  return { lab, anna, ben, group, confirms }
}

function stranger() {
  const identity = crypto.identity(random(32))
  return { identity, id: nodeIdOf(crypto, identity.identityKey) }
}

/** What an application that remembers sequences has seen: bodies by sequence, each once. */
function seen(device: TestDevice): string[] {
  const bySequence = new Map(device.messages.map(({ sequence, body }) => [sequence, new TextDecoder().decode(body)]))
  return [...bySequence.values()].sort()
}

t.test('drops under a code and confirms', async (t) => {
  const { lab, anna, ben, group, confirms } = pair()
  const { now } = lab.network
  const flip = (content: Uint8Array) => content.map((byte, i) => (i === content.length - 20 ? byte ^ 1 : byte))
  const repeated = lab.forge(group, anna, { body: utf8('once') })
  t.ok(confirms(repeated))
  t.same(ben.texts(), ['once'])
  const cases = [
    ['MESSAGE_REPLAY', 'a message handed on before', repeated],
    ['MESSAGE_SENDER', 'a message from a non-member', lab.forge(group, stranger())],
    [
      'MESSAGE_SIGNATURE',
      "a message signed by a member under another's id",
      lab.forge(group, ben, { sender: anna.id }),
    ],
    ['MESSAGE_OWN_COPY', 'an own message', lab.forge(group, ben)],
    ['MESSAGE_CONTENT', 'a content that does not open', lab.forge(group, anna, { spoil: flip })],
    ['MESSAGE_CONTENT', 'a content that holds nothing', lab.scramble(group, new Uint8Array(0))],
    ['MESSAGE_CONTENT', 'an invitation inside a group', lab.forge(group, anna, { kind: 'invitation' })],
    ['MESSAGE_CONTENT', 'a member list that does not parse', lab.forge(group, anna, { kind: 'members' })],
    ['MESSAGE_AGE', 'an old message', lab.forge(group, anna, { sentAt: now - limits.messageLifeMs - 60_000 })],
    ['MESSAGE_AGE', 'one dated ahead', lab.forge(group, anna, { sentAt: now + limits.clockSkewMs + 60_000 })],
  ] as const
  for (const [code, what, payload] of cases) {
    const before = ben.node.dropped(code)
    t.ok(confirms(payload), `${what} is confirmed`)
    t.equal(ben.node.dropped(code), before + 1, `${what}: ${code}`)
  }
  t.same(ben.texts(), ['once'])
  lab.say(ben.id, encodeMessage('busy', { message: 1 }))
  lab.say(ben.id, Uint8Array.of(0x77))
  lab.say(ben.id, encodeMessage('delivery', { number: 1, payload: random(48) }).subarray(0, -1))
  lab.network.runFor(100)
  t.equal(ben.node.dropped('ROLE_UNEXPECTED'), 1)
  t.equal(ben.node.dropped('WIRE_KIND'), 1)
  t.equal(ben.node.dropped('WIRE_TRUNCATED'), 1, 'a payload too short to be one')
})

t.test('no bit flipped anywhere in a payload gets it handed on', async (t) => {
  const { lab, anna, ben, group } = pair()
  const payload = lab.forge(group, anna)
  for (let at = 0; at < payload.length; at++) {
    const flipped = payload.slice()
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8))
    lab.deliver(ben.id, flipped)
  }
  lab.network.runFor(5_000)
  t.same(ben.texts(), [])
  t.equal(ben.node.machine.status().unopened, payload.length, 'what no key opens may be an invitation')
  lab.deliver(ben.id, payload)
  lab.network.runFor(1_000)
  t.same(ben.texts(), ['forged'])
})

t.test('a message that overtakes its sender’s introduction is taken up once that has come', async (t) => {
  const { lab, anna, ben, group, confirms } = pair()
  const cleo = lab.device('cleo')
  t.ok(confirms(lab.forge(group, cleo, { body: utf8('I am new here') })))
  t.equal(ben.node.dropped('MESSAGE_SENDER'), 1)
  lab.network.crash(ben.node)
  lab.network.restart(ben.node)
  anna.answer({ type: 'invite', group: 'friends', address: cleo.address, passphrase })
  lab.network.runUntil(() => cleo.node.machine.status().unopened > 0, 5_000)
  cleo.answer({ type: 'join', passphrase })
  lab.network.runFor(10_000)
  t.same(ben.texts(), ['I am new here'])
  t.equal([...ben.node.store.keys()].filter((key) => key.startsWith('early/')).length, 0)
})

t.test('a message that came before the invitation is taken up on joining', async (t) => {
  const lab = new Lab()
  const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
  anna.answer({ type: 'createGroup', name: 'friends' })
  lab.network.runFor(1_000)
  lab.deliver(ben.id, lab.forge(anna.group('friends'), anna, { body: utf8('welcome') }))
  anna.answer({ type: 'invite', group: 'friends', address: ben.address, passphrase })
  lab.network.runFor(1_000)
  t.equal(ben.node.machine.status().unopened, 2)
  ben.answer({ type: 'join', passphrase })
  lab.network.runFor(100)
  t.same(ben.texts(), ['welcome'])
  t.equal(ben.node.machine.status().unopened, 0)
})

t.test('the inbox', async (t) => {
  t.test(
    'takes messages up to its bound; what is past it stays at the server and comes when there is room',
    async (t) => {
      const { lab, anna, ben } = pair({ inbox: { messages: 3, bytes: 10_000 } })
      for (let i = 0; i < 5; i++) anna.answer(send('friends', `${i}`))
      lab.network.runFor(2_000)
      t.equal(ben.messages.length, 3)
      t.equal(ben.node.machine.status().inboxMessages, 3)
      t.equal(ben.node.dropped('INBOX_FULL'), 2)
      t.equal(lab.mailboxes.get(toHex(ben.id))?.size, 2, 'not confirmed')
      const sequences = ben.messages.map(({ sequence }) => sequence)
      t.match(ben.answer({ type: 'acknowledge', sequences }), { type: 'done' })
      t.match(ben.answer({ type: 'acknowledge', sequences }), { type: 'done' }, 'twice does no harm')
      lab.network.runFor(10_000)
      t.same(seen(ben), ['0', '1', '2', '3', '4'])
      t.equal(lab.mailboxes.get(toHex(ben.id))?.size, 0)
    },
  )

  t.test('counts bytes too', async (t) => {
    const { lab, anna, ben, group, confirms } = pair({ inbox: { messages: 10, bytes: 1_000 } })
    t.notOk(confirms(lab.forge(group, anna, { body: new Uint8Array(1_000) })))
    t.ok(confirms(lab.forge(group, anna, { body: new Uint8Array(800) })))
    t.notOk(confirms(lab.forge(group, anna, { body: new Uint8Array(200) })))
    t.equal(ben.node.dropped('INBOX_FULL'), 2)
  })

  t.test('comes again after a restart, in order, and never gives a sequence twice', async (t) => {
    const { lab, anna, ben } = pair()
    for (const text of ['a', 'b', 'c']) anna.answer(send('friends', text))
    lab.network.runFor(1_000)
    const [first] = ben.messages
    ben.answer({ type: 'acknowledge', sequences: [first?.sequence ?? 0] })
    ben.outputs.length = 0
    lab.network.crash(ben.node)
    lab.network.restart(ben.node)
    const sequences = ben.messages.map(({ sequence }) => sequence)
    t.same(ben.texts(), ['b', 'c'])
    t.match(ben.messages[0], { group: 'friends', sender: anna.id })
    ben.answer({ type: 'acknowledge', sequences })
    lab.network.crash(ben.node)
    lab.network.restart(ben.node)
    anna.answer(send('friends', 'd'))
    lab.network.runFor(2_000)
    t.ok((ben.messages.at(-1)?.sequence ?? 0) > Math.max(...sequences))
    t.equal(ben.texts().at(-1), 'd')
  })
})

t.test('messages that no key opens', async (t) => {
  t.test('are kept up to count and bytes, and the eldest make way', async (t) => {
    const { lab, ben, confirms } = pair({ unopened: { messages: 2, bytes: 1_000, lifeMs: 1_000_000 } })
    const [eldest, second, third, large] = [random(900), random(100), random(101), random(1_001)]
    const isKept = (payload: Uint8Array) =>
      [...ben.node.store].some(([key, value]) => key.startsWith('unopened/') && equal(value.slice(6), payload))
    t.ok(confirms(eldest))
    t.ok(confirms(second), 'as many bytes as there may be')
    t.ok(confirms(second), 'the same again is the same')
    t.equal(ben.node.machine.status().unopened, 2)
    t.equal(ben.node.dropped('MESSAGE_UNOPENED'), 0)
    t.ok(confirms(third), 'one past the count: confirmed, so that the mailbox drains')
    t.notOk(isKept(eldest))
    t.ok(isKept(second) && isKept(third))
    t.equal(ben.node.dropped('MESSAGE_UNOPENED'), 1)
    t.ok(confirms(large), 'one byte more than all may have')
    t.notOk(isKept(large))
    t.equal(ben.node.dropped('MESSAGE_UNOPENED'), 2)
    t.ok(confirms(eldest), 'one byte past the bytes of both')
    t.strictSame([second, third, eldest].map(isKept), [false, false, true])
    t.equal(ben.node.dropped('MESSAGE_UNOPENED'), 4)
    t.ok(confirms(second))
    lab.network.crash(ben.node)
    lab.network.restart(ben.node)
    t.equal(ben.node.machine.status().unopened, 2, 'kept across a restart')
    lab.absence(ben, 1_000_000)
    t.equal(ben.node.machine.status().unopened, 0, 'and gone after their life')
    t.notOk([...ben.node.store.keys()].some((key) => key.startsWith('unopened/')))
  })

  t.test('and that are larger than any invitation do not push one out', async (t) => {
    const { ben, confirms } = pair({
      unopened: { messages: 1, bytes: 10_000, lifeMs: 1_000_000 },
      unread: { messages: 1, bytes: 10_000, lifeMs: 1_000_000 },
    })
    t.ok(confirms(random(INVITATION_PAYLOAD_BYTES)))
    t.ok(confirms(random(INVITATION_PAYLOAD_BYTES + 1)))
    t.equal(ben.node.dropped('MESSAGE_UNOPENED'), 0)
    t.equal(ben.node.machine.status().unopened, 1, 'they are not counted as possible invitations')
    t.ok(confirms(random(INVITATION_PAYLOAD_BYTES + 1)))
    t.equal(ben.node.dropped('MESSAGE_UNOPENED'), 1)
    t.equal(ben.node.machine.status().unopened, 1)
  })

  t.test('do not count own invitations that come back, even after a restart', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
    anna.answer({ type: 'createGroup', name: 'friends' })
    lab.network.runFor(1_000)
    lab.delivers = false
    anna.answer({ type: 'invite', group: 'friends', address: ben.address, passphrase })
    lab.network.runUntil(() => anna.node.machine.status().unprovenMessages === 0, 10_000)
    lab.network.runFor(100)
    lab.delivers = true
    lab.absence(anna, 0)
    t.equal(anna.node.dropped('MESSAGE_OWN_COPY'), 1)
    t.equal(anna.node.machine.status().unopened, 0)
    lab.absence(anna, limits.messageLifeMs)
    t.notOk(
      [...anna.node.store.keys()].some((key) => key.startsWith('own/')),
      'and that is forgotten in time',
    )
  })
})

t.test('an own copy is known as such when its point has been forgotten', async (t) => {
  const { lab, ben } = pair({ ownCopies: 1 })
  const before = ben.node.dropped('MESSAGE_OWN_COPY')
  const orders = ['a', 'b', 'c'].map((text) => ben.order(send('friends', text)))
  lab.network.runFor(1_000)
  t.ok(orders.every((reference) => ben.answerTo(reference)?.type === 'done'))
  t.equal(ben.node.dropped('MESSAGE_OWN_COPY'), before + 3)
  t.same(ben.texts(), [])
})

t.test('the record of messages handed on', async (t) => {
  t.test('survives restarts', async (t) => {
    const { lab, anna, ben, group, confirms } = pair()
    const payload = lab.forge(group, anna)
    t.ok(confirms(payload))
    ben.answer({ type: 'acknowledge', sequences: [ben.messages[0]?.sequence ?? 0] })
    lab.network.crash(ben.node)
    lab.network.restart(ben.node)
    ben.outputs.length = 0
    lab.network.runFor(1_000)
    t.ok(confirms(payload))
    t.same(ben.texts(), [])
    t.equal(ben.node.dropped('MESSAGE_REPLAY'), 1)
  })

  t.test('forgets its oldest minute at the bound, and refuses what is older from then on', async (t) => {
    const { lab, anna, ben, group, confirms } = pair({ handedOn: 4 })
    const { now } = lab.network
    const old = lab.forge(group, anna, { sentAt: now - 5 * HOUR_MS, body: utf8('old') })
    t.ok(confirms(old))
    t.same(ben.texts(), ['old'])
    for (let i = 0; i < 3; i++) confirms(lab.forge(group, anna, { sentAt: now - 3 * HOUR_MS, body: utf8('newer') }))
    t.equal(ben.messages.length, 4)
    t.ok(confirms(old))
    t.equal(ben.messages.length, 4, 'not handed on twice')
    lab.absence(ben, 0)
    t.ok(confirms(old))
    t.equal(seen(ben).length, 4, 'nor after a restart')
    t.ok(ben.node.dropped('MESSAGE_AGE') > 0)
  })

  t.test('full of the present, it leaves messages at the server until that is past', async (t) => {
    const { lab, anna, ben, group } = pair({ handedOn: 6 })
    const minutes = [8, 7, 6, 5, 4, 3, 2, 1]
    for (const age of minutes) {
      const sentAt = lab.network.now - age * 60_000
      lab.deliver(ben.id, lab.forge(group, anna, { sentAt, body: utf8(`${age}`) }))
    }
    lab.network.runFor(1_000)
    const taken = ben.messages.length
    t.ok(taken > 0 && taken < minutes.length)
    t.equal(lab.mailboxes.get(toHex(ben.id))?.size, minutes.length - taken)
    lab.network.runFor(2 * HOUR_MS)
    t.same(seen(ben), ['1', '2', '3', '4', '5', '6', '7', '8'])
    t.equal(lab.mailboxes.get(toHex(ben.id))?.size, 0)
  })

  t.test('is pruned of what is too old to come again', async (t) => {
    const { lab, anna, ben, group, confirms } = pair()
    t.ok(confirms(lab.forge(group, anna)))
    const handed = () => [...ben.node.store.keys()].filter((key) => key.startsWith('handed/')).length
    t.ok(handed() > 0)
    lab.absence(ben, limits.messageLifeMs + HOUR_MS)
    t.equal(handed(), 0)
  })
})

t.test('a crash at any moment', async (t) => {
  t.test('loses no message and hands none on twice', async (t) => {
    const { lab, anna, ben } = pair()
    const texts: string[] = []
    for (let moment = 0; moment < 60; moment += 2) {
      const text = `message ${moment}`
      texts.push(text)
      anna.order(send('friends', text))
      // The path takes about 30 ms; a write takes 2: all steps are met.
      lab.network.runFor(moment)
      lab.network.crash(ben.node)
      lab.network.restart(ben.node)
      lab.network.runFor(1_500)
    }
    lab.network.runFor(60_000)
    t.same(seen(ben), texts.sort())
    t.equal(lab.mailboxes.get(toHex(ben.id))?.size, 0)
  })

  t.test('while joining leaves the invitation or the group, and the inviter hears of it', async (t) => {
    for (let moment = 0; moment < 80; moment += 5) {
      const lab = new Lab()
      const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
      anna.answer({ type: 'createGroup', name: 'friends' })
      anna.answer({ type: 'invite', group: 'friends', address: ben.address, passphrase })
      lab.network.runUntil(() => ben.node.machine.status().unopened > 0, 5_000)
      lab.network.runFor(100)
      ben.order({ type: 'join', passphrase })
      lab.network.runFor(40 + moment)
      lab.network.crash(ben.node)
      lab.network.restart(ben.node)
      const { groups, unopened } = ben.node.machine.status()
      if (groups.length + unopened !== 1)
        t.fail(`crash after ${moment} ms: ${groups.length} groups, ${unopened} unopened`)
      if (unopened === 1) t.match(ben.answer({ type: 'join', passphrase }), { type: 'done' })
      lab.network.runFor(5_000)
      if (anna.group('friends').list.members.size !== 2) t.fail(`crash after ${moment} ms: not a member`)
    }
  })

  t.test('of the inviter leaves nobody without the list', async (t) => {
    for (let moment = 0; moment < 1_200; moment += 100) {
      const lab = new Lab()
      const [anna, ben, cleo] = [lab.device('anna'), lab.device('ben'), lab.device('cleo')] as const
      lab.makeGroup('friends', anna, ben)
      anna.answer({ type: 'invite', group: 'friends', address: cleo.address, passphrase })
      lab.network.runUntil(() => cleo.node.machine.status().unopened > 0, 5_000)
      cleo.answer({ type: 'join', passphrase })
      lab.network.runFor(moment)
      lab.network.crash(anna.node)
      lab.network.restart(anna.node)
      lab.network.runFor(20_000)
      const sizes = [anna, ben, cleo].map((each) => each.group('friends').list.members.size)
      if (sizes.some((size) => size !== 3)) t.fail(`crash after ${moment} ms: lists of ${sizes}`)
    }
    t.pass('all lists are whole')
  })
})

t.test('what is damaged on disk is reported, left as it is, and does not stop the rest', async (t) => {
  const { lab, anna, ben } = pair()
  anna.answer(send('friends', 'hello'))
  lab.network.runFor(1_000)
  lab.network.crash(ben.node)
  const damaged = ['group/0011223344556677', 'inbox/0000000000000009', 'inbox/x', 'unopened/0000000000000003']
  damaged.push('early/0000000000000000', 'sending/0000000000000001', 'handed/zz', 'own/1/2', 'device/floor')
  for (const key of damaged) ben.node.store.set(key, Uint8Array.of(1, 2, 3))
  ben.node.store.set('of somebody else', Uint8Array.of(1))
  ben.outputs.length = 0
  lab.network.restart(ben.node)
  t.equal(ben.node.notices.filter((event) => event.startsWith('a stored entry is damaged')).length, damaged.length)
  t.same(ben.texts(), ['hello'])
  anna.answer(send('friends', 'again'))
  lab.network.runFor(2_000)
  t.equal(ben.messages.at(-1)?.sequence, 10, 'a damaged entry is not written over')
  for (const key of damaged) t.same(ben.node.store.get(key), Uint8Array.of(1, 2, 3), key)

  lab.network.crash(ben.node)
  ben.node.store.set('device/format', Uint8Array.of(STORED_VERSION + 1))
  t.throws(() => lab.network.restart(ben.node), { code: 'DATA_VERSION', message: /newer/ })
  ben.node.store.set('device/format', Uint8Array.of(STORED_VERSION - 1))
  t.throws(() => lab.network.restart(ben.node), { code: 'DATA_VERSION', message: /before the first release/ })
})
