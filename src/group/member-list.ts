/**
 * What members sign: records of those they invited, and departures; and the digest of all of it (PROTOCOL.md section 8.1).
 * What follows from a set of them stands in history.ts.
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
import { labels } from '../base/labels.js'
import type { Millis } from '../base/time.js'
import type { Hashing, Identity, Signing } from '../crypto/crypto.js'
import { ANNOUNCED_DIGEST_BYTES, departure, memberRecord, type memberRoles } from '../wire/content.js'
import { departuresInOrder } from './epochs.js'
import type { Departure, Member, MemberList, MemberRecord } from './group.js'
import { nodeIdOf } from './identity.js'

const SIGNATURE_BYTES = 64
const GROUP_ID_BYTES = 8
const TIME_BYTES = 6
const COUNT_BYTES = 2
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
  return { members: new Map(), records: new Map(), departures: new Map(), root: undefined, orphans: [], strays: [] }
}

/** A list that begins with a record taken on trust: a creator's own, or that of an inviter known by a passphrase. */
export function listFromRoot(crypto: Hashing, record: MemberRecord): MemberList {
  const member = { id: nodeIdOf(crypto, record.identityKey), record }
  const id = toHex(member.id)
  return {
    ...emptyList(),
    members: new Map([[id, member]]),
    records: new Map([[toHex(record.signature), member]]),
    root: record.role === 'creator' ? undefined : id,
  }
}

export function memberById(list: MemberList, id: NodeId): Member | undefined {
  return list.members.get(toHex(id))
}

/** Members in the order in which each comes after its inviter. */
export function membersByAge(list: Pick<MemberList, 'members'>): Member[] {
  return [...list.members.values()].sort((a, b) => byAge(a.record, b.record))
}

/** H("ld" || number of records || records in the order of their ids, then of age || departures in their order): the whole history. */
export function listDigest(crypto: Hashing, list: Pick<MemberList, 'records' | 'departures'>): Digest {
  const known = digests.get(list)
  if (known !== undefined) return known
  const records = [...list.records.values()].sort((a, b) => compare(a.id, b.id) || byAge(a.record, b.record))
  const made = crypto.hash(
    labels.listDigest,
    bigEndian(records.length, COUNT_BYTES),
    ...records.map(({ record }) => encodedRecord(record)),
    ...departuresInOrder(list).map((each) => departure.encode(each)),
  )
  digests.set(list, made)
  return made
}

/** What is announced of a history: the first half of its digest. */
export function announcedDigest(crypto: Hashing, list: Pick<MemberList, 'records' | 'departures'>): Uint8Array {
  return listDigest(crypto, list).subarray(0, ANNOUNCED_DIGEST_BYTES)
}

/** Lists and records never change, and in a large group their digest is wanted for every message. */
const digests = new WeakMap<object, Digest>()
const encodings = new WeakMap<MemberRecord, Uint8Array>()

/** The bytes of a record, which are made once. */
export function encodedRecord(record: MemberRecord): Uint8Array {
  const known = encodings.get(record)
  if (known !== undefined) return known
  const made = memberRecord.encode(record)
  encodings.set(record, made)
  return made
}

/** By time, then by signature: an order that all devices agree on. */
export function byAge(a: MemberRecord, b: MemberRecord): number {
  return a.since - b.since || compare(a.signature, b.signature)
}

export interface DepartureToSign {
  /** Of who signs, which may be the one that departs. */
  readonly identity: Identity
  readonly by: NodeId
  readonly groupId: GroupId
  readonly member: NodeId
  readonly at: Millis
}

/** A departure, signed. */
export function createDeparture(crypto: Signing, toSign: DepartureToSign): Departure {
  const { identity, groupId, ...fields } = toSign
  const unsigned = { ...fields, signature: noSignature }
  return { ...unsigned, signature: crypto.sign(identity, labels.departure, groupId, departureBytes(unsigned)) }
}

/** Whether the holder of `key` signed the departure for this group. */
export function departureSignedBy(crypto: Signing, groupId: GroupId, key: IdentityKey, signed: Departure): boolean {
  return crypto.verify(key, signed.signature, labels.departure, groupId, departureBytes(signed))
}

function departureBytes(of: Departure): Uint8Array {
  return departure.encode(of).subarray(0, -SIGNATURE_BYTES)
}

function signedBytes(record: MemberRecord): Uint8Array {
  return memberRecord.encode(record).subarray(0, -SIGNATURE_BYTES)
}
