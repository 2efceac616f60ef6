/**
 * What follows from a set of member records and departures: who is in the group (PROTOCOL.md section 8.1). The outcome is a
 * function of the set, so the order and the portions in which its parts arrive make no difference, and below its bounds nothing
 * that is added makes a departure uncounted.
 */
import { compare, equal, type GroupId, type NodeId, toHex } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { Hashing, Signing } from '../crypto/crypto.js'
import { departuresInOrder } from './epochs.js'
import type { Departure, Member, MemberList, MemberRecord } from './group.js'
import { nodeIdOf, readIdentityKey } from './identity.js'
import { byAge, departureSignedBy, encodedRecord, groupIdOf, memberById, recordSignedBy } from './member-list.js'

export interface History {
  readonly records: readonly MemberRecord[]
  readonly departures: readonly Departure[]
}

export interface MergedList {
  readonly list: MemberList
  /** Members that the list did not have before, and those it has no longer. */
  readonly added: readonly Member[]
  readonly gone: readonly Member[]
  readonly refused: readonly { readonly code: DropCode }[]
}

export interface HistoryBounds {
  readonly members: number
  readonly records: number
  readonly departures: number
}

const BOUNDS: HistoryBounds = {
  members: limits.members,
  records: limits.historyRecords,
  departures: limits.historyDepartures,
}

/**
 * Takes what is signed by members, whoever of them comes first; what cannot be judged yet waits in the list, bounded. Refused
 * are `MEMBER_RECORD` (no valid key, not signed by its inviter, a creator of another group), `MEMBER_DEPARTURE`, `MEMBERS_FULL` and `HISTORY_FULL`.
 */
export function mergeHistory(
  crypto: Hashing & Signing,
  groupId: GroupId,
  list: MemberList,
  news: History,
  bounds: HistoryBounds = BOUNDS,
): MergedList {
  const records = newRecords(crypto, list, news.records)
  const departures = newDepartures(list, news.departures)
  if (records.length === 0 && departures.length === 0) return { list, added: [], gone: [], refused: [] }
  const refused: { code: DropCode }[] = []
  const judging: Judging = { crypto, groupId, list, bounds, refused }
  if (departures.length === 0 && onlyAdds(judging, records)) return addRecords(judging, records)
  const byRecords = countRecords(judging, records)
  const counted = countDepartures(judging, byRecords.byId, departures)
  const members = membersOf(byRecords, counted.departures, bounds.members)
  if (members.size === bounds.members) {
    for (const each of records) if (isCrowdedOut(each, byRecords, members)) refused.push({ code: 'MEMBERS_FULL' })
  }
  const next: MemberList = {
    members,
    records: new Map(byRecords.counted.map((each) => [toHex(each.record.signature), each])),
    departures: counted.departures,
    root: byRecords.root,
    orphans: byRecords.orphans.slice(0, bounds.records),
    strays: counted.strays.slice(0, bounds.departures),
  }
  return {
    list: next,
    added: [...members.values()].filter(({ id }) => memberById(list, id) === undefined),
    gone: [...list.members.values()].filter(({ id }) => memberById(next, id) === undefined),
    refused,
  }
}

/** A list of what counted when it was stored. */
export function restoredList(
  counted: readonly Member[],
  departed: readonly Departure[],
  rest: Pick<MemberList, 'root' | 'orphans' | 'strays'>,
): MemberList {
  const departures = new Map(departed.map((each) => [toHex(each.signature), each]))
  const records = new Map(counted.map((each) => [toHex(each.record.signature), each]))
  const inOrder = [...counted].sort((a, b) => byAge(a.record, b.record))
  return {
    ...rest,
    members: membersOf({ counted: inOrder, root: rest.root }, departures, BOUNDS.members),
    records,
    departures,
  }
}

/** The same for records alone. */
export function mergeRecords(
  crypto: Hashing & Signing,
  groupId: GroupId,
  list: MemberList,
  records: readonly MemberRecord[],
): MergedList {
  return mergeHistory(crypto, groupId, list, { records, departures: [] })
}

