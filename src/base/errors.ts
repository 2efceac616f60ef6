/**
 * The one table of codes. A drop code says why bytes from the network were ignored: it is counted, never answered.
 * An error code says what a caller or user did wrong, with a sentence that says what to do.
 */

/** Why something from the network was dropped. */
export const dropCodes = {
  // Wire
  WIRE_EMPTY: 'no bytes at all',
  WIRE_VERSION: 'a protocol version this program does not speak',
  WIRE_KIND: 'a kind this program does not know',
  WIRE_CRITICAL: 'an unknown kind that must not be ignored',
  WIRE_TRUNCATED: 'ends before its format does',
  WIRE_TRAILING: 'goes on after its format has ended',
  WIRE_VALUE: 'a field holds a value its format does not allow',
  WIRE_LIMIT: 'a length or count is past its limit',
  // Links
  LINK_SOURCE: 'a datagram from port 0, to which nothing can be sent',
  LINK_UNKNOWN_SESSION: 'a packet for no session here',
  LINK_MAC: 'a handshake whose first-message MAC does not fit',
  LINK_HANDSHAKE: 'a handshake that does not authenticate',
  LINK_UNEXPECTED: 'a handshake message out of turn',
  LINK_FULL: 'no room for another session',
  LINK_COOKIE: 'a handshake without a cookie while under load; it was sent one',
  LINK_RATE: 'a handshake past the rate of its address or network',
  LINK_SHARE: 'a handshake from an address or network that has its share of sessions',
  LINK_BUSY: 'a handshake past what can wait to be answered',
  LINK_AUTHENTICATION: 'a packet that does not authenticate',
  LINK_REPLAY: 'a packet number already received, or too old to tell',
  LINK_FRAGMENT_LIMIT: 'a fragment past the message limit',
  LINK_FRAGMENT_OVERLAP: 'a fragment that contradicts an earlier one',
  LINK_REASSEMBLY_FULL: 'no room for another half-arrived message',
  LINK_REASSEMBLY_EVICTED: 'a half-arrived message that made way for another; its link was closed',
  LINK_REKEY: 'an offer of new keys out of turn',
  LINK_IDENTITY: 'an identity proof that does not fit its link',
  LINK_ACK: 'an acknowledgement of packets never sent',
  // Roles
  ROLE_UNEXPECTED: 'a message this role does not take on this link',
  ROLE_UNIDENTIFIED: 'a message that needs an identity proof first',
  DIRECTORY_SIGNATURE: 'a directory whose signature does not fit',
  DIRECTORY_EXPIRED: 'a directory out of date',
  DIRECTORY_ROLLBACK: 'a directory older than the one held',
  DIRECTORY_AGAIN: 'a directory asked for again at once',
  DIRECTORY_DELTA: 'a difference to another directory than the one held',
  DIRECTORY_FULL: 'a proxy for which the directory has no room',
  DIAL_BACK: 'a dial back past what a proxy tries, or to where it does not',
  DIAL_BACK_UNEXPECTED: 'a result of a dial back that nobody waits for',
  PROXY_ENTRY: 'a proxy entry that is not signed by its proxy',
  PROXY_NOT_ADMITTED: 'a proxy that this server does not admit',
  IDENTITY_TAKEN: 'an id bound to another key',
  ACCESS_CODE: "an access code that is not the device's own",
  FORWARD_SELF: 'a forward to the proxy itself',
  FORWARD_UNKNOWN: 'a forward to a next hop that the directory does not list',
  FORWARD_KIND: 'a forward of something that may not be forwarded',
  FORWARD_RATE: 'a copy past the copies a second that its link may have passed on',
  FORWARD_FULL: 'no room to hold another message for a next hop',
  FORWARD_FAILED: 'a next hop that could not be reached',
  REQUEST_OPEN: 'a request that does not open',
  REQUEST_REPLAY: 'a request seen before',
  REQUEST_COUNT: 'a request for no copies, or for too many',
  REQUEST_POINT: 'a request with a point that does not decode',
  REQUEST_RATE: 'a request past the copies a second that its link may have made',
  REQUEST_FULL: 'no room for the copies of another request, or to open one',
  RECEIPT_UNEXPECTED: 'receipts that nobody waits for',
  RECEIPT_RATE: 'receipts asked for more often than a link may, or than there is room for',
  JOB_FAILED: 'work on a request or on copies that failed, or whose thread died',
  COPY_OPEN: 'a copy that does not open',
  COPY_REPLAY: 'a copy seen before',
  COPY_RECIPIENT: 'a copy for no device known here',
  COPY_DECOY: 'a decoy',
  COPY_FULL: 'no room to take another copy now',
  MAILBOX_FULL: 'a mailbox at its quota',
  DEVICES_FULL: 'no room for another device',
  // Groups
  MESSAGE_UNOPENED: 'a message that no key opens, that made way for others before any did',
  MESSAGE_CONTENT: 'a message whose content does not open or parse',
  MESSAGE_SENDER: 'a message from somebody who is not in the group',
  MESSAGE_DEPARTED: 'a message from somebody who had departed before it',
  MESSAGE_SIGNATURE: 'a message whose signature does not fit',
  MESSAGE_REPLAY: 'a message handed on before',
  MESSAGE_AGE: 'a message too old, or dated ahead',
  MESSAGE_OWN_COPY: "the sender's own copy come back",
  INBOX_FULL: 'the inbox is full; the copy stays at the server',
  MEMBER_RECORD: 'a member record that is not signed by a member',
  MEMBERS_FULL: 'a list past the member limit',
  MEMBER_DEPARTURE: 'a departure that is not signed by a member, or dated ahead',
  HISTORY_FULL: 'records or departures past what a history may hold',
  GROUP_SECRET: 'a new group secret that does not fit its statement, its group or this member',
  ASK_RATE: 'a list asked for more often than it is given',
  INVITATION_EXPIRED: 'an invitation past its life',
  CONFIRMATION_UNKNOWN: 'a confirmation of no pending invitation',
} as const

