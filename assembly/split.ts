/**
 * P2's split (PROTOCOL.md section 5), and what S recomputes of it: the tokens its receipts must hold and the points of
 * its own copies. A request is prepared once: combs for C and for B' and G', R ready to be added; slots, personal parts
 * and content stand where the host put them. Copies are made sixteen at a time, so that their multiplications share
 * lookups and their encodings an inversion. Keys come with every call and are wiped after it; what was prepared stays for
 * the next call, until it is forgotten.
 */
import { encrypt, TAG_BYTES } from './aead/aead'
import { blocks4 } from './aead/chacha20'
import { BATCH, buildComb, LASTING_WIDTH, multiplyComb, wipeComb } from './curve/comb'
import { HALF } from './curve/constants'
import { addAffineEntry, neutralInSecondLane, pointAt, toAffineEntry } from './curve/edwards'
import { BOTH, decode, encodeDoubled } from './curve/ristretto'
import { reduceWide } from './curve/scalar'
import { hash, hmac } from './hash/sha256'
import {
  COMB_GENERATOR,
  COMB_MESSAGE,
  COMB_SERVER,
  CONTENT,
  CONTENT_CAPACITY,
  COPIES_CAPACITY,
  ENCODE_CAPACITY,
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
  POINT_BYTES,
  PREPARED_BYTES,
  PREPARED_ONCE,
  PREPARED_TWICE,
  RECEIPT_KEYS,
  SECOND_POINT,
  SLOTS,
  SPLIT_SCRATCH,
  TEXT,
  TEXT_CAPACITY,
  THIRD_POINT,
} from './layout'
import { hashPairs, SEAL_BYTES, wipe } from './seal'
import { SLOT_BYTES } from './slots'
import { CAPACITY, OK, POINT_REFUSED } from './status'

/** R_i, slot_i, E_i, the byte that counts the personal part, and the payload's tag. */
const COPY_FIXED_BYTES: i32 = 32 + SLOT_BYTES + 32 + 1 + TAG_BYTES
const LABEL_BYTES: i32 = 12
const TOKEN_BYTES: i32 = 4

/** The comb of a message's one-time pair. */
const MESSAGE_WIDTH: i32 = 5

const STREAMS: usize = SPLIT_SCRATCH
/** t_i, or t_i and o_i in turn. */
const BASE_SCALARS: usize = STREAMS + 256
const SERVER_SCALARS: usize = BASE_SCALARS + 2 * 32 * <usize>BATCH
const PAYLOAD_SCALARS: usize = SERVER_SCALARS + 32 * <usize>BATCH
const POINTS: usize = PAYLOAD_SCALARS + 32 * <usize>BATCH
const ENCODINGS: usize = POINTS + <usize>ENCODE_CAPACITY * POINT_BYTES
/** E_i and what its holder shares, as they are hashed. */
const PAYLOAD_PAIRS: usize = ENCODINGS + 64 * <usize>ENCODE_CAPACITY
const COPY_PAIRS: usize = PAYLOAD_PAIRS + 64 * <usize>BATCH
const PAYLOAD_KEYS: usize = COPY_PAIRS + 64 * <usize>BATCH
const COPY_KEYS: usize = PAYLOAD_KEYS + 32 * <usize>BATCH
const RECEIPT: usize = COPY_KEYS + 32 * <usize>BATCH
export const SPLIT_SCRATCH_BYTES: usize = RECEIPT + 64 - SPLIT_SCRATCH

/** Builds the comb of C, read from POINT. */
export function prepareServer(): i32 {
  if (decode(POINTS, POINT, POINT) != BOTH) return POINT_REFUSED
  buildComb(COMB_SERVER, POINTS, LASTING_WIDTH, 1, 1)
  return OK
}

/** Prepares R, B' and G', read from POINT, SECOND_POINT and THIRD_POINT, for a message of so many copies. */
export function prepareRequest(copies: i32): i32 {
  if (makeRequestReady(copies)) return OK
  forgetRequest()
  return POINT_REFUSED
}

/** Overwrites what is prepared, and what preparing left. */
export function forgetRequest(): void {
  wipeComb(COMB_MESSAGE)
  memory.fill(PREPARED_ONCE, 0, PREPARED_BYTES)
  wipe()
}

