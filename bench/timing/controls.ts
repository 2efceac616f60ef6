/**
 * Code that is known to leak, measured as everything else is: a run of the test that does not find these has shown nothing.
 */
import { randomBytes } from 'node:crypto'
import { equal, type Point } from '../../src/base/bytes.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import type { Trial } from './trial.js'
import { wrongTag } from './trials.js'

const TAG_BYTES = 16
const TEXT_BYTES = 64
/** Enough to tell; a whole scalar's worth of single calls would only be slower. */
const SCALAR_BYTES = 1

export function controls(crypto: Crypto): Trial[] {
  return [earlyExit(crypto), doubleAndAdd(crypto)]
}

/** A tag computed as when a packet is opened, then compared byte by byte until one differs. */
function earlyExit(crypto: Crypto): Trial {
  const [key, nonce, text] = [randomBytes(32), randomBytes(12), randomBytes(TEXT_BYTES)]
  const nothing = new Uint8Array(0)
  const seal = () => crypto.aeadSeal(key, nonce, nothing, text).subarray(TEXT_BYTES)
  const right = seal()
  return {
    name: 'tag compared with an early exit',
    inputBytes: TAG_BYTES,
    draw: (kind) => wrongTag(right, kind),
    bind: (tag) => () => (equal(tag, seal()) ? 1 : 0),
  }
}

/** The schoolbook multiplication, which adds only where a bit is set. */
function doubleAndAdd(crypto: Crypto): Trial {
  const base = crypto.publicPoint(crypto.reduce(randomBytes(64)))
  const add = (p: Point, q: Point) => crypto.addPoints(p, q) ?? base
  return {
    name: 'multiplication by double and add',
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
