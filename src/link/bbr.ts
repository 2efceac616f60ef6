/**
 * Congestion control by a model of the path instead of by its losses: the most that it delivers in a round trip, and the
 * shortest round trip, say how much may be in flight (after the BBR drafts, draft-cardwell-iccrg-bbr-congestion-control). Loss
 * that remains while less is sent than the path carries is the path's own, and is made up for, so that random loss does
 * not slow a link down; only silence shrinks the window (RFC 9002 section 7.6).
 */
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import { type CongestionController, INITIAL_WINDOW_BYTES, LEAST_WINDOW_BYTES, type Round } from './congestion.js'
import type { SentPacket } from './sent-packet.js'

type Mode = 'startup' | 'drain' | 'cruise' | 'probeRtt'

/** 2/ln 2: doubles the rate each round trip; its inverse drains in one what that has queued. */
const STARTUP_GAIN = 2.885
const WINDOW_GAIN = 2
/** One round trip each: more, to see whether there is more; less, to drain what that has queued; and as measured. */
const CRUISE_GAINS = [1.25, 0.75, 1, 1, 1, 1, 1, 1] as const
/** Round trips for which the highest rate is remembered. */
const RATE_ROUNDS = 10
/** The pipe is full when three round trips did not bring a quarter more. */
const FULL_GROWTH = 1.25
const FULL_ROUNDS = 3
const MIN_RTT_LIFE_MS = 5_000
/** A shortest round trip that two whole cycles came nowhere near, though each drains what it queued, is the old path's. */
const STALE_RTT = 1.25
const PROBE_RTT_MS = 200
/** What a round trip is taken to be at least: the clock tells whole milliseconds, and a busy peer takes a few. */
const LEAST_RTT_MS = 2
/** Packets that an estimate of the path's own loss is made of, its weight, and the most that is made up for. */
const NOISE_PACKETS = 24
const NOISE_WEIGHT = 1 / 4
const MOST_NOISE = 0.5

export class Bbr implements CongestionController {
  windowBytes = INITIAL_WINDOW_BYTES
  pacingBytesPerMs = Number.POSITIVE_INFINITY
  private mode: Mode = 'startup'
  private readonly rates = new Float64Array(RATE_ROUNDS)
  private round = 0
  private roundEndBytes = 0
  private fullBytesPerMs = 0
  private fullRounds = 0
  private minRttMs = Number.POSITIVE_INFINITY
  private minRttAt: Millis = 0
  private probeRttUntil: Millis = 0
  private cycle = 0
  private cycleAt: Millis = 0
  private drainUntil: Millis = 0
  /** Shortest round trips of this cycle and of the one before it. */
  private cycleRttMs = Number.POSITIVE_INFINITY
  private lastCycleRttMs = Number.POSITIVE_INFINITY
  private smoothedRttMs = 0
  private noise = 0
  private cautiousSettled = 0
  private cautiousLost = 0
  private firstNumber = 0

  onSent(packet: SentPacket): void {
    packet.cautious = this.mode === 'cruise' && this.gain() < 1
  }

  onAcknowledged(packet: SentPacket): void {
    this.settle(packet, false)
  }

  onLost(packet: SentPacket): void {
    this.settle(packet, true)
  }

  onSpuriousLoss(packet: SentPacket): void {
    if (packet.cautious && this.cautiousLost > 0) this.cautiousLost--
  }

  onRound(now: Millis, round: Round): void {
    this.smoothedRttMs = round.smoothedRttMs
    const newRound = this.countRound(round)
    this.noteRate(round)
    this.noteRtt(now, round.latestRttMs)
    this.advance(now, round, newRound)
    this.setPace(round)
    this.setWindow(round)
  }

  onPersistentCongestion(): void {
    this.windowBytes = LEAST_WINDOW_BYTES
  }

  onNewPath(nextNumber: number): void {
    this.windowBytes = INITIAL_WINDOW_BYTES
    this.pacingBytesPerMs = Number.POSITIVE_INFINITY
    this.mode = 'startup'
    this.rates.fill(0)
    this.fullBytesPerMs = 0
    this.fullRounds = 0
    this.minRttMs = Number.POSITIVE_INFINITY
    this.noise = 0
    this.firstNumber = nextNumber
  }

  private countRound({ sample, deliveredBytes }: Round): boolean {
    if (sample === undefined || sample.deliveredBytes < this.roundEndBytes) return false
    this.roundEndBytes = deliveredBytes
    this.round++
    this.rates[this.round % RATE_ROUNDS] = 0
    return true
  }

  /** What the application held back says only that the path carries at least as much. */
  private noteRate({ sample }: Round): void {
    if (sample === undefined || (sample.appLimited && sample.bytesPerMs < this.rate())) return
    const slot = this.round % RATE_ROUNDS
    this.rates[slot] = Math.max(this.rates[slot] as number, sample.bytesPerMs)
  }

  private noteRtt(now: Millis, rttMs: number): void {
    this.cycleRttMs = Math.min(this.cycleRttMs, rttMs)
    if (rttMs > this.minRttMs) return
    this.minRttMs = rttMs
    this.minRttAt = now
  }

