/**
 * Member lists: what is taken into one, that the order of arrival does not matter, and how a group is stored
 * (PROTOCOL.md section 8.1).
 */
import { entropyToMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import t from 'tap'
import { concat, type Digest, digest, equal, identityKey, type NodeId, signature, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { shuffle } from '../../src/base/random.js'
import { refreshKeys } from '../../src/group/epochs.js'
import { fingerprintOf } from '../../src/group/fingerprint.js'
import type { Group, MemberList, MemberRecord } from '../../src/group/group.js'
import { type HistoryBounds, mergeHistory } from '../../src/group/history.js'
import { nodeIdOf } from '../../src/group/identity.js'
import {
  createDeparture,
  createRecord,
  emptyList,
  listDigest,
  listFromRoot,
  memberById,
  membersByAge,
} from '../../src/group/member-list.js'
import { createGroup } from '../../src/group/membership.js'
import { decodeGroup, encodeGroup } from '../../src/group/storage.js'
import { memberRecord } from '../../src/wire/content.js'
import { seed, seeded } from '../base/seeded.js'
import { crypto, flipped, foundGroup, invite, makeDevice, now, present, type TestDevice } from './support.js'

t.comment(`seed ${seed}`)
const random = seeded()
const devices = Array.from({ length: 8 }, () => makeDevice(random))
const [alice, bob, carol, dave] = devices as [TestDevice, TestDevice, TestDevice, TestDevice]
const group = createGroup(crypto, random, { ...alice, name: 'friends', now })
const creator = present(memberById(group.list, alice.id)).record

function record(inviter: TestDevice, member: TestDevice, since: number, changes: object = {}): MemberRecord {
  return createRecord(crypto, {
    identity: inviter.identity,
    inviter: inviter.id,
    groupId: group.id,
    identityKey: member.identity.identityKey,
    accessCode: member.accessCode,
    role: 'member',
    since: now + since,
    ...changes,
  })
}

function merge(list: MemberList, records: readonly MemberRecord[], bounds?: Partial<HistoryBounds>) {
  const all = { members: limits.members, records: limits.historyRecords, departures: limits.historyDepartures }
  return mergeHistory(crypto, group.id, list, { records, departures: [] }, { ...all, ...bounds })
}

function idsOf(list: MemberList): string[] {
  return [...list.members.keys()].toSorted()
}

function hexOf(...of: readonly { id: NodeId }[]): string[] {
  return of.map(({ id }) => toHex(id)).toSorted()
}

t.test('a list grows by records that members signed', (t) => {
  const merged = merge(group.list, [record(alice, bob, 1), record(bob, carol, 2)])
  t.strictSame(idsOf(merged.list), hexOf(alice, bob, carol))
  t.strictSame(hexOf(...merged.added), hexOf(bob, carol))
  t.strictSame(merged.refused, [])
  t.strictSame(
    membersByAge(merged.list).map(({ id }) => id),
    [alice.id, bob.id, carol.id],
  )
  const again = merge(merged.list, [record(alice, bob, 1)])
  t.strictSame(again, { list: merged.list, added: [], gone: [], refused: [] }, 'known records change nothing')
  t.equal(again.list, merged.list)
  t.end()
})

t.test('refuses a record', (t) => {
  const refuses = (name: string, bad: MemberRecord, list = group.list) => {
    const merged = merge(list, [bad, record(alice, dave, 5)])
    t.strictSame(merged.refused, [{ code: 'MEMBER_RECORD' }], name)
    t.strictSame(hexOf(...merged.added), hexOf(dave), 'and takes the one beside it')
  }
  refuses('that a holder of the group key alone made', record(carol, bob, 1, { inviter: alice.id }))
  refuses('of another group', record(alice, bob, 1, { groupId: random(8) }))
  refuses('of a key outside the prime-order subgroup', {
    ...record(alice, bob, 1, { identityKey: identityKey(concat(Uint8Array.of(1), new Uint8Array(31))) }),
  })
  refuses('that makes another creator', record(carol, carol, -5, { role: 'creator' }))
  refuses('of a creator that is not signed by itself', record(alice, bob, 1, { role: 'creator' }))
  const good = record(alice, bob, 1)
  refuses('with another access code', { ...good, accessCode: flipped(good.accessCode, 0) })
  refuses('with another time', { ...good, since: good.since + 1 })
  refuses('with another signature', { ...good, signature: signature(random(64)) })
  refuses('with a flipped bit in its signature', { ...good, signature: signature(flipped(good.signature, 40)) })
  t.end()
})

t.test('a record as old as its inviter counts for nothing, so that no two vouch for each other', (t) => {
  const list = merge(group.list, [record(alice, bob, 1), record(bob, carol, 2)]).list
  const loop = record(carol, bob, 0)
  t.strictSame(idsOf(merge(list, [loop]).list), idsOf(list), 'the elder member is not uprooted by the younger')
  t.strictSame(present(memberById(merge(list, [loop]).list, bob.id)).record.inviter, alice.id)
  t.strictSame(idsOf(merge(list, [record(carol, dave, 2)]).list), idsOf(list), 'the same millisecond')
  t.strictSame(idsOf(merge(list, [record(carol, dave, 3)]).list), hexOf(alice, bob, carol, dave), 'a later one')
  t.end()
})

t.test('who floods a history with departures pushes out departures of its own, whatever their dates', (t) => {
  const { list } = merge(group.list, [record(alice, bob, 1), record(alice, carol, 2)])
  const departure = (by: typeof alice, member: typeof alice, at: number) =>
    createDeparture(crypto, { identity: by.identity, by: by.id, groupId: group.id, member: member.id, at: now + at })
  const bounds = { members: limits.members, records: limits.historyRecords, departures: 4 }
  const removal = departure(alice, bob, 100)
  const flood = Array.from({ length: 9 }, (_, i) => departure(bob, carol, 10 + i))
  for (const order of [
    [removal, ...flood],
    [...flood, removal],
  ]) {
    const merged = order.reduce(
      (held, each) => mergeHistory(crypto, group.id, held, { records: [], departures: [each] }, bounds).list,
      list,
    )
    t.equal(merged.departures.size, 4)
    t.equal(memberById(merged, bob.id), undefined, 'who was removed stays out')
    t.ok([...merged.departures.values()].includes(removal))
  }
  t.end()
})

t.test('of two records of one member the earlier counts, then the smaller signature', (t) => {
  const others = merge(group.list, [record(alice, bob, 1), record(alice, carol, 1)]).list
  const early = record(bob, dave, 5)
  const late = record(carol, dave, 6)
  const equal = [record(bob, dave, 7), record(carol, dave, 7)] as const
  const smaller = Buffer.compare(equal[0].signature, equal[1].signature) < 0 ? equal[0] : equal[1]
  const winner = (...rounds: MemberRecord[][]) => {
    let list = others
    for (const records of rounds) list = merge(list, records).list
    return present(memberById(list, dave.id)).record
  }
  for (const rounds of [[[early, late]], [[late, early]], [[early], [late]], [[late], [early]]]) {
    t.strictSame(winner(...rounds), early)
  }
  for (const rounds of [[[...equal]], [[equal[0]], [equal[1]]], [[equal[1]], [equal[0]]]]) {
    t.strictSame(winner(...rounds), smaller)
  }
  const child = record(dave, present(devices[4]), 20)
  const before = merge(merge(others, [late]).list, [child]).list
  t.ok(memberById(merge(before, [early]).list, present(devices[4]).id), 'those it invited stay')
  t.strictSame(merge(before, [early]).added, [], 'and nobody is new')
  t.end()
})

t.test('no altered record in front of a good one keeps it out', (t) => {
  const good = record(alice, bob, 1)
  const altered = { ...good, accessCode: flipped(good.accessCode, 1) }
  for (const records of [
    [altered, good],
    [good, altered],
  ]) {
    const merged = merge(group.list, records)
    t.strictSame(present(memberById(merged.list, bob.id)).record, good)
  }
  t.end()
})

t.test('whatever the order, and in whatever portions, the same records make the same list', (t) => {
  const [, , , , erin, frank, grace] = devices as [
    TestDevice,
    TestDevice,
    TestDevice,
    TestDevice,
    TestDevice,
    TestDevice,
    TestDevice,
  ]
  const ofCarol = record(bob, carol, 2)
  const records = [
    creator,
    record(alice, bob, 1),
    ofCarol,
    record(carol, dave, 3),
    record(alice, dave, 9),
    record(dave, erin, 10),
    record(erin, frank, 11),
    record(bob, frank, 12),
    record(frank, grace, 13),
    record(grace, alice, 20),
  ]
  const falseCreator = record(bob, bob, 30, { role: 'creator' })
  const expected = listDigest(crypto, merge(listFromRoot(crypto, creator), records).list)
  for (let round = 0; round < 60; round++) {
    // A newcomer's list begins with its inviter, whose own inviter it does not know yet.
    const isNewcomer = round % 2 === 1
    let list = listFromRoot(crypto, isNewcomer ? ofCarol : creator)
    const waiting = shuffle(random, [...records, falseCreator, ...records.slice(0, round % 5)])
    while (waiting.length > 0) list = merge(list, waiting.splice(0, 1 + (round % 4))).list
    t.strictSame(listDigest(crypto, list), expected, `round ${round}`)
    t.equal(list.members.size, 7)
  }
  t.end()
})

t.test('nobody but the creator that the group id names passes for it, even with who knows no creator', (t) => {
  const ofBob = record(alice, bob, 1)
  const carols = { role: 'creator', inviter: carol.id }
  const pretenders = [
    record(carol, carol, -5, carols),
    record(carol, carol, 0, carols),
    record(alice, alice, 1, { role: 'creator' }),
  ]
  for (const start of [emptyList(), listFromRoot(crypto, ofBob)]) {
    for (const pretender of pretenders) {
      const refused = merge(start, [pretender])
      t.strictSame(refused.refused, [{ code: 'MEMBER_RECORD' }])
      t.ok(memberById(merge(refused.list, [creator]).list, alice.id), 'the true one is taken afterwards')
    }
  }
  t.strictSame(idsOf(merge(emptyList(), [creator]).list), hexOf(alice))
  t.strictSame(idsOf(merge(emptyList(), [record(alice, bob, 1)]).list), [])
  t.end()
})

t.test('two keys that were ground to one id make one list, too, in whatever order they come', (t) => {
  const [first, second] = [bob, { ...carol, id: bob.id }]
  const isSecond = (key: Uint8Array | undefined) => key !== undefined && equal(key, carol.identity.identityKey)
  const ground = {
    ...crypto,
    hash: (...parts: readonly Uint8Array[]) =>
      isSecond(parts[1]) ? crypto.hash(labels.nodeId, bob.identity.identityKey) : crypto.hash(...parts),
  }
  const departs = { identity: second.identity, by: second.id, groupId: group.id, member: alice.id, at: now + 40 }
  const elder = { records: [record(alice, first, 10)], departures: [] }
  const younger = {
    records: [record(alice, second, 20), record(second, dave, 30)],
    departures: [createDeparture(crypto, departs)],
  }
  const lists = [
    [elder, younger],
    [younger, elder],
  ].map((order) =>
    order.reduce((list, news) => mergeHistory(ground, group.id, list, news).list, listFromRoot(crypto, creator)),
  )
  t.strictSame(lists.map(idsOf), Array(2).fill([alice.id, bob.id].map(toHex).toSorted()))
  t.strictSame(...(lists.map((list) => listDigest(crypto, list)) as [Digest, Digest]))
  t.end()
})

t.test('records of unknown inviters wait, bounded, and come in when the inviter does', (t) => {
  const orphans = merge(group.list, [record(bob, carol, 2), record(carol, dave, 3)])
  t.strictSame(idsOf(orphans.list), hexOf(alice))
  t.equal(orphans.list.orphans.length, 2)
  const merged = merge(orphans.list, [record(alice, bob, 1)])
  t.strictSame(idsOf(merged.list), hexOf(alice, bob, carol, dave))
  t.equal(merged.list.orphans.length, 0)
  t.equal(
    merge(group.list, [record(bob, carol, 2), record(carol, dave, 3)], { records: 2 }).list.orphans.length,
    2,
    'at the bound',
  )
  const crowded = merge(group.list, [record(bob, carol, 2), record(carol, dave, 3), record(dave, bob, 4)], {
    records: 2,
  })
  t.strictSame(
    crowded.list.orphans.map(({ since }) => since - now),
    [2, 3],
    'one past it: the latest goes',
  )
  t.end()
})

t.test('a list is full at its limit, and the eldest stay whatever the order', (t) => {
  const records = [record(alice, bob, 1), record(alice, carol, 2), record(alice, dave, 3)]
  t.equal(merge(group.list, records, { members: 4 }).list.members.size, 4)
  const merged = merge(group.list, records, { members: 3 })
  t.strictSame(merged.refused, [{ code: 'MEMBERS_FULL' }])
  t.strictSame(idsOf(merged.list), hexOf(alice, bob, carol))
  const late = merge(merge(group.list, records.slice(1), { members: 3 }).list, records.slice(0, 1), { members: 3 })
  t.strictSame(idsOf(late.list), hexOf(alice, bob, carol))
  t.end()
})

t.test('the digest covers every record, in the order of ids', (t) => {
  const records = [creator, record(alice, bob, 1), record(alice, carol, 2)]
  const forward = merge(emptyList(), records).list
  const backward = merge(merge(emptyList(), [creator]).list, records.toReversed()).list
  t.strictSame(listDigest(crypto, forward), listDigest(crypto, backward))
  const sorted = records.toSorted((a, b) =>
    Buffer.compare(nodeIdOf(crypto, a.identityKey), nodeIdOf(crypto, b.identityKey)),
  )
  t.strictSame(
    listDigest(crypto, forward),
    crypto.hash(labels.listDigest, Uint8Array.of(0, 3), ...sorted.map((each) => memberRecord.encode(each))),
  )
  t.notSame(listDigest(crypto, forward), listDigest(crypto, merge(emptyList(), records.slice(0, 2)).list))
  t.end()
})

/** A group with something in every field. */
function fullGroup(): Group {
  const founded = foundGroup(devices.slice(0, 3), random)
  const invited = invite(founded, alice, dave, random).group
  const stray = record(bob, carol, 99)
  return {
    ...invited,
    list: { ...invited.list, orphans: [stray] },
    petnames: new Map([
      [toHex(bob.id), 'Bobby'],
      [toHex(dave.id), '家'],
    ]),
    toTell: [carol.id],
  }
}

t.test('a stored group comes back as it was', (t) => {
  const full = fullGroup()
  t.ok(full.introduceAt, 'the example waits for something')
  // When a member is next asked without an occasion is planned afresh at each start.
  const restored = (of: Group, stored = encodeGroup(of)) => ({
    ...refreshKeys(crypto, present(decodeGroup(crypto, stored)), now),
    checkAt: of.checkAt,
  })
  t.strictSame(restored(full), full)
  t.strictSame(restored(group), group, 'a new group')
  t.strictSame(restored(group, Buffer.from(encodeGroup(group))), group, 'from bytes of another make')
  t.end()
})

t.test('a stored group is refused when cut off, longer, or of another version', (t) => {
  const stored = encodeGroup(fullGroup())
  const cut = Array.from(stored, (_, length) => length).filter((length) =>
    decodeGroup(crypto, stored.subarray(0, length)),
  )
  t.strictSame(cut, [])
  t.equal(decodeGroup(crypto, concat(stored, Uint8Array.of(0))), undefined)
  t.equal(decodeGroup(crypto, concat(Uint8Array.of(1), stored.subarray(1))), undefined)
  t.equal(decodeGroup(crypto, encodeGroup({ ...group, name: 'a\nb' })), undefined, 'a name that no one can have given')
  const petnames = new Map([[toHex(bob.id), '\u001b']])
  t.equal(decodeGroup(crypto, encodeGroup({ ...group, petnames })), undefined)
  t.end()
})

t.test('a list has twelve words, which no other list has', (t) => {
  const words = fingerprintOf(digest(new Uint8Array(32).fill(0xff))).split(' ')
  t.strictSame(words, Array(12).fill('zoo'))
  const counting = digest(Uint8Array.from({ length: 32 }, (_, i) => i))
  // The first 128 bits are those of a BIP39 test: entropy 000102..0f, of which all but the last word follow.
  const known = entropyToMnemonic(counting.slice(0, 16), wordlist).split(' ')
  t.strictSame(fingerprintOf(counting).split(' ').slice(0, 11), known.slice(0, 11))
  const last = digest(counting.map((byte, i) => (i === 16 ? byte ^ 0x10 : byte)))
  t.not(fingerprintOf(last), fingerprintOf(counting), 'the last of 132 bits counts')
  const beyond = digest(counting.map((byte, i) => (i === 16 ? byte ^ 0x08 : byte)))
  t.equal(fingerprintOf(beyond), fingerprintOf(counting), 'and no further one')
  t.end()
})
