/**
 * The proxy as a machine: it takes messages from strangers, passes on what is for somebody else (P1, P3), splits what is
 * sealed for itself (P2), carries receipts back and keeps its link to CS (PROTOCOL.md sections 5, 7 and 9). The parts beside this file do the
 * work; here inputs find their part and the parts' outputs their way out.
 */

import type { ProxyLimits } from '../../base/bounds.js'
import { toHex } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis } from '../../base/time.js'
import { nodeIdOf } from '../../group/identity.js'
import { createEndpoint } from '../../link/endpoint.js'
import type { LinkEndpoint, LinkOutput, SessionId } from '../../link/link.js'
import { encodeMessage, type Message, parseMessage } from '../../wire/message.js'
import type { JobInput } from '../jobs.js'
import { LinkTotals } from '../link-totals.js'
import type { ProxyOptions, ProxyOutput, Proxy as ProxyRole, ProxyStatus } from '../proxy.js'
import type { Reference, RoleInput, ServerMoved, Write } from '../role.js'
import { createServerLink } from '../server-link/create.js'
import type { ServerLink, ServerLinkEvent } from '../server-link.js'
import { Work } from '../work.js'
import { DialBacks } from './dial-backs.js'
import { type Handing, ReceiptGathering } from './gathering.js'
import { LinkRates } from './link-rates.js'
import { Listing } from './listing.js'
import { Mixing } from './mixing.js'
import { NextHops } from './next-hops.js'
import { RequestReplays } from './replays.js'
import { Requests } from './requests.js'
import { type Incoming, Strangers } from './strangers.js'
import { Tickets } from './tickets.js'

/** Makes the endpoint that a role speaks through. */
export type MakeEndpoint = typeof createEndpoint

/**
 * Throws `NETWORK_CARD_MALFORMED` for a card that names no server. `bounds` replaces bounds of limits.ts, for tests of
 * what happens at them; `makeEndpoint` what it speaks through, for tests of what others do about a proxy that lies.
 */
export function createProxy(
  options: ProxyOptions,
  bounds: Partial<ProxyLimits> = {},
  makeEndpoint: MakeEndpoint = createEndpoint,
): ProxyRole {
  return new ProxyMachine(options, { ...limits, ...bounds }, makeEndpoint)
}

const DIRECTORY_KEY = 'directory'
const NO_ACCESS_CODE = new Uint8Array(2)
class ProxyMachine implements ProxyRole {
  private readonly options: ProxyOptions
  private readonly selfId: string
  private readonly endpoint: LinkEndpoint
  private readonly totals: LinkTotals<'senders' | 'fromProxies' | 'toProxies' | 'server'>
  private readonly serverLink: ServerLink
  private readonly listing: Listing
  private readonly dialBacks: DialBacks
  private readonly replays: RequestReplays
  private readonly mixing: Mixing
  private readonly nextHops: NextHops
  private readonly requests: Requests
  /** As P2. */
  private readonly gathering: ReceiptGathering
  /** As P1. */
  private readonly tickets: Tickets
  private readonly copyRates: LinkRates
  private readonly strangers: Strangers
  private readonly work = new Work((output) => this.outputs.push(output))
  private readonly outputs: ProxyOutput[] = []
  private restoredDirectory: Uint8Array | undefined
  private references = 0
  private stopped = false
  private now: Millis = 0

