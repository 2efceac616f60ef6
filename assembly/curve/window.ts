/**
 * [k]P and [j]Q for points that are multiplied once: windows of four bits over the odd multiples 1..15 of each, one
 * point and one scalar a lane. Every lookup reads all eight entries under a mask: constant time in the scalars.
 */
import { ELEMENT_BYTES, POINT_BYTES, WINDOW_SCRATCH } from '../layout'
import { writeDigits } from './digits'
import {
  addEntry,
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
    addEntry(out, out, ENTRY)
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
function select(first: u64, second: u64): void {
  const digits = i64x2.replace_lane(i64x2.splat(first), 1, second)
  const positive = i64x2.neg(i64x2.shr_u(digits, WIDTH - 1))
  const negative = v128.not(positive)
  const index = v128.and(v128.xor(digits, negative), i64x2.splat(ENTRIES - 1))
  for (let at: usize = 0; at < POINT_BYTES; at += 16) {
    let chosen = i64x2.splat(0)
    for (let i = 0; i < ENTRIES; i++) {
      const mask = i64x2.eq(index, i64x2.splat(i))
      chosen = v128.or(chosen, v128.and(mask, v128.load(pointAt(TABLE, i) + at)))
    }
    v128.store(ENTRY + at, chosen)
  }
  conditionalNegateEntry(ENTRY, ENTRY + 3 * ELEMENT_BYTES, negative)
}
