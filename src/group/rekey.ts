/**
 * Departures and the fresh secret that follows them: one message to all who remain, with a part for each that nobody else can
 * open (PROTOCOL.md section 8.6).
 */
import { assert } from '../base/assert.js'
import { type Digest, equal, type Key, key, type NodeId, signature, toHex, wipe } from '../base/bytes.js'
import { type DropCode, ProtocolError } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import { type Millis, utcDay } from '../base/time.js'
import type { Aead, Group255, Hashing, Identity, Sealing, Signing } from '../crypto/crypto.js'
import { ANNOUNCED_DIGEST_BYTES, rekey as rekeyFormat } from '../wire/content.js'
import { announce } from './announcing.js'
import {
  bestEpoch,
  commitmentTo,
  departuresDigest,
  departuresInOrder,
  epochByTag,
  epochOf,
  firstSecretDay,
  refreshKeys,
  statementSignedBy,
  unsigned,
  withEpoch,
} from './epochs.js'
import type {
  Departure,
  Epoch,
  EpochStatement,
  Group,
  GroupSend,
  Local,
  Member,
  MemberList,
  VerifiedContent,
} from './group.js'
import { departedAt, inFairOrder, mergeHistory } from './history.js'
import { announcedDigest, createDeparture, memberById, membersByAge } from './member-list.js'

type RekeyCrypto = Hashing & Signing & Group255 & Aead & Sealing

const SECRET_BYTES = 32
const SCALAR_ENTROPY_BYTES = 64
const SIGNATURE_BYTES = 64

export interface Rekeyed {
  readonly group: Group
  /** Nothing where nobody else is left. */
  readonly sends: readonly GroupSend[]
}

/**
 * Removes members, and makes the secret of those who remain anew. Throws `GROUP_UNKNOWN` where this device is no member, `MEMBER_UNKNOWN` for
 * who is none, `MEMBER_SELF` for itself, `HISTORY_FULL` past what a history may hold.
 */
export function removeMembers(
  crypto: RekeyCrypto,
  random: RandomBytes,
  group: Group,
  { identity, self }: Local,
  ids: readonly NodeId[],
  now: Millis,
  directoryDigest: Digest,
): Rekeyed {
  const unknown = ids.find((id) => memberById(group.list, id) === undefined)
  if (unknown !== undefined) {
    const message = `${toHex(unknown)} is no member of ${group.name}; "group members" shows who is`
    throw new ProtocolError('MEMBER_UNKNOWN', message)
  }
  if (ids.some((id) => equal(id, self))) {
    throw new ProtocolError('MEMBER_SELF', 'a device does not remove itself; use "group leave" to leave')
  }
  if (group.list.root !== undefined) {
    // It would give the new secret to nobody but those few that it knows.
    throw new ProtocolError('MEMBER_UNKNOWN', `the list of ${group.name} has not come yet; try again in a moment`)
  }
  if (ids.length === 0) throw new ProtocolError('MEMBER_UNKNOWN', 'name at least one member to remove')
  const departures = ids.map((member) => signDeparture(crypto, group, { identity, self }, member, now))
  const without = withDepartures(crypto, group, departures)
  const rekeyed = issueRekey(crypto, random, without, { identity, self }, now, directoryDigest, departures)
  const removed = ids.flatMap((id) => memberById(group.list, id) ?? [])
  // They are told as well, under the keys that they hold, so that their owners need not guess.
  const news = announce(crypto, without.list, directoryDigest)('records', { records: [], departures }, removed)
  const { tag } = bestEpoch(group)
  return { group: rekeyed.group, sends: [...rekeyed.sends, ...news.map((send) => ({ ...send, epoch: tag }))] }
}

/** Signs that a member departs now. Throws `HISTORY_FULL`, and `GROUP_UNKNOWN` where this device is no member. */
export function signDeparture(
  crypto: Signing,
  group: Group,
  { identity, self }: Local,
  member: NodeId,
  now: Millis,
): Departure {
  const own = memberById(group.list, self)
  const record = memberById(group.list, member)?.record
  if (own === undefined || record === undefined) {
    throw new ProtocolError('GROUP_UNKNOWN', `this device is no member of ${group.name}`)
  }
  // Later than what it ends and than its signer's own record, whatever the clocks say.
  const at = Math.max(now, record.since, own.record.since + 1)
  const made = createDeparture(crypto, { identity, by: self, groupId: group.id, member, at })
  const all = new Map(group.list.departures).set(toHex(made.signature), made)
  if (inFairOrder(all).indexOf(made) >= limits.historyDepartures) {
    throw new ProtocolError('HISTORY_FULL', `too many have left ${group.name}; create another group`)
  }
  return made
}

