/** What single operations cost: multiplications with their encoding, packet protection, hashing; ours beside others. */
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import sodium from 'libsodium-wrappers-sumo'
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { compileNative, type Native } from './contestants/native.js'
import { keyPair, makeFixture } from './fixtures.js'
import { effort, measure, type Timed, timed } from './measure.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const SODIUM = 'libsodium-wrappers-sumo'
const NODE = 'node:crypto'
/** The multiplications, and packet protection of a kilobyte. */
const QUICK_SUBJECTS = 3
const AEAD = 'chacha20-poly1305'
export const FIXED_BASE = 'fixed base, encoded'
const NOTHING = new Uint8Array(0)

export interface PrimitiveRow {
  readonly primitive: string
  readonly contestant: string
  readonly us: number
  readonly spread: number
  /** How many times as long as ours. */
  readonly ratio: number
}

export async function primitives({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  await sodium.ready
  const outcome = compileNative()
  const native = 'native' in outcome ? outcome.native : undefined
  const subjects: readonly [string, readonly Timed[]][] = [
    [FIXED_BASE, fixedBase(crypto, native)],
    ['variable base, decoded and encoded', variableBase(crypto, native)],
    ['AEAD, 1 KiB', aead(crypto, 1024)],
    ['AEAD, 64 KiB', aead(crypto, 65_536)],
    ['SHA-256, 64 bytes', sha256(crypto)],
    ['ChaCha20 block', block(crypto)],
  ]
  const results: PrimitiveRow[] = subjects
    .slice(0, quick ? QUICK_SUBJECTS : subjects.length)
    .flatMap(([primitive, contestants]) =>
      measure(contestants, effort(quick)).map((measured) => ({ primitive, ...measured })),
    )
  const lines = results.map(({ primitive, contestant, us, spread, ratio }) => [
    ...[primitive, contestant, us.toFixed(2), spread.toFixed(2), ratio.toFixed(2)],
  ])
  return {
    results,
    notes: 'skipped' in outcome ? [outcome.skipped] : [],
    text: columns([['primitive', 'contestant', 'us', 'spread', 'ratio'], ...lines]),
  }
}

/** Points of one publicPoints call. */
const BATCH = 64

function fixedBase(crypto: Crypto, native: Native | undefined): Timed[] {
  const { secret } = keyPair(crypto)
  const secrets = Array.from({ length: BATCH }, () => keyPair(crypto).secret)
  return [
    perItem(
      BATCH,
      timed('splitcast', () => crypto.publicPoints(secrets)[0]?.[0]),
    ),
    timed('splitcast, one a call', () => crypto.publicPoint(secret)[0]),
    timed(SODIUM, () => sodium.crypto_scalarmult_ristretto255_base(secret)[0]),
    ...nativeMultiplication(crypto, native, 'base'),
  ]
}

/** What a batch costs, an item. */
function perItem(items: number, { contestant, once }: Timed): Timed {
  return { contestant, once: (seconds) => once(seconds) / items }
}

function variableBase(crypto: Crypto, native: Native | undefined): Timed[] {
  const { secret } = keyPair(crypto)
  const { point } = keyPair(crypto)
  return [
    timed('splitcast', () => crypto.multiply(secret, point)?.[0]),
    timed(SODIUM, () => sodium.crypto_scalarmult_ristretto255(secret, point)[0]),
    ...nativeMultiplication(crypto, native, 'multiply'),
  ]
}

function nativeMultiplication(crypto: Crypto, native: Native | undefined, kind: 'base' | 'multiply'): Timed[] {
  if (native === undefined) return []
  const { request } = makeFixture(crypto, 1, 0)
  return [{ contestant: native.contestant.name, once: (seconds) => native.usPerMultiplication(kind, request, seconds) }]
}

function aead(crypto: Crypto, textBytes: number): Timed[] {
  const text = randomBytes(textBytes)
  const key = randomBytes(32)
  const nonce = randomBytes(12)
  return [
    timed('splitcast', () => crypto.aeadSeal(key, nonce, NOTHING, text)[0]),
    timed(SODIUM, () => sodium.crypto_aead_chacha20poly1305_ietf_encrypt(text, null, null, nonce, key)[0]),
    timed(NODE, () => {
      const cipher = createCipheriv(AEAD, key, nonce, { authTagLength: 16 })
      const sealed = cipher.update(text)
      cipher.final()
      return (sealed[0] as number) ^ (cipher.getAuthTag()[0] as number)
    }),
  ]
}

function sha256(crypto: Crypto): Timed[] {
  const text = randomBytes(64)
  return [
    timed('splitcast', () => crypto.hash(text)[0]),
    timed(SODIUM, () => sodium.crypto_hash_sha256(text)[0]),
    timed(NODE, () => createHash('sha256').update(text).digest()[0]),
  ]
}

function block(crypto: Crypto): Timed[] {
  const key = randomBytes(32)
  const nonce = randomBytes(12)
  const zeros = new Uint8Array(64)
  return [
    timed('splitcast', () => crypto.chachaBlock(key, 1, nonce)[0]),
    timed(SODIUM, () => sodium.crypto_stream_chacha20_ietf_xor_ic(zeros, nonce, 1, key)[0]),
  ]
}
