/**
 * What a proxy publishes of itself, and the keys behind it (PROTOCOL.md sections 1.3 and 9): its sealing keys by day, the
 * entry by which CS lists it, and C by day, under which requests come.
 */
import type { Point } from '../../base/bytes.js'
import { randomBelow } from '../../base/random.js'
import { type Millis, utcDay } from '../../base/time.js'
import type { PeerAddress } from '../../link/link.js'
import type { MessageOf } from '../../wire/message.js'
import { peerAddress } from '../addresses.js'
import { type ProxyEntry, signProxyEntry } from '../directory.js'
import type { ProxyOptions, ProxyStanding } from '../proxy.js'
import type { Reference, Write } from '../role.js'
import { createSealingKeys, type SealingKeys } from '../sealing-keys.js'
import type { VerifiedDirectory } from '../server-link.js'

const KEYS_SPREAD_MS = 10 * 60_000
/** Requests come under C of yesterday, today and tomorrow; a clock that is wrong by less than two days loses none. */
const DAYS_AROUND = 2

export class Listing {
  private readonly options: ProxyOptions
  private readonly persist: (writes: readonly Write[]) => Reference
  private readonly sealingKeys: SealingKeys
  /** Proxies change their keys over some minutes, not all in the same moment: each change is one of the directory. */
  private readonly spreadMs: number
  /** C by UTC day: yesterday's stands in no directory any more, and requests under it may still be on their way. */
  private readonly serverKeys = new Map<number, Point>()
  /** The write that published sealing keys wait for. */
  private keysWrite: Reference | undefined
  private keysAt: Millis | undefined
  /** As last signed, with the days of its keys: the same once more is no change to anybody's directory. */
  private signed: { readonly what: string; readonly entry: ProxyEntry } | undefined
  /** As CS last said. */
  standing: ProxyStanding | undefined

  constructor(options: ProxyOptions, persist: (writes: readonly Write[]) => Reference) {
    this.options = options
    this.persist = persist
    this.sealingKeys = createSealingKeys(options.crypto, options.random)
    this.spreadMs = randomBelow(options.random, KEYS_SPREAD_MS)
  }

  restore(key: string, value: Uint8Array): void {
    this.sealingKeys.restore(key, value)
  }

  deadline(): Millis | undefined {
    return this.keysAt
  }

  /** What opens requests now. */
  keys(now: Millis) {
    return { secrets: this.sealingKeys.secrets(now), serverKeys: this.serverKeys }
  }

  learnServerKeys(now: Millis, directory: VerifiedDirectory): void {
    for (const [day, key] of directory.serverSealingKeys) this.serverKeys.set(day, key)
    // CS names the days: what is not of about now it could name without end.
    const today = utcDay(now)
    for (const day of this.serverKeys.keys()) if (Math.abs(day - today) > DAYS_AROUND) this.serverKeys.delete(day)
  }

  /** Makes the keys of a new day and forgets those out of date. */
  upkeep(now: Millis): void {
    if (this.keysAt !== undefined && now < this.keysAt) return
    const changed = this.sealingKeys.advance(now - this.spreadMs)
    this.keysAt = this.sealingKeys.nextChange(now - this.spreadMs) + this.spreadMs
    if (changed.length > 0) this.keysWrite = this.persist(changed)
  }

  /** Whether it was new keys that are on disk now, so that there is an entry to announce. */
  persisted(reference: Reference): boolean {
    if (reference !== this.keysWrite) return false
    this.keysWrite = undefined
    return true
  }

  /** What CS says of this proxy; true where there is another entry to announce. */
  told(now: Millis, { address, ...standing }: MessageOf<'proxyStanding'>['value']): boolean {
    const before = this.addresses()
    this.standing = { ...standing, address: peerAddress(address), at: now }
    return this.addresses()[0]?.host !== before[0]?.host
  }

  /**
   * The signed entry and who vouches for it, with keys that are on disk and addresses that are known, else `undefined`: what is sealed
   * to a lost key opens for nobody.
   */
  announcement(now: Millis): MessageOf<'proxyAnnouncement'>['value'] | undefined {
    const { crypto, self, advertised } = this.options
    const addresses = this.addresses()
    if (this.keysWrite !== undefined || addresses.length === 0) return undefined
    const sealingKeys = this.sealingKeys.published(now - this.spreadMs)
    const what = [...sealingKeys.map(({ day }) => day), ...addresses.map(({ host }) => host)].join()
    if (this.signed?.what !== what) {
      this.signed = { what, entry: signProxyEntry(crypto, self.identity, { issuedAt: now, sealingKeys, addresses }) }
    }
    return { vouching: 'port' in advertised ? 'nobody' : 'operator', entry: this.signed.entry }
  }

  private addresses(): readonly PeerAddress[] {
    const { advertised } = this.options
    if (!('port' in advertised)) return advertised
    const host = this.standing?.address?.host
    return host === undefined ? [] : [{ host, port: advertised.port }]
  }
}
