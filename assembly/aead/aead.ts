/**
 * ChaCha20-Poly1305 (RFC 8439 section 2.8), in place: the text is overwritten, the tag stands behind it. The block that
 * gives the one-time key is made together with the first of the text.
 */
import { AEAD_SCRATCH, ZEROS } from '../layout'
import { addStream, BLOCK_BYTES, STREAM, STREAM_BLOCKS, stream } from './chacha20'
import { absorb, finish, start } from './poly1305'

export const TAG_BYTES: i32 = 16

const PADDED: usize = AEAD_SCRATCH + 0x8c0
const TAG: usize = AEAD_SCRATCH + 0x8e0

/** Encrypts `textBytes` at `text` and writes the tag behind them. */
export function encrypt(
  text: usize,
  textBytes: i32,
  key: usize,
  nonce: usize,
  associated: usize,
  associatedBytes: i32,
): void {
  const blocks = begin(textBytes, key, nonce)
  addStreams(text, textBytes, blocks, key, nonce)
  authenticate(text + textBytes, text, textBytes, associated, associatedBytes)
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
  const blocks = begin(textBytes, key, nonce)
  authenticate(TAG, text, textBytes, associated, associatedBytes)
  const tag = text + textBytes
  const difference = (load<u64>(tag) ^ load<u64>(TAG)) | (load<u64>(tag, 8) ^ load<u64>(TAG, 8))
  if (difference) return false
  addStreams(text, textBytes, blocks, key, nonce)
  return true
}

/** Makes the first blocks of key stream, of which block 0 is the one-time key; returns how many. */
function begin(textBytes: i32, key: usize, nonce: usize): i32 {
  const blocks = stream(key, 0, nonce, 1 + blocksOf(textBytes))
  start(STREAM)
  return blocks
}

/** Adds the key stream to the text, with `made` blocks of it at STREAM already. */
function addStreams(text: usize, textBytes: i32, made: i32, key: usize, nonce: usize): void {
  const first = min(textBytes, (made - 1) * BLOCK_BYTES)
  addStream(text, STREAM + <usize>BLOCK_BYTES, first)
  let counter = made
  for (let done = first; done < textBytes; done += STREAM_BLOCKS * BLOCK_BYTES) {
    const left = textBytes - done
    counter += stream(key, counter, nonce, blocksOf(left))
    addStream(text + done, STREAM, min(left, STREAM_BLOCKS * BLOCK_BYTES))
  }
}

function blocksOf(bytes: i32): i32 {
  return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES
}

function authenticate(tag: usize, text: usize, textBytes: i32, associated: usize, associatedBytes: i32): void {
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