function makeRequestReady(copies: i32): bool {
  if (decode(POINTS, POINT, POINT) != BOTH) return false
  toAffineEntry(PREPARED_TWICE, POINTS, HALF)
  toAffineEntry(PREPARED_ONCE, POINTS, HALF)
  neutralInSecondLane(PREPARED_ONCE)
  if (decode(POINTS, SECOND_POINT, THIRD_POINT) != BOTH) return false
  buildComb(COMB_MESSAGE, POINTS, MESSAGE_WIDTH, spacingFor(copies), 2)
  return true
}

/** Writes finished copies from..from+count-1 to OUTPUT. KEY is K2; the first 32 bytes of ENTROPY draw outer scalars. */
export function split(from: i32, count: i32, partBytes: i32, contentBytes: i32): i32 {
  const copyBytes = COPY_FIXED_BYTES + partBytes + contentBytes
  const sealedBytes = copyBytes + SEAL_BYTES
  if (!prepared(from, count, partBytes, contentBytes)) return CAPACITY
  if (<u64>count * <u64>sealedBytes > <u64>OUTPUT_CAPACITY) return CAPACITY
  for (let done = 0; done < count; done += BATCH) {
    const size = min(BATCH, count - done)
    const first = from + done
    makePoints(first, size, true)
    for (let i = 0; i < size; i++) {
      const sealed = OUTPUT + (done + i) * sealedBytes
      makeCopy(sealed + 32, first + i, ENCODINGS + 64 * i, i, partBytes, contentBytes)
      memory.copy(sealed, ENCODINGS + 64 * i + 32, 32)
      encrypt(sealed + 32, copyBytes, COPY_KEYS + 32 * i, LABEL_COPY, 0, 0)
    }
  }
  wipe()
  return OK
}

/** Writes the tokens of copies from..from+count-1 to OUTPUT. KEY is K2, RECEIPT_KEYS those of the same copies. */
export function tokens(from: i32, count: i32, partBytes: i32, contentBytes: i32, verdict: i32): i32 {
  const copyBytes = COPY_FIXED_BYTES + partBytes + contentBytes
  if (!prepared(from, count, partBytes, contentBytes) || copyBytes > TEXT_CAPACITY) return CAPACITY
  for (let done = 0; done < count; done += BATCH) {
    const size = min(BATCH, count - done)
    makePoints(from + done, size, false)
    for (let i = 0; i < size; i++) {
      makeCopy(TEXT, from + done + i, ENCODINGS + 32 * i, i, partBytes, contentBytes)
      makeToken(OUTPUT + TOKEN_BYTES * (done + i), RECEIPT_KEYS + 32 * (done + i), copyBytes, verdict)
    }
  }
  wipe()
  memory.fill(TEXT, 0, copyBytes)
  memory.fill(RECEIPT_KEYS, 0, 32 * count)
  return OK
}

/** Writes the points E_i of copies from..from+count-1 to OUTPUT. KEY is K2. */
export function payloadPoints(from: i32, count: i32): i32 {
  if (!prepared(from, count, 0, 0)) return CAPACITY
  for (let done = 0; done < count; done += BATCH) {
    const size = min(BATCH, count - done)
    derivedScalars(PAYLOAD_SCALARS, 32, KEY, from + done, size, LABEL_SCRAMBLE_SCALAR)
    multiplyComb(POINTS, PAYLOAD_SCALARS, size, COMB_MESSAGE, false)
    encodeDoubled(ENCODINGS, POINTS, size)
    for (let i = 0; i < size; i++) memory.copy(OUTPUT + 32 * (done + i), ENCODINGS + 64 * i, 32)
  }
  wipe()
  return OK
}

/** Windows between the tables of a message's comb: more tables cost more to build and less to use. Found by measuring. */
function spacingFor(copies: i32): i32 {
  if (copies == 1) return 51
  if (copies < 9) return 13
  if (copies < 24) return 6
  if (copies < 48) return 4
  if (copies < 128) return 3
  return copies < 256 ? 2 : 1
}

/**
 * All points of `size` copies at once, each doubled as it is encoded, which the protocol takes into its definitions.
 * ENCODINGS = R_i one after the other, or R_i and the outer seal's point in turn; PAYLOAD_KEYS and COPY_KEYS = the keys
 * of both seals.
 */
