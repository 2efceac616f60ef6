/** The 4 bytes by which a packet names its session, as they stand in it and as the number that sessions are found by. */

export const INDEX_BYTES = 4

export interface SessionIndex {
  readonly bytes: Uint8Array
  readonly number: number
}

// By hand, because this runs for every packet and a DataView costs an allocation.
export function indexNumber(index: Uint8Array): number {
  const [a, b, c, d] = [index[0] as number, index[1] as number, index[2] as number, index[3] as number]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}
