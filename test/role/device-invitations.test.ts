/**
 * Invitations as whole devices have them: joined, declined, withdrawn, run out, repeated and forged (PROTOCOL.md section 8.2).
 */
import t from 'tap'
import { digest, key, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { newMessageId, sealContent } from '../../src/group/content.js'
import { invitationKeys, passphraseSalt } from '../../src/group/keys.js'
import { inviteMember } from '../../src/group/membership.js'
import { seed } from '../base/seeded.js'
import { connected, result, send } from './device-acts.js'
import { CHEAP, crypto, Lab, type Order, random, type TestDevice } from './device-lab.js'

t.comment(`SEED=${seed}`)

const passphrase = utf8('correct horse battery staple')

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