/** The first moment at which a member departed for good, as the history has it: after its last record. */
export function departedAt(list: MemberList, id: NodeId): Millis | undefined {
  if (memberById(list, id) !== undefined) return undefined
  const times = [...list.departures.values()].filter(({ member }) => equal(member, id)).map(({ at }) => at)
  if (times.length === 0) return undefined
  const since = Math.max(0, ...recordsOfId(list, id).map(({ record }) => record.since))
  const last = times.filter((at) => at >= since)
  return Math.min(...(last.length > 0 ? last : [Math.max(...times)]))
}

/** A member, or one who was: the eldest record that counts for an id. */
export function knownById(list: MemberList, id: NodeId): Member | undefined {
  return memberById(list, id) ?? recordsOfId(list, id)[0]
}

/** When somebody last departed, so that a new record can be later; `undefined` for who never did. */
export function lastDeparture(list: MemberList, id: NodeId): Millis | undefined {
  const times = [...list.departures.values()].filter(({ member }) => equal(member, id)).map(({ at }) => at)
  return times.length === 0 ? undefined : Math.max(...times)
}

function recordsOfId(list: MemberList, id: NodeId): Member[] {
  return [...list.records.values()].filter((each) => equal(each.id, id))
}

interface Judging {
  readonly crypto: Hashing & Signing
  readonly groupId: GroupId
  readonly list: MemberList
  readonly bounds: HistoryBounds
  readonly refused: { code: DropCode }[]
}

/** Newcomers to a group that nobody ever left or was invited to twice: all that is held stays as it is. */
function onlyAdds({ list, bounds }: Judging, news: readonly Member[]): boolean {
  const isPlain = list.departures.size === 0 && list.strays.length === 0 && list.records.size === list.members.size
  if (!isPlain || list.root !== undefined || list.members.size + news.length > bounds.members) return false
  const ids = new Set(news.map(({ id }) => toHex(id)))
  return ids.size === news.length && !news.some(({ id }) => memberById(list, id) !== undefined)
}

function addRecords(judging: Judging, news: readonly Member[]): MergedList {
  const { list, bounds, refused } = judging
  const members = new Map(list.members)
  const records = new Map(list.records)
  const orphans: MemberRecord[] = []
  const added: Member[] = []
  for (const each of [...news].sort((a, b) => byAge(a.record, b.record))) {
    const inviter = members.get(toHex(each.record.inviter))
    const verdict = judgeRecord(judging, each, each.record.role === 'creator' ? undefined : inviter, undefined)
    if (verdict === 'orphan') orphans.push(each.record)
    else if (verdict === 'refused') refused.push({ code: 'MEMBER_RECORD' })
    else {
      members.set(toHex(each.id), each)
      records.set(toHex(each.record.signature), each)
      added.push(each)
    }
  }
  return { list: { ...list, members, records, orphans: orphans.slice(0, bounds.records) }, added, gone: [], refused }
}

interface CountedRecords {
  /** By age. */
  readonly counted: readonly Member[]
  readonly byId: ReadonlyMap<string, readonly Member[]>
  readonly root: string | undefined
  readonly orphans: readonly MemberRecord[]
}

/** Records count by what stands behind them alone: departures take members away, and never the ground from under others. */
function countRecords(judging: Judging, news: readonly Member[]): CountedRecords {
  const { list, bounds, refused } = judging
  const candidates = [...list.records.values(), ...news].sort((a, b) => byAge(a.record, b.record))
  const counted: Member[] = []
  const byId = new Map<string, Member[]>()
  const orphans: MemberRecord[] = []
  let { root } = list
  for (const candidate of candidates) {
    const id = toHex(candidate.id)
    // Records come in the order of age, so the first of an id is the eldest.
    const inviter = byId.get(toHex(candidate.record.inviter))?.[0]
    const verdict = judgeRecord(judging, candidate, inviter, byId.get(id)?.[0])
    const onTrust = verdict === 'orphan' && id === list.root && isHeld(list, candidate)
    // Its inviter is known now: from here on it counts, or does not, like any other.
    if (id === list.root && verdict !== 'orphan' && isHeld(list, candidate)) root = undefined
    if (verdict === 'refused') refused.push({ code: 'MEMBER_RECORD' })
    else if (verdict === 'orphan' && !onTrust) orphans.push(candidate.record)
    else if (counted.length >= bounds.records) refused.push({ code: 'HISTORY_FULL' })
    else {
      counted.push(candidate)
      const ofId = byId.get(id)
      if (ofId === undefined) byId.set(id, [candidate])
      else ofId.push(candidate)
    }
  }
  return { counted, byId, root, orphans }
}

