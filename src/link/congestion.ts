/**
 * How many bytes may be in flight, and how fast they may leave: what a controller of congestion is told and asked. `Reno`
 * is RFC 9002 section 7 with the gentler decrease of RFC 9438 section 4.6; `Bbr`, the default, is in bbr.ts.
 */
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { RateSample } from './delivery-rate.js'
import type { SentPacket } from './sent-packet.js'

export interface CongestionController {
  /** Bytes that may be in flight. */
  readonly windowBytes: number
  /** Bytes a millisecond at which packets may leave; infinite while nothing is known. */
  readonly pacingBytesPerMs: number
  onSent(packet: SentPacket): void
  /** `limited` says that the window, not the application, held data back. */
  onAcknowledged(packet: SentPacket, limited: boolean): void
  /** After all packets of one acknowledgement. */
  onRound(now: Millis, round: Round): void
  /** `nextNumber` is the number of the next packet to be sent. */
  onLost(packet: SentPacket, nextNumber: number): void
  /** A packet thought lost has arrived after all. */
  onSpuriousLoss(packet: SentPacket): void
  /** Nothing got through for so long that what was known is worth nothing (RFC 9002 section 7.6). */
  onPersistentCongestion(): void
  /** From packet `nextNumber` on the path is another, of which those before tell nothing. */
  onNewPath(nextNumber: number): void
}

/** What an acknowledgement shows. */
export interface Round {
  readonly sample: RateSample | undefined
  readonly acknowledgedBytes: number
  readonly inFlightBytes: number
  readonly deliveredBytes: number
  readonly latestRttMs: number
  readonly smoothedRttMs: number
}

export const INITIAL_WINDOW_BYTES = 16 * limits.datagramBytes
export const LEAST_WINDOW_BYTES = 4 * limits.datagramBytes
const DECREASE = 0.7
/** RFC 9002 section 7.7: a little faster than the window needs, so that it is used up. */
const PACING_GAIN = 1.25
const GRANULARITY_MS = 1

/** What a cut of the window can be taken back to, and how many lost packets speak for it. */
interface Cut {
  readonly windowBytes: number
  readonly slowStartBelowBytes: number
  losses: number
}

export class Reno implements CongestionController {
  windowBytes = INITIAL_WINDOW_BYTES
  pacingBytesPerMs = Number.POSITIVE_INFINITY
  private slowStartBelowBytes = Number.POSITIVE_INFINITY
  /** Packets below this number were sent before the window was last cut: their loss is the same event. */
  private recoveryEnd = 0
  private cut: Cut | undefined

  onSent(): void {}

  onAcknowledged({ number, bytes }: SentPacket, limited: boolean): void {
    if (number < this.recoveryEnd || !limited) return
    const grownBytes =
      this.windowBytes < this.slowStartBelowBytes ? bytes : (limits.datagramBytes * bytes) / this.windowBytes
    this.windowBytes = Math.min(this.windowBytes + grownBytes, limits.congestionWindowBytes)
  }

  onRound(_now: Millis, { smoothedRttMs }: Round): void {
    const gain = this.windowBytes < this.slowStartBelowBytes ? 2 : PACING_GAIN
    this.pacingBytesPerMs = (gain * this.windowBytes) / Math.max(smoothedRttMs, GRANULARITY_MS)
  }

  onLost({ number }: SentPacket, nextNumber: number): void {
    if (number < this.recoveryEnd) {
      if (this.cut !== undefined) this.cut.losses++
      return
    }
    this.cut = { windowBytes: this.windowBytes, slowStartBelowBytes: this.slowStartBelowBytes, losses: 1 }
    this.recoveryEnd = nextNumber
    this.slowStartBelowBytes = Math.max(this.windowBytes * DECREASE, LEAST_WINDOW_BYTES)
    this.windowBytes = this.slowStartBelowBytes
  }

  /** Takes the last cut back once none of the losses behind it was real. */
  onSpuriousLoss({ number }: SentPacket): void {
    if (this.cut === undefined || number >= this.recoveryEnd) return
    this.cut.losses--
    if (this.cut.losses > 0) return
    this.windowBytes = Math.max(this.windowBytes, this.cut.windowBytes)
    this.slowStartBelowBytes = this.cut.slowStartBelowBytes
    this.cut = undefined
  }

  onPersistentCongestion(): void {
    this.slowStartBelowBytes = Math.max(this.windowBytes * DECREASE, LEAST_WINDOW_BYTES)
    this.windowBytes = LEAST_WINDOW_BYTES
    this.cut = undefined
  }

  onNewPath(nextNumber: number): void {
    this.windowBytes = INITIAL_WINDOW_BYTES
    this.slowStartBelowBytes = Number.POSITIVE_INFINITY
    this.pacingBytesPerMs = Number.POSITIVE_INFINITY
    this.recoveryEnd = nextNumber
    this.cut = undefined
  }
}
