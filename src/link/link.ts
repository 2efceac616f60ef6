/**
 * What the link layer offers to the roles: authenticated sessions over datagrams that carry messages of up to 1 MiB,
 * each delivered once or reported as not delivered (PROTOCOL.md section 10). One endpoint serves one UDP socket and
 * performs no I/O: datagrams and time come in, datagrams and events come out.
 */
import type { Key } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import type { Millis } from '../base/time.js'
import type { CloseReason } from '../wire/frame.js'

/** Where a datagram comes from or goes to: a numeric IPv4 or IPv6 address in its usual text form, and a UDP port. */
export interface PeerAddress {
  readonly host: string
  readonly port: number
}

declare const session: unique symbol
/** Names a session of one endpoint; never used twice. */
export type SessionId = number & { readonly [session]: true }

/** Number of a message in its direction of a session, counted from 0. */
export type MessageNumber = number

/**
 * What one message cost on the wire, first transmissions only; acknowledgements and handshakes are counted elsewhere. Where
 * several messages share a datagram, the first bears the datagram and its 25 bytes, so the costs of all add up.
 */
export interface MessageCost {
  readonly datagrams: number
  /** UDP payload bytes of those datagrams, without ACK frames that rode along. */
  readonly payloadBytes: number
}

/** Which messages leave first; a delivery unless something else is said. None keeps the others from leaving altogether. */
export type MessagePriority = 'receipt' | 'delivery' | 'bulk'

export type LinkOutput =
  | { readonly type: 'transmit'; readonly to: PeerAddress; readonly bytes: Uint8Array }
  /** A session begun with `connect` is ready to send. */
  | { readonly type: 'connected'; readonly session: SessionId }
  /** A stranger's session has proved its address and keys. */
  | { readonly type: 'accepted'; readonly session: SessionId; readonly from: PeerAddress }
  | {
      readonly type: 'received'
      readonly session: SessionId
      readonly number: MessageNumber
      readonly message: Uint8Array
    }
  /** The peer's endpoint holds the whole message. */
  | {
      readonly type: 'delivered'
      readonly session: SessionId
      readonly number: MessageNumber
      readonly cost: MessageCost
    }
  /** The session is gone; `undelivered` are the messages that were not acknowledged, in order. `failed` means no answer to the handshake, `reset` that the peer has lost it. */
  | {
      readonly type: 'closed'
      readonly session: SessionId
      readonly reason: CloseReason | 'failed' | 'timeout' | 'reset'
      readonly undelivered: readonly MessageNumber[]
      /** What the session came to: it can be asked no more. */
      readonly counters: LinkCounters
    }
  /** Probes go unanswered: a socket on another local port may get through where this one does not. Sessions move along. */
  | { readonly type: 'rebind' }
  | { readonly type: 'drop'; readonly code: DropCode; readonly from: PeerAddress }

/** Datagrams and UDP payload bytes. */
export interface Traffic {
  readonly datagrams: number
  readonly payloadBytes: number
}

/** Counters of one session, or of a whole endpoint. */
export interface LinkCounters {
  readonly sent: Traffic
  readonly received: Traffic
  /** Parts of `sent`: handshake datagrams, packets with nothing but acknowledgements, packets with retransmitted frames. */
  readonly sentHandshake: Traffic
  readonly sentAckOnly: Traffic
  readonly sentRetransmitted: Traffic
}

/** The other end of a session. */
export interface LinkPeer {
  /** Where the session's packets go. */
  readonly address: PeerAddress
  /** Whether this end began it. */
  readonly initiated: boolean
  /** Smoothed; `undefined` until one was measured. */
  readonly roundTripMs: number | undefined
}

export interface LinkEndpoint {
  /**
   * Begins a handshake with the holder of `linkKey` (X25519) at `to`; of several addresses, each is tried as well once those
   * before it have not answered for a moment, and the first to answer is it. Throws nothing; failure comes as `closed`.
   */
  connect(now: Millis, linkKey: Key, to: PeerAddress | readonly [PeerAddress, ...PeerAddress[]]): SessionId
  /**
   * Queues a message of at most `limits.messageBytes`; allowed before `connected`. Returns its number, or `undefined` where the
   * session is gone or its queue (`limits.sendQueueBytes`) has no room. Throws `BODY_TOO_LARGE` past the limit. The bytes are
   * not copied: they must stay as they are until the message is delivered or the session is closed.
   */
  send(now: Millis, session: SessionId, message: Uint8Array, priority?: MessagePriority): MessageNumber | undefined
  /** Bytes that `send` would still take; 0 for a session that is gone. */
  sendRoomBytes(session: SessionId): number
  close(now: Millis, session: SessionId, reason: CloseReason): void
  /** The Noise handshake hash, which identity proofs are bound to; `undefined` before the handshake is done. */
  handshakeHash(session: SessionId): Uint8Array | undefined
  peer(session: SessionId): LinkPeer | undefined
  /**
   * Counters of one session, all zero once it is gone, or of all there ever were. A session receives what authenticates
   * under it; the endpoint receives whatever arrives.
   */
  counters(session?: SessionId): LinkCounters
  datagram(now: Millis, from: PeerAddress, bytes: Uint8Array): void
  /** Called when `deadline()` has come. */
  timeout(now: Millis): void
  /** What there is to do next. To be drained after every call that takes `now`, before `deadline` is asked. */
  poll(): LinkOutput | undefined
  /** When `timeout` is next due. */
  deadline(): Millis | undefined
}

/** What makes an endpoint. */
export interface EndpointOptions {
  /** Answers handshakes under this X25519 secret (PROTOCOL.md section 1.3); a device, which nobody connects to, has none and ignores them. */
  readonly linkSecret?: Key
  /** How sending reacts to the path: by a model of it (the default), or by its losses (RFC 9002 section 7). */
  readonly congestion?: 'bbr' | 'newReno'
}
