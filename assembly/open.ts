/**
 * CS's side of a batch of copies (PROTOCOL.md sections 4 and 5): opens each, and reads each slot under every window asked for.
 */
import { decrypt } from './aead/aead'
import { buildWindow, multiplyWindow } from './curve/multiply'
import { decode } from './curve/ristretto'
import { reduce } from './curve/scalar'
import {
  LABEL_COPY,
  LENGTHS,
  LENGTHS_CAPACITY,
  OUTPUT,
  POINT_BYTES,
  SECRET,
  SPLIT_SCRATCH,
  TEXT,
  TEXT_CAPACITY,
  WINDOW_SCRATCH,
  WINDOWS,
  WINDOWS_CAPACITY,
} from './layout'
import { SEAL_BYTES, sharedKey, wipe } from './seal'
import { SLOT_BYTES, slotKeys, unpermute } from './slots'
import { CAPACITY, NOT_OPENED, OK } from './status'

/** R_i, slot_i, and a payload that is at least E_i and a tag: the recipient takes no shorter one. */
const LEAST_COPY_BYTES: i32 = 32 + SLOT_BYTES + SEAL_BYTES

/** Bytes of one record at OUTPUT: status, receipt key at 32, one slot a window from 64. */
export const RECORD_BYTES: i32 = 160

const SCALAR: usize = SPLIT_SCRATCH
const KEYS: usize = SPLIT_SCRATCH + 32
const PRODUCT: usize = SPLIT_SCRATCH + 96
const POINT: usize = PRODUCT + POINT_BYTES

/**
 * Opens `count` copies that stand one after the other at TEXT, with their LENGTHS, under SECRET, in place: the copy is 32
 * bytes into its sealed form. A record each goes to OUTPUT.
 */
export function openCopies(count: i32, windows: i32): i32 {
  if (<u32>count > <u32>LENGTHS_CAPACITY || <u32>windows > <u32>WINDOWS_CAPACITY) return CAPACITY
  reduce(SCALAR, SECRET)
  let at = TEXT
  for (let i = 0; i < count; i++) {
    const sealedBytes = load<i32>(LENGTHS + 4 * i)
    if (sealedBytes < 0 || at + sealedBytes > TEXT + TEXT_CAPACITY) {
      wipe()
      return CAPACITY
    }
    const record = OUTPUT + RECORD_BYTES * i
    store<i32>(record, openCopy(at, sealedBytes - SEAL_BYTES, record, windows) ? OK : NOT_OPENED)
    at += sealedBytes
  }
  wipe()
  return OK
}

function openCopy(at: usize, copyBytes: i32, record: usize, windows: i32): bool {
  if (copyBytes < LEAST_COPY_BYTES) return false
  if (!multiplyEncoded(at)) return false
  sharedKey(KEYS, at, PRODUCT)
  const copy = at + 32
  if (!decrypt(copy, copyBytes, KEYS, LABEL_COPY, 0, 0)) return false
  if (!multiplyEncoded(copy)) return false
  slotKeys(KEYS, copy, PRODUCT)
  memory.copy(record + 32, KEYS + 32, 32)
  for (let i = 0; i < windows; i++) {
    unpermute(record + 64 + SLOT_BYTES * i, copy + 32, KEYS, load<u32>(WINDOWS + 4 * i), copyBytes)
  }
  return true
}

/** PRODUCT = [SCALAR] times the point encoded at `encoding`, where that decodes. */
function multiplyEncoded(encoding: usize): bool {
  if (!decode(POINT, encoding)) return false
  buildWindow(WINDOW_SCRATCH, POINT)
  multiplyWindow(PRODUCT, SCALAR, WINDOW_SCRATCH)
  return true
}
