/**
 * Poly1305 (RFC 8439 section 2.5) in radix 2^26: five limbs, 64 bits each while they are multiplied.
 * Messages here are always whole 16-byte blocks: the AEAD pads (RFC 8439 section 2.8), so every block ends in bit 128.
 * A long run of blocks goes two lanes at a time and four blocks a step, so that one carry serves all four:
 * h = h r^4 + (b0, b1) r^2 + (b2, b3) in both lanes, and at the end r^2 times the first lane's h plus r times the other's.
 */
import { AEAD_SCRATCH } from '../layout'

// r and its powers, and the accumulator h, in five limbs of 64 bits; the pad s.
const R: usize = AEAD_SCRATCH + 0x600
const SQUARE: usize = R + 40
const FOURTH: usize = R + 80
const H: usize = R + 120
const PAD: usize = R + 160
// Nine vectors each, 5 p1 .. 5 p4, p0 .. p4 of one power for each lane: limb j goes into column i times entry 4 + i - j.
const TABLE_FOURTH: usize = R + 256
const TABLE_SQUARE: usize = TABLE_FOURTH + 144
const TABLE_LAST: usize = TABLE_SQUARE + 144
/** Of an entry that a column's limb 0 takes, from its table. */
const COLUMN: usize = 64

const MASK: u64 = 0x3ffffff
/** The bit behind a block, as it stands in the last limb. */
const END: u64 = 0x1000000
// The same for both lanes, in memory: V8 from 13 on builds a constant anew at each use.
const MASKS = memory.data<u64>([0x3ffffff, 0x3ffffff], 16)
const ENDS = memory.data<u64>([0x1000000, 0x1000000], 16)
/** From so many bytes on, the tables pay. */
const LONG_BYTES: i32 = 192

/** Starts a tag under a 32-byte one-time key. */
export function start(key: usize): void {
  const low = load<u64>(key) & 0x0ffffffc0fffffff
  const high = load<u64>(key, 8) & 0x0ffffffc0ffffffc
  store<u64>(R, low & MASK)
  store<u64>(R, (low >> 26) & MASK, 8)
  store<u64>(R, ((low >> 52) | (high << 12)) & MASK, 16)
  store<u64>(R, (high >> 14) & MASK, 24)
  store<u64>(R, high >> 40, 32)
  v128.store(PAD, v128.load(key, 16))
  memory.fill(H, 0, 40)
}

/** Takes in `bytes`, a multiple of 16. */
export function absorb(text: usize, bytes: i32): void {
  const longBytes = bytes < LONG_BYTES ? 0 : 32 + ((bytes - 32) & ~63)
  if (longBytes > 0) absorbLong(text, longBytes)
  const end = text + bytes
  for (let at = text + longBytes; at < end; at += 16) {
    const low = load<u64>(at)
    const high = load<u64>(at, 8)
    // Limbs of h below 2^27 + 2^10 by this.
    store<u64>(H, load<u64>(H) + (low & MASK))
    store<u64>(H, load<u64>(H, 8) + ((low >> 26) & MASK), 8)
    store<u64>(H, load<u64>(H, 16) + (((low >> 52) | (high << 12)) & MASK), 16)
    store<u64>(H, load<u64>(H, 24) + ((high >> 14) & MASK), 24)
    store<u64>(H, load<u64>(H, 32) + ((high >> 40) | END), 32)
    multiply(H, H, R)
  }
}

