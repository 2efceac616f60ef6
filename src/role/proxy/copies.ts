/**
 * The copies of all requests on their way to CS: room is reserved for them before they are made, each waits its random
 * time, goes out as the link takes it, and is held until CS has answered it; without an answer, or when the link is lost,
 * it goes again, for as long as CS could accept it, which knows a repeat by its R_i (PROTOCOL.md sections 5 and 7).
 */
import { fromBigEndian } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { exponentialMs, type RandomBytes } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { LinkEndpoint, MessageNumber, SessionId } from '../../link/link.js'
import { encodeMessage } from '../../wire/message.js'
import { Waiting } from './waiting.js'

export interface CopiesOptions {
  readonly random: RandomBytes
  readonly endpoint: LinkEndpoint
  readonly meanWaitMs: number
}

/** A copy sealed for CS, on its way there. */
interface SealedCopy {
  readonly sealed: Uint8Array
  /** When it becomes worthless. */
  readonly heldUntil: Millis
}

interface SentCopy {
  readonly copy: SealedCopy
  readonly number: MessageNumber
  readonly repeatAt: Millis
}

const NO_EXTENSION = new Uint8Array(0)
const REFERENCE_BYTES = 4
const COPY_HEAD_BYTES = 6
/** How long a copy that CS had no room for waits before it is offered again. */
const BUSY_WAIT_MS = 5_000

export class Copies {
  readonly counts = { sent: 0, answered: 0, expired: 0 }
  private readonly options: CopiesOptions
  private readonly waiting: Waiting<SealedCopy>
  /** By reference, oldest first. */
  private readonly sent = new Map<number, SentCopy>()
  private readonly references = new Map<MessageNumber, number>()
  private reservedCopies = 0
  private reservedBytes = 0

  constructor(options: CopiesOptions) {
    this.options = options
    this.waiting = new Waiting(options.random)
  }

  /** Copies that are held, those yet to be made and those without an answer among them. */
  get held(): number {
    return this.reservedCopies
  }

  /** Makes room for copies to come; false where they would not fit. */
  reserve(copies: number, bytesEach: number): boolean {
    const { reservedCopies, reservedBytes } = this
    if (reservedCopies + copies > limits.waitingCopies) return false
    if (reservedBytes + copies * bytesEach > limits.waitingBytes) return false
    this.reservedCopies += copies
    this.reservedBytes += copies * bytesEach
    return true
  }

  /** Gives back room that nothing will be added for. */
  release(copies: number, bytesEach: number): void {
    this.reservedCopies -= copies
    this.reservedBytes -= copies * bytesEach
  }

  /** Takes a copy, for which room was reserved, into the random wait. */
  add(now: Millis, sealed: Uint8Array): void {
    const due = now + exponentialMs(this.options.random, this.options.meanWaitMs)
    this.waiting.add(due, { sealed, heldUntil: now + limits.copyHoldMs })
  }

  /** Sends what is due as far as the link to CS takes it. */
  send(now: Millis, session: SessionId): void {
    for (;;) {
      const due = this.waiting.nextDue()
      const copy = this.waiting.peek()
      if (copy === undefined || due === undefined || due > now) return
      if (now > copy.heldUntil) this.expire()
      else if (!this.sendOne(now, session, copy)) return
    }
  }

  /** Answers of CS; returns how many fitted no copy. */
  answered(references: readonly number[]): number {
    let unknown = 0
    for (const reference of references) {
      if (this.forget(reference)) this.counts.answered++
      else unknown++
    }
    return unknown
  }

  /** CS had no room for the copy in this message; false where it was none. */
  refused(now: Millis, number: MessageNumber): boolean {
    const reference = this.references.get(number)
    const held = reference === undefined ? undefined : this.sent.get(reference)
    if (reference === undefined || held === undefined) return false
    this.sent.delete(reference)
    this.references.delete(number)
    this.waiting.add(now + BUSY_WAIT_MS + exponentialMs(this.options.random, this.options.meanWaitMs), held.copy)
    return true
  }

  /** The link to CS is gone: whatever is unanswered goes again on the next one, under new references. */
  lost(now: Millis): void {
    for (const { copy } of this.sent.values()) this.waiting.add(now, copy)
    this.sent.clear()
    this.references.clear()
  }

  timeout(now: Millis): void {
    for (const [reference, { copy, number, repeatAt }] of this.sent) {
      if (repeatAt > now) return
      this.sent.delete(reference)
      this.references.delete(number)
      this.waiting.add(now, copy)
    }
  }

  /** A copy that is due counts only where the link to CS would take it: else the next acknowledgement is waited for. */
  deadline(session: SessionId | undefined): Millis | undefined {
    const [oldest] = this.sent.values()
    const next = this.waiting.peek()
    const sendable = session !== undefined && next !== undefined && this.roomFor(session, next)
    return earliest(oldest?.repeatAt, sendable ? this.waiting.nextDue() : undefined)
  }

  private roomFor(session: SessionId, copy: SealedCopy): boolean {
    return this.options.endpoint.sendRoomBytes(session) >= copy.sealed.length + COPY_HEAD_BYTES
  }

  private sendOne(now: Millis, session: SessionId, copy: SealedCopy): boolean {
    if (!this.roomFor(session, copy)) return false
    const reference = this.freshReference()
    const message = encodeMessage('copy', { reference, extension: NO_EXTENSION, sealed: copy.sealed })
    const number = this.options.endpoint.send(now, session, message)
    if (number === undefined) return false
    this.waiting.take()
    this.sent.set(reference, { copy, number, repeatAt: now + limits.copyAnswerMs })
    this.references.set(number, reference)
    this.counts.sent++
    return true
  }

  private expire(): void {
    const copy = this.waiting.take()
    if (copy !== undefined) this.release(1, copy.sealed.length)
    this.counts.expired++
  }

  private forget(reference: number): boolean {
    const held = this.sent.get(reference)
    if (held === undefined) return false
    this.sent.delete(reference)
    this.references.delete(held.number)
    this.release(1, held.copy.sealed.length)
    return true
  }

  private freshReference(): number {
    for (;;) {
      const reference = fromBigEndian(this.options.random(REFERENCE_BYTES))
      if (!this.sent.has(reference)) return reference
    }
  }
}
