/**
 * Spreads packets over time, so that a window does not leave in one burst and drown a queue on the way (RFC 9002 section
 * 7.7). Waits for the caller's deadline; owns no timer.
 */
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'

const LEAST_BURST_BYTES = 10 * limits.datagramBytes
/** What may leave at once for a timer that comes late, and what is waited for so that it need not come for each packet. */
const BURST_MS = 4
const QUANTUM_MS = 1

export class Pacer {
  private creditBytes = LEAST_BURST_BYTES
  private filledAt: Millis = 0

  /** Whether a packet may leave. */
  allows(now: Millis, bytesPerMs: number): boolean {
    const burstBytes = Math.max(LEAST_BURST_BYTES, bytesPerMs * BURST_MS)
    if (bytesPerMs === Number.POSITIVE_INFINITY) this.creditBytes = LEAST_BURST_BYTES
    else if (now > this.filledAt) {
      this.creditBytes = Math.min(burstBytes, this.creditBytes + (now - this.filledAt) * bytesPerMs)
    }
    this.filledAt = Math.max(now, this.filledAt)
    return this.creditBytes > 0
  }

  onSent(bytes: number): void {
    this.creditBytes -= bytes
  }

  /** When a packet may leave that may not now. */
  readyAt(bytesPerMs: number): Millis {
    return this.filledAt + Math.max(QUANTUM_MS, (1 - this.creditBytes) / bytesPerMs)
  }
}
