/**
 * The copies of all requests on their way to CS, and those that others hand on: room is reserved for them before they are made,
 * each waits its random time, goes out as the link takes it or by an extra proxy, and is held until CS has answered it; without
 * an answer, or when the link is lost, it goes again, for as long as CS could accept it, which knows a repeat by its R_i
 * (PROTOCOL.md sections 5 and 7).
 */
import { limits } from '../../base/limits.js'
import { exponentialMs, type RandomBytes, RandomNumbers } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { LinkEndpoint, MessageNumber, SessionId } from '../../link/link.js'
import { SEAL_BYTES } from '../../wire/content.js'
import { encodeMessage } from '../../wire/message.js'
import { type ExtraHops, writeReference } from './extra-hops.js'
import type { OwnTraffic } from './own-traffic.js'
import { Waiting } from './waiting.js'

export interface CopiesOptions {
  readonly random: RandomBytes
  readonly endpoint: LinkEndpoint
  readonly meanWaitMs: number
  /** Is told of copies as they come. */
  readonly traffic?: OwnTraffic
  /** The way by a P3. */
  readonly extraHops?: ExtraHops<Copy>
}

/** Told what CS answers for a copy, by its place among those that were added with it. */
export type OnToken = (place: number, token: Uint8Array) => void

/** Where copies come from. */
interface Origin {
  /** Made here, of a request; those of others go no further way round. */
  readonly ours: boolean
  /** Where P1 is, as far as that is known. */
  readonly p1Host: string | undefined
}

/** Copies that were made together and stand in one piece of memory, which is free once none of them is held. */
interface Slab extends Origin {
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
export interface Copy {
  slab: Slab
  place: number
  /** Stands in the message; `NO_REFERENCE` until it is sent first on a link. */
  reference: number
  /** Of the link message that it was last sent in. */
  number: MessageNumber
  repeatAt: Millis
  /** Times that it went by a P3. */
  detours: number
}

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
  ...{ ours: false, p1Host: undefined, onToken: () => undefined },
}

export class Copies {
  readonly counts = { sent: 0, answered: 0, expired: 0 }
  private readonly options: CopiesOptions
  private readonly numbers: RandomNumbers
  /** Each until its time. */
  private readonly waiting: Waiting<Copy>
  /** Those whose time has come: one after the other is drawn, whichever message it is of. */
  private readonly due: Copy[] = []
  private drawn: Copy | undefined
  /** By reference, oldest first. */
  private readonly sent = new Map<number, Copy>()
  /** No later than when the oldest of them is to go again; noted, since looking would be done for nothing nearly each time. */
  private repeatsFrom: Millis = 0
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
  add(now: Millis, spaced: Uint8Array, bytesEach: number, onToken: OnToken, p1Host?: string): void {
    const messageBytes = COPY_HEAD_BYTES + bytesEach
    const count = spaced.length / messageBytes
    for (let place = 0; place < count; place++) spaced.set(copyHead, place * messageBytes)
    const origin = { ours: true, p1Host }
    this.hold(now, { memory: spaced, messageBytes, held: count, reservedBytes: count * bytesEach, ...origin, onToken })
  }

  /** Takes a copy that somebody else made, for which room was reserved; its message is copied. */
  pass(now: Millis, message: Uint8Array, onToken: (token: Uint8Array) => void): void {
    const memory = message.slice()
    const origin = { ours: false, p1Host: undefined }
    const bytes = { messageBytes: memory.length, reservedBytes: memory.length }
    this.hold(now, { memory, ...bytes, held: 1, ...origin, onToken: (_, token) => onToken(token) })
  }

  /** Sends what is due as far as the link to CS takes it. */
  send(now: Millis, session: SessionId): void {
    this.collectDue(now)
    for (let copy = this.draw(); copy !== undefined; copy = this.draw()) {
      if (now > copy.slab.heldUntil) this.expire(copy)
      else if (!this.sendMessage(now, session, copy, messageOf(copy))) return
      this.drawn = undefined
    }
  }

  /** An answer of CS; false where it fits no copy. */
  answered(reference: number, token: Uint8Array): boolean {
    const copy = this.sent.get(reference)
    if (copy === undefined) return false
    this.take(reference, copy)
    this.done(copy, token)
    return true
  }

  /** An answer that a P3 brings; false where it was given no such copy. */
  answeredBy(proxy: string, reference: number, token: Uint8Array): boolean {
    const copy = this.options.extraHops?.answered(proxy, reference)
    if (copy === undefined) return false
    this.done(copy, token)
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
    if (this.repeatsFrom > now) return
    for (const [reference, copy] of this.sent) {
      this.repeatsFrom = copy.repeatAt
      if (copy.repeatAt > now) return
      this.take(reference, copy)
      this.waiting.add(now, copy)
    }
  }

