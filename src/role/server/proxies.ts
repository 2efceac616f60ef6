/**
 * The proxies to be listed: those that announced themselves and are connected, or were a moment ago (PROTOCOL.md section 9.2).
 * Entries outlive a restart for longer than the links do, so that a server coming back does not empty everybody's directory.
 */
import type { ServerLimits } from '../../base/bounds.js'
import { equal, fromHex, type NodeId, nodeId } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { type Millis, utcDay } from '../../base/time.js'
import type { Group255, Signing } from '../../crypto/crypto.js'
import { Queue } from '../../link/queue.js'
import { proxyEntry } from '../../wire/directory.js'
import { type ProxyEntry, verifyProxyEntry } from '../directory.js'
import type { Write } from '../role.js'
import { sameAddresses } from './reachability.js'
import { keyParts, storeKeys } from './records.js'

interface Listed {
  readonly entry: ProxyEntry
  readonly encoded: Uint8Array
  /** When the link was lost; `undefined` while it is up. */
  lostAt: Millis | undefined
}

/** How long a proxy stays listed without a link: long enough to reconnect, short enough to matter to who picks it. */
const GRACE_MS = 30_000

export class Proxies {
  private readonly crypto: Signing & Group255
  private readonly bounds: Pick<ServerLimits, 'proxies' | 'directoryEntriesBytes'>
  private readonly listed = new Map<string, Listed>()
  private listedBytes = 0
  private readonly lost = new Queue<{ readonly id: string; readonly lostAt: Millis }>()

  constructor(crypto: Signing & Group255, bounds: Pick<ServerLimits, 'proxies' | 'directoryEntriesBytes'>) {
    this.crypto = crypto
    this.bounds = bounds
  }

  restore(key: string, value: Uint8Array): void {
    const id = keyParts('proxy', key)?.[0]
    const encoded = value.slice()
    const parsed = proxyEntry.parse(encoded)
    if (id !== undefined && parsed.ok) this.put(id, { entry: parsed.value, encoded, lostAt: undefined })
  }

  /**
   * Entries of an earlier run: the server may admit others by now. Their links are gone, which a proxy may notice no
   * sooner than a silent link is closed: the grace begins then.
   */
  start(now: Millis, admits: (id: string) => boolean): Write[] {
    const refused = [...this.listed.keys()].filter((id) => !admits(id))
    for (const id of this.listed.keys()) this.lose(now + limits.sessionIdleMs, id)
    return refused.map((id) => this.remove(id))
  }

  /** Why an entry announced by the holder of its key may not be listed; `undefined` where it may. */
  refusal(now: Millis, id: string, entry: ProxyEntry): DropCode | undefined {
    const held = this.listed.get(id)
    const timely = entry.issuedAt <= now + limits.clockSkewMs && entry.issuedAt >= (held?.entry.issuedAt ?? 0)
    if (!timely || !hasKeyOf(entry, now) || !verifyProxyEntry(this.crypto, entry)) return 'PROXY_ENTRY'
    const moreBytes = proxyEntry.encode(entry).length - (held?.encoded.length ?? 0)
    const oneTooMany = held === undefined && this.listed.size >= this.bounds.proxies
    const tooLong = this.listedBytes + moreBytes > this.bounds.directoryEntriesBytes
    return oneTooMany || tooLong ? 'DIRECTORY_FULL' : undefined
  }

  /** Lists an entry, in bytes of its own, that nothing speaks against; returns what changed, nothing where it is listed already. */
  list(now: Millis, id: string, entry: ProxyEntry): { readonly writes: Write[]; readonly renewal: boolean } {
    const encoded = proxyEntry.encode(entry)
    const held = this.listed.get(id)
    if (held !== undefined && equal(held.encoded, encoded)) {
      held.lostAt = undefined
      return { writes: [], renewal: true }
    }
    this.put(id, { entry, encoded, lostAt: undefined })
    const renewal = held !== undefined && hasKeyOf(held.entry, now) && sameAddresses(held.entry, entry)
    return { writes: [{ key: storeKeys.proxy(id), value: encoded }], renewal }
  }

  /** The link is lost; the entry stays for the grace, so nothing changes yet. */
  lose(now: Millis, id: string): void {
    const held = this.listed.get(id)
    if (held === undefined) return
    held.lostAt = now
    this.lost.push({ id, lostAt: now })
  }

  /** The proxy said goodbye, or nobody reaches it; returns what changed. */
  leave(id: string): Write[] {
    return this.listed.has(id) ? [this.remove(id)] : []
  }

  deadline(): Millis | undefined {
    const next = this.lost.peek()
    return next === undefined ? undefined : next.lostAt + GRACE_MS
  }

  /** Removes those whose grace is over; returns what changed. */
  dropLost(now: Millis): Write[] {
    const writes: Write[] = []
    for (let next = this.lost.peek(); next !== undefined && next.lostAt + GRACE_MS <= now; next = this.lost.peek()) {
      this.lost.shift()
      if (this.listed.get(next.id)?.lostAt === next.lostAt) writes.push(this.remove(next.id))
    }
    return writes
  }

  /** The entries to be listed now, by hex id: whoever has no key for today cannot be used. */
  entries(now: Millis): Map<string, ProxyEntry> {
    const usable = [...this.listed].filter(([, { entry }]) => hasKeyOf(entry, now))
    return new Map(usable.map(([id, { entry }]) => [id, entry]))
  }

  /** The entry that is listed. */
  entryOf(id: string): ProxyEntry | undefined {
    return this.listed.get(id)?.entry
  }

  /** Those listed, grace included. */
  ids(): NodeId[] {
    return [...this.listed.keys()].map((id) => nodeId(fromHex(id)))
  }

  private put(id: string, listed: Listed): void {
    this.take(id)
    this.listed.set(id, listed)
    this.listedBytes += listed.encoded.length
  }

  private take(id: string): void {
    this.listedBytes -= this.listed.get(id)?.encoded.length ?? 0
    this.listed.delete(id)
  }

  private remove(id: string): Write {
    this.take(id)
    return { key: storeKeys.proxy(id), value: undefined }
  }
}

function hasKeyOf(entry: ProxyEntry, now: Millis): boolean {
  return entry.sealingKeys.some(({ day }) => day === utcDay(now))
}
