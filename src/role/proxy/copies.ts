/**
 * The copies of all requests on their way to CS: room is reserved for them before they are made, each waits its random
 * time, goes out as the link takes it, and is held until CS has answered it; without an answer, or when the link is lost,
 * it goes again, for as long as CS could accept it, which knows a repeat by its R_i (PROTOCOL.md sections 5 and 7).
 */
import { limits } from '../../base/limits.js'
import { exponentialMs, type RandomBytes, RandomNumbers } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { LinkEndpoint, MessageNumber, SessionId } from '../../link/link.js'
import { SEAL_BYTES } from '../../wire/content.js'
import { encodeMessage } from '../../wire/message.js'
import { Waiting } from './waiting.js'

export interface CopiesOptions {
  readonly random: RandomBytes
  readonly endpoint: LinkEndpoint
  readonly meanWaitMs: number
}

/** Told what CS answers for a copy, by its place among those that were added with it. */
export type OnToken = (place: number, token: Uint8Array) => void

/** Copies that were made together and stand in one piece of memory, which is free once none of them is held. */
interface Slab {
  held: number
  /** The whole messages as they go to the link, each so long. */
  readonly memory: Uint8Array
  readonly messageBytes: number
  readonly reservedBytes: number
  /** When they become worthless. */
  readonly heldUntil: Millis
  readonly onToken: OnToken
}

/**
 * A copy on its way to CS. Used again for another once it is there, and made of numbers: it lives too long for a young
 * generation, and what old ones hold is dear to collect.
 */
interface Copy {
  slab: Slab
  place: number
  /** Stands in the message; `NO_REFERENCE` until it is sent first on a link. */
  reference: number
  /** Of the link message that it was last sent in. */
  number: MessageNumber
  repeatAt: Millis
}

const REFERENCE_AT = 1
const NO_REFERENCE = -1
/** Records of copies that are kept for the next ones. */
const SPARE_COPIES = 8192
/** How long a copy that CS had no room for waits before it is offered again. */
const BUSY_WAIT_MS = 5_000

/** What stands before each sealed copy in its message; the reference is filled in when it is sent. */
const copyHead = headOfCopy()
export const COPY_HEAD_BYTES = copyHead.length
const NO_SLAB: Slab = {
  ...{ held: 0, memory: new Uint8Array(0), messageBytes: 0, reservedBytes: 0, heldUntil: 0 },
  onToken: () => undefined,
}

export class Copies {
  readonly counts = { sent: 0, answered: 0, expired: 0 }
  private readonly options: CopiesOptions
  private readonly numbers: RandomNumbers
  private readonly waiting: Waiting<Copy>
  /** By reference, oldest first. */
  private readonly sent = new Map<number, Copy>()
  private readonly byNumber = new Map<MessageNumber, Copy>()
  private readonly spare: Copy[] = []
  private reservedCopies = 0
  private reservedBytes = 0

