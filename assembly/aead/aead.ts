/**
 * ChaCha20-Poly1305 (RFC 8439 section 2.8), in place: the text is overwritten, the tag stands behind it.
 */
import { AEAD_SCRATCH, ZEROS } from '../layout'
import { applyStream, block } from './chacha20'
import { absorb, finish, start } from './poly1305'

export const TAG_BYTES: i32 = 16

const FIRST_BLOCK: usize = AEAD_SCRATCH + 224
const PADDED: usize = AEAD_SCRATCH + 288
const TAG: usize = AEAD_SCRATCH + 304

/** Encrypts `textBytes` at `text` and writes the tag behind them. */
export function encrypt(
  text: usize,
  textBytes: i32,
  key: usize,
  nonce: usize,
  associated: usize,
  associatedBytes: i32,
): void {
  applyStream(text, textBytes, key, 1, nonce)
  authenticate(text + textBytes, text, textBytes, key, nonce, associated, associatedBytes)
}

/** Decrypts `textBytes` at `text`, with the tag behind them, where the tag fits; else leaves all as it was. */
export function decrypt(
  text: usize,
  textBytes: i32,
  key: usize,
  nonce: usize,
  associated: usize,
  associatedBytes: i32,
): bool {
  authenticate(TAG, text, textBytes, key, nonce, associated, associatedBytes)
  const tag = text + textBytes
  const difference = (load<u64>(tag) ^ load<u64>(TAG)) | (load<u64>(tag, 8) ^ load<u64>(TAG, 8))
  if (difference) return false
  applyStream(text, textBytes, key, 1, nonce)
  return true
}

function authenticate(
  tag: usize,
  text: usize,
  textBytes: i32,
  key: usize,
  nonce: usize,
  associated: usize,
  associatedBytes: i32,
): void {
  block(FIRST_BLOCK, key, 0, nonce)
  start(FIRST_BLOCK)
  absorbPadded(associated, associatedBytes)
  absorbPadded(text, textBytes)
  store<u64>(PADDED, associatedBytes)
  store<u64>(PADDED, textBytes, 8)
  absorb(PADDED, 16)
  finish(tag)
}

function absorbPadded(text: usize, textBytes: i32): void {
  const whole = textBytes & ~15
  absorb(text, whole)
  if (whole == textBytes) return
  v128.store(PADDED, v128.load(ZEROS))
  memory.copy(PADDED, text + whole, textBytes - whole)
  absorb(PADDED, 16)
}
