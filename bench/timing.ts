/**
 * A statistical timing-leak test: does what touches a secret take another time for one fixed secret than for random ones?
 * Every trial is repeated, and is a leak only where all repetitions but one show the same difference (timing/statistics.ts). Code that
 * is known to leak runs beside it, and must be found.
 */
import { loadBuilds } from './builds.js'
import { median, significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'
import { controls } from './timing/controls.js'
import {
  type Comparison,
  compareClasses,
  DEFINITE,
  type Judgement,
  judge,
  SUSPICIOUS,
  sharpestCrop,
} from './timing/statistics.js'
import { type Bench, prepare, type Trial } from './timing/trial.js'
import { trials } from './timing/trials.js'

interface TimingRow {
  readonly trial: string
  readonly kind: 'trial' | 'control'
  readonly build: string
  readonly verdict: Judgement['verdict']
  /** As far as the repetitions agree on it, in the crop where they do most; positive where the fixed input took longer. */
  readonly t: number
  readonly measurements: number
  readonly runsPerMeasurement: number
  /** Of one run: the mean of both classes in that crop, or in the sharpest one where nothing was found; median over the repetitions. */
  readonly us: number
  /** Mean of the fixed class less that of the random one, nanoseconds a run, in the same crop. */
  readonly differenceNs: number
  /** The least difference that would have been called a leak, nanoseconds a run. */
  readonly detectableNs: number
}

type Named = Pick<TimingRow, 'trial' | 'kind' | 'build' | 'verdict'>
type Examined = Omit<TimingRow, 'trial' | 'kind' | 'build'>

const REPETITIONS = 5
/** What is suspicious is measured again for longer: the t of a true difference doubles with four times the measurements. */
const LONGER = 4

export async function timing({ quick }: BenchOptions): Promise<BenchReport> {
  const [milliseconds, again] = quick ? [75, 1] : [3000, 2]
  const results = (await loadBuilds()).flatMap((crypto, index) => {
    const examined = (kind: TimingRow['kind']) => (trial: Trial) => ({
      ...{ trial: trial.name, kind, build: crypto.build },
      ...examine(trial, kind, milliseconds, again),
    })
    // What the controls show is whether this machine lets a leak be seen; once is enough.
    const leaky = index === 0 ? controls(crypto) : []
    return [...leaky.map(examined('control')), ...trials(crypto).map(examined('trial'))]
  })
  const problem = problemIn(results)
  return { results, text: describe(results), ...(problem !== undefined && { problem }) }
}

/** A control that is not found may only need more measurements on a busy machine, and gets them as a suspicion does. */
function examine(trial: Trial, kind: TimingRow['kind'], milliseconds: number, again: number): Examined {
  const bench = prepare(trial)
  const settled: Judgement['verdict'][] = kind === 'control' ? ['leak'] : ['leak', 'clean']
  for (let round = 0; ; round++) {
    const row = repeat(bench, milliseconds * LONGER ** round)
    if (settled.includes(row.verdict) || round === again) return row
  }
}

function repeat(bench: Bench, milliseconds: number): Examined {
  const samples = Array.from({ length: REPETITIONS }, () => bench.sample(milliseconds))
  const repetitions = samples.map(compareClasses)
  const { verdict, t, crop } = judge(repetitions)
  const sharpest = sharpestCrop(repetitions)
  const shown = verdict === 'clean' ? sharpest.crop : crop
  const within = repetitions.map((comparisons) => comparisons[shown] as Comparison)
  return {
    verdict,
    t,
    measurements: samples.reduce((sum, { times }) => sum + times.length, 0),
    runsPerMeasurement: bench.batch,
    us: median(within.map(({ mean }) => mean)) / 1000,
    differenceNs: median(within.map(({ difference }) => difference)),
    detectableNs: DEFINITE * sharpest.standardError,
  }
}

/** Why the run as a whole has failed, if it has. */
export function problemIn(rows: readonly Named[]): string | undefined {
  const names = (of: readonly Named[]) => of.map(({ trial, build }) => `"${trial}" (${build})`).join(', ')
  const missed = rows.filter(({ kind, verdict }) => kind === 'control' && verdict !== 'leak')
  if (missed.length > 0)
    return `the test is blind here: ${names(missed)} leaks on purpose and was not found; the verdicts say nothing`
  const leaks = rows.filter(({ kind, verdict }) => kind === 'trial' && verdict === 'leak')
  if (leaks.length > 0) return `the time depends on a secret: ${names(leaks)}`
  return undefined
}

function describe(rows: readonly TimingRow[]): string {
  const lines = rows.map((row) => [
    `${row.kind === 'control' ? 'control: ' : ''}${row.trial}`,
    row.build,
    row.verdict,
    row.t.toFixed(1),
    `${row.measurements}`,
    `${row.runsPerMeasurement}`,
    ...[row.us, row.differenceNs, row.detectableNs].map((value) => `${significant(value, 2)}`),
  ])
  const head = [
    'trial',
    'core',
    'verdict',
    't',
    'measurements',
    'runs in each',
    'us a run',
    'difference ns',
    'detectable ns',
  ]
  return `${columns([head, ...lines])}

t is Welch's, between one fixed secret and random ones, as far as all of ${REPETITIONS} repetitions but one agree on it: past ${SUSPICIOUS}
suspicious (and measured again for longer), past ${DEFINITE} a leak. The controls leak on purpose and must be found.`
}
