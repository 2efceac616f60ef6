/**
 * ChaCha20 (RFC 8439 sections 2.3 and 2.4). Many blocks are made with one word of four blocks in each vector, the state in
 * memory between quarter rounds: sixteen words and their temporaries do not fit the registers anyway. Four blocks mostly
 * wait for their own results, so eight, as two times four in turns, cost little more. One block alone is made row by row.
 */
import { AEAD_SCRATCH } from '../layout'

export const BLOCK_BYTES: i32 = 64

/** Where `stream` leaves its blocks. */
export const STREAM: usize = AEAD_SCRATCH
/** Blocks that one call of `stream` makes at most. */
export const STREAM_BLOCKS: i32 = 8

/** Sixteen vectors of four blocks. */
const FOUR_BYTES: usize = 256
const INITIAL: usize = STREAM + 2 * FOUR_BYTES
const STATE: usize = INITIAL + 2 * FOUR_BYTES

/** "expand 32-byte k". */
const CONSTANTS = memory.data<u32>([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574], 16)
/** What the counters of four blocks have over the first. */
const COUNTERS = memory.data<u32>([0, 1, 2, 3], 16)
/** Byte orders that rotate each word left by 16 and by 8. In memory: V8 from 13 on builds a constant anew at each use. */
const TURN_16 = memory.data<u8>([2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13], 16)
const TURN_8 = memory.data<u8>([3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14], 16)

/** out = the 64-byte block of key, counter and 12-byte nonce. The state's four rows are four vectors. */
export function block(out: usize, key: usize, counter: u32, nonce: usize): void {
  const constants = v128.load(CONSTANTS)
  const keyLow = v128.load(key)
  const keyHigh = v128.load(key, 16)
  const last = i32x4(counter, load<i32>(nonce), load<i32>(nonce, 4), load<i32>(nonce, 8))
  let a = constants
  let b = keyLow
  let c = keyHigh
  let d = last
  for (let round = 0; round < 10; round++) {
    a = i32x4.add(a, b)
    d = turn(v128.xor(d, a), TURN_16)
    c = i32x4.add(c, d)
    b = rotate(v128.xor(b, c), 12)
    a = i32x4.add(a, b)
    d = turn(v128.xor(d, a), TURN_8)
    c = i32x4.add(c, d)
    b = rotate(v128.xor(b, c), 7)
    // Rows 1 to 3 turn by one, two and three lanes, so that the diagonals stand in columns.
    b = lanes1(b)
    c = lanes2(c)
    d = lanes3(d)
    a = i32x4.add(a, b)
    d = turn(v128.xor(d, a), TURN_16)
    c = i32x4.add(c, d)
    b = rotate(v128.xor(b, c), 12)
    a = i32x4.add(a, b)
    d = turn(v128.xor(d, a), TURN_8)
    c = i32x4.add(c, d)
    b = rotate(v128.xor(b, c), 7)
    b = lanes3(b)
    c = lanes2(c)
    d = lanes1(d)
  }
  v128.store(out, i32x4.add(a, constants))
  v128.store(out, i32x4.add(b, keyLow), 16)
  v128.store(out, i32x4.add(c, keyHigh), 32)
  v128.store(out, i32x4.add(d, last), 48)
}

/** out = blocks `counter` to `counter` + 3, 256 bytes. */
export function blocks4(out: usize, key: usize, counter: u32, nonce: usize): void {
  setUp(0, key, counter, nonce)
  for (let i = 0; i < 10; i++) {
    FourBlocks.columns(STATE)
    FourBlocks.diagonals(STATE)
  }
  finish(out, 0)
}

/** Makes blocks from `counter` on at STREAM, at least `wanted` of them or as many as it makes; returns how many. */
export function stream(key: usize, counter: u32, nonce: usize, wanted: i32): i32 {
  if (wanted <= 1) {
    block(STREAM, key, counter, nonce)
    return 1
  }
  if (wanted <= 4) {
    blocks4(STREAM, key, counter, nonce)
    return 4
  }
  blocks8(STREAM, key, counter, nonce)
  return STREAM_BLOCKS
}

/** Adds `bytes` of key stream to the text in place. */
export function addStream(text: usize, keyStream: usize, bytes: i32): void {
  const whole: usize = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16) {
    v128.store(text + i, v128.xor(v128.load(text + i), v128.load(keyStream + i)))
  }
  for (let i = whole; i < <usize>bytes; i++) store<u8>(text + i, load<u8>(text + i) ^ load<u8>(keyStream + i))
}

