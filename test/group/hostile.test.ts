/**
 * Members that mean harm to the others' machines: histories made so that judging them is slow, and contents made so that what
 * is kept of them holds more memory than it is charged for (PROTOCOL.md sections 8.1 and 8.4).
 */
import t from 'tap'
import {
  bigEndian,
  concat,
  digest,
  equal,
  identityKey,
  type NodeId,
  nodeId,
  signature,
  toHex,
} from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { randomBelow } from '../../src/base/random.js'
import { utcDay } from '../../src/base/time.js'
import { bestEpoch } from '../../src/group/epochs.js'
import type { Departure, Member } from '../../src/group/group.js'
import { mergeHistory, restoredList } from '../../src/group/history.js'
import { createDeparture, createRecord, memberById } from '../../src/group/member-list.js'
import { issueRekey } from '../../src/group/rekey.js'
import { answer as answerFormat, departure, memberRecord, members as membersFormat } from '../../src/wire/content.js'
import { seed, seeded } from '../base/seeded.js'
import {
  crypto,
  directoryDigest,
  foundGroup,
  makeDevice,
  now,
  openFor,
  present,
  receive,
  sealFor,
  taken,
} from './support.js'
import { DAY_MS, type Node, World } from './world.js'

t.comment(`SEED=${seed}`)
const random = seeded()

let signed = 0
/** A signature that nobody looks at, larger than those before. */
const unlookedAt = () => signature(concat(bigEndian(++signed, 6), new Uint8Array(58)))

function member(id: NodeId, inviter: NodeId, since: number, role: 'member' | 'creator' = 'member'): Member {
  const key = identityKey(concat(id, new Uint8Array(24)))
  return {
    id,
    record: { identityKey: key, accessCode: new Uint8Array(2), role, inviter, since, signature: unlookedAt() },
  }
}

function departs(id: NodeId, at: number): Departure {
  return { member: id, by: id, at, signature: unlookedAt() }
}

const numbered = (number: number) => nodeId(bigEndian(number, 8))
const NOTHING = { root: undefined, orphans: [], strays: [] }

t.test('a history at its bounds that is made to be slow is judged like any other', async (t) => {
  const [creator, often] = [numbered(1), numbered(2)]
  const half = limits.historyRecords / 2
  // One is invited again and again, departs for good, and has invited thousands: each of them asks whether it was in.
  const records = [
    member(creator, creator, 0, 'creator'),
    ...Array.from({ length: half - 1 }, (_, i) => member(often, creator, 10 + i)),
    ...Array.from({ length: half }, (_, i) => member(numbered(3 + i), often, 1_000_000 + i)),
  ]
  const departures = Array.from({ length: limits.historyDepartures }, (_, i) =>
    departs(often, i < limits.historyDepartures - 1 ? 5 : 500_000),
  )
  const list = restoredList(records, departures, NOTHING)
  t.strictSame([...list.members.keys()], [toHex(creator)], 'whom it brought in after it had gone is not in')
  const before = restoredList(records, departures.slice(0, -1), NOTHING)
  t.equal(before.members.size, limits.members, 'without its departure they are, as many as a group has')
})

t.test('who is in is what the text of section 8.1 says', async (t) => {
  for (let round = 0; round < 200; round++) {
    const ids = Array.from({ length: 5 }, (_, i) => numbered(i + 1))
    const anyone = () => ids[randomBelow(random, ids.length)] as NodeId
    const records = [
      member(ids[0] as NodeId, ids[0] as NodeId, 0, 'creator'),
      ...Array.from({ length: 12 }, () => member(anyone(), anyone(), 1 + randomBelow(random, 20))),
    ].toSorted((a, b) => a.record.since - b.record.since || Buffer.compare(a.record.signature, b.record.signature))
    const departures = Array.from({ length: randomBelow(random, 6) }, () => departs(anyone(), randomBelow(random, 25)))
    const { members } = restoredList(records, departures, NOTHING)
    t.strictSame([...members.keys()].toSorted(), membersByTheText(records, departures), `round ${round}`)
  }
})

/** Hex ids, sorted. */
function membersByTheText(records: readonly Member[], departures: readonly Departure[]): string[] {
  const bringing: Member[] = []
  const left = (id: NodeId, from: number, to: number) =>
    departures.some(({ member: who, at }) => toHex(who) === toHex(id) && at >= from && at < to)
  for (const each of records) {
    const { inviter, since, role } = each.record
    const inviterIsIn = bringing.some(
      ({ id, record }) => toHex(id) === toHex(inviter) && record.since < since && !left(id, record.since, since),
    )
    if (role === 'creator' || inviterIsIn) bringing.push(each)
  }
  const isIn = bringing.filter(({ id, record }) => !left(id, record.since, Number.POSITIVE_INFINITY))
  return [...new Set(isIn.map(({ id }) => toHex(id)))].toSorted()
}

