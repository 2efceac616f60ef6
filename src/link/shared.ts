/** What a session's channel is given: what all sessions of an endpoint share, and whom it tells what it finds. */
import type { LinkLimits } from '../base/bounds.js'
import type { DropCode } from '../base/errors.js'
import type { RandomBytes } from '../base/random.js'
import type { Writer } from '../wire/codec.js'
import type { CongestionController } from './congestion.js'
import type { LinkCrypto } from './noise.js'
import type { Delivered } from './outgoing.js'
import type { ReassemblyRoom } from './reassembly-room.js'
import type { Resets } from './resets.js'
import type { IndexSource } from './session-keys.js'

/** What the channel tells its session while it takes a packet or time passes. */
export interface ChannelSink extends IndexSource {
  message(number: number, message: Uint8Array): void
  delivered(delivered: Delivered): void
  drop(code: DropCode): void
  /** Room was needed that messages of this session held: it has to end. */
  evicted(): void
  /** The peer reads at the address that its packets come from, or does not. */
  pathProven(): void
  pathFailed(): void
  /** The session that the peer names `index` can be reset by the peer. */
  resettable(index: Uint8Array): void
  /** Probe after probe of a session that this end began goes unanswered. */
  unanswered(): void
}

/** What the sessions of an endpoint share. */
export interface Shared {
  readonly crypto: LinkCrypto
  readonly random: RandomBytes
  readonly bounds: LinkLimits
  readonly room: ReassemblyRoom
  /** Where this end answers for sessions that it has lost. */
  readonly resets: Resets | undefined
  /** Makes a session's controller of congestion. */
  readonly congestion: () => CongestionController
  /** Packets are put together one at a time, all in here. */
  readonly writer: Writer
}
