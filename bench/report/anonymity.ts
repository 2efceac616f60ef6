/** What the report says of anonymity at low traffic: bits against requests a second, a picture for each mean wait. */
import type { z } from 'zod'
import type { SubjectRun } from '../subject.js'
import { chart } from './chart.js'
import { type Column, html, type Markup, table } from './html.js'
import { anonymityRow, rowsOf } from './rows.js'

type Row = z.infer<typeof anonymityRow>

export function anonymity(run: SubjectRun): Markup {
  const found = rowsOf(run, anonymityRow)
  const waits = [...new Set(found.map(({ meanWaitMs }) => meanWaitMs))]
  const columns: Column<Row>[] = [
    { heading: 'mean wait, ms', cell: ({ meanWaitMs }) => meanWaitMs },
    { heading: 'requests a second', cell: ({ requestsPerSecond }) => requestsPerSecond },
    { heading: 'mixing', cell: ({ mixing }) => mixing },
    { heading: 'copies', cell: ({ copies }) => copies },
    { heading: 'bits, links of P2', cell: ({ bitsAtSplitter }) => bitsAtSplitter },
    { heading: 'bits, links of all proxies', cell: ({ bitsAtServer }) => bitsAtServer },
    { heading: 'a tenth under', cell: ({ tenthAtServer }) => tenthAtServer },
    { heading: 'surprise by the truth', cell: ({ surpriseBits }) => surpriseBits },
    { heading: 'guessed right', cell: ({ guessed }) => guessed },
  ]
  return html`<p>Entropy of “which request did this copy come of”, in bits, for an observer of all links of proxies who knows how many copies each
request makes and how waits are distributed; real proxies in virtual time. What the truth surprises it by is near the entropy where its model is right.</p>
${waits.map((meanWaitMs) => figure(found, meanWaitMs))}
${table('Anonymity at low traffic', columns, found)}`
}

function figure(rows: readonly Row[], meanWaitMs: number): Markup {
  const points = rows
    .filter((row) => row.meanWaitMs === meanWaitMs)
    .map(({ mixing, requestsPerSecond, bitsAtServer }) => ({ series: mixing, x: requestsPerSecond, y: bitsAtServer }))
  const title = `Bits against requests a second at each P2, mean wait ${meanWaitMs} ms`
  const drawn = chart({
    ...{ id: `figure-anonymity-${meanWaitMs}`, title, points },
    description: `Lines of bits against requests a second: ${[...new Set(points.map(({ series }) => series))].join(', ')}. The figures are in the table.`,
    x: { label: 'requests a second', type: 'log', ticks: [...new Set(points.map(({ x }) => x))] },
    y: { label: 'bits', type: 'linear' },
  })
  return html`<figure><figcaption>${title}</figcaption>${drawn}</figure>`
}
