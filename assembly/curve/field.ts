/**
 * The field of p = 2^255 - 19 elements, in radix 2^25.5: value = sum of limb i times 2^ceil(25.5 i), limbs signed.
 * This is the only file that knows the representation; the rest of curve/ sees addresses of elements.
 *
 * Bounds. "Reduced", R: even limbs at most 1.01 * 2^25 in size, odd ones 1.01 * 2^24. `multiply`, the squarings and
 * `fromBytes` give R or, `fromBytes` alone, 2R. Sums count up: R + R is 2R. `multiply`, the squarings and `toBytes`
 * take up to 3R. The debug build asserts 3R on every operand and every sum.
 */
import { ELEMENT_BYTES, FIELD_SCRATCH } from '../layout'

// 3R, rounded up: products of two such columns stay below 2^61 with the factors 19 and 38 (see carryInto).
const EVEN_LIMIT: i32 = 102_000_000
const ODD_LIMIT: i32 = 51_000_000

export function copyElement(out: usize, a: usize): void {
  v128.store(out, v128.load(a))
  v128.store(out, v128.load(a, 16), 16)
  v128.store(out, v128.load(a, 32), 32)
}

/** out = value, for a value of at most 25 bits. */
export function setSmall(out: usize, value: i32): void {
  memory.fill(out, 0, ELEMENT_BYTES)
  store<i32>(out, value)
}

/** out = a + b, with no carry: bounds add. */
export function add(out: usize, a: usize, b: usize): void {
  v128.store(out, i32x4.add(v128.load(a), v128.load(b)))
  v128.store(out, i32x4.add(v128.load(a, 16), v128.load(b, 16)), 16)
  v128.store(out, i32x4.add(v128.load(a, 32), v128.load(b, 32)), 32)
  if (!ASC_NO_ASSERT) assertLoose(out)
}

/** out = a - b, with no carry: bounds add. */
export function subtract(out: usize, a: usize, b: usize): void {
  v128.store(out, i32x4.sub(v128.load(a), v128.load(b)))
  v128.store(out, i32x4.sub(v128.load(a, 16), v128.load(b, 16)), 16)
  v128.store(out, i32x4.sub(v128.load(a, 32), v128.load(b, 32)), 32)
  if (!ASC_NO_ASSERT) assertLoose(out)
}

/** out = -a, bounds as they were. */
export function negate(out: usize, a: usize): void {
  v128.store(out, i32x4.neg(v128.load(a)))
  v128.store(out, i32x4.neg(v128.load(a, 16)), 16)
  v128.store(out, i32x4.neg(v128.load(a, 32)), 32)
}

/** out = flag ? a : out, flag 0 or 1, in time that does not depend on it. */
export function conditionalMove(out: usize, a: usize, flag: i32): void {
  const mask = i32x4.splat(-flag)
  v128.store(out, v128.bitselect(v128.load(a), v128.load(out), mask))
  v128.store(out, v128.bitselect(v128.load(a, 16), v128.load(out, 16), mask), 16)
  v128.store(out, v128.bitselect(v128.load(a, 32), v128.load(out, 32), mask), 32)
}

/** out = flag ? -out : out, flag 0 or 1, in time that does not depend on it. */
export function conditionalNegate(out: usize, flag: i32): void {
  const mask = i32x4.splat(-flag)
  const one = i32x4.splat(flag)
  v128.store(out, i32x4.add(v128.xor(v128.load(out), mask), one))
  v128.store(out, i32x4.add(v128.xor(v128.load(out, 16), mask), one), 16)
  v128.store(out, i32x4.add(v128.xor(v128.load(out, 32), mask), one), 32)
}

