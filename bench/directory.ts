/**
 * What a large directory costs those who read it: bytes and time of the whole, of the difference that one proxy makes, and of
 * a day's change of keys, which touches every entry (PROTOCOL.md sections 9.3 and 9.4).
 */
import { randomBytes } from 'node:crypto'
import { toHex } from '../src/base/bytes.js'
import { limits } from '../src/base/limits.js'
import type { Millis } from '../src/base/time.js'
import type { Crypto, Identity } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { nodeIdOf } from '../src/group/identity.js'
import { type ProxyEntry, signDirectory, signProxyEntry, verifyDirectory } from '../src/role/directory.js'
import { mergeDelta } from '../src/role/directory-delta.js'
import { createSealingKeys } from '../src/role/sealing-keys.js'
import { History } from '../src/role/server/history.js'
import type { VerifiedDirectory } from '../src/role/server-link.js'
import { directory as directoryFormat } from '../src/wire/directory.js'
import { encodeMessage, parseMessage } from '../src/wire/message.js'
import { median, significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const NOW: Millis = Date.UTC(2026, 2, 10, 12)
const DAY_MS = 86_400_000
const SIZES = [100, 1000, limits.proxies]
const QUICK_SIZES = [100, 300]
/** Proxies change their keys over ten minutes, and CS gathers such changes for half a minute. */
const PARTS_OF_A_DAY = 20
const REPEATS = 5

export interface DirectoryRow {
  readonly proxies: number
  readonly wholeBytes: number
  readonly oneChangeBytes: number
  /** All differences of a day's change of keys together. */
  readonly dayBytes: number
  readonly wholeMs: number
  readonly oneChangeMs: number
  /** The longest that one of the day's differences keeps its reader. */
  readonly dayStepMs: number
}

export async function directory({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  const results = (quick ? QUICK_SIZES : SIZES).map((proxies) => new Network(crypto, proxies).row())
  const lines = results.map((row) =>
    [
      row.proxies,
      row.wholeBytes,
      row.oneChangeBytes,
      row.dayBytes,
      significant(row.wholeMs),
      significant(row.oneChangeMs),
      significant(row.dayStepMs),
    ].map(String),
  )
  const head = ['proxies', 'whole, bytes', 'one changed', 'a day’s keys', 'whole, ms', 'one changed', 'day, a step']
  return { results, text: columns([head, ...lines]) }
}

/** The entries of many proxies, each with one address, and the directories that a server makes of them. */
class Network {
  private readonly crypto: Crypto
  private readonly server: Identity
  private readonly identities: readonly Identity[]
  private readonly history = new History(limits.proxiesGone)
  private entries: ReadonlyMap<string, ProxyEntry>
  private version = 1

  constructor(crypto: Crypto, proxies: number) {
    this.crypto = crypto
    this.server = crypto.identity(randomBytes(32))
    this.identities = Array.from({ length: proxies }, () => crypto.identity(randomBytes(32)))
    this.entries = new Map(this.identities.map((identity, i) => this.entry(identity, i, NOW)))
  }

  row(): DirectoryRow {
    const whole = this.sign()
    this.history.note(0, this.version, this.entries)
    const wholeMs = timeOf(() => this.verify(whole))
    let held = this.verify(whole)
    const one = this.change([0], NOW + 1)
    const oneChangeMs = timeOf(() => this.apply(held, one))
    held = this.apply(held, one)
    const steps = Array.from({ length: PARTS_OF_A_DAY }, (_, part) => {
      const changed = [...this.identities.keys()].filter((i) => i % PARTS_OF_A_DAY === part)
      const message = this.change(changed, NOW + DAY_MS)
      const ms = timeOf(() => this.apply(held, message))
      held = this.apply(held, message)
      return { bytes: message.length, ms }
    })
    return {
      proxies: this.identities.length,
      wholeBytes: encodeMessage('directoryReply', { directory: whole }).length,
      oneChangeBytes: one.length,
      dayBytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
      wholeMs,
      oneChangeMs,
      dayStepMs: Math.max(...steps.map(({ ms }) => ms)),
    }
  }

  /** The difference, as CS sends it, that comes of new keys of some proxies. */
  private change(changed: readonly number[], at: Millis): Uint8Array {
    const fresh = changed.map((i) => this.entry(this.identities[i] as Identity, i, at))
    this.entries = new Map([...this.entries, ...fresh])
    const fromVersion = this.version++
    this.history.note(fromVersion, this.version, this.entries)
    const parsed = directoryFormat.parse(this.sign())
    const change = this.history.since(fromVersion)
    if (!parsed.ok || change === undefined) throw new Error('the server knows the version before')
    return encodeMessage('directoryDelta', { fromVersion, ...parsed.value, ...change })
  }

  private apply(held: VerifiedDirectory, message: Uint8Array): VerifiedDirectory {
    const parsed = parseMessage(message)
    if (!parsed.ok || parsed.value.kind !== 'directoryDelta') throw new Error('a difference that does not parse')
    const merged = mergeDelta(this.crypto, held, parsed.value.value)
    if (merged === undefined) throw new Error('a difference that does not fit')
    return this.verify(merged, held)
  }

  private verify(encoded: Uint8Array, held?: VerifiedDirectory): VerifiedDirectory {
    const result = verifyDirectory(this.crypto, this.server.identityKey, encoded, NOW, 0, held)
    if (!result.ok) throw new Error(result.code)
    return result.directory
  }

  private sign(): Uint8Array {
    const proxies = [...this.entries.values()]
    const times = { issuedAt: NOW, validUntil: NOW + limits.directoryLifeMs }
    return signDirectory(this.crypto, this.server, {
      version: this.version,
      ...times,
      sealingKeys: this.keys(NOW),
      proxies,
    })
  }

  private entry(identity: Identity, i: number, issuedAt: Millis): [id: string, entry: ProxyEntry] {
    const host = `${11 + (i >> 8)}.${i & 255}.0.1`
    const description = { issuedAt, sealingKeys: this.keys(issuedAt), addresses: [{ host, port: 7001 }] }
    return [toHex(nodeIdOf(this.crypto, identity.identityKey)), signProxyEntry(this.crypto, identity, description)]
  }

  private keys(now: Millis) {
    const keys = createSealingKeys(this.crypto, randomBytes)
    keys.advance(now)
    return keys.published(now)
  }
}

function timeOf(run: () => unknown): number {
  const times = Array.from({ length: REPEATS }, () => {
    const before = performance.now()
    run()
    return performance.now() - before
  })
  return median(times)
}
