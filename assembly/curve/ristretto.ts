/**
 * ristretto255: 32-byte canonical encodings of the group of prime order that edwards25519 points stand for
 * (RFC 9496 section 4.3), two at a time. Element and point are the same thing in memory; encodings tell elements apart.
 */
import { ELEMENT_BYTES, ENCODE_CAPACITY, ENCODE_SCRATCH, RISTRETTO_SCRATCH, WIDE_BYTES } from '../layout'
import { D, INVSQRT_A_MINUS_D, ONE, SQRT_M1 } from './constants'
import {
  conditionalClear,
  conditionalMove,
  conditionalNegate,
  copyElement,
  fromBytes,
  invert,
  isCanonical,
  isNegative,
  isZero,
  isZeroBytes,
  multiply,
  multiplyWide,
  narrowDifference,
  narrowSum,
  square,
  squareWide,
  toBytes,
  widen,
} from './field'
import { finishRoot, raiseRoots, squareRootOfRatio, startRoot } from './root'

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
const WIDE: usize = RISTRETTO_SCRATCH + 10 * ELEMENT_BYTES
const WIDE_ONE: usize = WIDE + WIDE_BYTES
const DECODING: usize = WIDE_ONE + WIDE_BYTES
const DECODING_BYTES: usize = 5 * ELEMENT_BYTES

/** What encodeDoubled keeps of each pair between its two passes: E, F, G, H, EG, FH, and the product so far. */
const KEPT_BYTES: usize = 7 * ELEMENT_BYTES

/** A bit a lane for decode's result. */
export const FIRST: i32 = 1
export const SECOND: i32 = 2
export const BOTH: i32 = 3

/**
 * Reads an encoding a lane (RFC 9496 section 4.3.1) and returns which lanes hold one: bit 0 the first, bit 1 the second.
 * The identity, which this protocol refuses wherever it reads a point, counts as none. Encodings are public.
 */
export function decode(out: usize, first: usize, second: usize): i32 {
  startDecoding(0, first, second)
  raiseRoots(1)
  return finishDecoding(out, 0, first, second)
}

/**
 * Reads `pairs` pairs of encodings, whose addresses stand at `places`, into points one after the other, and writes a byte
 * each to `decoded`: whether it is one.
 */
export function decodePairs(points: usize, decoded: usize, places: usize, pairs: i32): void {
  for (let i: usize = 0; i < <usize>pairs; i++) {
    startDecoding(i, load<usize>(places + 16 * i), load<usize>(places + 16 * i, 8))
  }
  raiseRoots(pairs)
  for (let i: usize = 0; i < <usize>pairs; i++) {
    const p = points + 4 * ELEMENT_BYTES * i
    const lanes = finishDecoding(p, i, load<usize>(places + 16 * i), load<usize>(places + 16 * i, 8))
    store<u8>(decoded + 2 * i, lanes & FIRST)
    store<u8>(decoded + 2 * i, lanes >> 1, 1)
  }
}

/** Keeps s, u1, u2, v and v u2^2 of pair i, and starts the root that is still missing. */
function startDecoding(i: usize, first: usize, second: usize): void {
  const s = DECODING + i * DECODING_BYTES
  const u1 = s + ELEMENT_BYTES
  const u2 = s + 2 * ELEMENT_BYTES
  const v = s + 3 * ELEMENT_BYTES
  const ratio = s + 4 * ELEMENT_BYTES
  fromBytes(s, first, second)
  square(v, s)
  widen(WIDE, v)
  widen(WIDE_ONE, ONE)
  narrowDifference(u1, WIDE_ONE, WIDE) // u1 = 1 - s^2
  narrowSum(u2, WIDE_ONE, WIDE) // u2 = 1 + s^2
  square(v, u1)
  multiplyWide(WIDE, v, D)
  squareWide(WIDE_ONE, u2)
  narrowSum(v, WIDE, WIDE_ONE)
  conditionalNegate(v, i64x2.splat(-1)) // v = -(d u1^2) - u2^2
  square(ratio, u2)
  multiply(ratio, v, ratio)
  startRoot(i, ONE, ratio) // of 1 / (v u2^2)
}

function finishDecoding(out: usize, i: usize, first: usize, second: usize): i32 {
  const s = DECODING + i * DECODING_BYTES
  const wasSquare = finishRoot(INVERSE, i, ONE, s + 4 * ELEMENT_BYTES)
  multiply(DEN_X, INVERSE, s + 2 * ELEMENT_BYTES)
  multiply(DEN_Y, INVERSE, DEN_X)
  multiply(DEN_Y, DEN_Y, s + 3 * ELEMENT_BYTES)
  multiplyWide(WIDE, s, DEN_X)
  narrowSum(out, WIDE, WIDE)
  conditionalNegate(out, isNegative(out)) // x = |2 s den_x|
  multiply(out + Y, s + ELEMENT_BYTES, DEN_Y)
  copyElement(out + Z, ONE)
  multiply(out + T, out, out + Y)
  const refused = v128.or(isNegative(out + T), isZero(out + Y))
  const accepted = i64x2.bitmask(v128.andnot(wasSquare, refused))
  return accepted & ((isPlain(first) ? FIRST : 0) | (isPlain(second) ? SECOND : 0))
}

/** Whether 32 bytes are below p, non-negative and not the identity's. */
function isPlain(bytes: usize): bool {
  return load<u8>(bytes, 31) >> 7 == 0 && isCanonical(bytes) && (load<u8>(bytes) & 1) == 0 && !isZeroBytes(bytes)
}