/** out = a * b. Takes 3R, gives R. */
export function multiply(out: usize, a: usize, b: usize): void {
  if (!ASC_NO_ASSERT) assertLoose(a)
  if (!ASC_NO_ASSERT) assertLoose(b)
  const a0: i64 = load<i32>(a, 0)
  const a1: i64 = load<i32>(a, 4)
  const a2: i64 = load<i32>(a, 8)
  const a3: i64 = load<i32>(a, 12)
  const a4: i64 = load<i32>(a, 16)
  const a5: i64 = load<i32>(a, 20)
  const a6: i64 = load<i32>(a, 24)
  const a7: i64 = load<i32>(a, 28)
  const a8: i64 = load<i32>(a, 32)
  const a9: i64 = load<i32>(a, 36)
  const b0: i64 = load<i32>(b, 0)
  const b1: i64 = load<i32>(b, 4)
  const b2: i64 = load<i32>(b, 8)
  const b3: i64 = load<i32>(b, 12)
  const b4: i64 = load<i32>(b, 16)
  const b5: i64 = load<i32>(b, 20)
  const b6: i64 = load<i32>(b, 24)
  const b7: i64 = load<i32>(b, 28)
  const b8: i64 = load<i32>(b, 32)
  const b9: i64 = load<i32>(b, 36)
  // Two odd limbs meet half a bit above their column, hence the doubles; what passes 2^255 comes back times 19.
  const a1d = 2 * a1
  const a3d = 2 * a3
  const a5d = 2 * a5
  const a7d = 2 * a7
  const a9d = 2 * a9
  const b1n = 19 * b1
  const b2n = 19 * b2
  const b3n = 19 * b3
  const b4n = 19 * b4
  const b5n = 19 * b5
  const b6n = 19 * b6
  const b7n = 19 * b7
  const b8n = 19 * b8
  const b9n = 19 * b9
  const c0 =
    a0 * b0 + a1d * b9n + a2 * b8n + a3d * b7n + a4 * b6n + a5d * b5n + a6 * b4n + a7d * b3n + a8 * b2n + a9d * b1n
  const c1 = a0 * b1 + a1 * b0 + a2 * b9n + a3 * b8n + a4 * b7n + a5 * b6n + a6 * b5n + a7 * b4n + a8 * b3n + a9 * b2n
  const c2 =
    a0 * b2 + a1d * b1 + a2 * b0 + a3d * b9n + a4 * b8n + a5d * b7n + a6 * b6n + a7d * b5n + a8 * b4n + a9d * b3n
  const c3 = a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + a4 * b9n + a5 * b8n + a6 * b7n + a7 * b6n + a8 * b5n + a9 * b4n
  const c4 = a0 * b4 + a1d * b3 + a2 * b2 + a3d * b1 + a4 * b0 + a5d * b9n + a6 * b8n + a7d * b7n + a8 * b6n + a9d * b5n
  const c5 = a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0 + a6 * b9n + a7 * b8n + a8 * b7n + a9 * b6n
  const c6 = a0 * b6 + a1d * b5 + a2 * b4 + a3d * b3 + a4 * b2 + a5d * b1 + a6 * b0 + a7d * b9n + a8 * b8n + a9d * b7n
  const c7 = a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0 + a8 * b9n + a9 * b8n
  const c8 = a0 * b8 + a1d * b7 + a2 * b6 + a3d * b5 + a4 * b4 + a5d * b3 + a6 * b2 + a7d * b1 + a8 * b0 + a9d * b9n
  const c9 = a0 * b9 + a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1 + a9 * b0
  carryInto(out, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9)
}

/** out = a^2. Takes 3R, gives R. */
export function square(out: usize, a: usize): void {
  squareShifted(out, a, 0)
}

/** out = 2 a^2. Takes 3R, gives R. */
export function squareDoubled(out: usize, a: usize): void {
  squareShifted(out, a, 1)
}

/** out = a^(2^times), times at least 1. Takes 3R, gives R. */
export function squareTimes(out: usize, a: usize, times: i32): void {
  square(out, a)
  for (let i = 1; i < times; i++) square(out, out)
}

