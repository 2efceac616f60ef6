/**
 * Which packets have arrived, which are lost, and how long to wait for an answer: round-trip time, packet and time
 * thresholds, probe timeout (RFC 9002 sections 5 and 6). A packet given up is remembered for a while: if it is
 * acknowledged after all, the path reorders more than was assumed.
 */
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { CongestionController } from './congestion.js'
import { DeliveryRate } from './delivery-rate.js'
import { Pacer } from './pacer.js'
import { Queue } from './queue.js'
import type { Range } from './ranges.js'
import type { SentPacket } from './sent-packet.js'

const INITIAL_RTT_MS = 333
const GRANULARITY_MS = 1
const LEAST_TIME_THRESHOLD = 9 / 8
const MOST_TIME_THRESHOLD = 2
const LEAST_PACKET_THRESHOLD = 3
const MOST_PACKET_THRESHOLD = 4096
const PACKETS_PER_PROBE = 2
/** RFC 9002 section 7.6.1: probe timeouts that losses without an answer between span before nothing known counts. */
const PERSISTENT_PROBE_TIMEOUTS = 3
/** Probe timeouts for which a packet given up is remembered. */
const RETIRED_PROBE_TIMEOUTS = 3

export class Recovery {
  private readonly congestion: CongestionController
  private readonly delivery = new DeliveryRate()
  private readonly pacer = new Pacer()
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
  /** When the newest packet acknowledged so far had left. */
  private acknowledgedSentAt: Millis = Number.NEGATIVE_INFINITY
  /** Waits for the pacer, and until when. */
  private pacedUntil: Millis | undefined
  /** Probe timeouts since the last answer. */
  unanswered = 0

  constructor(congestion: CongestionController) {
    this.congestion = congestion
  }

  get windowBytes(): number {
    return this.congestion.windowBytes
  }

  /** Whether the window takes another full packet, and the pace allows it now. */
  hasRoom(now: Millis): boolean {
    this.pacedUntil = undefined
    if (this.inFlightPackets === 0) return true
    if (this.inFlightBytes + limits.datagramBytes > this.congestion.windowBytes) return false
    const { pacingBytesPerMs } = this.congestion
    if (this.pacer.allows(now, pacingBytesPerMs)) return true
    this.pacedUntil = this.pacer.readyAt(pacingBytesPerMs)
    return false
  }

  /** There is room, and nothing to send. */
  onAppLimited(): void {
    this.delivery.onAppLimited(this.inFlightBytes)
  }

  onSent(packet: SentPacket): void {
    this.delivery.onSent(packet, this.inFlightBytes)
    this.congestion.onSent(packet)
    this.pacer.onSent(packet.bytes)
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
    const late = this.takeLate(now, ranges)
    // A probe may come too early for a path that has become longer: unless its answer is measured, so does every later one.
    const measured = newest?.number === largest ? newest : late.find(({ number }) => number === largest)
    if (measured !== undefined) this.onRoundTrip(now - measured.sentAt, delayMs)
    this.largestAcknowledged = Math.max(this.largestAcknowledged, largest)
    const silentSince = this.acknowledgedSentAt
    const lost = this.detectLost(now, nextNumber)
    const [oldest] = acknowledged
    if (oldest !== undefined && lost.length > 0) this.checkPersistence(silentSince, oldest.sentAt)
    if (newest !== undefined) this.acknowledgedSentAt = Math.max(this.acknowledgedSentAt, newest.sentAt)
    this.tellCongestion(now, acknowledged, limited)
    if (acknowledged.length + late.length > 0) this.unanswered = 0
    return { acknowledged: late.length === 0 ? acknowledged : acknowledged.concat(late), lost }
  }

  private tellCongestion(now: Millis, acknowledged: readonly SentPacket[], limited: boolean): void {
    if (acknowledged.length === 0) return
    let acknowledgedBytes = 0
    for (const packet of acknowledged) {
      acknowledgedBytes += packet.bytes
      this.delivery.onAcknowledged(now, packet)
      this.congestion.onAcknowledged(packet, limited)
    }
    this.congestion.onRound(now, {
      sample: this.delivery.takeSample(now),
      acknowledgedBytes,
      inFlightBytes: this.inFlightBytes,
      deliveredBytes: this.delivery.deliveredBytes,
      latestRttMs: this.latestMs,
      smoothedRttMs: this.smoothedMs,
    })
  }

  /**
   * RFC 9002 section 7.6.2: everything sent for three probe timeouts was lost, with nothing before acknowledged that left
   * later than `silentSince`, and nothing now that left earlier than `answeredFrom`.
   */
  private checkPersistence(silentSince: Millis, answeredFrom: Millis): void {
    let first = Number.POSITIVE_INFINITY
    let last = Number.NEGATIVE_INFINITY
    for (let i = 0; i < this.retired.length; i++) {
      const { sentAt, state } = this.retired.at(i) as SentPacket
      if (state === 'acknowledged' || sentAt <= silentSince || sentAt >= answeredFrom) continue
      first = Math.min(first, sentAt)
      last = Math.max(last, sentAt)
    }
    const spanMs = last - first
    const measured = this.leastMs < Number.POSITIVE_INFINITY
    if (measured && spanMs > PERSISTENT_PROBE_TIMEOUTS * this.probeTimeoutMs()) this.congestion.onPersistentCongestion()
  }

  /** Smoothed (RFC 9002 section 5.3); `undefined` until one was measured on this path. */
  get roundTripMs(): Millis | undefined {
    return this.leastMs === Number.POSITIVE_INFINITY ? undefined : this.smoothedMs
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

  /** When a packet may leave that the pace held back. */
  pacedDeadline(): Millis | undefined {
    return this.pacedUntil
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
    this.congestion.onSpuriousLoss(packet)
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
      if (!packet.mtuProbe) this.congestion.onLost(packet, nextNumber)
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
