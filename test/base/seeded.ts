/**
 * Randomness for tests that can be run again: everything drawn follows from the seed, which a test prints.
 */
import { createCipheriv, createHash, randomInt } from 'node:crypto'
import type { RandomBytes } from '../../src/base/random.js'

/**
 * The seed of this run. Without the environment variable SEED it is the same each time, so that tests that have passed pass again,
 * and no check that holds in all but one run of a million fails by chance. `SEED=fresh` draws one.
 */
export const seed = seedOf(process.env['SEED'] ?? '1')

export function freshSeed(): number {
  return randomInt(2 ** 30)
}

function seedOf(given: string): number {
  const number = given === 'fresh' ? freshSeed() : Number(given)
  if (!Number.isSafeInteger(number)) throw new Error(`SEED is a whole number or "fresh", not "${given}"`)
  return number
}

/** The keystream of ChaCha20 under a key made of the seed. */
export function seeded(from: number = seed): RandomBytes {
  const key = createHash('sha256').update(`seed ${from}`).digest()
  const stream = createCipheriv('chacha20', key, new Uint8Array(16))
  return (lengthBytes) => Uint8Array.from(stream.update(new Uint8Array(lengthBytes)))
}
