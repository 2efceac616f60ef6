/**
 * Recipient slots (PROTOCOL.md section 4): the keys of one slot, the 80-bit permutation that hides a recipient, and
 * S's call that makes all slots of a message.
 */
import { block, blocks4 } from './aead/chacha20'
import { BATCH, multiplyComb } from './curve/comb'
import { pointAt } from './curve/edwards'
import { isZeroBytes } from './curve/field'
import { encodeDoubled } from './curve/ristretto'
import { addScalars, reduceWide } from './curve/scalar'
import { multiplyWindow } from './curve/window'
import {
  COMB_GENERATOR,
  COMB_SERVER,
  COPIES_CAPACITY,
  ENTROPY,
  LABEL_SLOT_KEYS,
  LABEL_SLOT_OFFSET,
  OUTPUT,
  PERMUTE_SCRATCH,
  POINT,
  POINT_BYTES,
  RECEIPT_KEYS,
  RESULT,
  SECOND_POINT,
  SLOT_SCRATCH,
} from './layout'
import { decodeBesideGenerator, hashPairs, wipe } from './seal'
import { CAPACITY, OK, POINT_REFUSED } from './status'

/** Bytes of a slot: an id of 8 and an access code of 2. */
export const SLOT_BYTES: i32 = 10

const HALF: u64 = 0xffffffffff
const ROUNDS: u32 = 4

const STREAM: usize = PERMUTE_SCRATCH
const TWEAK: usize = PERMUTE_SCRATCH + 64
const KEYS: usize = SLOT_SCRATCH
const BLINDING: usize = KEYS + 64
const STREAMS: usize = BLINDING + 32
const SCALARS: usize = STREAMS + 256
const POINTS: usize = SCALARS + 32 * <usize>BATCH
const ENCODINGS: usize = POINTS + <usize>BATCH * POINT_BYTES
const PAIRS: usize = ENCODINGS + 64 * <usize>BATCH
const SHARED: usize = PAIRS + 64 * <usize>BATCH
export const SLOT_SCRATCH_BYTES: usize = SHARED + 32 * <usize>BATCH - SLOT_SCRATCH

// Results of makeSlots, from RESULT on.
const REQUEST_KEY: usize = RESULT + 32
const ONE_TIME_BASE: usize = RESULT + 64
const ONE_TIME_KEY: usize = RESULT + 96

/** out = slot key || receipt key, 64 bytes, from the key H(R_i || Z_i). */
export function slotKeys(out: usize, shared: usize): void {
  block(out, shared, 0, LABEL_SLOT_KEYS)
}

/** out = the 10 bytes at `slot` permuted. */
export function permute(out: usize, slot: usize, slotKey: usize, window: u32, copyBytes: u32): void {
  let left = load<u64>(slot) & HALF
  let right = load<u64>(slot, 2) >> 24
  for (let round: u32 = 0; round < ROUNDS; round++) {
    const mixed = left ^ scrambledHalf(right, round, slotKey, window, copyBytes)
    left = right
    right = mixed
  }
  storeHalves(out, left, right)
}

/** out = the 10 bytes whose permutation stands at `slot`. */
export function unpermute(out: usize, slot: usize, slotKey: usize, window: u32, copyBytes: u32): void {
  let left = load<u64>(slot) & HALF
  let right = load<u64>(slot, 2) >> 24
  for (let round: u32 = ROUNDS; round > 0; round--) {
    const mixed = right ^ scrambledHalf(left, round - 1, slotKey, window, copyBytes)
    right = left
    left = mixed
  }
  storeHalves(out, left, right)
}

/**
 * S's side. POINT is P2's key Q, SECOND_POINT is G; C's comb is prepared; ENTROPY holds 64 bytes for r and 64 for h.
 * Turns `count` recipients at OUTPUT into slots in place, with receipt keys at RECEIPT_KEYS and, from RESULT on, R, K2,
 * B' and G'.
 */
