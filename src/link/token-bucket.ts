/** A rate with a burst: so many at once, and so many a second from then on. Owns no clock and no protocol knowledge. */
import type { Millis } from '../base/time.js'

export class TokenBucket {
  private readonly perMs: number
  private readonly burst: number
  private tokens: number
  private filledAt: Millis

  constructor(perSecond: number, burst: number, now: Millis) {
    this.perMs = perSecond / 1000
    this.burst = burst
    this.tokens = burst
    this.filledAt = now
  }

  /** Takes one token; whether there was one. */
  take(now: Millis): boolean {
    this.fill(now)
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }

  /** When there is a token. */
  readyAt(): Millis {
    return this.tokens >= 1 ? this.filledAt : this.filledAt + (1 - this.tokens) / this.perMs
  }

  private fill(now: Millis): void {
    if (now <= this.filledAt) return
    this.tokens = Math.min(this.burst, this.tokens + (now - this.filledAt) * this.perMs)
    this.filledAt = now
  }
}
