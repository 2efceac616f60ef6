/**
 * Constants of edwards25519 and ristretto255, each with its equation, as their encodings; `prepareConstants` turns them
 * into elements once at start, both lanes alike. `constantsHold` checks the equations in the debug build.
 * Numbers: RFC 9496 section 4.1, RFC 8032 section 5.1.
 */
import { CONSTANTS, EDWARDS_SCRATCH, ELEMENT_BYTES, POINT_BYTES } from '../layout'
import { areEqual, fromBytes, multiply, narrowDifference, narrowSum, square, widen } from './field'

export const ONE: usize = CONSTANTS
/** d of -x^2 + y^2 = 1 + d x^2 y^2: 121666 d = -121665. */
export const D: usize = CONSTANTS + ELEMENT_BYTES
export const TWICE_D: usize = CONSTANTS + 2 * ELEMENT_BYTES
export const FOUR_TIMES_D: usize = CONSTANTS + 3 * ELEMENT_BYTES
/** The even root of -1: SQRT_M1^2 = -1. */
export const SQRT_M1: usize = CONSTANTS + 4 * ELEMENT_BYTES
/** 1 / sqrt(a - d) with a = -1, the even root: INVSQRT_A_MINUS_D^2 (a - d) = 1. */
export const INVSQRT_A_MINUS_D: usize = CONSTANTS + 5 * ELEMENT_BYTES
/** HALF + HALF = 1. */
export const HALF: usize = CONSTANTS + 6 * ELEMENT_BYTES
/** The generator B as X, Y, Z, T: 5 y = 4, x even, Z = 1, T = x y. */
export const GENERATOR: usize = CONSTANTS + 7 * ELEMENT_BYTES
export const CONSTANTS_BYTES: usize = 7 * ELEMENT_BYTES + POINT_BYTES

const ONE_BYTES = memory.data<u8>([
  1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
])
const D_BYTES = memory.data<u8>([
  0xa3, 0x78, 0x59, 0x13, 0xca, 0x4d, 0xeb, 0x75, 0xab, 0xd8, 0x41, 0x41, 0x4d, 0x0a, 0x70, 0x00, 0x98, 0xe8, 0x79,
  0x77, 0x79, 0x40, 0xc7, 0x8c, 0x73, 0xfe, 0x6f, 0x2b, 0xee, 0x6c, 0x03, 0x52,
])
const SQRT_M1_BYTES = memory.data<u8>([
  0xb0, 0xa0, 0x0e, 0x4a, 0x27, 0x1b, 0xee, 0xc4, 0x78, 0xe4, 0x2f, 0xad, 0x06, 0x18, 0x43, 0x2f, 0xa7, 0xd7, 0xfb,
  0x3d, 0x99, 0x00, 0x4d, 0x2b, 0x0b, 0xdf, 0xc1, 0x4f, 0x80, 0x24, 0x83, 0x2b,
])
const INVSQRT_A_MINUS_D_BYTES = memory.data<u8>([
  0xea, 0x40, 0x5d, 0x80, 0xaa, 0xfd, 0xc8, 0x99, 0xbe, 0x72, 0x41, 0x5a, 0x17, 0x16, 0x2f, 0x9d, 0x40, 0xd8, 0x01,
  0xfe, 0x91, 0x7b, 0xc2, 0x16, 0xa2, 0xfc, 0xaf, 0xcf, 0x05, 0x89, 0x6c, 0x78,
])
const HALF_BYTES = memory.data<u8>([
  0xf7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f,
])
const GENERATOR_X_BYTES = memory.data<u8>([
  0x1a, 0xd5, 0x25, 0x8f, 0x60, 0x2d, 0x56, 0xc9, 0xb2, 0xa7, 0x25, 0x95, 0x60, 0xc7, 0x2c, 0x69, 0x5c, 0xdc, 0xd6,
  0xfd, 0x31, 0xe2, 0xa4, 0xc0, 0xfe, 0x53, 0x6e, 0xcd, 0xd3, 0x36, 0x69, 0x21,
])
const GENERATOR_Y_BYTES = memory.data<u8>([
  0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
  0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
])
/** The group order l as 32 little-endian bytes: l = 2^252 + 27742317777372353535851937790883648493. */
export const ORDER = memory.data<u8>(
  [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0x10,
  ],
  16,
)

