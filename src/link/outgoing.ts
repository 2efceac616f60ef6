/**
 * Messages on their way out: cut into chunks of one packet at most, each chunk known until it is acknowledged, each
 * message reported once all of its chunks are (PROTOCOL.md section 10.5). A chunk that was lost goes out again as it was,
 * so that two acknowledgements of one chunk can be told from acknowledgements of two.
 */
import { limits } from '../base/limits.js'
import { varintBytes, type Writer } from '../wire/codec.js'
import { fragment, frameKinds, whole } from '../wire/frame.js'
import type { LinkRoom } from './answer-room.js'
import type { MessageCost, MessageNumber, MessagePriority } from './link.js'
import { PACKET_FRAMES_BYTES } from './protection.js'
import { Queue } from './queue.js'

/** Highest number that a message may have. */
export const LAST_MESSAGE_NUMBER = 2 ** 32 - 1

/** What the shortest message still occupies of the queue's bound, and about what it occupies of memory. */
const LEAST_CHARGE_BYTES = 256
/** A large message is not cut into parts smaller than this only to fill up a packet. */
const LEAST_FRAGMENT_BYTES = 256
/** One packet in so many begins with what comes last otherwise. */
const LAST_FIRST_EVERY = 8
const KIND_BYTES = 1
const COUNT_BYTES = 2

interface OutgoingMessage {
  readonly number: MessageNumber
  readonly data: Uint8Array
  readonly priority: MessagePriority
  /** Bytes cut into chunks so far; a message is begun when its first chunk is. */
  cutBytes: number
  outstandingChunks: number
  readonly cost: { -readonly [Part in keyof MessageCost]: MessageCost[Part] }
  /** Its neighbours among those not delivered, by number. */
  before: OutgoingMessage | undefined
  after: OutgoingMessage | undefined
}

/** Part of a message that fits one packet. */
export interface Chunk {
  readonly message: OutgoingMessage
  readonly offset: number
  readonly lengthBytes: number
  acknowledged: boolean
  /** What it was cut into after the path had ceased to take packets of its size; its own may still turn out to have arrived. */
  halves?: readonly [Chunk, Chunk]
}

/** A message that the peer holds. */
export interface Delivered {
  readonly number: MessageNumber
  readonly cost: MessageCost
}

export class Outgoing {
  private readonly boundBytes: number
  private readonly answers: LinkRoom | undefined
  /** The ends of a list of all that is not delivered: one that is takes itself out, which a map would have to look up. */
  private oldest: OutgoingMessage | undefined
  private newest: OutgoingMessage | undefined
  /** Not begun or half cut, by priority. */
  private readonly lanes = { receipt: new Lane(), delivery: new Lane(), bulk: new Lane() }
  private readonly lost = new Queue<Chunk>()
  private packets = 0
  private chargedBytes = 0
  private answerBytes = 0
  private nextNumber = 0

  /** `answers` is the room for what leaves as a receipt. */
  constructor(boundBytes: number, answers?: LinkRoom) {
    this.boundBytes = boundBytes
    this.answers = answers
  }

  /** Bytes of the longest message that `add` would take. */
  roomBytes(): number {
    const free = this.boundBytes - this.chargedBytes
    return free < LEAST_CHARGE_BYTES ? 0 : Math.min(free, limits.messageBytes)
  }

  /** Queues a message; `undefined` without room, or once all numbers are used. */
  add(data: Uint8Array, priority: MessagePriority = 'delivery'): MessageNumber | undefined {
    const charge = chargeOf(data)
    if (this.chargedBytes + charge > this.boundBytes || this.exhausted()) return undefined
    if (priority === 'receipt' && !this.takeAnswer(charge)) return undefined
    const message: OutgoingMessage = {
      number: this.nextNumber++,
      data,
      priority,
      cutBytes: 0,
      outstandingChunks: 0,
      cost: { datagrams: 0, payloadBytes: 0 },
      before: this.newest,
      after: undefined,
    }
    this.chargedBytes += charge
    if (this.newest === undefined) this.oldest = message
    else this.newest.after = message
    this.newest = message
    this.lanes[priority].push(message)
    return message.number
  }

