/**
 * A proxy that lies: the real machine, with its link keys, behind an endpoint that swallows, repeats, corrupts and forges
 * what goes through it, and work that puts one request's content under another's slots. It can do what a proxy in
 * somebody's hands could do, and each lie as often as its habits say.
 */
import { type RandomBytes, randomBelow, shuffle } from '../../src/base/random.js'
import type { Millis } from '../../src/base/time.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkEndpoint, LinkOutput, MessageNumber, MessagePriority, SessionId } from '../../src/link/link.js'
import type { Job, JobResult } from '../../src/role/jobs.js'
import type { MakeEndpoint } from '../../src/role/proxy/parts.js'
import { encodeMessage, messageKinds, parseMessage } from '../../src/wire/message.js'

/** How often it does each, parts of 1. */
export interface Habits {
  /** Takes a message and throws it away; sends nothing and believes that it did. */
  readonly drop: number
  /** Sends a message twice, or an old one once more. */
  readonly replay: number
  /** Flips a bit of what it passes on. */
  readonly corrupt: number
  /** Puts the content of one copy under the slot of another, or of one request under the slots of another. */
  readonly swap: number
  /** Makes tokens up. */
  readonly invent: number
  /** Says that it has no room for what it takes. */
  readonly feign: number
}

export interface Liar {
  readonly makeEndpoint: MakeEndpoint
  readonly runJob: (job: Job) => JobResult
}

export function liar(habits: Habits, random: RandomBytes, runJob: (job: Job) => JobResult): Liar {
  const contents: Uint8Array[] = []
  return {
    makeEndpoint: (...parts) => new LyingEndpoint(createEndpoint(...parts), habits, random),
    runJob: (job) => {
      if (job.type !== 'split') return runJob(job)
      const request = { ...job.request, slots: slotsOf(job.request.slots, habits, random) }
      const other = contents.find(({ length }) => length === request.content.length)
      contents.push(request.content.slice())
      if (contents.length > REMEMBERED) contents.shift()
      const swapped = other !== undefined && chance(random, habits.swap)
      return runJob({ ...job, request: swapped ? { ...request, content: other } : request })
    },
  }
}

const REMEMBERED = 16
const SLOT_BYTES = 10
const TICKET_BYTES = 16
const KIND_BYTES = 1

/** What it passes on or answers, as against what keeps its links up. */
const TOUCHED: ReadonlySet<number | undefined> = new Set([
  messageKinds.forward,
  messageKinds.request,
  messageKinds.copy,
  messageKinds.copyAnswers,
  messageKinds.receipts,
  messageKinds.receiptRequest,
  messageKinds.receiptReply,
])

class LyingEndpoint implements LinkEndpoint {
  private readonly inner: LinkEndpoint
  private readonly habits: Habits
  private readonly random: RandomBytes
  private readonly remembered: Uint8Array[] = []
  /** Messages that the role knows nothing of. */
  private readonly own = new Set<string>()
  private lastCopy: Uint8Array | undefined
  private now: Millis = 0
  private unsent = 0

  constructor(inner: LinkEndpoint, habits: Habits, random: RandomBytes) {
    this.inner = inner
    this.habits = habits
    this.random = random
  }

  connect(...parts: Parameters<LinkEndpoint['connect']>): SessionId {
    this.now = parts[0]
    return this.inner.connect(...parts)
  }

  send(now: Millis, session: SessionId, message: Uint8Array, priority?: MessagePriority): MessageNumber | undefined {
    this.now = now
    if (!TOUCHED.has(message[0])) return this.inner.send(now, session, message, priority)
    if (this.does('drop')) return -++this.unsent
    const told = this.told(message)
    const number = this.inner.send(now, session, told, priority)
    if (this.does('replay')) this.slip(session, this.remembered[0] ?? told)
    if (this.does('replay')) this.slip(session, told)
    this.remembered.push(told.slice())
    if (this.remembered.length > REMEMBERED) this.remembered.shift()
    return number
  }

  poll(): LinkOutput | undefined {
    for (let output = this.inner.poll(); output !== undefined; output = this.inner.poll()) {
      const seen = this.seen(output)
      if (seen !== undefined) return seen
    }
    return undefined
  }

  sendRoomBytes(session: SessionId): number {
    return this.inner.sendRoomBytes(session)
  }

  close(...parts: Parameters<LinkEndpoint['close']>): void {
    this.inner.close(...parts)
  }

