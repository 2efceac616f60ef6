/**
 * ristretto255: 32-byte canonical encodings of the group of prime order that edwards25519 points stand for
 * (RFC 9496 section 4.3). Element and point are the same thing in memory; only encodings tell elements apart.
 */
import { ELEMENT_BYTES, RISTRETTO_SCRATCH } from '../layout'
import { D, INVSQRT_A_MINUS_D, ONE, SQRT_M1 } from './constants'
import {
  add,
  conditionalMove,
  conditionalNegate,
  copyElement,
  fromBytes,
  isCanonical,
  isNegative,
  isZero,
  isZeroBytes,
  multiply,
  negate,
  setSmall,
  square,
  subtract,
  toBytes,
} from './field'
import { squareRootOfRatio } from './root'

const Y: usize = ELEMENT_BYTES
const Z: usize = 2 * ELEMENT_BYTES
const T: usize = 3 * ELEMENT_BYTES

const S: usize = RISTRETTO_SCRATCH
const U1: usize = RISTRETTO_SCRATCH + ELEMENT_BYTES
const U2: usize = RISTRETTO_SCRATCH + 2 * ELEMENT_BYTES
const V: usize = RISTRETTO_SCRATCH + 3 * ELEMENT_BYTES
const ROOT: usize = RISTRETTO_SCRATCH + 4 * ELEMENT_BYTES
const DEN_X: usize = RISTRETTO_SCRATCH + 5 * ELEMENT_BYTES
const DEN_Y: usize = RISTRETTO_SCRATCH + 6 * ELEMENT_BYTES
const ROTATED_X: usize = RISTRETTO_SCRATCH + 7 * ELEMENT_BYTES
const ROTATED_Y: usize = RISTRETTO_SCRATCH + 8 * ELEMENT_BYTES
const INVERSE: usize = RISTRETTO_SCRATCH + 9 * ELEMENT_BYTES

/**
 * Reads an encoding (RFC 9496 section 4.3.1). False where it does not decode or is the identity, which this protocol
 * refuses wherever it reads a point. Encodings are public.
 */
export function decode(out: usize, bytes: usize): bool {
  if (load<u8>(bytes, 31) >> 7 || !isCanonical(bytes) || load<u8>(bytes) & 1 || isZeroBytes(bytes)) return false
  fromBytes(S, bytes) // 2R
  square(V, S)
  subtract(U1, ONE, V) // u1 = 1 - s^2, 2R
  add(U2, ONE, V) // u2 = 1 + s^2, 2R
  square(ROOT, U2)
  square(V, U1)
  multiply(V, V, D)
  negate(V, V)
  subtract(V, V, ROOT) // v = -(d u1^2) - u2^2, 2R
  multiply(ROOT, V, ROOT)
  const wasSquare = squareRootOfRatio(INVERSE, ONE, ROOT) // of 1 / (v u2^2)
  multiply(DEN_X, INVERSE, U2)
  multiply(DEN_Y, INVERSE, DEN_X)
  multiply(DEN_Y, DEN_Y, V)
  multiply(out, S, DEN_X)
  add(out, out, out) // 2R
  conditionalNegate(out, isNegative(out)) // x = |2 s den_x|
  multiply(out + Y, U1, DEN_Y)
  setSmall(out + Z, 1)
  multiply(out + T, out, out + Y)
  return (wasSquare & (1 ^ isNegative(out + T)) & (1 ^ isZero(out + Y))) != 0
}

/** Writes the encoding of p (RFC 9496 section 4.3.2), 32 zero bytes for the identity. Constant time. */
export function encode(bytes: usize, p: usize): void {
  add(U1, p + Z, p + Y) // at most 3R
  subtract(V, p + Z, p + Y) // at most 3R
  multiply(U1, U1, V) // u1 = (z + y)(z - y)
  multiply(U2, p, p + Y) // u2 = x y
  square(V, U2)
  multiply(V, V, U1)
  squareRootOfRatio(ROOT, ONE, V) // 1 / sqrt(u1 u2^2)
  multiply(DEN_X, ROOT, U1) // den1
  multiply(DEN_Y, ROOT, U2) // den2
  multiply(INVERSE, DEN_X, DEN_Y)
  multiply(INVERSE, INVERSE, p + T) // z_inv
  multiply(ROTATED_Y, p, SQRT_M1) // ix
  multiply(ROTATED_X, p + Y, SQRT_M1) // iy
  multiply(DEN_X, DEN_X, INVSQRT_A_MINUS_D)
  multiply(V, p + T, INVERSE)
  const rotate = isNegative(V)
  copyElement(U1, p)
  copyElement(U2, p + Y)
  conditionalMove(U1, ROTATED_X, rotate) // x
  conditionalMove(U2, ROTATED_Y, rotate) // y
  conditionalMove(DEN_Y, DEN_X, rotate) // den_inv
  multiply(V, U1, INVERSE)
  conditionalNegate(U2, isNegative(V))
  subtract(S, p + Z, U2) // at most 3R
  multiply(S, S, DEN_Y)
  conditionalNegate(S, isNegative(S)) // s = |den_inv (z - y)|
  toBytes(bytes, S)
}
