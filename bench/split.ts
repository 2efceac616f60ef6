/**
 * What one copy costs P2: the whole job of PROTOCOL.md section 5 in our core, beside what else a Node user could take and
 * beside native libsodium. Before anything is timed, each contestant's copies must open to the very bytes that ours do.
 */
import { equal } from '../src/base/bytes.js'
import type { Crypto, SplitRequest } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import type { Contestant } from './contestants/contestant.js'
import { compileNative } from './contestants/native.js'
import { nobleContestant } from './contestants/noble.js'
import { sodiumContestant } from './contestants/sodium.js'
import { cut, type Fixture, makeFixture, splitAll } from './fixtures.js'
import { measure, type Timed, timed } from './measure.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const COPIES = [1, 4, 16, 64, 256, 1024]
const BODIES = [64, 256, 1024, 8192]
/** From so many copies on, a single run is long enough to be steady. */
const LONG = 256
const CHECKED = { copies: 5, bodyBytes: 333 }

interface SplitRow {
  readonly contestant: string
  readonly build: string
  readonly copies: number
  readonly bodyBytes: number
  /** Median over the rounds. */
  readonly usPerCopy: number
  /** Slowest round over fastest. */
  readonly spread: number
  /** usPerCopy over that of splitcast. */
  readonly ratio: number
}

export async function split({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  const native = compileNative()
  const contestants: Contestant[] = [
    { name: 'splitcast', build: crypto.build, split: (request) => splitAll(crypto, request) },
    await sodiumContestant(),
    nobleContestant,
    ...('native' in native ? [native.native.contestant] : []),
  ]
  if ('skipped' in native) console.error(native.skipped)
  const checked = makeFixture(crypto, CHECKED.copies, CHECKED.bodyBytes)
  for (const contestant of contestants) requireSameJob(crypto, contestant, checked)
  const cases = quick
    ? [[16, 1024] as const]
    : COPIES.flatMap((copies) => BODIES.map((body) => [copies, body] as const))
  const results = cases.flatMap(([copies, body]) =>
    measureCase(crypto, contestants, copies, body, quick || copies >= LONG ? 3 : 5),
  )
  const headings = ['contestant', 'copies', 'body', 'us a copy', 'spread', 'ratio']
  return { results, text: columns([headings, ...results.map(cells)]) }
}

/** The outer seal is drawn afresh; what CS finds in it is fixed by the request to the last byte. */
function requireSameJob(crypto: Crypto, contestant: Contestant, { request, server, window }: Fixture): void {
  const open = (all: Uint8Array) => crypto.openCopies(server.secret, [window], cut(all, CHECKED.copies))
  const expected = open(splitAll(crypto, request))
  const same = open(contestant.split(request)).every((copy, i) => {
    const ours = expected[i]?.copy
    return copy !== undefined && ours !== undefined && equal(copy.copy, ours)
  })
  if (!same) throw new Error(`the copies that ${contestant.name} makes are not those of the protocol`)
}

function measureCase(
  crypto: Crypto,
  contestants: readonly Contestant[],
  copies: number,
  bodyBytes: number,
  rounds: number,
): SplitRow[] {
  const { request } = makeFixture(crypto, copies, bodyBytes)
  const measured = measure(
    contestants.map((contestant) => timedSplit(contestant, request)),
    rounds,
  )
  const ours = measured[0]?.us as number
  return measured.map(({ contestant, us, spread }, i) => ({
    contestant,
    build: contestants[i]?.build as string,
    copies,
    bodyBytes,
    usPerCopy: us / copies,
    spread,
    ratio: us / ours,
  }))
}

function timedSplit({ name, split, usPerMessage }: Contestant, request: SplitRequest): Timed {
  return usPerMessage === undefined
    ? timed(name, () => split(request)[0])
    : { contestant: name, once: () => usPerMessage(request) }
}

function cells(row: SplitRow): string[] {
  const { contestant, copies, bodyBytes, usPerCopy, spread } = row
  return [contestant, `${copies}`, `${bodyBytes}`, usPerCopy.toFixed(1), spread.toFixed(2), row.ratio.toFixed(2)]
}
