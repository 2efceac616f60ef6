/**
 * Anonymity at low traffic: what an observer of all links of proxies is left to guess about the request that a copy came
 * of, by how long copies wait and how much passes, with and without an extra hop and cover traffic. Real proxies in
 * virtual time; the observer and its model are in test/audit/anonymity.ts and docs/AUDIT.md.
 */
import { anonymity } from '../test/audit/anonymity.js'
import { COPIES_A_REQUEST, run } from '../test/audit/mixing-run.js'
import { significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

interface AnonymityRow {
  readonly meanWaitMs: number
  /** Requests of users a second at each P2. */
  readonly requestsPerSecond: number
  readonly mixing: string
  readonly copies: number
  readonly bitsAtSplitter: number
  readonly bitsAtServer: number
  /** A tenth of the copies have fewer. */
  readonly tenthAtServer: number
  /** What the truth surprised the observer by, on average: near the entropy if its model is right. */
  readonly surpriseBits: number
  /** How often its best guess was right. */
  readonly guessed: number
}

const SEED = 1
const COVER_PER_SECOND = 3
const mixings = [
  { mixing: 'neither', extraHop: false, coverPerSecond: 0 },
  { mixing: 'extra hop', extraHop: true, coverPerSecond: 0 },
  { mixing: 'cover', extraHop: false, coverPerSecond: COVER_PER_SECOND },
  { mixing: 'both', extraHop: true, coverPerSecond: COVER_PER_SECOND },
] as const

export async function anonymityAtLowTraffic({ quick }: BenchOptions): Promise<BenchReport> {
  const rates = quick ? [1] : [0.1, 0.3, 1, 3, 10]
  const waits = quick ? [50, 1_000] : [50, 200, 1_000]
  const rows = waits.flatMap((meanWaitMs) =>
    rates.flatMap((rate) => mixings.map((mixing) => measure(meanWaitMs, rate, mixing, quick))),
  )
  return { results: rows, text: text(rows), notes }
}

function measure(
  meanWaitMs: number,
  requestsPerSecond: number,
  { mixing, extraHop, coverPerSecond }: (typeof mixings)[number],
  quick: boolean,
): AnonymityRow {
  const allPerSecond = requestsPerSecond + coverPerSecond
  // Long enough that most of it is neither beginning nor end.
  const requests = Math.ceil(Math.max(quick ? 20 : 40, (allPerSecond * 8 * meanWaitMs) / 1_000))
  const passages = run({ seed: SEED, meanWaitMs, requestsPerSecond: allPerSecond, requests, extraHop })
  const from = (passages[0]?.at ?? 0) + 3 * meanWaitMs
  const splitter = anonymity(passages, 'splitter', from)
  const server = anonymity(passages, 'server', from)
  return {
    ...{ meanWaitMs, requestsPerSecond, mixing, copies: server.copies },
    bitsAtSplitter: significant(splitter.meanBits, 3),
    bitsAtServer: significant(server.meanBits, 3),
    tenthAtServer: significant(server.tenthBits, 3),
    surpriseBits: significant(server.surpriseBits, 3),
    guessed: significant(server.guessed, 3),
  }
}

function text(rows: readonly AnonymityRow[]): string {
  const head = [
    'mean wait, ms',
    'requests/s',
    'mixing',
    'copies',
    'bits, P2',
    'bits, all',
    'a tenth under',
    'surprise',
    'guessed',
  ]
  const line = (row: AnonymityRow) => [
    ...[`${row.meanWaitMs}`, `${row.requestsPerSecond}`, row.mixing, `${row.copies}`],
    ...[row.bitsAtSplitter, row.bitsAtServer, row.tenthAtServer, row.surpriseBits].map((bits) => bits.toFixed(2)),
    `${(100 * row.guessed).toFixed(0)} %`,
  ]
  return columns([head, ...rows.map(line)])
}

const notes = [
  `real proxies in virtual time; ${COPIES_A_REQUEST} copies a request; requests at each P2, cover traffic beside them: ${COVER_PER_SECOND} a second`,
  'bits: entropy of which request a copy came of, for who watches P2 (as the copy leaves it) or all proxies (as it comes to CS), knows how many copies each request makes and how waits are distributed',
  'surprise: mean of -log2 of the probability that the observer gave to the truth; near the bits if its model is right',
]
