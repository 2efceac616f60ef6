/**
 * What a user asks of a device and what it sends: groups, messages, their limits, and how commands end (PROTOCOL.md sections 5
 * and 8).
 */
import t from 'tap'
import { equal, identityKey, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { messageTime } from '../../src/group/content.js'
import { listDigest } from '../../src/group/member-list.js'
import { MessageIds } from '../../src/role/device/message-ids.js'
import { seed } from '../base/seeded.js'
import { connected, result, send } from './device-acts.js'
import { crypto, Lab, type Order, random } from './device-lab.js'

t.comment(`SEED=${seed}`)

const passphrase = utf8('correct horse battery staple')

t.test('a group from its creation to a message that every member has once', async (t) => {
  const lab = new Lab()
  const [anna, ben, cleo] = [lab.device('anna'), lab.device('ben'), lab.device('cleo')] as const
  lab.makeGroup('friends', anna, ben, cleo)
  const digests = [anna, ben, cleo].map((each) => toHex(listDigest(crypto, each.group('friends').list)))
  t.equal(new Set(digests).size, 1, 'all hold one list')
  t.ok(anna.outputs.some((each) => each.type === 'memberJoined'))

  const { report } = result(cleo, send('friends', 'hello'), 'sent')
  lab.network.runFor(2_000)
  for (const other of [anna, ben]) {
    t.same(other.texts(), ['hello'])
    const [message] = other.messages
    t.equal(toHex(message?.sender ?? new Uint8Array()), toHex(cleo.id))
    t.equal(toHex(message?.messageId ?? new Uint8Array()), toHex(report.messageId))
    t.equal(message?.group, 'friends')
  }
  t.same(cleo.texts(), [], 'the own copy is nothing to hand on')
  t.ok(cleo.node.dropped('MESSAGE_OWN_COPY') > 0)
  t.ok(
    [...lab.mailboxes.values()].every(({ size }) => size === 0),
    'everything was confirmed',
  )
  const status = cleo.node.machine.status()
  t.match(status, { connected: true, outgoingMessages: 0, inboxMessages: 0, unopened: 0 })
  t.ok(status.links.server.sent.datagrams > 0 && status.links.proxies.sent.datagrams > 0)
  const learnt = ben.read.filter(([format]) => format === 'message opened').map(([, field, value]) => [field, value])
  t.strictSame(learnt.at(-1), ['body', toHex(utf8('hello'))])
  t.ok(learnt.some(([field, value]) => field === 'sender' && value === toHex(cleo.id)))
})

t.test('no two messages of a device have one id, however many it makes in one millisecond', async (t) => {
  const ids = new MessageIds(random)
  const made = [0, 0.9, 1].flatMap((ms) => Array.from({ length: 3_000 }, () => ids.next(1_700_000_000_000 + ms)))
  t.equal(new Set(made.map(toHex)).size, made.length)
  t.same(
    made.map(messageTime),
    made.map((_, i) => 1_700_000_000_000 + Number(i >= 6_000)),
  )
})

t.test('the parts of an upload add up to the datagrams that were sent', async (t) => {
  const lab = new Lab()
  const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
  lab.makeGroup('friends', anna, ben)
  for (const padding of ['none', 'classes', 'cell'] as const) {
    for (const bodyBytes of [0, 200, 8_192]) {
      const before = anna.node.machine.status().links.proxies
      const { report } = result(anna, { type: 'send', group: 'friends', body: random(bodyBytes), padding }, 'sent')
      const after = anna.node.machine.status().links.proxies
      const { sent, sentHandshake, sentAckOnly, sentRetransmitted } = after
      const dataBytes =
        sent.payloadBytes -
        before.sent.payloadBytes -
        (sentHandshake.payloadBytes - before.sentHandshake.payloadBytes) -
        (sentAckOnly.payloadBytes - before.sentAckOnly.payloadBytes) -
        (sentRetransmitted.payloadBytes - before.sentRetransmitted.payloadBytes)
      t.ok(
        Math.abs(dataBytes - report.uploadBytes) <= 40,
        `${padding} ${bodyBytes}: ${dataBytes} sent, but for close and acks`,
      )
      t.match(report, { slots: 2, bodyBytes })
      t.equal(report.paddingBytes === 0, padding === 'none')
      t.equal(report.furtherDatagramBytes === 0, report.datagrams === 1)
      t.ok(report.fixedBytes <= 352, `${padding} ${bodyBytes}: ${report.fixedBytes} fixed bytes`)
      t.equal(report.datagrams > 1, bodyBytes > 1_000)
      lab.network.runFor(2_000)
      const payloads = ben.read.filter(([format, field]) => format === 'delivery' && field === 'payload')
      t.equal(payloads.at(-1)?.[2].length, 2 * report.deliveryBytes, 'what CS delivers is as long as it says')
    }
  }
})

t.test('refuses what a user cannot mean, and says so by code', async (t) => {
  const lab = new Lab()
  const anna = connected(lab.device('anna', {}, { groups: 2 }))
  const ben = connected(lab.device('ben'))
  const invite = (changes: object = {}): Order =>
    ({ type: 'invite', group: 'friends', address: ben.address, passphrase, ...changes }) as Order

  t.equal(anna.refusal(send('friends', 'hello')), 'GROUP_UNKNOWN')
  t.equal(anna.refusal(invite()), 'GROUP_UNKNOWN')
  t.equal(anna.refusal({ type: 'createGroup', name: '' }), 'NAME_INVALID')
  result(anna, { type: 'createGroup', name: 'friends' }, 'created')
  t.equal(anna.refusal({ type: 'createGroup', name: 'friends' }), 'GROUP_EXISTS')
  result(anna, { type: 'createGroup', name: 'others' }, 'created')
  t.equal(anna.refusal({ type: 'createGroup', name: 'a third' }), 'GROUPS_FULL')

  t.equal(anna.refusal(send('friends', 'hello')), 'GROUP_EMPTY')
  t.equal(anna.refusal(invite({ passphrase: new Uint8Array(limits.passphraseMinBytes - 1) })), 'PASSPHRASE_WEAK')
  t.equal(anna.refusal(invite({ passphrase: new Uint8Array(limits.passphraseMaxBytes + 1) })), 'PASSPHRASE_WEAK')
  t.equal(anna.refusal(invite({ address: anna.address })), 'MEMBER_SELF')
  t.equal(anna.refusal(invite({ petname: 'a\nb' })), 'NAME_INVALID')
  const order8 = identityKey(Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 0x80 : 0)))
  t.equal(anna.refusal(invite({ address: { ...ben.address, identityKey: order8 } })), 'IDENTITY_REFUSED')
  t.notOk(
    anna.outputs.some(({ type }) => type === 'derive'),
    'none of these cost a derivation',
  )
  t.equal(anna.refusal({ type: 'acknowledge', sequences: [1] }), 'MESSAGE_UNKNOWN')
  t.equal(anna.refusal({ type: 'join', passphrase }), 'INVITATION_NONE')

  result(anna, invite({ passphrase: new Uint8Array(limits.passphraseMinBytes) }), 'invited')
  t.equal(anna.group('friends').pending.size, 1)
})

