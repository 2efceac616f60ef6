/** What the report says of the subjects that run in one process: tables of what was measured, and pictures where they help. */
import type { z } from 'zod'
import { ratiosOf } from '../ratios.js'
import type { SubjectRun } from '../subject.js'
import { chart, type Point } from './chart.js'
import { type Column, html, type Markup, numberText, table } from './html.js'
import * as rows from './rows.js'

export interface Section {
  readonly id: string
  readonly heading: string
  /** Subject of the runs. */
  readonly subject: string
  readonly body: (run: SubjectRun) => Markup
}

type RowOf<Schema extends z.ZodType> = z.infer<Schema>

const COMPARED_BODY = 1024
const OVERHEAD_BODY = 200

/** All ratios of a run: a row a job, a column a contestant. */
export function summary(runs: readonly SubjectRun[]): Markup {
  const ratios = ratiosOf(runs)
  if (ratios.length === 0) return html`<p>No subject that gives ratios was run.</p>`
  const columns: Column<string>[] = [
    { heading: 'job', cell: (job) => job },
    ...[...new Set(ratios.map(({ contestant }) => contestant))].map((contestant) => ({
      heading: contestant,
      cell: (job: string) => ratios.find((found) => found.job === job && found.contestant === contestant)?.ratio,
    })),
  ]
  const caption = 'How many times as long as splitcast others take for the same job, medians of alternating rounds'
  return table(caption, columns, [...new Set(ratios.map(({ job }) => job))])
}

export const sections: readonly Section[] = [
  { id: 'split', heading: 'Splitting at P2', subject: 'split', body: split },
  { id: 'overhead', heading: 'Bytes', subject: 'overhead', body: overhead },
  { id: 'open', heading: 'Opening at CS and T', subject: 'open', body: open },
  { id: 'slots', heading: 'Making slots at S', subject: 'slots', body: slots },
  { id: 'link', heading: 'Links', subject: 'link', body: link },
  { id: 'primitives', heading: 'Single operations', subject: 'primitives', body: primitives },
]

function split(run: SubjectRun): Markup {
  const found = rows.rowsOf(run, rows.splitRow)
  const nameOf = ({ contestant, build }: RowOf<typeof rows.splitRow>) =>
    contestant === 'splitcast' ? `${contestant}, ${build}` : contestant
  const contestants = [...new Set(found.map(nameOf))]
  const cases = [...new Map(found.map((row) => [`${row.copies}/${row.bodyBytes}`, row])).values()]
  const cell = (contestant: string, field: 'usPerCopy' | 'spread') => (at: RowOf<typeof rows.splitRow>) =>
    found.find((row) => nameOf(row) === contestant && row.copies === at.copies && row.bodyBytes === at.bodyBytes)?.[
      field
    ]
  const heads: Column<RowOf<typeof rows.splitRow>>[] = [
    { heading: 'copies a message', cell: ({ copies }) => numberText(copies) },
    { heading: 'body, bytes', cell: ({ bodyBytes }) => bodyBytes },
  ]
  const columnsOf = (field: 'usPerCopy' | 'spread') =>
    contestants.map((contestant) => ({ heading: contestant, cell: cell(contestant, field) }))
  const points = found
    .filter(({ bodyBytes }) => bodyBytes === COMPARED_BODY)
    .map((row) => ({ series: nameOf(row), x: row.copies, y: row.usPerCopy }))
  return html`<p>Microseconds a copy for the whole job of PROTOCOL.md section 5, the preparation of each message included.</p>
${figure(
  'split',
  `Time a copy, bodies of ${numberText(COMPARED_BODY)} bytes`,
  `Lines of microseconds a copy against copies a message, one for each of ${contestants.join(', ')}. The figures are in the table.`,
  ['copies a message', 'us a copy'],
  points,
)}
${table('Microseconds a copy, median of the rounds', [...heads, ...columnsOf('usPerCopy')], cases)}
${table('Spread: slowest round over fastest', [...heads, ...columnsOf('spread')], cases)}`
}

function overhead(run: SubjectRun): Markup {
  const measured = rows.rowsOf(run, rows.overheadRow)
  const slope = rows.rowsOf(run, rows.slopeRow)[0]
  const schemes = rows.rowsOf(run, rows.schemeRow)
  const ours = measured.filter(
    ({ padding, decoys, bodyBytes }) => padding === 'none' && decoys !== 'power' && bodyBytes === OVERHEAD_BODY,
  )
  const counts = ours.map(({ recipients }) => recipients)
  const points: Point[] = [
    ...ours.map((row) => ({ series: 'splitcast', x: row.recipients, y: row.uploadBytes - row.bodyBytes })),
    ...schemes.flatMap(({ scheme, bytesPerMember }) =>
      counts.map((count) => ({ series: scheme.split(',')[0] as string, x: count, y: count * bytesPerMember })),
    ),
  ]
  return html`<p>Ours is measured from datagrams that were sent, body of ${OVERHEAD_BODY} bytes, no padding: ${slope?.fixedBytes} bytes whatever the
group, and ${numberText(slope?.slope ?? Number.NaN)} for each recipient. The others are what their sources say for each member, not measured here.</p>
${figure(
  'overhead',
  'Bytes beyond the body in one upload',
  `Lines of bytes against members: splitcast as measured, and ${schemes.length} others by their bytes a member. The figures are in the tables.`,
  ['members', 'bytes'],
  points,
)}
${table('Bytes for each member', schemeColumns(slope?.slope), schemes)}
${table('What a message took, in bytes', overheadColumns, measured)}`
}

