/**
 * Sees to it that every recipient of a message is proven to have it, or that its sender hears which are not (PROTOCOL.md
 * section 7.1): what comes without proof goes again, in rounds, to those alone, by other proxies and under fresh keys. What T
 * is given twice in this way it hands on once.
 */
import { type NodeId, toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { RandomNumbers, shuffle } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import { messageTime } from '../../group/content.js'
import type { ReceiptCheck } from '../../group/request.js'
import type { SessionId } from '../../link/link.js'
import type { Outcome, UploadReport } from '../device.js'
import type { DeviceCore } from './core.js'
import type { FirstProxies } from './first-proxies.js'
import type { OpenRecipient, Outgoing, Parcel } from './outbox.js'
import { Receipts, type Route, verdictsOf, type Watch } from './receipts.js'
import type { Routes } from './routes.js'

const UINT32 = 2 ** 32

export class Custody {
  private readonly core: DeviceCore
  private readonly routes: Routes
  private readonly send: (outgoing: Outgoing) => void
  private readonly receipts: Receipts
  private readonly numbers: RandomNumbers

  /** `send` takes requests for the next round. */
  constructor(core: DeviceCore, proxies: FirstProxies, routes: Routes, send: (outgoing: Outgoing) => void) {
    this.core = core
    this.routes = routes
    this.send = send
    this.numbers = new RandomNumbers(core.options.random)
    this.receipts = new Receipts(core, proxies, {
      checked: (watch) => this.checked(watch),
      over: (now, watch) => this.over(now, watch),
    })
  }

  /** A first proxy has a request: from now on its receipts are asked for. */
  taken(now: Millis, outgoing: Outgoing, route: Route, check: ReceiptCheck, requestBytes: number): void {
    const { round } = outgoing.parcel
    this.receipts.watch(now, outgoing, route, check, requestBytes, doubled(limits.proofMs, round))
  }

  /** The same, for what it cost: whoever waits for no more than that is answered. */
  report(parcel: Parcel, report: UploadReport): void {
    parcel.report ??= report
    const { waiter } = parcel
    if (waiter?.until !== 'taken') return
    parcel.waiter = undefined
    const result = waiter.result(report, undefined)
    this.core.storage.whenDurable(() => this.core.replies.done(waiter.reference, result))
  }

  /** The first proxy that had taken a request refused it after all. */
  untaken(outgoing: Outgoing): void {
    this.receipts.forget((each) => each === outgoing)
  }

  /** A request that no first proxy takes. */
  lost(now: Millis, outgoing: Outgoing): void {
    this.requestOver(now, outgoing.parcel)
  }

  /** Nobody cares any more. */
  abandon(parcel: Parcel): void {
    this.receipts.forget((outgoing) => outgoing.parcel === parcel)
    this.core.outbox.remove(parcel)
  }

  reply(session: SessionId, ticket: Uint8Array, tokens: Uint8Array): boolean {
    return this.receipts.reply(session, ticket, tokens)
  }

  closed(now: Millis, session: SessionId): void {
    this.receipts.closed(now, session)
  }

  timeout(now: Millis): void {
    this.receipts.timeout(now)
  }

  deadline(): Millis | undefined {
    return this.receipts.deadline()
  }

  stop(): void {
    this.receipts.wipe()
  }

  private checked(watch: Watch): void {
    const { parcel } = watch.outgoing
    const before = parcel.open.size
    for (const [id, verdict] of verdictsOf(watch, this.core.options.self.id)) {
      if (verdict === 'stored') parcel.open.delete(id)
      const open = parcel.open.get(id)
      if (open !== undefined && verdict === 'refused') open.reason = 'refused'
    }
    if (parcel.open.size === before) return
    if (parcel.open.size === 0) {
      this.routes.succeeded(...proxiesOf(watch.route))
      this.finish(parcel)
      return
    }
    this.core.outbox.update(parcel)
    if (parcel.cover) return
    this.core.say({ type: 'progress', reference: parcel.waiter?.reference, outcome: this.outcome(parcel) })
  }

  private over(now: Millis, watch: Watch): void {
    const { outgoing, route } = watch
    const { parcel } = outgoing
    const proxies = proxiesOf(route)
    const verdicts = [...verdictsOf(watch, this.core.options.self.id)]
    const missing = verdicts.filter(([id, verdict]) => verdict === undefined && parcel.open.has(id))
    if (missing.length === 0) this.routes.succeeded(...proxies)
    else {
      // Which of the two it was cannot be told, nor whether it was CS.
      this.routes.failed(now, ...proxies)
      for (const id of proxies) parcel.avoid.add(toHex(id))
    }
    this.requestOver(now, parcel)
  }

  private requestOver(now: Millis, parcel: Parcel): void {
    parcel.underWay--
    if (parcel.underWay > 0 || !this.core.outbox.has(parcel)) return
    // Without a link to CS it is this device that is cut off, or CS that is down: neither is a reason to give up.
    const offline = !this.core.connected()
    if (!offline) parcel.round++
    const rounds = parcel.patient ? limits.groupSendRounds : limits.sendRounds
    const tooOld = messageTime(parcel.messageId) + limits.messageLifeMs <= now
    const isOver = this.due(parcel).length === 0 || parcel.round >= rounds || tooOld
    if (isOver) this.finish(parcel)
    else this.nextRound(offline ? now + limits.proofMs : now, parcel)
  }

  /**
   * Those without proof to whom it can go again: what a user sends is sealed under the group's present secret, which nobody opens who
   * has departed in the meantime.
   */
  private due(parcel: Parcel): OpenRecipient[] {
    return [...parcel.open].filter(([id]) => !this.hasDeparted(parcel, id)).map(([, recipient]) => recipient)
  }

  private hasDeparted({ kind, groupId }: Parcel, hexId: string): boolean {
    const group = kind === 'application' ? this.core.groups.byId(groupId) : undefined
    return group !== undefined && !group.list.members.has(hexId)
  }

  /**
   * From a moment on, requests for those without proof, spread over a little time, and one for those that were refused, later. In several,
   * so that a proxy which left some out cannot tell by their coming again together which those were.
   */
  private nextRound(from: Millis, parcel: Parcel): void {
    const open = shuffle(this.core.options.random, this.due(parcel))
    const unheard = open.filter(({ reason }) => reason === 'noProof')
    const refused = open.filter(({ reason }) => reason === 'refused')
    const before = Math.max(0, parcel.round - 1)
    const spreadMs = doubled(limits.roundSpreadMs, before)
    const requests = parts(unheard, limits.roundRequests).map((some) =>
      this.core.outbox.requestFor(parcel, some, from + (spreadMs * this.numbers.uint32()) / UINT32),
    )
    if (refused.length > 0) {
      const pauseMs = doubled(limits.refusedPauseMs, before)
      requests.push(this.core.outbox.requestFor(parcel, refused, from + pauseMs))
    }
    parcel.underWay = requests.length
    for (const request of requests) this.send(request)
  }

  private finish(parcel: Parcel): void {
    const { waiter, report } = parcel
    const outcome = this.outcome(parcel)
    this.abandon(parcel)
    if (parcel.cover) return
    const { unproven, stored, recipients } = outcome
    if (unproven.length > 0) {
      const detail = { messageId: toHex(parcel.messageId), kind: parcel.kind, stored, recipients }
      this.core.say({ type: 'notice', level: 'warn', event: 'a message is not proven stored for all', detail })
    }
    this.core.storage.whenDurable(() => {
      if (waiter !== undefined && report !== undefined) {
        this.core.replies.done(waiter.reference, waiter.result(report, outcome))
      }
      if (parcel.kind === 'application' || parcel.kind === 'direct') this.core.say({ type: 'outcome', outcome })
    })
  }

  private outcome(parcel: Parcel): Outcome {
    const { messageId, groupId, others, open } = parcel
    const names = this.core.groups.byId(groupId)?.petnames
    const unproven = [...open].map(([hex, { id, reason }]) => {
      const name = names?.get(hex)
      return { id, name, reason: this.hasDeparted(parcel, hex) ? ('departed' as const) : reason }
    })
    return { messageId, groupId, recipients: others, stored: others - open.size, unproven }
  }
}

function proxiesOf({ first, second }: Route): NodeId[] {
  return second === undefined ? [first.id] : [first.id, second.id]
}

/** A time of the first round, as it is in a later one. */
function doubled(firstMs: number, round: number): number {
  return Math.min(firstMs * 2 ** round, limits.lastRoundMs)
}

/** Up to so many parts, none of them empty, of about one size. */
function parts(recipients: readonly OpenRecipient[], most: number): OpenRecipient[][] {
  const count = Math.min(most, recipients.length)
  return Array.from({ length: count }, (_, part) => recipients.filter((_, i) => i % count === part))
}
