/**
 * [k]P and [j]Q for points that are multiplied once: windows of four bits over the odd multiples 1..15 of each, one
 * point and one scalar a lane. Every lookup reads all eight entries under a mask: constant time in the scalars.
 */
import { ELEMENT_BYTES, POINT_BYTES, WINDOW_SCRATCH } from '../layout'
import { writeDigits } from './digits'
import {
  addEntry,
  addEntryWithoutT,
  conditionalNegateEntry,
  copyPoint,
  double,
  doubleTimes,
  pointAt,
  setNeutral,
  toEntry,
} from './edwards'

const WIDTH: i32 = 4
const WINDOWS: i32 = 64
const ENTRIES: i32 = 8

const TABLE: usize = WINDOW_SCRATCH
const ENTRY: usize = TABLE + <usize>ENTRIES * POINT_BYTES
const MULTIPLE: usize = ENTRY + POINT_BYTES
const TWICE: usize = MULTIPLE + POINT_BYTES
const FIRST_DIGITS: usize = TWICE + POINT_BYTES
const SECOND_DIGITS: usize = FIRST_DIGITS + <usize>WINDOWS

/** out = [first]p in the first lane, [second]p in the second; halves of the scalars where asked. */
export function multiplyWindow(out: usize, first: usize, second: usize, p: usize, halved: bool): void {
  writeDigits(FIRST_DIGITS, 1, first, WIDTH, halved)
  writeDigits(SECOND_DIGITS, 1, second, WIDTH, halved)
  fillTable(p)
  setNeutral(out)
  for (let i: usize = <usize>WINDOWS; i > 0; i--) {
    if (i < <usize>WINDOWS) doubleTimes(out, out, WIDTH)
    select(load<u8>(FIRST_DIGITS + i - 1), load<u8>(SECOND_DIGITS + i - 1))
    if (i > 1) addEntryWithoutT(out, out, ENTRY)
    else addEntry(out, out, ENTRY)
  }
}

/** TABLE = p, 3p, .. 15p as projective entries. */
function fillTable(p: usize): void {
  double(TWICE, p)
  toEntry(ENTRY, TWICE)
  copyPoint(MULTIPLE, p)
  for (let i = 0; i < ENTRIES; i++) {
    if (i > 0) addEntry(MULTIPLE, MULTIPLE, ENTRY)
    toEntry(pointAt(TABLE, i), MULTIPLE)
  }
}

/** ENTRY = the multiple that a raw digit a lane names. */
function select(firstDigit: u64, secondDigit: u64): void {
  const digits = i64x2.replace_lane(i64x2.splat(firstDigit), 1, secondDigit)
  const positive = i64x2.neg(i64x2.shr_u(digits, WIDTH - 1))
  const negative = v128.not(positive)
  const index = v128.xor(digits, negative)
  const first = maskOfBit(index, 0)
  const second = maskOfBit(index, 1)
  const third = maskOfBit(index, 2)
  for (let at = TABLE; at < TABLE + POINT_BYTES; at += 16) {
    const low = chosen(chosenAt(at, 0, first), chosenAt(at, 2, first), second)
    const high = chosen(chosenAt(at, 4, first), chosenAt(at, 6, first), second)
    v128.store(at + (ENTRY - TABLE), chosen(low, high, third))
  }
  conditionalNegateEntry(ENTRY, ENTRY + 3 * ELEMENT_BYTES, negative)
}

function maskOfBit(index: v128, bit: i32): v128 {
  return i64x2.neg(v128.and(i64x2.shr_u(index, bit), i64x2.splat(1)))
}

/** Of entries i and i + 1, the second where mask is set. */
function chosenAt(at: usize, i: usize, mask: v128): v128 {
  return chosen(v128.load(at + i * POINT_BYTES), v128.load(at + (i + 1) * POINT_BYTES), mask)
}

/** b where mask is set, else a. */
function chosen(a: v128, b: v128, mask: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i64x2.relaxed_laneselect(b, a, mask) : v128.bitselect(b, a, mask)
}
