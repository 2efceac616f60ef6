/**
 * Recipient slots (PROTOCOL.md section 4): the keys of one slot, the 80-bit permutation that hides a recipient, and
 * S's call that makes all slots of a message.
 */
import { block } from './aead/chacha20'
import { isZeroBytes } from './curve/field'
import { multiplyComb } from './curve/multiply'
import { decode, encode } from './curve/ristretto'
import { addScalars, reduceWide } from './curve/scalar'
import {
  COMB_GENERATOR,
  COMB_SERVER,
  COPIES_CAPACITY,
  ENTROPY,
  LABEL_SLOT_KEYS,
  LABEL_SLOT_OFFSET,
  OUTPUT,
  POINT,
  POINT_BYTES,
  RECEIPT_KEYS,
  RESULT,
  SECOND_POINT,
  SLOT_SCRATCH,
} from './layout'
import { multiplyOnce, sharedKey, wipe } from './seal'
import { CAPACITY, OK, POINT_REFUSED } from './status'

/** Bytes of a slot: an id of 8 and an access code of 2. */
export const SLOT_BYTES: i32 = 10

const HALF: u64 = 0xffffffffff
const ROUNDS: u32 = 4

const STREAM: usize = SLOT_SCRATCH
const TWEAK: usize = SLOT_SCRATCH + 64
const KEYS: usize = SLOT_SCRATCH + 80
const BLINDING: usize = SLOT_SCRATCH + 144
const OFFSET: usize = SLOT_SCRATCH + 176
const PRODUCT: usize = SLOT_SCRATCH + 208
const ENCODING: usize = PRODUCT + POINT_BYTES

// Results of makeSlots, from RESULT on.
const REQUEST_KEY: usize = RESULT + 32
const ONE_TIME_BASE: usize = RESULT + 64
const ONE_TIME_KEY: usize = RESULT + 96

/** out = slot key || receipt key, 64 bytes, from R_i and Z_i. */
export function slotKeys(out: usize, encoding: usize, z: usize): void {
  sharedKey(out, encoding, z)
  block(out, out, 0, LABEL_SLOT_KEYS)
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
    for (let i = 0; i < count; i++) {
      slotKeysOfSender(i)
      const slot = OUTPUT + SLOT_BYTES * i
      permute(slot, slot, KEYS, window, copyBytes)
      memory.copy(RECEIPT_KEYS + 32 * i, KEYS + 32, 32)
    }
  }
  wipe()
  return status
}

/** R = [r]B, K2 = H(R || [r]Q), B' = [h]B, G' = [h]G; r stays in BLINDING. */
function makeRequestPoints(): i32 {
  reduceWide(BLINDING, ENTROPY)
  reduceWide(OFFSET, ENTROPY + 64)
  if (isZeroBytes(BLINDING) || isZeroBytes(OFFSET)) return POINT_REFUSED
  multiplyComb(PRODUCT, BLINDING, COMB_GENERATOR)
  encode(RESULT, PRODUCT)
  if (!decode(PRODUCT, POINT)) return POINT_REFUSED
  multiplyOnce(PRODUCT, BLINDING, PRODUCT)
  sharedKey(REQUEST_KEY, RESULT, PRODUCT)
  multiplyComb(PRODUCT, OFFSET, COMB_GENERATOR)
  encode(ONE_TIME_BASE, PRODUCT)
  if (!decode(PRODUCT, SECOND_POINT)) return POINT_REFUSED
  multiplyOnce(PRODUCT, OFFSET, PRODUCT)
  encode(ONE_TIME_KEY, PRODUCT)
  return OK
}

/** KEYS of slot i: S knows the logarithm r + t_i of R_i, so R_i = [r + t_i]B and Z_i = [r + t_i]C. */
function slotKeysOfSender(i: i32): void {
  block(STREAM, REQUEST_KEY, i, LABEL_SLOT_OFFSET)
  reduceWide(OFFSET, STREAM)
  addScalars(OFFSET, OFFSET, BLINDING)
  multiplyComb(PRODUCT, OFFSET, COMB_GENERATOR)
  encode(ENCODING, PRODUCT)
  multiplyComb(PRODUCT, OFFSET, COMB_SERVER)
  slotKeys(KEYS, ENCODING, PRODUCT)
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
