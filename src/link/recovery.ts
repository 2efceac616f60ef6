/**
 * Which packets have arrived, which are lost, and how long to wait for an answer: round-trip time, packet and time
 * thresholds, probe timeout (RFC 9002 sections 5 and 6). A packet given up is remembered for a while: if it is
 * acknowledged after all, the path reorders more than was assumed.
 */
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { Frame } from '../wire/frame.js'
import { type CongestionController, Reno } from './congestion.js'
import type { Chunk } from './outgoing.js'
import { Queue } from './queue.js'
import type { Range } from './ranges.js'

/** A packet that asks for an acknowledgement. */
export interface SentPacket {
  readonly number: number
  readonly sentAt: Millis
  readonly bytes: number
  readonly chunks: readonly Chunk[]
  readonly control: readonly Frame[]
  /** Largest number that an ACK frame in it acknowledged. */
  readonly ackLargest: number | undefined
  state: 'inFlight' | 'acknowledged' | 'lost' | 'probed'
  /** When it was given up, lost or probed for. */
  retiredAt: Millis
}

const INITIAL_RTT_MS = 333
const GRANULARITY_MS = 1
const LEAST_TIME_THRESHOLD = 9 / 8
const MOST_TIME_THRESHOLD = 2
const LEAST_PACKET_THRESHOLD = 3
const MOST_PACKET_THRESHOLD = 512
const PACKETS_PER_PROBE = 2
/** After so many probes without an answer the path is taken to have changed (RFC 9002 section 7.6 in its effect). */
const SILENT_PROBES = 3
/** Probe timeouts for which a packet given up is remembered. */
const RETIRED_PROBE_TIMEOUTS = 3

export class Recovery {
  private readonly congestion: CongestionController = new Reno()
  private readonly sent = new Queue<SentPacket>()
  private readonly retired = new Queue<SentPacket>()
  private smoothedMs = INITIAL_RTT_MS
  private variationMs = INITIAL_RTT_MS / 2
  private latestMs = INITIAL_RTT_MS
  private leastMs = Number.POSITIVE_INFINITY
  private largestAcknowledged = -1
  private packetThreshold = LEAST_PACKET_THRESHOLD
  private timeThreshold = LEAST_TIME_THRESHOLD
  private lossAt: Millis | undefined
  private lastSentAt: Millis = 0
  private inFlightBytes = 0
  private inFlightPackets = 0
  /** Probe timeouts since the last answer. */
  unanswered = 0

  /** Whether the window takes another full packet. */
  hasRoom(): boolean {
    return this.inFlightPackets === 0 || this.inFlightBytes + limits.datagramBytes <= this.congestion.windowBytes
  }

  onSent(packet: SentPacket): void {
    this.sent.push(packet)
    this.inFlightBytes += packet.bytes
    this.inFlightPackets++
    this.lastSentAt = packet.sentAt
  }

  /**
   * Takes an acknowledgement of packets that were sent, ranges highest first. Returns the packets that it newly
   * acknowledges, late ones included, and those that are lost by it.
   */
  onAck(now: Millis, ranges: readonly Range[], delayMs: number, nextNumber: number) {
    const largest = (ranges[0] as Range).high
    const limited = 2 * this.inFlightBytes >= this.congestion.windowBytes
    const acknowledged = this.takeAcknowledged(ranges, largest)
    const newest = acknowledged.at(-1)
    if (newest?.number === largest) this.onRoundTrip(now - newest.sentAt, delayMs)
    const late = this.takeLate(now, ranges)
    this.largestAcknowledged = Math.max(this.largestAcknowledged, largest)
    const lost = this.detectLost(now, nextNumber)
    for (const packet of acknowledged) this.congestion.onAcknowledged(packet.number, packet.bytes, limited)
    if (acknowledged.length + late.length > 0) this.unanswered = 0
    return { acknowledged: late.length === 0 ? acknowledged : acknowledged.concat(late), lost }
  }

  /** RFC 9002 section 5: a round trip measured by a handshake or an acknowledgement. */
  onRoundTrip(sampleMs: number, delayMs: number): void {
    const latestMs = Math.max(0, sampleMs)
    const first = this.leastMs === Number.POSITIVE_INFINITY
    this.leastMs = Math.min(this.leastMs, latestMs)
    const allowedMs = Math.min(delayMs, limits.ackDelayMs)
    this.latestMs = latestMs - this.leastMs >= allowedMs ? latestMs - allowedMs : latestMs
    if (first) {
      this.smoothedMs = this.latestMs
      this.variationMs = this.latestMs / 2
      return
    }
    this.variationMs += (Math.abs(this.smoothedMs - this.latestMs) - this.variationMs) / 4
    this.smoothedMs += (this.latestMs - this.smoothedMs) / 8
  }

  /** The way to the peer is another, of which nothing is known. */
  onNewPath(nextNumber: number): void {
    this.congestion.onNewPath(nextNumber)
    this.smoothedMs = INITIAL_RTT_MS
    this.variationMs = INITIAL_RTT_MS / 2
    this.latestMs = INITIAL_RTT_MS
    this.leastMs = Number.POSITIVE_INFINITY
    this.unanswered = 0
    this.lossAt = undefined
  }

