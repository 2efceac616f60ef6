/**
 * Scalars: numbers mod the group order l = 2^252 + c, c of 125 bits, as 32 little-endian bytes (RFC 9496 section 4.4).
 * Inside, limbs of 28 bits in 64: 252 is nine times 28, so whatever stands at limb 9 or above folds down by 2^252 = -c.
 * No step branches on a value or picks an address by one: constant time.
 */
import { SCALAR_SCRATCH } from '../layout'

/** Ten limbs; the last holds what is at 2^252 and above, with its sign. */
const LIMBS: usize = SCALAR_SCRATCH
const MASK: i64 = 0xfffffff

// c = 27742317777372353535851937790883648493 in limbs of 28 bits.
const C0: i64 = 0xcf5d3ed
const C1: i64 = 0x12631a5
const C2: i64 = 0x79cd658
const C3: i64 = 0xf9dea2f
const C4: i64 = 0x14de

/** out = 64 little-endian bytes mod l. */
export function reduceWide(out: usize, bytes: usize): void {
  const x9 = limbAt(bytes, 9)
  const x10 = limbAt(bytes, 10)
  const x11 = limbAt(bytes, 11)
  const x12 = limbAt(bytes, 12)
  const x13 = limbAt(bytes, 13)
  const x14 = limbAt(bytes, 14)
  const x15 = limbAt(bytes, 15)
  const x16 = limbAt(bytes, 16)
  const x17 = limbAt(bytes, 17)
  const x18 = <i64>load<u8>(bytes, 63)
  // Limbs 14 to 18 fold onto 5 to 13. Products below 2^56, at most five of them and a limb: below 2^58.4 in size.
  const t5 = limbAt(bytes, 5) - x14 * C0
  const t6 = limbAt(bytes, 6) - x14 * C1 - x15 * C0
  const t7 = limbAt(bytes, 7) - x14 * C2 - x15 * C1 - x16 * C0
  const t8 = limbAt(bytes, 8) - x14 * C3 - x15 * C2 - x16 * C1 - x17 * C0
  let t9 = x9 - x14 * C4 - x15 * C3 - x16 * C2 - x17 * C1 - x18 * C0
  let t10 = x10 - x15 * C4 - x16 * C3 - x17 * C2 - x18 * C1
  let t11 = x11 - x16 * C4 - x17 * C3 - x18 * C2
  let t12 = x12 - x17 * C4 - x18 * C3
  let t13 = x13 - x18 * C4
  t10 += t9 >> 28
  t9 &= MASK
  t11 += t10 >> 28
  t10 &= MASK
  t12 += t11 >> 28
  t11 &= MASK
  t13 += t12 >> 28
  t12 &= MASK
  // Limbs 9 to 13 fold onto 0 to 8. Limb 13 is below 2^29 in size, so products are below 2^57, sums below 2^60.
  store<i64>(LIMBS, limbAt(bytes, 0) - t9 * C0)
  store<i64>(LIMBS, limbAt(bytes, 1) - t9 * C1 - t10 * C0, 8)
  store<i64>(LIMBS, limbAt(bytes, 2) - t9 * C2 - t10 * C1 - t11 * C0, 16)
  store<i64>(LIMBS, limbAt(bytes, 3) - t9 * C3 - t10 * C2 - t11 * C1 - t12 * C0, 24)
  store<i64>(LIMBS, limbAt(bytes, 4) - t9 * C4 - t10 * C3 - t11 * C2 - t12 * C1 - t13 * C0, 32)
  store<i64>(LIMBS, t5 - t10 * C4 - t11 * C3 - t12 * C2 - t13 * C1, 40)
  store<i64>(LIMBS, t6 - t11 * C4 - t12 * C3 - t13 * C2, 48)
  store<i64>(LIMBS, t7 - t12 * C4 - t13 * C3, 56)
  store<i64>(LIMBS, t8 - t13 * C4, 64)
  store<i64>(LIMBS, 0, 72)
  finish(out)
}

