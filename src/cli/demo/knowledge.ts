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
  'S as a recipient',
  'a recipient',
  'group id',
  'group key',
  'group secret',
  'group symmetric secret',
  'message id',
  'body',
  'number of copies',
] as const
export type TruthName = (typeof truthNames)[number]

export type Row = 'p1' | 'p2' | 'cs' | 't'

interface RowRule {
  readonly role: Learnt['role']
  /** Formats that this role reads while it plays this part. */
  readonly formats: readonly string[]
  readonly must: readonly TruthName[]
  /** Fields too short to be known by their digest, and what reading them tells. */
  readonly tells?: Readonly<Record<string, TruthName>>
}

const ENTRY_FORMATS = ['proxy entry', 'network address', 'sealing key']
const DIRECTORY_FORMATS = ['directory reply', 'directory', 'directory delta', 'removed proxy', ...ENTRY_FORMATS]

export const rowRules: Readonly<Record<Row, RowRule>> = {
  p1: {
    role: 'proxy',
    formats: ['forward link', 'forward', 'receipts', 'receipt request'],
    must: ['address of S', 'id of a proxy'],
  },
  p2: {
    role: 'proxy',
    formats: ['request link', 'request', 'request body', 'copy answers', 'copy answer'],
    must: ['address of a proxy', 'number of copies'],
    tells: { 'request body.count': 'number of copies' },
  },
  cs: {
    role: 'server',
    formats: ['copy', 'copy opened', 'delivery confirmation', 'delivery number'],
    must: ['id of a proxy', 'a recipient', 'S as a recipient'],
  },
  t: {
    role: 'device',
    formats: ['delivery', 'message opened'],
    must: ['id of S', 'message id', 'body', 'group id'],
  },
}

/**
 * What each role reads besides messages: who is connected, and the directory. It may name nodes, and nothing of a group or a
 * message.
 */
const besides: Readonly<
  Record<Learnt['role'], { readonly formats: readonly string[]; readonly may: readonly TruthName[] }>
> = {
  // As P3 it reads where a sealed copy came from, and by what its answer is known.
  proxy: {
    formats: [...DIRECTORY_FORMATS, 'copy link', 'dial back', 'proxy standing'],
    may: ['id of a proxy', 'address of a proxy'],
  },
  server: {
    formats: [
      'device link',
      'proxy link',
      'identity proof',
      'directory request',
      'proxy announcement',
      'dial back result',
      ...ENTRY_FORMATS,
    ],
    may: [
      'address of S',
      'address of a proxy',
      'id of a proxy',
      'id of S',
      'id of a recipient',
      'identity key of S',
      'identity key of a recipient',
    ],
  },
  device: { formats: [...DIRECTORY_FORMATS, 'busy', 'receipt reply'], may: ['id of a proxy', 'address of a proxy'] },
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

/** Judges the reports of all processes, row by row. */
export function judge(reports: readonly Learnt[], truths: Truths, senderNode: number): Knowledge {
  const row = (name: Row) =>
    judgeRow(
      rowRules[name],
      reports.filter((report) => plays(name, report, senderNode)),
      truths,
    )
  return { p1: row('p1'), p2: row('p2'), cs: row('cs'), t: row('t') }
}

/** Judges what was read outside all rows: a format that nobody has judged is a fault, whatever stood in it. */
export function judgeBesides(reports: readonly Learnt[], truths: Truths): string[] {
  const faults = new Set<string>()
  for (const { role, node, fields } of reports) {
    const { formats, may } = besides[role]
    const judged = Object.values(rowRules).flatMap((rule) => (rule.role === role ? rule.formats : []))
    for (const [field, digests] of Object.entries(fields)) {
      const format = formatOf(field)
      if (judged.includes(format)) continue
      if (!formats.includes(format)) faults.add(`node ${node} read ${field}, which belongs to no row`)
      for (const digest of digests) {
        const name = truths.get(digest)
        if (name !== undefined && !may.includes(name)) faults.add(`node ${node} read the ${name} in ${field}`)
      }
    }
  }
  return [...faults]
}

/** What CS reads of a copy must differ from copy to copy, or it could tell which belong together. */
export function judgeCopies(reports: readonly Learnt[], copies: number): string[] {
  return ['copy.sealed', 'copy opened.ephemeral', 'copy opened.payload'].flatMap((field) => {
    const seen = reports.reduce(
      (sum, { role, fields }) => sum + (role === 'server' ? (fields[field]?.length ?? 0) : 0),
      0,
    )
    return seen >= copies ? [] : [`CS read ${seen} different values of ${field} in ${copies} copies: some look alike`]
  })
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
      const told = rule.tells?.[field]
      if (told !== undefined) learnt.add(told)
      for (const digest of digests) {
        const name = truths.get(digest)
        if (name !== undefined) learnt.add(name)
        if (name !== undefined && !rule.must.includes(name))
          faults.push(`node ${report.node} read the ${name} in ${field}`)
      }
    }
  }
  for (const name of rule.must)
    if (!learnt.has(name)) faults.push(`nobody read the ${name}, which this role has to read`)
  return { fields: [...fields].sort(), learnt: truthNames.filter((name) => learnt.has(name)), faults }
}

function formatOf(field: string): string {
  return field.slice(0, field.lastIndexOf('.'))
}