t.test('takes a body at the limit and refuses one byte more', async (t) => {
  const lab = new Lab()
  const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
  lab.makeGroup('friends', anna, ben)
  const body = random(limits.bodyBytes)
  t.equal(
    anna.refusal({ type: 'send', group: 'friends', body: new Uint8Array(limits.bodyBytes + 1) }),
    'BODY_TOO_LARGE',
  )
  result(anna, { type: 'send', group: 'friends', body }, 'sent')
  lab.network.runUntil(() => ben.messages.length > 0, 60_000)
  t.ok(equal(ben.messages[0]?.body ?? new Uint8Array(), body))
})

t.test('a full queue refuses the next message and keeps the others', async (t) => {
  const lab = new Lab()
  const anna = lab.device('anna', {}, { outbox: { messages: 3, bytes: 10_000 } })
  const ben = lab.device('ben')
  lab.makeGroup('friends', anna, ben)
  const within = [1, 2, 3].map((i) => anna.order(send('friends', `message ${i}`)))
  t.equal(anna.refusal(send('friends', 'one too many')), 'SEND_QUEUE_FULL')
  lab.network.runFor(10_000)
  t.ok(within.every((reference) => anna.answerTo(reference)?.type === 'done'))
  const body = new Uint8Array(10_000 - 64)
  t.equal(anna.refusal({ type: 'send', group: 'friends', body: new Uint8Array(body.length + 1) }), 'SEND_QUEUE_FULL')
  result(anna, { type: 'send', group: 'friends', body }, 'sent')
})

t.test('a command can be given up, and none is left unanswered when the device stops', async (t) => {
  const lab = new Lab()
  const [anna, ben] = [lab.device('anna', {}, { commands: 3 }), lab.device('ben')] as const
  lab.makeGroup('friends', anna, ben)
  for (const { node } of lab.proxies) node.up = false
  const orders = [send('friends', 'a'), send('friends', 'b'), { type: 'join', passphrase } as const]
  const [first, second, third] = orders.map((order) => anna.order(order)) as [number, number, number]
  t.match(anna.answerTo(third), { code: 'INVITATION_NONE' })
  const derived = anna.order({ type: 'invite', group: 'friends', address: lab.device('cleo').address, passphrase })
  t.equal(anna.refusal(send('friends', 'one too many')), 'SEND_QUEUE_FULL', 'commands under way are bounded')
  lab.network.input(anna.node, { type: 'abort', reference: first })
  t.match(anna.answerTo(first), { code: 'ABORTED' })
  lab.network.input(anna.node, { type: 'stop' })
  t.match(anna.answerTo(second), { code: 'CLOSED' })
  t.match(anna.answerTo(derived), { code: 'CLOSED' })
  t.match(anna.answer(send('friends', 'c')), { code: 'CLOSED' })
  lab.network.runFor(120_000)
  t.equal(
    anna.outputs.filter((each) => 'reference' in each && each.reference === first && each.type !== 'derive').length,
    1,
  )
  t.match(anna.node.machine.status(), { connected: false })
  t.ok(lab.server.machine.events.some((each) => each.type === 'closed' && each.reason === 'goingAway'))
})
