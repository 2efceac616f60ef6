/**
 * The square root that decoding and encoding rest on: SQRT_RATIO_M1 of RFC 9496 section 4.2.
 */
import { ELEMENT_BYTES, ROOT_SCRATCH } from '../layout'
import { SQRT_M1 } from './constants'
import {
  areEqual,
  conditionalMove,
  conditionalNegate,
  copyElement,
  isNegative,
  multiply,
  powerForRoot,
  square,
} from './field'

const POWER: usize = ROOT_SCRATCH
const CHECK: usize = ROOT_SCRATCH + ELEMENT_BYTES
const OTHER: usize = ROOT_SCRATCH + 2 * ELEMENT_BYTES
const ROOT: usize = ROOT_SCRATCH + 3 * ELEMENT_BYTES

/**
 * out = the non-negative sqrt(u / v), or sqrt(SQRT_M1 u / v) where u / v is no square. Returns the mask of the lanes
 * with a square, u = 0 among them.
 */
export function squareRootOfRatio(out: usize, u: usize, v: usize): v128 {
  // r = (u v^3) (u v^7)^((p-5)/8)
  square(ROOT, v)
  multiply(ROOT, ROOT, v) // v^3
  square(POWER, ROOT)
  multiply(POWER, POWER, v) // v^7
  multiply(POWER, POWER, u)
  powerForRoot(POWER, POWER)
  multiply(ROOT, ROOT, u)
  multiply(ROOT, ROOT, POWER)
  // check = v r^2, one of u, -u and +-SQRT_M1 u
  square(CHECK, ROOT)
  multiply(CHECK, CHECK, v)
  const correctSign = areEqual(CHECK, u)
  conditionalNegate(CHECK, i64x2.splat(-1))
  const flippedSign = areEqual(CHECK, u)
  multiply(OTHER, u, SQRT_M1)
  const flippedSignByRoot = areEqual(CHECK, OTHER)
  multiply(OTHER, ROOT, SQRT_M1)
  conditionalMove(ROOT, OTHER, v128.or(flippedSign, flippedSignByRoot))
  conditionalNegate(ROOT, isNegative(ROOT))
  copyElement(out, ROOT)
  return v128.or(correctSign, flippedSign)
}
