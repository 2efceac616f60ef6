/** `npm run bench -- report`: runs the subjects, or reads runs that were kept, and writes the page. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ProtocolError } from '../src/base/errors.js'
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
  return (await Promise.all(files.map(readRun))).flat()
}

async function readRun(file: string): Promise<SubjectRun[]> {
  try {
    return parseRuns(await readFile(file, 'utf8'))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ProtocolError('USAGE', `cannot use ${file} (${reason}); name files that a run with --json has filled`)
  }
}

async function runAll(quick: boolean): Promise<SubjectRun[]> {
  const runs: SubjectRun[] = []
  for (const name of usualSubjects) {
    console.error(`measuring ${name}`)
    runs.push(await runSubject(name, { quick }))
  }
  return runs
}