function makePoints(first: i32, size: i32, sealed: bool): void {
  const stride: usize = sealed ? 64 : 32
  derivedScalars(BASE_SCALARS, stride, KEY, first, size, LABEL_SLOT_OFFSET)
  derivedScalars(PAYLOAD_SCALARS, 32, KEY, first, size, LABEL_SCRAMBLE_SCALAR)
  if (sealed) {
    derivedScalars(SERVER_SCALARS, 32, ENTROPY, first, size, LABEL_COPY_SCALAR)
    for (let i = 0; i < size; i++) memory.copy(BASE_SCALARS + 64 * i + 32, SERVER_SCALARS + 32 * i, 32)
  }
  const basePairs = sealed ? size : (size + 1) >> 1
  const serverPairs = sealed ? (size + 1) >> 1 : 0
  const payloads = pointAt(POINTS, basePairs)
  const servers = pointAt(payloads, size)
  multiplyBases(basePairs, sealed)
  multiplyComb(payloads, PAYLOAD_SCALARS, size, COMB_MESSAGE, false)
  if (sealed) multiplyComb(servers, SERVER_SCALARS, size, COMB_SERVER, false)
  encodeDoubled(ENCODINGS, POINTS, basePairs + size + serverPairs)
  const pairsOfPayloads = ENCODINGS + 64 * basePairs
  memory.copy(PAYLOAD_PAIRS, pairsOfPayloads, 64 * size)
  hashPairs(PAYLOAD_KEYS, PAYLOAD_PAIRS, size)
  if (sealed) hashOuter(pairsOfPayloads + 64 * size, size)
}

/** POINTS = R + [t_i]B one a lane, or that and [o_i]B side by side. */
function multiplyBases(pairs: i32, sealed: bool): void {
  const perCall = BATCH >> 1
  for (let done = 0; done < pairs; done += perCall) {
    const size = min(perCall, pairs - done)
    multiplyComb(pointAt(POINTS, done), BASE_SCALARS + 64 * done, 2 * size, COMB_GENERATOR, false)
  }
  const entry = sealed ? PREPARED_ONCE : PREPARED_TWICE
  for (let i = 0; i < pairs; i++) addAffineEntry(pointAt(POINTS, i), pointAt(POINTS, i), entry)
}

/** COPY_KEYS from the outer seals' points and the encodings of what the server shares. */
function hashOuter(serverEncodings: usize, size: i32): void {
  for (let i = 0; i < size; i++) {
    memory.copy(COPY_PAIRS + 64 * i, ENCODINGS + 64 * i + 32, 32)
    memory.copy(COPY_PAIRS + 64 * i + 32, serverEncodings + 32 * i, 32)
  }
  hashPairs(COPY_KEYS, COPY_PAIRS, size)
}

/** Writes copy i, `at` in its batch: R_i || slot_i || E_i || AEAD(part count || part || content). */
function makeCopy(copy: usize, i: i32, ephemeral: usize, at: i32, partBytes: i32, contentBytes: i32): void {
  memory.copy(copy, ephemeral, 32)
  memory.copy(copy + 32, SLOTS + SLOT_BYTES * i, SLOT_BYTES)
  const payload = copy + 32 + SLOT_BYTES
  memory.copy(payload, PAYLOAD_PAIRS + 64 * at, 32)
  const text = payload + 32
  store<u8>(text, partBytes)
  memory.copy(text + 1, PARTS + partBytes * i, partBytes)
  memory.copy(text + 1 + partBytes, CONTENT, contentBytes)
  encrypt(text, 1 + partBytes + contentBytes, PAYLOAD_KEYS + 32 * at, LABEL_SCRAMBLE, 0, 0)
}

function makeToken(out: usize, receiptKey: usize, copyBytes: i32, verdict: i32): void {
  memory.copy(RECEIPT, LABEL_RECEIPT, LABEL_BYTES)
  store<u8>(RECEIPT + LABEL_BYTES, verdict)
  hash(RECEIPT + LABEL_BYTES + 1, TEXT, copyBytes)
  hmac(RECEIPT, receiptKey, RECEIPT, LABEL_BYTES + 1 + 32)
  store<u32>(out, load<u32>(RECEIPT))
}

/** Writes wide(block(key, i, label)) for `size` i from `first` on, `stride` bytes apart. */
function derivedScalars(out: usize, stride: usize, key: usize, first: i32, size: i32, label: usize): void {
  for (let i = 0; i < size; i++) {
    if ((i & 3) == 0) blocks4(STREAMS, key, first + i, label)
    reduceWide(out + stride * i, STREAMS + 64 * (i & 3))
  }
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
