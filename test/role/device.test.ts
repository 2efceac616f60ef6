/**
 * What a user asks of a device and what it sends: groups, invitations, messages, the choice of proxies and what happens
 * when they fail (PROTOCOL.md sections 5, 6, 8 and 9).
 */
import t from 'tap'
import { digest, equal, identityKey, key, type NodeId, nodeId, point, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { utcDay } from '../../src/base/time.js'
import { messageTime, newMessageId, sealContent } from '../../src/group/content.js'
import { invitationKeys, passphraseSalt } from '../../src/group/keys.js'
import { listDigest } from '../../src/group/member-list.js'
import { inviteMember } from '../../src/group/membership.js'
import { chooseProxies } from '../../src/role/choose-proxies.js'
import { MessageIds } from '../../src/role/device/message-ids.js'
import type { DeviceResult } from '../../src/role/device.js'
import type { ListedProxy, VerifiedDirectory } from '../../src/role/server-link.js'
import { seed } from '../base/seeded.js'
import { CHEAP, crypto, Lab, type Order, random, type TestDevice } from './device-lab.js'

t.comment(`SEED=${seed}`)

const passphrase = utf8('correct horse battery staple')

/** The result of a command that succeeds. */
function result<T extends DeviceResult['type']>(device: TestDevice, order: Order, type: T) {
  const answer = device.answer(order)
  if (answer.type !== 'done' || answer.result.type !== type) throw new Error(JSON.stringify(answer))
  return answer.result as Extract<DeviceResult, { type: T }>
}

function send(group: string, text: string): Order {
  return { type: 'send', group, body: utf8(text) }
}

function connected(device: TestDevice): TestDevice {
  device.lab.network.runUntil(() => device.node.machine.status().directory !== undefined, 5_000)
  return device
}

/** What a member makes that would have another believe in other keys for their group. */
function invitationUnderOtherKeys(lab: Lab, from: TestDevice, to: TestDevice): Uint8Array {
  const { now } = lab.network
  const { identityKey: newcomer } = to.identity
  const group = from.group('friends')
  const members = new Map([...group.list.members].filter(([id]) => id !== toHex(to.id)))
  const epochs = group.epochs.map((epoch) => ({ ...epoch, secret: key(random(32)) }))
  const other = { ...group, epochs, list: { ...group.list, members } }
  const directoryDigest = digest(random(32))
  const invite = { identity: from.identity, self: from.id, newcomer, accessCode: to.accessCode, now, directoryDigest }
  const salt = passphraseSalt(crypto, newcomer, lab.serverIdentity.identityKey)
  const keys = invitationKeys(crypto, crypto.argon2id(passphrase, salt, CHEAP), newcomer)
  if (keys === undefined) throw new Error('the key of a device decodes')
  const content = sealContent(crypto, random, {
    identity: from.identity,
    sender: from.id,
    signedFor: { type: 'invitation', keys },
    messageId: newMessageId(random, now),
    kind: 'invitation',
    body: inviteMember(crypto, other, invite).body,
    paddingBytes: 0,
  })
  return lab.scramble({ keys }, content)
}

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

/** Anna with groups, who invites Ben to them. */
function inviter(...groups: string[]) {
  const lab = new Lab()
  const [device, ben] = [connected(lab.device('anna')), connected(lab.device('ben'))] as const
  for (const name of groups) result(device, { type: 'createGroup', name }, 'created')
  const invites = (newcomer: TestDevice, passphrases: Record<string, Uint8Array>): void => {
    for (const [group, passphrase] of Object.entries(passphrases)) {
      // The command takes the bytes over.
      const order = { type: 'invite', group, address: newcomer.address, passphrase: passphrase.slice() } as const
      result(device, order, 'invited')
    }
  }
  return { lab, anna: { device, invites }, ben }
}

t.test('an invitation', async (t) => {
  t.test('under a wrong passphrase is kept, and joined under the right one', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [connected(lab.device('anna')), connected(lab.device('ben'))] as const
    result(anna, { type: 'createGroup', name: 'friends' }, 'created')
    const petname = 'Ben at home'
    result(anna, { type: 'invite', group: 'friends', address: ben.address, passphrase, petname }, 'invited')
    lab.network.runUntil(() => ben.outputs.some(({ type }) => type === 'unopened'), 5_000)
    t.equal(ben.refusal({ type: 'join', passphrase: utf8('incorrect horse battery') }), 'PASSPHRASE_WRONG')
    t.equal(ben.node.machine.status().unopened, 1)
    const { groups } = result(ben, { type: 'join', passphrase, name: 'Anna and I' }, 'joined')
    t.match(groups, [{ name: 'Anna and I', inviter: anna.id, memberCount: 2 }])
    t.equal(ben.node.machine.status().unopened, 0)
    lab.network.runUntil(() => anna.group('friends').list.members.size === 2, 5_000)
    t.equal(anna.group('friends').petnames.get(toHex(ben.id)), petname)
    t.equal(anna.node.machine.status().unopened, 0, "the inviter's own copy is no invitation")
    const renaming = (member: TestDevice, name: string): Order =>
      ({ type: 'renameMember', group: 'Anna and I', member: member.id, name }) as const
    t.equal(ben.refusal(renaming(ben, 'me')), 'MEMBER_SELF')
    t.equal(ben.refusal(renaming(anna, 'a\nb')), 'NAME_INVALID')
    result(ben, renaming(anna, 'Anna'), 'renamed')
    result(anna, send('friends', 'hello'), 'sent')
    lab.network.runUntil(() => ben.messages.length > 0, 5_000)
    lab.network.crash(ben.node)
    lab.network.restart(ben.node)
    t.equal(ben.group('Anna and I').petnames.get(toHex(anna.id)), 'Anna', 'from the disk')
    t.match(ben.messages, [{ senderName: 'Anna' }])
    t.equal(anna.refusal({ type: 'invite', group: 'friends', address: ben.address, passphrase }), 'MEMBER_EXISTS')
  })

  t.test('asks for another name where the suggested one is taken', async (t) => {
    const lab = new Lab()
    const [anna, ben, cleo] = [lab.device('anna'), lab.device('ben'), lab.device('cleo')].map(connected) as [
      TestDevice,
      TestDevice,
      TestDevice,
    ]
    for (const inviter of [anna, ben]) {
      result(inviter, { type: 'createGroup', name: 'friends' }, 'created')
      result(inviter, { type: 'invite', group: 'friends', address: cleo.address, passphrase }, 'invited')
    }
    lab.network.runUntil(() => cleo.node.machine.status().unopened === 2, 5_000)
    t.equal(cleo.refusal({ type: 'join', passphrase }), 'GROUP_EXISTS', 'two groups of one name')
    t.equal(cleo.node.machine.status().unopened, 2, 'nothing is lost by it')
    const { groups } = result(cleo, { type: 'join', passphrase, name: 'mine' }, 'joined')
    t.same(groups.map(({ name }) => name).sort(), ['mine', 'mine-2'], 'one passphrase opens both')
    t.equal(cleo.node.machine.status().unopened, 0)
  })

  t.test('under the id of a group held here, with other keys, changes nothing and is kept', async (t) => {
    const lab = new Lab()
    const [anna, ben, mallory] = [lab.device('anna'), lab.device('ben'), lab.device('mallory')] as const
    lab.makeGroup('friends', anna, ben, mallory)
    const before = ben.group('friends')
    lab.deliver(ben.id, invitationUnderOtherKeys(lab, mallory, ben))
    t.ok(lab.network.runUntil(() => ben.node.machine.status().unopened === 1, 5_000))
    t.equal(ben.refusal({ type: 'join', passphrase, name: 'other' }), 'GROUP_EXISTS')
    t.equal(ben.node.machine.status().unopened, 1, 'it might be the true one')
    t.strictSame(ben.group('friends'), before)
    t.equal(ben.node.machine.status().groups.length, 1)
    result(anna, { type: 'send', group: 'friends', body: utf8('still here') }, 'sent')
    lab.network.runFor(2_000)
    t.same(ben.texts(), ['still here'])
  })

  t.test('that comes again to a member makes it confirm again', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [connected(lab.device('anna')), connected(lab.device('ben'))] as const
    result(anna, { type: 'createGroup', name: 'friends' }, 'created')
    for (let i = 0; i < 2; i++) {
      result(anna, { type: 'invite', group: 'friends', address: ben.address, passphrase }, 'invited')
      lab.network.runUntil(() => ben.node.machine.status().unopened > 0, 5_000)
      for (const proxy of lab.proxies) proxy.behaviour = i === 0 ? 'swallows' : 'carries'
      result(ben, { type: 'join', passphrase }, 'joined')
      lab.network.runFor(2_000)
      for (const proxy of lab.proxies) proxy.behaviour = 'carries'
    }
    t.equal(anna.group('friends').list.members.size, 2)
    t.equal(ben.node.machine.status().groups.length, 1)
  })

  t.test('past its life is discarded', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [connected(lab.device('anna')), connected(lab.device('ben'))] as const
    result(anna, { type: 'createGroup', name: 'friends' }, 'created')
    lab.network.crash(ben.node)
    result(anna, { type: 'invite', group: 'friends', address: ben.address, passphrase }, 'invited')
    lab.network.runFor(1_000)
    lab.network.now += limits.invitationLifeMs
    lab.network.restart(ben.node)
    if (!lab.network.runUntil(() => ben.node.machine.status().unopened > 0, 5_000)) throw new Error('nothing came')
    t.equal(ben.refusal({ type: 'join', passphrase: utf8('not that one, certainly') }), 'PASSPHRASE_WRONG')
    t.equal(ben.refusal({ type: 'join', passphrase }), 'INVITATION_EXPIRED', 'told to who has the passphrase')
    t.equal(ben.node.dropped('INVITATION_EXPIRED'), 1)
    t.equal(ben.node.machine.status().unopened, 0)
  })

  t.test(
    'is one of several: each is opened by its own passphrase, and one passphrase opens all of its own',
    async (t) => {
      const { lab, anna, ben } = inviter('family', 'friends', 'chess', 'choir')
      const [own, shared] = [utf8('for the family alone'), utf8('for friends and chess')]
      const declined = utf8('for those who can sing')
      anna.invites(ben, { family: own, friends: shared, chess: shared, choir: declined })
      lab.network.runUntil(() => ben.node.machine.status().unopened === 4, 20_000)
      const { groups } = result(ben, { type: 'join', passphrase: shared }, 'joined')
      t.strictSame(groups.map(({ name }) => name).sort(), ['chess', 'friends'])
      t.equal(ben.node.machine.status().unopened, 2)
      t.equal(ben.refusal({ type: 'join', passphrase: shared }), 'PASSPHRASE_WRONG', 'what it opened is used up')
      t.equal(ben.refusal({ type: 'decline', passphrase: shared }), 'PASSPHRASE_WRONG')
      t.match(result(ben, { type: 'decline', passphrase: declined }, 'declined'), {
        messages: 1,
        groups: [{ name: 'choir', inviter: anna.device.id }],
      })
      t.match(result(ben, { type: 'join', passphrase: own }, 'joined').groups, [{ name: 'family' }])
      t.equal(ben.node.machine.status().unopened, 0)
      t.equal(ben.refusal({ type: 'decline', passphrase: own }), 'INVITATION_NONE')
    },
  )

  t.test('is declined unread with all that waits, and the device may be invited again', async (t) => {
    const { lab, anna, ben } = inviter('friends')
    anna.invites(ben, { friends: passphrase })
    lab.network.runUntil(() => ben.node.machine.status().unopened === 1, 20_000)
    t.match(result(ben, { type: 'decline' }, 'declined'), { messages: 1, groups: [] })
    t.match(result(ben, { type: 'decline' }, 'declined'), { messages: 0, groups: [] })
    t.equal(ben.node.machine.status().unopened, 0)
    t.notOk([...ben.node.store.keys()].some((key) => key.startsWith('unopened/')))
    anna.invites(ben, { friends: utf8('a second one, more welcome') })
    t.equal(anna.device.group('friends').pending.size, 1)
    lab.network.runUntil(() => ben.node.machine.status().unopened === 1, 20_000)
    result(ben, { type: 'join', passphrase: utf8('a second one, more welcome') }, 'joined')
    lab.network.runUntil(() => anna.device.group('friends').list.members.size === 2, 20_000)
    t.equal(anna.device.group('friends').list.members.size, 2)
  })

  t.test('that was taken back lets nobody in, also after a restart', async (t) => {
    const { lab, anna, ben } = inviter('friends')
    const uninvite: Order = { type: 'uninvite', group: 'friends', newcomer: ben.id }
    t.equal(anna.device.refusal(uninvite), 'INVITATION_UNKNOWN')
    anna.invites(ben, { friends: passphrase })
    lab.network.runUntil(() => ben.node.machine.status().unopened === 1, 20_000)
    t.match(result(anna.device, uninvite, 'uninvited'), { newcomer: ben.id })
    t.match(
      anna.device.outputs.filter(({ type }) => type === 'invitationOver'),
      [{ group: 'friends', newcomer: ben.id }],
    )
    lab.network.crash(anna.device.node)
    lab.network.restart(anna.device.node)
    result(ben, { type: 'join', passphrase }, 'joined')
    lab.network.runFor(20_000)
    t.equal(anna.device.group('friends').list.members.size, 1)
    t.ok(anna.device.node.dropped('MESSAGE_SENDER') > 0)
  })

  t.test('that was taken back before a first proxy had it leaves no more', async (t) => {
    const { lab, anna, ben } = inviter('friends')
    for (const proxy of lab.proxies) proxy.behaviour = 'swallows'
    const invited = anna.device.order({ type: 'invite', group: 'friends', address: ben.address, passphrase })
    lab.network.runUntil(() => anna.device.group('friends').pending.size === 1, 5_000)
    result(anna.device, { type: 'uninvite', group: 'friends', newcomer: ben.id }, 'uninvited')
    for (const proxy of lab.proxies) proxy.behaviour = 'carries'
    lab.network.runFor(20_000)
    t.ok(anna.device.answerTo(invited), 'the command is answered all the same')
    t.match(anna.device.node.machine.status(), { outgoingMessages: 0, unprovenMessages: 0 })
    t.equal(ben.node.machine.status().unopened, 0)
  })

  t.test('that nobody answers is forgotten, and the inviter told', async (t) => {
    const { lab, anna, ben } = inviter('friends')
    anna.invites(ben, { friends: passphrase })
    lab.absence(anna.device, limits.invitationLifeMs)
    t.equal(anna.device.group('friends').pending.size, 1, 'an answer may still be under way')
    lab.absence(anna.device, limits.messageLifeMs)
    t.equal(anna.device.group('friends').pending.size, 0)
    t.match(
      anna.device.outputs.filter(({ type }) => type === 'invitationOver'),
      [{ group: 'friends', newcomer: ben.id }],
    )
  })
})

