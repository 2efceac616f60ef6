/**
 * How many bytes may be in flight: NewReno as in RFC 9002 section 7, behind an interface that a controller with pacing
 * and a model of the path can take over.
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
}

const INITIAL_WINDOW_BYTES = 16 * limits.datagramBytes
const LEAST_WINDOW_BYTES = 2 * limits.datagramBytes

export class NewReno implements CongestionController {
  windowBytes = INITIAL_WINDOW_BYTES
  private slowStartBelowBytes = Number.POSITIVE_INFINITY
  /** Packets below this number were sent before the window was last cut: their loss is the same event. */
  private recoveryEnd = 0
  private beforeCut: { readonly windowBytes: number; readonly slowStartBelowBytes: number } | undefined

  onAcknowledged(number: number, bytes: number, limited: boolean): void {
    if (number < this.recoveryEnd || !limited) return
    const grownBytes =
      this.windowBytes < this.slowStartBelowBytes ? bytes : (limits.datagramBytes * bytes) / this.windowBytes
    this.windowBytes = Math.min(this.windowBytes + grownBytes, limits.congestionWindowBytes)
  }

  onLost(number: number, nextNumber: number): void {
    if (number < this.recoveryEnd) return
    this.beforeCut = { windowBytes: this.windowBytes, slowStartBelowBytes: this.slowStartBelowBytes }
    this.recoveryEnd = nextNumber
    this.slowStartBelowBytes = Math.max(this.windowBytes / 2, LEAST_WINDOW_BYTES)
    this.windowBytes = this.slowStartBelowBytes
  }

  /** Takes the last cut back if it was this packet's loss that may have caused it. */
  onSpuriousLoss(number: number): void {
    if (this.beforeCut === undefined || number >= this.recoveryEnd) return
    this.windowBytes = Math.max(this.windowBytes, this.beforeCut.windowBytes)
    this.slowStartBelowBytes = this.beforeCut.slowStartBelowBytes
    this.beforeCut = undefined
  }

  onSilence(): void {
    this.slowStartBelowBytes = Math.max(this.windowBytes / 2, LEAST_WINDOW_BYTES)
    this.windowBytes = LEAST_WINDOW_BYTES
    this.beforeCut = undefined
  }
}
