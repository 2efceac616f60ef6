/**
 * Code that is known to leak, measured as everything else is: a run of the test that does not find these has shown nothing.
 */
import { randomBytes } from 'node:crypto'
import { equal, type Point } from '../../src/base/bytes.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import type { Trial } from './trial.js'
import { packetTag, TAG_BYTES } from './trials.js'

/** Enough to tell; a whole scalar's worth of single calls would only be slower. */
const SCALAR_BYTES = 1

export function controls(crypto: Crypto): Trial[] {
  return [earlyExit(crypto), doubleAndAdd(crypto)]
}

/** A packet refused as it should be, after a look at its tag byte by byte until one differs. */
function earlyExit(crypto: Crypto): Trial {
  const { right, name, ...trial } = packetTag(crypto)
  return {
    ...trial,
    name: `${name}, early exit`,
    bind(packet) {
      const open = trial.bind(packet)
      const tag = packet.subarray(-TAG_BYTES)
      return () => (equal(tag, right) ? 0 : open())
    },
  }
}

/** The schoolbook multiplication, which adds only where a bit is set. */
function doubleAndAdd(crypto: Crypto): Trial {
  const base = crypto.publicPoint(crypto.reduce(randomBytes(64)))
  const add = (p: Point, q: Point) => crypto.addPoints(p, q) ?? base
  return {
    name: 'double and add, by secret',
    inputBytes: SCALAR_BYTES,
    draw: (kind) => (kind === 'random' ? randomBytes(SCALAR_BYTES) : new Uint8Array(SCALAR_BYTES)),
    bind: (scalar) => () => {
      let product = base
      for (const byte of scalar) {
        for (let bit = 0; bit < 8; bit++) {
          product = add(product, product)
          if ((byte >> bit) & 1) product = add(product, base)
        }
      }
      return product[0] as number
    },
  }
}
