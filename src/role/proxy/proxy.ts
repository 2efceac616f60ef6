/**
 * The proxy as a machine: it takes messages from strangers, passes on what is for somebody else (P1, P3), splits what is
 * sealed for itself (P2), carries receipts back and keeps its link to CS (PROTOCOL.md sections 5, 7 and 9). The parts that
 * parts.ts makes do the work; here inputs find their part and the parts' outputs their way out.
 */
import type { ProxyLimits } from '../../base/bounds.js'
import { toHex } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis } from '../../base/time.js'
import { createEndpoint } from '../../link/endpoint.js'
import type { LinkOutput } from '../../link/link.js'
import { Queue } from '../../link/queue.js'
import { encodeMessage, type Message, parseMessage } from '../../wire/message.js'
import type { JobInput } from '../jobs.js'
import type { ProxyOptions, ProxyOutput, Proxy as ProxyRole, ProxyStatus } from '../proxy.js'
import type { Reference, RoleInput, ServerMoved, Write } from '../role.js'
import type { ServerLinkEvent } from '../server-link.js'
import { Work } from '../work.js'
import { createParts, type MakeEndpoint, type ProxyParts } from './parts.js'
import type { Incoming } from './strangers.js'

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

class ProxyMachine implements ProxyRole {
  private readonly options: ProxyOptions
  private readonly parts: ProxyParts
  private readonly work = new Work((output) => this.outputs.push(output))
  private readonly outputs = new Queue<ProxyOutput>()
  private restoredDirectory: Uint8Array | undefined
  private references = 0
  private stopped = false
  private now: Millis = 0

  constructor(options: ProxyOptions, bounds: ProxyLimits, makeEndpoint: MakeEndpoint) {
    this.options = options
    const { work } = this
    const persist = (writes: readonly Write[]) => this.persist(writes)
    const drop = (code: DropCode) => this.drop(code)
    this.parts = createParts({ options, bounds, work, persist, drop }, makeEndpoint)
  }

  restore(key: string, value: Uint8Array): void {
    if (key === DIRECTORY_KEY) this.restoredDirectory = value.slice()
    this.parts.listing.restore(key, value)
    this.parts.replays.restore(key)
  }

  start(now: Millis): void {
    this.now = now
    this.upkeep(now)
    const { serverLink, listing } = this.parts
    if (this.restoredDirectory !== undefined) serverLink.restoreDirectory(now, this.restoredDirectory)
    if (serverLink.directory !== undefined) listing.learnServerKeys(now, serverLink.directory)
    serverLink.start(now)
    this.settle(now)
  }

  handle(now: Millis, input: RoleInput | ServerMoved | JobInput): void {
    this.now = now
    if (input.type === 'done') this.work.done(now, input)
    if (this.stopped) return
    switch (input.type) {
      case 'datagram':
        this.parts.endpoint.datagram(now, input.from, input.bytes)
        if (input.more) return
        break
      case 'timeout':
        this.timeout(now)
        break
      case 'persisted':
        this.persisted(now, input.reference)
        break
      case 'serverMoved':
        this.parts.serverLink.moved(now, input.addresses)
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
    const { endpoint, serverLink, nextHops, mixing, gathering, tickets, replays, listing } = this.parts
    if (this.stopped) return undefined
    const links = earliest(endpoint.deadline(), serverLink.deadline())
    const passedOn = earliest(nextHops.deadline(), mixing.passing.deadline())
    const copies = earliest(mixing.copies.deadline(serverLink.session), passedOn)
    const receipts = earliest(gathering.deadline(), tickets.deadline())
    const upkeep = earliest(replays.nextExpiry(), listing.deadline())
    return earliest(earliest(links, copies), earliest(receipts, upkeep))
  }

  status(): ProxyStatus {
    const { serverLink, mixing, nextHops, requests, listing, totals } = this.parts
    const { directory, session } = serverLink
    const { held, counts } = mixing.copies
    return {
      id: this.options.self.id,
      connected: session !== undefined,
      serverLink: serverLink.connection,
      listed: this.listed(),
      standing: listing.standing,
      directory,
      waitingCopies: held,
      forwardedMessages: nextHops.counts.passedOn,
      splitRequests: requests.accepted,
      sentCopies: counts.sent,
      answeredCopies: counts.answered,
      mixing: mixing.status(this.now),
      links: {
        senders: totals.of('senders'),
        fromProxies: totals.of('fromProxies'),
        toProxies: totals.of('toProxies'),
        server: totals.of('server'),
      },
    }
  }

  /** Of what comes out now only the goodbyes matter: nothing is to be connected again. */
  private stop(now: Millis): void {
    const { endpoint, requests, mixing, nextHops, totals } = this.parts
    this.stopped = true
    requests.stop()
    const detail = { copies: mixing.copies.held, messages: nextHops.held }
    if (detail.copies + detail.messages > 0) this.notice('warn', 'copies discarded', detail)
    for (const session of totals.sessions()) endpoint.close(now, session, 'goingAway')
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      if (output.type === 'transmit') this.outputs.push(output)
    }
  }

