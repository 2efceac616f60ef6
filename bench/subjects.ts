/** The subjects there are, and one run of one of them. */
import { cpus } from 'node:os'
import { ProtocolError } from '../src/base/errors.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { anonymityAtLowTraffic } from './anonymity.js'
import { directory } from './directory.js'
import { goodput } from './goodput.js'
import { groups } from './groups.js'
import { jobs } from './jobs.js'
import { latency } from './latency.js'
import { link } from './link.js'
import { memory } from './memory.js'
import { open } from './open.js'
import { overhead } from './overhead.js'
import { primitives } from './primitives.js'
import { slots } from './slots.js'
import { soak } from './soak.js'
import { split } from './split.js'
import type { BenchOptions, BenchReport, SubjectRun } from './subject.js'
import { throughput } from './throughput.js'
import { timing } from './timing.js'

const subjects: Readonly<Record<string, (options: BenchOptions) => Promise<BenchReport>>> = {
  overhead,
  split,
  primitives,
  open,
  slots,
  link,
  goodput,
  jobs,
  directory,
  throughput,
  latency,
  anonymity: anonymityAtLowTraffic,
  memory,
  groups,
  timing,
  soak,
}

export const subjectNames: readonly string[] = Object.keys(subjects)
/** These take minutes, and judge instead of measuring, or fill a gigabyte: they are run only by name. */
const APART: readonly string[] = ['groups', 'timing', 'soak']
/** What is run where none is named. */
export const usualSubjects = subjectNames.filter((name) => !APART.includes(name))

/** Throws USAGE where there is no such subject: better told before others are measured for minutes. */
export function checkSubject(name: string): void {
  subjectNamed(name)
}

export async function runSubject(
  name: string,
  options: BenchOptions,
): Promise<SubjectRun & Pick<BenchReport, 'text' | 'problem'>> {
  const { results, notes = [], ...rest } = await subjectNamed(name)(options)
  return { subject: name, ...(await where()), results, notes, ...rest }
}

function subjectNamed(name: string): (options: BenchOptions) => Promise<BenchReport> {
  const subject = Object.hasOwn(subjects, name) ? subjects[name] : undefined
  if (subject !== undefined) return subject
  throw new ProtocolError('USAGE', `there is no subject ${name}; choose from ${subjectNames.join(', ')}`)
}

async function where(): Promise<Pick<SubjectRun, 'machine' | 'node' | 'v8' | 'fieldBuild'>> {
  const cores = cpus()
  const machine = `${cores[0]?.model.trim() ?? 'unknown'}, ${cores.length} cores`
  const { build } = await loadCrypto()
  return { machine, node: process.version, v8: process.versions.v8, fieldBuild: build }
}