  constructor(options: ProxyOptions, bounds: ProxyLimits, makeEndpoint: MakeEndpoint) {
    const { crypto, random, self, server } = options
    const { linkSecret } = self.identity
    this.options = options
    this.selfId = toHex(self.id)
    const serverId = nodeIdOf(crypto, server.identityKey)
    this.endpoint = makeEndpoint({ linkSecret }, crypto, random)
    this.totals = new LinkTotals(this.endpoint)
    this.serverLink = createServerLink({
      context: options,
      endpoint: this.endpoint,
      server,
      self,
      role: 'proxy',
      accessCode: NO_ACCESS_CODE,
    })
    this.listing = new Listing(options, (writes) => this.persist(writes))
    this.dialBacks = new DialBacks(crypto, this.endpoint, self, (now, nonce, reached) =>
      this.dialled(now, nonce, reached),
    )
    this.replays = new RequestReplays(crypto)
    this.nextHops = new NextHops(this.endpoint, random, options.meanForwardWaitMs)
    this.tickets = new Tickets(random, bounds)
    this.copyRates = new LinkRates(bounds.linkCopiesPerSecond, bounds.linkCopiesBurst)
    this.mixing = new Mixing(options, {
      endpoint: this.endpoint,
      server: serverId,
      nextHops: this.nextHops,
      tickets: this.tickets,
      rates: this.copyRates,
      directory: () => this.serverLink.directory,
    })
    this.gathering = new ReceiptGathering({
      random,
      meanWaitMs: options.meanWaitMs,
      holdMs: limits.copyHoldMs,
      bounds,
      hand: (...tokens) => this.hand(...tokens),
    })
    this.requests = new Requests({
      ...options,
      gathering: this.gathering,
      rates: this.copyRates,
      bounds,
      work: this.work,
      replays: this.replays,
      copies: this.mixing.copies,
      peerHost: (session) => this.endpoint.peer(session)?.address.host,
      keys: (now) => this.listing.keys(now),
      persist: (writes) => this.persist(writes),
      drop: (code) => this.drop(code),
    })
    this.strangers = new Strangers({
      endpoint: this.endpoint,
      observe: options.observe,
      ids: { own: this.selfId, server: toHex(serverId) },
      directory: () => this.serverLink.directory,
      requests: this.requests,
      passing: this.mixing.passing,
      nextHops: this.nextHops,
      tickets: this.tickets,
      askRates: new LinkRates(bounds.linkAsksPerSecond, bounds.linkAsksBurst),
      isNeighbour: (session) => this.totals.assign(session, 'fromProxies'),
      drop: (code) => this.drop(code),
    })
  }

  restore(key: string, value: Uint8Array): void {
    if (key === DIRECTORY_KEY) this.restoredDirectory = value.slice()
    this.listing.restore(key, value)
    this.replays.restore(key)
  }

  start(now: Millis): void {
    this.now = now
    this.upkeep(now)
    if (this.restoredDirectory !== undefined) this.serverLink.restoreDirectory(now, this.restoredDirectory)
    if (this.serverLink.directory !== undefined) this.listing.learnServerKeys(now, this.serverLink.directory)
    this.serverLink.start(now)
    this.settle(now)
  }

  handle(now: Millis, input: RoleInput | ServerMoved | JobInput): void {
    this.now = now
    if (input.type === 'done') this.work.done(now, input)
    if (this.stopped) return
    switch (input.type) {
      case 'datagram':
        this.endpoint.datagram(now, input.from, input.bytes)
        if (input.more) return
        break
      case 'timeout':
        this.timeout(now)
        break
      case 'persisted':
        this.persisted(now, input.reference)
        break
      case 'serverMoved':
        this.serverLink.moved(now, input.addresses)
        break
      case 'loaded':
      case 'done':
        break
      case 'stop':
        this.stop(now)
        return
      default:
        input satisfies never
    }
    this.settle(now)
  }

  poll(): ProxyOutput | undefined {
    return this.outputs.shift()
  }

  deadline(): Millis | undefined {
    if (this.stopped) return undefined
    const parts = [
      this.endpoint.deadline(),
      this.serverLink.deadline(),
      this.nextHops.deadline(),
      this.mixing.copies.deadline(this.serverLink.session),
      this.mixing.passing.deadline(),
      this.gathering.deadline(),
      this.tickets.deadline(),
      this.replays.nextExpiry(),
      this.listing.deadline(),
    ]
    return parts.reduce(earliest, undefined)
  }

