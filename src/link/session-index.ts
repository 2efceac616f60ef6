/**
 * The 4 bytes by which a packet names its session, as they stand in it and as the number that sessions are found by; the
 * last bit tells when it was drawn (PROTOCOL.md section 10.6).
 */
import { uint32 } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'

export const INDEX_BYTES = 4

export interface SessionIndex {
  readonly bytes: Uint8Array
  readonly number: number
}

/** An index drawn in this term: its last bit says whether the term is an odd one. */
export function drawIndex(now: Millis, random: RandomBytes): SessionIndex {
  const bytes = random(INDEX_BYTES)
  const last = bytes[INDEX_BYTES - 1] as number
  bytes[INDEX_BYTES - 1] = (last & ~1) | (termAt(now) & 1)
  return { bytes, number: uint32(bytes) }
}

/** The term in which an index was drawn, if it was drawn in this one or the one before. */
export function termOf(now: Millis, index: Uint8Array): number {
  const term = termAt(now)
  return term - ((term ^ (index[INDEX_BYTES - 1] as number)) & 1)
}

/** Counted from 1, so that there is one before it even where a clock begins at the epoch. */
function termAt(now: Millis): number {
  return 1 + Math.floor(now / limits.resetTermMs)
}
