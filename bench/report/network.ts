/** What the report says of the subjects that run a network: throughput against workers, and how long messages take. */
import type { z } from 'zod'
import type { SubjectRun } from '../subject.js'
import { chart, type Point } from './chart.js'
import { type Column, html, type Markup, numberText, table } from './html.js'
import { latencyRow, rowsOf, throughputRow } from './rows.js'

type Throughput = z.infer<typeof throughputRow>
type Latency = z.infer<typeof latencyRow>

/** So many points draw a distribution. */
const QUANTILES = 50

export function throughput(run: SubjectRun): Markup {
  const found = rowsOf(run, throughputRow)
  const nameOf = ({ role, contentBytes }: Throughput) =>
    contentBytes === undefined ? role : `${role}, ${contentBytes} bytes`
  const points = found.map((row) => ({ series: nameOf(row), x: row.workers, y: row.copiesPerSecond }))
  const columns: Column<Throughput>[] = [
    { heading: 'what', cell: nameOf },
    { heading: 'workers', cell: ({ workers }) => workers },
    { heading: 'copies a second', cell: ({ copiesPerSecond }) => Math.round(copiesPerSecond) },
    { heading: 'CPU us a copy', cell: ({ usPerCopyCpu }) => usPerCopyCpu },
    { heading: 'CPU over cryptography and sends', cell: ({ ratio }) => ratio },
    { heading: 'of the limit', cell: ({ fractionOfLimit }) => fractionOfLimit },
  ]
  return html`<p>Real processes and UDP over loopback.</p>
${drawn('throughput', 'Copies a second against workers', 'Lines of copies a second against worker threads.', ['workers', 'copies a second'], points)}
${table('Throughput', columns, found)}`
}

export function latency(run: SubjectRun): Markup {
  const found = rowsOf(run, latencyRow)
  const columns: Column<Latency>[] = [
    { heading: 'members', cell: ({ members }) => numberText(members) },
    { heading: 'mixing', cell: ({ mixing }) => mixing },
    { heading: 'p50, ms', cell: ({ p50Ms }) => p50Ms },
    { heading: 'p90, ms', cell: ({ p90Ms }) => p90Ms },
    { heading: 'p99, ms', cell: ({ p99Ms }) => p99Ms },
    { heading: 'last member, ms', cell: ({ lastMemberMs }) => lastMemberMs },
  ]
  const settings = [...new Set(found.map(({ mixing }) => mixing))]
  return html`<p>From sending to delivery, a copy; <em>last member</em> is when all of a group have the message.</p>
${settings.map((mixing) =>
  distribution(
    mixing,
    found.filter((row) => row.mixing === mixing),
  ),
)}
${table('Milliseconds from sending to delivery', columns, found)}`
}

function distribution(mixing: string, found: readonly Latency[]): Markup {
  const points = found.flatMap(({ members, samplesMs }) =>
    quantiles(samplesMs).map(([share, ms]) => ({ series: `${members} members`, x: ms, y: 100 * share })),
  )
  return drawn(
    `latency-${mixing}`,
    `Share of copies delivered, mixing: ${mixing}`,
    'Lines of the share of copies that had arrived, in percent, against milliseconds since sending, one for each group size.',
    ['ms since sending', '% delivered'],
    points,
  )
}

/** Shares from 0 to 1, and how long it took until so many had arrived. */
export function quantiles(samples: readonly number[]): [number, number][] {
  const sorted = [...samples].sort((a, b) => a - b)
  if (sorted.length === 0) return []
  return Array.from({ length: QUANTILES + 1 }, (_, i) => [
    i / QUANTILES,
    sorted[Math.round((i / QUANTILES) * (sorted.length - 1))] as number,
  ])
}

function drawn(
  id: string,
  title: string,
  description: string,
  [x, y]: readonly [string, string],
  points: readonly Point[],
): Markup {
  if (points.length === 0) return html``
  const picture = chart({
    ...{ id: `figure-${id}`, title, description, points },
    x: { label: x, type: 'linear' },
    y: { label: y, type: 'linear' },
  })
  return html`<figure><figcaption>${title}</figcaption>${picture}</figure>`
}