function schemeColumns(slope: number | undefined): Column<RowOf<typeof rows.schemeRow>>[] {
  return [
    { heading: 'scheme', cell: ({ scheme }) => scheme },
    { heading: 'bytes', cell: ({ bytesPerMember }) => bytesPerMember },
    { heading: 'times ours', cell: ({ bytesPerMember }) => (slope === undefined ? undefined : bytesPerMember / slope) },
    { heading: 'what for', cell: ({ covers }) => covers },
    { heading: 'source', cell: ({ source, url }) => html`<a href="${url}">${source}</a>` },
  ]
}

const overheadColumns: Column<RowOf<typeof rows.overheadRow>>[] = [
  { heading: 'padding', cell: ({ padding }) => padding },
  { heading: 'decoys', cell: ({ decoys }) => decoys ?? 'none' },
  { heading: 'recipients', cell: ({ recipients }) => recipients },
  { heading: 'body', cell: ({ bodyBytes }) => bodyBytes },
  { heading: 'upload', cell: ({ uploadBytes }) => uploadBytes },
  { heading: 'datagrams', cell: ({ datagrams }) => datagrams },
  { heading: 'copy beyond body', cell: ({ copyBeyondBody }) => copyBeyondBody },
  { heading: 'delivery beyond body', cell: ({ deliveryBeyondBody }) => deliveryBeyondBody },
]

function open(run: SubjectRun): Markup {
  const found = rows.rowsOf(run, rows.openRow)
  const columns: Column<RowOf<typeof rows.openRow>>[] = [
    { heading: 'contestant', cell: ({ contestant }) => contestant },
    { heading: 'at once', cell: ({ count }) => count },
    { heading: 'us', cell: ({ us }) => us },
    ...ratioColumns,
  ]
  return html`${table(
    'CS: microseconds a copy, by copies in a call',
    columns,
    found.filter(({ who }) => who === 'CS'),
  )}
${table(
  'T: microseconds a message, by group keys tried',
  columns,
  found.filter(({ who }) => who === 'T'),
)}`
}

function slots(run: SubjectRun): Markup {
  const columns: Column<RowOf<typeof rows.slotsRow>>[] = [
    { heading: 'job', cell: ({ job }) => job },
    { heading: 'members', cell: ({ members }) => members },
    { heading: 'us a member', cell: ({ usPerMember }) => usPerMember },
    { heading: 'spread', cell: ({ spread }) => spread },
  ]
  return table('What a message costs its sender', columns, rows.rowsOf(run, rows.slotsRow))
}

function link(run: SubjectRun): Markup {
  const columns: Column<RowOf<typeof rows.linkRow>>[] = [
    { heading: 'job', cell: ({ job }) => job },
    { heading: 'contestant', cell: ({ contestant }) => contestant },
    { heading: 'a second', cell: ({ perSecond }) => Math.round(perSecond) },
    ...ratioColumns,
  ]
  return table('Packets of 1,200 bytes, and messages of 1,150', columns, rows.rowsOf(run, rows.linkRow))
}

function primitives(run: SubjectRun): Markup {
  const columns: Column<RowOf<typeof rows.primitiveRow>>[] = [
    { heading: 'operation', cell: ({ primitive }) => primitive },
    { heading: 'contestant', cell: ({ contestant }) => contestant },
    { heading: 'us', cell: ({ us }) => us },
    ...ratioColumns,
  ]
  return table('Microseconds', columns, rows.rowsOf(run, rows.primitiveRow))
}

const ratioColumns: Column<{ readonly ratio: number; readonly spread: number }>[] = [
  { heading: 'times ours', cell: ({ ratio }) => ratio },
  { heading: 'spread', cell: ({ spread }) => spread },
]

/** Both axes logarithmic; nothing at all where there are no points. */
function figure(
  id: string,
  title: string,
  description: string,
  [x, y]: readonly [string, string],
  points: readonly Point[],
): Markup {
  if (points.length === 0) return html``
  const ticks = [...new Set(points.map((point) => point.x))]
  const drawn = chart({
    ...{ id: `figure-${id}`, title, description, points },
    x: { label: x, type: 'log', ticks },
    y: { label: y, type: 'log' },
  })
  return html`<figure><figcaption>${title}</figcaption>${drawn}</figure>`
}