/** Writes the encodings of p (RFC 9496 section 4.3.2), 32 zero bytes for the identity: 64 bytes. Constant time. */
export function encode(bytes: usize, p: usize): void {
  widen(WIDE, p + Z)
  widen(WIDE_ONE, p + Y)
  narrowSum(U1, WIDE, WIDE_ONE)
  narrowDifference(V, WIDE, WIDE_ONE)
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
  widen(WIDE_ONE, U2)
  narrowDifference(S, WIDE, WIDE_ONE)
  multiply(S, S, DEN_Y)
  conditionalNegate(S, isNegative(S)) // s = |den_inv (z - y)|
  toBytes(bytes, bytes + 32, S)
}

/**
 * Writes the encodings of 2p for `pairs` pairs of points, 64 bytes a pair, with one inversion for all of them in the
 * place of a square root each.
 *
 * With E = 2XY, F = Z^2 + dT^2, G = Y^2 + X^2 and H = Z^2 - dT^2, addition gives 2p = (EH : GF : FH : EG). The curve's
 * equation makes F = Y^2 - X^2, so G^2 = F^2 + E^2, H^2 = F^2 - dE^2 and H^2 - G^2 = (a - d) E^2. The u1 u2^2 of
 * RFC 9496 section 4.3.2 is then a square with a known root: 1 / sqrt = INVSQRT_A_MINUS_D / (F^2 E^2 G H) up to sign,
 * whence x y = EG / FH, and
 *   unrotated  x = E / F,     s = |INVSQRT_A_MINUS_D (H - G) / E|, G negated where x is negative,
 *   rotated    x = iG / H,    s = |(F - iE) / G|, E negated where x is negative.
 * Where EFGH is zero 2p is the identity; its inverse is made zero, and so is s. Constant time.
 */
export function encodeDoubled(bytes: usize, points: usize, pairs: i32): void {
  if (!ASC_NO_ASSERT) assert(pairs > 0 && pairs <= ENCODE_CAPACITY)
  for (let i = 0; i < pairs; i++)
    keepForEncoding(ENCODE_SCRATCH + KEPT_BYTES * i, points + 4 * ELEMENT_BYTES * i, i > 0)
  copyElement(INVERSE, ENCODE_SCRATCH + KEPT_BYTES * (pairs - 1) + 6 * ELEMENT_BYTES)
  invert(INVERSE, INVERSE)
  for (let i = pairs - 1; i >= 0; i--) encodeKept(bytes + 64 * i, ENCODE_SCRATCH + KEPT_BYTES * i, i > 0)
}

/** Fills what is kept of a pair; the product of all EFGH so far, zeros left out, goes last. */
function keepForEncoding(kept: usize, p: usize, follows: bool): void {
  const f = kept + ELEMENT_BYTES
  const g = kept + 2 * ELEMENT_BYTES
  const h = kept + 3 * ELEMENT_BYTES
  multiplyWide(WIDE, p, p + Y)
  narrowSum(kept, WIDE, WIDE)
  square(V, p + T)
  squareWide(WIDE, p + Z)
  multiplyWide(WIDE_ONE, V, D)
  narrowSum(f, WIDE, WIDE_ONE)
  narrowDifference(h, WIDE, WIDE_ONE)
  squareWide(WIDE, p)
  squareWide(WIDE_ONE, p + Y)
  narrowSum(g, WIDE, WIDE_ONE)
  multiply(kept + 4 * ELEMENT_BYTES, kept, g)
  multiply(kept + 5 * ELEMENT_BYTES, f, h)
  multiply(V, kept + 4 * ELEMENT_BYTES, kept + 5 * ELEMENT_BYTES)
  conditionalMove(V, ONE, isZero(V))
  if (follows) multiply(kept + 6 * ELEMENT_BYTES, V, kept - ELEMENT_BYTES)
  else copyElement(kept + 6 * ELEMENT_BYTES, V)
}

/** INVERSE is of the product up to and with this pair; leaves the one up to the pair before. */
function encodeKept(bytes: usize, kept: usize, follows: bool): void {
  const f = kept + ELEMENT_BYTES
  const g = kept + 2 * ELEMENT_BYTES
  const h = kept + 3 * ELEMENT_BYTES
  const eg = kept + 4 * ELEMENT_BYTES
  const fh = kept + 5 * ELEMENT_BYTES
  multiply(V, eg, fh)
  const zero = isZero(V)
  conditionalMove(V, ONE, zero)
  if (follows) multiply(S, INVERSE, kept - ELEMENT_BYTES)
  else copyElement(S, INVERSE)
  multiply(INVERSE, INVERSE, V)
  conditionalClear(S, zero) // 1 / EFGH
  multiply(DEN_X, S, eg) // 1 / FH
  multiply(DEN_Y, S, fh) // 1 / EG
  multiply(V, eg, DEN_X)
  const rotate = isNegative(V)
  // Both cases at once: s = |m (h - g) g / EG|, with x = e h / FH, where e, g, h, m stand for E, G, H,
  // INVSQRT_A_MINUS_D or, rotated, for G, -E, iF, i.
  copyElement(U1, kept)
  copyElement(U2, g)
  conditionalMove(U1, g, rotate)
  conditionalMove(U2, kept, rotate)
  conditionalNegate(U2, rotate)
  multiply(V, f, SQRT_M1)
  conditionalMove(h, V, rotate)
  copyElement(ROOT, INVSQRT_A_MINUS_D)
  conditionalMove(ROOT, SQRT_M1, rotate)
  multiply(V, h, U1)
  multiply(V, V, DEN_X)
  conditionalNegate(U2, isNegative(V))
  widen(WIDE, h)
  widen(WIDE_ONE, U2)
  narrowDifference(V, WIDE, WIDE_ONE)
  multiply(U2, U2, DEN_Y)
  multiply(U2, U2, ROOT)
  multiply(S, V, U2)
  conditionalNegate(S, isNegative(S))
  toBytes(bytes, bytes + 32, S)
}
