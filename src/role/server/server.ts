/**
 * The central server as a machine: knows who is at each link, lists proxies, takes copies in and hands them out
 * (PROTOCOL.md sections 4, 7 and 9). The parts beside this file do the work; here inputs find their part.
 */
import type { ServerLimits } from '../../base/bounds.js'
import { equal, toHex, utf8 } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis } from '../../base/time.js'
import { nodeIdOf } from '../../group/identity.js'
import { createEndpoint } from '../../link/endpoint.js'
import type { LinkEndpoint, LinkOutput, MessageNumber, SessionId } from '../../link/link.js'
import { owned } from '../../wire/codec.js'
import { proxyEntry } from '../../wire/directory.js'
import { encodeMessage, type Message, type MessageOf, parseMessage } from '../../wire/message.js'
import { numericAddress } from '../addresses.js'
import type { ProxyEntry } from '../directory.js'
import type { JobInput, JobOutput } from '../jobs.js'
import { LinkTotals } from '../link-totals.js'
import type { RoleInput, RoleOutput } from '../role.js'
import { createSealingKeys, type SealingKeys } from '../sealing-keys.js'
import type { Server, ServerOptions, ServerStatus } from '../server.js'
import { Work } from '../work.js'
import { Admission } from './admission.js'
import { Deliveries } from './deliveries.js'
import { Devices } from './devices.js'
import { Effects } from './effects.js'
import { Intake } from './intake.js'
import { Mailboxes } from './mailboxes.js'
import { Proxies } from './proxies.js'
import { Publication } from './publication.js'
import { Reachability, type Standing } from './reachability.js'
import { type IdentityProof, type Proven, type Session, Sessions } from './sessions.js'
import { SlotRecord } from './slot-record.js'

/**
 * Makes a server; `bounds` replaces bounds of limits.ts, for tests of what happens at them; `makeEndpoint` what it speaks through, for tests of
 * what devices do about a server that lies.
 */
export function createServer(
  options: ServerOptions,
  bounds: Partial<ServerLimits> = {},
  makeEndpoint: typeof createEndpoint = createEndpoint,
): Server {
  return new ServerMachine(options, { ...limits, ...bounds }, makeEndpoint)
}

type Received = Extract<LinkOutput, { type: 'received' }>
type Closed = Extract<LinkOutput, { type: 'closed' }>

class ServerMachine implements Server {
  private readonly options: ServerOptions
  private readonly effects = new Effects()
  private readonly work = new Work((output) => this.effects.emit(output))
  private readonly endpoint: LinkEndpoint
  private readonly totals: LinkTotals<'proxies' | 'devices' | 'others'>
  private readonly sessions = new Sessions()
  private readonly sealingKeys: SealingKeys
  private readonly devices: Devices
  private readonly admission: Admission
  private readonly proxies: Proxies
  private readonly reachability: Reachability
  private readonly slots: SlotRecord
  private readonly mailboxes: Mailboxes
  private readonly deliveries: Deliveries
  private readonly intake: Intake
  private readonly publication: Publication
  private stopped = false

  constructor(options: ServerOptions, bounds: ServerLimits, makeEndpoint: typeof createEndpoint) {
    const { crypto, random, self } = options
    const { linkSecret } = self.identity
    this.options = options
    this.endpoint = makeEndpoint({ linkSecret }, crypto, random)
    this.totals = new LinkTotals(this.endpoint)
    this.sealingKeys = createSealingKeys(crypto, random)
    this.devices = new Devices(bounds.devices)
    this.mailboxes = new Mailboxes(bounds)
    this.admission = new Admission(options, this.sessions, this.devices)
    this.proxies = new Proxies(crypto, bounds)
    this.slots = new SlotRecord(crypto, bounds.slotReplays)
    this.reachability = new Reachability({
      random,
      bounds,
      ask: (now, dialer, nonce, { identityKey }, address) =>
        this.endpoint.send(now, dialer, encodeMessage('dialBack', { nonce, identityKey, address })),
      tell: (now, session, standing) => this.tellStanding(now, session, standing),
      list: (now, id, entry) => this.list(now, id, entry),
      unlist: (now, id) => this.proxyGone(now, id, true),
    })
    const { effects, work, endpoint, sealingKeys, devices, slots, mailboxes } = this
    this.deliveries = new Deliveries(bounds, endpoint, effects, mailboxes)
    const { deliveries } = this
    this.intake = new Intake({
      ...options,
      bounds,
      endpoint,
      effects,
      work,
      sealingKeys,
      devices,
      slots,
      mailboxes,
      deliveries,
    })
    this.publication = new Publication({
      ...options,
      endpoint,
      effects,
      sealingKeys,
      proxies: (now) => this.proxies.entries(now),
      mostGone: bounds.proxiesGone,
    })
  }

  restore(key: string, value: Uint8Array): void {
    const parts = [this.sealingKeys, this.devices, this.proxies, this.slots, this.mailboxes, this.publication]
    for (const part of parts) part.restore(key, value)
  }

