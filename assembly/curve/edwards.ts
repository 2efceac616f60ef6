/**
 * Points of edwards25519, -x^2 + y^2 = 1 + d x^2 y^2, in extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z and
 * T = XY/Z (RFC 8032 section 5.1.4). Addition is complete: no case is special, so nothing branches.
 * A "table entry" is a point made ready to be added: Y - X, Y + X, 2Z, 2dT. Coordinates of points are R, of points just
 * decoded 2R for one of X and Y; those of table entries are at most 3R (bounds as in field.ts).
 */
import { EDWARDS_SCRATCH, ELEMENT_BYTES, POINT_BYTES } from '../layout'
import { D, ONE, TWICE_D } from './constants'
import {
  add,
  conditionalNegate,
  copyElement,
  fromBytes,
  isCanonical,
  isNegative,
  isZero,
  multiply,
  setSmall,
  square,
  squareDoubled,
  subtract,
} from './field'
import { squareRootOfRatio } from './root'

const Y: usize = ELEMENT_BYTES
const Z: usize = 2 * ELEMENT_BYTES
const T: usize = 3 * ELEMENT_BYTES

const A: usize = EDWARDS_SCRATCH
const B: usize = EDWARDS_SCRATCH + ELEMENT_BYTES
const C: usize = EDWARDS_SCRATCH + 2 * ELEMENT_BYTES
const E: usize = EDWARDS_SCRATCH + 3 * ELEMENT_BYTES
const F: usize = EDWARDS_SCRATCH + 4 * ELEMENT_BYTES
const G: usize = EDWARDS_SCRATCH + 5 * ELEMENT_BYTES
const H: usize = EDWARDS_SCRATCH + 6 * ELEMENT_BYTES
const ENTRY: usize = EDWARDS_SCRATCH + 8 * ELEMENT_BYTES

/** out = the neutral element (0, 1). */
export function setNeutral(out: usize): void {
  memory.fill(out, 0, POINT_BYTES)
  copyElement(out + Y, ONE)
  copyElement(out + Z, ONE)
}

export function copyPoint(out: usize, p: usize): void {
  memory.copy(out, p, POINT_BYTES)
}

/** out = p made ready to be added. */
export function toEntry(out: usize, p: usize): void {
  subtract(out, p + Y, p)
  add(out + ELEMENT_BYTES, p + Y, p)
  add(out + 2 * ELEMENT_BYTES, p + Z, p + Z)
  multiply(out + 3 * ELEMENT_BYTES, p + T, TWICE_D)
}

/** out = p + entry. RFC 8032 section 5.1.4, its A..H. */
export function addEntry(out: usize, p: usize, entry: usize): void {
  subtract(A, p + Y, p) // at most 3R
  multiply(A, A, entry)
  add(B, p + Y, p) // at most 3R
  multiply(B, B, entry + ELEMENT_BYTES)
  multiply(C, p + T, entry + 3 * ELEMENT_BYTES)
  multiply(G, p + Z, entry + 2 * ELEMENT_BYTES) // D of the RFC
  subtract(E, B, A) // 2R
  subtract(F, G, C) // 2R
  add(G, G, C) // 2R
  add(H, B, A) // 2R
  multiply(out, E, F)
  multiply(out + Y, G, H)
  multiply(out + Z, F, G)
  multiply(out + T, E, H)
}

/** out = p + q. */
export function addPoints(out: usize, p: usize, q: usize): void {
  toEntry(ENTRY, q)
  addEntry(out, p, ENTRY)
}

/** out = 2p. RFC 8032 section 5.1.4, with all four signs turned, which gives the same point. */
export function double(out: usize, p: usize): void {
  add(E, p, p + Y) // at most 3R
  square(A, p)
  square(B, p + Y)
  squareDoubled(C, p + Z)
  square(E, E)
  add(H, B, A) // 2R
  subtract(G, B, A) // 2R
  subtract(E, E, H) // 3R
  subtract(F, C, G) // 3R
  multiply(out, E, F)
  multiply(out + Y, G, H)
  multiply(out + Z, F, G)
  multiply(out + T, E, H)
}

/** out = 2^times p. */
export function doubleTimes(out: usize, p: usize, times: i32): void {
  double(out, p)
  for (let i = 1; i < times; i++) double(out, out)
}

/** Whether p is the neutral element: X = 0 and Y = Z. Public data only. */
export function isNeutral(p: usize): bool {
  subtract(A, p + Y, p + Z)
  return (isZero(p) & isZero(A)) != 0
}

/**
 * Reads an Ed25519 public key (RFC 8032 section 5.1.3). False where it is not canonical or no point of the curve.
 * Public data only.
 */
export function decodeEdwards(out: usize, bytes: usize): bool {
  if (!isCanonical(bytes)) return false
  const sign = load<u8>(bytes, 31) >> 7
  fromBytes(out + Y, bytes)
  square(A, out + Y)
  multiply(B, A, D)
  subtract(A, A, ONE) // u = y^2 - 1
  add(B, B, ONE) // v = d y^2 + 1
  if (!squareRootOfRatio(out, A, B)) return false
  if (sign && isZero(out)) return false
  conditionalNegate(out, isNegative(out) ^ sign)
  setSmall(out + Z, 1)
  multiply(out + T, out, out + Y)
  return true
}
