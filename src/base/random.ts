/**
 * Randomness is handed in, so that a state machine driven twice with one seed behaves the same twice.
 * The driver's source is the operating system's; tests use a seeded one.
 */
import { assert } from './assert.js'

/** Returns `lengthBytes` fresh random bytes. */
export type RandomBytes = (lengthBytes: number) => Uint8Array

/** A uniform integer in 0..bound-1, bound at most 2^32, by rejection. */
export function randomBelow(random: RandomBytes, bound: number): number {
  assert(Number.isInteger(bound) && bound > 0 && bound <= 2 ** 32, 'bound of a random integer')
  const limit = 2 ** 32 - (2 ** 32 % bound)
  for (;;) {
    const bytes = random(4)
    const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
    if (value < limit) return value % bound
  }
}

/** Shuffles in place, every order equally likely (Fisher-Yates). */
export function shuffle<T>(random: RandomBytes, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1)
    const held = items[i] as T
    items[i] = items[j] as T
    items[j] = held
  }
  return items
}

/** Means that a random wait takes at most, so that it is bounded. */
export const LONGEST_WAIT_MEANS = 10

/** An exponentially distributed wait with the given mean, capped. */
export function exponentialMs(numbers: RandomNumbers, meanMs: number): number {
  const uniform = (numbers.uint32() + 1) / 2 ** 32
  return Math.min(-Math.log(uniform) * meanMs, LONGEST_WAIT_MEANS * meanMs)
}

const BLOCK_NUMBERS = 256
const NUMBER_BYTES = 4

/** Whole numbers drawn in blocks: for where each copy takes some, which must not cost an allocation each. */
export class RandomNumbers {
  private readonly random: RandomBytes
  private readonly block = new Uint32Array(BLOCK_NUMBERS)
  private left = 0

  constructor(random: RandomBytes) {
    this.random = random
  }

  /** Uniform in 0..2^32 - 1. */
  uint32(): number {
    if (this.left === 0) this.refill()
    const number = this.block[--this.left] as number
    // What was handed out must not be found here again.
    this.block[this.left] = 0
    return number
  }

  private refill(): void {
    const bytes = this.random(BLOCK_NUMBERS * NUMBER_BYTES)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let i = 0; i < BLOCK_NUMBERS; i++) this.block[i] = view.getUint32(i * NUMBER_BYTES)
    bytes.fill(0)
    this.left = BLOCK_NUMBERS
  }
}
