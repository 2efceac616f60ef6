/**
 * What one copy costs P2: the whole job of PROTOCOL.md section 5, its preparation included, in each build of our core,
 * beside what else a Node user could take and beside native libsodium. Before anything is timed, each contestant's copies
 * must open to the very bytes that ours do.
 */
import { equal } from '../src/base/bytes.js'
import type { Crypto, SplitRequest } from '../src/crypto/crypto.js'
import { loadBuilds } from './builds.js'
import type { Contestant } from './contestants/contestant.js'
import { compileNative } from './contestants/native.js'
import { nobleContestant } from './contestants/noble.js'
import { sodiumContestant } from './contestants/sodium.js'
import { cut, type Fixture, makeFixture, splitAll } from './fixtures.js'
import { type Effort, effort, measure, type Timed, timed } from './measure.js'
import { significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const COPIES = [1, 4, 16, 64, 256, 1024]
const BODIES = [64, 256, 1024, 8192]
/** From so many copies on, a single run is long enough to be steady. */
const LONG = 256
const CHECKED = { copies: 5, bodyBytes: 333 }

export interface SplitRow {
  readonly contestant: string
  readonly build: string
  readonly copies: number
  readonly bodyBytes: number
  /** Median over the rounds. */
  readonly usPerCopy: number
  /** Slowest round over fastest. */
  readonly spread: number
  /** How many times as long as the build of ours that is chosen here. */
  readonly ratio: number
}

export async function split({ quick }: BenchOptions): Promise<BenchReport> {
  const builds = await loadBuilds()
  const crypto = builds[0] as Crypto
  const native = compileNative()
  const contestants: Contestant[] = [
    ...builds.map((build) => ({
      ...{ name: 'splitcast', build: build.build },
      split: (request: SplitRequest) => splitAll(build, request),
    })),
    await sodiumContestant(),
    nobleContestant,
    ...('native' in native ? [native.native.contestant] : []),
  ]
  const checked = makeFixture(crypto, CHECKED.copies, CHECKED.bodyBytes)
  for (const contestant of contestants) requireSameJob(crypto, contestant, checked)
  const cases = quick
    ? [[16, 1024] as const]
    : COPIES.flatMap((copies) => BODIES.map((body) => [copies, body] as const))
  const results = cases.flatMap(([copies, body]) => {
    const { request } = makeFixture(crypto, copies, body)
    const able = contestants.filter(({ mostCopies = copies }) => copies <= mostCopies)
    return measureCase(able, request, copies >= LONG ? { ...effort(quick), rounds: 3 } : effort(quick))
  })
  const notes = [
    ...('skipped' in native ? [native.skipped] : []),
    ...(quick ? [] : contestants.flatMap(limitOf)),
    ...(quick ? [] : [`from ${LONG} copies on, 3 rounds instead of ${effort(quick).rounds}`]),
  ]
  const headings = ['contestant', 'build', 'copies', 'body', 'us a copy', 'spread', 'ratio']
  return { results, notes, text: columns([headings, ...results.map(cells)]) }
}

function limitOf({ name, mostCopies }: Contestant): string[] {
  return mostCopies === undefined ? [] : [`${name} takes part up to ${mostCopies} copies a message`]
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

function measureCase(contestants: readonly Contestant[], request: SplitRequest, spent: Effort): SplitRow[] {
  const copies = request.slots.length / 10
  const bodyBytes = request.content.length
  const measured = measure(
    contestants.map((contestant) => timedSplit(contestant, request)),
    spent,
  )
  return measured.map(({ contestant, us, spread, ratio }, i) => ({
    ...{ contestant, build: contestants[i]?.build as string, copies, bodyBytes },
    ...{ usPerCopy: significant(us / copies), spread, ratio },
  }))
}

function timedSplit({ name, split, usPerMessage }: Contestant, request: SplitRequest): Timed {
  return usPerMessage === undefined
    ? timed(name, () => split(request)[0])
    : { contestant: name, once: (seconds) => usPerMessage(request, seconds) }
}

function cells(row: SplitRow): string[] {
  const { contestant, build, copies, bodyBytes, usPerCopy, spread, ratio } = row
  return [contestant, build, `${copies}`, `${bodyBytes}`, usPerCopy.toFixed(1), spread.toFixed(2), ratio.toFixed(2)]
}
