/**
 * Exports of the debug build only: single parts of the core, so that tests can hold each against its published vectors
 * and against exact arithmetic at the limb bounds. Operands and results at the addresses named, lengths unchecked.
 */
import { blocks4 } from './aead/chacha20'
import { absorb, finish, start } from './aead/poly1305'
import * as field from './curve/field'
import { squareRootOfRatio } from './curve/root'
import { hash, hash64x4, hmac } from './hash/sha256'
import { ELEMENT_BYTES, KEY, NONCE, OUTPUT, POINT, RESULT, SECOND_POINT, TEXT, WIDE_BYTES } from './layout'

const A: usize = OUTPUT
const B: usize = OUTPUT + ELEMENT_BYTES
const PRODUCT: usize = OUTPUT + 2 * ELEMENT_BYTES
const WIDE: usize = OUTPUT + 3 * ELEMENT_BYTES
const OTHER_WIDE: usize = WIDE + WIDE_BYTES
const OTHER_PRODUCT: usize = OTHER_WIDE + WIDE_BYTES
const LOOSE: usize = OTHER_PRODUCT + ELEMENT_BYTES

/** RESULT = SHA-256 of TEXT. */
export function probeHash(textBytes: i32): void {
  hash(RESULT, TEXT, textBytes)
}

/** RESULT = the digests of the four 64-byte messages at TEXT. */
export function probeHashLanes(): void {
  hash64x4(RESULT, TEXT)
}

/** RESULT = four blocks of key stream under KEY and NONCE. */
export function probeBlocks(counter: u32): void {
  blocks4(RESULT, KEY, counter, NONCE)
}

/** RESULT = HMAC-SHA256 of TEXT under KEY. */
export function probeHmac(textBytes: i32): void {
  hmac(RESULT, KEY, TEXT, textBytes)
}

/** RESULT = Poly1305 of TEXT, whole blocks of it, under KEY. */
export function probePoly1305(textBytes: i32): void {
  start(KEY)
  absorb(TEXT, textBytes)
  finish(RESULT)
}

/** RESULT = sqrt(POINT / SECOND_POINT) as RFC 9496 section 4.2 has it; returns whether that is a square. */
export function probeRoot(): bool {
  field.fromBytes(A, POINT, POINT)
  field.fromBytes(B, SECOND_POINT, SECOND_POINT)
  const wasSquare = squareRootOfRatio(PRODUCT, A, B)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
  return v128.all_true<i64>(wasSquare)
}

/** RESULT = the products, one a lane, of the elements at OUTPUT and one element on; their limbs two elements on. */
export function probeMultiply(): void {
  field.multiply(PRODUCT, A, B)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for the squares of the first. */
export function probeSquare(): void {
  field.square(PRODUCT, A)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for four times the product: as much as narrowing takes. */
export function probeWideSum(): void {
  field.multiplyWide(WIDE, A, B)
  field.addWide(WIDE, WIDE, WIDE)
  field.narrowSum(PRODUCT, WIDE, WIDE)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for 2b - 2ab: widened and multiplied elements meet. */
export function probeWideDifference(): void {
  field.multiplyWide(WIDE, A, B)
  field.addWide(WIDE, WIDE, WIDE)
  field.widen(OTHER_WIDE, B)
  field.addWide(OTHER_WIDE, OTHER_WIDE, OTHER_WIDE)
  field.narrowDifference(PRODUCT, OTHER_WIDE, WIDE)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for 2ab. */
export function probeTwice(): void {
  field.multiplyTwice(PRODUCT, A, B)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for 2a^2 + 2ab, of products with 2R on their left. */
export function probeCombinedSum(): void {
  combineLoose(PRODUCT, OTHER_PRODUCT)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for 2a^2 - 2ab. */
export function probeCombinedDifference(): void {
  combineLoose(OTHER_PRODUCT, PRODUCT)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

function combineLoose(sum: usize, difference: usize): void {
  field.add(LOOSE, A, A)
  field.multiplyWide(WIDE, LOOSE, B)
  field.multiplyCombine(sum, difference, WIDE, LOOSE, A)
}

/** As probeMultiply, for a^2 + b^2. */
export function probeSquaresSum(): void {
  field.squareWide(WIDE, B)
  field.squareCombine(PRODUCT, OTHER_PRODUCT, WIDE, A)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for a^2 - b^2. */
export function probeSquaresDifference(): void {
  field.squareWide(WIDE, B)
  field.squareCombine(OTHER_PRODUCT, PRODUCT, WIDE, A)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for 2b^2 - (a^2 - b^2). */
export function probeTwiceLess(): void {
  field.squareWide(WIDE, B)
  field.squareCombine(LOOSE, OTHER_PRODUCT, WIDE, A)
  field.squareTwiceLess(PRODUCT, B, WIDE)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** As probeMultiply, for the inverses of the first. */
export function probeInvert(): void {
  field.invert(PRODUCT, A)
  field.toBytes(RESULT, RESULT + 32, PRODUCT)
}

/** RESULT = the elements at OUTPUT. */
export function probeToBytes(): void {
  field.toBytes(RESULT, RESULT + 32, A)
}
