/**
 * The field of p = 2^255 - 19, two elements at a time: an "element" here is one in each 64-bit lane of five vectors, and
 * whatever is done is done to both. Two builds hold limbs in different ways (fused.ts, integer.ts); the rest of curve/
 * sees addresses of elements, and masks of all ones or zeros in each lane.
 *
 * Bounds are in multiples of R, which each build defines. Products, squares and narrowed elements are R; a sum or
 * difference of two is 2R. `multiply` takes 2R on its left side and R on its right, all else takes R. A "wide" element is
 * a product before carries: wide elements of products of R may be summed, four of them at most, and are then narrowed.
 * The products that curve operations need most end in such sums themselves (`multiplyCombine` and the like).
 */
import { ELEMENT_BYTES, FIELD_SCRATCH, ROOTS_CAPACITY, WIDE_BYTES } from '../layout'
import * as fused from './fused'
import * as integer from './integer'

/** Room for a canonical form, and for the powers below. */
const LIMBS: usize = FIELD_SCRATCH
const WIDE: usize = FIELD_SCRATCH + ELEMENT_BYTES
const OTHER_WIDE: usize = WIDE + WIDE_BYTES
const POWERS: usize = OTHER_WIDE + WIDE_BYTES

// Loaded where they are used: some engines build a vector constant anew each time.
const LIMB_MASK = memory.data<i64>([0x7ffffffffffff], 16)
/** 2p in limbs of 51 bits: the lowest, and all others. */
const TWICE_P = memory.data<i64>([2 * 0x7ffffffffffed, 2 * 0x7ffffffffffff], 16)
const NINETEEN = memory.data<i64>([19], 16)

/** Whether arithmetic does on this machine what it rests on. */
export function holds(): bool {
  return ASC_FEATURE_RELAXED_SIMD ? fused.holds() : integer.holds()
}

/** out = a b. Takes 2R and R. */
export function multiply(out: usize, a: usize, b: usize): void {
  if (!ASC_NO_ASSERT) assertProduct(a, b)
  if (ASC_FEATURE_RELAXED_SIMD) fused.multiply(out, a, b)
  else integer.multiply(out, a, b)
  if (!ASC_NO_ASSERT) assertReduced(out)
}

/** out = a^2. */
export function square(out: usize, a: usize): void {
  if (!ASC_NO_ASSERT) assertReduced(a)
  if (ASC_FEATURE_RELAXED_SIMD) fused.square(out, a)
  else integer.square(out, a)
  if (!ASC_NO_ASSERT) assertReduced(out)
}

/** out = 2 a b. */
export function multiplyTwice(out: usize, a: usize, b: usize): void {
  if (!ASC_NO_ASSERT) {
    assertReduced(a)
    assertReduced(b)
  }
  if (ASC_FEATURE_RELAXED_SIMD) fused.multiplyTwice(out, a, b)
  else integer.multiplyTwice(out, a, b)
  if (!ASC_NO_ASSERT) assertReduced(out)
}

/** out = 2 a^2 - wide, a difference of two products. */
export function squareTwiceLess(out: usize, a: usize, wide: usize): void {
  if (!ASC_NO_ASSERT) assertReduced(a)
  if (ASC_FEATURE_RELAXED_SIMD) fused.squareTwiceLess(out, a, wide)
  else integer.squareTwiceLess(out, a, wide)
  if (!ASC_NO_ASSERT) assertReduced(out)
}

/** sum = a b + wide and difference = a b - wide, a product. Takes 2R and R. */
export function multiplyCombine(sum: usize, difference: usize, wide: usize, a: usize, b: usize): void {
  if (!ASC_NO_ASSERT) assertProduct(a, b)
  if (ASC_FEATURE_RELAXED_SIMD) fused.multiplyCombine(sum, difference, wide, a, b)
  else integer.multiplyCombine(sum, difference, wide, a, b)
  if (!ASC_NO_ASSERT) {
    assertReduced(sum)
    assertReduced(difference)
  }
}

