/**
 * The one sealing operation (PROTOCOL.md section 2): E || AEAD under H(E || Z), with a shared secret mixed in where both
 * ends have one. Also the key by which P2 opens a request, and the wiping of what calls leave behind.
 */
import { decrypt, encrypt, TAG_BYTES } from './aead/aead'
import { block } from './aead/chacha20'
import { BATCH, buildComb, multiplyComb } from './curve/comb'
import { generatorInFirstLane, pointAt } from './curve/edwards'
import { isZeroBytes } from './curve/field'
import { BOTH, decode, encodeDoubled } from './curve/ristretto'
import { reduce, reduceWide } from './curve/scalar'
import { multiplyWindow } from './curve/window'
import { hash, hash64x4 } from './hash/sha256'
import {
  AEAD_SCRATCH,
  AEAD_SCRATCH_BYTES,
  ARGUMENTS,
  ASSOCIATED,
  ASSOCIATED_CAPACITY,
  COMB_TRIAL,
  ENTROPY,
  KEY,
  NONCE,
  POINT,
  POINT_BYTES,
  RESULT,
  SCRATCH,
  SCRATCH_BYTES,
  SEAL_SCRATCH,
  SECRET,
  SECRET_ARGUMENTS_BYTES,
  SECRETS,
  SECRETS_CAPACITY,
  SYMMETRIC,
  TEXT,
  TEXT_CAPACITY,
} from './layout'
import { CAPACITY, NOT_OPENED, OK, POINT_REFUSED } from './status'

/** Bytes that sealing adds: E and the tag. */
export const SEAL_BYTES: i32 = 48

const SCALARS: usize = SEAL_SCRATCH
const SHARED: usize = SCALARS + 32 * <usize>BATCH
const PAIRS: usize = SHARED + 32 * <usize>BATCH
const ENCODINGS: usize = PAIRS + 64 * <usize>BATCH
const POINTS: usize = ENCODINGS + 32 * <usize>BATCH
const EPHEMERAL: usize = POINTS + <usize>(BATCH >> 1) * POINT_BYTES
export const SEAL_SCRATCH_BYTES: usize = EPHEMERAL + POINT_BYTES - SEAL_SCRATCH

/** From this many trials on, a comb for the point pays; from more on, one with a table for every window. */
const COMB_FROM_TRIALS: i32 = 8
const FULL_COMB_FROM_TRIALS: i32 = 128
const TRIAL_WIDTH: i32 = 5

/** Writes H(pair) for `count` pairs of encodings, 64 bytes each: the keys of seals. */
export function hashPairs(out: usize, pairs: usize, count: i32): void {
  let done = 0
  for (; done + 4 <= count; done += 4) hash64x4(out + 32 * done, pairs + 64 * done)
  for (; done < count; done++) hash(out + 32 * done, pairs + 64 * done, 64)
}

/** out = B in the first lane, the point encoded at `point` in the second, where that decodes. */
export function decodeBesideGenerator(out: usize, point: usize): bool {
  if (decode(out, point, point) != BOTH) return false
  generatorInFirstLane(out)
  return true
}

/** Overwrites every scratch byte and every secret argument. */
export function wipe(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES)
  memory.fill(ARGUMENTS, 0, SECRET_ARGUMENTS_BYTES)
}

/** Seals the text at TEXT + 32 for POINT, in place: E comes before it, the tag behind it. Scalar from ENTROPY. */
export function seal(textBytes: i32, associatedBytes: i32, mixed: bool): i32 {
  if (!fits(textBytes, SEAL_BYTES, associatedBytes)) return CAPACITY
  const status = sealInPlace(textBytes, associatedBytes, mixed)
  wipe()
  return status
}

function sealInPlace(textBytes: i32, associatedBytes: i32, mixed: bool): i32 {
  reduceWide(SCALARS, ENTROPY)
  if (isZeroBytes(SCALARS) || !decodeBesideGenerator(POINTS, POINT)) return POINT_REFUSED
  multiplyWindow(POINTS, SCALARS, SCALARS, POINTS, true)
  encodeDoubled(PAIRS, POINTS, 1)
  memory.copy(TEXT, PAIRS, 32)
  hashPairs(SHARED, PAIRS, 1)
  mixIn(SHARED, mixed)
  encrypt(TEXT + 32, textBytes, SHARED, NONCE, ASSOCIATED, associatedBytes)
  return OK
}

/** Opens TEXT in place with the first of `count` SECRETS that fits; returns its index. The plaintext is at TEXT + 32. */
export function openAny(count: i32, sealedBytes: i32, associatedBytes: i32, mixed: bool): i32 {
  if (<u32>count > <u32>SECRETS_CAPACITY || !fits(sealedBytes, 0, associatedBytes)) return CAPACITY
  const index = sealedBytes < SEAL_BYTES ? NOT_OPENED : tryAll(count, sealedBytes - SEAL_BYTES, associatedBytes, mixed)
  wipe()
  memory.fill(SECRETS, 0, 32 * count)
  return index
}