  private advance(now: Millis, { sample, inFlightBytes }: Round, newRound: boolean): void {
    if (this.mode === 'startup') {
      if (newRound && sample?.appLimited === false) this.checkFull()
      if (this.fullRounds >= FULL_ROUNDS) {
        this.mode = 'drain'
        this.drainUntil = now + FULL_ROUNDS * this.smoothedRttMs
      }
    }
    const drained = inFlightBytes <= this.pipeBytes() || now >= this.drainUntil
    if (this.mode === 'drain' && drained) this.cruise(now, 2)
    if (this.mode === 'cruise') this.nextPhase(now, inFlightBytes)
    if (this.mode !== 'probeRtt' && this.mode !== 'startup' && now >= this.minRttAt + MIN_RTT_LIFE_MS) {
      this.mode = 'probeRtt'
      this.probeRttUntil = now + PROBE_RTT_MS
      this.minRttMs = Number.POSITIVE_INFINITY
    } else if (this.mode === 'probeRtt' && now >= this.probeRttUntil) {
      this.minRttAt = now
      this.cruise(now, 2)
    }
  }

  private checkFull(): void {
    if (this.rate() >= this.fullBytesPerMs * FULL_GROWTH) {
      this.fullBytesPerMs = this.rate()
      this.fullRounds = 0
    } else this.fullRounds++
  }

  private cruise(now: Millis, cycle: number): void {
    this.mode = 'cruise'
    this.cycle = cycle
    this.cycleAt = now
  }

  /** Less is sent only until what more had queued is gone. */
  private nextPhase(now: Millis, inFlightBytes: number): void {
    const over = now - this.cycleAt >= this.roundTripMs()
    const drained = this.gain() < 1 && inFlightBytes <= this.pipeBytes()
    if (!over && !drained) return
    this.cruise(now, (this.cycle + 1) % CRUISE_GAINS.length)
    if (this.cycle === 0) this.checkRtt(now)
  }

  private checkRtt(now: Millis): void {
    const recentMs = Math.min(this.cycleRttMs, this.lastCycleRttMs)
    this.lastCycleRttMs = this.cycleRttMs
    this.cycleRttMs = Number.POSITIVE_INFINITY
    if (recentMs <= this.minRttMs * STALE_RTT || !Number.isFinite(recentMs)) return
    this.minRttMs = recentMs
    this.minRttAt = now
  }

  private gain(): number {
    switch (this.mode) {
      case 'startup':
        return STARTUP_GAIN
      case 'drain':
        return 1 / STARTUP_GAIN
      case 'cruise':
        return CRUISE_GAINS[this.cycle] as number
      case 'probeRtt':
        return 1
      default:
        return this.mode satisfies never
    }
  }

  private setPace({ sample }: Round): void {
    if (sample === undefined || this.rate() === 0) return
    const bytesPerMs = this.gain() * this.makeUp() * this.rate()
    // Until the pipe has been full once, what is measured is this end's own doing: it never slows down.
    if (this.mode === 'startup') this.pacingBytesPerMs = Math.max(bytesPerMs, this.initialBytesPerMs())
    else this.pacingBytesPerMs = bytesPerMs
  }

  private initialBytesPerMs(): number {
    return (STARTUP_GAIN * INITIAL_WINDOW_BYTES) / this.roundTripMs()
  }

  private setWindow({ acknowledgedBytes, deliveredBytes }: Round): void {
    const gain = this.mode === 'startup' || this.mode === 'drain' ? STARTUP_GAIN : WINDOW_GAIN
    const quantumBytes =
      3 * Math.max(2 * limits.datagramBytes, Math.min(this.pacingBytesPerMs, 64 * limits.datagramBytes))
    const targetBytes = gain * this.makeUp() * this.pipeBytes() + quantumBytes
    const grownBytes = this.windowBytes + acknowledgedBytes
    if (this.mode !== 'startup') this.windowBytes = Math.min(grownBytes, targetBytes)
    else if (this.windowBytes < targetBytes || deliveredBytes < INITIAL_WINDOW_BYTES) this.windowBytes = grownBytes
    const mostBytes = this.mode === 'probeRtt' ? this.pipeBytes() / 2 : limits.congestionWindowBytes
    this.windowBytes = Math.max(LEAST_WINDOW_BYTES, Math.min(this.windowBytes, mostBytes))
  }

  private rate(): number {
    let highest = 0
    // By index: an iterator of numbers costs an allocation each, and this runs with every acknowledgement.
    for (let i = 0; i < RATE_ROUNDS; i++) highest = Math.max(highest, this.rates[i] as number)
    return highest
  }

  private roundTripMs(): number {
    // While the pipe has not been full yet, its queue is not long, and what it is now tells more than what it was.
    if (this.mode === 'startup') return Math.max(this.smoothedRttMs, LEAST_RTT_MS)
    return Number.isFinite(this.minRttMs) ? Math.max(this.minRttMs, LEAST_RTT_MS) : LEAST_RTT_MS
  }

  /** What fills the path and no queue. */
  private pipeBytes(): number {
    return this.rate() * this.roundTripMs()
  }

  private makeUp(): number {
    return 1 / (1 - this.noise)
  }

  private settle(packet: SentPacket, lost: boolean): void {
    if (!packet.cautious || packet.number < this.firstNumber) return
    this.cautiousSettled++
    if (lost) this.cautiousLost++
    if (this.cautiousSettled < NOISE_PACKETS) return
    const measured = Math.min(this.cautiousLost / this.cautiousSettled, MOST_NOISE)
    this.noise += NOISE_WEIGHT * (measured - this.noise)
    this.cautiousSettled = 0
    this.cautiousLost = 0
  }
}