t.test('without what it takes to send', async (t) => {
  t.test(
    'goes by the last directory while the server is away, after a restart too, and no longer than it is valid',
    async (t) => {
      const lab = new Lab()
      const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
      lab.makeGroup('friends', anna, ben)
      lab.delivers = false
      lab.network.crash(lab.server)
      lab.network.crash(anna.node)
      lab.network.restart(anna.node)
      result(anna, send('friends', 'nobody is there to store it'), 'sent')
      t.notOk(anna.node.machine.status().connected)
      lab.network.crash(anna.node)
      lab.network.now += limits.directoryLifeMs + 1
      lab.network.restart(anna.node)
      t.equal(anna.refusal(send('friends', 'a day later')), 'DIRECTORY_MISSING')
    },
  )

  t.test('waits for a directory, then says that none came', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
    lab.makeGroup('friends', anna, ben)
    const { directory } = lab
    lab.directory = () => undefined
    anna.node.store.delete('directory')
    lab.network.crash(anna.node)
    lab.network.restart(anna.node)
    const start = lab.network.now
    t.equal(anna.refusal(send('friends', 'hello')), 'DIRECTORY_MISSING')
    t.equal(lab.network.now - start, limits.directoryWaitMs)
    const reference = anna.order(send('friends', 'in time'))
    lab.directory = directory
    lab.network.runUntil(() => anna.answerTo(reference) !== undefined, limits.directoryWaitMs)
    t.equal(anna.answerTo(reference)?.type, 'done')
  })

  t.test('says how many proxies there are and how many it takes', async (t) => {
    for (const proxyHosts of [[], ['198.51.100.1']]) {
      const lab = new Lab({ proxyHosts })
      const [anna, ben] = [connected(lab.device('anna')), connected(lab.device('ben'))] as const
      result(anna, { type: 'createGroup', name: 'friends' }, 'created')
      const answer = anna.answer({ type: 'invite', group: 'friends', address: ben.address, passphrase })
      t.match(answer, { type: 'failed', code: 'PROXIES_TOO_FEW' })
      t.match(answer.type === 'failed' && answer.message, new RegExp(`two proxies .* lists ${proxyHosts.length}`))
    }
  })

  t.test('waits for proxies that are about to be listed, and not for long', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
    lab.makeGroup('friends', anna, ben)
    lab.say(anna.id, directoryReply(lab.signedDirectory({ proxies: [] })))
    lab.network.runFor(100)
    const start = lab.network.now
    t.equal(anna.refusal(send('friends', 'too early')), 'PROXIES_TOO_FEW')
    t.ok(lab.network.now - start >= limits.proxiesWaitMs && lab.network.now - start < 2 * limits.proxiesWaitMs)
    const reference = anna.order(send('friends', 'in time'))
    lab.network.runFor(limits.proxiesWaitMs / 2)
    lab.say(anna.id, directoryReply(lab.signedDirectory()))
    lab.network.runUntil(() => anna.answerTo(reference) !== undefined, limits.proxiesWaitMs)
    t.equal(anna.answerTo(reference)?.type, 'done')
  })

  t.test('a bad directory is dropped under its code, and the one held stays', async (t) => {
    const lab = new Lab()
    const anna = connected(lab.device('anna'))
    const held = anna.node.machine.status().directory?.version
    const { now } = lab.network
    const forged = lab.signedDirectory()
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    const cases = [
      ['DIRECTORY_SIGNATURE', forged],
      ['DIRECTORY_EXPIRED', lab.signedDirectory({ issuedAt: now - 5_000, validUntil: now - 1 })],
      ['DIRECTORY_ROLLBACK', lab.signedDirectory({ version: 0 })],
    ] as const
    for (const [code, directory] of cases) {
      lab.directory = () => directory
      lab.network.runUntil(() => anna.node.dropped(code) > 0, limits.directoryLifeMs)
      t.equal(anna.node.dropped(code), 1, code)
      t.equal(anna.node.machine.status().directory?.version, held)
      lab.network.crash(anna.node)
      lab.network.restart(anna.node)
    }
  })
})