  /** Takes back what no P3 has brought an answer for. */
  overdue(now: Millis): void {
    for (const copy of this.options.extraHops?.overdue(now) ?? []) this.waiting.add(now, copy)
  }

  /** A copy that is due counts only where the link to CS would take it: else the next acknowledgement is waited for. */
  deadline(session: SessionId | undefined): Millis | undefined {
    const repeatAt = this.sent.size === 0 ? undefined : this.repeatsFrom
    const answers = earliest(repeatAt, this.options.extraHops?.deadline())
    const next = this.drawn ?? this.waiting.peek()
    if (session === undefined || next === undefined || !this.roomFor(session, next)) return answers
    return earliest(answers, this.drawn === undefined ? this.waiting.nextDue() : 0)
  }

  private hold(now: Millis, rest: Omit<Slab, 'heldUntil'>): void {
    const slab = { ...rest, heldUntil: now + limits.copyHoldMs }
    this.options.traffic?.count(now, slab.held)
    for (let place = 0; place < slab.held; place++) this.waiting.add(this.dueFrom(now), this.newCopy(slab, place))
  }

  private collectDue(now: Millis): void {
    while ((this.waiting.nextDue() ?? Number.POSITIVE_INFINITY) <= now) this.due.push(this.waiting.take() as Copy)
  }

  /** The next to leave: what leaves at one moment leaves in random order. One that the link has no room for stays the next. */
  private draw(): Copy | undefined {
    if (this.drawn !== undefined) return this.drawn
    const last = this.due.pop()
    if (last === undefined) return undefined
    // Not quite uniform, by less than one part in 65,000 for as many copies as there may be.
    const at = this.numbers.uint32() % (this.due.length + 1)
    this.drawn = this.due[at] ?? last
    if (at < this.due.length) this.due[at] = last
    return this.drawn
  }

  private dueFrom(moment: Millis): Millis {
    return moment + exponentialMs(this.numbers, this.options.meanWaitMs)
  }

  private roomFor(session: SessionId, { slab }: Copy): boolean {
    return this.options.endpoint.sendRoomBytes(session) >= slab.messageBytes
  }

  private sendMessage(now: Millis, session: SessionId, copy: Copy, message: Uint8Array): boolean {
    return this.sendRound(now, copy, message) || this.sendOne(now, session, copy, message)
  }

  private sendOne(now: Millis, session: SessionId, copy: Copy, message: Uint8Array): boolean {
    if (!this.roomFor(session, copy)) return false
    // On one link a copy keeps its reference: the bytes of a message must not change while the link may send them again.
    if (copy.reference === NO_REFERENCE || this.sent.has(copy.reference)) this.giveReference(copy, message)
    const { reference } = copy
    const number = this.options.endpoint.send(now, session, message)
    if (number === undefined) return false
    copy.number = number
    copy.repeatAt = now + limits.copyAnswerMs
    if (this.sent.size === 0) this.repeatsFrom = copy.repeatAt
    this.sent.set(reference, copy)
    this.byNumber.set(number, copy)
    this.counts.sent++
    return true
  }

  /** By a P3, where copies go by one; what was not answered twice goes directly. */
  private sendRound(now: Millis, copy: Copy, message: Uint8Array): boolean {
    const { extraHops } = this.options
    const { ours, p1Host } = copy.slab
    if (extraHops === undefined || !ours || copy.detours >= limits.extraHopTries) return false
    if (!extraHops.wanted(now) || !extraHops.take(now, copy, message, p1Host)) return false
    copy.detours++
    this.counts.sent++
    return true
  }

  private expire(copy: Copy): void {
    this.letGo(copy)
    this.counts.expired++
  }

  private done(copy: Copy, token: Uint8Array): void {
    copy.slab.onToken(copy.place, token)
    this.letGo(copy)
    this.counts.answered++
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
    if (copy === undefined) return { slab, place, reference: NO_REFERENCE, number: 0, repeatAt: 0, detours: 0 }
    copy.slab = slab
    copy.place = place
    copy.reference = NO_REFERENCE
    copy.detours = 0
    return copy
  }

  private giveReference(copy: Copy, message: Uint8Array): void {
    let reference = this.numbers.uint32()
    while (this.sent.has(reference)) reference = this.numbers.uint32()
    copy.reference = reference
    writeReference(message, reference)
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
