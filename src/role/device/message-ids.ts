/**
 * Names the messages that this device sends (PROTOCOL.md section 6): the millisecond, and two bytes that are random for its first
 * message. Those that follow in the same millisecond count on from there: drawn anew, two of some hundred would soon be the same,
 * and whoever had the one would take the other for its repeat.
 */
import { bigEndian, concat, equal, fromBigEndian, type MessageId, messageId } from '../../base/bytes.js'
import type { RandomBytes } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import { newMessageId } from '../../group/content.js'

const TIME_BYTES = 6

export class MessageIds {
  private readonly random: RandomBytes
  private last: MessageId | undefined

  constructor(random: RandomBytes) {
    this.random = random
  }

  /** An id dated `now`, which no other message of this run has. */
  next(now: Millis): MessageId {
    const drawn = newMessageId(this.random, now)
    const time = drawn.subarray(0, TIME_BYTES)
    const { last } = this
    const follows = last !== undefined && equal(last.subarray(0, TIME_BYTES), time)
    this.last = follows ? messageId(concat(time, after(last))) : drawn
    return messageId(this.last.slice())
  }
}

/** The two bytes that come after those of an id. */
function after(id: MessageId): Uint8Array {
  return bigEndian((fromBigEndian(id.subarray(TIME_BYTES)) + 1) % 2 ** 16, id.length - TIME_BYTES)
}