/** sum = a^2 + wide and difference = a^2 - wide, a product; the difference is left in wide as well. */
export function squareCombine(sum: usize, difference: usize, wide: usize, a: usize): void {
  if (!ASC_NO_ASSERT) assertReduced(a)
  if (ASC_FEATURE_RELAXED_SIMD) fused.squareCombine(sum, difference, wide, a)
  else integer.squareCombine(sum, difference, wide, a)
  if (!ASC_NO_ASSERT) {
    assertReduced(sum)
    assertReduced(difference)
  }
}

/** Wide out = a b. Takes 2R and R. */
export function multiplyWide(out: usize, a: usize, b: usize): void {
  if (!ASC_NO_ASSERT) assertProduct(a, b)
  if (ASC_FEATURE_RELAXED_SIMD) fused.multiplyWide(out, a, b)
  else integer.multiplyWide(out, a, b)
}

/** Wide out = a^2. */
export function squareWide(out: usize, a: usize): void {
  if (!ASC_NO_ASSERT) assertReduced(a)
  if (ASC_FEATURE_RELAXED_SIMD) fused.squareWide(out, a)
  else integer.squareWide(out, a)
}

/** Wide out = a. */
export function widen(out: usize, a: usize): void {
  if (!ASC_NO_ASSERT) assertReduced(a)
  if (ASC_FEATURE_RELAXED_SIMD) fused.widen(out, a)
  else integer.widen(out, a)
}

/** out = wide a. */
export function narrow(out: usize, a: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) fused.narrow(out, a)
  else integer.narrow(out, a)
  if (!ASC_NO_ASSERT) assertReduced(out)
}

/** out = wide a + wide b. */
export function narrowSum(out: usize, a: usize, b: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) fused.narrowSum(out, a, b)
  else integer.narrowSum(out, a, b)
  if (!ASC_NO_ASSERT) assertReduced(out)
}

/** out = wide a - wide b. */
export function narrowDifference(out: usize, a: usize, b: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) fused.narrowDifference(out, a, b)
  else integer.narrowDifference(out, a, b)
  if (!ASC_NO_ASSERT) assertReduced(out)
}

/** Wide out = wide a + wide b. */
export function addWide(out: usize, a: usize, b: usize): void {
  for (let at: usize = 0; at < WIDE_USED_BYTES; at += 16) {
    v128.store(out + at, i64x2.add(v128.load(a + at), v128.load(b + at)))
  }
}

/** out = a + b, with no carry: bounds add. */
export function add(out: usize, a: usize, b: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) fused.add(out, a, b)
  else integer.add(out, a, b)
}

/** out = a - b, with no carry: bounds add. */
export function subtract(out: usize, a: usize, b: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) fused.subtract(out, a, b)
  else integer.subtract(out, a, b)
}

/** out = -out where mask is set, bounds as they were. */
export function conditionalNegate(out: usize, mask: v128): void {
  if (ASC_FEATURE_RELAXED_SIMD) fused.conditionalNegate(out, mask)
  else integer.conditionalNegate(out, mask)
}

export function copyElement(out: usize, a: usize): void {
  v128.store(out, v128.load(a))
  v128.store(out, v128.load(a, 16), 16)
  v128.store(out, v128.load(a, 32), 32)
  v128.store(out, v128.load(a, 48), 48)
  v128.store(out, v128.load(a, 64), 64)
}

/** out = a where mask is set. */
export function conditionalMove(out: usize, a: usize, mask: v128): void {
  for (let at: usize = 0; at < ELEMENT_BYTES; at += 16) {
    v128.store(out + at, v128.bitselect(v128.load(a + at), v128.load(out + at), mask))
  }
}

/** out = 0 where mask is set. */
export function conditionalClear(out: usize, mask: v128): void {
  for (let at: usize = 0; at < ELEMENT_BYTES; at += 16) v128.store(out + at, v128.andnot(v128.load(out + at), mask))
}

