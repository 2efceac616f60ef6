/**
 * Scalar multiplication with signed 4-bit digits. A "window" holds the multiples 0..8 of one point as table entries; a
 * "comb" holds one window for each pair of digits, for points that are multiplied often. Every lookup reads the whole
 * window under a mask: constant time in the scalar.
 */
import { COMB_BYTES, DIGITS, ELEMENT_BYTES, MULTIPLY_SCRATCH, POINT_BYTES, WINDOW_BYTES } from '../layout'
import { ONE } from './constants'
import { addEntry, copyPoint, doubleTimes, setNeutral, toEntry } from './edwards'
import { add, conditionalNegate, copyElement } from './field'
import { recode } from './scalar'

const DIGIT_BYTES: usize = MULTIPLY_SCRATCH
const ENTRY: usize = MULTIPLY_SCRATCH + <usize>DIGITS
const MULTIPLE: usize = ENTRY + POINT_BYTES
const POWER: usize = MULTIPLE + POINT_BYTES

/** Fills a window with the multiples 0..8 of p. */
export function buildWindow(window: usize, p: usize): void {
  const first = window + POINT_BYTES
  memory.fill(window, 0, POINT_BYTES)
  copyElement(window, ONE)
  copyElement(window + ELEMENT_BYTES, ONE)
  add(window + 2 * ELEMENT_BYTES, ONE, ONE)
  toEntry(first, p)
  copyPoint(MULTIPLE, p)
  for (let i: usize = 2; i <= 8; i++) {
    addEntry(MULTIPLE, MULTIPLE, first)
    toEntry(window + i * POINT_BYTES, MULTIPLE)
  }
}

/** Fills a comb: window w with the multiples of 256^w p. */
export function buildComb(comb: usize, p: usize): void {
  copyPoint(POWER, p)
  for (let window = comb; window < comb + COMB_BYTES; window += WINDOW_BYTES) {
    buildWindow(window, POWER)
    doubleTimes(POWER, POWER, 8)
  }
}

/** out = [scalar]p for the p of a window. */
export function multiplyWindow(out: usize, scalar: usize, window: usize): void {
  recode(DIGIT_BYTES, scalar)
  setNeutral(out)
  for (let i = DIGITS - 1; i >= 0; i--) {
    doubleTimes(out, out, 4)
    addMultiple(out, window, <usize>i)
  }
}

/** out = [scalar]p for the p of a comb. */
export function multiplyComb(out: usize, scalar: usize, comb: usize): void {
  recode(DIGIT_BYTES, scalar)
  setNeutral(out)
  for (let i: usize = 1; i < <usize>DIGITS; i += 2) addMultiple(out, comb + (i >> 1) * WINDOW_BYTES, i)
  doubleTimes(out, out, 4)
  for (let i: usize = 0; i < <usize>DIGITS; i += 2) addMultiple(out, comb + (i >> 1) * WINDOW_BYTES, i)
}

/** out = out + [digit i] times the window's point. */
function addMultiple(out: usize, window: usize, i: usize): void {
  const digit = <i32>load<i8>(DIGIT_BYTES + i)
  const negative = digit >> 31
  select(window, (digit ^ negative) - negative)
  negateEntry(-negative)
  addEntry(out, out, ENTRY)
}

/** ENTRY = entry `index`, 0..8, of a window, reading all of them. */
function select(window: usize, index: i32): void {
  for (let offset: usize = 0; offset < POINT_BYTES; offset += ELEMENT_BYTES) {
    let low = i32x4.splat(0)
    let middle = low
    let high = low
    for (let i: i32 = 0; i <= 8; i++) {
      const at = window + <usize>i * POINT_BYTES + offset
      const mask = i32x4.eq(i32x4.splat(i), i32x4.splat(index))
      low = v128.or(low, v128.and(mask, v128.load(at)))
      middle = v128.or(middle, v128.and(mask, v128.load(at, 16)))
      high = v128.or(high, v128.and(mask, v128.load(at, 32)))
    }
    v128.store(ENTRY + offset, low)
    v128.store(ENTRY + offset, middle, 16)
    v128.store(ENTRY + offset, high, 32)
  }
}

/** Negates ENTRY where flag is 1: Y - X and Y + X change places, T its sign. */
function negateEntry(flag: i32): void {
  const mask = i32x4.splat(-flag)
  for (let at: usize = ENTRY; at < ENTRY + ELEMENT_BYTES; at += 16) {
    const difference = v128.load(at)
    const sum = v128.load(at, ELEMENT_BYTES)
    v128.store(at, v128.bitselect(sum, difference, mask))
    v128.store(at, v128.bitselect(difference, sum, mask), ELEMENT_BYTES)
  }
  conditionalNegate(ENTRY + 3 * ELEMENT_BYTES, flag)
}
