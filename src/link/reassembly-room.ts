/**
 * Room for half-arrived messages of all sessions of an endpoint: bounded in all and for each source, and where it is full
 * the oldest message makes way, with its session, once it has had its time (PROTOCOL.md section 10.5).
 */
import type { LinkLimits } from '../base/bounds.js'
import type { Millis } from '../base/time.js'
import { Shares, type Source } from './sources.js'

/** Who holds room. */
export interface Tenant {
  /** Where what it holds came from; unknown for a session that this end began, whose peer it chose. */
  readonly source: Source | undefined
  /** Gives back all that it holds, at once. */
  evict(): void
}

/** A message that holds room. */
export interface Held {
  readonly tenant: Tenant
  readonly begunAt: Millis
}

export class ReassemblyRoom {
  private readonly evictAfterMs: number
  private readonly shares: Shares
  /** In the order in which they were begun. */
  private readonly held = new Set<Held>()
  private freeBytes: number

  constructor(bounds: LinkLimits) {
    this.evictAfterMs = bounds.reassemblyEvictMs
    this.freeBytes = bounds.reassemblyTotalBytes
    this.shares = new Shares(bounds.reassemblyAddressBytes, bounds.reassemblyNetworkBytes)
  }

  reserve(now: Millis, tenant: Tenant, bytes: number): boolean {
    if (tenant.source !== undefined && !this.shares.allows(tenant.source, bytes)) return false
    while (bytes > this.freeBytes) if (!this.evictOldest(now, tenant)) return false
    this.freeBytes -= bytes
    if (tenant.source !== undefined) this.shares.add(tenant.source, bytes)
    return true
  }

  release({ source }: Tenant, bytes: number): void {
    this.freeBytes += bytes
    if (source !== undefined) this.shares.remove(source, bytes)
  }

  enter(held: Held): void {
    this.held.add(held)
  }

  leave(held: Held): void {
    this.held.delete(held)
  }

  /** Who asks keeps its own: its packet is being taken. */
  private evictOldest(now: Millis, asking: Tenant): boolean {
    for (const { tenant, begunAt } of this.held) {
      if (begunAt + this.evictAfterMs > now) return false
      if (tenant === asking) continue
      tenant.evict()
      return true
    }
    return false
  }
}
