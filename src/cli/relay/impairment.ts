/**
 * One direction of a disturbed path: decides for each datagram whether it passes, when, how often and how damaged. Pure, and
 * with one sequence of random numbers the same datagrams at the same times fare the same.
 */
import type { Conditions, Tally } from './conditions.js'

/** What is held back waits so long at least: for others to overtake it where the path itself is quick. */
const LEAST_HOLD_MS = 20
const BITS_PER_BYTE = 8

/** A datagram that passes. */
export interface Passing {
  readonly at: number
  readonly bytes: Uint8Array
}

const NONE: readonly Passing[] = []

export class Impairment {
  conditions: Conditions
  private readonly fraction: () => number
  private readonly counts = { ...NOTHING }
  private losing = false
  private narrowFreeAt = 0

  /** `fraction` draws from 0 to below 1. */
  constructor(conditions: Conditions, fraction: () => number) {
    this.conditions = conditions
    this.fraction = fraction
  }

  /** What of the datagram arrives, and when; `now` in milliseconds from any beginning. */
  offer(now: number, bytes: Uint8Array): readonly Passing[] {
    this.counts.offered++
    this.counts.offeredBytes += bytes.length
    if (this.isPartitioned(now)) return this.count('partitioned')
    if (this.isLost()) return this.count('lost')
    const leavesAt = this.throughNarrows(now, bytes.length)
    if (leavesAt === undefined) return this.count('overflowed')
    const passing = [this.pass(leavesAt, bytes)]
    if (this.chance(this.conditions.duplicate)) {
      this.counts.duplicated++
      passing.push(this.pass(leavesAt, bytes))
    }
    return passing
  }

  tally(): Tally {
    return { ...this.counts }
  }

  private count(part: 'partitioned' | 'lost' | 'overflowed'): readonly Passing[] {
    this.counts[part]++
    return NONE
  }

  private isPartitioned(now: number): boolean {
    const { partition } = this.conditions
    return partition !== undefined && now % partition.everyMs >= partition.everyMs - partition.forMs
  }

  /** Gilbert and Elliott: a good state that loses nothing and a bad one that loses all, as long and as rare as asked for. */
  private isLost(): boolean {
    const { loss, burst } = this.conditions
    if (loss === 0) return false
    if (burst <= 1) return this.chance(loss)
    this.losing = this.losing ? !this.chance(1 / burst) : this.chance(loss / (burst * (1 - loss)))
    return this.losing
  }

  /** When the last byte is through the bottleneck; `undefined` where the queue before it has no room. */
  private throughNarrows(now: number, sizeBytes: number): number | undefined {
    const { rateBytesPerMs, queueBytes } = this.conditions
    if (rateBytesPerMs === Number.POSITIVE_INFINITY) return now
    const freeAt = Math.max(now, this.narrowFreeAt)
    if ((freeAt - now) * rateBytesPerMs + sizeBytes > queueBytes) return undefined
    this.narrowFreeAt = freeAt + sizeBytes / rateBytesPerMs
    return this.narrowFreeAt
  }

  private pass(leavesAt: number, bytes: Uint8Array): Passing {
    const { delayMs, jitterMs, reorder, corrupt } = this.conditions
    const heldMs = this.chance(reorder) ? Math.max(LEAST_HOLD_MS, delayMs) : 0
    const at = leavesAt + delayMs + heldMs + (jitterMs === 0 ? 0 : this.fraction() * jitterMs)
    this.counts.passed++
    return { at, bytes: bytes.length > 0 && this.chance(corrupt) ? this.damaged(bytes) : bytes }
  }

  private damaged(bytes: Uint8Array): Uint8Array {
    this.counts.corrupted++
    const damaged = bytes.slice()
    const bit = Math.floor(this.fraction() * bytes.length * BITS_PER_BYTE)
    const at = Math.floor(bit / BITS_PER_BYTE)
    damaged[at] = (damaged[at] as number) ^ (1 << (bit % BITS_PER_BYTE))
    return damaged
  }

  private chance(part: number): boolean {
    return part > 0 && this.fraction() < part
  }
}

const NOTHING: Tally = {
  offered: 0,
  offeredBytes: 0,
  passed: 0,
  lost: 0,
  partitioned: 0,
  overflowed: 0,
  corrupted: 0,
  duplicated: 0,
}
