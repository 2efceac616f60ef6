/** `npm run bench -- compare`: fails where this core lost ground, by ratios, against `baseline.json`. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { ProtocolError } from '../src/base/errors.js'
import { type Baseline, baselineSchema, type Change, compareRatios, updated } from './baseline.js'
import { nameOf, type Ratio, ratioSubjects, ratiosOf } from './ratios.js'
import { median, significant } from './statistics.js'
import type { SubjectRun } from './subject.js'
import { runSubject } from './subjects.js'
import { columns } from './text.js'

// From dist/bench: what is committed, and what --update writes.
const BASELINE = fileURLToPath(new URL('../../bench/baseline.json', import.meta.url))
/**
 * With four other processes busy on two cores, single passes fell to 0.53 of the median of eight, medians of three to 0.78
 * and rose to 1.28: what stays below by so much after seven passes is slower.
 */
const TOLERANCE = 0.3
const BASELINE_PASSES = 7
const FIRST_PASSES = 3
/** Where something seems worse. */
const FURTHER_PASSES = 4

export interface CompareOptions {
  /** Writes what is measured instead of comparing. */
  readonly update?: boolean
}

/** Whether nothing got worse. */
export async function compare({ update = false }: CompareOptions): Promise<boolean> {
  const baseline = baselineSchema.parse(JSON.parse(await readFile(BASELINE, 'utf8')))
  const major = process.versions.node.split('.')[0] as string
  return update ? write(baseline, major) : check(baseline, major)
}

async function write(baseline: Baseline, major: string): Promise<true> {
  const ratios = mediansOf(await passes(BASELINE_PASSES))
  const entries = ratios.map((ratio) => [nameOf(ratio), ratio.ratio] as const)
  await writeFile(BASELINE, `${JSON.stringify(updated(baseline, major, Object.fromEntries(entries)), undefined, 2)}\n`)
  console.log(`${BASELINE}: ${entries.length} ratios for Node ${major}`)
  return true
}

async function check(baseline: Baseline, major: string): Promise<boolean> {
  const expected = baseline.ratios[major]
  if (expected === undefined)
    throw new ProtocolError('USAGE', `there is no baseline for Node ${major}: write one with compare --update`)
  const measured = await passes(FIRST_PASSES)
  let changes = compareRatios(expected, mediansOf(measured), TOLERANCE)
  if (changes.some(({ verdict }) => verdict === 'worse')) {
    console.error(`something seems worse; measuring ${FURTHER_PASSES} times more to be sure`)
    measured.push(...(await passes(FURTHER_PASSES)))
    changes = compareRatios(expected, mediansOf(measured), TOLERANCE)
  }
  console.log(textOf(changes))
  const worse = changes.filter(({ verdict }) => verdict === 'worse')
  console.log(worse.length === 0 ? 'nothing got worse' : `${worse.length} got worse by more than ${100 * TOLERANCE} %`)
  return worse.length === 0
}

function textOf(changes: readonly Change[]): string {
  const cell = (value: number | undefined) => value?.toFixed(2) ?? '-'
  const order = { worse: 0, better: 1, new: 2, 'not measured': 3, 'as before': 4 }
  const lines = [...changes]
    .sort((a, b) => order[a.verdict] - order[b.verdict])
    .map(({ name, expected, found, verdict }) => [name, cell(expected), cell(found), verdict])
  return columns([['times as long as ours', 'baseline', 'now', ''], ...lines])
}

async function passes(count: number): Promise<Ratio[][]> {
  const all: Ratio[][] = []
  for (let pass = 0; pass < count; pass++) all.push(await measureRatios())
  return all
}

/** Of each ratio, over the passes. */
function mediansOf(all: readonly Ratio[][]): Ratio[] {
  return (all[0] ?? []).map((ratio) => {
    const found = all.flat().filter((other) => nameOf(other) === nameOf(ratio))
    return { ...ratio, ratio: significant(median(found.map((other) => other.ratio))) }
  })
}

async function measureRatios(): Promise<Ratio[]> {
  const runs: SubjectRun[] = []
  for (const subject of ratioSubjects) runs.push(await runSubject(subject, { quick: true }))
  return ratiosOf(runs)
}
