/**
 * P2's split (PROTOCOL.md section 5), and what S recomputes of it: the tokens its receipts must hold and the points of
 * its own copies. A request is prepared once: combs for C, B' and G', R ready to be added; slots, personal parts and
 * content stand where the host put them. Keys come with every call and are wiped after it.
 */
import { encrypt, TAG_BYTES } from './aead/aead'
import { block } from './aead/chacha20'
import { addEntry, toEntry } from './curve/edwards'
import { buildComb, multiplyComb } from './curve/multiply'
import { decode, encode } from './curve/ristretto'
import { reduceWide } from './curve/scalar'
import { hash, hmac } from './hash/sha256'
import {
  COMB_BASE,
  COMB_GENERATOR,
  COMB_GROUP,
  COMB_SERVER,
  CONTENT,
  CONTENT_CAPACITY,
  COPIES_CAPACITY,
  ENTROPY,
  KEY,
  LABEL_COPY,
  LABEL_COPY_SCALAR,
  LABEL_RECEIPT,
  LABEL_SCRAMBLE,
  LABEL_SCRAMBLE_SCALAR,
  LABEL_SLOT_OFFSET,
  OUTPUT,
  OUTPUT_CAPACITY,
  PARTS,
  POINT,
  PREPARED_ENTRY,
  RECEIPT_KEYS,
  SECOND_POINT,
  SLOTS,
  SPLIT_SCRATCH,
  TEXT,
  TEXT_CAPACITY,
  THIRD_POINT,
} from './layout'
import { SEAL_BYTES, sharedKey, wipe } from './seal'
import { SLOT_BYTES } from './slots'
import { CAPACITY, OK, POINT_REFUSED } from './status'

/** R_i, slot_i, E_i, the byte that counts the personal part, and the payload's tag. */
const COPY_FIXED_BYTES: i32 = 32 + SLOT_BYTES + 32 + 1 + TAG_BYTES
const LABEL_BYTES: i32 = 12
const TOKEN_BYTES: i32 = 4

const STREAM: usize = SPLIT_SCRATCH
const SCALAR: usize = SPLIT_SCRATCH + 64
const SHARED: usize = SPLIT_SCRATCH + 96
const RECEIPT: usize = SPLIT_SCRATCH + 128
const PRODUCT: usize = SPLIT_SCRATCH + 192

/** Builds the comb of C, read from POINT. */
export function prepareServer(): i32 {
  if (!decode(PRODUCT, POINT)) return POINT_REFUSED
  buildComb(COMB_SERVER, PRODUCT)
  return OK
}

/** Prepares R, B' and G', read from POINT, SECOND_POINT and THIRD_POINT. */
export function prepareRequest(): i32 {
  if (!decode(PRODUCT, POINT)) return POINT_REFUSED
  toEntry(PREPARED_ENTRY, PRODUCT)
  if (!decode(PRODUCT, SECOND_POINT)) return POINT_REFUSED
  buildComb(COMB_BASE, PRODUCT)
  if (!decode(PRODUCT, THIRD_POINT)) return POINT_REFUSED
  buildComb(COMB_GROUP, PRODUCT)
  return OK
}

/** Writes finished copies from..from+count-1 to OUTPUT. KEY is K2; the first 32 bytes of ENTROPY draw outer scalars. */
export function split(from: i32, count: i32, partBytes: i32, contentBytes: i32): i32 {
  const copyBytes = COPY_FIXED_BYTES + partBytes + contentBytes
  const sealedBytes = copyBytes + SEAL_BYTES
  if (!prepared(from, count, partBytes, contentBytes)) return CAPACITY
  if (<u64>count * <u64>sealedBytes > <u64>OUTPUT_CAPACITY) return CAPACITY
  let at = OUTPUT
  for (let i = from; i < from + count; i++) {
    makeCopy(at + 32, i, partBytes, contentBytes)
    sealCopy(at, i, copyBytes)
    at += sealedBytes
  }
  wipe()
  return OK
}

