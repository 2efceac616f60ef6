/**
 * How large a datagram the path takes (RFC 8899): 1,200 bytes are taken for granted, more is tried by probes while there
 * is much to send, and given up where large packets vanish. A lost probe says nothing about congestion.
 */
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'

/** The least that IPv6 links carry, what common tunnels leave of Ethernet, and Ethernet itself under IPv6. */
const SIZES = [1232, 1372, limits.datagramMaxBytes] as const
/** Probes of one size that are lost before it is given up (RFC 8899 section 5.1.2). */
const MOST_PROBES = 3
/** Large packets lost in a row, with none that arrived between, before the path is taken to swallow them. */
const BLACK_HOLE_LOSSES = 8

export class Mtu {
  /** Bytes of the largest datagram that the path is known to take. */
  datagramBytes: number = limits.datagramBytes
  private step = 0
  private failures = 0
  private underWay = false
  private suspicious = 0
  private retryAt: Millis = Number.NEGATIVE_INFINITY

  /** The size of a probe that may leave now. */
  probe(now: Millis): number | undefined {
    return this.underWay || now < this.retryAt ? undefined : SIZES[this.step]
  }

  onProbeSent(): void {
    this.underWay = true
  }

  onProbeArrived(bytes: number): void {
    this.underWay = false
    this.failures = 0
    if (bytes <= this.datagramBytes) return
    this.datagramBytes = bytes
    this.step = SIZES.findIndex((size) => size > bytes)
    if (this.step < 0) this.step = SIZES.length
  }

  onProbeLost(now: Millis): void {
    this.underWay = false
    this.failures++
    if (this.failures < MOST_PROBES) return
    this.failures = 0
    this.retryAt = now + limits.mtuRetryMs
  }

  /** A packet has arrived: losses of its size and less had another cause. */
  onArrived(bytes: number): void {
    if (bytes > limits.datagramBytes) this.suspicious = 0
  }

  onLost(now: Millis, bytes: number): void {
    if (bytes > limits.datagramBytes && ++this.suspicious >= BLACK_HOLE_LOSSES) this.fallBack(now)
  }

  /** Probe after probe goes unanswered: the path may have become another. */
  onSilence(now: Millis): void {
    if (this.datagramBytes > limits.datagramBytes) this.fallBack(now)
  }

  /** A path of which nothing is known. */
  reset(): void {
    this.datagramBytes = limits.datagramBytes
    this.step = 0
    this.failures = 0
    this.underWay = false
    this.suspicious = 0
    this.retryAt = Number.NEGATIVE_INFINITY
  }

  private fallBack(now: Millis): void {
    this.reset()
    this.retryAt = now + limits.mtuRetryMs
  }
}
