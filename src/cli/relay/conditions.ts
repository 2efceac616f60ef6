/**
 * What a relay does to datagrams, as numbers: the knobs of the simulator's network, for real sockets. Nothing of it is part
 * of the product's nodes, which cannot tell that a relay is there.
 */

export interface Conditions {
  /** Part of the datagrams that is lost, 0 to below 1. */
  readonly loss: number
  /** Mean length of a run of losses in datagrams: 1 loses each by itself, more is the two-state model of Gilbert and Elliott. */
  readonly burst: number
  /** One way, in milliseconds. */
  readonly delayMs: number
  /** Each datagram takes up to so much longer by itself, and so overtakes others. */
  readonly jitterMs: number
  /** Part of the datagrams that is held back until others have overtaken it. */
  readonly reorder: number
  /** Part that arrives twice. */
  readonly duplicate: number
  /** Part of which one bit is changed. */
  readonly corrupt: number
  /** Bytes a millisecond that the narrowest stretch carries, and what waits before it at most; without end by default. */
  readonly rateBytesPerMs: number
  readonly queueBytes: number
  /** At the end of every such time nothing passes, for that long. */
  readonly partition: { readonly everyMs: number; readonly forMs: number } | undefined
}

export const undisturbed: Conditions = {
  loss: 0,
  burst: 1,
  delayMs: 0,
  jitterMs: 0,
  reorder: 0,
  duplicate: 0,
  corrupt: 0,
  rateBytesPerMs: Number.POSITIVE_INFINITY,
  queueBytes: 256 * 1024,
  partition: undefined,
}

/** What became of the datagrams that were handed to a relay. */
export interface Tally {
  readonly offered: number
  readonly offeredBytes: number
  readonly passed: number
  /** Lost by chance, in a partition, and before a bottleneck or a full socket. */
  readonly lost: number
  readonly partitioned: number
  readonly overflowed: number
  readonly corrupted: number
  readonly duplicated: number
}

/** The tallies of several relays as one. */
export function addTallies(tallies: readonly Tally[]): Tally {
  const sum = (part: keyof Tally) => tallies.reduce((total, tally) => total + tally[part], 0)
  return {
    offered: sum('offered'),
    offeredBytes: sum('offeredBytes'),
    passed: sum('passed'),
    lost: sum('lost'),
    partitioned: sum('partitioned'),
    overflowed: sum('overflowed'),
    corrupted: sum('corrupted'),
    duplicated: sum('duplicated'),
  }
}
