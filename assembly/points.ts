/**
 * Single operations on points and scalars that are not worth a batch: key generation, invitations, reading identity keys.
 * Both lanes do the same. Arguments in SECRET, SECOND_SECRET, ENTROPY, POINT and SECOND_POINT; results in RESULT.
 */
import { multiplyComb } from './curve/comb'
import { ORDER } from './curve/constants'
import * as edwards from './curve/edwards'
import { isZeroBytes } from './curve/field'
import { BOTH, decode, encode } from './curve/ristretto'
import * as scalar from './curve/scalar'
import { multiplyWindow } from './curve/window'
import {
  COMB_GENERATOR,
  ENTROPY,
  POINT,
  POINT_BYTES,
  RESULT,
  SECOND_POINT,
  SECOND_SECRET,
  SECRET,
  SPLIT_SCRATCH,
} from './layout'
import { wipe } from './seal'
import { OK, POINT_REFUSED } from './status'

const P: usize = SPLIT_SCRATCH
const Q: usize = SPLIT_SCRATCH + POINT_BYTES
const SCALAR: usize = SPLIT_SCRATCH + 2 * POINT_BYTES
const ENCODINGS: usize = SCALAR + 32
const ENTRY: usize = ENCODINGS + 64

/** RESULT = ENTROPY's 64 bytes mod l. */
export function reduceWide(): void {
  scalar.reduceWide(RESULT, ENTROPY)
  wipe()
}

/** RESULT = SECRET + SECOND_SECRET mod l. */
export function addScalars(): void {
  scalar.addScalars(RESULT, SECRET, SECOND_SECRET)
  wipe()
}

/** RESULT = [SECRET]B. */
export function publicPoint(): void {
  scalar.reduce(SCALAR, SECRET)
  multiplyComb(P, SCALAR, 1, COMB_GENERATOR, false)
  encodeFirst(P)
  wipe()
}

/** RESULT = [SECRET]POINT. */
export function multiplyPoint(): i32 {
  let status = POINT_REFUSED
  if (decode(P, POINT, POINT) == BOTH) {
    scalar.reduce(SCALAR, SECRET)
    multiplyWindow(P, SCALAR, SCALAR, P, false)
    status = encodeUnlessNeutral(P)
  }
  wipe()
  return status
}

/** RESULT = POINT + SECOND_POINT. */
export function addPoints(): i32 {
  let status = POINT_REFUSED
  if (decode(P, POINT, POINT) == BOTH && decode(Q, SECOND_POINT, SECOND_POINT) == BOTH) {
    edwards.addPoints(P, P, Q)
    status = encodeUnlessNeutral(P)
  }
  wipe()
  return status
}

/**
 * RESULT = the ristretto255 encoding of the Ed25519 public key at POINT. Refused where the key is not canonical, is the
 * neutral element or has an order other than l. Secret scalars are taken mod l, so it takes a multiplication of its own.
 */
export function identityPoint(): i32 {
  if (!edwards.decodeEdwards(P, POINT) || isNeutral(P)) return POINT_REFUSED
  multiplyByOrder(Q, P)
  if (!isNeutral(Q)) return POINT_REFUSED
  encodeFirst(P)
  return OK
}

/** out = [l]p, by l's own bits: public, and the same for every point. */
function multiplyByOrder(out: usize, p: usize): void {
  edwards.toEntry(ENTRY, p)
  edwards.copyPoint(out, p)
  for (let bit = 251; bit >= 0; bit--) {
    edwards.double(out, out)
    if ((load<u8>(ORDER + (bit >> 3)) >> (bit & 7)) & 1) edwards.addEntry(out, out, ENTRY)
  }
}

function isNeutral(p: usize): bool {
  return v128.all_true<i64>(edwards.isNeutral(p))
}

function encodeUnlessNeutral(p: usize): i32 {
  encodeFirst(p)
  return isZeroBytes(RESULT) ? POINT_REFUSED : OK
}

function encodeFirst(p: usize): void {
  encode(ENCODINGS, p)
  memory.copy(RESULT, ENCODINGS, 32)
}
