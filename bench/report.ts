/** `npm run bench -- report`: runs the subjects, or reads runs that were kept, and writes the page. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { page } from './report/page.js'
import { parseRuns } from './report/rows.js'
import type { SubjectRun } from './subject.js'
import { runSubject, usualSubjects } from './subjects.js'

export interface ReportOptions {
  /** Where the page goes. */
  readonly out: string
  /** Files that `--json` filled; without any, all subjects are run. */
  readonly from?: readonly string[]
  readonly quick?: boolean
}

export async function report({ out, from, quick = false }: ReportOptions): Promise<void> {
  const runs = from === undefined ? await runAll(quick) : await readRuns(from)
  await mkdir(dirname(out), { recursive: true })
  await writeFile(out, page(runs))
  console.log(out)
}

async function readRuns(files: readonly string[]): Promise<SubjectRun[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts.flatMap(parseRuns)
}

async function runAll(quick: boolean): Promise<SubjectRun[]> {
  const runs: SubjectRun[] = []
  for (const name of usualSubjects) {
    console.error(`measuring ${name}`)
    runs.push(await runSubject(name, { quick }))
  }
  return runs
}