/** As absorb, for 32 bytes and a multiple of 64. */
function absorbLong(text: usize, bytes: i32): void {
  multiply(SQUARE, R, R)
  multiply(FOURTH, SQUARE, SQUARE)
  fillTable(TABLE_FOURTH, FOURTH, FOURTH)
  fillTable(TABLE_SQUARE, SQUARE, SQUARE)
  fillTable(TABLE_LAST, SQUARE, R)
  const masks = v128.load(MASKS)
  let low = lowHalves(text)
  let high = highHalves(text)
  // What was taken in before goes into the first lane.
  let h01 = i32x4.add(limbs01(low, masks), pack(v128.load64_zero(H), v128.load64_zero(H, 8)))
  let h23 = i32x4.add(limbs23(low, high, masks), pack(v128.load64_zero(H, 16), v128.load64_zero(H, 24)))
  let h4 = i32x4.add(limb4(high), pack(v128.load64_zero(H, 32), v128.load64_zero(H, 32)))
  const end = text + bytes
  for (let at = text + 32; at < end; at += 64) {
    low = lowHalves(at)
    high = highHalves(at)
    const b01 = limbs01(low, masks)
    const b23 = limbs23(low, high, masks)
    const b4 = limb4(high)
    // Limbs of h below 2^27 + 2^10, of blocks below 2^26, of the tables below 2^28.4: a column is below 2^58.2.
    let c0 = i64x2.add(column(0, h01, h23, h4, TABLE_FOURTH), column(0, b01, b23, b4, TABLE_SQUARE))
    let c1 = i64x2.add(column(1, h01, h23, h4, TABLE_FOURTH), column(1, b01, b23, b4, TABLE_SQUARE))
    let c2 = i64x2.add(column(2, h01, h23, h4, TABLE_FOURTH), column(2, b01, b23, b4, TABLE_SQUARE))
    let c3 = i64x2.add(column(3, h01, h23, h4, TABLE_FOURTH), column(3, b01, b23, b4, TABLE_SQUARE))
    let c4 = i64x2.add(column(4, h01, h23, h4, TABLE_FOURTH), column(4, b01, b23, b4, TABLE_SQUARE))
    // Two chains of carries at once, from 0 and from 3; 2^130 = 5. Limb 1 keeps at most 2^26 + 2^10, limb 4 2^26 + 2^8.
    c1 = i64x2.add(c1, i64x2.shr_u(c0, 26))
    c4 = i64x2.add(c4, i64x2.shr_u(c3, 26))
    c2 = i64x2.add(c2, i64x2.shr_u(c1, 26))
    const over = i64x2.shr_u(c4, 26)
    c0 = i64x2.add(v128.and(c0, masks), i64x2.add(over, i64x2.shl(over, 2)))
    c3 = i64x2.add(v128.and(c3, masks), i64x2.shr_u(c2, 26))
    c1 = i64x2.add(v128.and(c1, masks), i64x2.shr_u(c0, 26))
    c4 = i64x2.add(v128.and(c4, masks), i64x2.shr_u(c3, 26))
    low = lowHalves(at + 32)
    high = highHalves(at + 32)
    h01 = i32x4.add(pack(v128.and(c0, masks), c1), limbs01(low, masks))
    h23 = i32x4.add(pack(v128.and(c2, masks), v128.and(c3, masks)), limbs23(low, high, masks))
    h4 = i32x4.add(pack(c4, c4), limb4(high))
  }
  carry(
    H,
    lanesSum(column(0, h01, h23, h4, TABLE_LAST)),
    lanesSum(column(1, h01, h23, h4, TABLE_LAST)),
    lanesSum(column(2, h01, h23, h4, TABLE_LAST)),
    lanesSum(column(3, h01, h23, h4, TABLE_LAST)),
    lanesSum(column(4, h01, h23, h4, TABLE_LAST)),
  )
}

/** Column i of the product of five limbs and a table: limbs 0 and 1, 2 and 3 share a vector, each for both lanes. */
function column(i: usize, x01: v128, x23: v128, x4: v128, table: usize): v128 {
  const at = table + COLUMN + 16 * i
  const even = i64x2.add(
    i64x2.extmul_low_i32x4_u(x01, v128.load(at)),
    i64x2.extmul_low_i32x4_u(x23, v128.load(at - 32)),
  )
  const odd = i64x2.add(
    i64x2.extmul_high_i32x4_u(x01, v128.load(at - 16)),
    i64x2.extmul_high_i32x4_u(x23, v128.load(at - 48)),
  )
  return i64x2.add(i64x2.add(even, odd), i64x2.extmul_low_i32x4_u(x4, v128.load(at - 64)))
}

// The halves of two blocks, and their limbs, the first block's in the first lane.

function lowHalves(blocks: usize): v128 {
  return v128.shuffle<u64>(v128.load(blocks), v128.load(blocks, 16), 0, 2)
}

function highHalves(blocks: usize): v128 {
  return v128.shuffle<u64>(v128.load(blocks), v128.load(blocks, 16), 1, 3)
}

function limbs01(low: v128, masks: v128): v128 {
  return pack(v128.and(low, masks), v128.and(i64x2.shr_u(low, 26), masks))
}

function limbs23(low: v128, high: v128, masks: v128): v128 {
  const limb2 = v128.or(i64x2.shr_u(low, 52), i64x2.shl(high, 12))
  return pack(v128.and(limb2, masks), v128.and(i64x2.shr_u(high, 14), masks))
}