  /** The session is over: what waited goes nowhere. */
  end(): void {
    this.giveAnswers(this.answerBytes)
  }

  private takeAnswer(charge: number): boolean {
    if (this.answers?.take(charge) === false) return false
    this.answerBytes += charge
    return true
  }

  private giveAnswers(bytes: number): void {
    this.answerBytes -= bytes
    this.answers?.give(bytes)
  }

  /** Whether anything waits to be sent. */
  pending(): boolean {
    const { receipt, delivery, bulk } = this.lanes
    return this.lost.length > 0 || delivery.pending() || receipt.pending() || bulk.pending()
  }

  /** Bytes charged for what is not yet acknowledged. */
  queuedBytes(): number {
    return this.chargedBytes
  }

  /** Whether every message number has been used. */
  exhausted(): boolean {
    return this.nextNumber > LAST_MESSAGE_NUMBER
  }

  /** Numbers not yet delivered, ascending. */
  undelivered(): MessageNumber[] {
    const numbers: MessageNumber[] = []
    for (let message = this.oldest; message !== undefined; message = message.after) numbers.push(message.number)
    return numbers
  }

  /** The next new chunk whose frame fits `roomBytes`; `first` says that a packet begins. Every so often the last come first. */
  takeNew(roomBytes: number, first: boolean): Chunk | undefined {
    if (first) this.packets++
    const { receipt, delivery, bulk } = this.lanes
    return this.packets % LAST_FIRST_EVERY === 0
      ? (bulk.take(roomBytes, first) ?? delivery.take(roomBytes, first) ?? receipt.take(roomBytes, first))
      : (receipt.take(roomBytes, first) ?? delivery.take(roomBytes, first) ?? bulk.take(roomBytes, first))
  }

  /** The next lost chunk, if its frame fits; in two where no packet of `framesBytes` takes it any more. */
  takeLost(roomBytes: number, framesBytes: number): Chunk | undefined {
    while (this.lost.peek()?.acknowledged === true) this.lost.shift()
    const next = this.lost.peek()
    if (next === undefined) return undefined
    if (chunkBytes(next) <= roomBytes) return this.lost.shift()
    if (chunkBytes(next) <= framesBytes) return undefined
    this.lost.shift()
    for (const half of split(next)) this.lost.push(half)
    return this.takeLost(roomBytes, framesBytes)
  }

  onLost(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) if (!chunk.acknowledged) this.lost.push(chunk)
  }

  /** Notes that the peer holds a chunk; says so when that completes its message. */
  onAcknowledged(chunk: Chunk): Delivered | undefined {
    if (chunk.acknowledged) return undefined
    chunk.acknowledged = true
    if (chunk.halves !== undefined) {
      const [first, second] = chunk.halves
      const done = this.onAcknowledged(first)
      return this.onAcknowledged(second) ?? done
    }
    const { message } = chunk
    message.outstandingChunks--
    if (message.outstandingChunks > 0 || message.cutBytes < message.data.length) return undefined
    this.takeOut(message)
    this.chargedBytes -= chargeOf(message.data)
    if (message.priority === 'receipt') this.giveAnswers(chargeOf(message.data))
    return message
  }

  private takeOut(message: OutgoingMessage): void {
    const { before, after } = message
    if (before === undefined) this.oldest = after
    else before.after = after
    if (after === undefined) this.newest = before
    else after.before = before
    // A garbage collector that takes the young first would else keep them for what is old, and gone.
    message.before = undefined
    message.after = undefined
  }
}

/** Messages of one priority: those that fit one packet apart from those that do not, so that neither waits for the other. */
class Lane {
  private readonly small = new Queue<OutgoingMessage>()
  private readonly large = new Queue<OutgoingMessage>()
  /** Large messages that are sent side by side, a packet of each in turn, so that none holds up the others. */
  private readonly begun: OutgoingMessage[] = []
  private turn = 0
  private largeFirst = false

  push(message: OutgoingMessage): void {
    const fitsOne = wholeBytes(message.number, message.data.length) <= PACKET_FRAMES_BYTES
    if (fitsOne) this.small.push(message)
    else this.large.push(message)
  }

