/**
 * How fast the path delivers: of each acknowledged packet, the bytes delivered since it left over the time that took
 * (draft-cheng-iccrg-delivery-rate-estimation, sections 3.2 and 3.3).
 */
import type { Millis } from '../base/time.js'
import type { SentPacket } from './sent-packet.js'

/** Clocks tell whole milliseconds. */
const GRANULARITY_MS = 1

export interface RateSample {
  readonly bytesPerMs: number
  readonly appLimited: boolean
  /** Bytes delivered when the packet left: by it, round trips are counted. */
  readonly deliveredBytes: number
}

export class DeliveryRate {
  /** Bytes delivered in all. */
  deliveredBytes = 0
  private deliveredAt: Millis = 0
  private firstSentAt: Millis = 0
  /** Deliveries up to here say no more than what the application had to send. */
  private appLimitedUntil = 0
  private newest: SentPacket | undefined

  onSent(packet: SentPacket, inFlightBytes: number): void {
    if (inFlightBytes === 0) {
      this.firstSentAt = packet.sentAt
      this.deliveredAt = packet.sentAt
    }
    packet.firstSentAt = this.firstSentAt
    packet.deliveredAt = this.deliveredAt
    packet.deliveredBytes = this.deliveredBytes
    packet.appLimited = this.appLimitedUntil > 0
  }

  /** The application has nothing to send although there is room. */
  onAppLimited(inFlightBytes: number): void {
    this.appLimitedUntil = Math.max(1, this.deliveredBytes + inFlightBytes)
  }

  onAcknowledged(now: Millis, packet: SentPacket): void {
    this.deliveredBytes += packet.bytes
    this.deliveredAt = now
    if (this.newest === undefined || packet.deliveredBytes >= this.newest.deliveredBytes) {
      this.newest = packet
      this.firstSentAt = packet.sentAt
    }
  }

  /** What the packets of one acknowledgement say together. */
  takeSample(now: Millis): RateSample | undefined {
    const packet = this.newest
    this.newest = undefined
    if (this.deliveredBytes > this.appLimitedUntil) this.appLimitedUntil = 0
    if (packet === undefined) return undefined
    const sendingMs = packet.sentAt - packet.firstSentAt
    const arrivingMs = now - packet.deliveredAt
    const intervalMs = Math.max(sendingMs, arrivingMs, GRANULARITY_MS)
    const { deliveredBytes, appLimited } = packet
    return { bytesPerMs: (this.deliveredBytes - deliveredBytes) / intervalMs, appLimited, deliveredBytes }
  }
}