  status(): ProxyStatus {
    const { directory, session } = this.serverLink
    const { held, counts } = this.mixing.copies
    return {
      id: this.options.self.id,
      connected: session !== undefined,
      serverLink: this.serverLink.connection,
      listed: this.listed(),
      standing: this.listing.standing,
      directory,
      waitingCopies: held,
      forwardedMessages: this.nextHops.counts.passedOn,
      splitRequests: this.requests.accepted,
      sentCopies: counts.sent,
      answeredCopies: counts.answered,
      mixing: this.mixing.status(this.now),
      links: {
        senders: this.totals.of('senders'),
        fromProxies: this.totals.of('fromProxies'),
        toProxies: this.totals.of('toProxies'),
        server: this.totals.of('server'),
      },
    }
  }

  /** Of what comes out now only the goodbyes matter: nothing is to be connected again. */
  private stop(now: Millis): void {
    this.stopped = true
    this.requests.stop()
    const detail = { copies: this.mixing.copies.held, messages: this.nextHops.held }
    if (detail.copies + detail.messages > 0) this.notice('warn', 'copies discarded', detail)
    for (const session of this.totals.sessions()) this.endpoint.close(now, session, 'goingAway')
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      if (output.type === 'transmit') this.outputs.push(output)
    }
  }

  private timeout(now: Millis): void {
    this.endpoint.timeout(now)
    this.serverLink.timeout(now)
    this.nextHops.timeout(now)
    this.mixing.timeout(now)
    this.gathering.timeout(now)
    this.tickets.timeout(now)
    this.upkeep(now)
  }

  private persisted(now: Millis, reference: Reference): void {
    this.requests.recorded(reference)
    if (this.listing.persisted(reference)) this.announce(now)
  }

  /** Lets every part see what the others caused, until nothing moves any more. */
  private settle(now: Millis): void {
    const { copies, passing } = this.mixing
    for (;;) {
      const linkOutput = this.endpoint.poll()
      if (linkOutput !== undefined) {
        this.linkOutput(now, linkOutput)
        continue
      }
      const event = this.serverLink.poll()
      if (event !== undefined) {
        this.serverEvent(now, event)
        continue
      }
      const saidAnswers = passing.flush(now)
      const sentBefore = copies.counts.sent
      if (this.serverLink.session !== undefined) copies.send(now, this.serverLink.session)
      // What either hands to a link is only sent once the link is polled again.
      if (!saidAnswers && copies.counts.sent === sentBefore) break
    }
    for (let event = this.nextHops.poll(); event !== undefined; event = this.nextHops.poll()) {
      this.outputs.push(event)
      this.notice('warn', 'next hop not reached')
    }
  }

  private linkOutput(now: Millis, output: LinkOutput): void {
    switch (output.type) {
      case 'transmit':
        this.outputs.push(output)
        return
      case 'drop':
        this.drop(output.code)
        return
      case 'received':
        this.received(now, output, output.message)
        return
      case 'accepted':
        this.totals.assign(output.session, 'senders')
        return
      case 'connected':
        this.totals.assign(output.session, this.serverLink.owns(output.session) ? 'server' : 'toProxies')
        break
      case 'closed':
        this.totals.closed(output)
        this.copyRates.forget(output.session)
        this.strangers.forget(output.session)
        if (this.serverLink.owns(output.session)) this.mixing.copies.lost(now)
        break
      case 'delivered':
        break
      case 'rebind':
        // A proxy stays where the directory says it is.
        return
      default:
        output satisfies never
    }
    if (this.dialBacks.linkOutput(now, output)) return
    this.nextHops.linkOutput(now, output)
    this.serverLink.linkOutput(now, output)
  }

  private received(now: Millis, incoming: Incoming, bytes: Uint8Array): void {
    const parsed = parseMessage(bytes, this.options.observe)
    if (!parsed.ok) this.drop(parsed.code)
    else if (this.serverLink.owns(incoming.session)) this.fromServer(now, parsed.value)
    else {
      const second = this.nextHops.proxyAt(incoming.session)
      if (second === undefined) this.strangers.take(now, incoming, parsed.value)
      else this.fromNextHop(now, incoming, second, parsed.value)
    }
  }

  private fromServer(now: Millis, message: Message): void {
    if (this.serverLink.message(now, message)) return
    if (message.kind === 'copyAnswers') {
      for (const { reference, token } of message.value.answers) this.mixing.copies.answered(reference, token)
    } else if (message.kind === 'busy') {
      if (!this.mixing.copies.refused(now, message.value.message)) this.notice('warn', 'server busy')
    } else if (message.kind === 'dialBack') {
      if (!this.dialBacks.dial(now, message.value)) this.drop('DIAL_BACK')
    } else if (message.kind === 'proxyStanding') {
      if (this.listing.told(now, message.value)) this.announce(now)
      this.outputs.push({ type: 'standing' })
    } else this.drop('ROLE_UNEXPECTED')
  }

  private fromNextHop(now: Millis, { session, number }: Incoming, second: string, message: Message): void {
    if (message.kind === 'receipts') {
      const { ticket, tokens } = message.value
      if (!this.tickets.keep(second, ticket, tokens, number)) this.drop('RECEIPT_UNEXPECTED')
    } else if (message.kind === 'copyAnswers') {
      // What comes too late was sent again by another way.
      for (const { reference, token } of message.value.answers) this.mixing.copies.answeredBy(second, reference, token)
    } else if (message.kind === 'busy') {
      if (!this.nextHops.refused(now, session, message.value.message)) this.notice('warn', 'next hop busy')
    } else this.drop('ROLE_UNEXPECTED')
  }

  private serverEvent(now: Millis, event: ServerLinkEvent): void {
    switch (event.type) {
      case 'ready':
        this.announce(now)
        this.outputs.push({ type: 'standing' })
        this.notice('info', 'server connected')
        return
      case 'lost':
        this.outputs.push({ type: 'standing' })
        this.notice('warn', 'server lost')
        return
      case 'directory':
        this.listing.learnServerKeys(now, event.directory)
        this.persist([{ key: DIRECTORY_KEY, value: event.directory.encoded }])
        this.outputs.push({ type: 'standing' })
        this.notice('info', 'directory', { version: event.directory.version, listed: this.listed() ? 1 : 0 })
        return
      case 'drop':
        this.drop(event.code)
        return
      default:
        event satisfies never
    }
  }

  private listed(): boolean {
    return this.serverLink.directory?.proxies.has(this.selfId) ?? false
  }

  private upkeep(now: Millis): void {
    const forgotten = this.replays.expire(now)
    if (forgotten.length > 0) this.persist(forgotten)
    this.listing.upkeep(now)
  }

  /** Asks CS to be listed, once there is something to announce. */
  private announce(now: Millis): void {
    const { session } = this.serverLink
    if (session === undefined) return
    const announcement = this.listing.announcement(now)
    if (announcement === undefined) return
    this.endpoint.send(now, session, encodeMessage('proxyAnnouncement', announcement), 'receipt')
  }

  private hand(now: Millis, session: SessionId, ticket: Uint8Array, tokens: Uint8Array): Handing {
    if (this.endpoint.peer(session) === undefined) return 'noLink'
    const number = this.endpoint.send(now, session, encodeMessage('receipts', { ticket, tokens }), 'receipt')
    return number === undefined ? 'noRoom' : 'handed'
  }

  private dialled(now: Millis, nonce: Uint8Array, reached: boolean): void {
    const { session } = this.serverLink
    const result = encodeMessage('dialBackResult', { nonce, reached: reached ? 'yes' : 'no' })
    if (session !== undefined) this.endpoint.send(now, session, result, 'receipt')
  }

  private persist(writes: readonly Write[]): Reference {
    const reference = this.references++
    this.outputs.push({ type: 'persist', reference, writes })
    return reference
  }

  private drop(code: DropCode): void {
    this.outputs.push({ type: 'drop', code })
  }

  private notice(level: 'info' | 'warn', event: string, detail?: Readonly<Record<string, string | number>>): void {
    this.outputs.push({ type: 'notice', level, event, ...(detail && { detail }) })
  }
}
