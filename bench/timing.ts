/**
 * A statistical timing-leak test: does what touches a secret take another time for one fixed secret than for random ones?
 * Every trial is repeated, and is a leak only where all repetitions show the same difference (timing/statistics.ts). Code that
 * is known to leak runs beside it, and must be found.
 */
import { loadCrypto } from '../src/driver/crypto.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'
import { controls } from './timing/controls.js'
import { type Comparison, compareClasses, DEFINITE, type Judgement, judge, SUSPICIOUS } from './timing/statistics.js'
import { type Bench, prepare, type Trial } from './timing/trial.js'
import { trials } from './timing/trials.js'

interface TimingRow {
  readonly trial: string
  readonly kind: 'trial' | 'control'
  readonly build: string
  readonly verdict: Judgement['verdict']
  /** The weakest t of the repetitions, in the crop where they agree most; positive where the fixed input took longer. */
  readonly t: number
  readonly measurements: number
  readonly runsPerMeasurement: number
  /** Of one run, the mean of both classes in that crop. */
  readonly us: number
  /** Mean of the fixed class less that of the random one, nanoseconds a run. */
  readonly differenceNs: number
  /** The least difference that would have been called a leak, nanoseconds a run. */
  readonly detectableNs: number
}

const REPETITIONS = 3
/** What is suspicious is measured again for longer: the t of a true difference doubles with four times the measurements. */
const LONGER = 4

export async function timing({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  const [milliseconds, again] = quick ? [120, 1] : [5000, 2]
  const all = [
    ...trials(crypto).map((trial) => ({ trial, kind: 'trial' as const })),
    ...controls(crypto).map((trial) => ({ trial, kind: 'control' as const })),
  ]
  const results = all.map(({ trial, kind }) => ({
    ...{ trial: trial.name, kind, build: crypto.build },
    ...examine(trial, milliseconds, again),
  }))
  const problem = problemIn(results)
  return { results, text: describe(results), ...(problem !== undefined && { problem }) }
}

function examine(trial: Trial, milliseconds: number, again: number): Omit<TimingRow, 'trial' | 'kind' | 'build'> {
  const bench = prepare(trial)
  for (let round = 0; ; round++) {
    const row = repeat(bench, milliseconds * LONGER ** round)
    if (row.verdict !== 'suspicious' || round === again) return row
  }
}

function repeat(bench: Bench, milliseconds: number): Omit<TimingRow, 'trial' | 'kind' | 'build'> {
  const samples = Array.from({ length: REPETITIONS }, () => bench.sample(milliseconds))
  const repetitions = samples.map(compareClasses)
  const { verdict, t, crop } = judge(repetitions)
  const within = repetitions.map((comparisons) => comparisons[crop] as Comparison)
  return {
    verdict,
    t,
    measurements: samples.reduce((sum, { times }) => sum + times.length, 0),
    runsPerMeasurement: bench.batch,
    us: mean(within.map((comparison) => comparison.mean)) / 1000,
    differenceNs: mean(within.map(({ difference }) => difference)),
    detectableNs: detectable(repetitions),
  }
}

/** In the crop that sees best, as far as a crop that cuts into the bulk shows the whole difference. */
function detectable(repetitions: readonly (readonly Comparison[])[]): number {
  const crops = (repetitions[0] ?? []).map((_, crop) =>
    Math.max(...repetitions.map((comparisons) => (comparisons[crop] as Comparison).standardError)),
  )
  return DEFINITE * Math.min(...crops)
}

/** Why the run as a whole has failed, if it has. */
function problemIn(rows: readonly TimingRow[]): string | undefined {
  const names = (of: readonly TimingRow[]) => of.map(({ trial }) => `"${trial}"`).join(', ')
  const missed = rows.filter(({ kind, verdict }) => kind === 'control' && verdict !== 'leak')
  if (missed.length > 0)
    return `the test is blind here: ${names(missed)} leaks on purpose and was not found; the verdicts say nothing`
  const leaks = rows.filter(({ kind, verdict }) => kind === 'trial' && verdict === 'leak')
  if (leaks.length > 0) return `the time depends on the secret: ${names(leaks)}`
  return undefined
}

function describe(rows: readonly TimingRow[]): string {
  const lines = rows.map((row) => [
    `${row.kind === 'control' ? 'control: ' : ''}${row.trial}`,
    row.verdict,
    row.t.toFixed(1),
    `${row.measurements}`,
    `${row.runsPerMeasurement}`,
    row.us.toFixed(2),
    row.differenceNs.toFixed(1),
    row.detectableNs.toFixed(1),
  ])
  const head = ['trial', 'verdict', 't', 'measurements', 'runs in each', 'us a run', 'difference ns', 'detectable ns']
  return `${columns([head, ...lines])}

t is Welch's, between one fixed secret and random ones, the weakest of ${REPETITIONS} repetitions that agree in sign:
past ${SUSPICIOUS} suspicious (and measured again for longer), past ${DEFINITE} a leak. The controls leak on purpose and must be found.`
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
