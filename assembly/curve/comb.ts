/**
 * [k]P for points that are multiplied often. A comb holds, for every `spacing`-th window of `width` bits, the odd
 * multiples of its power of two times P as affine entries; the windows between are reached by doubling. One scalar is
 * multiplied a lane of one point (`lanes` = 1), or one scalar in both lanes of two points (`lanes` = 2).
 *
 * Entries lie in planes: byte q of sixteen entries side by side. A lookup for sixteen scalars is then one byte shuffle
 * a plane, with the digits as indices in a register: the same addresses whatever the digits are, so constant time, at a
 * sixth of what reading all entries under masks would cost. The bytes found are transposed back into entries.
 */
import { COMB_HEADER_BYTES, COMB_SCRATCH, ELEMENT_BYTES, LOOKUP_SCRATCH, POINT_BYTES } from '../layout'
import { HALF } from './constants'
import { windowsOf, writeDigits } from './digits'
import {
  addAffineEntry,
  addEntry,
  conditionalNegateEntry,
  copyPoint,
  double,
  doubleTimes,
  fromAffineEntry,
  pointAt,
  toAffineEntry,
  toEntry,
} from './edwards'
import { copyElement, invert, multiply } from './field'

/** The width of a comb for a key that serves for days. */
export const LASTING_WIDTH: i32 = 6

/** Scalars of one multiplyComb call. */
export const BATCH: i32 = 16

/** Limbs of an affine entry: eight bytes a lane each. */
const ENTRY_LIMBS: usize = 15
const ENTRY_BYTES: usize = 16 * ENTRY_LIMBS
const BLOCK: usize = 16

// What the header of a comb says.
const WIDTH: usize = 0
const SPACING: usize = 4
const LANES: usize = 8

// While a comb is built: its multiples as points, each followed by the product of all Z up to it.
const MULTIPLE_BYTES: usize = POINT_BYTES + ELEMENT_BYTES
const MULTIPLES: usize = COMB_SCRATCH

const DIGITS: usize = LOOKUP_SCRATCH
const NEGATIVE: usize = DIGITS + 16 * 64
const FOUND: usize = NEGATIVE + 16
const POWER: usize = FOUND + 16 * ENTRY_BYTES
const TWICE: usize = POWER + POINT_BYTES
const ENTRY: usize = TWICE + POINT_BYTES
const INVERSE: usize = ENTRY + POINT_BYTES
const HALF_INVERSE: usize = INVERSE + ELEMENT_BYTES
const ROWS: usize = HALF_INVERSE + ELEMENT_BYTES
const SQUARE: usize = ROWS + BLOCK * ENTRY_BYTES
const OTHER_SQUARE: usize = SQUARE + 256
export const LOOKUP_BYTES: usize = OTHER_SQUARE + 256 - LOOKUP_SCRATCH

/** Fills a comb for the pair of points p, or for the first of them. */
export function buildComb(comb: usize, p: usize, width: i32, spacing: i32, lanes: i32): void {
  store<i32>(comb, width, WIDTH)
  store<i32>(comb, spacing, SPACING)
  store<i32>(comb, lanes, LANES)
  const tables = tablesOf(width, spacing)
  const entries = 1 << (width - 1)
  copyPoint(POWER, p)
  for (let t = 0; t < tables; t++) {
    if (t > 0) doubleTimes(POWER, POWER, width * spacing)
    writeMultiples(MULTIPLES + <usize>(t * entries) * MULTIPLE_BYTES, entries, t == 0)
  }
  writeEntries(comb, tables * entries, lanes)
}

/** Overwrites a comb and the multiples it was made of; it must be built again before it is used. */
export function wipeComb(comb: usize): void {
  const spacing = load<i32>(comb, SPACING)
  if (spacing == 0) return
  const width = load<i32>(comb, WIDTH)
  const entries = <usize>(tablesOf(width, spacing) << (width - 1))
  memory.fill(MULTIPLES, 0, entries * MULTIPLE_BYTES)
  memory.fill(comb, 0, COMB_HEADER_BYTES + entries * planesOf(load<i32>(comb, LANES)))
}

/**
 * Writes [k]P for each of `count` scalars below l, or half of each mod l, as pairs of points to `out`: scalars 0 and 1
 * make the first pair, 2 and 3 the second; in a comb of two points scalar 0 makes the first pair of both.
 */
export function multiplyComb(out: usize, scalars: usize, count: i32, comb: usize, halved: bool): void {
  const width = load<i32>(comb, WIDTH)
  const spacing = load<i32>(comb, SPACING)
  const lanes = load<i32>(comb, LANES)
  const tables = tablesOf(width, spacing)
  const pairs = lanes == 1 ? (count + 1) >> 1 : count
  for (let i = 0; i < count; i++) writeDigits(DIGITS + i, 16, scalars + 32 * <usize>i, width, halved)
  let started = false
  for (let step = spacing - 1; step >= 0; step--) {
    if (started) for (let j = 0; j < pairs; j++) doubleTimes(pointAt(out, j), pointAt(out, j), width)
    for (let t = 0; t < tables; t++) {
      const window = t * spacing + step
      if (window >= windowsOf(width)) continue
      lookUp(comb, t, window, width, lanes)
      for (let j = 0; j < pairs; j++) addFound(pointAt(out, j), j, lanes, started)
      started = true
    }
  }
}