t.test('thousands of waiting records under one signature cost no more than others', async (t) => {
  const [alice, bob, stranger] = [makeDevice(random), makeDevice(random), makeDevice(random)]
  const group = foundGroup([alice, bob], random)
  const of = (inviter: typeof alice) => ({
    identity: inviter.identity,
    inviter: inviter.id,
    groupId: group.id,
    identityKey: stranger.identity.identityKey,
    accessCode: stranger.accessCode,
    role: 'member' as const,
    since: now + 5,
  })
  const waiting = createRecord(crypto, of(stranger))
  const copies = Array.from({ length: limits.historyRecords }, (_, i) => ({ ...waiting, since: now + 6 + i }))
  let { list } = mergeHistory(crypto, group.id, group.list, { records: copies, departures: [] })
  t.equal(list.orphans.length, limits.historyRecords)
  for (let i = 0; i < 2; i++) {
    list = mergeHistory(crypto, group.id, list, { records: [{ ...waiting, since: now - i }], departures: [] }).list
  }
  t.equal(list.orphans.length, limits.historyRecords, 'one past it is dropped')
  list = mergeHistory(crypto, group.id, list, { records: [createRecord(crypto, of(alice))], departures: [] }).list
  t.ok(memberById(list, stranger.id), 'and what counts is taken in the midst of them')
})

t.test('a record or departure that is kept does not keep the content that it came in', async (t) => {
  const devices = [makeDevice(random), makeDevice(random), makeDevice(random)] as const
  const [alice, bob, carol] = devices
  const group = foundGroup(devices, random)
  const dora = makeDevice(random)
  const { identity, id: by } = bob
  const record = createRecord(crypto, {
    ...{ identity, inviter: by, groupId: group.id, role: 'member', since: now + 5 },
    ...{ identityKey: dora.identity.identityKey, accessCode: dora.accessCode },
  })
  const gone = createDeparture(crypto, { identity, by, groupId: group.id, member: carol.id, at: now + 6 })
  const stray = { ...gone, member: dora.id, by: makeDevice(random).id }
  const orphan = { ...record, inviter: makeDevice(random).id }
  const body = membersFormat.encode({
    purpose: 'records',
    listDigest: digest(new Uint8Array(32)).subarray(0, 16),
    directoryDigest: new Uint8Array(16),
    records: [record, orphan],
    departures: [gone, stray],
  })
  const content = sealFor(group, bob, random, { kind: 'members', body, paddingBytes: 100_000 })
  const { list } = receive(group, alice, taken(openFor(group, alice, content))).group
  const kept = present(list.records.get(toHex(record.signature))).record
  t.equal(kept.signature.buffer.byteLength, memberRecord.fixedBytes)
  t.equal(list.orphans[0]?.signature.buffer.byteLength, memberRecord.fixedBytes)
  t.equal(present(list.departures.get(toHex(gone.signature))).signature.buffer.byteLength, departure.fixedBytes)
  t.equal(list.strays[0]?.signature.buffer.byteLength, departure.fixedBytes)
})

t.test(
  'a secret of a day long ago is not taken: each day from there on would cost a hash, with every message',
  async (t) => {
    const { groupSecretDays } = limits
    /** What Anna makes of a secret that Ben dates so many days back, as a rekey or as an answer. */
    function told(daysBack: number, kind: 'rekey' | 'answer') {
      const world = new World(2, random)
      const [anna, ben] = world.nodes as [Node, Node]
      world.invite(anna, ben)
      world.settle()
      const before = present(ben.group)
      const made = issueRekey(crypto, random, before, ben.device, world.now - daysBack * DAY_MS, directoryDigest, [])
      const { tag, day, secret, statement } = bestEpoch(made.group)
      const answer = { day, groupSecret: secret, statement: [present(statement)], listDigest: new Uint8Array(16) }
      const recipients = present(made.sends[0]).recipients
      if (kind === 'rekey') world.post(ben, { ...present(made.sends[0]), epoch: bestEpoch(before).tag })
      else world.post(ben, { kind, body: answerFormat.encode(answer), recipients, personal: true })
      world.settle()
      return { drops: world.drops, isTaken: equal(bestEpoch(present(anna.group)).tag, tag) }
    }
    for (const kind of ['rekey', 'answer'] as const) {
      t.strictSame(told(groupSecretDays, kind), { drops: [], isTaken: true }, kind)
      t.strictSame(told(groupSecretDays + 1, kind), { drops: ['GROUP_SECRET'], isTaken: false }, kind)
      t.strictSame(told(utcDay(now), kind), { drops: ['GROUP_SECRET'], isTaken: false }, `${kind} of 1970`)
    }
  },
)