  pending(): boolean {
    return this.small.length > 0 || this.begun.length > 0 || this.large.length > 0
  }

  take(roomBytes: number, first: boolean): Chunk | undefined {
    if (!this.pending()) return undefined
    if (first) this.largeFirst = !this.largeFirst
    return this.largeFirst
      ? (this.takeLarge(roomBytes, first) ?? this.takeSmall(roomBytes))
      : (this.takeSmall(roomBytes) ?? this.takeLarge(roomBytes, first))
  }

  private takeSmall(roomBytes: number): Chunk | undefined {
    const message = this.small.peek()
    if (message === undefined || wholeBytes(message.number, message.data.length) > roomBytes) return undefined
    this.small.shift()
    return cut(message, message.data.length)
  }

  private takeLarge(roomBytes: number, first: boolean): Chunk | undefined {
    while (this.begun.length < limits.messagesInParallel && this.large.length > 0) {
      this.begun.push(this.large.shift() as OutgoingMessage)
    }
    if (this.begun.length === 0) return undefined
    if (first) this.turn++
    const at = this.turn % this.begun.length
    const message = this.begun[at] as OutgoingMessage
    const leftBytes = message.data.length - message.cutBytes
    const lengthBytes = Math.min(leftBytes, roomBytes - fragmentHeadBytes(message, message.cutBytes))
    if (lengthBytes < Math.min(leftBytes, LEAST_FRAGMENT_BYTES)) return undefined
    if (lengthBytes === leftBytes) this.begun.splice(at, 1)
    return cut(message, lengthBytes)
  }
}

/** Cuts a chunk that has become too long in two. */
function split(chunk: Chunk): readonly [Chunk, Chunk] {
  const { message, offset, lengthBytes } = chunk
  const firstBytes = Math.ceil(lengthBytes / 2)
  const halves = [
    { message, offset, lengthBytes: firstBytes, acknowledged: false },
    { message, offset: offset + firstBytes, lengthBytes: lengthBytes - firstBytes, acknowledged: false },
  ] as const
  chunk.halves = halves
  message.outstandingChunks++
  return halves
}

/** Charges a packet's first transmission to a message: the first of a packet bears the packet's overhead. */
export function charge(chunk: Chunk, overheadBytes: number): void {
  const { cost } = chunk.message
  if (overheadBytes > 0) cost.datagrams++
  cost.payloadBytes += chunkBytes(chunk) + overheadBytes
}

/** Writes the frame that carries a chunk. */
export function writeChunk(writer: Writer, chunk: Chunk): void {
  const { message, offset, lengthBytes } = chunk
  if (isWhole(chunk)) {
    writer.number(frameKinds.whole, 1)
    whole.write(writer, { message: message.number, data: message.data })
    return
  }
  writer.number(frameKinds.fragment, 1)
  const data = message.data.subarray(offset, offset + lengthBytes)
  fragment.write(writer, { message: message.number, totalBytes: message.data.length, offset, data })
}

/** Bytes of the frame that carries a chunk. */
export function chunkBytes(chunk: Chunk): number {
  return isWhole(chunk)
    ? wholeBytes(chunk.message.number, chunk.lengthBytes)
    : fragmentHeadBytes(chunk.message, chunk.offset) + chunk.lengthBytes
}

function isWhole(chunk: Chunk): boolean {
  return chunk.lengthBytes === chunk.message.data.length
}

function cut(message: OutgoingMessage, lengthBytes: number): Chunk {
  const chunk = { message, offset: message.cutBytes, lengthBytes, acknowledged: false }
  message.cutBytes += lengthBytes
  message.outstandingChunks++
  return chunk
}

function wholeBytes(number: MessageNumber, lengthBytes: number): number {
  return KIND_BYTES + varintBytes(number) + COUNT_BYTES + lengthBytes
}

function fragmentHeadBytes(message: OutgoingMessage, offset: number): number {
  return KIND_BYTES + varintBytes(message.number) + varintBytes(message.data.length) + varintBytes(offset) + COUNT_BYTES
}

function chargeOf(data: Uint8Array): number {
  return Math.max(data.length, LEAST_CHARGE_BYTES)
}
