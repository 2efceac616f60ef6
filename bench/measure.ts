/**
 * How everything here is timed: each contestant runs one short Benchmark a round and rounds of all contestants alternate,
 * so that a slow moment of the machine hits them alike. What counts is the median of the rounds.
 */
import Benchmark from 'benchmark'

export interface Timed {
  readonly contestant: string
  /** One short measurement: microseconds a run. */
  readonly once: () => number
}

export interface Measured {
  readonly contestant: string
  /** Microseconds a run, median over the rounds. */
  readonly us: number
  /** Slowest round over fastest. */
  readonly spread: number
}

const ROUND_SECONDS = 0.15
const SAMPLES = 3

/** Every result a contestant hands back ends here, so that no run can be left out as useless. */
let sink = 0

/** A contestant that runs in this process; `run` hands back a byte of its result. */
export function timed(contestant: string, run: () => number | undefined): Timed {
  const once = () => {
    const bench = new Benchmark(
      contestant,
      () => {
        const byte = run()
        if (byte === undefined) throw new Error(`${contestant} gave no result`)
        sink ^= byte
      },
      { maxTime: ROUND_SECONDS, minTime: ROUND_SECONDS / SAMPLES, minSamples: SAMPLES },
    )
    bench.run()
    if (sink > 255 || bench.error !== undefined) throw bench.error ?? new Error('a result was no byte')
    return bench.stats.mean * 1e6
  }
  return { contestant, once }
}

export function measure(contestants: readonly Timed[], rounds: number): Measured[] {
  const times = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, { once }] of contestants.entries()) times[index]?.push(once())
  }
  return contestants.map(({ contestant }, index) => {
    const sorted = (times[index] as number[]).sort((a, b) => a - b)
    const us = sorted[sorted.length >> 1] as number
    return { contestant, us, spread: (sorted.at(-1) as number) / (sorted[0] as number) }
  })
}

/** How many times as long as the first of its kind, which is ours. */
export function ratio(us: number, first: { readonly us: number } | undefined): string {
  return first === undefined ? '' : (us / first.us).toFixed(2)
}