function judgeRecord(
  { crypto, groupId, list }: Judging,
  candidate: Member,
  knownInviter: Member | undefined,
  namesake: Member | undefined,
): 'counts' | 'orphan' | 'refused' {
  const { record } = candidate
  const isCreator = record.role === 'creator'
  const inviter = isCreator ? candidate : knownInviter
  if (inviter === undefined || (!isCreator && inviter.record.since >= record.since)) return 'orphan'
  if (namesake !== undefined && !equal(namesake.record.identityKey, record.identityKey)) return 'refused'
  const isRootOnTrust = toHex(candidate.id) === list.root
  if (isHeld(list, candidate) && !isRootOnTrust && (isCreator || isKeyHeld(list, inviter))) return 'counts'
  if (isCreator) {
    // Otherwise the first self-made creator to arrive would be believed by who does not know the true one yet.
    if (!equal(record.inviter, candidate.id) || !equal(groupIdOf(crypto, record), groupId)) return 'refused'
  }
  const isSigned =
    readIdentityKey(crypto, record.identityKey) !== undefined &&
    recordSignedBy(crypto, groupId, inviter.record.identityKey, record)
  return isSigned ? 'counts' : 'refused'
}

/**
 * Whether what is held of a member was verified under this key. Ids can be ground: the true record of an id may come after another's
 * with another key, and what that one signed counts no longer.
 */
function isKeyHeld(list: MemberList, { id, record }: Member): boolean {
  const held = heldKeys.get(list) ?? new Map([...list.records.values()].map((each) => [toHex(each.id), each.record]))
  heldKeys.set(list, held)
  const known = held.get(toHex(id))
  return known !== undefined && equal(known.identityKey, record.identityKey)
}

/** A record of each id; all that are held of one have the same key. Lists never change. */
const heldKeys = new WeakMap<MemberList, ReadonlyMap<string, MemberRecord>>()

function isHeld(list: MemberList, { record }: Member): boolean {
  return list.records.get(toHex(record.signature))?.record === record
}

/** A departure counts if whoever signed it has a record that counts and is older; whether that one departed as well is no matter. */
function countDepartures(
  { crypto, groupId, list, bounds, refused }: Judging,
  byId: ReadonlyMap<string, readonly Member[]>,
  news: readonly Departure[],
): { readonly departures: ReadonlyMap<string, Departure>; readonly strays: readonly Departure[] } {
  const departures = new Map<string, Departure>()
  const strays: Departure[] = []
  for (const each of [...list.departures.values(), ...news]) {
    const issuer = byId.get(toHex(each.by))?.[0]
    const isCounted = list.departures.get(toHex(each.signature)) === each
    if (issuer === undefined || issuer.record.since >= each.at || !byId.has(toHex(each.member))) strays.push(each)
    else if (isCounted && isKeyHeld(list, issuer)) departures.set(toHex(each.signature), each)
    else if (departureSignedBy(crypto, groupId, issuer.record.identityKey, each)) {
      departures.set(toHex(each.signature), each)
    } else refused.push({ code: 'MEMBER_DEPARTURE' })
  }
  for (const each of inFairOrder(departures).slice(bounds.departures)) {
    departures.delete(toHex(each.signature))
    refused.push({ code: 'HISTORY_FULL' })
  }
  return { departures, strays: strays.sort((a, b) => a.at - b.at || compare(a.signature, b.signature)) }
}

