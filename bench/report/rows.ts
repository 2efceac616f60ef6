/** Runs as `--json` printed them, read back: what does not have the shape that a section needs is left out of it. */
import { z } from 'zod'
import { ProtocolError } from '../../src/base/errors.js'
import type { SubjectRun } from '../subject.js'

const runSchema = z.object({
  ...{ subject: z.string(), machine: z.string(), node: z.string(), v8: z.string(), fieldBuild: z.string() },
  ...{ results: z.array(z.looseObject({})), notes: z.array(z.string()).default([]) },
})

const measured = { contestant: z.string(), spread: z.number(), ratio: z.number() }

export const splitRow = z.object({
  ...measured,
  ...{ build: z.string(), copies: z.number(), bodyBytes: z.number(), usPerCopy: z.number() },
})
export const primitiveRow = z.object({ ...measured, primitive: z.string(), us: z.number() })
export const openRow = z.object({ ...measured, who: z.string(), count: z.number(), us: z.number() })
export const slotsRow = z.object({
  ...{ job: z.string(), members: z.number(), usPerMember: z.number(), spread: z.number() },
})
export const linkRow = z.object({ ...measured, job: z.string(), perSecond: z.number() })
export const overheadRow = z.object({
  ...{ padding: z.string(), decoys: z.optional(z.string()), recipients: z.number() },
  ...{ bodyBytes: z.number(), uploadBytes: z.number() },
  ...{ datagrams: z.number(), copyBeyondBody: z.number(), deliveryBeyondBody: z.number() },
})
export const slopeRow = z.object({ slope: z.number(), fixedBytes: z.number() })
export const schemeRow = z.object({
  ...{ scheme: z.string(), bytesPerMember: z.number(), covers: z.string(), source: z.string(), url: z.string() },
})
export const throughputRow = z.object({
  ...{ role: z.string(), workers: z.number(), copiesPerSecond: z.number(), usPerCopyCpu: z.number() },
  // Where P2 is measured alone: beside what a copy cannot cost less than.
  ...{ contentBytes: z.optional(z.number()), ratio: z.optional(z.number()), fractionOfLimit: z.optional(z.number()) },
})
export const jobsRow = z.object({
  ...{ job: z.string(), workers: z.number(), perSecond: z.number(), usPerJobCpu: z.number() },
})
export const memoryRow = z.object({
  ...{ copies: z.number(), outputBytes: z.number(), residentGrewBytes: z.number() },
})
export const anonymityRow = z.object({
  ...{ meanWaitMs: z.number(), requestsPerSecond: z.number(), mixing: z.string(), copies: z.number() },
  ...{ bitsAtSplitter: z.number(), bitsAtServer: z.number(), tenthAtServer: z.number() },
  ...{ surpriseBits: z.number(), guessed: z.number() },
})
export const latencyRow = z.object({
  ...{ members: z.number(), mixing: z.string(), p50Ms: z.number(), p90Ms: z.number(), p99Ms: z.number() },
  ...{ lastMemberMs: z.number(), samplesMs: z.array(z.number()) },
})

/** The runs in a file of one JSON object a line. Throws `USAGE` where a line is none. */
export function parseRuns(text: string): SubjectRun[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.map((line, i) => {
    try {
      return runSchema.parse(JSON.parse(line))
    } catch {
      throw new ProtocolError('USAGE', `line ${i + 1} is not what a bench prints with --json`)
    }
  })
}

/** Of several runs of a subject the last. */
export function lastOf(runs: readonly SubjectRun[], subject: string): SubjectRun | undefined {
  return runs.findLast((run) => run.subject === subject)
}

export function rowsOf<Row>(run: SubjectRun | undefined, schema: z.ZodType<Row>): Row[] {
  return (run?.results ?? []).flatMap((row) => {
    const { data } = schema.safeParse(row)
    return data === undefined ? [] : [data]
  })
}
