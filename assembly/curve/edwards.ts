/**
 * Points of edwards25519, -x^2 + y^2 = 1 + d x^2 y^2, in extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z and
 * T = XY/Z (RFC 8032 section 5.1.4), two points at a time, one a lane. Addition is complete: nothing branches.
 *
 * Points to be added come as entries: projective ones Y - X, Y + X, 2Z, 2dT, and affine ones (y - x)/2, (y + x)/2, dxy,
 * which save a product. Sums of products are taken before carries, so every coordinate that is kept is R (field.ts).
 */
import { EDWARDS_SCRATCH, ELEMENT_BYTES, POINT_BYTES, WIDE_BYTES } from '../layout'
import { D, GENERATOR, HALF, ONE, TWICE_D } from './constants'
import {
  add,
  areEqual,
  conditionalClear,
  conditionalMove,
  conditionalNegate,
  conditionalSwap,
  copyElement,
  fromBytes,
  isCanonical,
  isNegative,
  isZero,
  multiply,
  multiplyCombine,
  multiplyTwice,
  multiplyWide,
  narrowDifference,
  narrowSum,
  square,
  squareCombine,
  squareTwiceLess,
  squareWide,
  subtract,
  widen,
} from './field'
import { squareRootOfRatio } from './root'

const Y: usize = ELEMENT_BYTES
const Z: usize = 2 * ELEMENT_BYTES
const T: usize = 3 * ELEMENT_BYTES

const LOOSE: usize = EDWARDS_SCRATCH
const E: usize = EDWARDS_SCRATCH + ELEMENT_BYTES
const F: usize = EDWARDS_SCRATCH + 2 * ELEMENT_BYTES
const G: usize = EDWARDS_SCRATCH + 3 * ELEMENT_BYTES
const H: usize = EDWARDS_SCRATCH + 4 * ELEMENT_BYTES
const OTHER_LOOSE: usize = EDWARDS_SCRATCH + 5 * ELEMENT_BYTES
const WIDE: usize = EDWARDS_SCRATCH + 6 * ELEMENT_BYTES
const OTHER_WIDE: usize = WIDE + WIDE_BYTES
const ENTRY: usize = OTHER_WIDE + WIDE_BYTES

/** out = the neutral element (0, 1). */
export function setNeutral(out: usize): void {
  memory.fill(out, 0, POINT_BYTES)
  copyElement(out + Y, ONE)
  copyElement(out + Z, ONE)
}

/** Address of pair i of points that stand one after the other. */
export function pointAt(points: usize, i: i32): usize {
  return points + <usize>i * POINT_BYTES
}

export function copyPoint(out: usize, p: usize): void {
  memory.copy(out, p, POINT_BYTES)
}

/** out = p as a projective entry. */
export function toEntry(out: usize, p: usize): void {
  widen(WIDE, p)
  widen(OTHER_WIDE, p + Y)
  narrowDifference(out, OTHER_WIDE, WIDE)
  narrowSum(out + ELEMENT_BYTES, OTHER_WIDE, WIDE)
  add(out + 2 * ELEMENT_BYTES, p + Z, p + Z) // 2R, which addEntry takes on the left
  multiply(out + 3 * ELEMENT_BYTES, p + T, TWICE_D)
}

/** out = p as an affine entry; halfInverse = 1 / 2Z. */
export function toAffineEntry(out: usize, p: usize, halfInverse: usize): void {
  multiplyWide(WIDE, p, halfInverse) // x / 2
  multiplyWide(OTHER_WIDE, p + Y, halfInverse) // y / 2
  narrowDifference(out, OTHER_WIDE, WIDE)
  narrowSum(out + ELEMENT_BYTES, OTHER_WIDE, WIDE)
  multiply(out + 2 * ELEMENT_BYTES, p + T, halfInverse) // x y / 2
  multiply(out + 2 * ELEMENT_BYTES, out + 2 * ELEMENT_BYTES, TWICE_D)
}

/** Puts B into the first lane of a point. */
export function generatorInFirstLane(p: usize): void {
  const first = i64x2.replace_lane(i64x2.splat(0), 0, -1)
  for (let at: usize = 0; at < POINT_BYTES; at += ELEMENT_BYTES) conditionalMove(p + at, GENERATOR + at, first)
}

/** Makes the second lane of an affine entry the neutral element's. */
export function neutralInSecondLane(entry: usize): void {
  const second = i64x2.replace_lane(i64x2.splat(0), 1, -1)
  conditionalMove(entry, HALF, second)
  conditionalMove(entry + ELEMENT_BYTES, HALF, second)
  conditionalClear(entry + 2 * ELEMENT_BYTES, second)
}

/** Negates an entry where mask is set; `last` is its coordinate with T. */
export function conditionalNegateEntry(entry: usize, last: usize, mask: v128): void {
  conditionalSwap(entry, entry + ELEMENT_BYTES, mask)
  conditionalNegate(last, mask)
}

