/**
 * The links to other proxies, opened when there is something to pass on, used for all of it and closed when idle, and the
 * messages held for them until the next hop has them (PROTOCOL.md section 7.1). Of where a message came from nothing is kept.
 */
import { key, toHex } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { exponentialMs, type RandomBytes, RandomNumbers, randomBelow } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { LinkEndpoint, LinkOutput, MessageNumber, SessionId } from '../../link/link.js'
import { fromTurn } from '../addresses.js'
import type { ListedProxy } from '../server-link.js'
import { SharedRoom } from '../shared-room.js'
import { Retained } from './retained.js'
import { Waiting } from './waiting.js'

export interface NextHopEvent {
  readonly type: 'drop'
  readonly code: DropCode
}

/** A message that waits before anything is done about it: its random time, or until a busy hop may have room. */
interface Delayed {
  readonly proxy: ListedProxy
  readonly message: Uint8Array
  /** Where that is decided already. */
  readonly heldUntil: Millis | undefined
}

interface Held {
  readonly message: Uint8Array
  readonly heldUntil: Millis
}

type HopState =
  | { readonly phase: 'waiting'; readonly until: Millis }
  | { readonly phase: 'linked'; readonly session: SessionId }

interface Hop {
  readonly name: string
  proxy: ListedProxy
  state: HopState
  attempts: number
  idleAt: Millis
  /** In the order in which they came. */
  unsent: Held[]
  readonly sent: Map<MessageNumber, Held>
}

const FIRST_WAIT_MS = 500
const LAST_WAIT_MS = 8_000
/** Mean time after which a message is offered again to a next hop that was busy. */
const BUSY_WAIT_MS = 5_000

export class NextHops {
  readonly counts = { passedOn: 0, failed: 0 }
  private readonly endpoint: LinkEndpoint
  private readonly random: RandomBytes
  private readonly numbers: RandomNumbers
  private readonly meanWaitMs: number
  private readonly delayed: Waiting<Delayed>
  /** What next hops have acknowledged and may still refuse. */
  private readonly retained = new Retained()
  private readonly hops = new Map<string, Hop>()
  private readonly bySession = new Map<SessionId, Hop>()
  private readonly events: NextHopEvent[] = []
  /** For messages that no next hop has acknowledged: one that takes none leaves room for those to others. */
  private readonly room = new SharedRoom(limits.forwardMessages, limits.forwardBytes)

  /** `meanWaitMs` is the mean of the random time that each message for a proxy waits; 0 for none. */
  constructor(endpoint: LinkEndpoint, random: RandomBytes, meanWaitMs = 0) {
    this.endpoint = endpoint
    this.random = random
    this.meanWaitMs = meanWaitMs
    this.numbers = new RandomNumbers(random)
    this.delayed = new Waiting(this.numbers)
  }

  /** Messages that no next hop has acknowledged. */
  get held(): number {
    return this.room.held
  }

  /** Takes a message for a listed proxy; false where there is no room for it. */
  forwardToProxy(now: Millis, proxy: ListedProxy, message: Uint8Array): boolean {
    if (this.meanWaitMs === 0) return this.forwardAtOnce(now, proxy, message.slice())
    if (!this.room.take(toHex(proxy.id), message.length)) return false
    const delayed = { proxy, message: message.slice(), heldUntil: undefined }
    this.delayed.add(now + exponentialMs(this.numbers, this.meanWaitMs), delayed)
    return true
  }

  /** The same for what has had its wait; keeps the bytes. */
  forwardAtOnce(now: Millis, proxy: ListedProxy, message: Uint8Array): boolean {
    const hop = this.hopTo(now, proxy)
    if (hop === undefined || !this.room.take(hop.name, message.length)) return false
    this.hold(now, hop, message, limits.forwardHoldMs)
    return true
  }

  /** Hex id of the proxy that the session leads to, where it is one of these links. */
  proxyAt(session: SessionId): string | undefined {
    return this.bySession.get(session)?.name
  }

  /** A next hop says that it had no room for a message: it is offered again later. False where none is known by that number. */
  refused(now: Millis, session: SessionId, number: MessageNumber): boolean {
    const hop = this.bySession.get(session)
    const held = hop?.sent.get(number) ?? this.retained.take(session, number)
    if (hop === undefined || held === undefined) return false
    const { length } = held.message
    if (hop.sent.delete(number)) this.room.give(hop.name, length)
    const at = now + exponentialMs(this.numbers, BUSY_WAIT_MS)
    if (at >= held.heldUntil || !this.room.take(hop.name, length)) this.lose()
    else this.delayed.add(at, { proxy: hop.proxy, ...held })
    return true
  }

  linkOutput(now: Millis, output: LinkOutput): void {
    if (!('session' in output)) return
    const hop = this.bySession.get(output.session)
    if (hop === undefined) return
    if (output.type === 'delivered') this.delivered(now, hop, output.number)
    else if (output.type === 'closed') this.closed(now, hop, output.session)
  }

  timeout(now: Millis): void {
    this.retained.timeout(now)
    this.releaseDue(now)
    for (const hop of this.hops.values()) {
      this.giveUp(now, hop)
      if (isIdle(hop) && now >= hop.idleAt) this.remove(now, hop)
      else this.flush(now, hop)
    }
  }

