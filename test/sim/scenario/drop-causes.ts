/**
 * What may explain that something from the network was dropped, code by code: a drop that nothing in its scenario explains is a fault
 * of somebody. A code that is not here is never explained.
 */
import type { DropCode } from '../../../src/base/errors.js'
import type { Cause } from './scenario.js'

export const dropCauses = {
  // Whoever lies on the way changes bits: datagrams, or messages where a proxy does it.
  WIRE_EMPTY: ['corruption', 'liar'],
  WIRE_VERSION: ['corruption', 'liar'],
  WIRE_KIND: ['corruption', 'liar'],
  WIRE_CRITICAL: ['liar'],
  WIRE_TRUNCATED: ['corruption', 'liar'],
  WIRE_TRAILING: ['corruption', 'liar'],
  WIRE_VALUE: ['corruption', 'liar'],
  WIRE_LIMIT: ['corruption', 'liar'],
  // A session that one end has given up or lost, or an index with a flipped bit.
  LINK_UNKNOWN_SESSION: ['always'],
  LINK_MAC: ['corruption'],
  LINK_HANDSHAKE: ['corruption'],
  // A handshake answered twice, as it was sent or arrived twice.
  LINK_UNEXPECTED: ['loss', 'doubling', 'reordering', 'absence', 'corruption'],
  LINK_AUTHENTICATION: ['corruption', 'loss', 'absence', 'reordering'],
  LINK_REPLAY: ['doubling'],
  LINK_REKEY: ['loss', 'absence'],
  LINK_IDENTITY: ['corruption'],
  ROLE_UNEXPECTED: ['liar'],
  DIRECTORY_AGAIN: ['loss', 'absence', 'reordering'],
  // Two directories on one link overtake each other.
  DIRECTORY_ROLLBACK: ['loss', 'absence', 'reordering'],
  // Differences to a version that a server which has begun anew had given out otherwise: the whole is asked for then.
  DIRECTORY_SIGNATURE: ['absence'],
  DIRECTORY_DELTA: ['absence', 'loss', 'reordering'],
  DIRECTORY_EXPIRED: ['wrongClock'],
  PROXY_ENTRY: ['wrongClock'],
  // An answer that came after its round was over.
  DIAL_BACK_UNEXPECTED: ['loss', 'absence', 'reordering'],
  FORWARD_SELF: ['liar'],
  FORWARD_UNKNOWN: ['liar', 'absence', 'loss'],
  FORWARD_KIND: ['liar'],
  FORWARD_FAILED: ['loss', 'absence', 'corruption', 'liar'],
  REQUEST_OPEN: ['wrongClock', 'wiping', 'liar'],
  REQUEST_REPLAY: ['liar', 'loss', 'absence'],
  REQUEST_COUNT: ['liar'],
  REQUEST_POINT: ['liar'],
  REQUEST_FULL: ['smallRooms'],
  // Asked for again, and answered after the first answer was enough.
  RECEIPT_UNEXPECTED: ['loss', 'absence', 'reordering', 'liar', 'smallRooms'],
  RECEIPT_RATE: ['liar'],
  COPY_OPEN: ['liar', 'wrongClock'],
  COPY_REPLAY: ['loss', 'absence', 'liar'],
  COPY_RECIPIENT: ['liar', 'wrongClock'],
  COPY_DECOY: ['decoys'],
  COPY_FULL: ['smallRooms'],
  MAILBOX_FULL: ['smallRooms'],
  MESSAGE_UNOPENED: ['liar'],
  MESSAGE_CONTENT: ['liar'],
  // Also what is said to one alone that is no longer in the group.
  MESSAGE_SENDER: ['joining', 'departure'],
  // Of somebody who had not heard of its own removal when it sent.
  MESSAGE_DEPARTED: ['departure'],
  MESSAGE_SIGNATURE: ['liar'],
  // Sent again, as there was no proof; delivered again, as the confirmation was lost.
  MESSAGE_REPLAY: ['loss', 'absence', 'corruption', 'liar', 'reordering', 'doubling', 'smallRooms', 'wrongClock'],
  MESSAGE_AGE: ['wrongClock'],
  // The copy that a sender addresses to itself.
  MESSAGE_OWN_COPY: ['always'],
  INBOX_FULL: ['smallRooms'],
  CONFIRMATION_UNKNOWN: ['joining'],
  // Two announcements in a minute, and both are asked about; questions that waited together for who was away, or on their way.
  ASK_RATE: ['departure', 'absence', 'liar'],
  // A secret that somebody who had departed, and had not heard of it, made on top of its own; a part that P2 has changed.
  GROUP_SECRET: ['departure', 'liar'],
} as const satisfies Partial<Record<DropCode, readonly Cause[]>>

const ROOM = 'the limits are far above what a scenario brings'
const FORGED = 'only who holds a key and misuses it gives this, and nobody here does'

/** Why the other codes have no explanation; each is a failure of the run in which it is seen. */
export const neverExplained: Readonly<Record<Exclude<DropCode, keyof typeof dropCauses>, string>> = {
  LINK_SOURCE: 'no node has port 0',
  LINK_FULL: ROOM,
  LINK_COOKIE: ROOM,
  LINK_RATE: ROOM,
  LINK_SHARE: ROOM,
  LINK_BUSY: ROOM,
  LINK_FRAGMENT_LIMIT: 'fragments are authenticated, and links themselves do not lie',
  LINK_FRAGMENT_OVERLAP: 'fragments are authenticated, and links themselves do not lie',
  LINK_REASSEMBLY_FULL: ROOM,
  LINK_REASSEMBLY_EVICTED: ROOM,
  LINK_ACK: 'acknowledgements are authenticated, and links themselves do not lie',
  ROLE_UNIDENTIFIED: 'a link says who it is before anything else, in order',
  DIRECTORY_FULL: ROOM,
  DIAL_BACK: ROOM,
  PROXY_NOT_ADMITTED: 'the server admits all',
  IDENTITY_TAKEN: FORGED,
  ACCESS_CODE: FORGED,
  FORWARD_RATE: ROOM,
  FORWARD_FULL: ROOM,
  REQUEST_RATE: ROOM,
  JOB_FAILED: 'jobs are done by the network of the simulator, which loses none',
  DEVICES_FULL: ROOM,
  MEMBER_RECORD: FORGED,
  MEMBERS_FULL: ROOM,
  MEMBER_DEPARTURE: FORGED,
  HISTORY_FULL: ROOM,
  INVITATION_EXPIRED: 'scenarios end before invitations do',
}

/** The drops of a run that nothing in its scenario explains. */
export function unexplained(drops: ReadonlyMap<string, number>, causes: ReadonlySet<Cause>): string[] {
  const explanations: Partial<Record<string, readonly Cause[]>> = dropCauses
  return [...drops.keys()].filter((code) => {
    const may = explanations[code] ?? []
    return !may.some((cause) => causes.has(cause))
  })
}