function tablesOf(width: i32, spacing: i32): i32 {
  return (windowsOf(width) + spacing - 1) / spacing
}

/** Adds what was found for pair j, or begins with it. */
function addFound(out: usize, j: i32, lanes: i32, started: bool): void {
  const entry = FOUND + <usize>j * ENTRY_BYTES
  const negative = lanes == 1 ? twoSigns(2 * j) : i64x2.splat(<i64>load<i8>(NEGATIVE + j))
  conditionalNegateEntry(entry, entry + 2 * ELEMENT_BYTES, negative)
  if (started) addAffineEntry(out, out, entry)
  else fromAffineEntry(out, entry)
}

function twoSigns(i: i32): v128 {
  return i64x2.replace_lane(i64x2.splat(<i64>load<i8>(NEGATIVE + i)), 1, <i64>load<i8>(NEGATIVE + i, 1))
}

/** Writes POWER, 3 POWER, 5 POWER, .. with the products of their Z, carried on from the table before. */
function writeMultiples(to: usize, entries: i32, first: bool): void {
  double(TWICE, POWER)
  toEntry(ENTRY, TWICE)
  copyPoint(to, POWER)
  for (let i = 0; i < entries; i++) {
    const at = to + <usize>i * MULTIPLE_BYTES
    if (i > 0) addEntry(at, at - MULTIPLE_BYTES, ENTRY)
    const product = at + POINT_BYTES
    if (first && i == 0) copyElement(product, at + 2 * ELEMENT_BYTES)
    else multiply(product, product - MULTIPLE_BYTES, at + 2 * ELEMENT_BYTES)
  }
}

/** Brings all multiples to Z = 1 with one inversion, last first, and sixteen at a time into planes. */
function writeEntries(comb: usize, count: i32, lanes: i32): void {
  invert(INVERSE, MULTIPLES + <usize>(count - 1) * MULTIPLE_BYTES + POINT_BYTES)
  multiply(INVERSE, INVERSE, HALF)
  const planes = planesOf(lanes)
  for (let i = count - 1; i >= 0; i--) {
    const p = MULTIPLES + <usize>i * MULTIPLE_BYTES
    if (i > 0) multiply(HALF_INVERSE, INVERSE, p - ELEMENT_BYTES)
    else copyElement(HALF_INVERSE, INVERSE)
    multiply(INVERSE, INVERSE, p + 2 * ELEMENT_BYTES)
    toAffineEntry(ROWS + <usize>(i & 15) * ENTRY_BYTES, p, HALF_INVERSE)
    if ((i & 15) == 0) writePlanes(comb + COMB_HEADER_BYTES + <usize>(i >> 4) * 16 * planes, lanes)
  }
}

function planesOf(lanes: i32): usize {
  return 8 * <usize>lanes * ENTRY_LIMBS
}

/** Transposes the sixteen entries at ROWS: of each limb eight planes of the first lane, and eight of the second. */
function writePlanes(to: usize, lanes: i32): void {
  const bytes: usize = 8 * <usize>lanes
  for (let limb: usize = 0; limb < ENTRY_LIMBS; limb++) {
    for (let i: usize = 0; i < BLOCK; i++) v128.store(SQUARE + 16 * i, v128.load(ROWS + i * ENTRY_BYTES + 16 * limb))
    // Each round takes the top bit of a byte's row number over into its place in a row, and gives it back a bit of that.
    for (let round = 0; round < 2; round++) {
      interleave(OTHER_SQUARE, SQUARE)
      interleave(SQUARE, OTHER_SQUARE)
    }
    memory.copy(to + 16 * bytes * limb, SQUARE, 16 * bytes)
  }
}

/** Writes each of the first eight rows at `from` interleaved with the eighth after it, byte by byte. */
function interleave(to: usize, from: usize): void {
  for (let at: usize = 0; at < 128; at += 16) {
    const upper = v128.load(from + at)
    const lower = v128.load(from + at, 128)
    v128.store(to + 2 * at, lowBytes(upper, lower))
    v128.store(to + 2 * at, highBytes(upper, lower), 16)
  }
}

/** FOUND = the entries that sixteen digits name in table t, without their signs; NEGATIVE = their signs. */
function lookUp(comb: usize, t: i32, window: i32, width: i32, lanes: i32): void {
  const half: i32 = 1 << (width - 1)
  const digits = v128.load(DIGITS + 16 * <usize>window)
  const negative = i8x16.lt_u(digits, i8x16.splat(<i8>half))
  v128.store(NEGATIVE, negative)
  const index = v128.and(v128.xor(digits, negative), i8x16.splat(<i8>(half - 1)))
  const planes: usize = 16 * planesOf(lanes)
  const table = comb + COMB_HEADER_BYTES + <usize>(half > 16 ? 2 * t : t) * planes
  if (half > 16) lookUpOfTwoBlocks(table, index)
  else if (lanes == 1) lookUpOfOnePoint(table, index)
  else lookUpOfTwoPoints(table, index)
}