/** Takes departures that this device signed. */
export function withDepartures(crypto: Hashing & Signing, group: Group, departures: readonly Departure[]): Group {
  const { list } = mergeHistory(crypto, group.id, group.list, { records: [], departures })
  return withList(group, list)
}

/** The group under another list: what waits for members who are gone waits no more. */
export function withList(group: Group, list: MemberList): Group {
  if (list === group.list) return group
  const isIn = (id: NodeId) => memberById(list, id) !== undefined
  return {
    ...group,
    list,
    toTell: group.toTell.filter(isIn),
    toUpdate: group.toUpdate.filter(isIn),
    toIntroduce: group.toIntroduce.filter((record) => list.records.has(toHex(record.signature))),
  }
}

/** A fresh secret on top of the best epoch, for all who are in the list. `departures` is what the message names. */
export function issueRekey(
  crypto: RekeyCrypto,
  random: RandomBytes,
  group: Group,
  { identity, self }: Local,
  now: Millis,
  directoryDigest: Digest,
  departures: readonly Departure[] = newestDepartures(group),
): Rekeyed {
  const secret = key(random(SECRET_BYTES))
  const parent = bestEpoch(group)
  const statement = signStatement(crypto, group, { identity, self }, parent, secret, now)
  const epoch = { ...epochOf(crypto, statement, statement.day, secret), departuresKnown: true }
  const next = refreshKeys(crypto, { ...withEpoch(group, epoch, now), rekeyAt: undefined }, now)
  const others = membersByAge(group.list).filter(({ id }) => !equal(id, self))
  if (others.length === 0) return { group: next, sends: [] }

  const wide = random(SCALAR_ENTROPY_BYTES)
  const scalar = crypto.reduce(wide)
  const ephemeral = crypto.publicPoint(scalar)
  const own = memberById(group.list, self) as Member
  const parts = new Map(
    [...others, own].map(({ id, record }) => {
      const target = crypto.identityPoint(record.identityKey)
      const shared = target && crypto.multiply(scalar, target)
      assert(shared !== undefined, 'the identity keys of a list have been checked')
      const part = sealPart(crypto, crypto.hash(ephemeral, shared), id, secret)
      wipe(shared)
      return [toHex(id), part] as const
    }),
  )
  wipe(wide, scalar)
  const body = rekeyFormat.encode({
    ephemeral,
    statement,
    memberCount: group.list.members.size,
    listDigest: announcedDigest(crypto, next.list),
    directoryDigest: directoryDigest.subarray(0, ANNOUNCED_DIGEST_BYTES),
    departures: departures.slice(0, limits.contentDepartures),
  })
  return { group: next, sends: [{ kind: 'rekey', body, recipients: others, epoch: parent.tag, parts }] }
}

/** Those that the best epoch's issuer did not know of, as far as their number tells. */
function newestDepartures(group: Group): Departure[] {
  const known = bestEpoch(group).statement?.departures ?? 0
  return departuresInOrder(group.list).slice(known)
}

function signStatement(
  crypto: Hashing & Signing,
  group: Group,
  { identity, self }: Local,
  parent: Epoch,
  secret: Key,
  now: Millis,
): EpochStatement {
  const departures = departuresInOrder(group.list)
  const fields = {
    number: parent.number + 1,
    parent: parent.tag,
    commitment: commitmentTo(crypto, secret),
    // A clock behind that of the parent's issuer must not make keys for days that others no longer look at.
    day: Math.max(utcDay(now), parent.statement?.day ?? 0),
    issuer: self,
    departures: departures.length,
    departuresDigest: departuresDigest(crypto, departures),
    signature: signature(new Uint8Array(SIGNATURE_BYTES)),
  }
  return { ...fields, signature: crypto.sign(identity, labels.epochStatement, group.id, unsigned(fields)) }
}

