export * from './index'

import { buildComb, multiplyComb } from './curve/comb'
import { GENERATOR } from './curve/constants'
import { writeDigits } from './curve/digits'
import * as e from './curve/edwards'
import * as f from './curve/field'
import { invert } from './curve/field'
import { decode, encode, encodeDoubled } from './curve/ristretto'
import { reduceWide } from './curve/scalar'
import { multiplyWindow } from './curve/window'
import { COMB_GENERATOR, COMB_MESSAGE, OUTPUT, RESULT, SPLIT_SCRATCH } from './layout'

const P: usize = SPLIT_SCRATCH
const W: usize = OUTPUT
export function init(): void {
  for (let i = 0; i < 40; i++) e.copyPoint(W + 320 * i, GENERATOR)
  e.copyPoint(P, GENERATOR)
}
export function b_mul(n: i32): void {
  for (let i = 0; i < n; i++) f.multiply(W + 1000, P, P + 80)
}
export function b_mulw(n: i32): void {
  for (let i = 0; i < n; i++) f.multiplyWide(W + 1000, P, P + 80)
}
export function b_sq(n: i32): void {
  for (let i = 0; i < n; i++) f.square(W + 1000, P)
}
export function b_sqchain(n: i32): void {
  for (let i = 0; i < n; i++) f.square(P, P)
}
export function b_double(n: i32): void {
  for (let i = 0; i < n; i++) e.double(P, P)
}
export function b_double4(n: i32): void {
  for (let i = 0; i < n; i++) e.doubleTimes(P, P, 4)
}
export function b_addAffine(n: i32): void {
  for (let i = 0; i < n; i++) e.addAffineEntry(P, P, W)
}
export function b_addEntry(n: i32): void {
  for (let i = 0; i < n; i++) e.addEntry(P, P, W)
}
export function b_toEntry(n: i32): void {
  for (let i = 0; i < n; i++) e.toEntry(W + 4000, P)
}
export function b_neg(n: i32): void {
  for (let i = 0; i < n; i++) e.conditionalNegateEntry(W + 8000, W + 8160, i64x2.splat(i & 1 ? -1 : 0))
}
export function b_isneg(n: i32): void {
  for (let i = 0; i < n; i++) f.isNegative(P)
}
export function b_invert(n: i32): void {
  for (let i = 0; i < n; i++) invert(W + 1000, P)
}
export function b_comb16(n: i32): void {
  for (let i = 0; i < n; i++) multiplyComb(W + 20000, W, 16, COMB_GENERATOR, false)
}
export function b_digits(n: i32): void {
  for (let i = 0; i < n; i++) writeDigits(W + 20000, 16, W, 6, false)
}
export function b_buildM4(n: i32): void {
  for (let i = 0; i < n; i++) buildComb(COMB_MESSAGE, GENERATOR, 5, 4, 2)
}
export function b_combM4(n: i32): void {
  for (let i = 0; i < n; i++) multiplyComb(W + 20000, W, 16, COMB_MESSAGE, false)
}
export function b_buildM1(n: i32): void {
  for (let i = 0; i < n; i++) buildComb(COMB_MESSAGE, GENERATOR, 5, 1, 2)
}
export function b_window(n: i32): void {
  for (let i = 0; i < n; i++) multiplyWindow(W + 20000, W, W, GENERATOR, true)
}
export function b_enc40(n: i32): void {
  for (let i = 0; i < n; i++) encodeDoubled(W + 30000, W, 40)
}
export function b_encode(n: i32): void {
  for (let i = 0; i < n; i++) encode(W + 30000, P)
}
export function b_decode(n: i32): void {
  for (let i = 0; i < n; i++) decode(W + 30000, RESULT, RESULT)
}
export function b_dblIndep8(n: i32): void {
  for (let i = 0; i < n; i++) e.double(W + 320 * (i & 7), W + 320 * (i & 7))
}
export function b_addIndep8(n: i32): void {
  for (let i = 0; i < n; i++) e.addAffineEntry(W + 320 * (i & 7), W + 320 * (i & 7), W + 3200)
}
export function b_mulIndep(n: i32): void {
  for (let i = 0; i < n; i++) f.multiply(W + 20000 + 80 * (i & 7), P, P + 80)
}
export function b_mulDep(n: i32): void {
  for (let i = 0; i < n; i++) f.multiply(P + 160, P + 160, P + 80)
}
export function b_narrow(n: i32): void {
  for (let i = 0; i < n; i++) f.narrowSum(W + 20000 + 80 * (i & 7), W + 1000, W + 1200)
}
