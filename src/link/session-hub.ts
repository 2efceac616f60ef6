/**
 * What the parts of an endpoint share: the sessions, what there is to put out, whose turn it is to send, and how a
 * session begins to exist and ends (PROTOCOL.md sections 10.1 and 10.6).
 */
import type { LinkLimits } from '../base/bounds.js'
import { uint32 } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import { type FormatValue, Writer } from '../wire/codec.js'
import type { packet } from '../wire/datagram.js'
import type { CloseReason } from '../wire/frame.js'
import { AnswerRoom } from './answer-room.js'
import { Bbr } from './bbr.js'
import { Channel } from './channel.js'
import { Reno } from './congestion.js'
import { Counters, type Purpose } from './counters.js'
import type { Established } from './handshake.js'
import type { EndpointOptions, LinkOutput, PeerAddress, SessionId } from './link.js'
import type { LinkCrypto } from './noise.js'
import type { Outgoing } from './outgoing.js'
import { Queue } from './queue.js'
import { ReassemblyRoom } from './reassembly-room.js'
import { Resets } from './resets.js'
import type { Session } from './session.js'
import { SessionTable } from './session-table.js'
import type { ChannelSink, Shared } from './shared.js'
import type { Source } from './sources.js'

export class SessionHub {
  readonly sessions: SessionTable
  readonly outputs = new Queue<LinkOutput>()
  readonly total = new Counters()
  readonly answers: AnswerRoom
  /** When the call that is being served was made. */
  now: Millis = 0
  private readonly shared: Shared
  private readonly ready = new Queue<Session>()
  /** Whoever answers handshakes is looked for at its port. */
  private readonly mayRebind: boolean
  private reboundAt = Number.NEGATIVE_INFINITY

  constructor(crypto: LinkCrypto, random: RandomBytes, bounds: LinkLimits, options: EndpointOptions) {
    this.sessions = new SessionTable(bounds, random)
    this.answers = new AnswerRoom(bounds)
    const { linkSecret, congestion = 'bbr' } = options
    this.mayRebind = linkSecret === undefined
    this.shared = {
      crypto,
      random,
      bounds,
      room: new ReassemblyRoom(bounds),
      congestion: () => (congestion === 'bbr' ? new Bbr() : new Reno()),
      resets: bounds.resetsPerSecond === 0 ? undefined : linkSecret && new Resets(crypto, random, bounds, linkSecret),
      writer: new Writer(limits.datagramMaxBytes),
    }
  }

  drop(code: DropCode, from: PeerAddress): void {
    this.outputs.push({ type: 'drop', code, from })
  }

  /** Sends a datagram that belongs to no session. */
  transmitAlone(to: PeerAddress, bytes: Uint8Array): void {
    this.total.onSent(bytes.length, 'handshake')
    this.outputs.push({ type: 'transmit', to, bytes })
  }

  transmit(session: Session, bytes: Uint8Array, purpose: Purpose): void {
    session.counters.onSent(bytes.length, purpose)
    this.total.onSent(bytes.length, purpose)
    this.outputs.push({ type: 'transmit', to: session.address, bytes })
  }

  /** Lets a session have a turn in sending. */
  markReady(session: Session): void {
    if (session.queued) return
    session.queued = true
    this.ready.push(session)
  }

  /** One datagram a turn, so that a session with much to send does not hold up the others; whether there was a turn. */
  takeTurn(): boolean {
    const session = this.ready.shift()
    if (session === undefined) return false
    session.queued = false
    const { phase } = session
    if (phase.name !== 'open') return true
    const spent = phase.channel.spent()
    const datagram = spent ? undefined : phase.channel.next(this.now)
    if (datagram !== undefined) {
      this.transmit(session, datagram.bytes, datagram.purpose)
      this.markReady(session)
    } else if (spent) this.end(session, 'limit', 'limit')
    else this.sessions.deadlines.update(session)
    return true
  }

  /** Ends a session that the caller knows of. */
  end(session: Session, reason: CloseReason | 'failed' | 'timeout' | 'reset', tell?: CloseReason): void {
    const { phase } = session
    if (tell !== undefined && phase.name === 'open') {
      this.transmit(session, phase.channel.closeDatagram(this.now, tell), 'data')
    }
    this.leave(session)
    const undelivered = session.outgoing.undelivered()
    const counters = session.counters.snapshot()
    this.outputs.push({ type: 'closed', session: session.id, reason, undelivered, counters })
  }

  /** A session that never was: what `connect` cannot begin. */
  refuse(id: SessionId): void {
    const counters = new Counters().snapshot()
    this.outputs.push({ type: 'closed', session: id, reason: 'failed', undelivered: [], counters })
  }

  /** Nothing of a session lingers: later packets are for no session here. */
  leave(session: Session): void {
    this.sessions.remove(session)
    session.end()
  }

  /** The answer to a packet that opens under no session, so that its sender knows it, and strangers do not. */
  answerUnopened(from: PeerAddress, received: FormatValue<typeof packet>, sizeBytes: number, lives: boolean): void {
    const reset = this.shared.resets?.answer(this.now, received, sizeBytes, lives)
    if (reset !== undefined) this.transmitAlone(from, reset)
  }

  /** A translation that has gone wrong on the way is left behind with the port that it stands for. */
  private askToRebind(): void {
    if (!this.mayRebind || this.now < this.reboundAt + limits.rebindEveryMs) return
    this.reboundAt = this.now
    this.outputs.push({ type: 'rebind' })
  }

  /** The channel of a session whose handshake is done; `source` is where it was begun from, unless by this end. */
  channel(id: SessionId, established: Established, outgoing: Outgoing, source?: Source): Channel {
    const sink: ChannelSink = {
      message: (number, message) => this.outputs.push({ type: 'received', session: id, number, message }),
      delivered: ({ number, cost }) => this.outputs.push({ type: 'delivered', session: id, number, cost }),
      drop: (code) => {
        const session = this.sessions.get(id)
        if (session !== undefined) this.drop(code, session.address)
      },
      pathProven: () => {
        const session = this.sessions.get(id)
        if (session !== undefined) session.provenAddress = session.address
      },
      pathFailed: () => {
        const session = this.sessions.get(id)
        if (session !== undefined) session.address = session.provenAddress
      },
      resettable: (index) => {
        const session = this.sessions.get(id)
        if (session !== undefined) this.sessions.setPeerIndex(session, uint32(index))
      },
      unanswered: () => this.askToRebind(),
      freshIndex: () => this.sessions.addIndex(this.now, this.sessions.get(id) as Session),
      releaseIndex: (index) => {
        const session = this.sessions.get(id)
        if (session !== undefined) this.sessions.dropIndex(session, index)
      },
      evicted: () => {
        const session = this.sessions.get(id)
        if (session === undefined) return
        this.drop('LINK_REASSEMBLY_EVICTED', session.address)
        this.end(session, 'limit', 'limit')
      },
    }
    return new Channel(established, outgoing, this.shared, sink, source, this.now)
  }
}