/** The key is for this part alone, and wiped. */
function sealPart(crypto: Aead, sharedKey: Uint8Array, member: NodeId, secret: Key): Uint8Array {
  const part = crypto.aeadSeal(sharedKey, labels.personalPart, member, secret)
  wipe(sharedKey)
  return part
}

/**
 * False for a rekey whose part does not open: the part stands outside the signature, so P2 can have put other bytes in its place. Its
 * sender knows by the receipt and sends it again, which must then not be taken for a repeat.
 */
export function isWhole(crypto: Aead & Sealing, { identity, self }: Local, content: VerifiedContent): boolean {
  const parsed = content.kind === 'rekey' ? rekeyFormat.parse(content.body) : undefined
  if (!parsed?.ok) return true
  const secret = openPart(crypto, identity, self, parsed.value.ephemeral, content.personalPart)
  if (secret !== undefined) wipe(secret)
  return secret !== undefined
}

export type TakenRekey =
  | {
      readonly ok: true
      readonly group: Group
      /** Of the epoch. */
      readonly number: number
      readonly departures: readonly Departure[]
      readonly listDigest: Uint8Array
    }
  | { readonly ok: false; readonly code: DropCode }

/**
 * Takes a new secret that a member issued, with the departures beside it: `GROUP_SECRET` where part, statement and parent do not fit each
 * other, and nothing changes. Whether it becomes the secret to seal under is decided by its rank alone.
 */
export function takeRekey(
  crypto: RekeyCrypto,
  group: Group,
  { identity, self }: Local,
  content: VerifiedContent,
  now: Millis,
): TakenRekey {
  const parsed = rekeyFormat.parse(content.body)
  if (!parsed.ok) return { ok: false, code: 'MESSAGE_CONTENT' }
  const { ephemeral, statement, departures, listDigest } = parsed.value
  const secret = openPart(crypto, identity, self, ephemeral, content.personalPart)
  const isFitting =
    secret !== undefined &&
    equal(statement.issuer, content.sender.id) &&
    // Who departed must not build on a secret that it does not hold: it comes under the epoch that it follows.
    content.epoch !== undefined &&
    equal(statement.parent, content.epoch) &&
    equal(commitmentTo(crypto, secret), statement.commitment) &&
    fitsParent(group, statement, now) &&
    !isBuiltByDeparted(group, content.sender, statement) &&
    statementSignedBy(crypto, group.id, content.sender.record, statement)
  if (!isFitting) {
    if (secret !== undefined) wipe(secret)
    return { ok: false, code: 'GROUP_SECRET' }
  }
  const epoch = epochOf(crypto, statement, statement.day, secret)
  return { ok: true, group: withEpoch(group, epoch, now), number: epoch.number, departures, listDigest }
}

/** Of those who departed none builds on what one of them made: they could go on with that for as long as messages live. */
function isBuiltByDeparted(group: Group, sender: Member, { parent }: EpochStatement): boolean {
  if (memberById(group.list, sender.id) !== undefined) return false
  const issuer = epochByTag(group, parent)?.statement?.issuer
  return issuer !== undefined && departedAt(group.list, issuer) !== undefined
}

/** One more than the epoch it follows, which is held here, and of a day that has begun somewhere, not before that epoch nor long ago. */
function fitsParent(group: Group, { parent, number, day }: EpochStatement, now: Millis): boolean {
  const held = epochByTag(group, parent)
  if (held === undefined || number !== held.number + 1) return false
  const parentDay = held.statement?.day ?? 0
  if (day < parentDay || day < firstSecretDay(now)) return false
  return day <= Math.max(utcDay(now + limits.clockSkewMs), parentDay)
}

function openPart(
  crypto: Aead & Sealing,
  identity: Identity,
  self: NodeId,
  ephemeral: Uint8Array,
  part: Uint8Array,
): Key | undefined {
  const sharedKey = crypto.requestKey(identity.secretScalar, ephemeral)
  if (sharedKey === undefined) return undefined
  const secret = crypto.aeadOpen(sharedKey, labels.personalPart, self, part)
  wipe(sharedKey)
  return secret?.length === SECRET_BYTES ? key(secret) : undefined
}
