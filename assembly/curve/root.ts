/**
 * The square root that decoding and encoding rest on: SQRT_RATIO_M1 of RFC 9496 section 4.2.
 */
import { ELEMENT_BYTES, ROOT_SCRATCH, ROOTS_CAPACITY } from '../layout'
import { SQRT_M1 } from './constants'
import {
  areEqual,
  conditionalMove,
  conditionalNegate,
  copyElement,
  isNegative,
  multiply,
  powersForRoots,
  square,
} from './field'

/** For each root that is being drawn u v^3, and u v^7 or its power. */
const FACTORS: usize = ROOT_SCRATCH
const BASES: usize = FACTORS + ROOTS_CAPACITY * ELEMENT_BYTES
const CHECK: usize = BASES + ROOTS_CAPACITY * ELEMENT_BYTES
const OTHER: usize = CHECK + ELEMENT_BYTES

/**
 * out = the non-negative sqrt(u / v), or sqrt(SQRT_M1 u / v) where u / v is no square. Returns the mask of the lanes
 * with a square, u = 0 among them.
 */
export function squareRootOfRatio(out: usize, u: usize, v: usize): v128 {
  startRoot(0, u, v)
  raiseRoots(1)
  return finishRoot(out, 0, u, v)
}

// The same in three steps, so that several roots are drawn at once: started from 0 on, raised together, finished.

/** Begins with root i. */
export function startRoot(i: usize, u: usize, v: usize): void {
  // r = (u v^3) (u v^7)^((p-5)/8)
  const factor = FACTORS + i * ELEMENT_BYTES
  const base = BASES + i * ELEMENT_BYTES
  square(factor, v)
  multiply(factor, factor, v) // v^3
  square(base, factor)
  multiply(base, base, v) // v^7
  multiply(base, base, u)
  multiply(factor, factor, u)
}

/** Does for the first `count` roots what takes the time. */
export function raiseRoots(count: i32): void {
  powersForRoots(BASES, BASES, count)
}

/** As squareRootOfRatio, which see, for the root that was started as i. */
export function finishRoot(out: usize, i: usize, u: usize, v: usize): v128 {
  const root = FACTORS + i * ELEMENT_BYTES
  multiply(root, root, BASES + i * ELEMENT_BYTES)
  // check = v r^2, one of u, -u and +-SQRT_M1 u
  square(CHECK, root)
  multiply(CHECK, CHECK, v)
  const correctSign = areEqual(CHECK, u)
  conditionalNegate(CHECK, i64x2.splat(-1))
  const flippedSign = areEqual(CHECK, u)
  multiply(OTHER, u, SQRT_M1)
  const flippedSignByRoot = areEqual(CHECK, OTHER)
  multiply(OTHER, root, SQRT_M1)
  conditionalMove(root, OTHER, v128.or(flippedSign, flippedSignByRoot))
  conditionalNegate(root, isNegative(root))
  copyElement(out, root)
  return v128.or(correctSign, flippedSign)
}