  start(now: Millis): void {
    this.effects.write(now, ...this.slots.start(now, this.options.random))
    this.effects.write(now, ...this.mailboxes.start(now))
    this.effects.write(now, ...this.proxies.start(now, (id) => this.admission.admits(id)))
    this.publication.start(now)
    // Nothing is handed out before its version and keys are durable, so this batch waits for no company.
    this.effects.commit()
  }

  handle(now: Millis, input: RoleInput | JobInput): void {
    switch (input.type) {
      case 'datagram':
        if (!this.stopped) this.endpoint.datagram(now, input.from, input.bytes)
        if (input.more) return
        break
      case 'timeout':
        if (!this.stopped) this.timeout(now)
        break
      case 'persisted':
        this.effects.persisted(now, input.reference)
        break
      case 'loaded':
        this.effects.loaded(now, input.reference, input.value)
        break
      case 'done':
        this.work.done(now, input)
        // What was taken in before a stop is written at once: nothing wakes this machine any more.
        if (this.stopped) this.effects.commit()
        break
      case 'stop':
        this.stop(now)
        break
      default:
        input satisfies never
    }
    this.settle(now)
    if (this.stopped) return
    this.upkeep(now)
    this.settle(now)
  }

  poll(): RoleOutput | JobOutput | undefined {
    return this.effects.poll()
  }

  deadline(): Millis | undefined {
    if (this.stopped) return undefined
    const parts = [
      this.effects,
      this.intake,
      this.endpoint,
      this.sessions,
      this.proxies,
      this.reachability,
      this.publication,
      this.slots,
      this.mailboxes,
    ]
    return parts.reduce<Millis | undefined>((at, part) => earliest(at, part.deadline()), undefined)
  }

  status(): ServerStatus {
    const proven = [...this.sessions.proven()]
    return {
      id: this.options.self.id,
      directoryVersion: this.publication.currentVersion,
      proxies: this.proxies.ids(),
      devicesKnown: this.devices.count,
      devicesConnected: proven.filter(({ role }) => role === 'device').length,
      storedCopies: this.mailboxes.storedCopies,
      acceptedCopies: this.intake.accepted,
      deliveredCopies: this.deliveries.confirmed,
      links: {
        proxies: this.totals.of('proxies'),
        devices: this.totals.of('devices'),
        others: this.totals.of('others'),
      },
    }
  }

  /** What is gathered is opened, judged and written; who sent it hears nothing and sends again. */
  private stop(now: Millis): void {
    if (this.stopped) return
    this.stopped = true
    this.intake.openAll(now)
    this.effects.commit()
    for (const session of this.totals.sessions()) this.endpoint.close(now, session, 'goingAway')
  }

  private timeout(now: Millis): void {
    this.endpoint.timeout(now)
    this.intake.timeout(now)
  }