function limb4(high: v128): v128 {
  const limb = v128.or(i64x2.shr_u(high, 40), v128.load(ENDS))
  return pack(limb, limb)
}

/** The low words of four 64-bit numbers. */
function pack(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 2, 4, 6)
}

function lanesSum(column: v128): u64 {
  return i64x2.extract_lane(column, 0) + i64x2.extract_lane(column, 1)
}

function fillTable(table: usize, first: usize, second: usize): void {
  for (let i: usize = 0; i < 5; i++) {
    const limbs = i64x2.splat(load<u64>(first + 8 * i) | (load<u64>(second + 8 * i) << 32))
    v128.store(table + COLUMN + 16 * i, limbs)
    if (i > 0) v128.store(table + 16 * i - 16, i32x4.add(limbs, i32x4.shl(limbs, 2)))
  }
}

/** out = a b mod 2^130 - 5. Limbs of a below 2^27.1, of b below 2^26 + 2^10; `out` may be either. */
function multiply(out: usize, a: usize, b: usize): void {
  const a0 = load<u64>(a)
  const a1 = load<u64>(a, 8)
  const a2 = load<u64>(a, 16)
  const a3 = load<u64>(a, 24)
  const a4 = load<u64>(a, 32)
  const b0 = load<u64>(b)
  const b1 = load<u64>(b, 8)
  const b2 = load<u64>(b, 16)
  const b3 = load<u64>(b, 24)
  const b4 = load<u64>(b, 32)
  const s1 = 5 * b1
  const s2 = 5 * b2
  const s3 = 5 * b3
  const s4 = 5 * b4
  carry(
    out,
    a0 * b0 + a1 * s4 + a2 * s3 + a3 * s2 + a4 * s1,
    a0 * b1 + a1 * b0 + a2 * s4 + a3 * s3 + a4 * s2,
    a0 * b2 + a1 * b1 + a2 * b0 + a3 * s4 + a4 * s3,
    a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + a4 * s4,
    a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0,
  )
}

/** out = five columns below 2^59 as limbs below 2^26, but for limb 1, which is below 2^26 + 2^10. */
function carry(out: usize, c0: u64, c1: u64, c2: u64, c3: u64, c4: u64): void {
  c1 += c0 >> 26
  c2 += c1 >> 26
  c3 += c2 >> 26
  c4 += c3 >> 26
  c0 = (c0 & MASK) + 5 * (c4 >> 26)
  store<u64>(out, c0 & MASK)
  store<u64>(out, (c1 & MASK) + (c0 >> 26), 8)
  store<u64>(out, c2 & MASK, 16)
  store<u64>(out, c3 & MASK, 24)
  store<u64>(out, c4 & MASK, 32)
}

/** Writes the 16-byte tag: (h mod 2^130 - 5) + s mod 2^128. */
export function finish(tag: usize): void {
  let h0 = load<u64>(H)
  let h1 = load<u64>(H, 8)
  let h2 = load<u64>(H, 16)
  let h3 = load<u64>(H, 24)
  let h4 = load<u64>(H, 32)
  h2 += h1 >> 26
  h1 &= MASK
  h3 += h2 >> 26
  h2 &= MASK
  h4 += h3 >> 26
  h3 &= MASK
  h0 += 5 * (h4 >> 26)
  h4 &= MASK
  h1 += h0 >> 26
  h0 &= MASK
  // h < 2^130 + small. h + 5 passes 2^130 exactly where h is 2^130 - 5 or more, and then is h - (2^130 - 5).
  let carry = (h0 + 5) >> 26
  carry = (h1 + carry) >> 26
  carry = (h2 + carry) >> 26
  carry = (h3 + carry) >> 26
  carry = (h4 + carry) >> 26
  h0 += 5 * carry
  h1 += h0 >> 26
  h0 &= MASK
  h2 += h1 >> 26
  h1 &= MASK
  h3 += h2 >> 26
  h2 &= MASK
  h4 += h3 >> 26
  h3 &= MASK
  const low = h0 | (h1 << 26) | (h2 << 52)
  const high = (h2 >> 12) | (h3 << 14) | (h4 << 40)
  const sum = low + load<u64>(PAD)
  // Carry of an unsigned sum without a comparison, which could become a branch.
  const over = ((low & load<u64>(PAD)) | ((low | load<u64>(PAD)) & ~sum)) >> 63
  store<u64>(tag, sum)
  store<u64>(tag, high + load<u64>(PAD, 8) + over, 8)
}
