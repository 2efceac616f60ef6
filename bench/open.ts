/**
 * What a copy costs CS, which opens it and its slot under three windows, and what a message costs T, which tries the keys
 * of all its groups until the last of them opens. Both beside libsodium-wrappers-sumo doing the same, CS beside native
 * libsodium too.
 */
import { randomBytes } from 'node:crypto'
import { concat, equal } from '../src/base/bytes.js'
import { labels } from '../src/base/labels.js'
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { compileNative, type OpeningJob } from './contestants/native.js'
import { type SodiumOpened, sodiumContestant, sodiumOpenAny, sodiumOpenCopy } from './contestants/sodium.js'
import { cut, keyPair, makeFixture, splitAll } from './fixtures.js'
import { effort, type Measured, measure, type Timed, timed } from './measure.js'
import { significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const BATCHES = [1, 16, 64]
const QUICK_BATCHES = [1, 16]
const KEYS = [1, 16, 256]
const QUICK_KEYS = [16]
const BODY_BYTES = 1024
const NOTHING = new Uint8Array(0)

export interface OpenRow {
  readonly who: 'CS' | 'T'
  readonly contestant: string
  /** Copies in a call at CS, group keys tried at T. */
  readonly count: number
  readonly bodyBytes: number
  /** At CS a copy, at T a message. */
  readonly us: number
  readonly spread: number
  /** How many times as long as ours. */
  readonly ratio: number
}

export async function open({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  const { name } = await sodiumContestant()
  const native = compileNative()
  const results = [
    ...(quick ? QUICK_BATCHES : BATCHES).flatMap((batch) => {
      const measured = measure(atServer(crypto, name, batch), effort(quick))
      return rows('CS', measured, batch, batch)
    }),
    ...(quick ? QUICK_KEYS : KEYS).flatMap((keys) => {
      const measured = measure(atRecipient(crypto, name, keys), effort(quick))
      return rows('T', measured, keys, 1)
    }),
  ]
  const lines = results.map((row) => [
    ...[row.who, row.contestant, `${row.count}`, row.us.toFixed(1), row.spread.toFixed(2), row.ratio.toFixed(2)],
  ])
  return {
    results,
    notes: 'skipped' in native ? [native.skipped] : [],
    text: columns([['who', 'contestant', 'copies or keys', 'us', 'spread', 'ratio'], ...lines]),
  }
}

function atServer(crypto: Crypto, other: string, batch: number): Timed[] {
  const { request, server, window } = makeFixture(crypto, batch, BODY_BYTES)
  const copies = cut(splitAll(crypto, request), batch)
  const job: OpeningJob = { secret: server.secret, windows: [window - 1, window, window + 1], copies }
  const ours = () => crypto.openCopies(job.secret, job.windows, copies)
  const theirs = () => copies.map((copy) => sodiumOpenCopy(job.secret, job.windows, copy))
  const expected = joined(ours())
  if (!equal(joined(theirs()), expected)) throw new Error(`${other} does not open copies as we do`)
  return [
    timed('splitcast', () => ours()[0]?.copy[0]),
    timed(other, () => theirs()[0]?.copy[0]),
    ...nativeAtServer(job, expected),
  ]
}

function nativeAtServer(job: OpeningJob, expected: Uint8Array): Timed[] {
  const outcome = compileNative()
  if ('skipped' in outcome) return []
  const { contestant, open: openAll, usPerOpening } = outcome.native
  if (!equal(openAll(job), expected)) throw new Error(`${contestant.name} does not open copies as we do`)
  return [{ contestant: contestant.name, once: (seconds) => usPerOpening(job, seconds) }]
}

/** All that is found in copies: plaintext, what the slot says under each window, receipt key. */
function joined(opened: readonly (SodiumOpened | undefined)[]): Uint8Array {
  return concat(
    ...opened.flatMap((found) => (found === undefined ? [] : [found.copy, ...found.recipients, found.receiptKey])),
  )
}

function atRecipient(crypto: Crypto, other: string, keys: number): Timed[] {
  const pairs = Array.from({ length: keys }, () => keyPair(crypto))
  const secrets = pairs.map(({ secret }) => secret)
  const last = pairs.at(-1)?.point as Uint8Array
  const context = { label: labels.scramble, associated: NOTHING }
  const payload = crypto.seal(last, context, randomBytes(BODY_BYTES), randomBytes(64))
  if (payload === undefined) throw new Error('the payload could not be sealed')
  const ours = () => crypto.openAny(secrets, context, payload)
  const theirs = () => sodiumOpenAny(secrets, labels.scramble, payload)
  if (ours()?.index !== keys - 1 || theirs()?.index !== keys - 1) throw new Error('the last key should open')
  return [timed('splitcast', () => ours()?.plaintext[0]), timed(other, () => theirs()?.plaintext[0])]
}

function rows(who: 'CS' | 'T', measured: readonly Measured[], count: number, divisor: number): OpenRow[] {
  return measured.map(({ contestant, us, spread, ratio }) => ({
    ...{ who, contestant, count, bodyBytes: BODY_BYTES },
    ...{ us: significant(us / divisor), spread, ratio },
  }))
}