  handshakeHash(session: SessionId): Uint8Array | undefined {
    return this.inner.handshakeHash(session)
  }

  peer(session: SessionId): ReturnType<LinkEndpoint['peer']> {
    return this.inner.peer(session)
  }

  counters(session?: SessionId): ReturnType<LinkEndpoint['counters']> {
    return session === undefined ? this.inner.counters() : this.inner.counters(session)
  }

  datagram(...parts: Parameters<LinkEndpoint['datagram']>): void {
    this.now = parts[0]
    this.inner.datagram(...parts)
  }

  timeout(now: Millis): void {
    this.now = now
    this.inner.timeout(now)
  }

  deadline(): Millis | undefined {
    return this.inner.deadline()
  }

  /** What the role is told of an event; nothing of what it had no part in. */
  private seen(output: LinkOutput): LinkOutput | undefined {
    switch (output.type) {
      case 'received':
        return this.received(output)
      case 'delivered':
        return this.own.delete(`${output.session} ${output.number}`) ? undefined : output
      case 'closed': {
        const undelivered = output.undelivered.filter((number) => !this.own.delete(`${output.session} ${number}`))
        return { ...output, undelivered }
      }
      default:
        return output
    }
  }

  private received(output: LinkOutput & { type: 'received' }): LinkOutput | undefined {
    const { session, number, message } = output
    if (!TOUCHED.has(message[0])) return output
    if (message[0] === messageKinds.receiptRequest && this.does('invent')) {
      this.invent(session, message)
      return undefined
    }
    if (message[0] === messageKinds.forward && this.does('feign')) {
      this.slip(session, encodeMessage('busy', { message: number }))
    }
    return this.does('drop') ? undefined : output
  }

  private invent(session: SessionId, asked: Uint8Array): void {
    const parsed = parseMessage(asked)
    if (!parsed.ok || parsed.value.kind !== 'receiptRequest') return
    const { ticket, tokenBytes } = parsed.value.value
    this.slip(session, encodeMessage('receiptReply', { ticket: ticket.slice(), tokens: this.tokens(tokenBytes) }))
  }

  /** What leaves in the place of a message. */
  private told(message: Uint8Array): Uint8Array {
    const kind = message[0]
    const isReceipt = kind === messageKinds.receipts || kind === messageKinds.receiptReply
    const told = message.slice()
    if (isReceipt && this.does('invent')) {
      const from = KIND_BYTES + TICKET_BYTES
      told.set(this.tokens(told.length - from), from)
    }
    if (kind === messageKinds.copy && this.does('swap')) this.swap(told)
    if (this.does('corrupt')) {
      const bit = 8 * KIND_BYTES + randomBelow(this.random, 8 * (told.length - KIND_BYTES))
      told[bit >> 3] = (told[bit >> 3] as number) ^ (1 << (bit & 7))
    }
    return told
  }

  private tokens(lengthBytes: number): Uint8Array {
    return randomBelow(this.random, 2) === 0 ? new Uint8Array(lengthBytes) : this.random(lengthBytes)
  }

  private swap(copy: Uint8Array): void {
    const { lastCopy } = this
    this.lastCopy = copy.slice()
    if (lastCopy?.length === copy.length) copy.set(lastCopy.subarray(copy.length >> 1), copy.length >> 1)
  }

  private slip(session: SessionId, message: Uint8Array): void {
    const number = this.inner.send(this.now, session, message)
    if (number !== undefined) this.own.add(`${session} ${number}`)
  }

  private does(habit: keyof Habits): boolean {
    return chance(this.random, this.habits[habit])
  }
}

/** Its recipients in another order, so that each gets a copy and no receipt is where it should be. */
function slotsOf(slots: Uint8Array, { swap }: Habits, random: RandomBytes): Uint8Array {
  if (!chance(random, swap)) return slots
  const order = Array.from({ length: slots.length / SLOT_BYTES }, (_, i) => i)
  const mixed = new Uint8Array(slots.length)
  for (const [to, from] of shuffle(random, order).entries()) {
    mixed.set(slots.subarray(from * SLOT_BYTES, (from + 1) * SLOT_BYTES), to * SLOT_BYTES)
  }
  return mixed
}

function chance(random: RandomBytes, part: number): boolean {
  return part > 0 && randomBelow(random, 2 ** 32) / 2 ** 32 < part
}
