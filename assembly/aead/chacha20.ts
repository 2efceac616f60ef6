/**
 * ChaCha20 (RFC 8439 sections 2.3 and 2.4). The state's four rows are four vectors, and two blocks with counters one
 * apart are made together: one block alone waits for its own results, so the second costs almost nothing.
 */
import { AEAD_SCRATCH } from '../layout'

const STREAM: usize = AEAD_SCRATCH
/** Bytes that one call of `blocks` makes. */
const STREAM_BYTES: i32 = 128

/** out = the 64-byte block of key, counter and 12-byte nonce. */
export function block(out: usize, key: usize, counter: u32, nonce: usize): void {
  blocks(STREAM, key, counter, nonce)
  v128.store(out, v128.load(STREAM))
  v128.store(out, v128.load(STREAM, 16), 16)
  v128.store(out, v128.load(STREAM, 32), 32)
  v128.store(out, v128.load(STREAM, 48), 48)
}

/** Adds the key stream, from block `counter` on, to a text in place. */
export function applyStream(text: usize, textBytes: i32, key: usize, counter: u32, nonce: usize): void {
  let at = text
  let left = textBytes
  let next = counter
  while (left >= STREAM_BYTES) {
    blocks(STREAM, key, next, nonce)
    for (let i: usize = 0; i < <usize>STREAM_BYTES; i += 16) {
      v128.store(at + i, v128.xor(v128.load(at + i), v128.load(STREAM + i)))
    }
    at += STREAM_BYTES
    left -= STREAM_BYTES
    next += 2
  }
  if (left == 0) return
  blocks(STREAM, key, next, nonce)
  for (let i: usize = 0; i < <usize>left; i++) store<u8>(at + i, load<u8>(at + i) ^ load<u8>(STREAM + i))
}

/** out = blocks `counter` and `counter + 1`. */
function blocks(out: usize, key: usize, counter: u32, nonce: usize): void {
  const constants = i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)
  const keyLow = v128.load(key)
  const keyHigh = v128.load(key, 16)
  const last = i32x4(counter, load<i32>(nonce), load<i32>(nonce, 4), load<i32>(nonce, 8))
  const lastOfSecond = i32x4.replace_lane(last, 0, counter + 1)
  let a = constants
  let b = keyLow
  let c = keyHigh
  let d = last
  let e = constants
  let f = keyLow
  let g = keyHigh
  let h = lastOfSecond
  for (let round = 0; round < 10; round++) {
    a = i32x4.add(a, b)
    e = i32x4.add(e, f)
    d = rotate16(v128.xor(d, a))
    h = rotate16(v128.xor(h, e))
    c = i32x4.add(c, d)
    g = i32x4.add(g, h)
    b = rotate(v128.xor(b, c), 12)
    f = rotate(v128.xor(f, g), 12)
    a = i32x4.add(a, b)
    e = i32x4.add(e, f)
    d = rotate8(v128.xor(d, a))
    h = rotate8(v128.xor(h, e))
    c = i32x4.add(c, d)
    g = i32x4.add(g, h)
    b = rotate(v128.xor(b, c), 7)
    f = rotate(v128.xor(f, g), 7)
    // Rows 1 to 3 turn by one, two and three lanes, so that the diagonals stand in columns.
    b = lanes1(b)
    f = lanes1(f)
    c = lanes2(c)
    g = lanes2(g)
    d = lanes3(d)
    h = lanes3(h)
    a = i32x4.add(a, b)
    e = i32x4.add(e, f)
    d = rotate16(v128.xor(d, a))
    h = rotate16(v128.xor(h, e))
    c = i32x4.add(c, d)
    g = i32x4.add(g, h)
    b = rotate(v128.xor(b, c), 12)
    f = rotate(v128.xor(f, g), 12)
    a = i32x4.add(a, b)
    e = i32x4.add(e, f)
    d = rotate8(v128.xor(d, a))
    h = rotate8(v128.xor(h, e))
    c = i32x4.add(c, d)
    g = i32x4.add(g, h)
    b = rotate(v128.xor(b, c), 7)
    f = rotate(v128.xor(f, g), 7)
    b = lanes3(b)
    f = lanes3(f)
    c = lanes2(c)
    g = lanes2(g)
    d = lanes1(d)
    h = lanes1(h)
  }
  v128.store(out, i32x4.add(a, constants))
  v128.store(out, i32x4.add(b, keyLow), 16)
  v128.store(out, i32x4.add(c, keyHigh), 32)
  v128.store(out, i32x4.add(d, last), 48)
  v128.store(out, i32x4.add(e, constants), 64)
  v128.store(out, i32x4.add(f, keyLow), 80)
  v128.store(out, i32x4.add(g, keyHigh), 96)
  v128.store(out, i32x4.add(h, lastOfSecond), 112)
}

function rotate(row: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(row, bits), i32x4.shr_u(row, 32 - bits))
}

// Rotations by whole bytes are one shuffle.
function rotate16(row: v128): v128 {
  return v128.shuffle<u8>(row, row, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
}

function rotate8(row: v128): v128 {
  return v128.shuffle<u8>(row, row, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14)
}

function lanes1(row: v128): v128 {
  return v128.shuffle<u32>(row, row, 1, 2, 3, 0)
}

function lanes2(row: v128): v128 {
  return v128.shuffle<u32>(row, row, 2, 3, 0, 1)
}

function lanes3(row: v128): v128 {
  return v128.shuffle<u32>(row, row, 3, 0, 1, 2)
}
