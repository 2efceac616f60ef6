/**
 * The ratios by which this core is judged: how many times as long as ours others take for the same job, measured in the
 * same run. Ratios travel from machine to machine far better than times do.
 */
import { z } from 'zod'
import type { SubjectRun } from './subject.js'

export interface Ratio {
  readonly job: string
  readonly contestant: string
  /** How many times as long as ours. */
  readonly ratio: number
}

/** The subjects they come from. */
export const ratioSubjects = ['split', 'primitives', 'open', 'link'] as const

const OURS = 'splitcast'
const CASE = { copies: 16, bodyBytes: 1024 }

const measured = { contestant: z.string(), ratio: z.number() }
const splitRow = z.object({
  ...measured,
  ...{ build: z.string(), copies: z.literal(CASE.copies), bodyBytes: z.literal(CASE.bodyBytes) },
})
const primitiveRow = z.object({ ...measured, primitive: z.string() })
const openRow = z.object({ ...measured, who: z.enum(['CS', 'T']), count: z.number() })
const linkRow = z.object({ ...measured, job: z.string() })

export function ratiosOf(runs: readonly SubjectRun[]): Ratio[] {
  return runs.flatMap((run) => run.results.map((row) => ratioOf(run, row)).filter((found) => found !== undefined))
}

/** By job and contestant in one string. */
export function nameOf({ job, contestant }: Ratio): string {
  return `${job}: ${contestant}`
}

function ratioOf({ subject, fieldBuild }: SubjectRun, row: object): Ratio | undefined {
  switch (subject) {
    case 'split': {
      const { data } = splitRow.safeParse(row)
      if (data === undefined) return undefined
      const job = `split, ${CASE.copies} copies of ${CASE.bodyBytes} bytes`
      // The build that was chosen is what all others are compared with, another build of ours among them.
      if (data.contestant !== OURS || data.build === fieldBuild) return ratio(job, data)
      return { job, contestant: `${OURS}, ${data.build}`, ratio: data.ratio }
    }
    case 'primitives': {
      const { data } = primitiveRow.safeParse(row)
      return data && ratio(data.primitive, data)
    }
    case 'open': {
      const { data } = openRow.safeParse(row)
      return (
        data && ratio(data.who === 'CS' ? `CS opens, in a call: ${data.count}` : `T opens, keys: ${data.count}`, data)
      )
    }
    case 'link': {
      const { data } = linkRow.safeParse(row)
      return data && ratio(data.job, data)
    }
    default:
      return undefined
  }
}

function ratio(job: string, { contestant, ratio }: { contestant: string; ratio: number }): Ratio | undefined {
  return contestant === OURS ? undefined : { job, contestant, ratio }
}
