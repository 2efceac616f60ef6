/**
 * Single operations on points and scalars that are not worth a batch: key generation, invitations, reading identity keys.
 * Both lanes do the same. Arguments in SECRET, SECOND_SECRET, ENTROPY, POINT and SECOND_POINT; results in RESULT.
 */
import { BATCH, multiplyComb } from './curve/comb'
import { ORDER } from './curve/constants'
import * as edwards from './curve/edwards'
import { isZeroBytes } from './curve/field'
import { BOTH, decode, encode, encodeDoubled } from './curve/ristretto'
import * as scalar from './curve/scalar'
import { multiplyWindow } from './curve/window'
import {
  COMB_GENERATOR,
  ENTROPY,
  OUTPUT,
  POINT,
  POINT_BYTES,
  POINT_SCRATCH,
  RESULT,
  SECOND_POINT,
  SECOND_SECRET,
  SECRET,
  SECRETS,
  SECRETS_CAPACITY,
} from './layout'
import { wipe } from './seal'
import { CAPACITY, OK, POINT_REFUSED } from './status'

const P: usize = POINT_SCRATCH
const Q: usize = P + POINT_BYTES
const ENTRY: usize = Q + POINT_BYTES
const SCALAR: usize = ENTRY + POINT_BYTES
const SCALARS: usize = SCALAR + 32
const POINTS: usize = SCALARS + 32 * <usize>BATCH
const ENCODINGS: usize = POINTS + <usize>(BATCH >> 1) * POINT_BYTES
export const POINT_SCRATCH_BYTES: usize = ENCODINGS + 32 * <usize>BATCH - POINT_SCRATCH

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

/** OUTPUT = [secret]B for `count` of SECRETS. */
export function publicPoints(count: i32): i32 {
  if (<u32>count > <u32>SECRETS_CAPACITY) return CAPACITY
  for (let done = 0; done < count; done += BATCH) {
    const size = min(BATCH, count - done)
    for (let i = 0; i < size; i++) scalar.reduce(SCALARS + 32 * i, SECRETS + 32 * (done + i))
    multiplyComb(POINTS, SCALARS, size, COMB_GENERATOR, true)
    encodeDoubled(ENCODINGS, POINTS, (size + 1) >> 1)
    memory.copy(OUTPUT + 32 * done, ENCODINGS, 32 * size)
  }
  wipe()
  memory.fill(SECRETS, 0, 32 * count)
  return OK
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