/**
 * The order in which departures have a place: the first of every signer, then the second of every signer, and so on. Who floods a
 * history, with whatever dates, pushes out departures of its own.
 */
export function inFairOrder(departures: ReadonlyMap<string, Departure>): Departure[] {
  const signed = new Map<string, number>()
  const turns: Departure[][] = []
  for (const each of departuresInOrder({ departures })) {
    const signer = toHex(each.by)
    const turn = signed.get(signer) ?? 0
    signed.set(signer, turn + 1)
    const ofTurn = turns[turn]
    if (ofTurn === undefined) turns.push([each])
    else ofTurn.push(each)
  }
  return turns.flat()
}

/**
 * Who is in the group. A record brings somebody in if its inviter was in at that time, and as long as no departure is dated at or
 * after it; of several the eldest does. The eldest members stay where there are too many.
 */
function membersOf(
  { counted, root }: Pick<CountedRecords, 'counted' | 'root'>,
  departures: ReadonlyMap<string, Departure>,
  limit: number,
): Map<string, Member> {
  const left = departureTimes(departures)
  /** Times of the records that bring somebody in, rising, by id. */
  const good = new Map<string, Millis[]>()
  // If any record bridges the time up to `at`, the last one before it does: so the search is short however many there are.
  const wasIn = (id: string, at: Millis): boolean => {
    const since = lastBefore(good.get(id), at)
    return since !== undefined && (lastBefore(left.get(id), at) ?? Number.NEGATIVE_INFINITY) < since
  }
  const members = new Map<string, Member>()
  for (const each of counted) {
    const { record } = each
    const id = toHex(each.id)
    const inviterId = toHex(record.inviter)
    const ofId = good.get(id)
    const isBase = record.role === 'creator' || (id === root && ofId === undefined)
    if (!isBase && !wasIn(inviterId, record.since)) continue
    if (ofId === undefined) good.set(id, [record.since])
    else ofId.push(record.since)
    const isGone = (left.get(id)?.at(-1) ?? Number.NEGATIVE_INFINITY) >= record.since
    if (!isGone && !members.has(id) && members.size < limit) members.set(id, each)
  }
  return members
}

/** When each member departed, rising. */
function departureTimes(departures: ReadonlyMap<string, Departure>): Map<string, Millis[]> {
  const times = new Map<string, Millis[]>()
  for (const { member, at } of departures.values()) {
    const id = toHex(member)
    const ofId = times.get(id)
    if (ofId === undefined) times.set(id, [at])
    else ofId.push(at)
  }
  for (const ofId of times.values()) ofId.sort((a, b) => a - b)
  return times
}

/** The last of rising times that is before another. */
function lastBefore(times: readonly Millis[] = [], at: Millis): Millis | undefined {
  let [from, to] = [0, times.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((times[middle] as Millis) < at) from = middle + 1
    else to = middle
  }
  return times[from - 1]
}

function isCrowdedOut({ id }: Member, { byId }: CountedRecords, members: ReadonlyMap<string, Member>): boolean {
  const name = toHex(id)
  return !members.has(name) && byId.has(name)
}

/** Waiting records and received ones that the list does not hold, each once, with their ids. */
function newRecords(crypto: Hashing, list: MemberList, records: readonly MemberRecord[]): Member[] {
  const news = new Map<string, Member>()
  for (const record of [...list.orphans, ...records]) {
    if (list.records.has(toHex(record.signature))) continue
    // One with a signature seen already is a copy, or somebody changed it: then each is judged by itself.
    const name = toHex(encodedRecord(record))
    if (!news.has(name)) news.set(name, { id: nodeIdOf(crypto, record.identityKey), record })
  }
  return [...news.values()]
}

function newDepartures(list: MemberList, departures: readonly Departure[]): Departure[] {
  const news = new Map<string, Departure>()
  for (const each of [...departures, ...list.strays]) {
    const name = toHex(each.signature)
    if (!list.departures.has(name)) news.set(`${name}${toHex(each.member)}${toHex(each.by)}${each.at}`, each)
  }
  return [...news.values()]
}
