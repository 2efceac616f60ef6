/**
 * One trial of the timing-leak test, and how it is measured. Inputs of both classes stand ready in equal numbers; they are
 * lined up in the random order in which they will be used, and copied to one and the same place before each measurement:
 * the code that runs, the addresses it reads and what the caches hold differ in nothing but the secret.
 */
import { randomFillSync } from 'node:crypto'
import type { Sample } from './statistics.js'

export type InputClass = 'fixed' | 'random'

export interface Trial {
  readonly name: string
  /** Bytes of one input. */
  readonly inputBytes: number
  /** An input of a class, drawn anew; not timed. */
  draw(kind: InputClass): Uint8Array
  /** What is timed: a run over the input that stands in `input`, giving something that depends on its result. */
  bind(input: Uint8Array): () => number
}

/** A trial that has been warmed up. */
export interface Bench {
  /** Runs in one measurement. */
  readonly batch: number
  /** Measures for so long, and until there are enough measurements; times are nanoseconds a run. */
  sample(milliseconds: number): Sample
}

/** A measurement takes at least as long, or the clock's own steps would show. */
const LEAST_MEASUREMENT_US = 4
const MAX_BATCH = 256
const LEAST_MEASUREMENTS = 256
/** Inputs to choose from in each class. */
const STOCK = 256
/** Measurements that are lined up at a time. */
const LINE = 64
const WARM_UP_MS = 60

export function prepare(trial: Trial): Bench {
  // The first goes to the compilers, the second tells how long a run takes, the third brings the batch to rest.
  const warmUp = (batch: number) => sampleOf(trial, batch, WARM_UP_MS, 1)
  warmUp(1)
  const sorted = warmUp(1).times.sort()
  const us = (sorted[sorted.length >> 1] as number) / 1000
  const batch = Math.max(1, Math.min(MAX_BATCH, Math.ceil(LEAST_MEASUREMENT_US / us)))
  warmUp(batch)
  return { batch, sample: (milliseconds) => sampleOf(trial, batch, milliseconds, LEAST_MEASUREMENTS) }
}

function sampleOf(trial: Trial, batch: number, milliseconds: number, least: number): Sample {
  const line = lineOf(trial, batch)
  const times: number[] = []
  const random: number[] = []
  const until = performance.now() + milliseconds
  while (times.length < least || performance.now() < until) {
    random.push(...line.refill())
    for (let i = 0; i < LINE; i++) times.push(line.measure(i))
  }
  if (!Number.isFinite(line.results())) throw new Error(`${trial.name} gave no result`)
  return { times: Float64Array.from(times), random: Uint8Array.from(random) }
}

interface Line {
  /** Draws the next classes and lines up their inputs; 1 is the random class. */
  refill(): Uint8Array
  /** Nanoseconds a run of the i-th measurement. */
  measure(i: number): number
  /** The sum of all results, so that no run can be left out as useless. */
  results(): number
}

function lineOf(trial: Trial, batch: number): Line {
  const { inputBytes } = trial
  const stock = [stockOf(trial, 'fixed'), stockOf(trial, 'random')] as const
  const classes = new Uint8Array(LINE)
  const choices = new Uint8Array(LINE * batch)
  const inputs = new Uint8Array(LINE * batch * inputBytes)
  const measurements = Array.from({ length: LINE }, (_, i) => inputs.subarray(...span(i, batch * inputBytes)))
  const place = new Uint8Array(batch * inputBytes)
  const runs = Array.from({ length: batch }, (_, i) => trial.bind(place.subarray(...span(i, inputBytes))))
  let results = 0
  return {
    refill() {
      randomFillSync(choices)
      randomFillSync(classes)
      for (let i = 0; i < LINE; i++) classes[i] = (classes[i] as number) & 1
      for (let i = 0; i < choices.length; i++) {
        const kind = classes[Math.floor(i / batch)] as 0 | 1
        inputs.set(stock[kind][choices[i] as number] as Uint8Array, i * inputBytes)
      }
      return classes
    },
    measure(i) {
      place.set(measurements[i] as Uint8Array)
      const start = performance.now()
      for (let run = 0; run < batch; run++) results += (runs[run] as () => number)()
      const milliseconds = performance.now() - start
      return (milliseconds * 1e6) / batch
    },
    results: () => results,
  }
}

/** One input for each value of a byte. */
function stockOf(trial: Trial, kind: InputClass): Uint8Array[] {
  return Array.from({ length: STOCK }, () => Uint8Array.from(trial.draw(kind)))
}

function span(index: number, length: number): [from: number, to: number] {
  return [index * length, (index + 1) * length]
}
