/**
 * The secrets of a group: one way from each UTC day to the next, and afresh where somebody departed (PROTOCOL.md sections 1.3,
 * 8.5 and 8.6). What is needed to open what may still arrive is kept, and nothing older.
 */
import { compare, type Digest, digest, equal, type GroupId, type Key, toHex, wipe } from '../base/bytes.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import { type Millis, startOfDay, utcDay } from '../base/time.js'
import type { Group255, Hashing, Signing } from '../crypto/crypto.js'
import { departure, epochStatement } from '../wire/content.js'
import type { Departure, Epoch, EpochStatement, Group, GroupKeys, LiveKeys, MemberList, MemberRecord } from './group.js'
import { groupKeys, nextDaySecret } from './keys.js'

const SIGNATURE_BYTES = 64
const DIGEST_BYTES = 32
/** Days for which keys are held side by side at most: those of a message's life, a part of one at each end, and tomorrow. */
const LIVE_DAYS = Math.ceil(limits.messageLifeMs / (startOfDay(1) - startOfDay(0))) + 2
/** A clock that is centuries ahead must not cost minutes of hashing. */
const FURTHEST_DAYS = 4096

/** Tag of the epoch that a group begins with. */
const firstTag = digest(new Uint8Array(DIGEST_BYTES))

/** What is not known of an epoch when it comes. */
const fresh = { replacedAt: undefined, departuresKnown: false }

export function firstEpoch(secret: Key, now: Millis): Epoch {
  return { number: 0, tag: firstTag, statement: undefined, day: utcDay(now), secret, ...fresh }
}

/**
 * Whether the secret of an epoch that somebody gave can be that of its statement, and its number and day those of an honest clock. Of a
 * later day than the statement's first the secret cannot be held against it.
 */
export function fitsStatement(crypto: Hashing, { number, statement, day, secret }: Epoch, now: Millis): boolean {
  // A bound by the clock, which what is refused today passes later: one by the own epoch would part members for good.
  const latest = now + limits.clockSkewMs
  if (day > utcDay(latest) || day < firstSecretDay(now) || number > latest / 1_000) return false
  if (statement === undefined || day > statement.day) return true
  return day === statement.day && equal(commitmentTo(crypto, secret), statement.commitment)
}

/** The epoch of a statement, or the first where there is none; `day` and `secret` as somebody gave them. */
export function epochOf(crypto: Hashing, statement: EpochStatement | undefined, day: number, secret: Key): Epoch {
  const number = statement?.number ?? 0
  const tag = statement === undefined ? firstTag : epochTag(crypto, statement)
  return { number, tag, statement, day, secret, ...fresh }
}

export function epochTag(crypto: Hashing, statement: EpochStatement): Digest {
  return crypto.hash(labels.epochTag, epochStatement.encode(statement))
}

export function bestEpoch(group: Pick<Group, 'epochs'>): Epoch {
  return group.epochs[0] as Epoch
}

export function epochByTag(group: Pick<Group, 'epochs'>, tag: Uint8Array): Epoch | undefined {
  return group.epochs.find((epoch) => equal(epoch.tag, tag))
}

/** Of two epochs the one that all members go over to comes first: the higher number, then the smaller tag. */
export function byRank(a: Epoch, b: Epoch): number {
  return b.number - a.number || compare(a.tag, b.tag)
}

/** Adds an epoch. One that is held already keeps its elder secret; past the bound the worst goes. */
export function withEpoch(group: Group, epoch: Epoch, now: Millis): Group {
  const held = epochByTag(group, epoch.tag)
  if (held !== undefined && held.day <= epoch.day) return group
  const others = group.epochs.filter((each) => each !== held)
  const added = {
    ...epoch,
    replacedAt: held?.replacedAt ?? epoch.replacedAt,
    departuresKnown: epoch.departuresKnown || held?.departuresKnown === true,
  }
  const epochs = [...others, added].sort(byRank).slice(0, limits.groupEpochs)
  return { ...group, epochs: epochs.map((each, rank) => ({ ...each, replacedAt: replacedAt(each, rank, now) })) }
}

function replacedAt(epoch: Epoch, rank: number, now: Millis): Millis | undefined {
  return rank === 0 ? undefined : (epoch.replacedAt ?? now)
}

/** The first day of which a secret is taken. */
export function firstSecretDay(now: Millis): number {
  return utcDay(now) - limits.groupSecretDays
}

/** The secret that an epoch has on a day; on an earlier day than its first, that of its first. */
export function secretOfDay(crypto: Hashing, epoch: Pick<Epoch, 'day' | 'secret'>, day: number): Key {
  let { secret } = epoch
  for (let at = epoch.day; at < Math.min(day, epoch.day + FURTHEST_DAYS); at++) {
    const next = nextDaySecret(crypto, secret)
    wipeDerived(epoch, secret)
    secret = next
  }
  return secret
}

/** Wipes what `secretOfDay` derived; the epoch's own secret stays. */
export function wipeDerived(epoch: Pick<Epoch, 'secret'>, secret: Key): void {
  if (secret !== epoch.secret) wipe(secret)
}

/**
 * Keys to seal under and to open with, as the clock has it: of all days back to the oldest that is held, of tomorrow
 * where a clock an hour ahead has it already. The same group where nothing changes.
 */
