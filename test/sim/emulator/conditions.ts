/**
 * What a path does to datagrams, as numbers: loss at random and in bursts, delay, jitter, reordering, doubling, flipped bits, and a
 * bottleneck with a queue. `Weather` applies them, seeded; what is lost is lost for a reason that has a name.
 */
import { type RandomBytes, RandomNumbers, randomBelow } from '../../../src/base/random.js'
import type { Millis } from '../../../src/base/time.js'

/** Loss in bursts (Gilbert 1960, Elliott 1963): each datagram may begin or end one; parts of 1. */
export interface Bursts {
  readonly begin: number
  readonly end: number
  /** Of the datagrams in a burst. */
  readonly loss: number
}

/** What each node has to leave through: so many bytes a second, and so many waiting; what comes beyond is lost. */
export interface Bottleneck {
  readonly bytesPerSecond: number
  readonly queueBytes: number
}

export interface Conditions {
  /** Parts of 1. */
  readonly loss: number
  readonly duplication: number
  /** Each datagram takes the delay, and up to the jitter more: it overtakes others. */
  readonly delayMs: number
  readonly jitterMs: number
  readonly bursts?: Bursts
  /** Part of datagrams in which one to eight bits are flipped. */
  readonly corruption?: number
  /** Part of datagrams that are held up, and for how long at most. */
  readonly reordering?: number
  readonly reorderMs?: number
  readonly bottleneck?: Bottleneck
}

export const calm: Conditions = { loss: 0, duplication: 0, delayMs: 5, jitterMs: 0 }
export const rough: Conditions = { loss: 0.1, duplication: 0.05, delayMs: 10, jitterMs: 30 }

/** Why a datagram did not arrive. */
export const lossReasons = [
  'loss',
  'burst',
  'queue full',
  'partition',
  'no such address',
  'not translated',
  'node down',
  'socket buffer full',
] as const
export type LossReason = (typeof lossReasons)[number]

/** What becomes of one datagram on its way: lost, or so many copies, each at its own time. */
export type Fate =
  | { readonly type: 'lost'; readonly reason: LossReason }
  | { readonly type: 'arrives'; readonly copies: readonly Arrival[] }

export interface Arrival {
  readonly at: Millis
  readonly bytes: Uint8Array
  readonly corrupted: boolean
}

const UINT32 = 2 ** 32
const FLIPPED_BITS = 8

export class Weather {
  private readonly random: RandomBytes
  private readonly numbers: RandomNumbers
  /** Paths that are in a burst. */
  private readonly bursting = new Set<string>()
  /** When what each sender has queued will have left. */
  private readonly leftBy = new Map<string, Millis>()

  constructor(random: RandomBytes) {
    this.random = random
    this.numbers = new RandomNumbers(random)
  }

  fate(now: Millis, conditions: Conditions, from: string, to: string, bytes: Uint8Array): Fate {
    const leaves = this.leaves(now, conditions.bottleneck, from, bytes.length)
    if (leaves === undefined) return { type: 'lost', reason: 'queue full' }
    if (this.inBurst(conditions.bursts, `${from}>${to}`)) return { type: 'lost', reason: 'burst' }
    if (this.chance(conditions.loss)) return { type: 'lost', reason: 'loss' }
    const copies = [this.arrival(leaves, conditions, bytes)]
    if (this.chance(conditions.duplication)) copies.push(this.arrival(leaves, conditions, bytes))
    return { type: 'arrives', copies }
  }

  private arrival(leaves: Millis, conditions: Conditions, bytes: Uint8Array): Arrival {
    const { delayMs, jitterMs, corruption = 0, reordering = 0, reorderMs = 0 } = conditions
    const heldUpMs = this.chance(reordering) ? this.fraction() * reorderMs : 0
    const at = leaves + delayMs + (jitterMs > 0 ? this.fraction() * jitterMs : 0) + heldUpMs
    const corrupted = bytes.length > 0 && this.chance(corruption)
    const copy = bytes.slice()
    if (corrupted) this.flip(copy)
    return { at, bytes: copy, corrupted }
  }

  private leaves(now: Millis, bottleneck: Bottleneck | undefined, from: string, bytes: number): Millis | undefined {
    if (bottleneck === undefined) return now
    const { bytesPerSecond, queueBytes } = bottleneck
    const begins = Math.max(now, this.leftBy.get(from) ?? now)
    if (((begins - now) * bytesPerSecond) / 1000 + bytes > queueBytes) return undefined
    const leaves = begins + (bytes * 1000) / bytesPerSecond
    this.leftBy.set(from, leaves)
    return leaves
  }

  private inBurst(bursts: Bursts | undefined, path: string): boolean {
    if (bursts === undefined) return false
    if (this.bursting.has(path)) {
      if (this.chance(bursts.end)) this.bursting.delete(path)
    } else if (this.chance(bursts.begin)) this.bursting.add(path)
    return this.bursting.has(path) && this.chance(bursts.loss)
  }

  private flip(bytes: Uint8Array): void {
    for (let bits = 1 + randomBelow(this.random, FLIPPED_BITS); bits > 0; bits--) {
      const bit = randomBelow(this.random, bytes.length * 8)
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
    }
  }

  private chance(part: number): boolean {
    return part > 0 && this.fraction() < part
  }

  private fraction(): number {
    return this.numbers.uint32() / UINT32
  }
}
