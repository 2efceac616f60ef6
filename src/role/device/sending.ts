/**
 * Brings requests to a first proxy: chooses P1 and P2, makes the request, sends it, and where P1 fails or is busy tries others
 * with fresh keys (PROTOCOL.md sections 4, 5 and 9); what becomes of it from there is custody's. A user's message that no first
 * proxy takes fails after a few tries; what nobody waits for pauses and goes on, until it would be too old to be accepted.
 */
import { toHex } from '../../base/bytes.js'
import { type ErrorCode, ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis, utcDay } from '../../base/time.js'
import { messageTime } from '../../group/content.js'
import type { LinkEndpoint, LinkOutput, MessageNumber, SessionId } from '../../link/link.js'
import { parseMessage } from '../../wire/message.js'
import type { VerifiedDirectory } from '../server-link.js'
import type { DeviceCore } from './core.js'
import { Custody } from './custody.js'
import { FirstProxies } from './first-proxies.js'
import { makeRequest } from './make-request.js'
import type { Outgoing, Parcel } from './outbox.js'
import { discard, type Route } from './receipts.js'
import { Routes, tooFew } from './routes.js'
import { type SentMessage, uploadReport } from './upload.js'

/** P1 may acknowledge a message and refuse it a moment later. */
const BUSY_WITHIN_MS = 5_000
/** Messages that a first proxy has and may still refuse: the newest. */
const ACCEPTED_REMEMBERED = 256
const FIRST_PAUSE_MS = 5_000
const LOOK_AGAIN_MS = 100
const LAST_PAUSE_MS = 600_000

interface UnderWay {
  readonly outgoing: Outgoing
  readonly session: SessionId
  readonly route: Route
  readonly sent: SentMessage
}

interface Accepted {
  readonly outgoing: Outgoing
  readonly session: SessionId
  readonly until: Millis
}

export class Sending {
  readonly proxies: FirstProxies
  private readonly core: DeviceCore
  private readonly endpoint: LinkEndpoint
  private ready: Outgoing[] = []
  private readonly paused = new Set<Outgoing>()
  /** By session and message number. */
  private readonly underWay = new Map<string, UnderWay>()
  private readonly accepted = new Map<string, Accepted>()
  private readonly routes: Routes
  private readonly custody: Custody

  constructor(core: DeviceCore, endpoint: LinkEndpoint) {
    this.core = core
    this.endpoint = endpoint
    this.proxies = new FirstProxies(endpoint, core.options.random)
    this.routes = new Routes(core)
    this.custody = new Custody(core, this.proxies, this.routes, (outgoing) => this.paused.add(outgoing))
  }

  /** Takes what stands in the outbox. */
  enqueue(...outgoing: readonly Outgoing[]): void {
    this.ready.push(...outgoing)
  }

  /** A directory came: what waited for one, or for other proxies, goes on. */
  resume(): void {
    this.enqueue(...this.paused)
    this.paused.clear()
  }

  /** Starts as many as may be under way at a time; true where it tried any. */
  pump(now: Millis): boolean {
    let tried = false
    while (this.underWay.size < limits.requestsUnderWay) {
      const outgoing = this.ready.shift()
      if (outgoing === undefined) return tried
      // One that was given up in the meantime is passed over.
      if (!this.core.outbox.has(outgoing.parcel)) continue
      if (!this.attempt(now, outgoing)) {
        this.ready.unshift(outgoing)
        return tried
      }
      tried = true
    }
    return tried
  }

  /** Nobody waits any more. What a first proxy has already is seen through all the same: it is not unsent. */
  abort(parcel: Parcel): void {
    parcel.waiter = undefined
    if (parcel.report === undefined) this.custody.abandon(parcel)
  }

  /** It is to reach nobody any more, as far as that lies with this device. */
  withdraw(parcel: Parcel): void {
    const reference = parcel.waiter?.reference
    parcel.waiter = undefined
    this.custody.abandon(parcel)
    if (reference !== undefined) this.core.replies.failed(reference, 'ABORTED', 'taken back before it had left')
  }

  stop(now: Millis): void {
    this.custody.stop()
    for (const { sent } of this.underWay.values()) discard(sent.assembled.receipts)
    this.proxies.closeAll(now)
  }

