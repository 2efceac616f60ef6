/** What the report says of what workers bring, and of the subjects that run a network: throughput, and how long it takes. */
import type { z } from 'zod'
import type { SubjectRun } from '../subject.js'
import { type Axis, chart, type Point } from './chart.js'
import { type Column, html, type Markup, numberText, table } from './html.js'
import { jobsRow, latencyRow, memoryRow, rowsOf, throughputRow } from './rows.js'

type Jobs = z.infer<typeof jobsRow>
type Throughput = z.infer<typeof throughputRow>
type Latency = z.infer<typeof latencyRow>

const linear = (label: string): Axis => ({ label, type: 'linear' })
/** So many points draw a distribution. */
const QUANTILES = 50
const LAST_SHARE = 0.99

export function jobs(run: SubjectRun): Markup {
  const found = rowsOf(run, jobsRow)
  const columns: Column<Jobs>[] = [
    { heading: 'job', cell: ({ job }) => job },
    { heading: 'workers', cell: ({ workers }) => workers },
    { heading: 'jobs a second', cell: ({ perSecond }) => perSecond },
    { heading: 'CPU us a job', cell: ({ usPerJobCpu }) => usPerJobCpu },
  ]
  const points = found.map(({ job, workers, perSecond }) => ({ series: job, x: workers, y: perSecond }))
  return html`<p>Splitting and opening on worker threads; none means the node's own thread.</p>
${againstWorkers('jobs', 'Jobs a second against workers', 'jobs a second', points)}
${table('Jobs', columns, found)}`
}

export function throughput(run: SubjectRun): Markup {
  const found = rowsOf(run, throughputRow)
  const nameOf = ({ role, contentBytes }: Throughput) =>
    contentBytes === undefined ? role : `${role}, ${contentBytes} bytes`
  // The roles of one network share its rate, and so one line.
  const points = found.map((row) => ({
    series: nameOf(row).replace(/:.*/, ''),
    x: row.workers,
    y: row.copiesPerSecond,
  }))
  const memory = rowsOf(run, memoryRow)[0]
  const columns: Column<Throughput>[] = [
    { heading: 'what', cell: nameOf },
    { heading: 'workers', cell: ({ workers }) => workers },
    { heading: 'copies a second', cell: ({ copiesPerSecond }) => Math.round(copiesPerSecond) },
    { heading: 'CPU us a copy', cell: ({ usPerCopyCpu }) => usPerCopyCpu },
    { heading: 'CPU over cryptography and sends', cell: ({ ratio }) => ratio },
    { heading: 'of the limit', cell: ({ fractionOfLimit }) => fractionOfLimit },
  ]
  return html`<p>Real processes and UDP over loopback.${memory && memoryText(memory)}</p>
${againstWorkers('throughput', 'Copies a second against workers', 'copies a second', points)}
${table('Throughput', columns, found)}`
}

function memoryText({ copies, outputBytes, residentGrewBytes }: z.infer<typeof memoryRow>): Markup {
  const [output, grew] = [outputBytes, residentGrewBytes].map((bytes) => numberText(bytes / 2 ** 20))
  return html` Splitting ${numberText(copies)} copies, ${output} MiB of output, resident memory grew by ${grew} MiB.`
}

/** One number of workers alone is no line, and no picture. */
function againstWorkers(id: string, title: string, unit: string, points: readonly Point[]): Markup {
  const distinct = [...new Map(points.map((point) => [`${point.series}/${point.x}`, point])).values()]
  const ticks = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b)
  if (ticks.length < 2) return html``
  const series = [...new Set(points.map((point) => point.series))]
  const description = `Lines of ${unit} against worker threads, for ${series.join(', ')}. The figures are in the table.`
  return drawn(id, title, description, [{ label: 'worker threads', type: 'linear', ticks }, linear(unit)], distinct)
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
    quantiles(samplesMs).map(([share, ms]) => ({ series: `${members} members`, x: 100 * share, y: ms })),
  )
  return drawn(
    `latency-${mixing}`,
    `How long it took until so many copies were delivered, mixing: ${mixing}`,
    'Lines of milliseconds since sending against the percentage of copies delivered by then, one for each group size.',
    [linear('% delivered'), linear('ms since sending')],
    points,
  )
}

/** Shares from 0 to 0.99, as the slowest of all says little, and how long it took until so many had arrived. */
export function quantiles(samples: readonly number[]): [number, number][] {
  const sorted = [...samples].sort((a, b) => a - b)
  if (sorted.length === 0) return []
  const shares = Array.from({ length: QUANTILES + 1 }, (_, i) => (LAST_SHARE * i) / QUANTILES)
  return shares.map((share) => [share, sorted[Math.round(share * (sorted.length - 1))] as number])
}

function drawn(
  id: string,
  title: string,
  description: string,
  [x, y]: readonly [Axis, Axis],
  points: readonly Point[],
): Markup {
  if (points.length === 0) return html``
  const picture = chart({ id: `figure-${id}`, title, description, x, y, points })
  return html`<figure><figcaption>${title}</figcaption>${picture}</figure>`
}