/** Writes the tokens of copies from..from+count-1 to OUTPUT. KEY is K2, RECEIPT_KEYS those of the same copies. */
export function tokens(from: i32, count: i32, partBytes: i32, contentBytes: i32, verdict: i32): i32 {
  const copyBytes = COPY_FIXED_BYTES + partBytes + contentBytes
  if (!prepared(from, count, partBytes, contentBytes) || copyBytes > TEXT_CAPACITY) return CAPACITY
  for (let i = 0; i < count; i++) {
    makeCopy(TEXT, from + i, partBytes, contentBytes)
    memory.copy(RECEIPT, LABEL_RECEIPT, LABEL_BYTES)
    store<u8>(RECEIPT + LABEL_BYTES, verdict)
    hash(RECEIPT + LABEL_BYTES + 1, TEXT, copyBytes)
    hmac(RECEIPT, RECEIPT_KEYS + 32 * i, RECEIPT, LABEL_BYTES + 1 + 32)
    store<u32>(OUTPUT + TOKEN_BYTES * i, load<u32>(RECEIPT))
  }
  wipe()
  memory.fill(RECEIPT_KEYS, 0, 32 * count)
  return OK
}

/** Writes the points E_i of copies from..from+count-1 to OUTPUT. KEY is K2. */
export function payloadPoints(from: i32, count: i32): i32 {
  if (!prepared(from, count, 0, 0)) return CAPACITY
  for (let i = 0; i < count; i++) {
    derivedScalar(KEY, from + i, LABEL_SCRAMBLE_SCALAR)
    multiplyComb(PRODUCT, SCALAR, COMB_BASE)
    encode(OUTPUT + 32 * i, PRODUCT)
  }
  wipe()
  return OK
}

/** Writes copy i: R_i || slot_i || E_i || AEAD(part count || part || content). */
function makeCopy(at: usize, i: i32, partBytes: i32, contentBytes: i32): void {
  derivedScalar(KEY, i, LABEL_SLOT_OFFSET)
  multiplyComb(PRODUCT, SCALAR, COMB_GENERATOR)
  addEntry(PRODUCT, PRODUCT, PREPARED_ENTRY)
  encode(at, PRODUCT)
  memory.copy(at + 32, SLOTS + SLOT_BYTES * i, SLOT_BYTES)

  const payload = at + 32 + SLOT_BYTES
  derivedScalar(KEY, i, LABEL_SCRAMBLE_SCALAR)
  multiplyComb(PRODUCT, SCALAR, COMB_BASE)
  encode(payload, PRODUCT)
  multiplyComb(PRODUCT, SCALAR, COMB_GROUP)
  sharedKey(SHARED, payload, PRODUCT)

  const text = payload + 32
  store<u8>(text, partBytes)
  memory.copy(text + 1, PARTS + partBytes * i, partBytes)
  memory.copy(text + 1 + partBytes, CONTENT, contentBytes)
  encrypt(text, 1 + partBytes + contentBytes, SHARED, LABEL_SCRAMBLE, 0, 0)
}

/** Seals the copy at `at` + 32 for CS in place. */
function sealCopy(at: usize, i: i32, copyBytes: i32): void {
  derivedScalar(ENTROPY, i, LABEL_COPY_SCALAR)
  multiplyComb(PRODUCT, SCALAR, COMB_GENERATOR)
  encode(at, PRODUCT)
  multiplyComb(PRODUCT, SCALAR, COMB_SERVER)
  sharedKey(SHARED, at, PRODUCT)
  encrypt(at + 32, copyBytes, SHARED, LABEL_COPY, 0, 0)
}

/** SCALAR = wide(block(key, i, label)). */
function derivedScalar(key: usize, i: i32, label: usize): void {
  block(STREAM, key, i, label)
  reduceWide(SCALAR, STREAM)
}

function prepared(from: i32, count: i32, partBytes: i32, contentBytes: i32): bool {
  return (
    from >= 0 &&
    count >= 0 &&
    from <= COPIES_CAPACITY - count &&
    <u32>partBytes <= 255 &&
    <u32>contentBytes <= <u32>CONTENT_CAPACITY
  )
}
