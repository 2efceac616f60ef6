/**
 * The member list: records that members sign for those they invited (PROTOCOL.md section 8.1). What a list holds
 * follows from the records received, not from the order they came in; section 8.4 builds on that.
 */
import {
  bigEndian,
  compare,
  type Digest,
  type GroupId,
  groupId as groupIdBytes,
  type IdentityKey,
  type NodeId,
  signature,
  toHex,
} from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { Hashing, Identity, Signing } from '../crypto/crypto.js'
import { memberRecord, type memberRoles } from '../wire/content.js'
import type { Member, MemberList, MemberRecord } from './group.js'
import { nodeIdOf, readIdentityKey } from './identity.js'

const SIGNATURE_BYTES = 64
const GROUP_ID_BYTES = 8
const TIME_BYTES = 6
const noSignature = signature(new Uint8Array(SIGNATURE_BYTES))

export interface RecordToSign {
  /** The inviter's, which signs. */
  readonly identity: Identity
  readonly inviter: NodeId
  readonly groupId: GroupId
  readonly identityKey: IdentityKey
  readonly accessCode: Uint8Array
  readonly role: keyof typeof memberRoles
  readonly since: Millis
}

export interface RefusedRecord {
  readonly record: MemberRecord
  readonly code: DropCode
}

export interface MergedList {
  readonly list: MemberList
  /** Members that the list did not have before. */
  readonly added: readonly Member[]
  readonly refused: readonly RefusedRecord[]
}

/**
 * The id of the group that the holder of a key created at a time: the first 8 bytes of H("gi" || key || time). Nobody
 * else's record can then pass for the creator's.
 */
export function groupIdOf(crypto: Hashing, creator: Pick<MemberRecord, 'identityKey' | 'since'>): GroupId {
  const time = bigEndian(creator.since, TIME_BYTES)
  return groupIdBytes(crypto.hash(labels.groupId, creator.identityKey, time).slice(0, GROUP_ID_BYTES))
}

/** A record, signed by the inviter. */
export function createRecord(crypto: Signing, toSign: RecordToSign): MemberRecord {
  const { identity, groupId, ...fields } = toSign
  const unsigned = { ...fields, signature: noSignature }
  return { ...unsigned, signature: crypto.sign(identity, labels.memberRecord, groupId, signedBytes(unsigned)) }
}

/** Whether the holder of `inviterKey` signed the record for this group. */
export function recordSignedBy(
  crypto: Signing,
  groupId: GroupId,
  inviterKey: IdentityKey,
  record: MemberRecord,
): boolean {
  return crypto.verify(inviterKey, record.signature, labels.memberRecord, groupId, signedBytes(record))
}

export function emptyList(): MemberList {
  return { members: new Map(), root: undefined, orphans: [] }
}

/** A list that begins with a record taken on trust: a creator's own, or that of an inviter known by a passphrase. */
export function listFromRoot(crypto: Hashing, record: MemberRecord): MemberList {
  const id = nodeIdOf(crypto, record.identityKey)
  return { members: new Map([[toHex(id), { id, record }]]), root: toHex(id), orphans: [] }
}

export function memberById(list: MemberList, id: NodeId): Member | undefined {
  return list.members.get(toHex(id))
}

/** Members in the order in which each comes after its inviter. */
export function membersByAge(list: Pick<MemberList, 'members'>): Member[] {
  return [...list.members.values()].sort(byAge)
}

/** H("ld" || records in the order of their ids). */
export function listDigest(crypto: Hashing, list: Pick<MemberList, 'members'>): Digest {
  const sorted = [...list.members.values()].sort((a, b) => compare(a.id, b.id))
  return crypto.hash(labels.listDigest, ...sorted.map(({ record }) => memberRecord.encode(record)))
}

/**
 * Takes the records that are signed by a member, whoever of them comes first; those of an unknown inviter wait in the
 * list as orphans. Of two records of one member the earlier counts, then the one with the smaller signature. Refused
 * are `MEMBER_RECORD` (no valid key, not signed by its inviter, a creator of another group) and `MEMBERS_FULL`.
 */