t.test('when first proxies fail', async (t) => {
  t.test('goes to others, with fresh keys', async (t) => {
    for (const failing of ['busy', 'down'] as const) {
      const lab = new Lab({ proxyHosts: ['198.51.100.1', '203.0.113.1', '100.64.0.1', '8.8.8.8'] })
      const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
      lab.makeGroup('friends', anna, ben)
      lab.network.runFor(2 * limits.firstProxyIdleMs)
      for (const proxy of lab.proxies.slice(0, 3)) {
        if (failing === 'busy') proxy.behaviour = 'busy'
        else proxy.node.up = false
      }
      for (let i = 0; i < 5; i++) result(anna, send('friends', `message ${i}`), 'sent')
      lab.network.runFor(30_000)
      t.same(
        ben.texts().sort(),
        [0, 1, 2, 3, 4].map((i) => `message ${i}`),
        failing,
      )
      t.equal(anna.node.machine.status().outgoingMessages, 0)
    }
  })

  t.test('gives a message up after a few, and says so', async (t) => {
    const lab = new Lab({ proxyHosts: ['198.51.100.1', '203.0.113.1', '100.64.0.1', '8.8.8.8', '9.9.9.9'] })
    const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
    lab.makeGroup('friends', anna, ben)
    lab.network.runFor(2 * limits.firstProxyIdleMs)
    for (const { node } of lab.proxies) node.up = false
    t.equal(anna.refusal(send('friends', 'hello'), 120_000), 'SEND_FAILED')
    t.equal(anna.node.machine.status().outgoingMessages, 0)
  })

  t.test('keeps trying with what a group says to itself', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [connected(lab.device('anna')), connected(lab.device('ben'))] as const
    result(anna, { type: 'createGroup', name: 'friends' }, 'created')
    result(anna, { type: 'invite', group: 'friends', address: ben.address, passphrase }, 'invited')
    lab.network.runUntil(() => ben.node.machine.status().unopened > 0, 5_000)
    for (const proxy of lab.proxies) proxy.behaviour = 'busy'
    result(ben, { type: 'join', passphrase }, 'joined')
    lab.network.runFor(120_000)
    t.equal(anna.group('friends').list.members.size, 1)
    for (const proxy of lab.proxies) proxy.behaviour = 'carries'
    lab.network.runUntil(() => anna.group('friends').list.members.size === 2, 600_000)
    t.equal(anna.group('friends').list.members.size, 2)
    lab.network.runFor(1_000)
    t.equal(ben.node.machine.status().outgoingMessages, 0)
  })
})

