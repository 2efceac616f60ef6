/**
 * What the three roles have in common, and how the driver talks to them. A role is a state machine without I/O: the driver hands it
 * datagrams, time, what the disk answered and what its user wants, and drains what it says (ARCHITECTURE.md, "Machines").
 */
import type { IdentityKey, NodeId } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { Crypto, Identity } from '../crypto/crypto.js'
import type { PeerAddress } from '../link/link.js'
import type { FieldObserver } from '../wire/codec.js'

/** What every role is handed. */
export interface RoleContext {
  readonly crypto: Crypto
  readonly random: RandomBytes
  /** Is told each field the role reads; the proof of who learns what is built on it (PROTOCOL.md section 12). */
  readonly observe?: FieldObserver
}

/** Names one request of a role to its driver, or of a user to a role, until it is answered. */
export type Reference = number

/** One change of the store: `undefined` deletes. Keys are text, ordered as text. */
export interface Write {
  readonly key: string
  readonly value: Uint8Array | undefined
  /** What stood there must not be found in the store's files, from shortly afterwards on. */
  readonly erase?: true
}

/** Inputs that every role takes. */
export type RoleInput =
  /**
   * `more` says that another datagram follows at once, and nothing is drained before it: what arrived together is
   * acknowledged together.
   */
  | { readonly type: 'datagram'; readonly from: PeerAddress; readonly bytes: Uint8Array; readonly more?: true }
  /** `deadline()` has come. */
  | { readonly type: 'timeout' }
  /** The writes of this `persist` are durable. */
  | { readonly type: 'persisted'; readonly reference: Reference }
  /** What stands under the key of this `load`. */
  | { readonly type: 'loaded'; readonly reference: Reference; readonly value: Uint8Array | undefined }
  /** Says goodbye to peers; the driver drains, then ends. */
  | { readonly type: 'stop' }

/** What devices and proxies are told besides: the names on the server's card lead to these addresses now. */
export interface ServerMoved {
  readonly type: 'serverMoved'
  readonly addresses: readonly PeerAddress[]
}

/** Outputs that every role makes. */
export type RoleOutput =
  | { readonly type: 'transmit'; readonly to: PeerAddress; readonly bytes: Uint8Array }
  /** Written in order, all or nothing, synced to disk; then `persisted`. */
  | { readonly type: 'persist'; readonly reference: Reference; readonly writes: readonly Write[] }
  | { readonly type: 'load'; readonly reference: Reference; readonly key: string }
  | { readonly type: 'drop'; readonly code: DropCode }
  /** Another local port may get through where this one does not; not done where the port was asked for. */
  | { readonly type: 'rebind' }
  /** Something a person who runs the node wants to know. */
  | {
      readonly type: 'notice'
      readonly level: 'info' | 'warn'
      readonly event: string
      readonly detail?: Readonly<Record<string, string | number>>
    }

/** A machine: one mutation, then drain. */
export interface Machine<Input, Output> {
  /** Hands back what an earlier run persisted, entry by entry, before the first `handle`. Unknown keys are ignored. */
  restore(key: string, value: Uint8Array): void
  /** Called once, after all `restore`. */
  start(now: Millis): void
  handle(now: Millis, input: Input): void
  poll(): Output | undefined
  deadline(): Millis | undefined
}

/** The server as a card names it, its addresses resolved. */
export interface ServerContact {
  readonly identityKey: IdentityKey
  readonly addresses: readonly PeerAddress[]
}

/** An identity with its id. */
export interface Self {
  readonly identity: Identity
  readonly id: NodeId
}
