/**
 * The handshakes of an endpoint, both halves: begins sessions, answers strangers through the responder, and takes what
 * comes back, until a session is open (PROTOCOL.md section 10.1).
 */
import { assert } from '../base/assert.js'
import type { LinkLimits } from '../base/bounds.js'
import type { Key } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import type { cookieReply, handshakeInit, handshakeResponse } from '../wire/datagram.js'
import type { Channel } from './channel.js'
import { Initiation } from './handshake.js'
import type { PeerAddress, SessionId } from './link.js'
import type { LinkCrypto } from './noise.js'
import { Outgoing } from './outgoing.js'
import { type Answered, Responder } from './responder.js'
import { Session } from './session.js'
import type { SessionHub } from './session-hub.js'
import { sourceOf } from './sources.js'

const EPHEMERAL_BYTES = 32

export class Handshakes {
  private readonly crypto: LinkCrypto
  private readonly random: RandomBytes
  private readonly bounds: LinkLimits
  private readonly hub: SessionHub
  private readonly responder: Responder | undefined

  constructor(
    linkSecret: Key | undefined,
    crypto: LinkCrypto,
    random: RandomBytes,
    bounds: LinkLimits,
    hub: SessionHub,
  ) {
    this.crypto = crypto
    this.random = random
    this.bounds = bounds
    this.hub = hub
    this.responder = linkSecret && new Responder(linkSecret, crypto, random, bounds, hub.sessions)
  }

  begin(linkKey: Key, addresses: readonly [PeerAddress, ...PeerAddress[]]): SessionId {
    const { sessions } = this.hub
    const id = sessions.freshId()
    const index = sessions.freshIndex(this.hub.now)
    const keys = { linkKey, ephemeralSecret: this.random(EPHEMERAL_BYTES), index: index.bytes }
    const initiation = new Initiation(this.crypto, this.bounds, keys, addresses, this.hub.now)
    const init = initiation.datagram()
    if (init === undefined || sessions.full()) {
      initiation.wipe()
      this.hub.refuse(id)
      return id
    }
    const outgoing = new Outgoing(this.bounds.sendQueueBytes)
    const session = new Session({ id, index: index.number }, addresses[0], outgoing, { name: 'initiating', initiation })
    sessions.add(session)
    this.hub.transmit(session, init, 'handshake')
    return id
  }

  onInit(from: PeerAddress, init: FormatValue<typeof handshakeInit>, bytes: Uint8Array): DropCode | undefined {
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

  /** Answers one init of those that wait, so that a queue of them does not hold up what is ready to be handed over. */
  answerNext(): boolean {
    const answered = this.responder?.next(this.hub.now)
    if (answered === undefined) return false
    if ('dropped' in answered) this.hub.drop(answered.dropped, answered.from)
    else this.onAnswered(answered)
    return true
  }

  /** When `answerNext` has something to do again. */
  deadline(): Millis | undefined {
    return this.responder?.deadline()
  }

  private onAnswered({ from, established, response, initBytes, ...names }: Answered): void {
    const id = this.hub.sessions.freshId()
    const source = sourceOf(from.host)
    const outgoing = new Outgoing(this.bounds.sendQueueBytes, this.hub.answers.of(source))
    const channel = this.hub.channel(id, established, outgoing, source)
    const expiresAt = this.hub.now + this.bounds.handshakeTimeoutMs
    const session = new Session({ id, ...names }, from, outgoing, { name: 'answering', channel, response, expiresAt })
    this.hub.sessions.add(session)
    session.counters.onReceived(initBytes)
    this.hub.transmit(session, response, 'handshake')
  }

  /** The initiator has proved its keys and address: from now on its session counts for where it is. */
  accept(session: Session, channel: Channel, from: PeerAddress): DropCode | undefined {
    const source = sourceOf(from.host)
    if (!this.hub.sessions.shareAllows(source)) {
      this.hub.leave(session)
      return 'LINK_SHARE'
    }
    this.hub.sessions.onProved(session, source)
    session.phase = { name: 'open', channel }
    this.hub.outputs.push({ type: 'accepted', session: session.id, from })
    return undefined
  }

  onResponse(
    from: PeerAddress,
    response: FormatValue<typeof handshakeResponse>,
    sizeBytes: number,
  ): DropCode | undefined {
    const session = this.hub.sessions.named(response.receiverIndex)
    if (session === undefined) return 'LINK_UNKNOWN_SESSION'
    const { phase } = session
    if (phase.name !== 'initiating') return 'LINK_UNEXPECTED'
    const established = phase.initiation.onResponse(response)
    if (established === undefined) return 'LINK_HANDSHAKE'
    session.counters.onReceived(sizeBytes)
    session.address = phase.initiation.answeredFrom(from)
    session.provenAddress = session.address
    const channel = this.hub.channel(session.id, established, session.outgoing)
    const roundTripMs = phase.initiation.roundTripMs(this.hub.now)
    if (roundTripMs !== undefined) channel.recovery.onRoundTrip(roundTripMs, 0)
    phase.initiation.wipe()
    session.phase = { name: 'open', channel }
    this.hub.outputs.push({ type: 'connected', session: session.id })
    this.hub.markReady(session)
    return undefined
  }

  onCookieReply(from: PeerAddress, reply: FormatValue<typeof cookieReply>): DropCode | undefined {
    const session = this.hub.sessions.named(reply.receiverIndex)
    if (session === undefined) return 'LINK_UNKNOWN_SESSION'
    const { phase } = session
    if (phase.name !== 'initiating') return 'LINK_UNEXPECTED'
    const taken = phase.initiation.onCookie(reply)
    if (taken === 'refused') return 'LINK_HANDSHAKE'
    if (taken === 'resend') this.sendInit(session, phase.initiation, [from])
    return undefined
  }

  timeout(session: Session, initiation: Initiation): void {
    const due = initiation.timeout(this.hub.now)
    if (due === 'fail') this.hub.end(session, 'failed')
    else this.sendInit(session, initiation, due)
  }

  private sendInit(session: Session, initiation: Initiation, to: readonly PeerAddress[]): void {
    const init = initiation.datagram()
    assert(init !== undefined, 'an initiation that has begun')
    for (const address of to) {
      session.address = address
      this.hub.transmit(session, init, 'handshake')
    }
  }
}
