/**
 * Scalars: numbers mod the group order l = 2^252 + c, c of 125 bits, as 32 little-endian bytes (RFC 9496 section 4.4).
 * Inside, 24 limbs of 21 bits, 64 bits each in memory: 252 is twelve times 21, so whatever stands at limb 12 or above
 * folds down by 2^252 = -c. Loops have fixed lengths and no step branches on a value: constant time.
 */
import { DIGITS, SCALAR_SCRATCH } from '../layout'
import { FOLD, ORDER_LIMBS } from './constants'

const LIMBS: usize = SCALAR_SCRATCH
const LIMBS_BYTES: usize = 24 * 8
const PACKED: usize = SCALAR_SCRATCH + LIMBS_BYTES
const PACKED_BYTES: usize = 40
const MASK: i64 = 0x1fffff

/** out = 64 little-endian bytes mod l. */
export function reduceWide(out: usize, bytes: usize): void {
  for (let i: usize = 0; i < 23; i++) store<i64>(LIMBS + 8 * i, limbAt(bytes, i))
  store<i64>(LIMBS, load<u32>(bytes, 60) >> 3, 23 * 8)
  // Limbs below 2^21, the last below 2^29: each fold adds at most 6 * 2^49 to a limb.
  for (let i: usize = 23; i >= 18; i--) fold(i)
  carry(6, 16)
  // Limb 17 below 2^32 in size: each fold adds at most 6 * 2^52, and the number shrinks to below 2^264.
  for (let i: usize = 17; i >= 12; i--) fold(i)
  finish(out)
}

/** out = 32 little-endian bytes mod l. */
export function reduce(out: usize, bytes: usize): void {
  memory.fill(LIMBS, 0, LIMBS_BYTES)
  for (let i: usize = 0; i < 12; i++) store<i64>(LIMBS + 8 * i, limbAt(bytes, i))
  store<i64>(LIMBS, load<u8>(bytes, 31) >> 4, 12 * 8)
  finish(out)
}

/** out = a + b mod l. */
export function addScalars(out: usize, a: usize, b: usize): void {
  memory.fill(LIMBS, 0, LIMBS_BYTES)
  for (let i: usize = 0; i < 12; i++) store<i64>(LIMBS + 8 * i, limbAt(a, i) + limbAt(b, i))
  store<i64>(LIMBS, <i64>(load<u8>(a, 31) >> 4) + <i64>(load<u8>(b, 31) >> 4), 12 * 8)
  finish(out)
}

/**
 * Writes 64 digits, one signed byte each, with scalar = sum of digit i times 16^i, digits 0..62 in -8..7 and the last
 * in 0..8. Takes a scalar below 2^255.
 */
export function recode(digits: usize, scalar: usize): void {
  let over = 0
  for (let i: usize = 0; i < <usize>DIGITS; i++) {
    const nibble = (<i32>load<u8>(scalar + (i >> 1)) >> (4 * (<i32>i & 1))) & 15
    const digit = nibble + over
    over = i < <usize>DIGITS - 1 ? (digit + 8) >> 4 : 0
    store<i8>(digits + i, digit - (over << 4))
  }
}

/** 21 bits of a byte string, from bit 21 i. */
function limbAt(bytes: usize, i: usize): i64 {
  const bit = 21 * <u32>i
  return <i64>(load<u32>(bytes + (bit >> 3)) >> (bit & 7)) & MASK
}

/** Folds limb i, at least 12, onto limbs i - 12 to i - 7. */
function fold(i: usize): void {
  const at = LIMBS + 8 * i
  const limb = load<i64>(at)
  for (let j: usize = 0; j < 6; j++) {
    const target = at - 96 + 8 * j
    store<i64>(target, load<i64>(target) + limb * <i64>load<i32>(FOLD + 4 * j))
  }
  store<i64>(at, 0)
}

/** Carries limbs first to last upwards, leaving them in 0..2^21-1. */
function carry(first: usize, last: usize): void {
  for (let i = first; i <= last; i++) {
    const at = LIMBS + 8 * i
    const limb = load<i64>(at)
    store<i64>(at, limb & MASK)
    store<i64>(at, load<i64>(at, 8) + (limb >> 21), 8)
  }
}

/** Brings limbs 0 to 12, whatever their signs, of a number below 2^264 in size to the one value in 0..l-1. */
function finish(out: usize): void {
  carry(0, 11) // limb 12 now below 2^12 in size
  fold(12)
  carry(0, 11) // the number is in -2^12 c .. 2^252 + 2^12 c, so limb 12 is -1, 0 or 1
  fold(12)
  carry(0, 11) // the number is in -c .. l - 1
  const negative = load<i64>(LIMBS, 12 * 8) >> 63
  for (let i: usize = 0; i <= 12; i++) {
    const at = LIMBS + 8 * i
    store<i64>(at, load<i64>(at) + (<i64>load<i32>(ORDER_LIMBS + 4 * i) & negative))
  }
  carry(0, 11)
  memory.fill(PACKED, 0, PACKED_BYTES)
  for (let i: usize = 0; i <= 12; i++) {
    const bit = 21 * <u32>i
    const at = PACKED + (bit >> 3)
    store<u32>(at, load<u32>(at) | ((<u32>load<i64>(LIMBS + 8 * i)) << (bit & 7)))
  }
  memory.copy(out, PACKED, 32)
}