function tryAll(count: i32, textBytes: i32, associatedBytes: i32, mixed: bool): i32 {
  if (decode(EPHEMERAL, TEXT, TEXT) != BOTH) return NOT_OPENED
  const combed = count >= COMB_FROM_TRIALS
  if (combed) buildComb(COMB_TRIAL, EPHEMERAL, TRIAL_WIDTH, count >= FULL_COMB_FROM_TRIALS ? 1 : 4, 1)
  for (let done = 0; done < count; done += BATCH) {
    const size = min(BATCH, count - done)
    shareWithSecrets(SECRETS + 32 * done, size, combed)
    for (let i = 0; i < size; i++) {
      mixIn(SHARED + 32 * i, mixed)
      if (decrypt(TEXT + 32, textBytes, SHARED + 32 * i, NONCE, ASSOCIATED, associatedBytes)) return done + i
    }
  }
  return NOT_OPENED
}

/** SHARED = H(E || [secret]E) for each of `size` secrets, E decoded to both lanes of EPHEMERAL. */
function shareWithSecrets(secrets: usize, size: i32, combed: bool): void {
  const pairs = (size + 1) >> 1
  for (let i = 0; i < size; i++) reduce(SCALARS + 32 * i, secrets + 32 * i)
  if (combed) multiplyComb(POINTS, SCALARS, size, COMB_TRIAL, true)
  else {
    for (let j = 0; j < pairs; j++) {
      const first = SCALARS + 64 * j
      multiplyWindow(pointAt(POINTS, j), first, 2 * j + 1 < size ? first + 32 : first, EPHEMERAL, true)
    }
  }
  encodeDoubled(ENCODINGS, POINTS, pairs)
  for (let i = 0; i < size; i++) {
    memory.copy(PAIRS + 64 * i, TEXT, 32)
    memory.copy(PAIRS + 64 * i + 32, ENCODINGS + 32 * i, 32)
  }
  hashPairs(SHARED, PAIRS, size)
}

/** RESULT = H(POINT || [SECRET]POINT). */
export function requestKey(): i32 {
  const decoded = decode(EPHEMERAL, POINT, POINT) == BOTH
  if (decoded) {
    memory.copy(TEXT, POINT, 32)
    shareWithSecrets(SECRET, 1, false)
    memory.copy(RESULT, SHARED, 32)
    memory.fill(TEXT, 0, 32)
  }
  wipe()
  return decoded ? OK : POINT_REFUSED
}

/** Encrypts TEXT in place under KEY and NONCE. */
export function aeadSeal(textBytes: i32, associatedBytes: i32): i32 {
  if (!fits(textBytes, TAG_BYTES, associatedBytes)) return CAPACITY
  encrypt(TEXT, textBytes, KEY, NONCE, ASSOCIATED, associatedBytes)
  wipeAead()
  return OK
}

/** Decrypts TEXT in place under KEY and NONCE; `sealedBytes` counts the tag. */
export function aeadOpen(sealedBytes: i32, associatedBytes: i32): i32 {
  if (!fits(sealedBytes, 0, associatedBytes)) return CAPACITY
  const opened =
    sealedBytes >= TAG_BYTES && decrypt(TEXT, sealedBytes - TAG_BYTES, KEY, NONCE, ASSOCIATED, associatedBytes)
  wipeAead()
  return opened ? OK : NOT_OPENED
}

/** RESULT = one block of key stream. */
export function chachaBlock(counter: u32): void {
  block(RESULT, KEY, counter, NONCE)
  wipeAead()
}

/** key = H(key || SYMMETRIC), where asked. */
function mixIn(key: usize, mixed: bool): void {
  if (!mixed) return
  memory.copy(PAIRS, key, 32)
  memory.copy(PAIRS + 32, SYMMETRIC, 32)
  hash(key, PAIRS, 64)
}

/** Link packets come by the thousand: only what the AEAD touched is wiped. */
function wipeAead(): void {
  memory.fill(AEAD_SCRATCH, 0, AEAD_SCRATCH_BYTES)
  memory.fill(KEY, 0, 32)
}

function fits(textBytes: i32, addedBytes: i32, associatedBytes: i32): bool {
  // Unsigned, so that a negative length counts as one too large.
  return <u32>textBytes <= <u32>(TEXT_CAPACITY - addedBytes) && <u32>associatedBytes <= <u32>ASSOCIATED_CAPACITY
}