/** out = 32 little-endian bytes mod l. */
export function reduce(out: usize, bytes: usize): void {
  for (let i: usize = 0; i < 9; i++) store<i64>(LIMBS + 8 * i, limbAt(bytes, i))
  store<i64>(LIMBS, load<u8>(bytes, 31) >> 4, 72)
  finish(out)
}

/** out = a + b mod l. */
export function addScalars(out: usize, a: usize, b: usize): void {
  for (let i: usize = 0; i < 9; i++) store<i64>(LIMBS + 8 * i, limbAt(a, i) + limbAt(b, i))
  store<i64>(LIMBS, <i64>(load<u8>(a, 31) >> 4) + <i64>(load<u8>(b, 31) >> 4), 72)
  finish(out)
}

/** 28 bits of a byte string, from bit 28 i. */
function limbAt(bytes: usize, i: usize): i64 {
  const word = load<u32>(bytes + ((7 * i) >> 1))
  return <i64>(i & 1 ? word >> 4 : word & <u32>MASK)
}

/** Brings the limbs, each below 2^60 in size, of a number below 2^266 in size to the one value in 0..l-1. */
function finish(out: usize): void {
  takeAway(0) // limb 9 now below 2^15 in size
  takeAway(load<i64>(LIMBS, 72)) // the number is in -2^140 .. 2^252 + 2^140, so limb 9 is -1, 0 or 1
  assert(abs(load<i64>(LIMBS, 72)) <= 1)
  takeAway(load<i64>(LIMBS, 72)) // the number is in -c .. l - 1
  assert(load<i64>(LIMBS, 72) >> 1 == load<i64>(LIMBS, 72) >> 63)
  takeAway(load<i64>(LIMBS, 72) >> 63) // the number is in 0 .. l - 1
  const x2 = load<i64>(LIMBS, 16)
  const x4 = load<i64>(LIMBS, 32)
  const x6 = load<i64>(LIMBS, 48)
  const x8 = load<i64>(LIMBS, 64) | (load<i64>(LIMBS, 72) << 28)
  store<i64>(out, load<i64>(LIMBS) | (load<i64>(LIMBS, 8) << 28) | (x2 << 56))
  store<i64>(out, (x2 >> 8) | (load<i64>(LIMBS, 24) << 20) | (x4 << 48), 8)
  store<i64>(out, (x4 >> 16) | (load<i64>(LIMBS, 40) << 12) | (x6 << 40), 16)
  store<i64>(out, (x6 >> 24) | (load<i64>(LIMBS, 56) << 4) | (x8 << 32), 24)
}

/** Takes `times` l away, and carries: limbs 0 to 8 end in 0..2^28-1. */
function takeAway(times: i64): void {
  let x = load<i64>(LIMBS) - times * C0
  store<i64>(LIMBS, x & MASK)
  x = (x >> 28) + load<i64>(LIMBS, 8) - times * C1
  store<i64>(LIMBS, x & MASK, 8)
  x = (x >> 28) + load<i64>(LIMBS, 16) - times * C2
  store<i64>(LIMBS, x & MASK, 16)
  x = (x >> 28) + load<i64>(LIMBS, 24) - times * C3
  store<i64>(LIMBS, x & MASK, 24)
  x = (x >> 28) + load<i64>(LIMBS, 32) - times * C4
  store<i64>(LIMBS, x & MASK, 32)
  x = (x >> 28) + load<i64>(LIMBS, 40)
  store<i64>(LIMBS, x & MASK, 40)
  x = (x >> 28) + load<i64>(LIMBS, 48)
  store<i64>(LIMBS, x & MASK, 48)
  x = (x >> 28) + load<i64>(LIMBS, 56)
  store<i64>(LIMBS, x & MASK, 56)
  x = (x >> 28) + load<i64>(LIMBS, 64)
  store<i64>(LIMBS, x & MASK, 64)
  store<i64>(LIMBS, (x >> 28) + load<i64>(LIMBS, 72) - times, 72)
}
