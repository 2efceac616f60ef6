/**
 * How everything here is timed: each contestant runs one short Benchmark a round and rounds of all contestants alternate,
 * so that a slow moment of the machine hits them alike. Of a round's slices the lower quartile counts, which is the
 * contestant undisturbed by other processes, and of the rounds the median.
 */
import Benchmark from 'benchmark'
import { lowerQuartile, median, ratioOver, significant, spread } from './statistics.js'

export interface Timed {
  readonly contestant: string
  /** One short measurement: microseconds a run. */
  readonly once: (seconds: number) => number
}

export interface Measured {
  readonly contestant: string
  /** Microseconds a run, median over the rounds. */
  readonly us: number
  /** Slowest round over fastest. */
  readonly spread: number
  /** How many times as long as the first contestant, which is ours: median over the rounds. */
  readonly ratio: number
}

/** How much time one measurement may take. */
export interface Effort {
  readonly rounds: number
  readonly seconds: number
}

/** Slices of a round; fewer where a single run takes longer. */
const SLICES = 8
const LEAST_SLICES = 3

/** Every result a contestant hands back ends here, so that no run can be left out as useless. */
let sink = 0

export function effort(quick: boolean): Effort {
  return quick ? { rounds: 3, seconds: 0.06 } : { rounds: 5, seconds: 0.12 }
}

/** A contestant that runs in this process; `run` hands back a byte of its result. */
export function timed(contestant: string, run: () => number | undefined): Timed {
  const once = (seconds: number) => {
    const bench = new Benchmark(
      contestant,
      () => {
        const byte = run()
        if (byte === undefined) throw new Error(`${contestant} gave no result`)
        sink ^= byte
      },
      { maxTime: seconds, minTime: seconds / SLICES, minSamples: LEAST_SLICES },
    )
    bench.run()
    if (sink > 255 || bench.error !== undefined) throw bench.error ?? new Error('a result was no byte')
    return lowerQuartile(bench.stats.sample) * 1e6
  }
  return { contestant, once }
}

export function measure(contestants: readonly Timed[], { rounds, seconds }: Effort): Measured[] {
  const times = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, { once }] of contestants.entries()) times[index]?.push(once(seconds))
  }
  const first = times[0] ?? []
  return contestants.map(({ contestant }, index) => {
    const own = times[index] ?? []
    const [us, spreadOfOwn, ratio] = [median(own), spread(own), ratioOver(own, first)].map((value) =>
      significant(value),
    )
    return { contestant, us: us as number, spread: spreadOfOwn as number, ratio: ratio as number }
  })
}
