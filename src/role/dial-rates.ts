/**
 * How often one host, and one network (/24 of IPv4, /48 of IPv6), may be dialled to see whether it is reached: whoever asks
 * for it must not be able to have others send to somebody (PROTOCOL.md section 9.8).
 */
import type { ServerLimits } from '../base/bounds.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import { sourceOf } from '../link/sources.js'
import { TokenBucket } from '../link/token-bucket.js'

type DialRateBounds = Pick<ServerLimits, 'dialHostBurst' | 'dialNetworkBurst' | 'dialRefillMs' | 'dialSources'>

export class DialRates {
  private readonly bounds: DialRateBounds
  /** The least recently used first. */
  private readonly buckets = new Map<string, TokenBucket>()

  constructor(bounds: DialRateBounds = limits) {
    this.bounds = bounds
  }

  /** Takes a dial to a host; whether there was one. */
  take(now: Millis, host: string): boolean {
    const { address, network } = sourceOf(host)
    const { dialHostBurst, dialNetworkBurst } = this.bounds
    const ofHost = this.bucket(now, `a${address}`, dialHostBurst)
    const ofNetwork = this.bucket(now, `n${network}`, dialNetworkBurst)
    return ofHost.take(now) && ofNetwork.take(now)
  }

  private bucket(now: Millis, name: string, burst: number): TokenBucket {
    const { dialRefillMs, dialSources } = this.bounds
    // Full again after so long, whatever its size.
    const bucket = this.buckets.get(name) ?? new TokenBucket((1000 * burst) / dialRefillMs, burst, now)
    this.buckets.delete(name)
    this.buckets.set(name, bucket)
    const [oldest] = this.buckets.keys()
    if (this.buckets.size > dialSources && oldest !== undefined) this.buckets.delete(oldest)
    return bucket
  }
}