  /** When `onTimeout` is due. */
  deadline(): Millis | undefined {
    if (this.lossAt !== undefined) return this.lossAt
    if (this.inFlightPackets === 0) return undefined
    return this.lastSentAt + this.probeTimeoutMs() * 2 ** this.unanswered
  }

  /** What the deadline brought: packets lost by time, or packets to send again as a probe. */
  onTimeout(now: Millis, nextNumber: number): { readonly type: 'lost' | 'probe'; readonly packets: SentPacket[] } {
    if (this.lossAt !== undefined) return { type: 'lost', packets: this.detectLost(now, nextNumber) }
    this.unanswered++
    if (this.unanswered === SILENT_PROBES) this.congestion.onSilence()
    // The oldest go out again; the clock of the next probe runs from this one even if nothing is sent.
    this.lastSentAt = now
    const probed: SentPacket[] = []
    for (let at = 0; at < this.sent.length && probed.length < PACKETS_PER_PROBE; at++) {
      const packet = this.sent.at(at) as SentPacket
      if (packet.state === 'inFlight') probed.push(packet)
    }
    for (const packet of probed) this.retire(packet, 'probed', now)
    return { type: 'probe', packets: probed }
  }

  /** How long an answer may take (RFC 9002 section 6.2.1). */
  probeTimeoutMs(): number {
    const timeoutMs = this.smoothedMs + Math.max(4 * this.variationMs, GRANULARITY_MS) + limits.ackDelayMs
    return Math.max(timeoutMs, limits.probeMinMs)
  }

  /** Packets in flight are in ascending order, as are the ranges from the last one up: one walk over both. */
  private takeAcknowledged(ranges: readonly Range[], largest: number): SentPacket[] {
    const acknowledged: SentPacket[] = []
    let at = ranges.length - 1
    for (let i = 0; i < this.sent.length; i++) {
      const packet = this.sent.at(i) as SentPacket
      if (packet.number > largest) break
      while ((ranges[at] as Range).high < packet.number) at--
      if (packet.state !== 'inFlight' || (ranges[at] as Range).low > packet.number) continue
      packet.state = 'acknowledged'
      this.leaveFlight(packet)
      acknowledged.push(packet)
    }
    this.skipSettled()
    return acknowledged
  }

  /** Packets given up that are acknowledged after all. */
  private takeLate(now: Millis, ranges: readonly Range[]): SentPacket[] {
    const expiredBefore = now - RETIRED_PROBE_TIMEOUTS * this.probeTimeoutMs()
    while ((this.retired.peek()?.retiredAt ?? now) < expiredBefore) this.retired.shift()
    const late: SentPacket[] = []
    for (let i = 0; i < this.retired.length; i++) {
      const packet = this.retired.at(i) as SentPacket
      if (packet.state === 'acknowledged' || !ranges.some((r) => r.low <= packet.number && packet.number <= r.high)) {
        continue
      }
      if (packet.state === 'lost') this.onSpuriousLoss(packet, now)
      packet.state = 'acknowledged'
      late.push(packet)
    }
    return late
  }

  /** RFC 9002 sections 6.1.1 and 6.1.2 let both thresholds follow the reordering that is seen. */
  private onSpuriousLoss(packet: SentPacket, now: Millis): void {
    const distance = this.largestAcknowledged - packet.number + 1
    this.packetThreshold = Math.min(Math.max(this.packetThreshold, distance), MOST_PACKET_THRESHOLD)
    const roundTrips = (now - packet.sentAt) / Math.max(this.smoothedMs, GRANULARITY_MS)
    this.timeThreshold = Math.min(Math.max(this.timeThreshold, roundTrips), MOST_TIME_THRESHOLD)
    this.congestion.onSpuriousLoss(packet.number)
  }

  /** RFC 9002 section 6.1: lost by packets that overtook it, or by time since. */
  private detectLost(now: Millis, nextNumber: number): SentPacket[] {
    this.lossAt = undefined
    const delayMs = Math.max(this.timeThreshold * Math.max(this.smoothedMs, this.latestMs), GRANULARITY_MS)
    const lost: SentPacket[] = []
    for (let i = 0; i < this.sent.length; i++) {
      const packet = this.sent.at(i) as SentPacket
      if (packet.number > this.largestAcknowledged) break
      if (packet.state !== 'inFlight') continue
      const lostAt = packet.sentAt + delayMs
      if (packet.number <= this.largestAcknowledged - this.packetThreshold || lostAt <= now) lost.push(packet)
      else this.lossAt = Math.min(this.lossAt ?? lostAt, lostAt)
    }
    for (const packet of lost) {
      this.retire(packet, 'lost', now)
      this.congestion.onLost(packet.number, nextNumber)
    }
    return lost
  }

  private retire(packet: SentPacket, state: 'lost' | 'probed', now: Millis): void {
    packet.state = state
    packet.retiredAt = now
    this.leaveFlight(packet)
    this.skipSettled()
    this.retired.push(packet)
    if (this.retired.length > limits.retiredPackets) this.retired.shift()
  }

  private leaveFlight(packet: SentPacket): void {
    this.inFlightBytes -= packet.bytes
    this.inFlightPackets--
  }

  private skipSettled(): void {
    for (let oldest = this.sent.peek(); oldest !== undefined; oldest = this.sent.peek()) {
      if (oldest.state === 'inFlight') return
      this.sent.shift()
    }
  }
}