function blocks8(out: usize, key: usize, counter: u32, nonce: usize): void {
  setUp(0, key, counter, nonce)
  setUp(FOUR_BYTES, key, counter + 4, nonce)
  for (let i = 0; i < 10; i++) {
    FourBlocks.columns(STATE)
    FourBlocks.columns(STATE + FOUR_BYTES)
    FourBlocks.diagonals(STATE)
    FourBlocks.diagonals(STATE + FOUR_BYTES)
  }
  finish(out, 0)
  finish(out + FOUR_BYTES, FOUR_BYTES)
}

/** Fills a half of INITIAL and of STATE: each word of four blocks, which but for the counter is the same in all. */
function setUp(half: usize, key: usize, counter: u32, nonce: usize): void {
  for (let i: usize = 0; i < 4; i++) setWord(half + 16 * i, v128.load32_splat(CONSTANTS + 4 * i))
  for (let i: usize = 0; i < 8; i++) setWord(half + 64 + 16 * i, v128.load32_splat(key + 4 * i))
  setWord(half + 192, i32x4.add(i32x4.splat(counter), v128.load(COUNTERS)))
  for (let i: usize = 0; i < 3; i++) setWord(half + 208 + 16 * i, v128.load32_splat(nonce + 4 * i))
}

function setWord(at: usize, word: v128): void {
  v128.store(INITIAL + at, word)
  v128.store(STATE + at, word)
}

/** Quarter rounds on the words of four blocks each. A class, because the compiler inlines on demand only what stands in one. */
class FourBlocks {
  @inline
  static columns(state: usize): void {
    FourBlocks.quarterRound(state, state + 64, state + 128, state + 192)
    FourBlocks.quarterRound(state + 16, state + 80, state + 144, state + 208)
    FourBlocks.quarterRound(state + 32, state + 96, state + 160, state + 224)
    FourBlocks.quarterRound(state + 48, state + 112, state + 176, state + 240)
  }

  @inline
  static diagonals(state: usize): void {
    FourBlocks.quarterRound(state, state + 80, state + 160, state + 240)
    FourBlocks.quarterRound(state + 16, state + 96, state + 176, state + 192)
    FourBlocks.quarterRound(state + 32, state + 112, state + 128, state + 208)
    FourBlocks.quarterRound(state + 48, state + 64, state + 144, state + 224)
  }

  /** RFC 8439 section 2.1 on the words at these addresses. */
  @inline
  static quarterRound(atA: usize, atB: usize, atC: usize, atD: usize): void {
    let a = v128.load(atA)
    let b = v128.load(atB)
    let c = v128.load(atC)
    let d = v128.load(atD)
    a = i32x4.add(a, b)
    d = turn(v128.xor(d, a), TURN_16)
    c = i32x4.add(c, d)
    b = rotate(v128.xor(b, c), 12)
    a = i32x4.add(a, b)
    d = turn(v128.xor(d, a), TURN_8)
    c = i32x4.add(c, d)
    b = rotate(v128.xor(b, c), 7)
    v128.store(atA, a)
    v128.store(atB, b)
    v128.store(atC, c)
    v128.store(atD, d)
  }
}

/** Adds INITIAL and writes four blocks, each in a piece. */
function finish(out: usize, half: usize): void {
  for (let row: usize = 0; row < 4; row++) {
    const at = half + 64 * row
    const a = i32x4.add(v128.load(STATE + at), v128.load(INITIAL + at))
    const b = i32x4.add(v128.load(STATE + at, 16), v128.load(INITIAL + at, 16))
    const c = i32x4.add(v128.load(STATE + at, 32), v128.load(INITIAL + at, 32))
    const d = i32x4.add(v128.load(STATE + at, 48), v128.load(INITIAL + at, 48))
    const lowAB = v128.shuffle<u32>(a, b, 0, 4, 1, 5)
    const lowCD = v128.shuffle<u32>(c, d, 0, 4, 1, 5)
    const highAB = v128.shuffle<u32>(a, b, 2, 6, 3, 7)
    const highCD = v128.shuffle<u32>(c, d, 2, 6, 3, 7)
    const to = out + 16 * row
    v128.store(to, v128.shuffle<u64>(lowAB, lowCD, 0, 2))
    v128.store(to, v128.shuffle<u64>(lowAB, lowCD, 1, 3), 64)
    v128.store(to, v128.shuffle<u64>(highAB, highCD, 0, 2), 128)
    v128.store(to, v128.shuffle<u64>(highAB, highCD, 1, 3), 192)
  }
}

function rotate(words: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(words, bits), i32x4.shr_u(words, 32 - bits))
}

/** Rotates each word by whole bytes, in the order that stands at `order`. */
function turn(words: v128, order: usize): v128 {
  return ASC_FEATURE_RELAXED_SIMD
    ? i8x16.relaxed_swizzle(words, v128.load(order))
    : i8x16.swizzle(words, v128.load(order))
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
