/**
 * Whether the peer is still there, and how often a packet is due that keeps the address translation on the way alive.
 * How long a translation lasts is found out: the initiator waits longer each time, until the peer, asked after so
 * long, saw it at another address or did not answer (PROTOCOL.md section 10.6).
 */
import type { LinkLimits } from '../base/bounds.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'

const LONGER = 1.5

export class Liveness {
  private readonly bounds: LinkLimits
  private readonly initiated: boolean
  private lastReceivedAt: Millis
  private lastSentAt: Millis
  /** Silence after which the next keepalive is due, and the longest that one has survived. */
  private intervalMs: number
  private goodMs: number
  /** Silence that was too long, and until when that is believed. */
  private badMs = Number.POSITIVE_INFINITY
  private badUntil: Millis = 0
  private trying = false

  constructor(bounds: LinkLimits, initiated: boolean, now: Millis) {
    this.bounds = bounds
    this.initiated = initiated
    this.lastReceivedAt = now
    this.lastSentAt = now
    this.intervalMs = bounds.keepaliveMs
    this.goodMs = bounds.keepaliveMs
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
    return this.initiated ? this.lastSentAt + this.intervalMs : undefined
  }

  /** The ping that is sent now follows a whole interval of silence. */
  onKeepalive(): void {
    this.trying = true
  }

  /** The peer has acknowledged something: the translation is still the one that it was. */
  onAnswered(now: Millis): void {
    if (!this.trying) return
    this.trying = false
    this.goodMs = this.intervalMs
    if (now >= this.badUntil) this.badMs = Number.POSITIVE_INFINITY
    const longerMs = Math.min(this.intervalMs * LONGER, this.bounds.keepaliveMaxMs)
    if (longerMs < this.badMs) this.intervalMs = longerMs
  }

  /** The peer sees this end at another address, or does not answer. */
  onBroken(now: Millis): void {
    if (!this.trying) return
    this.trying = false
    this.badMs = this.intervalMs
    this.badUntil = now + limits.keepaliveRetryMs
    this.intervalMs = this.goodMs < this.badMs ? this.goodMs : this.bounds.keepaliveMs
    this.goodMs = this.bounds.keepaliveMs
  }
}