/** out = a^((p - 5) / 8) = a^(2^252 - 3), the power behind square roots (RFC 9496 section 4.2). Takes 3R, gives R. */
export function powerForRoot(out: usize, a: usize): void {
  const x: usize = FIELD_SCRATCH
  const y: usize = FIELD_SCRATCH + ELEMENT_BYTES
  const z: usize = FIELD_SCRATCH + 2 * ELEMENT_BYTES
  const base: usize = FIELD_SCRATCH + 3 * ELEMENT_BYTES
  copyElement(base, a)
  square(x, base) // exponent 2
  squareTimes(y, x, 2) // 8
  multiply(y, y, base) // 9
  multiply(x, x, y) // 11
  square(x, x) // 22
  multiply(x, x, y) // 31 = 2^5 - 1
  squareTimes(y, x, 5)
  multiply(x, x, y) // 2^10 - 1
  squareTimes(y, x, 10)
  multiply(y, y, x) // 2^20 - 1
  squareTimes(z, y, 20)
  multiply(y, z, y) // 2^40 - 1
  squareTimes(y, y, 10)
  multiply(x, y, x) // 2^50 - 1
  squareTimes(y, x, 50)
  multiply(y, y, x) // 2^100 - 1
  squareTimes(z, y, 100)
  multiply(y, z, y) // 2^200 - 1
  squareTimes(y, y, 50)
  multiply(x, y, x) // 2^250 - 1
  squareTimes(x, x, 2)
  multiply(out, x, base) // 2^252 - 3
}

/** Reads 32 little-endian bytes, bit 255 ignored; a value of p or more is taken mod p. Gives 2R. */
export function fromBytes(out: usize, bytes: usize): void {
  const even: u32 = 0x3ffffff
  const odd: u32 = 0x1ffffff
  store<u32>(out, load<u32>(bytes) & even, 0) // bits 0..25
  store<u32>(out, (load<u32>(bytes, 3) >> 2) & odd, 4) // 26..50
  store<u32>(out, (load<u32>(bytes, 6) >> 3) & even, 8) // 51..76
  store<u32>(out, (load<u32>(bytes, 9) >> 5) & odd, 12) // 77..101
  store<u32>(out, (load<u32>(bytes, 12) >> 6) & even, 16) // 102..127
  store<u32>(out, load<u32>(bytes, 16) & odd, 20) // 128..152
  store<u32>(out, (load<u32>(bytes, 19) >> 1) & even, 24) // 153..178
  store<u32>(out, (load<u32>(bytes, 22) >> 3) & odd, 28) // 179..203
  store<u32>(out, (load<u32>(bytes, 25) >> 4) & even, 32) // 204..229
  store<u32>(out, (load<u32>(bytes, 28) >> 6) & odd, 36) // 230..254
  store<u64>(out, 0, 40)
}

/** Writes the one value below p as 32 little-endian bytes. Takes 3R. */
export function toBytes(out: usize, a: usize): void {
  if (!ASC_NO_ASSERT) assertLoose(a)
  const limbs: usize = FIELD_SCRATCH + 4 * ELEMENT_BYTES
  // Adding 4p makes every limb positive, since 3R is below four times 2^26 and 2^25; then two rounds of carries
  // leave each limb within its width, limb 0 at most by one carry of 19 above it, and a third round settles that.
  for (let i: usize = 0; i < 10; i++) {
    const width: u32 = i & 1 ? 0x1ffffff : 0x3ffffff
    store<i32>(limbs + 4 * i, load<i32>(a + 4 * i) + 4 * (i == 0 ? <i32>width - 18 : <i32>width))
  }
  for (let round = 0; round < 3; round++) {
    const top = carryUnsigned(limbs)
    store<i32>(limbs, load<i32>(limbs) + 19 * top)
  }
  // The value is below 2^255 < 2p. Adding 19 carries out of bit 255 exactly where it is p or more.
  copyElement(limbs + ELEMENT_BYTES, limbs)
  store<i32>(limbs + ELEMENT_BYTES, load<i32>(limbs) + 19)
  const above = carryUnsigned(limbs + ELEMENT_BYTES)
  store<i32>(limbs, load<i32>(limbs) + 19 * above)
  carryUnsigned(limbs)
  pack(out, limbs)
}

/** 1 where the value below p is odd: RFC 9496 section 3.1 calls it negative. Takes 3R. */
export function isNegative(a: usize): i32 {
  const bytes: usize = FIELD_SCRATCH + 6 * ELEMENT_BYTES
  toBytes(bytes, a)
  return load<u8>(bytes) & 1
}

