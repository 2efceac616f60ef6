/**
 * Constants of edwards25519 and ristretto255, each with its equation; limbs as in field.ts, balanced.
 * `constantsHold` checks the equations in the debug build. Numbers: RFC 9496 section 4.1, RFC 8032 section 5.1.
 */
import { EDWARDS_SCRATCH, ELEMENT_BYTES } from '../layout'
import { add, isZero, multiply, negate, setSmall, square, subtract } from './field'

/** 1. */
export const ONE = memory.data<i32>([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16)

/** d of -x^2 + y^2 = 1 + d x^2 y^2: 121666 d = -121665. */
export const D = memory.data<i32>(
  [-10913610, 13857413, -15372611, 6949391, 114729, -8787816, -6275908, -3247719, -18696448, -12055116, 0, 0],
  16,
)

/** 2d. */
export const TWICE_D = memory.data<i32>(
  [-21827239, -5839606, -30745221, 13898782, 229458, 15978800, -12551817, -6495438, 29715968, 9444199, 0, 0],
  16,
)

/** The even root of -1: SQRT_M1^2 = -1. */
export const SQRT_M1 = memory.data<i32>(
  [-32595792, -7943725, 9377950, 3500415, 12389472, -272473, -25146209, -2005654, 326686, 11406482, 0, 0],
  16,
)

/** 1 / sqrt(a - d) with a = -1, the even root: INVSQRT_A_MINUS_D^2 (a - d) = 1. */
export const INVSQRT_A_MINUS_D = memory.data<i32>(
  [6111485, 4156064, -27798727, 12243468, -25904040, 120897, 20826367, -7060776, 6093568, -1986012, 0, 0],
  16,
)

/** The generator B as X, Y, Z, T: 5 y = 4, x even, Z = 1, T = x y. */
export const GENERATOR = memory.data<i32>(
  [
    -14297830, -7645148, 16144683, -16471763, 27570974, -2696100, -26142465, 8378389, 20764389, 8758491, 0, 0,
    -26843541, -6710886, 13421773, -13421773, 26843546, 6710886, -13421773, 13421773, -26843546, -6710886, 0, 0, 1, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 28827062, -6116119, -27349572, 244363, 8635006, 11264893, 19351346, 13413597,
    16611511, -6414980, 0, 0,
  ],
  16,
)

/** The group order l as 32 little-endian bytes: l = 2^252 + 27742317777372353535851937790883648493. */
export const ORDER = memory.data<u8>(
  [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0x10,
  ],
  16,
)

/** Whether the equations above hold, and the generator lies on the curve. Debug build, once at start. */
export function constantsHold(): bool {
  const a: usize = EDWARDS_SCRATCH
  const b: usize = EDWARDS_SCRATCH + ELEMENT_BYTES
  const x: usize = GENERATOR
  const y: usize = GENERATOR + ELEMENT_BYTES
  const t: usize = GENERATOR + 3 * ELEMENT_BYTES
  setSmall(a, 121666)
  multiply(a, a, D)
  setSmall(b, 121665)
  if (!sumsToZero(a, b)) return false
  add(a, D, D)
  negate(a, a)
  if (!sumsToZero(a, TWICE_D)) return false
  square(a, SQRT_M1)
  if (!sumsToZero(a, ONE)) return false
  square(a, INVSQRT_A_MINUS_D)
  add(b, ONE, D)
  multiply(a, a, b)
  if (!sumsToZero(a, ONE)) return false
  setSmall(a, 5)
  multiply(a, a, y)
  setSmall(b, -4)
  if (!sumsToZero(a, b)) return false
  multiply(a, x, y)
  negate(a, a)
  if (!sumsToZero(a, t)) return false
  // y^2 - x^2 - 1 - d t^2 = 0, since t = x y.
  square(a, y)
  square(b, x)
  subtract(a, a, b)
  subtract(a, a, ONE)
  square(b, t)
  multiply(b, b, D)
  negate(b, b)
  return sumsToZero(a, b)
}

function sumsToZero(a: usize, b: usize): bool {
  add(a, a, b)
  return isZero(a) != 0
}
