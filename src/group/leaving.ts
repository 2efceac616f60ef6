/**
 * Leaving a group: the device signs its own departure, tells all others, and reads no more of it (PROTOCOL.md section 8.6).
 */
import type { Digest } from '../base/bytes.js'
import { equal } from '../base/bytes.js'
import type { Millis } from '../base/time.js'
import type { Hashing, Signing } from '../crypto/crypto.js'
import { announce } from './announcing.js'
import type { Group, GroupSend, Local } from './group.js'
import { memberById, membersByAge } from './member-list.js'
import { signDeparture, withDepartures } from './rekey.js'

/** Throws `HISTORY_FULL` past what a history may hold. One that has been removed has nothing to say any more. */
export function leaveGroup(
  crypto: Hashing & Signing,
  group: Group,
  local: Local,
  now: Millis,
  directoryDigest: Digest,
): { readonly group: Group; readonly sends: readonly GroupSend[] } {
  const gone = { ...group, left: true, live: [], rekeyAt: undefined }
  if (memberById(group.list, local.self) === undefined) return { group: gone, sends: [] }
  const departure = signDeparture(crypto, group, local, local.self, now)
  const others = membersByAge(group.list).filter(({ id }) => !equal(id, local.self))
  const left = withDepartures(crypto, gone, [departure])
  const sends = announce(crypto, left.list, directoryDigest)(
    'records',
    { records: [], departures: [departure] },
    others,
  )
  return { group: left, sends }
}
