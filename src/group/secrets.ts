/**
 * Secrets on their way from one member to another: which may be given on, to whom, and what of them is believed (PROTOCOL.md
 * section 8.7). Beside the present one go those that it replaced, for what was sealed under them meanwhile.
 */
import { concat, equal, equalConstantTime } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type Millis, utcDay } from '../base/time.js'
import type { Hashing, Signing } from '../crypto/crypto.js'
import { answer, EPOCH_NAME_BYTES, earlier } from '../wire/content.js'
import {
  bestEpoch,
  departuresDigest,
  departuresInOrder,
  epochByTag,
  epochOf,
  fitsStatement,
  secretOfDay,
  statementSignedBy,
  wipeDerived,
  withEpoch,
} from './epochs.js'
import type { Epoch, Group, GroupSend, Member, VerifiedContent } from './group.js'
import { knownById } from './history.js'
import { announcedDigest } from './member-list.js'

/**
 * Marks the epochs whose departures this device knows to be the very ones that their statements count. Those alone it gives on: with
 * fewer it might give a secret to one for whose departure it was made.
 */
export function noteDepartures(crypto: Hashing, group: Group): Group {
  const { size } = group.list.departures
  const mayBe = ({ statement, departuresKnown }: Epoch) => !departuresKnown && statement?.departures === size
  if (!group.epochs.some(mayBe)) return group
  const known = departuresDigest(crypto, departuresInOrder(group.list))
  const epochs = group.epochs.map((epoch) =>
    mayBe(epoch) && epoch.statement !== undefined && equal(epoch.statement.departuresDigest, known)
      ? { ...epoch, departuresKnown: true }
      : epoch,
  )
  return { ...group, epochs }
}

/** Whether the best secret may be given on. Where more departures are known than it was made for, a newer one is about to come. */
export function mayGive({ epochs, list }: Pick<Group, 'epochs' | 'list'>): boolean {
  const { statement, departuresKnown } = bestEpoch({ epochs })
  return statement === undefined || (departuresKnown && statement.departures === list.departures.size)
}

/** The best epoch's secret, of no day before the member came, nor of one from which nothing is opened any more. */
export function presentSecret(crypto: Hashing, group: Group, member: Member, now: Millis): GroupSend {
  const epoch = bestEpoch(group)
  const { day, groupSecret } = secretSince(crypto, epoch, member, now)
  const statement = epoch.statement === undefined ? [] : [epoch.statement]
  const body = answer.encode({ day, groupSecret, statement, listDigest: announcedDigest(crypto, group.list) })
  wipeDerived(epoch, groupSecret)
  return { kind: 'answer', body, recipients: [member], personal: true }
}

/**
 * Secrets that were replaced after the member came, as messages for it may be sealed under them, but for those that it is known to
 * hold. Each with the moment from which on it is kept, so that nobody keeps it longer by asking others.
 */
export function earlierSecrets(
  crypto: Hashing,
  group: Group,
  member: Member,
  now: Millis,
  isHeld: (epoch: Epoch) => boolean,
): GroupSend[] {
  return group.epochs.slice(1).flatMap((epoch): GroupSend[] => {
    const { statement, departuresKnown, replacedAt } = epoch
    if (statement === undefined || !departuresKnown || replacedAt === undefined) return []
    if (replacedAt <= member.record.since || isHeld(epoch)) return []
    const given = secretSince(crypto, epoch, member, now)
    const body = earlier.encode({ ...given, statement, replacedAt })
    wipeDerived(epoch, given.groupSecret)
    return [{ kind: 'earlier', body, recipients: [member], personal: true }]
  })
}

function secretSince(crypto: Hashing, epoch: Epoch, { record }: Member, now: Millis) {
  const day = Math.max(epoch.day, utcDay(record.since), utcDay(now - limits.messageLifeMs))
  return { day, groupSecret: secretOfDay(crypto, epoch, day) }
}

/** What a question names the epochs by that its sender holds beside the best. */
export function heldNames({ epochs }: Pick<Group, 'epochs'>): Uint8Array {
  return concat(...epochs.slice(1).map(({ tag }) => tag.subarray(0, EPOCH_NAME_BYTES)))
}

/** Whether an epoch is among those names, or is the best of who asks. */
export function isNamed(names: Uint8Array, best: Uint8Array, { tag }: Epoch): boolean {
  if (equal(tag, best)) return true
  for (let at = 0; at < names.length; at += EPOCH_NAME_BYTES) {
    if (equal(tag.subarray(0, EPOCH_NAME_BYTES), names.subarray(at, at + EPOCH_NAME_BYTES))) return true
  }
  return false
}

/** Takes the secret of a replaced epoch on a member's word, under the conditions of an *answer*. */
export function takeEarlier(
  crypto: Hashing & Signing,
  group: Group,
  content: VerifiedContent,
  now: Millis,
): { readonly group: Group; readonly drops: readonly DropCode[] } {
  const parsed = earlier.parse(content.body)
  if (!parsed.ok) return { group, drops: ['MESSAGE_CONTENT'] }
  const { day, groupSecret, statement, replacedAt } = parsed.value
  const issuer = knownById(group.list, statement.issuer)
  // Its issuer's record is under way; it comes with the next answer.
  if (issuer === undefined || replacedAt + limits.messageLifeMs <= now) return { group, drops: [] }
  const epoch = { ...epochOf(crypto, statement, day, groupSecret), replacedAt: Math.min(replacedAt, now) }
  if (!isCredible(crypto, group, epoch, issuer, now)) return { group, drops: ['GROUP_SECRET'] }
  return { group: withEpoch(group, epoch, now), drops: [] }
}

/** Whether a secret may be that of its statement, and the statement its issuer's, where that is known. */
export function isCredible(
  crypto: Hashing & Signing,
  group: Group,
  epoch: Epoch,
  issuer: Member | undefined,
  now: Millis,
): boolean {
  const { statement } = epoch
  if (!fitsStatement(crypto, epoch, now)) return false
  const held = epochByTag(group, epoch.tag)
  if (held !== undefined && !agrees(crypto, held, epoch)) return false
  if (statement === undefined) return held !== undefined
  return issuer === undefined || statementSignedBy(crypto, group.id, issuer.record, statement)
}

/** Whether two secrets of one epoch lead to the same one. */
function agrees(crypto: Hashing, a: Pick<Epoch, 'day' | 'secret'>, b: Pick<Epoch, 'day' | 'secret'>): boolean {
  const day = Math.max(a.day, b.day)
  const [ofA, ofB] = [secretOfDay(crypto, a, day), secretOfDay(crypto, b, day)]
  const agree = equalConstantTime(ofA, ofB)
  wipeDerived(a, ofA)
  wipeDerived(b, ofB)
  return agree
}