/** 1 where the value is 0 mod p. Takes 3R. */
export function isZero(a: usize): i32 {
  const bytes: usize = FIELD_SCRATCH + 6 * ELEMENT_BYTES
  toBytes(bytes, a)
  return isZeroBytes(bytes)
}

/** 1 where all of 32 bytes are zero. */
export function isZeroBytes(bytes: usize): i32 {
  const any = load<u64>(bytes) | load<u64>(bytes, 8) | load<u64>(bytes, 16) | load<u64>(bytes, 24)
  return 1 ^ <i32>((any | (0 - any)) >> 63)
}

/** 1 where 32 bytes, bit 255 left out, stand for a value below p. Public data only. */
export function isCanonical(bytes: usize): bool {
  if ((load<u64>(bytes, 24) & 0x7fffffffffffffff) != 0x7fffffffffffffff) return true
  if (load<u64>(bytes, 16) != 0xffffffffffffffff || load<u64>(bytes, 8) != 0xffffffffffffffff) return true
  return load<u64>(bytes) < 0xffffffffffffffed
}

function squareShifted(out: usize, a: usize, shift: i64): void {
  if (!ASC_NO_ASSERT) assertLoose(a)
  const a0: i64 = load<i32>(a, 0)
  const a1: i64 = load<i32>(a, 4)
  const a2: i64 = load<i32>(a, 8)
  const a3: i64 = load<i32>(a, 12)
  const a4: i64 = load<i32>(a, 16)
  const a5: i64 = load<i32>(a, 20)
  const a6: i64 = load<i32>(a, 24)
  const a7: i64 = load<i32>(a, 28)
  const a8: i64 = load<i32>(a, 32)
  const a9: i64 = load<i32>(a, 36)
  const a0d = 2 * a0
  const a1d = 2 * a1
  const a1q = 4 * a1
  const a2d = 2 * a2
  const a3d = 2 * a3
  const a3q = 4 * a3
  const a4d = 2 * a4
  const a5d = 2 * a5
  const a5n = 19 * a5
  const a5q = 4 * a5
  const a6d = 2 * a6
  const a6n = 19 * a6
  const a7d = 2 * a7
  const a7n = 19 * a7
  const a7q = 4 * a7
  const a8d = 2 * a8
  const a8n = 19 * a8
  const a9d = 2 * a9
  const a9n = 19 * a9
  const c0 = a0 * a0 + a1q * a9n + a2d * a8n + a3q * a7n + a4d * a6n + a5d * a5n
  const c1 = a0d * a1 + a2d * a9n + a3d * a8n + a4d * a7n + a5d * a6n
  const c2 = a0d * a2 + a1d * a1 + a3q * a9n + a4d * a8n + a5q * a7n + a6 * a6n
  const c3 = a0d * a3 + a1d * a2 + a4d * a9n + a5d * a8n + a6d * a7n
  const c4 = a0d * a4 + a1q * a3 + a2 * a2 + a5q * a9n + a6d * a8n + a7d * a7n
  const c5 = a0d * a5 + a1d * a4 + a2d * a3 + a6d * a9n + a7d * a8n
  const c6 = a0d * a6 + a1q * a5 + a2d * a4 + a3d * a3 + a7q * a9n + a8 * a8n
  const c7 = a0d * a7 + a1d * a6 + a2d * a5 + a3d * a4 + a8d * a9n
  const c8 = a0d * a8 + a1q * a7 + a2d * a6 + a3q * a5 + a4 * a4 + a9d * a9n
  const c9 = a0d * a9 + a1d * a8 + a2d * a7 + a3d * a6 + a4d * a5
  carryInto(
    out,
    c0 << shift,
    c1 << shift,
    c2 << shift,
    c3 << shift,
    c4 << shift,
    c5 << shift,
    c6 << shift,
    c7 << shift,
    c8 << shift,
    c9 << shift,
  )
}

/**
 * Carries ten columns into limbs, each rounded to nearest so that limbs come out signed and small.
 * Columns of two 3R operands are below 2^60.2, doubled ones below 2^61.2. Two interleaved chains (0..4 and 5..9) first
 * bring every column to its width and a carry below 2^37; column 9 returns to 0 times 19, and one last step from 0 to 1
 * leaves limbs within 2^25 and 2^24 but limbs 1 and 5, which may be over by a carry of 2^12: R.
 */
