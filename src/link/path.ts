/**
 * Whether the peer reads where its packets seem to come from. A new address is sent challenges, and no more bytes than
 * came from it, until one is answered (PROTOCOL.md section 10.3; RFC 9000 sections 8.2 and 9.3).
 */
import { equal } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'

const CHALLENGE_BYTES = 8

export class Path {
  private readonly random: RandomBytes
  private challenges: Uint8Array[] = []
  private creditBytes = 0
  private nextAt: Millis = 0
  private unproven = false
  private challengeDue = false
  /** Something was too long for what has come: it waits for more. */
  private short = false

  constructor(random: RandomBytes) {
    this.random = random
  }

  get proven(): boolean {
    return !this.unproven
  }

  /** The peer's packets come from another address. */
  begin(now: Millis): void {
    this.unproven = true
    this.challenges = []
    this.creditBytes = 0
    this.short = false
    this.nextAt = now
    this.challengeDue = false
  }

  /** The address is one that is known: the peer is back, or was never away. */
  restore(): void {
    this.unproven = false
  }

  onReceived(bytes: number): void {
    if (this.unproven) this.creditBytes += bytes
    this.short = false
  }

  /** Whether so many bytes may go to the peer. */
  allows(bytes: number): boolean {
    const allowed = !this.unproven || this.creditBytes >= bytes
    if (!allowed) this.short = true
    return allowed
  }

  /** Whether what waits, waits for packets and not for time. */
  get waitsForCredit(): boolean {
    return this.short
  }

  onSent(bytes: number): void {
    if (this.unproven) this.creditBytes -= bytes
  }

  deadline(): Millis | undefined {
    return this.unproven ? this.nextAt : undefined
  }

  /** Another challenge is due, after `waitMs` the next; or none was answered. */
  timeout(now: Millis, waitMs: number): 'failed' | undefined {
    if (!this.unproven || now < this.nextAt) return undefined
    if (this.challenges.length >= limits.pathChallenges) return 'failed'
    this.nextAt = now + waitMs
    this.challengeDue = true
    this.challenges.push(this.random(CHALLENGE_BYTES))
    return undefined
  }

  /** Whether a challenge waits to be sent. */
  get wantsChallenge(): boolean {
    return this.unproven && this.challengeDue
  }

  takeChallenge(): Uint8Array {
    this.challengeDue = false
    return this.challenges.at(-1) as Uint8Array
  }

  /** Whether this answer proves the address. */
  onResponse(data: Uint8Array): boolean {
    if (!this.unproven || !this.challenges.some((challenge) => equal(challenge, data))) return false
    this.unproven = false
    return true
  }
}
