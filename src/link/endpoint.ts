/**
 * All sessions of one UDP socket: finds the session a datagram belongs to, answers handshakes, keeps the deadlines, and
 * lets the sessions take turns in sending. Answers nothing that it cannot authenticate (PROTOCOL.md section 10).
 */
import type { LinkLimits } from '../base/bounds.js'
import type { Key } from '../base/bytes.js'
import { type DropCode, ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import { earliest, type Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import { type Datagram, type packet, parseDatagram, type statelessReset } from '../wire/datagram.js'
import type { CloseReason } from '../wire/frame.js'
import type { Channel } from './channel.js'
import { Counters } from './counters.js'
import { Handshakes } from './handshakes.js'
import type {
  EndpointOptions,
  LinkCounters,
  LinkEndpoint,
  LinkOutput,
  LinkPeer,
  MessageNumber,
  MessagePriority,
  PeerAddress,
  SessionId,
} from './link.js'
import type { LinkCrypto } from './noise.js'
import type { Session } from './session.js'
import { SessionHub } from './session-hub.js'
import type { SessionTable } from './session-table.js'

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

class Endpoint implements LinkEndpoint {
  private readonly hub: SessionHub
  private readonly sessions: SessionTable
  private readonly handshakes: Handshakes

  constructor(options: EndpointOptions, crypto: LinkCrypto, random: RandomBytes, bounds: LinkLimits) {
    this.hub = new SessionHub(crypto, random, bounds, options)
    this.sessions = this.hub.sessions
    this.handshakes = new Handshakes(options.linkSecret, crypto, random, bounds, this.hub)
  }

  connect(now: Millis, linkKey: Key, to: PeerAddress | readonly [PeerAddress, ...PeerAddress[]]): SessionId {
    this.hub.now = now
    return this.handshakes.begin(linkKey, 'host' in to ? [to] : to)
  }

  send(
    now: Millis,
    id: SessionId,
    message: Uint8Array,
    priority: MessagePriority = 'delivery',
  ): MessageNumber | undefined {
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
    const number = session.outgoing.add(message, priority)
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

  peer(id: SessionId): LinkPeer | undefined {
    const session = this.sessions.get(id)
    if (session === undefined) return undefined
    const { address, initiated, phase } = session
    return { address, initiated, roundTripMs: phase.name === 'open' ? phase.channel.recovery.roundTripMs : undefined }
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
        return this.handshakes.onInit(from, datagram.value, bytes)
      case 'handshakeResponse':
        return this.handshakes.onResponse(from, datagram.value, bytes.length)
      case 'cookieReply':
        return this.handshakes.onCookieReply(from, datagram.value)
      case 'statelessReset':
        return this.onReset(datagram.value)
      default:
        datagram satisfies never
        return undefined
    }
  }

  private onPacket(from: PeerAddress, received: FormatValue<typeof packet>, sizeBytes: number): DropCode | undefined {
    const session = this.sessions.named(received.receiverIndex)
    if (session === undefined) {
      this.hub.answerUnopened(from, received, sizeBytes, false)
      return 'LINK_UNKNOWN_SESSION'
    }
    const { phase } = session
    if (phase.name !== 'open' && phase.name !== 'answering') return 'LINK_UNEXPECTED'
    const opened = phase.channel.open(this.hub.now, received)
    if (!opened.ok) {
      if (opened.code === 'LINK_AUTHENTICATION') this.hub.answerUnopened(from, received, sizeBytes, true)
      return opened.code
    }
    session.counters.onReceived(sizeBytes)
    if (opened.newest) this.follow(session, phase.channel, from)
    if (phase.name === 'answering') {
      const refused = this.handshakes.accept(session, phase.channel, from)
      if (refused !== undefined) return refused
    }
    const ending = phase.channel.onFrames(this.hub.now, opened.number, opened.frames, sizeBytes)
    if (ending === undefined) this.hub.markReady(session)
    else this.hub.end(session, ending.reason, ending.tellPeer ? ending.reason : undefined)
    return undefined
  }

  private follow(session: Session, channel: Channel, from: PeerAddress): void {
    if (sameAddress(session.address, from)) return
    session.address = from
    channel.onMoved(this.hub.now, sameAddress(session.provenAddress, from))
  }

  private onReset(reset: FormatValue<typeof statelessReset>): DropCode | undefined {
    const session = this.sessions.resettable(reset.receiverIndex)
    if (session === undefined) return 'LINK_UNKNOWN_SESSION'
    const { phase } = session
    if (phase.name !== 'open' || !phase.channel.isReset(reset)) return 'LINK_AUTHENTICATION'
    this.hub.end(session, 'reset')
    return undefined
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
      case 'initiating':
        this.handshakes.timeout(session, phase.initiation)
        return
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
    } while (this.handshakes.answerNext() || this.hub.takeTurn())
    return undefined
  }

  deadline(): Millis | undefined {
    return earliest(this.sessions.deadlines.next(), this.handshakes.deadline())
  }
}

function sameAddress(a: PeerAddress, b: PeerAddress): boolean {
  return a.port === b.port && a.host === b.host
}
