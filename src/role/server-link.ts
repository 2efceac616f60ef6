/**
 * The link that devices and proxies keep to CS: connects, proves the identity, fetches and checks the directory, and
 * reconnects with jittered backoff when the link is lost (PROTOCOL.md sections 9 and 10).
 */
import type { NodeId, Point } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import type { Millis } from '../base/time.js'
import type { LinkOutput, PeerAddress, SessionId } from '../link/link.js'
import type { Message } from '../wire/message.js'

/** A proxy of a verified directory. */
export interface ListedProxy {
  readonly id: NodeId
  readonly linkKey: Uint8Array
  readonly addresses: readonly PeerAddress[]
  /** Sealing key by UTC day. */
  readonly sealingKeys: ReadonlyMap<number, Point>
}

/** A directory whose signature, entries, validity and version have been checked. */
export interface VerifiedDirectory {
  readonly version: number
  readonly issuedAt: Millis
  readonly validUntil: Millis
  readonly serverSealingKeys: ReadonlyMap<number, Point>
  /** By hex id. */
  readonly proxies: ReadonlyMap<string, ListedProxy>
  /** As signed: what is stored and served on. */
  readonly encoded: Uint8Array
  /** H("dd" || encoded). */
  readonly digest: Uint8Array
}

export type ServerLinkEvent =
  /** Proved; messages may be sent on this session. */
  | { readonly type: 'ready'; readonly session: SessionId }
  | { readonly type: 'lost' }
  /** A newer directory than the one held. */
  | { readonly type: 'directory'; readonly directory: VerifiedDirectory }
  | { readonly type: 'drop'; readonly code: DropCode }

/** How the link to CS is doing. */
export interface ServerConnection {
  /** When it came up; `undefined` while it is down. */
  readonly upSince: Millis | undefined
  /** When it is next tried; `undefined` while it is up, or being tried. */
  readonly retryAt: Millis | undefined
  /** How often it came up again after it was lost. */
  readonly reconnects: number
  readonly roundTripMs: number | undefined
}

export interface ServerLink {
  /** The session to send on; `undefined` until the proof has arrived. */
  readonly session: SessionId | undefined
  /** How the link is doing, for people. */
  readonly connection: ServerConnection
  /** Whether what is received on `session` comes from CS, which may speak before `ready`. */
  owns(session: SessionId): boolean
  readonly directory: VerifiedDirectory | undefined
  /** A directory kept from an earlier run; ignored where it no longer verifies. */
  restoreDirectory(now: Millis, encoded: Uint8Array): void
  start(now: Millis): void
  /** The server is found at these addresses from now on; a link that there is stays. */
  moved(now: Millis, addresses: readonly PeerAddress[]): void
  /** Offers an output of the endpoint; true where it concerned this link (and was not a received message). */
  linkOutput(now: Millis, output: LinkOutput): boolean
  /** Offers a message received on `session`; true where it was a directory, which this link takes. */
  message(now: Millis, message: Message): boolean
  timeout(now: Millis): void
  deadline(): Millis | undefined
  poll(): ServerLinkEvent | undefined
}