  constructor(options: CopiesOptions) {
    this.options = options
    this.numbers = new RandomNumbers(options.random)
    this.waiting = new Waiting(this.numbers)
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

  /**
   * Takes copies, for which room was reserved, each into a random wait of its own. `spaced` holds them one after the other, each
   * behind `COPY_HEAD_BYTES`, and is kept: one piece for all, since one for each costs more than all else that is done to
   * a copy here. It stays until the last of them has gone, and its room is given back no sooner.
   */
  add(now: Millis, spaced: Uint8Array, bytesEach: number, onToken: OnToken): void {
    const messageBytes = COPY_HEAD_BYTES + bytesEach
    const count = spaced.length / messageBytes
    const heldUntil = now + limits.copyHoldMs
    const slab = { held: count, memory: spaced, messageBytes, reservedBytes: count * bytesEach, heldUntil, onToken }
    for (let place = 0; place < count; place++) {
      spaced.set(copyHead, place * messageBytes)
      this.waiting.add(this.dueFrom(now), this.newCopy(slab, place))
    }
  }

  /** Sends what is due as far as the link to CS takes it. */
  send(now: Millis, session: SessionId): void {
    for (;;) {
      const due = this.waiting.nextDue()
      const copy = this.waiting.peek()
      if (copy === undefined || due === undefined || due > now) return
      if (now > copy.slab.heldUntil) this.expire()
      else if (!this.sendOne(now, session, copy)) return
    }
  }

  /** An answer of CS; false where it fits no copy. */
  answered(reference: number, token: Uint8Array): boolean {
    const copy = this.sent.get(reference)
    if (copy === undefined) return false
    this.take(reference, copy)
    copy.slab.onToken(copy.place, token)
    this.letGo(copy)
    this.counts.answered++
    return true
  }

  /** CS had no room for the copy in this message; false where it was none. */
  refused(now: Millis, number: MessageNumber): boolean {
    const copy = this.byNumber.get(number)
    if (copy === undefined) return false
    this.take(copy.reference, copy)
    this.waiting.add(this.dueFrom(now + BUSY_WAIT_MS), copy)
    return true
  }

  /** The link to CS is gone: whatever is unanswered goes again on the next one, under new references. */
  lost(now: Millis): void {
    for (const copy of this.sent.values()) {
      copy.reference = NO_REFERENCE
      this.waiting.add(now, copy)
    }
    this.sent.clear()
    this.byNumber.clear()
  }

  timeout(now: Millis): void {
    for (const [reference, copy] of this.sent) {
      if (copy.repeatAt > now) return
      this.take(reference, copy)
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

  private dueFrom(moment: Millis): Millis {
    return moment + exponentialMs(this.numbers, this.options.meanWaitMs)
  }

  private roomFor(session: SessionId, { slab }: Copy): boolean {
    return this.options.endpoint.sendRoomBytes(session) >= slab.messageBytes
  }

  private sendOne(now: Millis, session: SessionId, copy: Copy): boolean {
    if (!this.roomFor(session, copy)) return false
    // On one link a copy keeps its reference: the bytes of a message must not change while the link may send them again.
    if (copy.reference === NO_REFERENCE || this.sent.has(copy.reference)) this.giveReference(copy)
    const { reference } = copy
    const number = this.options.endpoint.send(now, session, messageOf(copy))
    if (number === undefined) return false
    this.waiting.take()
    copy.number = number
    copy.repeatAt = now + limits.copyAnswerMs
    this.sent.set(reference, copy)
    this.byNumber.set(number, copy)
    this.counts.sent++
    return true
  }

  private expire(): void {
    const copy = this.waiting.take()
    if (copy !== undefined) this.letGo(copy)
    this.counts.expired++
  }

  private take(reference: number, { number }: Copy): void {
    this.sent.delete(reference)
    this.byNumber.delete(number)
  }

  private letGo(copy: Copy): void {
    const { slab } = copy
    this.reservedCopies--
    slab.held--
    if (slab.held === 0) this.reservedBytes -= slab.reservedBytes
    copy.slab = NO_SLAB
    if (this.spare.length < SPARE_COPIES) this.spare.push(copy)
  }

  private newCopy(slab: Slab, place: number): Copy {
    const copy = this.spare.pop()
    if (copy === undefined) return { slab, place, reference: NO_REFERENCE, number: 0, repeatAt: 0 }
    copy.slab = slab
    copy.place = place
    copy.reference = NO_REFERENCE
    return copy
  }

  private giveReference(copy: Copy): void {
    let reference = this.numbers.uint32()
    while (this.sent.has(reference)) reference = this.numbers.uint32()
    copy.reference = reference
    const { memory, messageBytes } = copy.slab
    const at = copy.place * messageBytes + REFERENCE_AT
    for (let i = 0; i < 4; i++) memory[at + i] = reference >>> (24 - 8 * i)
  }
}

function messageOf({ slab: { memory, messageBytes }, place }: Copy): Uint8Array {
  return memory.subarray(place * messageBytes, (place + 1) * messageBytes)
}

/** Everything of a message *copy* before the sealed copy: all of it but the reference is the same each time. */
function headOfCopy(): Uint8Array {
  const sealed = new Uint8Array(SEAL_BYTES)
  return encodeMessage('copy', { reference: 0, extension: new Uint8Array(0), sealed }).slice(0, -SEAL_BYTES)
}
