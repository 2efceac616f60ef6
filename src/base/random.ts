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

/** An exponentially distributed wait with the given mean; capped at ten means, so that a wait is bounded. */
export function exponentialMs(random: RandomBytes, meanMs: number): number {
  const uniform = (randomBelow(random, 2 ** 32) + 1) / 2 ** 32
  return Math.min(-Math.log(uniform) * meanMs, 10 * meanMs)
}
