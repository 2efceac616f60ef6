/**
 * Randomness for tests that can be run again: everything drawn follows from the seed, which a test prints.
 */
import { createCipheriv, createHash, randomInt } from 'node:crypto'
import type { RandomBytes } from '../../src/base/random.js'

/** The seed of this run: that of the environment variable SEED, else a fresh one. */
export const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31))

/** The keystream of ChaCha20 under a key made of the seed. */
export function seeded(from: number = seed): RandomBytes {
  const key = createHash('sha256').update(`seed ${from}`).digest()
  const stream = createCipheriv('chacha20', key, new Uint8Array(16))
  return (lengthBytes) => Uint8Array.from(stream.update(new Uint8Array(lengthBytes)))
}