/** Exchanges a and b where mask is set. */
export function conditionalSwap(a: usize, b: usize, mask: v128): void {
  for (let at: usize = 0; at < ELEMENT_BYTES; at += 16) {
    const x = v128.load(a + at)
    const y = v128.load(b + at)
    const difference = v128.and(v128.xor(x, y), mask)
    v128.store(a + at, v128.xor(x, difference))
    v128.store(b + at, v128.xor(y, difference))
  }
}

/** out = a^(2^times), times at least 1, for `count` elements one after the other. */
function squareTimes(out: usize, a: usize, times: i32, count: i32): void {
  const end = <usize>count * ELEMENT_BYTES
  for (let at: usize = 0; at < end; at += ELEMENT_BYTES) square(out + at, a + at)
  for (let i = 1; i < times; i++) {
    for (let at: usize = 0; at < end; at += ELEMENT_BYTES) square(out + at, out + at)
  }
}

function multiplyEach(out: usize, a: usize, b: usize, count: i32): void {
  const end = <usize>count * ELEMENT_BYTES
  for (let at: usize = 0; at < end; at += ELEMENT_BYTES) multiply(out + at, a + at, b + at)
}

/**
 * out = a^((p - 5) / 8) = a^(2^252 - 3), the power behind square roots (RFC 9496 section 4.2), for `count` elements one
 * after the other: a machine that would wait for each square works on the next element's meanwhile.
 */
export function powersForRoots(out: usize, a: usize, count: i32): void {
  if (!ASC_NO_ASSERT) assert(count > 0 && <usize>count <= ROOTS_CAPACITY)
  const x: usize = POWERS
  const y: usize = x + ROOTS_CAPACITY * ELEMENT_BYTES
  const z: usize = y + ROOTS_CAPACITY * ELEMENT_BYTES
  const base: usize = z + ROOTS_CAPACITY * ELEMENT_BYTES
  for (let at: usize = 0; at < <usize>count * ELEMENT_BYTES; at += ELEMENT_BYTES) copyElement(base + at, a + at)
  squareTimes(x, base, 1, count) // exponent 2
  squareTimes(y, x, 2, count) // 8
  multiplyEach(y, y, base, count) // 9
  multiplyEach(x, x, y, count) // 11
  squareTimes(x, x, 1, count) // 22
  multiplyEach(x, x, y, count) // 31 = 2^5 - 1
  squareTimes(y, x, 5, count)
  multiplyEach(x, y, x, count) // 2^10 - 1
  squareTimes(y, x, 10, count)
  multiplyEach(y, y, x, count) // 2^20 - 1
  squareTimes(z, y, 20, count)
  multiplyEach(y, z, y, count) // 2^40 - 1
  squareTimes(y, y, 10, count)
  multiplyEach(x, y, x, count) // 2^50 - 1
  squareTimes(y, x, 50, count)
  multiplyEach(y, y, x, count) // 2^100 - 1
  squareTimes(z, y, 100, count)
  multiplyEach(y, z, y, count) // 2^200 - 1
  squareTimes(y, y, 50, count)
  multiplyEach(x, y, x, count) // 2^250 - 1
  squareTimes(x, x, 2, count)
  multiplyEach(out, x, base, count) // 2^252 - 3
}

/** out = 1 / a, and 0 for 0: a^(p - 2), p - 2 = 8 (2^252 - 3) + 3. */
export function invert(out: usize, a: usize): void {
  const cube: usize = POWERS + 4 * ROOTS_CAPACITY * ELEMENT_BYTES
  square(cube, a)
  multiply(cube, cube, a)
  powersForRoots(out, a, 1)
  squareTimes(out, out, 3, 1)
  multiply(out, out, cube)
}