/** Thirty-two entries of one point: an index past a block finds zeros there. */
function lookUpOfTwoBlocks(table: usize, index: v128): void {
  const second = i8x16.gt_u(index, i8x16.splat(15))
  const low = v128.or(index, second)
  const high = v128.or(i8x16.sub(index, i8x16.splat(16)), v128.not(second))
  const block: usize = 16 * 8 * ENTRY_LIMBS
  let at = table
  for (let limb: usize = 0; limb < 16 * ENTRY_LIMBS; limb += 16) {
    storeOfOnePoint(
      FOUND + limb,
      v128.or(shuffled(at, low), shuffled(at + block, high)),
      v128.or(shuffled(at + 16, low), shuffled(at + block + 16, high)),
      v128.or(shuffled(at + 32, low), shuffled(at + block + 32, high)),
      v128.or(shuffled(at + 48, low), shuffled(at + block + 48, high)),
      v128.or(shuffled(at + 64, low), shuffled(at + block + 64, high)),
      v128.or(shuffled(at + 80, low), shuffled(at + block + 80, high)),
      v128.or(shuffled(at + 96, low), shuffled(at + block + 96, high)),
      v128.or(shuffled(at + 112, low), shuffled(at + block + 112, high)),
    )
    at += 128
  }
}

function lookUpOfOnePoint(table: usize, index: v128): void {
  let at = table
  for (let limb: usize = 0; limb < 16 * ENTRY_LIMBS; limb += 16) {
    storeOfOnePoint(
      FOUND + limb,
      shuffled(at, index),
      shuffled(at + 16, index),
      shuffled(at + 32, index),
      shuffled(at + 48, index),
      shuffled(at + 64, index),
      shuffled(at + 80, index),
      shuffled(at + 96, index),
      shuffled(at + 112, index),
    )
    at += 128
  }
}

/** Byte planes 0..7 of a limb back into eight bytes a scalar, two scalars a vector: the lanes of pairs. */
function storeOfOnePoint(
  to: usize,
  p0: v128,
  p1: v128,
  p2: v128,
  p3: v128,
  p4: v128,
  p5: v128,
  p6: v128,
  p7: v128,
): void {
  const a = lowBytes(p0, p1)
  const b = lowBytes(p2, p3)
  const c = lowBytes(p4, p5)
  const d = lowBytes(p6, p7)
  storeQuarter(to, lowPairs(a, b), lowPairs(c, d))
  storeQuarter(to + 2 * ENTRY_BYTES, highPairs(a, b), highPairs(c, d))
  const e = highBytes(p0, p1)
  const f = highBytes(p2, p3)
  const g = highBytes(p4, p5)
  const h = highBytes(p6, p7)
  storeQuarter(to + 4 * ENTRY_BYTES, lowPairs(e, f), lowPairs(g, h))
  storeQuarter(to + 6 * ENTRY_BYTES, highPairs(e, f), highPairs(g, h))
}

/** Four scalars' lower and upper halves of a limb. */
function storeQuarter(to: usize, lower: v128, upper: v128): void {
  v128.store(to, lowWords(lower, upper))
  v128.store(to + ENTRY_BYTES, highWords(lower, upper))
}

/** As of one point, for each lane's planes; then a scalar's two lanes side by side. */
function lookUpOfTwoPoints(table: usize, index: v128): void {
  let at = table
  for (let limb: usize = 0; limb < 16 * ENTRY_LIMBS; limb += 16) {
    for (let lane: usize = 0; lane < 2; lane++) {
      storeOfOnePoint(
        ROWS + lane * 8 * ENTRY_BYTES,
        shuffled(at, index),
        shuffled(at + 16, index),
        shuffled(at + 32, index),
        shuffled(at + 48, index),
        shuffled(at + 64, index),
        shuffled(at + 80, index),
        shuffled(at + 96, index),
        shuffled(at + 112, index),
      )
      at += 128
    }
    for (let j: usize = 0; j < 8; j++) {
      const first = v128.load(ROWS + j * ENTRY_BYTES)
      const second = v128.load(ROWS + (8 + j) * ENTRY_BYTES)
      const to = FOUND + 2 * j * ENTRY_BYTES + limb
      v128.store(to, i64x2.shuffle(first, second, 0, 2))
      v128.store(to + ENTRY_BYTES, i64x2.shuffle(first, second, 1, 3))
    }
  }
}

function shuffled(plane: usize, index: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD
    ? i8x16.relaxed_swizzle(v128.load(plane), index)
    : i8x16.swizzle(v128.load(plane), index)
}

function lowBytes(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

function highBytes(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
}

function lowPairs(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
}

function highPairs(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
}

function lowWords(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 4, 1, 5)
}

function highWords(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 2, 6, 3, 7)
}
