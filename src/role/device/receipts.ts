/**
 * The sender's part in receipts (PROTOCOL.md section 7): asks P1 for the tokens of each request at random times, recomputes
 * the copies, some at a time, and tells which are proven stored, or refused. What is kept for that is secret, and wiped as soon as
 * the tokens that fit are known.
 */
import { equal, equalConstantTime, type NodeId, toHex, wipe } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { RandomNumbers } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { Verdict } from '../../crypto/crypto.js'
import type { ReceiptCheck } from '../../group/request.js'
import { OPENED_COPY_OVERHEAD_BYTES, receiptBytes } from '../../group/sizes.js'
import type { SessionId } from '../../link/link.js'
import { encodeMessage, TICKET_BYTES, TOKEN_BYTES } from '../../wire/message.js'
import type { ListedProxy } from '../server-link.js'
import type { DeviceCore } from './core.js'
import type { FirstProxies } from './first-proxies.js'
import type { Outgoing } from './outbox.js'

/** By which proxies a request went. */
export interface Route {
  readonly first: ListedProxy
  /** None where the copy was sent directly. */
  readonly second: ListedProxy | undefined
}

/** A request whose receipts are asked for. */
export interface Watch {
  readonly outgoing: Outgoing
  readonly route: Route
  readonly check: ReceiptCheck
  /** In slot order. */
  readonly verdicts: (Verdict | undefined)[]
  readonly ticket: Uint8Array
  readonly tokenBytes: number
  readonly until: Millis
  /** When the last time to ask begins, and when it is over. */
  readonly lastFrom: Millis
  readonly lastUntil: Millis
  /** Tokens that would prove: 4 bytes a copy, as far as they are computed. */
  readonly expected: Record<Verdict, Map<number, Uint8Array>>
  /** A reply that is being checked, and the next copy of it. */
  reply: Uint8Array | undefined
  next: number
  replies: number
  askAt: Millis
  intervalMs: number
  askedOn: SessionId | undefined
  /** Replies that are to come on that link. */
  awaited: number
  unreachable: number
}

export interface ReceiptEvents {
  /** Verdicts have come to a request. */
  readonly checked: (watch: Watch) => void
  /** No more are asked for: all are there, or the time is over, or P1 is gone. */
  readonly over: (now: Millis, watch: Watch) => void
}

/** Each interval is so much longer than the one before. */
const LATER = 1.5
const UINT32 = 2 ** 32
/** Parts of the time for proof, between which it is asked for once more if it would not be otherwise: what came late still counts. */
const LAST_FROM = 3 / 4
const LAST_UNTIL = 7 / 8
/** Times that P1 could not be reached, after which it is not tried again. */
const UNREACHABLE_TIMES = 2

export class Receipts {
  private readonly core: DeviceCore
  private readonly proxies: FirstProxies
  private readonly events: ReceiptEvents
  private readonly numbers: RandomNumbers
  /** By hex ticket. */
  private readonly watches = new Map<string, Watch>()
  /** Those with a reply to be checked, in turn. */
  private checking: Watch[] = []
  private nextAt: Millis | undefined

  constructor(core: DeviceCore, proxies: FirstProxies, events: ReceiptEvents) {
    this.core = core
    this.proxies = proxies
    this.events = events
    this.numbers = new RandomNumbers(core.options.random)
  }

  /** Asks for the receipts of a request that P1 took, for as long as `proofMs`. `requestBytes` is its link message's length. */
  watch(
    now: Millis,
    outgoing: Outgoing,
    route: Route,
    check: ReceiptCheck,
    requestBytes: number,
    proofMs: number,
  ): void {
    const ticket = check.ticket ?? check.request.ephemeral.slice(0, TICKET_BYTES)
    const intervalMs = this.core.options.receiptWaitMs ?? limits.receiptWaitMs
    this.watches.set(toHex(ticket), {
      outgoing,
      route,
      check,
      verdicts: check.recipients.map(() => undefined),
      ticket,
      tokenBytes: receiptBytes(requestBytes),
      until: now + proofMs,
      lastFrom: now + LAST_FROM * proofMs,
      lastUntil: now + LAST_UNTIL * proofMs,
      expected: { stored: new Map(), refused: new Map() },
      reply: undefined,
      next: 0,
      replies: 0,
      askAt: now + this.spread(intervalMs),
      intervalMs: LATER * intervalMs,
      askedOn: undefined,
      awaited: 0,
      unreachable: 0,
    })
    this.nextAt = undefined
    this.plan()
  }

  /** Stops asking for one request, or for all of a message, without a word. */
  forget(belongs: (outgoing: Outgoing) => boolean): void {
    for (const watch of [...this.watches.values()]) if (belongs(watch.outgoing)) this.drop(watch)
  }

  /**
   * What P1 says; false where nothing was asked on this link. P2 knows the ticket too, and may be another message's P1: it must
   * not learn by answering there whose request that was.
   */
  reply(session: SessionId, ticket: Uint8Array, tokens: Uint8Array): boolean {
    const watch = this.watches.get(toHex(ticket))
    if (watch === undefined || watch.askedOn !== session || tokens.length !== watch.tokenBytes) return false
    watch.awaited--
    if (watch.awaited === 0) watch.askedOn = undefined
    watch.unreachable = 0
    watch.replies++
    if (watch.reply !== undefined) return true
    watch.reply = tokens.slice()
    watch.next = 0
    this.checking.push(watch)
    return true
  }