/** out = the point of an affine entry. */
export function fromAffineEntry(out: usize, entry: usize): void {
  widen(WIDE, entry)
  widen(OTHER_WIDE, entry + ELEMENT_BYTES)
  narrowDifference(out, OTHER_WIDE, WIDE)
  narrowSum(out + Y, OTHER_WIDE, WIDE)
  copyElement(out + Z, ONE)
  multiply(out + T, out, out + Y)
}

/** out = p + projective entry. RFC 8032 section 5.1.4, its A..H. */
export function addEntry(out: usize, p: usize, entry: usize): void {
  addEntryWithoutT(out, p, entry)
  multiply(out + T, E, H)
}

/** As addEntry, without T, where a doubling follows. */
export function addEntryWithoutT(out: usize, p: usize, entry: usize): void {
  multiplyWide(WIDE, p + T, entry + 3 * ELEMENT_BYTES) // C
  startCoordinates(p, entry)
  multiplyCombine(G, F, WIDE, entry + 2 * ELEMENT_BYTES, p + Z) // D + C, D - C
  finishCoordinates(out, entry)
}

/** out = p + affine entry: as addEntry, all of A..H halved. */
export function addAffineEntry(out: usize, p: usize, entry: usize): void {
  widen(OTHER_WIDE, p + Z) // D
  multiplyWide(WIDE, p + T, entry + 2 * ELEMENT_BYTES) // C
  narrowDifference(F, OTHER_WIDE, WIDE)
  narrowSum(G, OTHER_WIDE, WIDE)
  startCoordinates(p, entry)
  finishCoordinates(out, entry)
  multiply(out + T, E, H)
}

/** A, and Y1 + X1 for what follows. */
function startCoordinates(p: usize, entry: usize): void {
  subtract(LOOSE, p + Y, p)
  add(OTHER_LOOSE, p + Y, p)
  multiplyWide(OTHER_WIDE, LOOSE, entry)
}

/** The rest of an addition but for T. What was computed last is used last: the machine works on several at once. */
function finishCoordinates(out: usize, entry: usize): void {
  multiplyCombine(H, E, OTHER_WIDE, OTHER_LOOSE, entry + ELEMENT_BYTES) // B + A, B - A
  multiply(out + Z, F, G)
  multiply(out, E, F)
  multiply(out + Y, G, H)
}

/** out = p + q. */
export function addPoints(out: usize, p: usize, q: usize): void {
  toEntry(ENTRY, q)
  addEntry(out, p, ENTRY)
}

/** out = 2p. RFC 8032 section 5.1.4, with all four signs turned, which gives the same point. */
export function double(out: usize, p: usize): void {
  doubleWithoutT(out, p)
  multiply(out + T, E, H)
}

/** out = 2^times p, times at least 1. */
export function doubleTimes(out: usize, p: usize, times: i32): void {
  let from = p
  for (let i = 1; i < times; i++) {
    doubleWithoutT(out, from)
    from = out
  }
  double(out, from)
}

/** As double, without T, which doubling does not read. In an order in which results are used late. */
function doubleWithoutT(out: usize, p: usize): void {
  squareWide(WIDE, p)
  squareCombine(H, G, WIDE, p + Y) // Y^2 + X^2, Y^2 - X^2
  multiplyTwice(E, p, p + Y)
  squareTwiceLess(F, p + Z, WIDE) // 2Z^2 - G
  multiply(out + Y, G, H)
  multiply(out, E, F)
  multiply(out + Z, F, G)
}

/** Mask of the lanes with the neutral element: X = 0 and Y = Z. */
export function isNeutral(p: usize): v128 {
  return v128.and(isZero(p), areEqual(p + Y, p + Z))
}

/**
 * Reads an Ed25519 public key (RFC 8032 section 5.1.3) into both lanes. False where it is not canonical or no point of
 * the curve. Public data only.
 */
export function decodeEdwards(out: usize, bytes: usize): bool {
  if (!isCanonical(bytes)) return false
  const sign = i64x2.splat(-(<i64>load<u8>(bytes, 31) >> 7))
  fromBytes(out + Y, bytes, bytes)
  square(E, out + Y)
  widen(WIDE, E)
  widen(OTHER_WIDE, ONE)
  narrowDifference(F, WIDE, OTHER_WIDE) // u = y^2 - 1
  multiplyWide(WIDE, E, D)
  narrowSum(G, WIDE, OTHER_WIDE) // v = d y^2 + 1
  if (!v128.all_true<i64>(squareRootOfRatio(out, F, G))) return false
  if (v128.any_true(v128.and(sign, isZero(out)))) return false
  conditionalNegate(out, v128.xor(isNegative(out), sign))
  copyElement(out + Z, ONE)
  multiply(out + T, out, out + Y)
  return true
}
