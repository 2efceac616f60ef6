/**
 * How many copies this proxy mixes, and whether that is so few that they go by an extra proxy (PROTOCOL.md section 5). A
 * whole period is judged by the one before it, against a bound drawn anew each time: so that nobody learns by sending copies
 * of his own whether one more message was among them.
 */
import { limits } from '../../base/limits.js'
import { type RandomBytes, RandomNumbers } from '../../base/random.js'
import type { Millis } from '../../base/time.js'

const UINT32 = 2 ** 32
const SECOND_MS = 1000

export class OwnTraffic {
  private readonly numbers: RandomNumbers
  private readonly below: number
  private periodEnds: Millis | undefined
  private counted = 0
  private lastRate = 0
  /** Nothing is known of the first period, which is as good as nothing there. */
  private few: boolean

  /** `below` is in copies a second; 0 for never few. */
  constructor(random: RandomBytes, below: number) {
    this.numbers = new RandomNumbers(random)
    this.below = below
    this.few = below > 0
  }

  /** Copies were taken in. */
  count(now: Millis, copies: number): void {
    this.advance(now)
    this.counted += copies
  }

  /** Whether copies that leave now go by an extra proxy. */
  isLow(now: Millis): boolean {
    this.advance(now)
    return this.few
  }

  /** Copies a second of the last whole period. */
  get copiesPerSecond(): number {
    return this.lastRate
  }

  private advance(now: Millis): void {
    this.periodEnds ??= now + limits.trafficPeriodMs
    if (now < this.periodEnds) return
    const passed = 1 + Math.floor((now - this.periodEnds) / limits.trafficPeriodMs)
    // What was counted belongs to the period that ended first; nothing came in those after it.
    this.lastRate = passed === 1 ? this.counted / (limits.trafficPeriodMs / SECOND_MS) : 0
    this.counted = 0
    this.periodEnds += passed * limits.trafficPeriodMs
    this.few = this.lastRate < this.below * (0.5 + this.numbers.uint32() / UINT32)
  }
}
