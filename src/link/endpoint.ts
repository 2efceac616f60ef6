/**
 * All sessions of one UDP socket: finds the session a datagram belongs to, answers handshakes, keeps the deadlines, and
 * lets the sessions take turns in sending. Answers nothing that it cannot authenticate (PROTOCOL.md section 10).
 */
import { assert } from '../base/assert.js'
import type { Key } from '../base/bytes.js'
import { type DropCode, ProtocolError } from '../base/errors.js'
import { type LinkLimits, limits } from '../base/limits.js'
import { type RandomBytes, randomBelow } from '../base/random.js'
import { earliest, type Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import {
  type cookieReply,
  type Datagram,
  type handshakeInit,
  type handshakeResponse,
  type packet,
  parseDatagram,
} from '../wire/datagram.js'
import type { CloseReason } from '../wire/frame.js'
import type { Channel } from './channel.js'
import { Counters } from './counters.js'
import { Initiation } from './handshake.js'
import type {
  EndpointOptions,
  LinkCounters,
  LinkEndpoint,
  LinkOutput,
  MessageNumber,
  PeerAddress,
  SessionId,
} from './link.js'
import type { LinkCrypto } from './noise.js'
import { Outgoing } from './outgoing.js'
import { type Answered, Responder } from './responder.js'
import { Session } from './session.js'
import { SessionHub } from './session-hub.js'
import type { SessionTable } from './session-table.js'
import { sourceOf } from './sources.js'

/**
 * Makes an endpoint. `random` gives ephemeral keys and session indexes; `bounds` replaces bounds of limits.ts, for tests of
 * what happens at them. After each call that takes `now`, drain `poll`, then ask for `deadline`.
 */
export function createEndpoint(
  options: EndpointOptions,
  crypto: LinkCrypto,
  random: RandomBytes,
  bounds: Partial<LinkLimits> = {},
): LinkEndpoint {
  return new Endpoint(options, crypto, random, { ...limits, ...bounds })
}

const EPHEMERAL_BYTES = 32

class Endpoint implements LinkEndpoint {
  private readonly crypto: LinkCrypto
  private readonly random: RandomBytes
  private readonly bounds: LinkLimits
  private readonly hub: SessionHub
  private readonly sessions: SessionTable
  private readonly responder: Responder | undefined

  constructor(options: EndpointOptions, crypto: LinkCrypto, random: RandomBytes, bounds: LinkLimits) {
    this.crypto = crypto
    this.random = random
    this.bounds = bounds
    this.hub = new SessionHub(bounds, random)
    this.sessions = this.hub.sessions
    const { linkSecret } = options
    this.responder = linkSecret && new Responder(linkSecret, crypto, random, bounds, this.sessions)
  }

  connect(now: Millis, linkKey: Key, to: PeerAddress | readonly [PeerAddress, ...PeerAddress[]]): SessionId {
    this.hub.now = now
    const id = this.sessions.freshId()
    const index = this.sessions.freshIndex()
    const keys = { linkKey, ephemeralSecret: this.random(EPHEMERAL_BYTES), index: index.bytes }
    const addresses = 'host' in to ? ([to] as const) : to
    const initiation = new Initiation(this.crypto, this.bounds, keys, addresses, now)
    const init = initiation.datagram()
    if (init === undefined || this.sessions.full()) {
      initiation.wipe()
      this.hub.refuse(id)
      return id
    }
    const outgoing = new Outgoing(this.bounds.sendQueueBytes)
    const session = new Session({ id, index: index.number }, addresses[0], outgoing, { name: 'initiating', initiation })
    this.sessions.add(session)
    this.hub.transmit(session, init, 'handshake')
    return id
  }

  send(now: Millis, id: SessionId, message: Uint8Array): MessageNumber | undefined {
    if (message.length > limits.messageBytes) {
      throw new ProtocolError('BODY_TOO_LARGE', `a link message takes at most ${limits.messageBytes} bytes`)
    }
    this.hub.now = now
    const session = this.sessions.get(id)
    if (session === undefined) return undefined
    if (session.outgoing.exhausted()) {
      this.hub.end(session, 'limit', 'limit')
      return undefined
    }
    const number = session.outgoing.add(message)
    if (number !== undefined) this.hub.markReady(session)
    return number
  }

  sendRoomBytes(id: SessionId): number {
    return this.sessions.get(id)?.outgoing.roomBytes() ?? 0
  }

  close(now: Millis, id: SessionId, reason: CloseReason): void {
    this.hub.now = now
    const session = this.sessions.get(id)
    if (session !== undefined) this.hub.end(session, reason, reason)
  }

  handshakeHash(id: SessionId): Uint8Array | undefined {
    const phase = this.sessions.get(id)?.phase
    return phase?.name === 'open' ? phase.channel.handshakeHash : undefined
  }

  peer(id: SessionId): { readonly address: PeerAddress; readonly initiated: boolean } | undefined {
    const session = this.sessions.get(id)
    return session && { address: session.address, initiated: session.initiated }
  }

  counters(id?: SessionId): LinkCounters {
    if (id === undefined) return this.hub.total.snapshot()
    return (this.sessions.get(id)?.counters ?? new Counters()).snapshot()
  }

  datagram(now: Millis, from: PeerAddress, bytes: Uint8Array): void {
    this.hub.now = now
    this.hub.total.onReceived(bytes.length)
    const code = this.take(from, bytes)
    if (code !== undefined) this.hub.drop(code, from)
  }

  private take(from: PeerAddress, bytes: Uint8Array): DropCode | undefined {
    // Such a source is easily forged, and an answer to it no socket sends.
    if (from.port === 0) return 'LINK_SOURCE'
    const parsed = parseDatagram(bytes)
    return parsed.ok ? this.onDatagram(from, parsed.value, bytes) : parsed.code
  }

  private onDatagram(from: PeerAddress, datagram: Datagram, bytes: Uint8Array): DropCode | undefined {
    switch (datagram.kind) {
      case 'packet':
        return this.onPacket(from, datagram.value, bytes.length)
      case 'handshakeInit':
        return this.onInit(from, datagram.value, bytes)
      case 'handshakeResponse':
        return this.onResponse(from, datagram.value, bytes.length)
      case 'cookieReply':
        return this.onCookieReply(from, datagram.value)
      case 'statelessReset':
        // Its token cannot be told from a made-up one yet, so it ends nothing (section 10.6).
        return this.sessions.named(datagram.value.receiverIndex) !== undefined
          ? 'LINK_UNEXPECTED'
          : 'LINK_UNKNOWN_SESSION'
      default:
        datagram satisfies never
        return undefined
    }
  }

  private onPacket(from: PeerAddress, received: FormatValue<typeof packet>, sizeBytes: number): DropCode | undefined {
    const session = this.sessions.named(received.receiverIndex)
    if (session === undefined) return 'LINK_UNKNOWN_SESSION'
    const { phase } = session
    if (phase.name !== 'open' && phase.name !== 'answering') return 'LINK_UNEXPECTED'
    const opened = phase.channel.open(received)
    if (!opened.ok) return opened.code
    session.counters.onReceived(sizeBytes)
    if (opened.newest) this.follow(session, phase.channel, from)
    if (phase.name === 'answering' && !this.accept(session, phase.channel, from)) return 'LINK_SHARE'
    const ending = phase.channel.onFrames(this.hub.now, opened.number, opened.frames)
    if (ending === undefined) this.hub.markReady(session)
    else this.hub.end(session, ending.reason, ending.tellPeer ? ending.reason : undefined)
    return undefined
  }

  private follow(session: Session, channel: Channel, from: PeerAddress): void {
    const { host, port } = session.address
    if (host === from.host && port === from.port) return
    session.address = from
    channel.onMoved(1 + randomBelow(this.random, limits.leftOutPackets))
  }

  /** The initiator has proved its keys and address: from now on its session counts for where it is. */
  private accept(session: Session, channel: Channel, from: PeerAddress): boolean {
    const source = sourceOf(from.host)
    if (!this.sessions.shareAllows(source)) {
      this.hub.leave(session)
      return false
    }
    this.sessions.onProved(session, source)
    session.phase = { name: 'open', channel }
    this.hub.outputs.push({ type: 'accepted', session: session.id, from })
    return true
  }

  private onInit(from: PeerAddress, init: FormatValue<typeof handshakeInit>, bytes: Uint8Array): DropCode | undefined {
    if (this.responder === undefined) return 'LINK_UNEXPECTED'
    const taken = this.responder.take(this.hub.now, from, init, bytes)
    switch (taken.type) {
      case 'drop':
        return taken.code
      case 'repeated':
        return this.onRepeatedInit(taken.session, bytes.length)
      case 'cookie':
        this.hub.transmitAlone(from, taken.reply)
        return 'LINK_COOKIE'
      case 'queued':
        return undefined
      default:
        return taken satisfies never
    }
  }

  private onRepeatedInit(session: Session, sizeBytes: number): DropCode | undefined {
    if (session.phase.name !== 'answering') return 'LINK_UNEXPECTED'
    session.counters.onReceived(sizeBytes)
    this.hub.transmit(session, session.phase.response, 'handshake')
    return undefined
  }

  private begin({ from, established, response, initBytes, ...names }: Answered): void {
    const id = this.sessions.freshId()
    const outgoing = new Outgoing(this.bounds.sendQueueBytes)
    const channel = this.hub.channel(id, established, outgoing, sourceOf(from.host))
    const expiresAt = this.hub.now + this.bounds.handshakeTimeoutMs
    const session = new Session({ id, ...names }, from, outgoing, { name: 'answering', channel, response, expiresAt })
    this.sessions.add(session)
    session.counters.onReceived(initBytes)
    this.hub.transmit(session, response, 'handshake')
  }

  private onResponse(
    from: PeerAddress,
    response: FormatValue<typeof handshakeResponse>,
    sizeBytes: number,
  ): DropCode | undefined {
    const session = this.sessions.named(response.receiverIndex)
    if (session === undefined) return 'LINK_UNKNOWN_SESSION'
    const { phase } = session
    if (phase.name !== 'initiating') return 'LINK_UNEXPECTED'
    const established = phase.initiation.onResponse(response)
    if (established === undefined) return 'LINK_HANDSHAKE'
    session.counters.onReceived(sizeBytes)
    session.address = phase.initiation.answeredFrom(from)
    const channel = this.hub.channel(session.id, established, session.outgoing)
    const roundTripMs = phase.initiation.roundTripMs(this.hub.now)
    if (roundTripMs !== undefined) channel.recovery.onRoundTrip(roundTripMs, 0)
    phase.initiation.wipe()
    session.phase = { name: 'open', channel }
    this.hub.outputs.push({ type: 'connected', session: session.id })
    this.hub.markReady(session)
    return undefined
  }

  private onCookieReply(from: PeerAddress, reply: FormatValue<typeof cookieReply>): DropCode | undefined {
    const session = this.sessions.named(reply.receiverIndex)
    if (session === undefined) return 'LINK_UNKNOWN_SESSION'
    const { phase } = session
    if (phase.name !== 'initiating') return 'LINK_UNEXPECTED'
    const taken = phase.initiation.onCookie(reply)
    if (taken === 'refused') return 'LINK_HANDSHAKE'
    if (taken === 'resend') this.sendInit(session, phase.initiation, [from])
    return undefined
  }

  private sendInit(session: Session, initiation: Initiation, to: readonly PeerAddress[]): void {
    const init = initiation.datagram()
    assert(init !== undefined, 'an initiation that has begun')
    for (const address of to) {
      session.address = address
      this.hub.transmit(session, init, 'handshake')
    }
  }

  timeout(now: Millis): void {
    this.hub.now = now
    for (const session of this.sessions.deadlines.takeDue(now)) {
      this.onTimeout(session)
      this.sessions.deadlines.update(session)
    }
  }

  private onTimeout(session: Session): void {
    const { phase } = session
    switch (phase.name) {
      case 'initiating': {
        const due = phase.initiation.timeout(this.hub.now)
        if (due === 'fail') this.hub.end(session, 'failed')
        else this.sendInit(session, phase.initiation, due)
        return
      }
      case 'answering':
        this.hub.leave(session)
        return
      case 'open':
        if (phase.channel.timeout(this.hub.now) === 'silent') this.hub.end(session, 'timeout')
        else this.hub.markReady(session)
        return
      case 'closed':
        return
      default:
        phase satisfies never
    }
  }

  poll(): LinkOutput | undefined {
    do {
      const output = this.hub.outputs.shift()
      if (output !== undefined) return output
    } while (this.answerNext() || this.hub.takeTurn())
    return undefined
  }

  /** One handshake at a time, so that a queue of them does not hold up what is ready to be handed over. */
  private answerNext(): boolean {
    const answered = this.responder?.next(this.hub.now)
    if (answered === undefined) return false
    if ('dropped' in answered) this.hub.drop(answered.dropped, answered.from)
    else this.begin(answered)
    return true
  }

  deadline(): Millis | undefined {
    return earliest(this.sessions.deadlines.next(), this.responder?.deadline())
  }
}