/** Reads 32 little-endian bytes a lane, bit 255 ignored; a value of p or more is taken mod p. */
export function fromBytes(out: usize, first: usize, second: usize): void {
  const w0 = i64x2.replace_lane(v128.load64_zero(first), 1, load<i64>(second))
  const w1 = i64x2.replace_lane(v128.load64_zero(first, 8), 1, load<i64>(second, 8))
  const w2 = i64x2.replace_lane(v128.load64_zero(first, 16), 1, load<i64>(second, 16))
  const w3 = i64x2.replace_lane(v128.load64_zero(first, 24), 1, load<i64>(second, 24))
  const mask = v128.load64_splat(LIMB_MASK)
  v128.store(LIMBS, v128.and(w0, mask))
  v128.store(LIMBS, v128.and(v128.or(i64x2.shr_u(w0, 51), i64x2.shl(w1, 13)), mask), 16)
  v128.store(LIMBS, v128.and(v128.or(i64x2.shr_u(w1, 38), i64x2.shl(w2, 26)), mask), 32)
  v128.store(LIMBS, v128.and(v128.or(i64x2.shr_u(w2, 25), i64x2.shl(w3, 39)), mask), 48)
  v128.store(LIMBS, v128.and(i64x2.shr_u(w3, 12), mask), 64)
  if (ASC_FEATURE_RELAXED_SIMD) fused.fromLimbs(WIDE, LIMBS)
  else integer.fromLimbs(WIDE, LIMBS)
  narrow(out, WIDE)
}

/** Writes the values below p as 32 little-endian bytes each. */
export function toBytes(first: usize, second: usize, a: usize): void {
  toCanonical(a)
  const l0 = v128.load(LIMBS)
  const l1 = v128.load(LIMBS, 16)
  const l2 = v128.load(LIMBS, 32)
  const l3 = v128.load(LIMBS, 48)
  const l4 = v128.load(LIMBS, 64)
  storeWords(first, second, v128.or(l0, i64x2.shl(l1, 51)))
  storeWords(first + 8, second + 8, v128.or(i64x2.shr_u(l1, 13), i64x2.shl(l2, 38)))
  storeWords(first + 16, second + 16, v128.or(i64x2.shr_u(l2, 26), i64x2.shl(l3, 25)))
  storeWords(first + 24, second + 24, v128.or(i64x2.shr_u(l3, 39), i64x2.shl(l4, 12)))
}

/** Mask of the lanes whose value below p is odd: RFC 9496 section 3.1 calls it negative. */
export function isNegative(a: usize): v128 {
  toCanonical(a)
  return i64x2.neg(v128.and(v128.load(LIMBS), i64x2.splat(1)))
}

/** Mask of the lanes that are zero mod p. */
export function isZero(a: usize): v128 {
  toCanonical(a)
  const some = v128.or(
    v128.or(v128.or(v128.load(LIMBS), v128.load(LIMBS, 16)), v128.or(v128.load(LIMBS, 32), v128.load(LIMBS, 48))),
    v128.load(LIMBS, 64),
  )
  return i64x2.eq(some, i64x2.splat(0))
}

/** Mask of the lanes in which a and b are the same mod p. */
export function areEqual(a: usize, b: usize): v128 {
  const difference: usize = POWERS
  widen(WIDE, a)
  widen(OTHER_WIDE, b)
  narrowDifference(difference, WIDE, OTHER_WIDE)
  return isZero(difference)
}

/** Whether 32 bytes are an element's canonical encoding: below p, bit 255 ignored. Public data only. */
export function isCanonical(bytes: usize): bool {
  if ((load<u64>(bytes, 24) & 0x7fffffffffffffff) != 0x7fffffffffffffff) return true
  if (load<u64>(bytes, 16) != 0xffffffffffffffff || load<u64>(bytes, 8) != 0xffffffffffffffff) return true
  return load<u64>(bytes) < 0xffffffffffffffed
}

/** Whether all 32 bytes are zero, in time that does not depend on them. */
export function isZeroBytes(bytes: usize): bool {
  return (load<u64>(bytes) | load<u64>(bytes, 8) | load<u64>(bytes, 16) | load<u64>(bytes, 24)) == 0
}

