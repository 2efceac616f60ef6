/**
 * CS's side of a batch of copies (PROTOCOL.md sections 4 and 5): opens each, and reads each slot under every window asked
 * for. Two multiplications a copy by one secret; copies go sixteen at a time, two a pair of lanes.
 */
import { decrypt } from './aead/aead'
import { BATCH } from './curve/comb'
import { pointAt } from './curve/edwards'
import { decodePairs, encodeDoubled } from './curve/ristretto'
import { reduce } from './curve/scalar'
import { multiplyWindow } from './curve/window'
import {
  LABEL_COPY,
  LENGTHS,
  LENGTHS_CAPACITY,
  OPEN_SCRATCH,
  OUTPUT,
  POINT_BYTES,
  SECRET,
  TEXT,
  TEXT_CAPACITY,
  WINDOWS,
  WINDOWS_CAPACITY,
} from './layout'
import { hashPairs, SEAL_BYTES, wipe } from './seal'
import { SLOT_BYTES, slotKeys, unpermute } from './slots'
import { CAPACITY, NOT_OPENED, OK } from './status'

/** R_i, slot_i, and a payload that is at least E_i and a tag: the recipient takes no shorter one. */
const LEAST_COPY_BYTES: i32 = 32 + SLOT_BYTES + SEAL_BYTES

/** Bytes of one record at OUTPUT: status, receipt key at 32, one slot a window from 64. */
export const RECORD_BYTES: i32 = 160

const SCALAR: usize = OPEN_SCRATCH
const KEYS: usize = SCALAR + 32
/** Where the copies of a batch stand that are still to be opened, which they are, and how long. */
const PLACES: usize = KEYS + 64
const RECORDS: usize = PLACES + 8 * <usize>BATCH
const SIZES: usize = RECORDS + 8 * <usize>BATCH
const POINTS: usize = SIZES + 4 * <usize>BATCH
const ENCODINGS: usize = POINTS + <usize>(BATCH >> 1) * POINT_BYTES
const PAIRS: usize = ENCODINGS + 32 * <usize>BATCH
const SHARED: usize = PAIRS + 64 * <usize>BATCH
const DECODED: usize = SHARED + 32 * <usize>BATCH
export const OPEN_SCRATCH_BYTES: usize = DECODED + <usize>BATCH - OPEN_SCRATCH

/**
 * Opens `count` copies that stand one after the other at TEXT, with their LENGTHS, under SECRET, in place: the copy is 32
 * bytes into its sealed form. A record each goes to OUTPUT.
 */
export function openCopies(count: i32, windows: i32): i32 {
  if (<u32>count > <u32>LENGTHS_CAPACITY || <u32>windows > <u32>WINDOWS_CAPACITY || !lengthsFit(count)) {
    wipe()
    return CAPACITY
  }
  reduce(SCALAR, SECRET)
  let at = TEXT
  let waiting = 0
  for (let i = 0; i < count; i++) {
    const sealedBytes = load<i32>(LENGTHS + 4 * i)
    const record = OUTPUT + RECORD_BYTES * i
    store<i32>(record, NOT_OPENED)
    if (sealedBytes >= LEAST_COPY_BYTES + SEAL_BYTES) enlist(waiting++, at, record, sealedBytes - SEAL_BYTES)
    at += sealedBytes
    if (waiting == BATCH || (waiting > 0 && i == count - 1)) {
      openBatch(waiting, windows)
      waiting = 0
    }
  }
  wipe()
  return OK
}

function lengthsFit(count: i32): bool {
  let total: u64 = 0
  for (let i = 0; i < count; i++) total += load<u32>(LENGTHS + 4 * i)
  return total <= <u64>TEXT_CAPACITY
}

function enlist(i: i32, place: usize, record: usize, copyBytes: i32): void {
  store<usize>(PLACES + 8 * i, place)
  store<usize>(RECORDS + 8 * i, record)
  store<i32>(SIZES + 4 * i, copyBytes)
}

/** Opens the outer seals of the copies enlisted, and the slots of those whose seal holds. */
function openBatch(size: i32, windows: i32): void {
  shareWithEach(size)
  let opened = 0
  for (let i = 0; i < size; i++) {
    const copy = load<usize>(PLACES + 8 * i) + 32
    const copyBytes = load<i32>(SIZES + 4 * i)
    if (load<u8>(DECODED + i) && decrypt(copy, copyBytes, SHARED + 32 * i, LABEL_COPY, 0, 0)) {
      enlist(opened++, copy, load<usize>(RECORDS + 8 * i), copyBytes)
    }
  }
  if (opened == 0) return
  shareWithEach(opened)
  for (let i = 0; i < opened; i++) if (load<u8>(DECODED + i)) readSlot(i, windows)
}

/** SHARED = H(encoding || Z) for the point that stands first at each place; DECODED = whether it is one. */
function shareWithEach(size: i32): void {
  const pairs = (size + 1) >> 1
  if (size & 1) store<usize>(PLACES + 8 * size, load<usize>(PLACES + 8 * size - 8))
  decodePairs(POINTS, DECODED, PLACES, pairs)
  for (let j = 0; j < pairs; j++) {
    const p = pointAt(POINTS, j)
    multiplyWindow(p, SCALAR, SCALAR, p, true)
  }
  encodeDoubled(ENCODINGS, POINTS, pairs)
  for (let i = 0; i < size; i++) {
    memory.copy(PAIRS + 64 * i, load<usize>(PLACES + 8 * i), 32)
    memory.copy(PAIRS + 64 * i + 32, ENCODINGS + 32 * i, 32)
  }
  hashPairs(SHARED, PAIRS, size)
}

function readSlot(i: i32, windows: i32): void {
  const copy = load<usize>(PLACES + 8 * i)
  const record = load<usize>(RECORDS + 8 * i)
  slotKeys(KEYS, SHARED + 32 * i)
  memory.copy(record + 32, KEYS + 32, 32)
  for (let w = 0; w < windows; w++) {
    const out = record + 64 + SLOT_BYTES * w
    unpermute(out, copy + 32, KEYS, load<u32>(WINDOWS + 4 * w), load<i32>(SIZES + 4 * i))
  }
  store<i32>(record, OK)
}
