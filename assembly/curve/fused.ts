/**
 * Field elements by fused multiply-add: two lanes, in each five limbs in radix 2^51, every limb an integer held as a
 * float. For limbs x and y with |xy| < 2^102, h = fma(x, y, 1.5 * 2^103) rounds the product to a multiple of 2^51 and
 * fma(x, y, 1.5 * 2^103 + 1.5 * 2^52 - h) is the rest, exactly (Emmart's splitting of products). Both leave their value
 * in the low bits of a float whose exponent is known, so columns are summed as 64-bit integers.
 *
 * Bounds. R: limbs at most 2^50 + 2^15 in size. A wide element is five columns: of R and 2R below 2^57.7 in size, of R
 * and R below 2^57.2, twice a square less the difference of two below 2^59.2. Up to 2^60 may be narrowed: the bias
 * added, a multiple of p, is 2^61 in every column. All columns are then carried at once, below 2^10.6 each, 19 times
 * that into limb 0, which gives R.
 */
import { ELEMENT_BYTES } from '../layout'
import { HIGH, LOW } from './fused-products'

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
} from './fused-products'

/** R: 2^50 + 2^15. */
const LIMIT: f64 = 1125899906875392

export function add(out: usize, a: usize, b: usize): void {
  v128.store(out, f64x2.add(v128.load(a), v128.load(b)))
  v128.store(out, f64x2.add(v128.load(a, 16), v128.load(b, 16)), 16)
  v128.store(out, f64x2.add(v128.load(a, 32), v128.load(b, 32)), 32)
  v128.store(out, f64x2.add(v128.load(a, 48), v128.load(b, 48)), 48)
  v128.store(out, f64x2.add(v128.load(a, 64), v128.load(b, 64)), 64)
}

export function subtract(out: usize, a: usize, b: usize): void {
  v128.store(out, f64x2.sub(v128.load(a), v128.load(b)))
  v128.store(out, f64x2.sub(v128.load(a, 16), v128.load(b, 16)), 16)
  v128.store(out, f64x2.sub(v128.load(a, 32), v128.load(b, 32)), 32)
  v128.store(out, f64x2.sub(v128.load(a, 48), v128.load(b, 48)), 48)
  v128.store(out, f64x2.sub(v128.load(a, 64), v128.load(b, 64)), 64)
}

/** out = -out in the lanes where mask is all ones. */
export function conditionalNegate(out: usize, mask: v128): void {
  const sign = i64x2.shl(mask, 63)
  v128.store(out, v128.xor(v128.load(out), sign))
  v128.store(out, v128.xor(v128.load(out, 16), sign), 16)
  v128.store(out, v128.xor(v128.load(out, 32), sign), 32)
  v128.store(out, v128.xor(v128.load(out, 48), sign), 48)
  v128.store(out, v128.xor(v128.load(out, 64), sign), 64)
}

/** Wide out = a. Takes R: one half bit more would leave the binade in which a float's low bits are the integer. */
export function widen(out: usize, a: usize): void {
  const low = v128.load64_splat(LOW)
  for (let at: usize = 0; at < ELEMENT_BYTES; at += 16) {
    v128.store(out + at, i64x2.sub(f64x2.add(v128.load(a + at), low), low))
  }
}

/** out = five signed limbs of 51 bits, 64 bits each. Takes R. */
export function toLimbs(out: usize, a: usize): void {
  widen(out, a)
}

/** Wide out = five limbs of 51 bits. */
export function fromLimbs(out: usize, limbs: usize): void {
  memory.copy(out, limbs, ELEMENT_BYTES)
}

/** Whether multiply-add rounds once, as everything here rests on. It depends on the machine, not on the operands. */
export function holds(): bool {
  // (2^50 - 1)^2 = (2^49 - 1) 2^51 + 1, and rounding that product before the addition would lose the one.
  const x = f64x2.splat(1125899906842623)
  const high = v128.load64_splat(HIGH)
  const rounded = f64x2.relaxed_madd(x, x, high)
  const rest = f64x2.relaxed_madd(x, x, f64x2.sub(high, rounded))
  return f64x2.extract_lane(rest, 0) == 1 && f64x2.extract_lane(rest, 1) == 1
}

/** Debug build: whether the limbs of a are at most `times` R. */
export function isWithin(a: usize, times: i32): bool {
  for (let at: usize = 0; at < ELEMENT_BYTES; at += 8) {
    const limb = load<f64>(a + at)
    if (limb != trunc(limb) || abs(limb) > <f64>times * LIMIT) return false
  }
  return true
}
