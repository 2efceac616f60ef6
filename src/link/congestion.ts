/**
 * How many bytes may be in flight: slow start, additive increase and multiplicative decrease as in RFC 9002 section 7,
 * with the gentler decrease of RFC 9438 section 4.6, behind an interface that a controller with pacing and a model of the
 * path can take over.
 */
import { limits } from '../base/limits.js'

export interface CongestionController {
  /** Bytes that may be in flight. */
  readonly windowBytes: number
  /** Bytes were acknowledged; `number` is their packet's. `limited` says that the window, not the application, held data back. */
  onAcknowledged(number: number, bytes: number, limited: boolean): void
  /** Packet `number` was lost; `nextNumber` is the number of the next packet to be sent. */
  onLost(number: number, nextNumber: number): void
  /** A packet thought lost has arrived after all. */
  onSpuriousLoss(number: number): void
  /** Probe after probe goes unanswered. */
  onSilence(): void
  /** From packet `nextNumber` on the path is another, of which those before tell nothing. */
  onNewPath(nextNumber: number): void
}

const INITIAL_WINDOW_BYTES = 16 * limits.datagramBytes
const LEAST_WINDOW_BYTES = 4 * limits.datagramBytes
const DECREASE = 0.7

/** What a cut of the window can be taken back to, and how many lost packets speak for it. */
interface Cut {
  readonly windowBytes: number
  readonly slowStartBelowBytes: number
  losses: number
}

export class Reno implements CongestionController {
  windowBytes = INITIAL_WINDOW_BYTES
  private slowStartBelowBytes = Number.POSITIVE_INFINITY
  /** Packets below this number were sent before the window was last cut: their loss is the same event. */
  private recoveryEnd = 0
  private cut: Cut | undefined

  onAcknowledged(number: number, bytes: number, limited: boolean): void {
    if (number < this.recoveryEnd || !limited) return
    const grownBytes =
      this.windowBytes < this.slowStartBelowBytes ? bytes : (limits.datagramBytes * bytes) / this.windowBytes
    this.windowBytes = Math.min(this.windowBytes + grownBytes, limits.congestionWindowBytes)
  }

  onLost(number: number, nextNumber: number): void {
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
  onSpuriousLoss(number: number): void {
    if (this.cut === undefined || number >= this.recoveryEnd) return
    this.cut.losses--
    if (this.cut.losses > 0) return
    this.windowBytes = Math.max(this.windowBytes, this.cut.windowBytes)
    this.slowStartBelowBytes = this.cut.slowStartBelowBytes
    this.cut = undefined
  }

  onSilence(): void {
    this.slowStartBelowBytes = Math.max(this.windowBytes * DECREASE, LEAST_WINDOW_BYTES)
    this.windowBytes = LEAST_WINDOW_BYTES
    this.cut = undefined
  }

  onNewPath(nextNumber: number): void {
    this.onSilence()
    this.recoveryEnd = nextNumber
  }
}