export function makeSlots(count: i32, window: u32, copyBytes: u32): i32 {
  if (<u32>count > <u32>COPIES_CAPACITY) return CAPACITY
  const status = makeRequestPoints()
  if (status == OK) {
    for (let done = 0; done < count; done += BATCH) makeBatch(done, min(BATCH, count - done), window, copyBytes)
  }
  wipe()
  return status
}

/** R = [r]B, K2 = H(R || [r]Q), B' = [h]B, G' = [h]G; r stays in BLINDING. */
function makeRequestPoints(): i32 {
  reduceWide(BLINDING, ENTROPY)
  reduceWide(SCALARS, ENTROPY + 64)
  if (isZeroBytes(BLINDING) || isZeroBytes(SCALARS)) return POINT_REFUSED
  if (!multiplyBeside(ENCODINGS, BLINDING, POINT)) return POINT_REFUSED
  memory.copy(RESULT, ENCODINGS, 32)
  hashPairs(REQUEST_KEY, ENCODINGS, 1)
  if (!multiplyBeside(ENCODINGS, SCALARS, SECOND_POINT)) return POINT_REFUSED
  memory.copy(ONE_TIME_BASE, ENCODINGS, 64)
  return OK
}

/** Writes the encodings of [scalar]B and of [scalar] times the point encoded at `point`. */
function multiplyBeside(encodings: usize, scalar: usize, point: usize): bool {
  if (!decodeBesideGenerator(POINTS, point)) return false
  multiplyWindow(POINTS, scalar, scalar, POINTS, true)
  encodeDoubled(encodings, POINTS, 1)
  return true
}

/** Slots first..first+size-1. S knows the logarithm r + t_i of half of R_i, so R_i = 2 [r + t_i]B, Z_i = 2 [r + t_i]C. */
function makeBatch(first: i32, size: i32, window: u32, copyBytes: u32): void {
  for (let i = 0; i < size; i++) {
    if ((i & 3) == 0) blocks4(STREAMS, REQUEST_KEY, first + i, LABEL_SLOT_OFFSET)
    reduceWide(SCALARS + 32 * i, STREAMS + 64 * (i & 3))
    addScalars(SCALARS + 32 * i, SCALARS + 32 * i, BLINDING)
  }
  const pairs = (size + 1) >> 1
  multiplyComb(POINTS, SCALARS, size, COMB_GENERATOR, false)
  multiplyComb(pointAt(POINTS, pairs), SCALARS, size, COMB_SERVER, false)
  encodeDoubled(ENCODINGS, POINTS, 2 * pairs)
  for (let i = 0; i < size; i++) {
    memory.copy(PAIRS + 64 * i, ENCODINGS + 32 * i, 32)
    memory.copy(PAIRS + 64 * i + 32, ENCODINGS + 64 * pairs + 32 * i, 32)
  }
  hashPairs(SHARED, PAIRS, size)
  for (let i = 0; i < size; i++) {
    slotKeys(KEYS, SHARED + 32 * i)
    const slot = OUTPUT + SLOT_BYTES * (first + i)
    permute(slot, slot, KEYS, window, copyBytes)
    memory.copy(RECEIPT_KEYS + 32 * (first + i), KEYS + 32, 32)
  }
}

/** F_j(x): the first 5 bytes of block(slot key, j, x || window || copy bytes), numbers big endian. */
function scrambledHalf(half: u64, round: u32, slotKey: usize, window: u32, copyBytes: u32): u64 {
  store<u64>(TWEAK, half)
  store<u32>(TWEAK, bswap<u32>(window), 5)
  store<u32>(TWEAK, bswap<u32>(copyBytes << 8), 9)
  block(STREAM, slotKey, round, TWEAK)
  return load<u64>(STREAM) & HALF
}

function storeHalves(out: usize, left: u64, right: u64): void {
  store<u64>(out, left | (right << 40))
  store<u16>(out, <u16>(right >> 24), 8)
}