  /** Offers an output of the endpoint that concerns a session with a first proxy. */
  linkOutput(now: Millis, output: LinkOutput): void {
    switch (output.type) {
      case 'delivered':
        this.delivered(now, output)
        return
      case 'closed':
        this.closed(now, output.session)
        return
      case 'received':
        this.received(now, output.session, output.message)
        return
      case 'connected':
      case 'accepted':
      case 'transmit':
      case 'rebind':
      case 'drop':
        return
      default:
        output satisfies never
    }
  }

  timeout(now: Millis): void {
    this.custody.timeout(now)
    for (const outgoing of [...this.paused]) {
      if (outgoing.notBefore > now) continue
      this.paused.delete(outgoing)
      this.enqueue(outgoing)
    }
    for (const [key, { until }] of this.accepted) if (until <= now) this.accepted.delete(key)
    this.proxies.closeIdle(now)
  }

  deadline(): Millis | undefined {
    let due = earliest(this.proxies.deadline(), this.custody.deadline())
    for (const { notBefore } of this.paused) due = earliest(due, notBefore)
    // In the order they were accepted, so the first is the first to be forgotten.
    return earliest(due, this.accepted.values().next().value?.until)
  }

  /** False where the session's queue has no room just now: then something under way on it will make some. */
  private attempt(now: Millis, outgoing: Outgoing): boolean {
    const directory = this.core.directory()
    if (directory === undefined || !directory.serverSealingKeys.has(utcDay(now))) {
      this.postpone(now, outgoing, 'DIRECTORY_MISSING', 'there is no directory that holds today; is the server up?')
      return true
    }
    const choice = this.routes.choose(now, outgoing, directory)
    if (!choice.ok) {
      // Where a whole network has just been started, its proxies are about to be listed.
      if (now < messageTime(outgoing.parcel.messageId) + limits.proxiesWaitMs) this.pause(outgoing, now + LOOK_AGAIN_MS)
      else this.postpone(now, outgoing, 'PROXIES_TOO_FEW', tooFew(choice))
      return true
    }
    const session = this.proxies.session(now, choice.first)
    if (this.endpoint.sendRoomBytes(session) < limits.messageBytes && this.isBusy(session)) return false
    try {
      const route = outgoing.parcel.direct ? { first: choice.first, second: undefined } : choice
      this.send(now, outgoing, route, directory, session)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.giveUp(now, outgoing, error.code, error.message)
    }
    return true
  }

  private send(now: Millis, outgoing: Outgoing, route: Route, directory: VerifiedDirectory, session: SessionId): void {
    const { parcel, recipients } = outgoing
    const made = makeRequest(this.core, now, parcel, recipients, route.second, directory)
    if (made === undefined) {
      this.failed(now, outgoing, session)
      return
    }
    const { forward, assembled, contentPaddingBytes } = made
    // Known before it leaves: the copy cannot come back earlier than this.
    const { ownPoint } = assembled
    const unknownOtherwise = parcel.target !== undefined || parcel.cover === true
    if (ownPoint !== undefined) this.core.ownCopies.add(now, ownPoint, unknownOtherwise)
    const number = this.endpoint.send(now, session, forward)
    if (number === undefined) {
      discard(assembled.receipts)
      this.failed(now, outgoing, session)
      return
    }
    const { messageId, body } = parcel
    const sent = {
      messageId,
      bodyBytes: body.length,
      contentPaddingBytes,
      assembled,
      forwardBytes: forward.length,
      number,
    }
    this.underWay.set(keyOf(session, number), { outgoing, session, route, sent })
    this.proxies.begin(now, session)
  }

  private delivered(now: Millis, { session, number, cost }: Extract<LinkOutput, { type: 'delivered' }>): void {
    const arrived = this.take(now, session, number)
    if (arrived === undefined) return
    const { outgoing, route, sent } = arrived
    const { receipts, message } = sent.assembled
    if (!this.core.outbox.has(outgoing.parcel)) {
      discard(receipts)
      return
    }
    this.accepted.set(keyOf(session, number), { outgoing, session, until: now + BUSY_WITHIN_MS })
    const oldest = this.accepted.keys().next().value
    if (this.accepted.size > ACCEPTED_REMEMBERED && oldest !== undefined) this.accepted.delete(oldest)
    this.custody.report(outgoing.parcel, uploadReport(sent, cost))
    this.custody.taken(now, outgoing, route, receipts, message.length)
  }

