/**
 * Messages that a next hop has acknowledged and may refuse a moment later, for want of room: an acknowledgement says that
 * they arrived, no more (PROTOCOL.md section 7.1). They are kept for that moment, as far as there is room; the oldest makes way.
 */
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import type { MessageNumber, SessionId } from '../../link/link.js'

/** A message, and when it is given up. */
export interface RetainedMessage {
  readonly message: Uint8Array
  readonly heldUntil: Millis
}

interface Entry extends RetainedMessage {
  readonly until: Millis
}

export class Retained {
  /** By session and number, oldest first. */
  private readonly entries = new Map<string, Entry>()
  private bytes = 0

  get count(): number {
    return this.entries.size
  }

  add(now: Millis, session: SessionId, number: MessageNumber, held: RetainedMessage): void {
    const { message, heldUntil } = held
    this.entries.set(nameOf(session, number), { message, heldUntil, until: now + limits.busyWithinMs })
    this.bytes += message.length
    while (this.entries.size > limits.retainedMessages || this.bytes > limits.retainedBytes) this.forgetOldest()
  }

  take(session: SessionId, number: MessageNumber): RetainedMessage | undefined {
    const name = nameOf(session, number)
    const entry = this.entries.get(name)
    if (entry === undefined) return undefined
    this.entries.delete(name)
    this.bytes -= entry.message.length
    return { message: entry.message, heldUntil: entry.heldUntil }
  }

  timeout(now: Millis): void {
    while ((this.deadline() ?? Number.POSITIVE_INFINITY) <= now) this.forgetOldest()
  }

  deadline(): Millis | undefined {
    return this.entries.values().next().value?.until
  }

  private forgetOldest(): void {
    const [oldest] = this.entries
    if (oldest === undefined) return
    this.entries.delete(oldest[0])
    this.bytes -= oldest[1].message.length
  }
}

function nameOf(session: SessionId, number: MessageNumber): string {
  return `${session}/${number}`
}