  /** A session with a first proxy is gone: what was asked on it is asked again, on another. */
  closed(now: Millis, session: SessionId): void {
    for (const watch of [...this.watches.values()]) {
      if (watch.askedOn !== session) continue
      watch.askedOn = undefined
      watch.unreachable++
      if (watch.unreachable >= UNREACHABLE_TIMES) this.end(now, watch)
      else watch.askAt = now
    }
    this.plan()
  }

  timeout(now: Millis): void {
    const [first] = this.checking
    if (first !== undefined) {
      this.checkSome(now, first)
      // The core keeps what it prepared for the next slice; after the last there is none.
      if (this.checking.length === 0) this.core.options.crypto.forgetRequest()
    }
    if (this.nextAt === undefined || this.nextAt > now) return
    for (const watch of [...this.watches.values()]) {
      if (watch.reply !== undefined) continue
      if (watch.until <= now) this.end(now, watch)
      else if (watch.askAt <= now) this.ask(now, watch)
    }
    this.plan()
  }

  deadline(): Millis | undefined {
    return this.checking.length > 0 ? 0 : this.nextAt
  }

  wipe(): void {
    this.forget(() => true)
  }

  private plan(): void {
    let next: Millis | undefined
    for (const { reply, until, askAt } of this.watches.values()) {
      if (reply === undefined) next = earliest(next, earliest(until, askAt))
    }
    this.nextAt = next
  }

  /** Once to twice the interval. */
  private spread(intervalMs: number): number {
    return intervalMs * (1 + this.numbers.uint32() / UINT32)
  }

  private ask(now: Millis, watch: Watch): void {
    const { ticket, tokenBytes, route, askedOn } = watch
    watch.askAt = this.nextAsk(now, watch)
    watch.intervalMs *= LATER
    const session = this.proxies.say(now, route.first, encodeMessage('receiptRequest', { ticket, tokenBytes }))
    if (session === undefined) return
    watch.awaited = session === askedOn ? watch.awaited + 1 : 1
    watch.askedOn = session
  }

  private nextAsk(now: Millis, { intervalMs, lastFrom, lastUntil }: Watch): Millis {
    const at = now + this.spread(intervalMs)
    if (at <= lastUntil || now >= lastFrom) return at
    return lastFrom + ((lastUntil - lastFrom) * this.numbers.uint32()) / UINT32
  }

  /** A slice of a reply: recomputing copies is most of what P2 did to make them, and links want their turn. */
  private checkSome(now: Millis, watch: Watch): void {
    const { check, verdicts } = watch
    const { content } = check.request
    const fitting = Math.max(1, Math.floor(limits.splitStepBytes / (OPENED_COPY_OVERHEAD_BYTES + content.length)))
    const until = Math.min(verdicts.length, watch.next + Math.min(limits.splitStepCopies, fitting))
    this.compute(watch, 'stored', watch.next, until)
    for (let slot = watch.next; slot < until; slot++) judge(watch, slot, 'stored')
    // A reply of random bytes alone, as P1 gives it before it has tokens, is not worth computing all of it again.
    if (watch.replies > 1 || verdicts.some((verdict) => verdict !== undefined)) {
      for (let slot = watch.next; slot < until; slot++) {
        if (verdicts[slot] !== undefined) continue
        this.compute(watch, 'refused', slot, slot + 1)
        judge(watch, slot, 'refused')
      }
    }
    watch.next = until
    this.checking.push(this.checking.shift() as Watch)
    if (until === verdicts.length) this.checked(now, watch)
  }

  /** Has the tokens of copies `from` to `until - 1` there, computing those that are not. */
  private compute({ check, expected }: Watch, verdict: Verdict, from: number, until: number): void {
    const known = expected[verdict]
    if (known.has(from) && known.has(until - 1)) return
    const { request, receiptKeys } = check
    const tokens = this.core.options.crypto.expectedTokens(request, receiptKeys, verdict, from, until - from)
    for (let i = from; i < until; i++) {
      known.set(i, tokens.slice(TOKEN_BYTES * (i - from), TOKEN_BYTES * (i - from + 1)))
    }
  }

  private checked(now: Millis, watch: Watch): void {
    this.checking = this.checking.filter((each) => each !== watch)
    watch.reply = undefined
    this.events.checked(watch)
    if (!this.watches.has(toHex(watch.ticket))) return
    const { self } = this.core.options
    const open = watch.check.recipients.some(
      ({ id }, slot) => watch.verdicts[slot] === undefined && !equal(id, self.id),
    )
    if (!open) this.end(now, watch)
    this.plan()
  }

  private end(now: Millis, watch: Watch): void {
    this.drop(watch)
    this.events.over(now, watch)
  }

  private drop(watch: Watch): void {
    this.watches.delete(toHex(watch.ticket))
    if (this.checking.includes(watch)) this.core.options.crypto.forgetRequest()
    this.checking = this.checking.filter((each) => each !== watch)
    discard(watch.check)
    this.plan()
  }
}

/** Wipes what the copies of a request are recomputed from. */
export function discard({ request, receiptKeys }: ReceiptCheck): void {
  wipe(request.requestKey, receiptKeys)
}

function judge({ reply, expected, verdicts }: Watch, slot: number, verdict: Verdict): void {
  const token = reply?.subarray(TOKEN_BYTES * slot, TOKEN_BYTES * (slot + 1))
  const right = expected[verdict].get(slot)
  if (token !== undefined && right !== undefined && equalConstantTime(token, right)) verdicts[slot] = verdict
}

/** Verdicts by hex id, the sender's own left out. */
export function* verdictsOf({ check, verdicts }: Watch, self: NodeId): Generator<[id: string, Verdict | undefined]> {
  for (const [slot, { id }] of check.recipients.entries()) if (!equal(id, self)) yield [toHex(id), verdicts[slot]]
}
