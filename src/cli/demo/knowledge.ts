/**
 * Holds what each process read against what is true and what its role may learn (requirement R19, PROTOCOL.md section
 * 12). Both ways: something outside a role's row is a leak; something of the row that did not turn up means that the
 * hook is dead and the proof worthless.
 */
import type { Learnt } from './host-protocol.js'

/** Names of true values, by digest. A value can have several holders, so several names. */
export type Truths = ReadonlyMap<string, TruthName>

export const truthNames = [
  'address of S',
  'address of a proxy',
  'id of a proxy',
  'id of the server',
  'id of S',
  'id of a recipient',
  'identity key of S',
  'identity key of a recipient',
  'slot of S',
  'slot of a recipient',
  'group id',
  'group key',
  'group secret',
  'group symmetric secret',
  'message id',
  'body',
] as const
export type TruthName = (typeof truthNames)[number]

export type Row = 'p1' | 'p2' | 'cs' | 't'

interface RowRule {
  readonly role: Learnt['role']
  /** Formats that this role reads while it plays this part. */
  readonly formats: readonly string[]
  readonly must: readonly TruthName[]
  readonly may: readonly TruthName[]
}

export const rowRules: Readonly<Record<Row, RowRule>> = {
  p1: {
    role: 'proxy',
    formats: ['forward link', 'forward'],
    must: ['address of S', 'id of a proxy'],
    may: [],
  },
  p2: {
    role: 'proxy',
    formats: ['request link', 'request', 'request body', 'copy answers', 'copy answer'],
    must: ['address of a proxy'],
    may: [],
  },
  cs: {
    role: 'server',
    formats: ['copy', 'copy opened', 'delivery confirmation', 'delivery number'],
    must: ['id of a proxy', 'slot of a recipient', 'slot of S'],
    may: [],
  },
  t: {
    role: 'device',
    formats: ['delivery', 'message opened'],
    must: ['id of S', 'message id', 'body', 'group id'],
    may: [],
  },
}

export interface RowReport {
  /** Fields read in this part, as `format.field`. */
  readonly fields: readonly string[]
  /** True values among them. */
  readonly learnt: readonly TruthName[]
  /** Findings that break the row. */
  readonly faults: readonly string[]
}

export type Knowledge = Readonly<Record<Row, RowReport>>

/** Judges the reports of all processes. Every field read by a role belongs to a row, or to links and directory alone. */
export function judge(reports: readonly Learnt[], truths: Truths, senderNode: number): Knowledge {
  const row = (name: Row) =>
    judgeRow(
      rowRules[name],
      reports.filter((report) => plays(name, report, senderNode)),
      truths,
    )
  return { p1: row('p1'), p2: row('p2'), cs: row('cs'), t: row('t') }
}

function plays(row: Row, report: Learnt, senderNode: number): boolean {
  if (report.role !== rowRules[row].role) return false
  return row !== 't' || report.node !== senderNode
}

function judgeRow(rule: RowRule, reports: readonly Learnt[], truths: Truths): RowReport {
  const fields = new Set<string>()
  const learnt = new Set<TruthName>()
  const faults: string[] = []
  for (const report of reports) {
    if (report.overflow) faults.push(`node ${report.node} read more than could be kept: nothing is proved`)
    for (const [field, digests] of Object.entries(report.fields)) {
      if (!rule.formats.includes(formatOf(field))) continue
      fields.add(field)
      for (const digest of digests) {
        const name = truths.get(digest)
        if (name !== undefined) learnt.add(name)
        if (name !== undefined && !allowed(rule, name)) faults.push(`node ${report.node} read the ${name} in ${field}`)
      }
    }
  }
  for (const name of rule.must)
    if (!learnt.has(name)) faults.push(`nobody read the ${name}, which this role has to read`)
  return { fields: [...fields].sort(), learnt: truthNames.filter((name) => learnt.has(name)), faults }
}

function allowed(rule: RowRule, name: TruthName): boolean {
  return rule.must.includes(name) || rule.may.includes(name)
}

function formatOf(field: string): string {
  return field.slice(0, field.lastIndexOf('.'))
}