  private settle(now: Millis): void {
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      this.linkOutput(now, output)
    }
  }

  private upkeep(now: Millis): void {
    for (const session of this.sessions.overdue(now)) this.endpoint.close(now, session, 'refused')
    this.reachability.timeout(now)
    const gone = this.proxies.dropLost(now)
    if (gone.length > 0) this.publication.changed(now)
    this.effects.write(now, ...gone, ...this.slots.forget(now))
    for (const mail of this.mailboxes.expired(now)) this.deliveries.expire(now, mail)
    this.publication.timeout(now)
    const dueAt = this.effects.deadline()
    if (dueAt !== undefined && now >= dueAt) this.effects.commit()
  }

  private linkOutput(now: Millis, output: LinkOutput): void {
    switch (output.type) {
      case 'transmit':
        this.effects.emit(output)
        return
      case 'drop':
        this.effects.drop(output.code)
        return
      case 'accepted':
        this.accepted(now, output.session, output.from.host)
        return
      case 'received':
        if (!this.stopped) this.received(now, output)
        return
      case 'delivered':
        this.delivered(now, output.session, output.number)
        return
      case 'closed':
        this.closed(now, output)
        return
      case 'connected':
      case 'rebind':
        // This server begins no sessions, since others dial for it, and stays where it is looked for.
        return
      default:
        output satisfies never
    }
  }

  private accepted(now: Millis, session: SessionId, host: string): void {
    this.sessions.accept(now, session, host)
    this.totals.assign(session, 'others')
  }

  private delivered(now: Millis, session: SessionId, number: MessageNumber): void {
    this.publication.delivered(now, session, number)
    const from = this.sessions.get(session)
    if (from?.phase === 'proven' && from.role === 'device') this.deliveries.resume(now, from.id)
  }

  private closed(now: Millis, closed: Closed): void {
    const { session, reason } = closed
    this.totals.closed(closed)
    this.publication.forget(session)
    const gone = this.sessions.remove(session)
    if (gone?.role === 'device') this.deliveries.close(gone.id)
    if (gone?.role === 'proxy') this.reachability.leave(gone.id, session)
    if (gone?.role === 'proxy' && !this.stopped) this.proxyGone(now, gone.id, reason === 'goingAway')
  }

  private proxyGone(now: Millis, id: string, saidGoodbye: boolean): void {
    if (!saidGoodbye) {
      this.proxies.lose(now, id)
      return
    }
    const changes = this.proxies.leave(id)
    this.effects.write(now, ...changes)
    if (changes.length > 0) this.publication.changed(now)
  }

  private received(now: Millis, received: Received): void {
    const from = this.sessions.get(received.session)
    if (from === undefined) return
    const parsed = parseMessage(received.message, this.options.observe)
    const code = parsed.ok ? this.message(now, from, received, parsed.value) : parsed.code
    if (code !== undefined) this.effects.drop(code)
  }

  /** Takes a message from where it may come from; the code says why not. */
  private message(now: Millis, from: Session, { session, number }: Received, message: Message): DropCode | undefined {
    if (message.kind === 'identityProof') return this.proof(now, session, message.value)
    if (from.phase === 'unproven') return 'ROLE_UNIDENTIFIED'
    if (message.kind === 'directoryRequest') {
      return this.publication.answer(now, session, message.value.version)
    }
    if (from.role === 'device') return this.fromDevice(now, from, message)
    return this.fromProxy(now, from, number, message)
  }

  private fromDevice(now: Millis, from: Proven, message: Message): DropCode | undefined {
    if (message.kind !== 'deliveryConfirmation') return 'ROLE_UNEXPECTED'
    const numbers = message.value.numbers.map(({ number }) => number)
    this.deliveries.confirm(now, from.id, numbers)
    return undefined
  }

  private fromProxy(now: Millis, from: Proven, number: MessageNumber, message: Message): DropCode | undefined {
    if (message.kind === 'copy') return this.intake.take(now, from, number, message.value)
    if (message.kind === 'dialBackResult') {
      const { nonce, reached } = message.value
      return this.reachability.result(now, from, nonce, reached === 'yes')
    }
    if (message.kind !== 'proxyAnnouncement') return 'ROLE_UNEXPECTED'
    return this.announced(now, from, message.value)
  }

  private announced(
    now: Millis,
    from: Proven,
    announcement: MessageOf<'proxyAnnouncement'>['value'],
  ): DropCode | undefined {
    const { vouching } = announcement
    if (!equal(announcement.entry.identityKey, from.identityKey)) return 'PROXY_ENTRY'
    const refusal = this.proxies.refusal(now, from.id, announcement.entry)
    if (refusal !== undefined) return refusal
    const entry = owned(proxyEntry, announcement.entry)
    return this.reachability.announce(now, from, entry, vouching, this.proxies.entryOf(from.id))
  }

  private list(now: Millis, id: string, entry: ProxyEntry): DropCode | undefined {
    // It may have waited since it was announced.
    const refusal = this.proxies.refusal(now, id, entry)
    if (refusal !== undefined) return refusal
    const { writes, renewal } = this.proxies.list(now, id, entry)
    this.effects.write(now, ...writes)
    if (writes.length > 0) this.publication.changed(now, renewal)
    return undefined
  }

  private tellStanding(now: Millis, session: SessionId, standing: Standing): void {
    const peer = this.endpoint.peer(session)
    if (peer === undefined) return
    const address = numericAddress(peer.address)
    this.endpoint.send(now, session, encodeMessage('proxyStanding', { address, ...standing }))
  }

  private proof(now: Millis, session: SessionId, proof: IdentityProof): DropCode | undefined {
    const handshakeHash = this.endpoint.handshakeHash(session)
    if (handshakeHash === undefined) return undefined
    const admitted = this.admission.admit(session, handshakeHash, proof)
    if (!admitted.ok) {
      this.noticeRefusal(session, admitted.code, proof)
      this.endpoint.close(now, session, 'refused')
      return admitted.code
    }
    this.effects.write(now, ...admitted.writes)
    if (this.sessions.get(session)?.phase === 'unproven') this.enter(now, admitted.proven)
    return undefined
  }

  private enter(now: Millis, proven: Proven): void {
    const { session, role, id } = proven
    const replaced = this.sessions.prove(proven)
    if (replaced !== undefined) this.endpoint.close(now, replaced.session, 'done')
    this.totals.assign(session, role === 'device' ? 'devices' : 'proxies')
    this.observePeer(proven)
    if (role === 'device') this.deliveries.open(now, id, session)
    else this.reachability.welcome(now, proven)
  }

  /** A person who runs a server wants to know whom it turned away; a proof that proves nothing names nobody. */
  private noticeRefusal(session: SessionId, code: DropCode, proof: IdentityProof): void {
    if (code === 'LINK_IDENTITY') return
    const id = toHex(nodeIdOf(this.options.crypto, proof.identityKey))
    const host = this.endpoint.peer(session)?.address.host ?? ''
    this.effects.notice('warn', `${proof.role} refused`, { id, host, code })
  }

  private observePeer({ session, role, idBytes }: Proven): void {
    const address = this.endpoint.peer(session)?.address
    this.options.observe?.(`${role} link`, 'id', idBytes)
    if (address !== undefined) {
      this.options.observe?.(`${role} link`, 'address', utf8(`${address.host}:${address.port}`))
    }
  }
}
