/**
 * Field elements in integers, where fused multiply-add is not to be had: two lanes, in each ten signed limbs in radix
 * 2^25.5, 26 and 25 bits in turn. A lane's even limb and the odd one above it share 64 bits, so that lanes are told
 * apart as in fused.ts; products multiply 32 by 32 to 64 bits, two lanes at a time.
 *
 * Bounds. R: even limbs at most 2^25 + 2^15, odd ones 2^24 + 2^15. A wide element is ten columns: of R and 2R below
 * 2^58, and narrow takes up to 2^60: the bias it adds, a multiple of p, is 2^62 in even columns and 2^61 in odd ones. Of
 * column 9 less than 2^36.6 is carried, and 19 times that leaves R in limb 1.
 */
import { ELEMENT_BYTES } from '../layout'

export {
  multiply,
  multiplyCombine,
  multiplyTwice,
  multiplyWide,
  narrow,
  narrowDifference,
  narrowSum,
  square,
  squareCombine,
  squareTwiceLess,
  squareWide,
} from './integer-products'

const EVEN_LIMIT: i32 = 0x2008000
const ODD_LIMIT: i32 = 0x1008000

export function add(out: usize, a: usize, b: usize): void {
  v128.store(out, i32x4.add(v128.load(a), v128.load(b)))
  v128.store(out, i32x4.add(v128.load(a, 16), v128.load(b, 16)), 16)
  v128.store(out, i32x4.add(v128.load(a, 32), v128.load(b, 32)), 32)
  v128.store(out, i32x4.add(v128.load(a, 48), v128.load(b, 48)), 48)
  v128.store(out, i32x4.add(v128.load(a, 64), v128.load(b, 64)), 64)
}

export function subtract(out: usize, a: usize, b: usize): void {
  v128.store(out, i32x4.sub(v128.load(a), v128.load(b)))
  v128.store(out, i32x4.sub(v128.load(a, 16), v128.load(b, 16)), 16)
  v128.store(out, i32x4.sub(v128.load(a, 32), v128.load(b, 32)), 32)
  v128.store(out, i32x4.sub(v128.load(a, 48), v128.load(b, 48)), 48)
  v128.store(out, i32x4.sub(v128.load(a, 64), v128.load(b, 64)), 64)
}

/** out = -out in the lanes where mask is all ones. */
export function conditionalNegate(out: usize, mask: v128): void {
  v128.store(out, i32x4.sub(v128.xor(v128.load(out), mask), mask))
  v128.store(out, i32x4.sub(v128.xor(v128.load(out, 16), mask), mask), 16)
  v128.store(out, i32x4.sub(v128.xor(v128.load(out, 32), mask), mask), 32)
  v128.store(out, i32x4.sub(v128.xor(v128.load(out, 48), mask), mask), 48)
  v128.store(out, i32x4.sub(v128.xor(v128.load(out, 64), mask), mask), 64)
}

/** Wide out = a. */
export function widen(out: usize, a: usize): void {
  for (let k: usize = 0; k < 5; k++) {
    const pair = v128.load(a + 16 * k)
    v128.store(out + 32 * k, evenLimbs(pair))
    v128.store(out + 32 * k, signExtended(i64x2.shr_u(pair, 32)), 16)
  }
}

/** out = five signed limbs of 51 bits, 64 bits each. */
export function toLimbs(out: usize, a: usize): void {
  for (let k: usize = 0; k < 5; k++) {
    const pair = v128.load(a + 16 * k)
    const odd = i64x2.shl(signExtended(i64x2.shr_u(pair, 32)), 26)
    v128.store(out + 16 * k, i64x2.add(evenLimbs(pair), odd))
  }
}

/** Wide out = five limbs of 51 bits. */
export function fromLimbs(out: usize, limbs: usize): void {
  for (let k: usize = 0; k < 5; k++) {
    v128.store(out + 32 * k, v128.load(limbs + 16 * k))
    v128.store(out + 32 * k, i64x2.splat(0), 16)
  }
}

/** Integers are the same on every machine. */
export function holds(): bool {
  return true
}

/** Debug build: whether the limbs of a are at most `times` R. */
export function isWithin(a: usize, times: i32): bool {
  for (let at: usize = 0; at < ELEMENT_BYTES; at += 8) {
    const even = load<i32>(a + at)
    const odd = load<i32>(a + at, 4)
    if (abs(even) > times * EVEN_LIMIT || abs(odd) > times * ODD_LIMIT) return false
  }
  return true
}

function evenLimbs(pair: v128): v128 {
  return signExtended(v128.and(pair, i64x2.splat(0xffffffff)))
}

/** 64-bit lanes from the 32 bits in their low halves. */
function signExtended(words: v128): v128 {
  const sign = i64x2.splat(0x80000000)
  return i64x2.sub(v128.xor(words, sign), sign)
}
