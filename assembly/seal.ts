/**
 * The one sealing operation (PROTOCOL.md section 2): E || AEAD under H(E || Z), with a shared secret mixed in where both
 * ends have one. Also the key by which P2 opens a request, and the wiping of what calls leave behind.
 */
import { decrypt, encrypt, TAG_BYTES } from './aead/aead'
import { block } from './aead/chacha20'
import { isZeroBytes } from './curve/field'
import { buildComb, buildWindow, multiplyComb, multiplyWindow } from './curve/multiply'
import { decode, encode } from './curve/ristretto'
import { reduce, reduceWide } from './curve/scalar'
import { hash } from './hash/sha256'
import {
  AEAD_SCRATCH,
  AEAD_SCRATCH_BYTES,
  ARGUMENTS,
  ASSOCIATED,
  ASSOCIATED_CAPACITY,
  COMB_GENERATOR,
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
  WINDOW_SCRATCH,
} from './layout'
import { CAPACITY, NOT_OPENED, OK, POINT_REFUSED } from './status'

/** Bytes that sealing adds: E and the tag. */
export const SEAL_BYTES: i32 = 48

const PAIR: usize = SEAL_SCRATCH
const SCALAR: usize = SEAL_SCRATCH + 64
const SHARED: usize = SEAL_SCRATCH + 96
const EPHEMERAL: usize = SEAL_SCRATCH + 160
const PRODUCT: usize = EPHEMERAL + POINT_BYTES

/** From this many trials on, a comb for the point pays. */
const COMB_FROM_TRIALS: i32 = 4

/** out = H(encoding || encoding of z), the 32-byte key of a seal. */
export function sharedKey(out: usize, encoding: usize, z: usize): void {
  memory.copy(PAIR, encoding, 32)
  encode(PAIR + 32, z)
  hash(out, PAIR, 64)
}

/** out = [secret]p with the window scratch, for a secret that need not be below l. */
export function multiplyOnce(out: usize, secret: usize, p: usize): void {
  reduce(SCALAR, secret)
  buildWindow(WINDOW_SCRATCH, p)
  multiplyWindow(out, SCALAR, WINDOW_SCRATCH)
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
  reduceWide(SCALAR, ENTROPY)
  if (!decode(PRODUCT, POINT) || isZeroBytes(SCALAR)) return POINT_REFUSED
  multiplyComb(EPHEMERAL, SCALAR, COMB_GENERATOR)
  encode(TEXT, EPHEMERAL)
  buildWindow(WINDOW_SCRATCH, PRODUCT)
  multiplyWindow(PRODUCT, SCALAR, WINDOW_SCRATCH)
  trialKey(PRODUCT, mixed)
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
  if (!decode(EPHEMERAL, TEXT)) return NOT_OPENED
  const many = count >= COMB_FROM_TRIALS
  if (many) buildComb(COMB_TRIAL, EPHEMERAL)
  else buildWindow(WINDOW_SCRATCH, EPHEMERAL)
  for (let i = 0; i < count; i++) {
    reduce(SCALAR, SECRETS + 32 * i)
    if (many) multiplyComb(PRODUCT, SCALAR, COMB_TRIAL)
    else multiplyWindow(PRODUCT, SCALAR, WINDOW_SCRATCH)
    trialKey(PRODUCT, mixed)
    if (decrypt(TEXT + 32, textBytes, SHARED, NONCE, ASSOCIATED, associatedBytes)) return i
  }
  return NOT_OPENED
}

/** RESULT = H(POINT || [SECRET]POINT). */
export function requestKey(): i32 {
  const decoded = decode(EPHEMERAL, POINT)
  if (decoded) {
    multiplyOnce(PRODUCT, SECRET, EPHEMERAL)
    sharedKey(RESULT, POINT, PRODUCT)
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

/** SHARED = the key of E at TEXT and Z = product, with SYMMETRIC mixed in where asked. */
function trialKey(product: usize, mixed: bool): void {
  sharedKey(SHARED, TEXT, product)
  if (!mixed) return
  memory.copy(SHARED + 32, SYMMETRIC, 32)
  hash(SHARED, SHARED, 64)
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