export function mergeRecords(
  crypto: Hashing & Signing,
  groupId: GroupId,
  list: MemberList,
  records: readonly MemberRecord[],
  limit: number = limits.members,
): MergedList {
  const news = newsAmong(crypto, list, records)
  if (news.length === 0) return { list, added: [], refused: [] }
  // New members leave those held as they are. Where a held record has a rival, or the list runs full, all are judged
  // again from the eldest on, so that the outcome is that of any other order.
  const onlyAdds =
    news.every(({ id }) => memberById(list, id) === undefined) && list.members.size + news.length <= limit
  const held = [...list.members.values()]
  const candidates = (onlyAdds ? news : [...held, ...news]).sort(byAge)
  const judged: Judged = { members: new Map(onlyAdds ? list.members : []), orphans: [], refused: [] }
  for (const candidate of candidates) judge(crypto, groupId, list, limit, candidate, judged)
  const { members, orphans, refused } = judged
  const added = [...members.values()].filter(({ id }) => memberById(list, id) === undefined)
  return { list: { members, root: list.root, orphans: orphans.slice(0, limit) }, added, refused }
}

interface Judged {
  readonly members: Map<string, Member>
  readonly orphans: MemberRecord[]
  readonly refused: RefusedRecord[]
}

/** Judges one record after all that are older. */
function judge(
  crypto: Hashing & Signing,
  groupId: GroupId,
  list: MemberList,
  limit: number,
  candidate: Member,
  judged: Judged,
): void {
  const { record } = candidate
  const id = toHex(candidate.id)
  const inviterId = toHex(record.inviter)
  if (judged.members.has(id)) return
  const isHeld = list.members.get(id)?.record === record
  const inviter = record.role === 'creator' ? candidate : judged.members.get(inviterId)
  const isTrusted = isHeld && (id === list.root || sameKey(inviter, list.members.get(inviterId)))
  if (!isTrusted) {
    if (inviter === undefined || (inviter !== candidate && inviter.record.since >= record.since)) {
      judged.orphans.push(record)
      return
    }
    if (!isVouchedFor(crypto, groupId, candidate, inviter)) {
      judged.refused.push({ record, code: 'MEMBER_RECORD' })
      return
    }
  }
  if (judged.members.size >= limit) judged.refused.push({ record, code: 'MEMBERS_FULL' })
  else judged.members.set(id, candidate)
}

function isVouchedFor(crypto: Hashing & Signing, groupId: GroupId, { id, record }: Member, inviter: Member): boolean {
  if (record.role === 'creator') {
    // Otherwise the first self-made creator to arrive would be believed by who does not know the true one yet.
    if (compare(record.inviter, id) !== 0 || compare(groupIdOf(crypto, record), groupId) !== 0) return false
  }
  const signer = inviter.record.identityKey
  return readIdentityKey(crypto, record.identityKey) !== undefined && recordSignedBy(crypto, groupId, signer, record)
}

function sameKey(a: Member | undefined, b: Member | undefined): boolean {
  return a !== undefined && b !== undefined && compare(a.record.identityKey, b.record.identityKey) === 0
}

/** Received records and waiting ones that the list does not hold, each once, with their ids. */
function newsAmong(crypto: Hashing, list: MemberList, records: readonly MemberRecord[]): Member[] {
  const news = new Map<string, Member>()
  for (const record of [...records, ...list.orphans]) {
    const id = nodeIdOf(crypto, record.identityKey)
    const held = memberById(list, id)
    if (held !== undefined && compare(held.record.signature, record.signature) === 0) continue
    news.set(toHex(memberRecord.encode(record)), { id, record })
  }
  return [...news.values()]
}

/** By time, then by signature: an order that all devices agree on. */
function byAge(a: Member, b: Member): number {
  return a.record.since - b.record.since || compare(a.record.signature, b.record.signature)
}

function signedBytes(record: MemberRecord): Uint8Array {
  return memberRecord.encode(record).subarray(0, -SIGNATURE_BYTES)
}
