/**
 * Whether the peer is still there: how long nothing of it has come, and when a packet is due that keeps the address
 * translation on the way alive (PROTOCOL.md section 10.6).
 */
import type { LinkLimits } from '../base/limits.js'
import type { Millis } from '../base/time.js'

export class Liveness {
  private readonly bounds: LinkLimits
  private readonly initiated: boolean
  private lastReceivedAt: Millis
  private lastSentAt: Millis

  constructor(bounds: LinkLimits, initiated: boolean, now: Millis) {
    this.bounds = bounds
    this.initiated = initiated
    this.lastReceivedAt = now
    this.lastSentAt = now
  }

  onReceived(now: Millis): void {
    this.lastReceivedAt = now
  }

  onSent(now: Millis): void {
    this.lastSentAt = now
  }

  /** When the session is over unless something comes. */
  idleAt(): Millis {
    return this.lastReceivedAt + this.bounds.sessionIdleMs
  }

  /** When a ping is due, at the end that began the session. */
  keepaliveAt(): Millis | undefined {
    return this.initiated ? this.lastSentAt + this.bounds.keepaliveMs : undefined
  }
}
