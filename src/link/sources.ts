/**
 * Where sessions and handshakes come from, told apart by address and by the network that one customer usually holds
 * (/24 of IPv4, /48 of IPv6), so that no one of them takes what is there for all (PROTOCOL.md section 10.1).
 */
import type { LinkLimits } from '../base/bounds.js'
import { toHex } from '../base/bytes.js'
import type { Millis } from '../base/time.js'
import { parseIp } from '../wire/host.js'
import { TokenBucket } from './token-bucket.js'

/** A source's two names. */
export interface Source {
  readonly address: string
  readonly network: string
}

const IPV4_BYTES = 4
const IPV4_NETWORK_BYTES = 3
const IPV6_NETWORK_BYTES = 6

export function sourceOf(host: string): Source {
  const bytes = parseIp(host)
  // What a socket reports is always numeric; anything else is a source of its own.
  if (bytes === undefined) return { address: host, network: host }
  const networkBytes = bytes.length === IPV4_BYTES ? IPV4_NETWORK_BYTES : IPV6_NETWORK_BYTES
  return { address: toHex(bytes), network: toHex(bytes.subarray(0, networkBytes)) }
}

/** How much of something each source holds. What holds nothing costs nothing. */
export class Shares {
  private readonly held = new Map<string, number>()
  private readonly addressBound: number
  private readonly networkBound: number

  constructor(addressBound: number, networkBound: number) {
    this.addressBound = addressBound
    this.networkBound = networkBound
  }

  /** Whether a source may hold `more`. */
  allows({ address, network }: Source, more = 1): boolean {
    return this.of(`a${address}`) + more <= this.addressBound && this.of(`n${network}`) + more <= this.networkBound
  }

  add({ address, network }: Source, more = 1): void {
    this.change(`a${address}`, more)
    this.change(`n${network}`, more)
  }

  remove(source: Source, less = 1): void {
    this.add(source, -less)
  }

  private of(name: string): number {
    return this.held.get(name) ?? 0
  }

  private change(name: string, by: number): void {
    const held = this.of(name) + by
    if (held === 0) this.held.delete(name)
    else this.held.set(name, held)
  }
}

/** Handshakes a second that each source may begin. Sources have proved their address: who forges one spends nobody's. */
export class SourceRates {
  private readonly bounds: LinkLimits
  private readonly addresses = new Map<string, TokenBucket>()
  private readonly networks = new Map<string, TokenBucket>()

  constructor(bounds: LinkLimits) {
    this.bounds = bounds
  }

  take(now: Millis, { address, network }: Source): boolean {
    const { addressHandshakesPerSecond, networkHandshakesPerSecond } = this.bounds
    const ofNetwork = this.bucket(this.networks, network, networkHandshakesPerSecond, now)
    const ofAddress = this.bucket(this.addresses, address, addressHandshakesPerSecond, now)
    return ofNetwork.take(now) && ofAddress.take(now)
  }

  /** The least recently used goes where there are too many: to have spent it long ago is to have it full again. */
  private bucket(table: Map<string, TokenBucket>, name: string, perSecond: number, now: Millis): TokenBucket {
    const bucket = table.get(name) ?? new TokenBucket(perSecond, 2 * perSecond, now)
    table.delete(name)
    table.set(name, bucket)
    const [oldest] = table.keys()
    if (table.size > this.bounds.handshakeSources && oldest !== undefined) table.delete(oldest)
    return bucket
  }
}
