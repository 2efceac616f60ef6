/**
 * What the command's exit code says, and which error gives which. Scripts rely on both, so neither changes within a
 * version; docs/OPERATING.md shows the same tables, and a test holds it to them.
 */
import type { ErrorCode } from '../base/errors.js'

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  timeout: 5,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** In the order of docs/OPERATING.md. */
export const exitMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done',
  failure: 'it failed, through no fault of the command line: network, disk, port',
  usage: 'bad input: an option, an address, a name, a card',
  unreachable: 'no node answers on this data directory',
  refused: 'refused by the state of things: an unknown group, a wrong passphrase, a directory in use',
  timeout: 'the time given has run out',
  interrupted: 'interrupted by Ctrl-C or a signal',
}

/** Every error code with the exit code it ends a command with. */
export const exitOf: Readonly<Record<ErrorCode, keyof typeof exitCodes>> = {
  USAGE: 'usage',
  BUILD_UNAVAILABLE: 'failure',
  BYTES_LENGTH: 'usage',
  HEX_MALFORMED: 'usage',
  NETWORK_CARD_MALFORMED: 'usage',
  ADDRESS_MALFORMED: 'usage',
  ENDPOINT_MALFORMED: 'usage',
  NAME_INVALID: 'usage',
  PASSPHRASE_WEAK: 'usage',
  BODY_TOO_LARGE: 'usage',
  CONTROL_PATH_LONG: 'usage',
  CONTROL_UNREACHABLE: 'unreachable',
  CLOSED: 'unreachable',
  DATA_MISSING: 'unreachable',
  PASSPHRASE_WRONG: 'refused',
  PASSPHRASE_NEEDED: 'refused',
  GROUP_UNKNOWN: 'refused',
  GROUP_EXISTS: 'refused',
  GROUPS_FULL: 'refused',
  GROUP_EMPTY: 'refused',
  MEMBER_EXISTS: 'refused',
  MEMBER_SELF: 'refused',
  MEMBERS_FULL: 'refused',
  MEMBER_UNKNOWN: 'refused',
  HISTORY_FULL: 'refused',
  INVITATION_NONE: 'refused',
  INVITATION_EXPIRED: 'refused',
  INVITATION_UNKNOWN: 'refused',
  INVITATIONS_FULL: 'refused',
  MESSAGE_UNKNOWN: 'refused',
  IDENTITY_REFUSED: 'refused',
  DATA_VERSION: 'refused',
  DATA_DAMAGED: 'refused',
  DATA_KIND: 'refused',
  DATA_LOCKED: 'refused',
  DATA_NOT_PRIVATE: 'refused',
  DATA_EXISTS: 'refused',
  CONTROL_REFUSED: 'refused',
  DIRECTORY_MISSING: 'failure',
  PROXIES_TOO_FEW: 'failure',
  SEND_QUEUE_FULL: 'failure',
  SEND_FAILED: 'failure',
  SEND_UNPROVEN: 'failure',
  DATA_UNWRITABLE: 'failure',
  PORT_IN_USE: 'failure',
  ADDRESS_UNAVAILABLE: 'failure',
  DNS_FAILED: 'failure',
  TIMEOUT: 'timeout',
  ABORTED: 'interrupted',
}

/** Whether a text from elsewhere names an error this program knows. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(exitOf, text)
}