export function refreshKeys(crypto: Hashing & Group255, group: Group, now: Millis): Group {
  const last = utcDay(now + limits.clockSkewMs)
  const held = new Map(group.live.map((keys) => [nameOf(keys.epoch, keys.day), keys]))
  const live = group.epochs.flatMap((epoch) => liveOf(crypto, epoch, last, held))
  const best = bestEpoch(group)
  const today = Math.max(utcDay(now), best.day)
  const keys = live.find((each) => each.epoch === best && each.day === today) ?? live[0]
  if (keys === undefined) return group
  const isSame = live.length === group.live.length && live.every((each, i) => each === group.live[i])
  return isSame && keys === group.keys ? group : { ...group, live, keys }
}

/** Newest day first: most messages are of today. */
function liveOf(
  crypto: Hashing & Group255,
  epoch: Epoch,
  lastDay: number,
  held: ReadonlyMap<string, LiveKeys>,
): LiveKeys[] {
  const last = Math.min(Math.max(lastDay, epoch.day), epoch.day + FURTHEST_DAYS)
  const first = Math.max(epoch.day, last - LIVE_DAYS)
  const live: LiveKeys[] = []
  for (let day = first; day <= last; day++) {
    const known = held.get(nameOf(epoch, day))
    // What is held already is not made once more: nobody would wipe it.
    if (known !== undefined) live.unshift(known.epoch === epoch ? known : { ...known, epoch })
    else {
      const [before] = live
      const secret = before ? nextDaySecret(crypto, before.secret) : secretOfDay(crypto, epoch, day)
      live.unshift({ ...groupKeys(crypto, secret), epoch, day })
    }
  }
  return live
}

function nameOf(epoch: Epoch, day: number): string {
  return `${toHex(epoch.tag)}/${day}`
}

/** Keys to seal under now: of the best epoch, or of the one named, which may be gone. */
export function sealingKeys(
  crypto: Hashing & Group255,
  group: Group,
  tag: Uint8Array | undefined,
  now: Millis,
): GroupKeys | undefined {
  const epoch = tag === undefined ? bestEpoch(group) : epochByTag(group, tag)
  if (epoch === undefined) return undefined
  const day = Math.max(utcDay(now), epoch.day)
  const live = group.live.find((keys) => keys.epoch === epoch && keys.day === day)
  return live ?? groupKeys(crypto, secretOfDay(crypto, epoch, day))
}

/** When `refreshKeys` next has something to do. */
export function nextRefresh(now: Millis): Millis {
  const tomorrow = startOfDay(utcDay(now) + 1)
  const early = tomorrow - limits.clockSkewMs
  return now < early ? early : tomorrow
}

/**
 * The first day whose key may still be needed. `certain` is a moment that is surely past: CS signed it and the own clock agrees, so
 * that neither clock alone makes a device forget. `caughtUp` says that nothing waits at CS from before the link came up.
 */
export function keysNeededFrom(now: Millis, certain: Millis, caughtUp: boolean): number {
  const byAge = utcDay(certain - limits.messageLifeMs)
  if (!caughtUp) return byAge
  const { dayKeyMarginMs } = limits
  // Day d goes two hours after the end of day d + 1, if day d is certain to have ended two hours ago.
  return Math.max(byAge, Math.min(utcDay(now - dayKeyMarginMs) - 1, utcDay(certain - dayKeyMarginMs)))
}

/** Forgets the keys of days before `day`, and epochs that were replaced more than a message's life before `certain`. */
export function forgetKeys(crypto: Hashing & Group255, group: Group, day: number, certain: Millis, now: Millis): Group {
  const isOver = ({ replacedAt: at }: Epoch) => at !== undefined && at + limits.messageLifeMs <= certain
  if (!group.epochs.some((epoch) => epoch.day < day || isOver(epoch))) return group
  const epochs = group.epochs
    .filter((epoch) => !isOver(epoch))
    .map((epoch) => (epoch.day >= day ? epoch : { ...epoch, secret: secretOfDay(crypto, epoch, day), day }))
  return refreshKeys(crypto, { ...group, epochs }, now)
}

/** Departures in the order in which they are counted and hashed. */
export function departuresInOrder(list: Pick<MemberList, 'departures'>): Departure[] {
  return [...list.departures.values()].sort((a, b) => a.at - b.at || compare(a.signature, b.signature))
}

export function departuresDigest(crypto: Hashing, departures: readonly Departure[]): Digest {
  return crypto.hash(labels.departuresDigest, ...departures.map((each) => departure.encode(each)))
}

/** Whether the issuer signed the statement for this group. */
export function statementSignedBy(
  crypto: Signing,
  groupId: GroupId,
  issuer: MemberRecord,
  statement: EpochStatement,
): boolean {
  const { identityKey } = issuer
  return crypto.verify(identityKey, statement.signature, labels.epochStatement, groupId, unsigned(statement))
}

/** The bytes of a statement that its signature covers, after label and group id. */
export function unsigned(statement: EpochStatement): Uint8Array {
  return epochStatement.encode(statement).subarray(0, -SIGNATURE_BYTES)
}

/** H("ec" || secret of the first day): ties the statement to the one secret that all personal parts must hold. */
export function commitmentTo(crypto: Hashing, secret: Key): Digest {
  return crypto.hash(labels.epochSecret, secret)
}
