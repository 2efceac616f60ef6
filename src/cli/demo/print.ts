/** The demo's report for people. */
import { columns } from '../output.js'
import { type Row, rowRules } from './knowledge.js'
import type { DemoResult, Hop } from './result.js'
import { GROUP, type World } from './world.js'

const rowTitles: Readonly<Record<Row, string>> = { p1: 'P1', p2: 'P2', cs: 'CS', t: 'T' }

export function printResult(result: DemoResult): string {
  return [
    ...summary(result),
    '',
    ...hopTable(result.hops),
    ...repeats(result),
    '',
    ...overhead(result),
    '',
    ...knowledge(result),
    '',
    verdict(result),
  ].join('\n')
}

/** How to talk to a network that is kept running. */
export function commandsFor({ members, card }: World): string {
  const [sender, other] = members
  return [
    '',
    'The network stays up until Ctrl-C. In another terminal:',
    `  npx splitcast send ${GROUP} "hello" --data ${sender?.data}`,
    `  npx splitcast listen ${GROUP} --data ${other?.data}`,
    `  npx splitcast group members ${GROUP} --data ${sender?.data}`,
    `  npx splitcast status --data ${sender?.data}`,
    'The data directories of the others stand beside these. To add a node of your own:',
    `  npx splitcast node --data DIR --network ${card}`,
  ].join('\n')
}

function summary({
  members,
  messages,
  bodyBytes,
  delivered,
  proven,
  duplicates,
  badSignatures,
  setupMs,
  elapsedMs,
  provenMs,
}: DemoResult): string[] {
  const expected = messages * (members - 1)
  return [
    `${messages} message${messages === 1 ? '' : 's'} of ${number(bodyBytes)} bytes to a group of ${number(members)}: ${number(delivered)} of ${number(expected)} delivered to others,`,
    `each signature verified; ${duplicates} twice, ${badSignatures} with a bad signature.\nSet-up ${seconds(setupMs)}, sending ${seconds(elapsedMs)}.`,
    `Receipts prove ${number(proven)} of ${number(expected)} copies stored, to the sender alone, ${seconds(provenMs)} after it began.`,
  ]
}

function hopTable(hops: readonly Hop[]): string[] {
  const rows = hops.map(({ from, to, out, in: arrived, firstMs, lastMs }) => [
    `${from} > ${to}`,
    number(out.datagrams),
    number(out.payloadBytes),
    number(arrived.datagrams),
    number(arrived.payloadBytes),
    firstMs === undefined ? '-' : `${firstMs}..${lastMs}`,
  ])
  return table([['hop', 'out', 'bytes', 'in', 'bytes', 'read after ms'], ...rows])
}

function repeats({ sent, sentAgain, drops, relays }: DemoResult): string[] {
  const all = `All nodes together sent ${number(sent.payloadBytes)} bytes meanwhile, ${number(sentAgain.payloadBytes)} of these again.`
  if (relays === undefined) return [all]
  const { offered, lost, partitioned, overflowed, corrupted, duplicated } = relays.tally
  const fates = Object.entries({ lost, partitioned, overflowed, corrupted, duplicated })
  const fate = fates.flatMap(([name, count]) => (count > 0 ? [`${number(count)} ${name}`] : []))
  const dropped = Object.entries(drops).map(([code, count]) => `${code} ${number(count)}`)
  return [
    all,
    `Dropped by nodes: ${dropped.join(', ') || 'nothing'}.`,
    `Of ${number(offered)} datagrams at the relays: ${fate.join(', ') || 'all passed'}; seed ${relays.seed}.`,
  ]
}

function overhead(result: DemoResult): string[] {
  const { uploadBytes, bodyBytes, slots, fixedBytes, paddingBytes, furtherDatagramBytes, datagrams } = result
  return [
    `One message costs the sender ${number(uploadBytes)} bytes in ${number(datagrams)} datagram${datagrams === 1 ? '' : 's'}:`,
    ...table([
      ['body', number(bodyBytes)],
      [`slots, 10 x ${slots}`, number(10 * slots)],
      ['fixed', number(fixedBytes)],
      ['padding', number(paddingBytes)],
      ['headers of further datagrams', number(furtherDatagramBytes)],
    ]),
    `A copy is ${number(result.copyBytes)} bytes from P2 to CS and ${number(result.deliveryBytes)} from CS to T.`,
  ]
}

function knowledge({ knowledge: rows }: DemoResult): string[] {
  const lines = (Object.keys(rowRules) as Row[]).map((row) => [
    rowTitles[row],
    rows[row].learnt.join(', ') || 'nothing',
  ])
  return ['Who learnt what, by the digest of every field read:', ...table(lines)]
}

function verdict({ faults }: DemoResult): string {
  return faults.length === 0
    ? 'Everything holds.'
    : ['What does not hold:', ...faults.map((fault) => `- ${fault}`)].join('\n')
}

/** Columns, indented; numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const cells = (row: readonly string[]) =>
    row.map((cell, column) => (/^[\d,.]+$/.test(cell) ? cell.padStart(widths[column] ?? 0) : cell))
  return columns(rows.map(cells))
    .split('\n')
    .map((line) => `  ${line}`)
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
