/**
 * The symmetric parts of the core where they work on several things at once: around every length at which they change
 * their way, and against exact arithmetic or one at a time.
 */
import { createHash } from 'node:crypto'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import t from 'tap'
import { concat, toHex } from '../../src/base/bytes.js'
import type { Aead } from '../../src/crypto/crypto.js'
import { createAead } from '../../src/crypto/sealing.js'
import { instantiate } from '../../src/crypto/wasm.js'
import { seed, seeded } from '../base/seeded.js'
import { flipped, pieces } from '../contract/fixtures.js'
import { runnableBuilds, wasmBytes } from './builds.js'
import { createProbes } from './probes.js'

const random = seeded()
t.comment(`seed ${seed}`)

/** 0 to 300, and a block each side of the lengths at which groups of blocks end. */
const lengths = [
  ...Array.from({ length: 301 }, (_, i) => i),
  ...[448, 704, 960, 1472].flatMap((edge) => Array.from({ length: 131 }, (_, i) => edge - 65 + i)),
]

for (const build of runnableBuilds) {
  const probes = await createProbes(wasmBytes(build, 'debug'), build)

  for (const kind of ['release', 'debug'] as const) {
    t.test(`the AEAD at every length, ${build}, ${kind}`, async (t) => {
      const aead: Aead = createAead(await instantiate(wasmBytes(build, kind)))
      const wrong: number[] = []
      for (const length of lengths) {
        const [key, nonce, associated, text] = [random(32), random(12), random(length % 23), random(length)]
        const sealed = aead.aeadSeal(key, nonce, associated, text)
        const expected = chacha20poly1305(key, nonce, associated).encrypt(text)
        const opened = aead.aeadOpen(key, nonce, associated, expected)
        const refused = aead.aeadOpen(key, nonce, associated, flipped(expected, (length * 37) % (8 * expected.length)))
        if (toHex(sealed) !== toHex(expected) || toHex(opened ?? random(1)) !== toHex(text) || refused)
          wrong.push(length)
      }
      t.strictSame(wrong, [], 'as noble has it, and opened again')
      for (const associatedBytes of [15, 16, 191, 192, 193, 224, 256, 288, 1000]) {
        const [key, nonce, associated, text] = [random(32), random(12), random(associatedBytes), random(300)]
        const expected = chacha20poly1305(key, nonce, associated).encrypt(text)
        t.strictSame(aead.aeadSeal(key, nonce, associated, text), expected, `${associatedBytes} bytes besides`)
      }
    })
  }

  t.test('four blocks are those one by one, the counter wrapping around', async (t) => {
    const aead = createAead(await instantiate(wasmBytes(build, 'release')))
    for (const counter of [0, 1, 2 ** 31 - 2, 2 ** 32 - 4, 2 ** 32 - 3, 2 ** 32 - 1]) {
      const [key, nonce] = [random(32), random(12)]
      const single = [0, 1, 2, 3].map((i) => aead.chachaBlock(key, (counter + i) % 2 ** 32, nonce))
      t.strictSame(probes.blocks4(key, counter, nonce), concat(...single), `from ${counter}`)
    }
  })

  t.test('Poly1305 is exact at the bounds of its limbs', (t) => {
    const ones = new Uint8Array(16).fill(255)
    const zeros = new Uint8Array(16)
    const keys = [ones, zeros, ...Array.from({ length: 4 }, () => random(16))].flatMap((r) =>
      [ones, zeros, random(16)].map((s) => concat(r, s)),
    )
    const fills = [255, 0, undefined]
    const wrong: string[] = []
    for (const key of keys) {
      for (const fill of fills) {
        for (let blocks = 0; blocks <= 30; blocks++) {
          const text = fill === undefined ? random(16 * blocks) : new Uint8Array(16 * blocks).fill(fill)
          if (toHex(probes.poly1305(key, text)) !== toHex(poly1305(key, text))) wrong.push(`${blocks} of ${fill}`)
        }
      }
    }
    t.strictSame(wrong, [])
    // RFC 8439 appendix A.3 has these: sums of 2^130 - 5 and a little more, which only the last reduction sees.
    const two = Uint8Array.from(zeros, (_, i) => (i === 0 ? 2 : 0))
    for (const low of [0xfa, 0xfb, 0xfc, 0xfe, 0xff]) {
      const text = concat(
        Uint8Array.from(ones, (byte, i) => (i === 0 ? low : byte)),
        ones,
        random(16),
      )
      for (const length of [16, 32, 48]) {
        const key = concat(two, random(16))
        t.strictSame(probes.poly1305(key, text.slice(0, length)), poly1305(key, text.slice(0, length)))
      }
    }
    t.end()
  })

  t.test('four hashes at once are those one by one', (t) => {
    const edges = [new Uint8Array(256), new Uint8Array(256).fill(255), ...Array.from({ length: 50 }, () => random(256))]
    for (const messages of edges) {
      const digests = pieces(messages, 64).map((message) => createHash('sha256').update(message).digest())
      t.strictSame(probes.hashLanes(messages), concat(...digests))
    }
    t.end()
  })
}

/** RFC 8439 section 2.5.1 in whole numbers, for whole blocks. */
function poly1305(key: Uint8Array, text: Uint8Array): Uint8Array {
  const p = 2n ** 130n - 5n
  const r = integer(key.slice(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  const h = pieces(text, 16).reduce((sum, block) => ((sum + integer(block) + 2n ** 128n) * r) % p, 0n)
  const tag = h + integer(key.slice(16))
  return Uint8Array.from({ length: 16 }, (_, i) => Number((tag >> BigInt(8 * i)) & 255n))
}

function integer(littleEndian: Uint8Array): bigint {
  return littleEndian.reduceRight((sum, byte) => 256n * sum + BigInt(byte), 0n)
}