t.test('uses a session with a first proxy again, and closes it when idle', async (t) => {
  const lab = new Lab({ proxyHosts: ['198.51.100.1', '203.0.113.1'] })
  const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
  lab.makeGroup('friends', anna, ben)
  lab.network.runFor(2 * limits.firstProxyIdleMs)
  const accepted = () =>
    lab.proxies.flatMap(({ node }) => node.machine.events).filter(({ type }) => type === 'accepted')
  const closed = () => lab.proxies.flatMap(({ node }) => node.machine.events).filter(({ type }) => type === 'closed')
  const before = accepted().length
  for (let i = 0; i < 10; i++) result(anna, send('friends', `message ${i}`), 'sent')
  const used = accepted().length - before
  t.ok(used === 1 || used === 2, `${used} sessions for ten messages`)
  lab.network.runFor(2 * limits.firstProxyIdleMs)
  t.equal(closed().length, accepted().length)
  t.ok(
    lab.proxies.every(({ node }) => node.machine.of('identityProof').length === 0),
    'and all were anonymous',
  )
})

t.test('never sends by its own proxy, and warns once of proxies in one network', async (t) => {
  const lab = new Lab({ proxyHosts: ['127.0.0.1', '127.0.0.2', '127.0.0.3'] })
  const own = lab.proxies[0]
  if (own === undefined) throw new Error('three proxies')
  const [anna, ben] = [lab.device('anna', { ownProxy: own.id }), lab.device('ben', { ownProxy: own.id })] as const
  lab.makeGroup('friends', anna, ben)
  for (let i = 0; i < 10; i++) result(anna, send('friends', `message ${i}`), 'sent')
  t.equal(own.forwards, 0)
  t.equal(anna.node.notices.filter((event) => event.startsWith('all proxies are in one network')).length, 1)
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

t.test('a day that has no sealing key of the server is waited out', async (t) => {
  const lab = new Lab()
  const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
  lab.makeGroup('friends', anna, ben)
  const { now } = lab.network
  lab.serverKeys.advance(now)
  const yesterday = lab.serverKeys
    .published(now)
    .map(({ key }) => ({ day: utcDay(now) - 1, key }))
    .slice(0, 1)
  lab.say(anna.id, directoryReply(lab.signedDirectory({ sealingKeys: yesterday })))
  lab.network.runFor(1_000)
  t.equal(anna.refusal(send('friends', 'hello')), 'DIRECTORY_MISSING')
})

function directoryReply(directory: Uint8Array): Uint8Array {
  return Uint8Array.of(0x03, ...directory)
}

t.test('the choice of first and second proxy', async (t) => {
  const day = 20_000
  const listed = (...hosts: readonly (string | readonly string[])[]): readonly ListedProxy[] =>
    hosts.map((host, index) => ({
      id: nodeId(Uint8Array.from({ length: 8 }, (_, i) => (i === 7 ? index : 0))),
      linkKey: random(32),
      addresses: [host].flat().map((each) => ({ host: each, port: 1 })),
      sealingKeys: new Map([[day, point(random(32))]]),
    }))
  const choose = (
    proxies: readonly ListedProxy[],
    own?: NodeId,
    avoid: readonly string[] = [],
    avoidSecond: readonly string[] = [],
  ) => {
    const directory = {
      proxies: new Map(proxies.map((each) => [toHex(each.id), each])),
    } as unknown as VerifiedDirectory
    return chooseProxies(random, directory, { day, own, avoid: new Set(avoid), avoidSecond: new Set(avoidSecond) })
  }
  /** The pairs that many choices come to, by their indexes. */
  const pairs = (...from: Parameters<typeof choose>) => {
    const found = new Set<string>()
    for (let i = 0; i < 400; i++) {
      const choice = choose(...from)
      if (choice.ok) found.add(`${choice.first.id[7]}${choice.second.id[7]} ${choice.apart}`)
      else found.add(`${choice.usable} of ${choice.listed}`)
    }
    return [...found].sort()
  }

  t.test('takes every pair from different networks, and no other', async (t) => {
    const network = (...texts: readonly string[]) => texts.map((text) => `${text} network`)
    t.same(pairs(listed('10.1.0.1', '10.1.0.2', '10.2.0.1')), network('02', '12', '20', '21'))
    t.same(pairs(listed('2001:db8::1', '2001:db8:1::1', '2001:db9::1')), network('02', '12', '20', '21'))
    t.same(pairs(listed(['10.1.0.1', '2001:db8::1'], '2001:db8::2', ['10.1.9.9', '2001:db9::1'])), network('12', '21'))
  })

  t.test('takes no pair of which the first could not reach the second', async (t) => {
    t.same(pairs(listed('10.1.0.1', '2001:db8::1')), ['2 of 2'])
    t.same(pairs(listed('10.1.0.1', '2001:db8::1', ['10.2.0.1', '2001:db9::1'])), [
      '02 network',
      '12 network',
      '20 network',
      '21 network',
    ])
  })

  t.test('tells proxies apart by address only where all are in one network', async (t) => {
    t.same(pairs(listed('127.0.0.1', '127.0.0.1', '127.0.0.2')), [
      '02 address',
      '12 address',
      '20 address',
      '21 address',
    ])
    t.same(pairs(listed('127.0.0.1', '127.0.0.1')), ['2 of 2'])
    t.same(pairs(listed('10.1.0.1')), ['1 of 1'])
    t.same(pairs([]), ['0 of 0'])
  })

  t.test('never takes the sender’s own, and weakens nothing for that', async (t) => {
    const proxies = listed('10.1.0.1', '10.1.0.2', '10.2.0.1')
    t.same(pairs(proxies, proxies[2]?.id), ['2 of 3'])
    t.same(pairs(proxies, proxies[0]?.id), ['12 network', '21 network'])
  })

  t.test('takes those that failed only for want of others', async (t) => {
    const proxies = listed('10.1.0.1', '10.2.0.1', '10.3.0.1')
    const ids = proxies.map(({ id }) => toHex(id))
    t.same(pairs(proxies, undefined, ids.slice(0, 2)), ['20 network', '21 network'])
    t.equal(pairs(proxies, undefined, ids).length, 6)
    t.same(pairs(proxies, undefined, [], ids.slice(0, 2)), ['02 network', '12 network', '20 network', '21 network'])
    t.same(pairs(proxies, undefined, ids.slice(0, 2), ids.slice(0, 1)), ['21 network'])
  })

  t.test('takes as second proxy only one with a sealing key of the day', async (t) => {
    const proxies = listed('10.1.0.1', '10.2.0.1').map((each, i) =>
      i === 0 ? { ...each, sealingKeys: new Map() } : each,
    )
    t.same(pairs(proxies), ['01 network'])
  })
})
