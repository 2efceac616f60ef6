/**
 * What this end owes in acknowledgements: the ranges of packet numbers received, and when to say so: at once after every
 * second packet that asks for it and after a gap, else within 10 ms (PROTOCOL.md section 10.5, RFC 9000 section 13.2).
 */
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import type { ack } from '../wire/frame.js'
import { type Range, RangeSet } from './ranges.js'

export type AckFrame = FormatValue<typeof ack>

const ELICITING_PER_ACK = 2
const MAX_DELAY_US = 2 ** 30 - 1

export class AckTracker {
  private elicitingPerAck = ELICITING_PER_ACK

  private readonly received = new RangeSet()
  private largestAt: Millis = 0
  private owed = 0
  private dueAt: Millis | undefined

  /** Notes a packet; `eliciting` says that its sender wants to hear of it. */
  onPacket(number: number, eliciting: boolean, now: Millis): void {
    const highest = this.received.highest ?? -1
    const inOrder = number === highest + 1
    if (number > highest) this.largestAt = now
    this.received.add(number, number)
    if (this.received.count > limits.ackRanges) this.received.dropLowest()
    if (!eliciting) return
    this.owed++
    const atOnce = !inOrder || this.owed >= this.elicitingPerAck
    this.dueAt = Math.min(this.dueAt ?? Number.POSITIVE_INFINITY, atOnce ? now : now + limits.ackDelayMs)
  }

  /** The peer wants to hear after so many packets. */
  setFrequency(packets: number): void {
    this.elicitingPerAck = packets
  }

  /** When an acknowledgement must leave. */
  deadline(): Millis | undefined {
    return this.dueAt
  }

  due(now: Millis): boolean {
    return this.dueAt !== undefined && this.dueAt <= now
  }

  /** The frame, or `undefined` where nothing is owed: an acknowledgement rides along before it must. */
  frame(now: Millis): AckFrame | undefined {
    if (this.owed === 0) return undefined
    const [top, ...below] = this.received.descending()
    if (top === undefined) return undefined
    let above = top.low
    const ranges = below.map(({ low, high }) => {
      const range = { gap: above - high - 2, length: high - low }
      above = low
      return range
    })
    const delayUs = Math.min(Math.max(0, Math.round((now - this.largestAt) * 1000)), MAX_DELAY_US)
    return { largest: top.high, delayUs, first: top.high - top.low, ranges }
  }

  /** The frame has left. */
  onSent(): void {
    this.owed = 0
    this.dueAt = undefined
  }

  /** The peer holds a frame that said `largest`: what is below need not be said again (RFC 9000 section 13.2.4). */
  onFrameAcknowledged(largest: number): void {
    this.received.dropThrough(largest - 1)
  }
}

/** The ranges that a frame acknowledges, highest first; the format has refused one that goes below 0. */
export function acknowledgedRanges({ largest, first, ranges }: AckFrame): Range[] {
  let low = largest - first
  const acknowledged = [{ low, high: largest }]
  for (const range of ranges) {
    const high = low - range.gap - 2
    low = high - range.length
    acknowledged.push({ low, high })
  }
  return acknowledged
}