const A: usize = EDWARDS_SCRATCH
const B: usize = EDWARDS_SCRATCH + 160
const C: usize = EDWARDS_SCRATCH + 320

/** Fills CONSTANTS. */
export function prepareConstants(): void {
  fromBytes(ONE, ONE_BYTES, ONE_BYTES)
  fromBytes(D, D_BYTES, D_BYTES)
  double(TWICE_D, D)
  double(FOUR_TIMES_D, TWICE_D)
  fromBytes(SQRT_M1, SQRT_M1_BYTES, SQRT_M1_BYTES)
  fromBytes(INVSQRT_A_MINUS_D, INVSQRT_A_MINUS_D_BYTES, INVSQRT_A_MINUS_D_BYTES)
  fromBytes(HALF, HALF_BYTES, HALF_BYTES)
  fromBytes(GENERATOR, GENERATOR_X_BYTES, GENERATOR_X_BYTES)
  fromBytes(GENERATOR + ELEMENT_BYTES, GENERATOR_Y_BYTES, GENERATOR_Y_BYTES)
  fromBytes(GENERATOR + 2 * ELEMENT_BYTES, ONE_BYTES, ONE_BYTES)
  multiply(GENERATOR + 3 * ELEMENT_BYTES, GENERATOR, GENERATOR + ELEMENT_BYTES)
}

/** Whether the equations above hold, and the generator lies on the curve. Debug build, once at start. */
export function constantsHold(): bool {
  setSmall(A, 121666)
  multiply(A, A, D)
  setSmall(B, 121665)
  if (!areOpposite(A, B)) return false
  square(A, SQRT_M1)
  if (!areOpposite(A, ONE)) return false
  square(A, INVSQRT_A_MINUS_D)
  sum(B, ONE, D)
  multiply(A, A, B)
  if (!areOpposite(A, ONE)) return false
  double(A, HALF)
  if (!areSame(A, ONE)) return false
  setSmall(A, 5)
  multiply(A, A, GENERATOR + ELEMENT_BYTES)
  setSmall(B, 4)
  if (!areSame(A, B)) return false
  // y^2 - x^2 = 1 + d t^2, since t = x y.
  square(A, GENERATOR + ELEMENT_BYTES)
  square(B, GENERATOR)
  difference(A, A, B)
  square(B, GENERATOR + 3 * ELEMENT_BYTES)
  multiply(B, B, D)
  sum(B, B, ONE)
  return areSame(A, B)
}

function double(out: usize, a: usize): void {
  sum(out, a, a)
}

function sum(out: usize, a: usize, b: usize): void {
  const wide: usize = EDWARDS_SCRATCH + 480
  widen(wide, a)
  widen(wide + 160, b)
  narrowSum(out, wide, wide + 160)
}

function difference(out: usize, a: usize, b: usize): void {
  const wide: usize = EDWARDS_SCRATCH + 480
  widen(wide, a)
  widen(wide + 160, b)
  narrowDifference(out, wide, wide + 160)
}

/** out = value, by adding ones: it runs in the debug build alone. */
function setSmall(out: usize, value: i32): void {
  const bit: usize = C
  memory.copy(bit, ONE, ELEMENT_BYTES)
  difference(out, ONE, ONE)
  for (let rest = value; rest > 0; rest >>= 1) {
    if (rest & 1) sum(out, out, bit)
    double(bit, bit)
  }
}

function areSame(a: usize, b: usize): bool {
  return v128.all_true<i64>(areEqual(a, b))
}

function areOpposite(a: usize, b: usize): bool {
  sum(A, a, b)
  difference(C, ONE, ONE)
  return areSame(A, C)
}