function carryInto(
  out: usize,
  c0: i64,
  c1: i64,
  c2: i64,
  c3: i64,
  c4: i64,
  c5: i64,
  c6: i64,
  c7: i64,
  c8: i64,
  c9: i64,
): void {
  let carry = (c0 + 0x2000000) >> 26
  c1 += carry
  c0 -= carry << 26
  carry = (c4 + 0x2000000) >> 26
  c5 += carry
  c4 -= carry << 26
  carry = (c1 + 0x1000000) >> 25
  c2 += carry
  c1 -= carry << 25
  carry = (c5 + 0x1000000) >> 25
  c6 += carry
  c5 -= carry << 25
  carry = (c2 + 0x2000000) >> 26
  c3 += carry
  c2 -= carry << 26
  carry = (c6 + 0x2000000) >> 26
  c7 += carry
  c6 -= carry << 26
  carry = (c3 + 0x1000000) >> 25
  c4 += carry
  c3 -= carry << 25
  carry = (c7 + 0x1000000) >> 25
  c8 += carry
  c7 -= carry << 25
  carry = (c4 + 0x2000000) >> 26
  c5 += carry
  c4 -= carry << 26
  carry = (c8 + 0x2000000) >> 26
  c9 += carry
  c8 -= carry << 26
  carry = (c9 + 0x1000000) >> 25
  c0 += 19 * carry
  c9 -= carry << 25
  carry = (c0 + 0x2000000) >> 26
  c1 += carry
  c0 -= carry << 26
  store<i32>(out, <i32>c0, 0)
  store<i32>(out, <i32>c1, 4)
  store<i32>(out, <i32>c2, 8)
  store<i32>(out, <i32>c3, 12)
  store<i32>(out, <i32>c4, 16)
  store<i32>(out, <i32>c5, 20)
  store<i32>(out, <i32>c6, 24)
  store<i32>(out, <i32>c7, 28)
  store<i32>(out, <i32>c8, 32)
  store<i32>(out, <i32>c9, 36)
  store<u64>(out, 0, 40)
}

/** Carries non-negative limbs upwards once and returns what leaves limb 9. */
function carryUnsigned(limbs: usize): i32 {
  let carry = 0
  for (let i: usize = 0; i < 10; i += 2) {
    const even = load<i32>(limbs + 4 * i) + carry
    store<i32>(limbs + 4 * i, even & 0x3ffffff)
    const odd = load<i32>(limbs + 4 * i, 4) + (even >> 26)
    store<i32>(limbs + 4 * i, odd & 0x1ffffff, 4)
    carry = odd >> 25
  }
  return carry
}

/** Limbs within their widths as 32 bytes. */
function pack(out: usize, limbs: usize): void {
  const l0: u64 = load<u32>(limbs)
  const l1: u64 = load<u32>(limbs, 4)
  const l2: u64 = load<u32>(limbs, 8)
  const l3: u64 = load<u32>(limbs, 12)
  const l4: u64 = load<u32>(limbs, 16)
  const l5: u64 = load<u32>(limbs, 20)
  const l6: u64 = load<u32>(limbs, 24)
  const l7: u64 = load<u32>(limbs, 28)
  const l8: u64 = load<u32>(limbs, 32)
  const l9: u64 = load<u32>(limbs, 36)
  store<u64>(out, l0 | (l1 << 26) | (l2 << 51)) // bits 0..63
  store<u64>(out, (l2 >> 13) | (l3 << 13) | (l4 << 38), 8) // 64..127
  store<u64>(out, l5 | (l6 << 25) | (l7 << 51), 16) // 128..191
  store<u64>(out, (l7 >> 13) | (l8 << 12) | (l9 << 38), 24) // 192..255
}

function assertLoose(a: usize): void {
  for (let i: usize = 0; i < 10; i++) {
    const limit = i & 1 ? ODD_LIMIT : EVEN_LIMIT
    const limb = load<i32>(a + 4 * i)
    assert(limb <= limit && limb >= -limit)
  }
  assert(load<u64>(a, 40) == 0)
}
