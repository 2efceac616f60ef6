/**
 * What a copy costs CS, which opens it and its slot under three windows, and what a message costs T, which tries the keys
 * of all its groups until the last of them opens. Both beside libsodium-wrappers-sumo doing the same.
 */
import { randomBytes } from 'node:crypto'
import { equal } from '../src/base/bytes.js'
import { labels } from '../src/base/labels.js'
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { sodiumContestant, sodiumOpenAny, sodiumOpenCopy } from './contestants/sodium.js'
import { cut, keyPair, makeFixture, splitAll } from './fixtures.js'
import { type Measured, measure, ratio, timed } from './measure.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const BATCHES = [1, 16, 64]
const KEYS = [1, 16, 256]
const BODY_BYTES = 1024
const NOTHING = new Uint8Array(0)

interface OpenRow {
  readonly who: 'CS' | 'T'
  readonly contestant: string
  /** Copies in a call at CS, group keys tried at T. */
  readonly count: number
  readonly bodyBytes: number
  /** At CS a copy, at T a message. */
  readonly us: number
  readonly spread: number
  readonly ratio: number
}

export async function open({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  const { name } = await sodiumContestant()
  const rounds = quick ? 3 : 7
  const results = [
    ...(quick ? [16] : BATCHES).flatMap((batch) => atServer(crypto, name, batch, rounds)),
    ...(quick ? [16] : KEYS).flatMap((keys) => atRecipient(crypto, name, keys, rounds)),
  ]
  const lines = results.map((row) => [
    ...[row.who, row.contestant, `${row.count}`, row.us.toFixed(1), row.spread.toFixed(2), row.ratio.toFixed(2)],
  ])
  return { results, text: columns([['who', 'contestant', 'copies or keys', 'us', 'spread', 'ratio'], ...lines]) }
}

function atServer(crypto: Crypto, other: string, batch: number, rounds: number): OpenRow[] {
  const { request, server, window } = makeFixture(crypto, batch, BODY_BYTES)
  const copies = cut(splitAll(crypto, request), batch)
  const windows = [window - 1, window, window + 1]
  const ours = () => crypto.openCopies(server.secret, windows, copies)
  const theirs = () => copies.map((copy) => sodiumOpenCopy(server.secret, windows, copy))
  const expected = ours()
  const same = theirs().every((opened, i) => {
    const { copy = NOTHING, recipients = [], receiptKey = NOTHING } = expected[i] ?? {}
    const slots = recipients.every((recipient, w) => equal(recipient, opened.recipients[w] ?? NOTHING))
    return equal(copy, opened.copy) && equal(receiptKey, opened.receiptKey) && slots
  })
  if (!same) throw new Error('the two do not open copies alike')
  const measured = measure(
    [timed('splitcast', () => ours()[0]?.copy[0]), timed(other, () => theirs()[0]?.copy[0])],
    rounds,
  )
  return rows('CS', measured, batch, batch)
}

function atRecipient(crypto: Crypto, other: string, keys: number, rounds: number): OpenRow[] {
  const pairs = Array.from({ length: keys }, () => keyPair(crypto))
  const secrets = pairs.map(({ secret }) => secret)
  const last = pairs.at(-1)?.point as Uint8Array
  const context = { label: labels.scramble, associated: NOTHING }
  const payload = crypto.seal(last, context, randomBytes(BODY_BYTES), randomBytes(64))
  if (payload === undefined) throw new Error('the payload could not be sealed')
  const ours = () => crypto.openAny(secrets, context, payload)
  const theirs = () => sodiumOpenAny(secrets, labels.scramble, payload)
  if (ours()?.index !== keys - 1 || theirs()?.index !== keys - 1) throw new Error('the last key should open')
  const measured = measure(
    [timed('splitcast', () => ours()?.plaintext[0]), timed(other, () => theirs()?.plaintext[0])],
    rounds,
  )
  return rows('T', measured, keys, 1)
}

function rows(who: 'CS' | 'T', measured: readonly Measured[], count: number, divisor: number): OpenRow[] {
  return measured.map(({ contestant, us, spread }) => ({
    ...{ who, contestant, count, bodyBytes: BODY_BYTES },
    ...{ us: us / divisor, spread, ratio: Number(ratio(us, measured[0])) },
  }))
}
