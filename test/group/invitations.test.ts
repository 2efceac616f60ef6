/**
 * Invitations and joining: who can open one, what is refused, and what members are told (PROTOCOL.md sections 8.1 to 8.3).
 */
import t from 'tap'
import { bigEndian, concat, digest, identityKey, key, nodeId, signature, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { utcDay } from '../../src/base/time.js'
import { newMessageId, openGroupContent } from '../../src/group/content.js'
import { bestEpoch, commitmentTo, departuresDigest, epochOf, unsigned } from '../../src/group/epochs.js'
import type { EpochStatement, Group, MemberRecord } from '../../src/group/group.js'
import { invitationKeys, invitationPrivateKey } from '../../src/group/keys.js'
import { createRecord, memberById } from '../../src/group/member-list.js'
import {
  cancelInvitation,
  checkName,
  createGroup,
  expireInvitations,
  inviteMember,
  joinGroup,
  readInvitation,
  rejoinGroup,
  renameMember,
} from '../../src/group/membership.js'
import { decodeGroup, encodeGroup } from '../../src/group/storage.js'
import { confirmation, invitation } from '../../src/wire/content.js'
import { seed, seeded } from '../base/seeded.js'
import {
  codeOf,
  crypto,
  derive,
  directoryDigest,
  flipped,
  invite,
  makeDevice,
  now,
  openFor,
  present,
  receive,
  sealFor,
  sealPersonalFor,
  type TestDevice,
  taken,
  tryPassphrase,
} from './support.js'

t.comment(`seed ${seed}`)
const random = seeded()
const alice = makeDevice(random)
const bob = makeDevice(random)
const carol = makeDevice(random)
const group = createGroup(crypto, random, { ...alice, name: 'friends', now })
const secret = 'correct horse battery staple'
const groupSecret = key(random(32))

/** What somebody says of `groupSecret`. */
function statementBy(by: TestDevice, changes: Partial<EpochStatement>): EpochStatement {
  const fields = {
    number: 1,
    parent: digest(new Uint8Array(32)),
    commitment: commitmentTo(crypto, groupSecret),
    day: utcDay(now),
    issuer: by.id,
    departures: 0,
    departuresDigest: departuresDigest(crypto, []),
    signature: signature(new Uint8Array(64)),
    ...changes,
  }
  return { ...fields, signature: crypto.sign(by.identity, labels.epochStatement, group.id, unsigned(fields)) }
}

t.test('a created group has its creator in it, alone', (t) => {
  t.equal(group.list.members.size, 1)
  const { record } = present(memberById(group.list, alice.id))
  t.match(record, { role: 'creator', since: now, accessCode: alice.accessCode, inviter: alice.id })
  t.notSame(createGroup(crypto, random, { ...alice, name: 'friends', now: now + 1 }).id, group.id)
  t.notSame(createGroup(crypto, random, { ...bob, name: 'friends', now }).id, group.id)
  t.end()
})

t.test('the invited device joins with the passphrase', (t) => {
  const invited = invite(group, alice, bob, random)
  const read = taken(tryPassphrase(bob, invited.content))
  t.strictSame(read.groupId, group.id)
  t.strictSame(read.epoch, group.epochs[0])
  t.equal(read.name, 'friends')
  t.strictSame(read.inviter.id, alice.id)
  t.strictSame(read.inviterKey, alice.identity.identityKey)
  t.equal(read.memberCount, 1)
  t.equal(read.expiresAt, now + limits.invitationLifeMs)

  const joined = joinGroup(crypto, read, { name: 'pals', petname: 'Al', now })
  t.equal(joined.group.name, 'pals')
  t.equal(joined.group.petnames.get(toHex(alice.id)), 'Al')
  t.strictSame(joined.group.live, group.live)
  t.strictSame([...joined.group.list.members.keys()].toSorted(), [toHex(alice.id), toHex(bob.id)].toSorted())
  t.strictSame(
    joined.send.recipients.map(({ id }) => id),
    [alice.id],
  )

  const content = sealPersonalFor(joined.group, bob, alice, random, joined.send)
  const received = receive(invited.group, alice, taken(openFor(invited.group, alice, content)))
  t.strictSame(
    received.joined.map(({ id }) => id),
    [bob.id],
  )
  t.strictSame(received.drops, [])
  t.equal(received.group.pending.size, 0)
  t.equal(received.group.introduceAt, now + limits.introduceQuietMs)

  const again = receive(received.group, alice, taken(openFor(received.group, alice, content)))
  const nothing = { group: undefined, joined: [], gone: [], sends: [], drops: [] }
  t.strictSame({ ...again, group: undefined }, nothing, 'a repeat changes nothing')
  t.strictSame(again.group, received.group)
  t.end()
})

t.test('an invitation opens for the passphrase and the device together, and for neither alone', (t) => {
  const { content } = invite(group, alice, bob, random)
  const target = bob.identity.identityKey
  const read = (keys: Parameters<typeof readInvitation>[1]) => codeOf(readInvitation(crypto, keys, bob, content, now))
  const right = present(invitationKeys(crypto, derive(secret, target), target))

  t.equal(read({ ...right, privateKey: invitationPrivateKey(crypto, right.scalar, bob.identity) }), 'opened')
  t.equal(codeOf(tryPassphrase(bob, content, 'correct horse battery stable')), 'MESSAGE_CONTENT', 'a wrong passphrase')
  t.equal(read({ ...right, privateKey: right.scalar }), 'MESSAGE_CONTENT', 'p without d')
  t.equal(read({ ...right, privateKey: bob.identity.secretScalar }), 'MESSAGE_CONTENT', 'd without p')
  t.equal(
    read({ ...right, privateKey: invitationPrivateKey(crypto, right.scalar, carol.identity) }),
    'MESSAGE_CONTENT',
    "p with another device's d",
  )
  const otherSymmetric = { ...right, symmetric: key(random(32)) }
  t.equal(
    read({ ...otherSymmetric, privateKey: invitationPrivateKey(crypto, right.scalar, bob.identity) }),
    'MESSAGE_CONTENT',
    'the scalar without the symmetric key',
  )
  const otherNetwork = present(invitationKeys(crypto, derive(secret, target, carol.identity.identityKey), target))
  t.notSame(otherNetwork.publicPoint, right.publicPoint, 'a passphrase has other keys in another network')
  t.equal(invitationKeys(crypto, derive(secret, target), identityKey(new Uint8Array(32))), undefined, 'no identity key')
  t.end()
})

t.test('an invitation with any byte changed or missing is not opened', (t) => {
  const { content } = invite(group, alice, bob, random)
  const target = bob.identity.identityKey
  const keys = present(invitationKeys(crypto, derive(secret, target), target))
  const opening = { ...keys, privateKey: invitationPrivateKey(crypto, keys.scalar, bob.identity) }
  const opens = (changed: Uint8Array) => readInvitation(crypto, opening, bob, changed, now).ok
  t.ok(opens(content))
  const places = Array.from(content, (_, i) => i)
  t.strictSame(
    places.filter((i) => opens(flipped(content, i, i % 8))),
    [],
  )
  t.strictSame(
    places.filter((i) => opens(content.subarray(0, i))),
    [],
  )
  t.end()
})

t.test('an invitation whose content somebody else made is refused at every layer', (t) => {
  const { body, content } = invite(group, alice, bob, random)
  const target = bob.identity.identityKey
  const keys = present(invitationKeys(crypto, derive(secret, target), target))
  const seal = (by: TestDevice, changed: Uint8Array, sender = by) =>
    sealFor(group, by, random, {
      signedFor: { type: 'invitation', keys },
      kind: 'invitation',
      body: changed,
      sender: sender.id,
    })
  const code = (changed: Uint8Array) => codeOf(tryPassphrase(bob, changed))
  t.equal(code(content), 'opened')
  t.equal(code(seal(alice, body)), 'opened', 'sealed once more')
  t.equal(code(seal(carol, body)), 'MESSAGE_SIGNATURE', 'passed on by who is not the inviter')
  t.equal(code(seal(carol, body, alice)), 'MESSAGE_SIGNATURE', "under the inviter's name")
  t.equal(
    code(sealFor(group, alice, random, { signedFor: { type: 'group', id: group.id, keys }, kind: 'invitation', body })),
    'MESSAGE_SIGNATURE',
    'signed as a message of the group',
  )
  t.equal(
    code(sealFor(group, alice, random, { signedFor: { type: 'invitation', keys }, body })),
    'MESSAGE_CONTENT',
    'of another kind',
  )
  const places = Array.from(body, (_, i) => i)
  t.strictSame(
    places.filter((i) => code(seal(carol, flipped(body, i), alice)) === 'opened'),
    [],
    'any bit of the body',
  )
  t.strictSame(
    places.filter((i) => code(seal(alice, body.subarray(0, i))) === 'opened'),
    [],
    'cut off, though signed',
  )
  t.end()
})

t.test('a signed invitation is refused where its records do not fit', (t) => {
  const { body } = invite(group, alice, bob, random)
  const parsed = invitation.parse(body)
  if (!parsed.ok) throw new Error(parsed.code)
  const target = bob.identity.identityKey
  const keys = present(invitationKeys(crypto, derive(secret, target), target))
  const code = (changes: Partial<typeof parsed.value>, at = now) =>
    codeOf(
      tryPassphrase(
        bob,
        sealFor(group, alice, random, {
          signedFor: { type: 'invitation', keys },
          kind: 'invitation',
          body: invitation.encode({ ...parsed.value, ...changes }),
          messageId: newMessageId(random, at),
        }),
      ),
    )
  const record = (changes: object, by = alice): MemberRecord =>
    createRecord(crypto, {
      identity: by.identity,
      inviter: alice.id,
      groupId: group.id,
      identityKey: target,
      accessCode: bob.accessCode,
      role: 'member',
      since: now + 1,
      ...changes,
    })
  t.equal(code({}), 'opened')
  t.equal(code({ record: record({}) }), 'opened')
  const refuses = (name: string, changes: Partial<typeof parsed.value>, expected = 'MEMBER_RECORD') =>
    t.equal(code(changes), expected, name)
  refuses('for another device', { record: record({ identityKey: carol.identity.identityKey }) })
  refuses('for another access code', { record: record({ accessCode: flipped(bob.accessCode, 0) }) })
  refuses('of another group', { record: record({ groupId: random(8) }) })
  refuses('signed by somebody else', { record: record({}, carol) })
  refuses('naming another inviter', { record: record({ inviter: carol.id }) })
  refuses('as a creator', { record: record({ role: 'creator' }) })
  refuses('no later than its inviter', { record: record({ since: now }) })
  refuses('dated ahead past the skew', { record: record({ since: now + limits.clockSkewMs + 1 }) })
  t.equal(code({ record: record({ since: now + limits.clockSkewMs }) }), 'opened', 'dated ahead as far as may be')

  const own = parsed.value.inviterRecord
  refuses('a creator not signed by itself', { inviterRecord: { ...own, signature: signature(random(64)) } })
  refuses('a creator invited by another', { inviterRecord: { ...own, inviter: carol.id } })
  const ofOther = { groupId: createGroup(crypto, random, { ...alice, name: 'others', now: now - 1 }).id }
  const signedForOther = (changes: object) => record({ ...ofOther, ...changes })
  const creatorsOwn = {
    identityKey: alice.identity.identityKey,
    accessCode: own.accessCode,
    role: 'creator',
    since: now,
  }
  refuses('a creator of another group than the id names', {
    ...ofOther,
    record: signedForOther({}),
    inviterRecord: signedForOther(creatorsOwn),
  })
  const noKey = identityKey(concat(Uint8Array.of(1), new Uint8Array(31)))
  refuses('an inviter without a valid key', { inviterRecord: { ...own, identityKey: noKey } })
  refuses("an inviter's record of the newcomer", { inviterRecord: record({}) }, 'MESSAGE_SIGNATURE')
  refuses('a name that could rewrite a terminal', { name: Uint8Array.of(27, 91) }, 'MESSAGE_CONTENT')
  refuses('no name', { name: new Uint8Array() }, 'MESSAGE_CONTENT')

  const ofEpoch = (changes: Partial<EpochStatement>) => ({ groupSecret, statement: [statementBy(alice, changes)] })
  t.equal(code(ofEpoch({})), 'opened', 'under an epoch')
  t.equal(code(ofEpoch({ number: (now + limits.clockSkewMs) / 1_000 })), 'opened', 'of the highest number')
  refuses('of a number past that', ofEpoch({ number: (now + limits.clockSkewMs) / 1_000 + 1 }), 'GROUP_SECRET')
  refuses('with another secret', { ...ofEpoch({}), groupSecret: key(random(32)) }, 'GROUP_SECRET')
  refuses('with a secret of the day before its first', ofEpoch({ day: utcDay(now) + 1 }), 'GROUP_SECRET')

  t.equal(code({ expiresAt: now - 1 }), 'INVITATION_EXPIRED', 'a millisecond late')
  t.equal(code({ expiresAt: now }), 'opened', 'just in time')
  const forEver = { expiresAt: now + 10 * limits.invitationLifeMs }
  t.equal(code(forEver, now - limits.invitationLifeMs - 1), 'INVITATION_EXPIRED', 'older than any may become')
  t.equal(code(forEver, now - limits.invitationLifeMs), 'opened')
  t.equal(code({}, now + limits.clockSkewMs + 1), 'MESSAGE_AGE', 'sent from a clock ahead')
  t.end()
})

t.test('an invitation into a group that is here brings no secret that an answer could not', (t) => {
  const read = taken(tryPassphrase(bob, invite(group, alice, bob, random).content))
  const held = joinGroup(crypto, read, { name: 'friends', now }).group
  const brings = (by: TestDevice, changes: Partial<EpochStatement> = {}) => {
    const epoch = epochOf(crypto, statementBy(by, changes), utcDay(now), groupSecret)
    const rejoined = rejoinGroup(crypto, held, { ...read, epoch }, now)
    return rejoined && bestEpoch(rejoined.group).number
  }
  t.equal(brings(alice), 1)
  t.equal(brings(carol, { issuer: alice.id }), undefined, 'signed by another than its issuer')
  t.equal(brings(alice, { number: 2 ** 32 - 1 }), undefined, 'of a number that nobody reaches')
  t.equal(brings(alice, { commitment: digest(random(32)) }), undefined, 'of another secret')
  t.equal(brings(carol), 1, 'from its inviter, of an issuer that it does not know yet')
  t.end()
})

t.test('inviting oneself, a member, or past the limits is refused', (t) => {
  const { identityKey: bobKey } = bob.identity
  const invitation = { ...alice, newcomer: bobKey, accessCode: bob.accessCode, now, directoryDigest }
  const inviting =
    (into: Group, changes: object = {}) =>
    () =>
      inviteMember(crypto, into, { ...invitation, ...changes })

  t.throws(inviting(group, { newcomer: alice.identity.identityKey }), { code: 'MEMBER_SELF' })
  const confirmed = confirm(invite(group, alice, bob, random).group, bob)
  t.throws(inviting(confirmed), { code: 'MEMBER_EXISTS' })
  t.throws(inviting(group, { petname: 'a\nb' }), { code: 'NAME_INVALID' })
  const called = inviteMember(crypto, group, { ...invitation, petname: 'Bobby' }).group
  const { identityKey: carolKey } = carol.identity
  const namesake = { newcomer: carolKey, petname: 'Bobby' }
  t.throws(inviting(called, namesake), { code: 'NAME_INVALID', message: /choose another/ }, 'the name of one invited')
  t.throws(inviting(confirm(called, bob), namesake), { code: 'NAME_INVALID' }, 'the name of a member')
  t.doesNotThrow(inviting(called, { petname: 'Bobby' }), 'the same device again')
  const never = now + limits.invitationLifeMs + limits.messageLifeMs + 1
  t.doesNotThrow(inviting(called, { ...namesake, now: never }), 'the name of one who never came')
  t.throws(inviting(group, bob), { code: 'GROUP_UNKNOWN' }, 'by a device that is not in the group')

  const crowd = (members: number, pending: number): Group => ({
    ...group,
    list: {
      ...group.list,
      members: numbered(members - 1, present(memberById(group.list, alice.id)), group.list.members),
    },
    pending: numbered(pending, {
      newcomer: bob.id,
      epoch: digest(new Uint8Array(32)),
      record: present(memberById(group.list, alice.id)).record,
      expiresAt: now,
    }),
  })
  t.doesNotThrow(inviting(crowd(limits.members - 1, 0)), 'the last place')
  t.throws(inviting(crowd(limits.members, 0)), { code: 'MEMBERS_FULL' }, 'one more')
  t.doesNotThrow(inviting(crowd(limits.members - 11, 10)), 'the last place beside invitations')
  t.throws(inviting(crowd(limits.members - 10, 10)), { code: 'MEMBERS_FULL' })
  t.doesNotThrow(inviting(crowd(2, limits.pendingInvitations - 1)), 'the last invitation')
  t.throws(inviting(crowd(2, limits.pendingInvitations)), { code: 'INVITATIONS_FULL' }, 'one more')
  t.doesNotThrow(
    inviting(crowd(limits.members - 10, 10), { now: now + limits.messageLifeMs + 1 }),
    'places of invitations that nobody can take any more',
  )
  t.end()
})

function numbered<T>(count: number, value: T, onto: ReadonlyMap<string, T> = new Map()): Map<string, T> {
  const result = new Map(onto)
  for (let i = 0; i < count; i++) result.set(toHex(bigEndian(i, 8)), value)
  return result
}

t.test('a second invitation of a device replaces the first, and either may be confirmed', (t) => {
  const first = inviteMember(crypto, group, {
    ...alice,
    newcomer: bob.identity.identityKey,
    accessCode: bob.accessCode,
    petname: 'Bobby',
    now,
    directoryDigest,
  })
  const second = inviteMember(crypto, first.group, {
    ...alice,
    newcomer: bob.identity.identityKey,
    accessCode: bob.accessCode,
    now: now + 1000,
    directoryDigest,
  })
  t.equal(second.group.pending.size, 1)
  t.equal(second.group.petnames.get(toHex(bob.id)), 'Bobby', 'the name stays')
  t.strictSame(second.group.pending.get(toHex(bob.id))?.record, second.newcomer.record)
  for (const { newcomer } of [first, second]) {
    const joined = confirm(second.group, bob, newcomer.record)
    t.strictSame(memberById(joined.list, bob.id)?.record, newcomer.record)
  }
  t.end()
})

t.test('a member, or who is invited, can be called otherwise, and nobody like another', (t) => {
  const { identityKey: carolKey } = carol.identity
  const invitation = { ...alice, accessCode: carol.accessCode, now, directoryDigest }
  const invited = inviteMember(crypto, confirm(invite(group, alice, bob, random).group, bob), {
    ...{ ...invitation, newcomer: carolKey, petname: 'Carol' },
  }).group
  const bobsId = toHex(bob.id)
  const calling = (of: TestDevice, name: string, into: Group = invited) => renameMember(into, alice.id, of.id, name)
  const called = calling(bob, 'Bobby')
  t.equal(called.petnames.get(bobsId), 'Bobby')
  t.equal(calling(bob, 'Bob', called).petnames.get(bobsId), 'Bob', 'again')
  t.equal(calling(bob, 'Bobby', called).petnames.get(bobsId), 'Bobby', 'the same name')
  t.equal(calling(carol, 'Caro').petnames.get(toHex(carol.id)), 'Caro', 'who is invited')
  t.equal(decodeGroup(crypto, encodeGroup(called))?.petnames.get(bobsId), 'Bobby')
  t.throws(() => calling(bob, 'Carol'), { code: 'NAME_INVALID' }, 'the name of another')
  t.throws(() => calling(bob, toHex(carol.id)), { code: 'NAME_INVALID' }, 'the id of another')
  t.throws(() => calling(bob, ''), { code: 'NAME_INVALID' })
  t.throws(() => calling(alice, 'me'), { code: 'MEMBER_SELF' })
  t.throws(() => calling(carol, 'Caro', group), { code: 'MEMBER_UNKNOWN' })

  const named = (count: number) =>
    new Map(Array.from({ length: count }, (_, i) => [i.toString(16).padStart(16, '0'), `gone ${i}`] as const))
  const crowded = { ...invited, petnames: named(limits.petnames - 1) }
  t.equal(calling(bob, 'Bobby', crowded).petnames.size, limits.petnames, 'names of the departed stay')
  t.equal(calling(bob, 'gone 0', crowded).petnames.size, limits.petnames - 1, 'but for one that is given again')
  const full = { ...invited, petnames: named(limits.petnames) }
  t.strictSame([...calling(bob, 'Bobby', full).petnames], [[bobsId, 'Bobby']], 'and while there is room')
  t.end()
})

t.test('an invitation taken back or run out goes with the name it was given, and nothing else does', (t) => {
  const invite = (into: Group, device: TestDevice, at: number) =>
    inviteMember(crypto, into, {
      ...alice,
      newcomer: device.identity.identityKey,
      accessCode: device.accessCode,
      petname: `called ${toHex(device.id)}`,
      now: at,
      directoryDigest,
    }).group
  const both = invite(invite(group, bob, now), carol, now + 1000)
  const [bobsId, carolsId] = [toHex(bob.id), toHex(carol.id)]
  const without = cancelInvitation(both, bob.id)
  t.strictSame([...without.pending.keys()], [carolsId])
  t.notOk(without.petnames.has(bobsId))
  t.ok(without.petnames.has(carolsId))
  t.throws(() => cancelInvitation(without, bob.id), { code: 'INVITATION_UNKNOWN' })
  const last = now + limits.invitationLifeMs + limits.messageLifeMs
  t.equal(expireInvitations(both, last), both, 'the last moment')
  t.strictSame([...expireInvitations(both, last + 1).pending.keys()], [carolsId], 'one more')
  t.strictSame([...expireInvitations(both, last + 1).petnames.keys()], [carolsId])
  const joined = confirm(both, bob)
  t.ok(expireInvitations(joined, last + 1001).petnames.has(bobsId), 'a member keeps its name')
  t.end()
})

/** The inviter's group after the newcomer's confirmation. */
function confirm(into: Group, newcomer: TestDevice, record?: MemberRecord): Group {
  const confirmed = record ?? present(into.pending.get(toHex(newcomer.id))).record
  const body = confirmation.encode({ record: confirmed })
  const content = sealPersonalFor(into, newcomer, alice, random, { kind: 'confirmation', body })
  return receive(into, alice, taken(openFor(into, alice, content))).group
}

t.test('an inviter goes by no clock when it signs a record', (t) => {
  const clockBehind = inviteMember(crypto, group, {
    ...alice,
    newcomer: bob.identity.identityKey,
    accessCode: bob.accessCode,
    now: now - 5000,
    directoryDigest,
  })
  t.equal(clockBehind.newcomer.record.since, now + 1, 'later than its own')
  t.end()
})

t.test('a confirmation counts from the invited device alone, for what was signed here', (t) => {
  const invited = invite(group, alice, bob, random)
  const { record } = present(invited.group.pending.get(toHex(bob.id)))
  const codeFrom = (by: TestDevice, body: Uint8Array, into = invited.group) => {
    const content = sealPersonalFor(into, by, alice, random, { kind: 'confirmation', body })
    const opened = openFor(into, alice, content)
    return opened.ok ? receive(into, alice, opened.value).drops[0] : opened.code
  }
  const body = confirmation.encode({ record })
  t.equal(codeFrom(bob, body), undefined)
  t.equal(codeFrom(carol, body), 'MESSAGE_SENDER', 'from somebody not invited')
  t.equal(codeFrom(bob, body, group), 'MESSAGE_SENDER', 'where no invitation is known')
  t.equal(codeFrom(bob, body.subarray(1)), 'MESSAGE_CONTENT', 'cut off')
  const forged = { ...record, accessCode: flipped(record.accessCode, 0) }
  t.equal(codeFrom(bob, confirmation.encode({ record: forged })), 'CONFIRMATION_UNKNOWN', 'with another access code')
  const bySelf = createRecord(crypto, { ...record, identity: bob.identity, groupId: group.id })
  t.equal(codeFrom(bob, confirmation.encode({ record: bySelf })), 'CONFIRMATION_UNKNOWN', 'signed by itself')
  const both = invite(invited.group, alice, carol, random).group
  const ofCarol = present(both.pending.get(toHex(carol.id))).record
  t.equal(
    codeFrom(bob, confirmation.encode({ record: ofCarol }), both),
    'CONFIRMATION_UNKNOWN',
    "with another's record",
  )

  const app = openGroupContent(crypto, invited.group, sealFor(invited.group, bob, random))
  t.equal(codeOf(app), 'MESSAGE_SENDER', 'anything else waits until it has confirmed')
  const sender = { id: nodeId(alice.id), record }
  const kind = 'invitation' as const
  const beside = { personalPart: new Uint8Array(0), epoch: undefined }
  const inside = { sender, messageId: newMessageId(random, now), kind, body: invited.body, ...beside }
  t.strictSame(receive(group, alice, inside).drops, ['MESSAGE_CONTENT'], 'no invitation inside a group')
  t.end()
})

t.test('names are short and printable', (t) => {
  for (const name of ['a', 'Familie', '家族', '👨‍👩‍👧', 'x'.repeat(limits.nameBytes)]) t.equal(checkName(name), name)
  const bad = [
    '',
    'x'.repeat(limits.nameBytes + 1),
    '家'.repeat(22),
    'a\nb',
    '\u0000',
    '\u001b[2J',
    'a\u202eb',
    'a\u061cb',
    '\ud800',
  ]
  for (const name of bad) t.throws(() => checkName(name), { code: 'NAME_INVALID' })
  t.end()
})
