/**
 * What one copy costs P2: the whole job of PROTOCOL.md section 5 in the WASM core, beside the libsodium twin that the
 * tests hold it against. The twin is written to be read, not tuned: it is a reference, no baseline to boast with.
 */
import { randomBytes } from 'node:crypto'
import Benchmark from 'benchmark'
import type { Point } from '../src/base/bytes.js'
import type { Crypto, SplitRequest } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { createTwin } from '../test/oracle/twin.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const COPIES = [1, 16, 256]
const BODIES = [64, 1024]

interface SplitRow {
  readonly contestant: string
  readonly copies: number
  readonly bodyBytes: number
  /** Median over the rounds. */
  readonly usPerCopy: number
  /** Slowest round over fastest. */
  readonly spread: number
}

export async function split({ quick }: BenchOptions): Promise<BenchReport> {
  const contestants: readonly [string, Crypto][] = [
    ['splitcast', await loadCrypto()],
    ['libsodium twin', await createTwin()],
  ]
  const rounds = quick ? 3 : 7
  const cases = quick
    ? [[16, 1024] as const]
    : COPIES.flatMap((copies) => BODIES.map((body) => [copies, body] as const))
  const results = cases.flatMap(([copies, bodyBytes]) => measure(contestants, copies, bodyBytes, rounds))
  const rows = results.map(({ contestant, copies, bodyBytes, usPerCopy, spread }) => [
    contestant,
    `${copies}`,
    `${bodyBytes}`,
    usPerCopy.toFixed(1),
    spread.toFixed(2),
  ])
  return { results, text: columns([['contestant', 'copies', 'body', 'us a copy', 'spread'], ...rows]) }
}

/** Rounds of all contestants alternate, so that a slow moment of the machine hits them alike. */
function measure(
  contestants: readonly [string, Crypto][],
  copies: number,
  bodyBytes: number,
  rounds: number,
): SplitRow[] {
  const request = makeRequest(contestants[0]?.[1] as Crypto, copies, bodyBytes)
  const times = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, crypto]] of contestants.entries()) times[index]?.push(timeOnce(crypto, request, copies))
  }
  return contestants.map(([contestant], index) => {
    const sorted = (times[index] as number[]).sort((a, b) => a - b)
    const median = sorted[sorted.length >> 1] as number
    return {
      contestant,
      copies,
      bodyBytes,
      usPerCopy: median,
      spread: (sorted.at(-1) as number) / (sorted[0] as number),
    }
  })
}

function timeOnce(crypto: Crypto, request: SplitRequest, copies: number): number {
  let consumed = 0
  const bench = new Benchmark(
    'split',
    () => {
      const prepared = crypto.prepareSplit(request, randomBytes(32))
      if (prepared === undefined) throw new Error('the request did not prepare')
      consumed ^= prepared.split(0, copies)[0] as number
    },
    { maxTime: 0.3, minSamples: 3 },
  )
  bench.run()
  if (consumed > 255 || bench.error !== undefined) throw bench.error ?? new Error('the result was not consumed')
  return (bench.stats.mean * 1e6) / copies
}

function makeRequest(crypto: Crypto, copies: number, bodyBytes: number): SplitRequest {
  const point = (): Point => crypto.publicPoint(crypto.reduce(randomBytes(64)))
  const serverKey = point()
  const slots = crypto.makeSlots({
    splitterKey: point(),
    serverKey,
    groupKey: point(),
    window: 1,
    copyBytes: bodyBytes,
    recipients: randomBytes(10 * copies),
    entropy: randomBytes(128),
  })
  if (slots === undefined) throw new Error('the slots could not be made')
  const { ephemeral, requestKey, oneTimeBase, oneTimeKey } = slots
  return {
    ephemeral,
    requestKey,
    oneTimeBase,
    oneTimeKey,
    serverKey,
    slots: slots.slots,
    personalPartBytes: 0,
    personalParts: new Uint8Array(0),
    content: randomBytes(bodyBytes),
  }
}
