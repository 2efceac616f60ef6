/**
 * Payloads that cannot be used yet, kept for another try: those that no key opens, which may be invitations, and those
 * from a sender whose introduction may still be under way (PROTOCOL.md sections 6 and 8.3). Count, bytes and age are bounded;
 * when full, the eldest make way.
 */
import { equal } from '../../base/bytes.js'
import type { Millis } from '../../base/time.js'
import { keptRecord, numberIn, padded } from './records.js'
import type { Storage } from './storage.js'

export interface KeptBounds {
  readonly messages: number
  readonly bytes: number
  readonly lifeMs: number
}

export interface KeptPayload {
  readonly key: string
  readonly receivedAt: Millis
  readonly payload: Uint8Array
}

export interface KeepOutcome {
  readonly state: 'kept' | 'known' | 'refused'
  /** Payloads that made way, or the one itself where it is too large. */
  readonly lost: number
}

export class Kept {
  private readonly storage: Storage
  private readonly prefix: string
  private readonly bounds: KeptBounds
  private readonly payloads = new Set<KeptPayload>()
  private totalBytes = 0
  private nextNumber = 0

  constructor(storage: Storage, prefix: string, bounds: KeptBounds) {
    this.storage = storage
    this.prefix = prefix
    this.bounds = bounds
  }

  /** False where the entry does not parse; its number is not given again all the same. */
  restore(key: string, value: Uint8Array): boolean {
    const number = numberIn(key)
    if (number !== undefined) this.nextNumber = Math.max(this.nextNumber, number + 1)
    const parsed = keptRecord.parse(value)
    if (number === undefined || !parsed.ok) return false
    this.hold({ key, ...parsed.value })
    return true
  }

  get count(): number {
    return this.payloads.size
  }

  all(): readonly KeptPayload[] {
    return [...this.payloads]
  }

  /** One that is kept already stays as it is. */
  keep(now: Millis, payload: Uint8Array): KeepOutcome {
    // Whole payloads are compared: whoever handles a copy could give its first bytes to another.
    for (const entry of this.payloads) if (equal(entry.payload, payload)) return { state: 'known', lost: 0 }
    this.prune(now)
    if (payload.length > this.bounds.bytes) return { state: 'refused', lost: 1 }
    const before = this.payloads.size
    // Were the newest refused, whoever filled this once would keep everything out for as long as it lives.
    for (const eldest of this.payloads) {
      if (this.payloads.size < this.bounds.messages && this.totalBytes + payload.length <= this.bounds.bytes) break
      this.remove(eldest)
    }
    const lost = before - this.payloads.size
    const entry = { key: `${this.prefix}${padded(this.nextNumber++)}`, receivedAt: now, payload: payload.slice() }
    this.storage.put(entry.key, keptRecord.encode(entry))
    this.hold(entry)
    return { state: 'kept', lost }
  }

  remove(entry: KeptPayload): void {
    if (!this.payloads.delete(entry)) return
    this.totalBytes -= entry.payload.length
    // It may bring a secret of a group: an invitation, for whoever has or guesses its passphrase.
    this.storage.erase(entry.key)
  }

  prune(now: Millis): void {
    for (const entry of this.all()) if (entry.receivedAt + this.bounds.lifeMs <= now) this.remove(entry)
  }

  private hold(entry: KeptPayload): void {
    this.payloads.add(entry)
    this.totalBytes += entry.payload.length
  }
}
