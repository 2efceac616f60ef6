/**
 * Single operations on points and scalars that are not worth a batch: key generation, invitations, reading identity keys.
 * Arguments in SECRET, SECOND_SECRET, ENTROPY, POINT and SECOND_POINT; results in RESULT.
 */

import { ORDER } from './curve/constants'
import * as edwards from './curve/edwards'
import { isZeroBytes } from './curve/field'
import { buildWindow, multiplyComb, multiplyWindow } from './curve/multiply'
import { decode, encode } from './curve/ristretto'
import * as scalar from './curve/scalar'
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
  WINDOW_SCRATCH,
} from './layout'
import { multiplyOnce, wipe } from './seal'
import { OK, POINT_REFUSED } from './status'

const P: usize = SPLIT_SCRATCH
const Q: usize = SPLIT_SCRATCH + POINT_BYTES
const SCALAR: usize = SPLIT_SCRATCH + 2 * POINT_BYTES

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
  multiplyComb(P, SCALAR, COMB_GENERATOR)
  encode(RESULT, P)
  wipe()
}

/** RESULT = [SECRET]POINT. */
export function multiplyPoint(): i32 {
  let status = POINT_REFUSED
  if (decode(P, POINT)) {
    multiplyOnce(P, SECRET, P)
    status = encodeUnlessNeutral(P)
  }
  wipe()
  return status
}

/** RESULT = POINT + SECOND_POINT. */
export function addPoints(): i32 {
  let status = POINT_REFUSED
  if (decode(P, POINT) && decode(Q, SECOND_POINT)) {
    edwards.addPoints(P, P, Q)
    status = encodeUnlessNeutral(P)
  }
  wipe()
  return status
}

/**
 * RESULT = the ristretto255 encoding of the Ed25519 public key at POINT. Refused where the key is not canonical, is the
 * neutral element or has an order other than l: [l]P is neutral for the points of prime order and for neutral alone.
 */
export function identityPoint(): i32 {
  if (!edwards.decodeEdwards(P, POINT) || edwards.isNeutral(P)) return POINT_REFUSED
  buildWindow(WINDOW_SCRATCH, P)
  multiplyWindow(Q, ORDER, WINDOW_SCRATCH)
  if (!edwards.isNeutral(Q)) return POINT_REFUSED
  encode(RESULT, P)
  return OK
}

function encodeUnlessNeutral(p: usize): i32 {
  encode(RESULT, p)
  return isZeroBytes(RESULT) ? POINT_REFUSED : OK
}