  private timeout(now: Millis): void {
    const { endpoint, serverLink, nextHops, mixing, gathering, tickets } = this.parts
    endpoint.timeout(now)
    serverLink.timeout(now)
    nextHops.timeout(now)
    mixing.timeout(now)
    gathering.timeout(now)
    tickets.timeout(now)
    this.upkeep(now)
  }

  private persisted(now: Millis, reference: Reference): void {
    this.parts.requests.recorded(reference)
    if (this.parts.listing.persisted(reference)) this.announce(now)
  }

  /** Lets every part see what the others caused, until nothing moves any more. */
  private settle(now: Millis): void {
    const { endpoint, serverLink, nextHops, mixing } = this.parts
    const { copies, passing } = mixing
    for (;;) {
      const linkOutput = endpoint.poll()
      if (linkOutput !== undefined) {
        this.linkOutput(now, linkOutput)
        continue
      }
      const event = serverLink.poll()
      if (event !== undefined) {
        this.serverEvent(now, event)
        continue
      }
      const saidAnswers = passing.flush(now)
      const sentBefore = copies.counts.sent
      if (serverLink.session !== undefined) copies.send(now, serverLink.session)
      // What either hands to a link is only sent once the link is polled again.
      if (!saidAnswers && copies.counts.sent === sentBefore) break
    }
    for (let event = nextHops.poll(); event !== undefined; event = nextHops.poll()) {
      this.outputs.push(event)
      this.notice('warn', 'next hop not reached')
    }
  }

  private linkOutput(now: Millis, output: LinkOutput): void {
    const { totals, serverLink, copyRates, strangers, mixing, dialBacks, nextHops } = this.parts
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
        totals.assign(output.session, 'senders')
        return
      case 'connected':
        totals.assign(output.session, serverLink.owns(output.session) ? 'server' : 'toProxies')
        break
      case 'closed':
        totals.closed(output)
        copyRates.forget(output.session)
        strangers.forget(output.session)
        if (serverLink.owns(output.session)) mixing.copies.lost(now)
        break
      case 'delivered':
        break
      case 'rebind':
        // A proxy stays where the directory says it is.
        return
      default:
        output satisfies never
    }
    if (dialBacks.linkOutput(now, output)) return
    nextHops.linkOutput(now, output)
    serverLink.linkOutput(now, output)
  }

  private received(now: Millis, incoming: Incoming, bytes: Uint8Array): void {
    const { serverLink, nextHops, strangers } = this.parts
    const parsed = parseMessage(bytes, this.options.observe)
    if (!parsed.ok) this.drop(parsed.code)
    else if (serverLink.owns(incoming.session)) this.fromServer(now, parsed.value)
    else {
      const second = nextHops.proxyAt(incoming.session)
      if (second === undefined) strangers.take(now, incoming, parsed.value)
      else this.fromNextHop(now, incoming, second, parsed.value)
    }
  }

  private fromServer(now: Millis, message: Message): void {
    const { serverLink, mixing, dialBacks, listing } = this.parts
    if (serverLink.message(now, message)) return
    if (message.kind === 'copyAnswers') {
      for (const { reference, token } of message.value.answers) mixing.copies.answered(reference, token)
    } else if (message.kind === 'busy') {
      if (!mixing.copies.refused(now, message.value.message)) this.notice('warn', 'server busy')
    } else if (message.kind === 'dialBack') {
      if (!dialBacks.dial(now, message.value)) this.drop('DIAL_BACK')
    } else if (message.kind === 'proxyStanding') {
      if (listing.told(now, message.value)) this.announce(now)
      this.outputs.push({ type: 'standing' })
    } else this.drop('ROLE_UNEXPECTED')
  }

  private fromNextHop(now: Millis, { session, number }: Incoming, second: string, message: Message): void {
    const { tickets, mixing, nextHops } = this.parts
    if (message.kind === 'receipts') {
      const { ticket, tokens } = message.value
      if (!tickets.keep(second, ticket, tokens, number)) this.drop('RECEIPT_UNEXPECTED')
    } else if (message.kind === 'copyAnswers') {
      // What comes too late was sent again by another way.
      for (const { reference, token } of message.value.answers) mixing.copies.answeredBy(second, reference, token)
    } else if (message.kind === 'busy') {
      if (!nextHops.refused(now, session, message.value.message)) this.notice('warn', 'next hop busy')
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
        this.parts.listing.learnServerKeys(now, event.directory)
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
    return this.parts.serverLink.directory?.proxies.has(toHex(this.options.self.id)) ?? false
  }

  private upkeep(now: Millis): void {
    const forgotten = this.parts.replays.expire(now)
    if (forgotten.length > 0) this.persist(forgotten)
    this.parts.listing.upkeep(now)
  }

  /** Asks CS to be listed, once there is something to announce. */
  private announce(now: Millis): void {
    const { endpoint, serverLink, listing } = this.parts
    const { session } = serverLink
    if (session === undefined) return
    const announcement = listing.announcement(now)
    if (announcement === undefined) return
    endpoint.send(now, session, encodeMessage('proxyAnnouncement', announcement), 'receipt')
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