  private closed(now: Millis, session: SessionId): void {
    const lost = [...this.underWay.values()].filter((each) => each.session === session)
    for (const { outgoing, sent } of lost) {
      this.underWay.delete(keyOf(session, sent.number))
      discard(sent.assembled.receipts)
      this.failed(now, outgoing, session)
    }
    for (const [key, each] of this.accepted) if (each.session === session) this.accepted.delete(key)
    this.proxies.forget(session)
    this.custody.closed(now, session)
  }

  private received(now: Millis, session: SessionId, message: Uint8Array): void {
    const parsed = parseMessage(message, this.core.options.observe)
    if (!parsed.ok) this.core.drop(parsed.code)
    else if (parsed.value.kind === 'busy') this.refused(now, session, parsed.value.value.message)
    else if (parsed.value.kind === 'receiptReply') {
      const { ticket, tokens } = parsed.value.value
      if (!this.custody.reply(session, ticket, tokens)) this.core.drop('RECEIPT_UNEXPECTED')
    } else this.core.drop('ROLE_UNEXPECTED')
  }

  private refused(now: Millis, session: SessionId, number: MessageNumber): void {
    const waiting = this.take(now, session, number)
    if (waiting !== undefined) {
      discard(waiting.sent.assembled.receipts)
      this.failed(now, waiting.outgoing, session)
      return
    }
    const accepted = this.accepted.get(keyOf(session, number))
    if (accepted === undefined) return
    this.accepted.delete(keyOf(session, number))
    this.custody.untaken(accepted.outgoing)
    this.failed(now, accepted.outgoing, session)
  }

  private take(now: Millis, session: SessionId, number: MessageNumber): UnderWay | undefined {
    const key = keyOf(session, number)
    const found = this.underWay.get(key)
    if (found === undefined) return undefined
    this.underWay.delete(key)
    this.proxies.end(now, session)
    return found
  }

  /** One try failed: on to other proxies, or a pause, or the end. */
  private failed(now: Millis, outgoing: Outgoing, session: SessionId): void {
    if (!this.core.outbox.has(outgoing.parcel)) return
    outgoing.tries++
    const proxy = this.proxies.idOf(session)
    if (proxy !== undefined) outgoing.failed.add(toHex(proxy))
    if (proxy !== undefined) this.routes.unreached(now, proxy)
    if (outgoing.tries < limits.sendTries) this.enqueue(outgoing)
    else {
      const message = `no first proxy took the message in ${outgoing.tries} tries; check the network, then send it again`
      this.postpone(now, outgoing, 'SEND_FAILED', message)
    }
  }

  /** A user is told at once; what nobody waits for waits for better times, and what is in a later round is told of at its end. */
  private postpone(now: Millis, outgoing: Outgoing, code: ErrorCode, message: string): void {
    const { parcel } = outgoing
    const tooOld = messageTime(parcel.messageId) + limits.messageLifeMs <= now
    if (!parcel.patient || tooOld) {
      this.giveUp(now, outgoing, code, message)
      return
    }
    this.pause(outgoing, now + Math.min(FIRST_PAUSE_MS * 2 ** outgoing.pauses, LAST_PAUSE_MS))
    outgoing.pauses = Math.min(outgoing.pauses + 1, 16)
    outgoing.tries = 0
    outgoing.failed.clear()
  }

  private pause(outgoing: Outgoing, notBefore: Millis): void {
    outgoing.notBefore = notBefore
    this.paused.add(outgoing)
  }

  private giveUp(now: Millis, outgoing: Outgoing, code: ErrorCode, message: string): void {
    const { parcel } = outgoing
    if (parcel.report !== undefined) {
      this.custody.lost(now, outgoing)
      return
    }
    this.custody.abandon(parcel)
    if (parcel.cover) return
    const reference = parcel.waiter?.reference
    if (reference !== undefined && this.core.replies.isOpen(reference)) {
      this.core.replies.failed(reference, code, message)
      return
    }
    const detail = { code, kind: parcel.kind, messageId: toHex(parcel.messageId) }
    this.core.say({ type: 'notice', level: 'warn', event: 'a message could not be sent', detail })
  }

  private isBusy(session: SessionId): boolean {
    for (const each of this.underWay.values()) if (each.session === session) return true
    return false
  }
}

function keyOf(session: SessionId, number: MessageNumber): string {
  return `${session}/${number}`
}
