/**
 * When the present secret has to make way for a fresh one because somebody who departed knows it, who of all members makes that, and
 * who is told that missed it (PROTOCOL.md section 8.6).
 */
import { type Digest, equal } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import { type RandomBytes, randomBelow } from '../base/random.js'
import type { Millis } from '../base/time.js'
import { messageTime } from './content.js'
import { bestEpoch, epochByTag } from './epochs.js'
import type { Group, GroupCrypto, GroupSend, Local, VerifiedContent } from './group.js'
import { departedAt } from './history.js'
import { memberById, membersByAge } from './member-list.js'
import { issueRekey } from './rekey.js'
import { withUpdates } from './repair.js'

/** Of all members about so many tell one that it is behind. */
export const LAGGARD_ANSWERS = 3

export function rekeyIfDue(
  crypto: GroupCrypto,
  random: RandomBytes,
  group: Group,
  local: Local,
  now: Millis,
  directoryDigest: Digest,
): { readonly group: Group; readonly sends: readonly GroupSend[] } {
  if (group.rekeyAt === undefined || now < group.rekeyAt) return { group, sends: [] }
  if (!isKnownOutside(group)) return { group: { ...group, rekeyAt: undefined }, sends: [] }
  return issueRekey(crypto, random, group, local, now, directoryDigest)
}

/**
 * Whether somebody who departed knows the present secret: its issuer did not know of the departure, or is gone itself. Of one that
 * is gone the number is not believed: it could name more departures than there will ever be.
 */
function isKnownOutside({ list, epochs }: Pick<Group, 'list' | 'epochs'>): boolean {
  const { statement } = bestEpoch({ epochs })
  if (list.departures.size > (statement?.departures ?? 0)) return true
  return statement !== undefined && departedAt(list, statement.issuer) !== undefined
}

/**
 * Plans a new secret where the present one is known to who has departed: the senior members are the first to make one, whoever
 * issued one that lost against another at once, and nobody does once somebody's has come.
 */
export function scheduleRekey(random: RandomBytes, group: Group, { self }: Local, now: Millis): Group {
  // Who has not got the list would give the secret to nobody but those few that it knows.
  const knowsAll = group.list.root === undefined && memberById(group.list, self) !== undefined
  const isNeeded = isKnownOutside(group) && !group.left && knowsAll
  if (!isNeeded) return group.rekeyAt === undefined ? group : { ...group, rekeyAt: undefined }
  if (group.rekeyAt !== undefined) return group
  const best = bestEpoch(group)
  const hasLost = group.epochs.some(
    ({ statement, number }) => statement && number === best.number && equal(statement.issuer, self),
  )
  const rank = hasLost ? 0 : membersByAge(group.list).findIndex(({ id }) => equal(id, self))
  const waitMs = limits.rekeyWaitMs + rank * limits.rekeyRankMs
  return { ...group, rekeyAt: now + waitMs + randomBelow(random, limits.rekeyWaitMs) }
}

/** A member that still seals under a secret that was replaced a while ago may have missed that: a few of all others tell it. */
export function noteLaggard(
  random: RandomBytes,
  group: Group,
  { epoch, sender, messageId }: VerifiedContent,
  now: Millis,
): Group {
  const used = epoch && epochByTag(group, epoch)
  if (used?.replacedAt === undefined || memberById(group.list, sender.id) === undefined) return group
  if (messageTime(messageId) < used.replacedAt + limits.clockSkewMs) return group
  const chosen = randomBelow(random, Math.max(1, group.list.members.size)) < LAGGARD_ANSWERS
  return chosen ? withUpdates(group, [sender.id], now) : group
}