export type DropCode = keyof typeof dropCodes

/** What a caller did wrong; the sentence that says what to do is the error's message. */
export type ErrorCode =
  | 'BUILD_UNAVAILABLE'
  | 'BYTES_LENGTH'
  | 'HEX_MALFORMED'
  | 'NETWORK_CARD_MALFORMED'
  | 'ADDRESS_MALFORMED'
  | 'ENDPOINT_MALFORMED'
  | 'NAME_INVALID'
  | 'PASSPHRASE_WEAK'
  | 'PASSPHRASE_WRONG'
  | 'PASSPHRASE_NEEDED'
  | 'BODY_TOO_LARGE'
  | 'GROUP_UNKNOWN'
  | 'GROUP_EXISTS'
  | 'GROUPS_FULL'
  | 'GROUP_EMPTY'
  | 'MEMBER_EXISTS'
  | 'MEMBER_SELF'
  | 'MEMBERS_FULL'
  | 'MEMBER_UNKNOWN'
  | 'HISTORY_FULL'
  | 'INVITATION_NONE'
  | 'INVITATION_EXPIRED'
  | 'INVITATION_UNKNOWN'
  | 'INVITATIONS_FULL'
  | 'DIRECTORY_MISSING'
  | 'PROXIES_TOO_FEW'
  | 'SEND_QUEUE_FULL'
  | 'SEND_FAILED'
  | 'SEND_UNPROVEN'
  | 'MESSAGE_UNKNOWN'
  | 'IDENTITY_REFUSED'
  | 'DATA_MISSING'
  | 'DATA_UNWRITABLE'
  | 'DATA_VERSION'
  | 'DATA_DAMAGED'
  | 'DATA_KIND'
  | 'DATA_LOCKED'
  | 'DATA_NOT_PRIVATE'
  | 'DATA_EXISTS'
  | 'PORT_IN_USE'
  | 'ADDRESS_UNAVAILABLE'
  | 'DNS_FAILED'
  | 'CONTROL_PATH_LONG'
  | 'CONTROL_UNREACHABLE'
  | 'CONTROL_REFUSED'
  | 'USAGE'
  | 'TIMEOUT'
  | 'ABORTED'
  | 'CLOSED'

/** An error that a caller can act on: `code` is stable, `message` says what to do. */
export class ProtocolError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ProtocolError'
    this.code = code
  }
}