/** LIMBS = the value below p in limbs of 51 bits. */
function toCanonical(a: usize): void {
  if (!ASC_NO_ASSERT) assertReduced(a)
  if (ASC_FEATURE_RELAXED_SIMD) fused.toLimbs(LIMBS, a)
  else integer.toLimbs(LIMBS, a)
  // Limbs of R are below 2^51 in size, so 2p more makes them positive. A round of carries leaves each in its width, but
  // limb 0 up to 38 above it; if that carries in the second, what is left of limb 0 is small. A third would change nothing.
  const mask = v128.load64_splat(LIMB_MASK)
  const twiceP = v128.load64_splat(TWICE_P, 8)
  let l0 = i64x2.add(v128.load(LIMBS), v128.load64_splat(TWICE_P))
  let l1 = i64x2.add(v128.load(LIMBS, 16), twiceP)
  let l2 = i64x2.add(v128.load(LIMBS, 32), twiceP)
  let l3 = i64x2.add(v128.load(LIMBS, 48), twiceP)
  let l4 = i64x2.add(v128.load(LIMBS, 64), twiceP)
  for (let round = 0; round < 2; round++) {
    l1 = i64x2.add(l1, i64x2.shr_u(l0, 51))
    l2 = i64x2.add(l2, i64x2.shr_u(l1, 51))
    l3 = i64x2.add(l3, i64x2.shr_u(l2, 51))
    l4 = i64x2.add(l4, i64x2.shr_u(l3, 51))
    l0 = i64x2.add(v128.and(l0, mask), nineteenTimes(i64x2.shr_u(l4, 51)))
    l1 = v128.and(l1, mask)
    l2 = v128.and(l2, mask)
    l3 = v128.and(l3, mask)
    l4 = v128.and(l4, mask)
  }
  // The value is below 2^255 < 2p. Adding 19 carries out of bit 255 exactly where it is p or more.
  let carry = i64x2.shr_u(i64x2.add(l0, v128.load64_splat(NINETEEN)), 51)
  carry = i64x2.shr_u(i64x2.add(l1, carry), 51)
  carry = i64x2.shr_u(i64x2.add(l2, carry), 51)
  carry = i64x2.shr_u(i64x2.add(l3, carry), 51)
  carry = i64x2.shr_u(i64x2.add(l4, carry), 51)
  l0 = i64x2.add(l0, nineteenTimes(carry))
  l1 = i64x2.add(l1, i64x2.shr_u(l0, 51))
  l2 = i64x2.add(l2, i64x2.shr_u(l1, 51))
  l3 = i64x2.add(l3, i64x2.shr_u(l2, 51))
  l4 = i64x2.add(l4, i64x2.shr_u(l3, 51))
  v128.store(LIMBS, v128.and(l0, mask))
  v128.store(LIMBS, v128.and(l1, mask), 16)
  v128.store(LIMBS, v128.and(l2, mask), 32)
  v128.store(LIMBS, v128.and(l3, mask), 48)
  v128.store(LIMBS, v128.and(l4, mask), 64)
}

function nineteenTimes(x: v128): v128 {
  return i64x2.add(i64x2.add(x, i64x2.shl(x, 1)), i64x2.shl(x, 4))
}

function storeWords(first: usize, second: usize, words: v128): void {
  store<i64>(first, i64x2.extract_lane(words, 0))
  store<i64>(second, i64x2.extract_lane(words, 1))
}

/** Bytes of a wide element that this build uses. */
const WIDE_USED_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 80 : 160

function assertReduced(a: usize): void {
  assert(isWithin(a, 1))
}

function assertProduct(a: usize, b: usize): void {
  assert(isWithin(a, 2) && isWithin(b, 1))
}

function isWithin(a: usize, times: i32): bool {
  return ASC_FEATURE_RELAXED_SIMD ? fused.isWithin(a, times) : integer.isWithin(a, times)
}