  deadline(): Millis | undefined {
    let next = earliest(this.delayed.nextDue(), this.retained.deadline())
    for (const hop of this.hops.values()) {
      next = earliest(next, oldestOf(hop)?.heldUntil)
      if (isIdle(hop)) next = earliest(next, hop.idleAt)
      if (hop.state.phase === 'waiting' && hop.unsent.length > 0) next = earliest(next, hop.state.until)
    }
    return next
  }

  poll(): NextHopEvent | undefined {
    return this.events.shift()
  }

  private newHop(now: Millis, name: string, proxy: ListedProxy): Hop {
    const hop: Hop = {
      name,
      proxy,
      state: { phase: 'waiting', until: now },
      attempts: 0,
      idleAt: now + limits.nextHopIdleMs,
      unsent: [],
      sent: new Map(),
    }
    this.hops.set(name, hop)
    return hop
  }

  /** Where all places are taken, an idle link makes room. */
  private addHop(now: Millis, name: string, proxy: ListedProxy): Hop | undefined {
    if (this.hops.size >= limits.nextHops) {
      const idle = [...this.hops.values()].find(isIdle)
      if (idle === undefined) return undefined
      this.remove(now, idle)
    }
    return this.newHop(now, name, proxy)
  }

  private remove(now: Millis, hop: Hop): void {
    if (hop.state.phase === 'linked') {
      this.bySession.delete(hop.state.session)
      this.endpoint.close(now, hop.state.session, 'idle')
    }
    this.hops.delete(hop.name)
  }

  private hopTo(now: Millis, proxy: ListedProxy): Hop | undefined {
    const name = toHex(proxy.id)
    const hop = this.hops.get(name) ?? this.addHop(now, name, proxy)
    if (hop !== undefined) hop.proxy = proxy
    return hop
  }

  /** Takes a message for which room was reserved, and keeps its bytes. */
  private hold(now: Millis, hop: Hop, message: Uint8Array, holdMs: number): void {
    hop.unsent.push({ message, heldUntil: now + holdMs })
    this.flush(now, hop)
  }

  private releaseDue(now: Millis): void {
    while ((this.delayed.nextDue() ?? Number.POSITIVE_INFINITY) <= now) {
      const { proxy, message, heldUntil } = this.delayed.take() as Delayed
      const hop = this.hopTo(now, proxy)
      if (hop === undefined) this.failed(toHex(proxy.id), message)
      else this.hold(now, hop, message, heldUntil === undefined ? limits.forwardHoldMs : heldUntil - now)
    }
  }

  /** Hands the link as much as it takes; opens it where there is something to send. */
  private flush(now: Millis, hop: Hop): void {
    if (hop.unsent.length === 0) return
    this.connect(now, hop)
    if (hop.state.phase !== 'linked') return
    for (;;) {
      const next = hop.unsent[0]
      if (next === undefined) return
      const number = this.endpoint.send(now, hop.state.session, next.message)
      if (number === undefined) return
      hop.unsent.shift()
      hop.sent.set(number, next)
    }
  }

  private connect(now: Millis, hop: Hop): void {
    const { proxy, state } = hop
    if (state.phase !== 'waiting' || now < state.until) return
    const addresses = fromTurn(proxy.addresses, hop.attempts++)
    const session = this.endpoint.connect(now, key(proxy.linkKey), addresses)
    hop.state = { phase: 'linked', session }
    this.bySession.set(session, hop)
  }

  private delivered(now: Millis, hop: Hop, number: MessageNumber): void {
    const held = hop.sent.get(number)
    if (held !== undefined) {
      hop.sent.delete(number)
      this.room.give(hop.name, held.message.length)
      if (hop.state.phase === 'linked') this.retained.add(now, hop.state.session, number, held)
      this.counts.passedOn++
    }
    hop.attempts = 0
    hop.idleAt = now + limits.nextHopIdleMs
    this.flush(now, hop)
  }

  /** What the next hop has not acknowledged goes again on a new link, in its old order. */
  private closed(now: Millis, hop: Hop, session: SessionId): void {
    this.bySession.delete(session)
    hop.unsent = [...hop.sent.values(), ...hop.unsent]
    hop.sent.clear()
    hop.idleAt = now
    hop.state = { phase: 'waiting', until: now + this.waitMs(hop) }
  }

  private waitMs(hop: Hop): number {
    const longestMs = Math.min(FIRST_WAIT_MS * 2 ** Math.max(0, hop.attempts - 1), LAST_WAIT_MS)
    return longestMs - randomBelow(this.random, longestMs / 2)
  }

  private giveUp(now: Millis, hop: Hop): void {
    const oldest = oldestOf(hop)
    if (oldest === undefined || oldest.heldUntil > now) return
    for (const held of hop.unsent) if (held.heldUntil <= now) this.failed(hop.name, held.message)
    hop.unsent = hop.unsent.filter(({ heldUntil }) => heldUntil > now)
    for (const [number, held] of hop.sent) {
      if (held.heldUntil > now) continue
      hop.sent.delete(number)
      this.failed(hop.name, held.message)
    }
  }

  private failed(name: string, { length }: Uint8Array): void {
    this.room.give(name, length)
    this.lose()
  }

  private lose(): void {
    this.counts.failed++
    this.events.push({ type: 'drop', code: 'FORWARD_FAILED' })
  }
}

function isIdle(hop: Hop): boolean {
  return hop.unsent.length === 0 && hop.sent.size === 0
}

/** Both lists are in order of age, and what was sent is older than what was not. */
function oldestOf(hop: Hop): Held | undefined {
  const [firstSent] = hop.sent.values()
  return firstSent ?? hop.unsent[0]
}
