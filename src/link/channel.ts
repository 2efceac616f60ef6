/**
 * The exchange of packets under one session's keys: what arrives is opened, acknowledged and put together; what leaves is
 * cut, numbered and sent again where it was lost. Knows nothing of handshakes or addresses, only whether the peer's
 * is proved. PROTOCOL.md sections 10.2 to 10.6.
 */
import type { DropCode } from '../base/errors.js'
import { type LinkLimits, limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import { earliest, type Millis } from '../base/time.js'
import type { FormatValue, Writer } from '../wire/codec.js'
import type { packet, statelessReset } from '../wire/datagram.js'
import { type ack, type CloseReason, closeReasons, type Frame } from '../wire/frame.js'
import { AckTracker, acknowledgedRanges } from './acks.js'
import type { CongestionController } from './congestion.js'
import type { Purpose } from './counters.js'
import type { Established } from './handshake.js'
import { type Ending, Inbound, type SessionFrame } from './inbound.js'
import { Liveness } from './liveness.js'
import { Mtu } from './mtu.js'
import type { LinkCrypto } from './noise.js'
import { type Chunk, charge, type Delivered, type Outgoing } from './outgoing.js'
import { Packer } from './packer.js'
import { Path } from './path.js'
import { type Opened, PACKET_OVERHEAD_BYTES } from './protection.js'
import { Reassembly } from './reassembly.js'
import type { ReassemblyRoom } from './reassembly-room.js'
import { Recovery } from './recovery.js'
import { type Resets, resetFits } from './resets.js'
import { type SentPacket, sentPacket } from './sent-packet.js'
import { type IndexSource, type RekeyFrame, SessionKeys } from './session-keys.js'
import type { Source } from './sources.js'

/** What the channel tells its session while it takes a packet or time passes. */
export interface ChannelSink extends IndexSource {
  message(number: number, message: Uint8Array): void
  delivered(delivered: Delivered): void
  drop(code: DropCode): void
  /** Room was needed that messages of this session held: it has to end. */
  evicted(): void
  /** The peer reads at the address that its packets come from, or does not. */
  pathProven(): void
  pathFailed(): void
  /** The session that the peer names `index` can be reset by the peer. */
  resettable(index: Uint8Array): void
  /** Probe after probe of a session that this end began goes unanswered. */
  unanswered(): void
}

export interface OutgoingDatagram {
  readonly bytes: Uint8Array
  readonly purpose: Purpose
}

/** What the sessions of an endpoint share. */
export interface Shared {
  readonly crypto: LinkCrypto
  readonly random: RandomBytes
  readonly bounds: LinkLimits
  readonly room: ReassemblyRoom
  /** Where this end answers for sessions that it has lost. */
  readonly resets: Resets | undefined
  /** Makes a session's controller of congestion. */
  readonly congestion: () => CongestionController
  /** Packets are put together one at a time, all in here. */
  readonly writer: Writer
}

/** A packet that carries no parts is at least so long: then one that comes from a new address pays for a challenge. */
const LEAST_FRAMES_BYTES = 9
/** Probe timeouts in a row after which large packets are no longer sent. */
const SILENT_PROBES = 2
const ACKS_PER_WINDOW = 8
const MOST_PACKETS_PER_ACK = 16
const NO_CHUNKS: readonly Chunk[] = []
const NO_FRAMES: readonly Frame[] = []

export class Channel {
  readonly recovery: Recovery
  private readonly shared: Shared
  private readonly sink: ChannelSink
  private readonly keys: SessionKeys
  private readonly outgoing: Outgoing
  private readonly acks = new AckTracker()
  private readonly reassembly: Reassembly
  private readonly inbound: Inbound
  private readonly packer: Packer
  private readonly liveness: Liveness
  private readonly path: Path
  private readonly mtu = new Mtu()
  private readonly initiated: boolean
  /** By which a reset of the session as the peer names it is known. */
  private resetToken: Uint8Array | undefined
  /** Packets for which the peer was last asked to send one acknowledgement. */
  private askedPackets = 2
  /** Packets that may leave although the window is full. */
  private probes = 0

  constructor(
    established: Established,
    outgoing: Outgoing,
    shared: Shared,
    sink: ChannelSink,
    source: Source | undefined,
    now: Millis,
  ) {
    this.shared = shared
    this.recovery = new Recovery(shared.congestion())
    this.sink = sink
    this.initiated = source === undefined
    this.keys = new SessionKeys(established, shared, sink, this.initiated, now)
    this.outgoing = outgoing
    this.packer = new Packer(shared.writer, this.acks, outgoing, this.mtu)
    this.reassembly = new Reassembly(shared.bounds, shared.room, source, () => sink.evicted())
    this.inbound = new Inbound(this.acks, this.reassembly, {
      frame: (at, frame) => this.onFrame(at, frame),
      message: (number, message) => sink.message(number, message),
      drop: (code) => sink.drop(code),
    })
    this.liveness = new Liveness(shared.bounds, this.initiated, now)
    this.path = new Path(shared.random)
    // The responder holds its session for unproved until it has had a packet.
    this.packer.pingDue = this.initiated
    this.giveResetToken(established.index)
  }

  get handshakeHash(): Uint8Array {
    return this.keys.handshakeHash
  }

  open(now: Millis, received: FormatValue<typeof packet>): Opened {
    return this.keys.open(now, received)
  }

  /** Takes the frames of an opened packet; says if the session has to end with it. */
  onFrames(now: Millis, number: number, frames: Uint8Array, sizeBytes: number): Ending | undefined {
    this.liveness.onReceived(now)
    this.path.onReceived(sizeBytes)
    return this.inbound.take(now, number, frames)
  }

  private onFrame(now: Millis, frame: SessionFrame): DropCode | undefined {
    switch (frame.kind) {
      case 'ack':
        return this.onAck(now, frame.value)
      case 'pathChallenge':
        this.onPathChallenge(now, frame.value.data)
        return undefined
      case 'pathResponse':
        if (this.path.onResponse(frame.value.data)) this.onPathProven(now)
        return undefined
      case 'rekey':
        return this.onRekey(now, frame.value)
      case 'ackFrequency':
        this.acks.setFrequency(frame.value.packets)
        return undefined
      case 'resetToken':
        this.resetToken = frame.value.token.slice()
        this.sink.resettable(frame.value.index)
        return undefined
      default:
        return frame satisfies never
    }
  }

  private onAck(now: Millis, frame: FormatValue<typeof ack>): DropCode | undefined {
    const { next } = this.keys
    if (frame.largest >= next) return 'LINK_ACK'
    const { acknowledged, lost } = this.recovery.onAck(now, acknowledgedRanges(frame), frame.delayUs / 1000, next)
    for (const packet of acknowledged) this.onAcknowledged(packet)
    for (const packet of lost) this.onLost(now, packet)
    this.adaptAckFrequency()
    if (acknowledged.length > 0) {
      this.probes = 0
      this.liveness.onAnswered(now)
    }
    return undefined
  }

  private onAcknowledged({ ackLargest, chunks, mtuProbe, bytes }: SentPacket): void {
    if (mtuProbe) this.mtu.onProbeArrived(bytes)
    else this.mtu.onArrived(bytes)
    if (ackLargest !== undefined) this.acks.onFrameAcknowledged(ackLargest)
    for (const chunk of chunks) {
      const delivered = this.outgoing.onAcknowledged(chunk)
      if (delivered !== undefined) this.sink.delivered(delivered)
    }
  }

  private onLost(now: Millis, { chunks, control, mtuProbe, bytes }: SentPacket): void {
    if (mtuProbe) this.mtu.onProbeLost(now)
    else this.mtu.onLost(now, bytes)
    this.outgoing.onLost(chunks)
    this.packer.control.push(...control)
  }

  /** In a wide window fewer acknowledgements say as much; in a narrow one each lets the next packets leave. */
  private adaptAckFrequency(): void {
    const windowPackets = this.recovery.windowBytes / limits.datagramBytes
    const wanted = Math.max(2, Math.min(Math.floor(windowPackets / ACKS_PER_WINDOW), MOST_PACKETS_PER_ACK))
    const isFar = wanted >= 2 * this.askedPackets || 2 * wanted <= this.askedPackets
    if (!isFar || (wanted > this.askedPackets && this.outgoing.queuedBytes() < limits.mtuProbeFromBytes)) return
    this.askedPackets = wanted
    this.packer.control.push({ kind: 'ackFrequency', value: { packets: wanted } })
  }

  private onPathChallenge(now: Millis, data: Uint8Array): void {
    const { pathResponses } = this.packer
    if (pathResponses.length < limits.pathResponses) pathResponses.push(data.slice())
    this.liveness.onBroken(now)
  }

  private onRekey(now: Millis, frame: RekeyFrame): DropCode | undefined {
    const taken = this.keys.onRekey(now, frame)
    if (taken === 'LINK_REKEY') return taken
    if (taken.answer !== undefined) this.packer.control.push({ kind: 'rekey', value: taken.answer })
    // The responder stays with the old keys until a packet under the new ones has come.
    if (taken.switched) this.packer.pingDue = true
    if (taken.index !== undefined) this.giveResetToken(taken.index)
    return undefined
  }

  private giveResetToken(index: Uint8Array): void {
    const { resets } = this.shared
    if (resets === undefined) return
    this.packer.control.push({ kind: 'resetToken', value: { index, token: resets.token(index) } })
  }

  /** Whether the peer says by this reset that it has lost the session. */
  isReset(reset: FormatValue<typeof statelessReset>): boolean {
    return this.resetToken !== undefined && resetFits(this.shared.crypto, this.resetToken, reset)
  }

  /** The peer's packets come from another address: back from a moment ago, or one that it has yet to prove. */
  onMoved(now: Millis, known: boolean): void {
    if (known) this.path.restore()
    else {
      this.path.begin(now)
      this.path.timeout(now, this.recovery.probeTimeoutMs())
    }
  }

  /** Of the new path nothing is known; what was under way on the old one is likely lost. */
  private onPathProven(now: Millis): void {
    this.recovery.onNewPath(this.keys.next)
    this.mtu.reset()
    this.sink.pathProven()
    if (this.recovery.deadline() !== undefined) this.onRecoveryTimeout(now)
  }

  /** Whether no packet may be sent any more but the one that says so. */
  spent(): boolean {
    return this.keys.next >= this.shared.bounds.packetsPerKey - 1
  }

  /** The next datagram that may leave, if any. */
  next(now: Millis): OutgoingDatagram | undefined {
    if (!this.path.proven) return this.nextUnproven(now)
    const owed = this.acks.due(now)
    if (!owed && !this.packer.pending()) return undefined
    this.offerKeys(now)
    const mayElicit = this.packer.pending() && (this.recovery.hasRoom(now) || this.probes > 0)
    if (!mayElicit && !owed) return undefined
    const probeBytes = mayElicit ? this.probeBytes(now) : undefined
    if (probeBytes !== undefined) return this.probe(now, probeBytes)
    const ackLargest = this.packer.begin(now)
    if (!mayElicit) return this.emit(now, 'ackOnly', NO_CHUNKS, NO_FRAMES, ackLargest)
    const { purpose, chunks, control } = this.packer.content()
    return this.emit(now, purpose, chunks, control, ackLargest)
  }

  /** To an address that is not proved: challenges and acknowledgements, and no more bytes than came from it. */
  private nextUnproven(now: Millis): OutgoingDatagram | undefined {
    const { path, packer } = this
    if (path.wantsChallenge && path.allows(LEAST_FRAMES_BYTES + PACKET_OVERHEAD_BYTES)) {
      packer.empty()
      packer.frame({ kind: 'pathChallenge', value: { data: path.takeChallenge() } })
      return this.emit(now, 'data', NO_CHUNKS, NO_FRAMES, undefined)
    }
    if (path.wantsChallenge || !this.acks.due(now)) return undefined
    const ackLargest = packer.begin(now)
    packer.respond()
    packer.pad(LEAST_FRAMES_BYTES)
    const allowed = path.allows(packer.frames().length + PACKET_OVERHEAD_BYTES)
    return allowed ? this.emit(now, 'ackOnly', NO_CHUNKS, NO_FRAMES, ackLargest) : undefined
  }

  /** New keys go out with the next packet that something else wants sent: silence needs none. */
  private offerKeys(now: Millis): void {
    const offer = this.keys.takeOffer(now)
    if (offer === undefined) return
    this.packer.control.push({ kind: 'rekey', value: offer })
    this.giveResetToken(offer.index)
  }

  /** While there is much to send it is worth while to find out how large a packet the path takes. */
  private probeBytes(now: Millis): number | undefined {
    return this.outgoing.queuedBytes() < limits.mtuProbeFromBytes ? undefined : this.mtu.probe(now)
  }

  private probe(now: Millis, datagramBytes: number): OutgoingDatagram | undefined {
    this.packer.empty()
    this.packer.frame({ kind: 'ping', value: {} })
    this.packer.pad(datagramBytes - PACKET_OVERHEAD_BYTES)
    this.mtu.onProbeSent()
    return this.emit(now, 'mtuProbe', NO_CHUNKS, NO_FRAMES, undefined)
  }

  /** Seals what the packer holds. */
  private emit(
    now: Millis,
    purpose: Purpose,
    chunks: readonly Chunk[],
    control: readonly Frame[],
    ackLargest: number | undefined,
  ): OutgoingDatagram | undefined {
    if (this.packer.frames().length === 0) return undefined
    if (chunks.length === 0) this.packer.pad(LEAST_FRAMES_BYTES)
    const number = this.keys.next
    const bytes = this.keys.seal(this.packer.frames())
    this.liveness.onSent(now)
    this.path.onSent(bytes.length)
    if (ackLargest !== undefined) this.acks.onSent()
    if (purpose !== 'ackOnly') {
      if (this.probes > 0) this.probes--
      this.recovery.onSent(sentPacket(number, now, bytes.length, chunks, control, ackLargest, purpose === 'mtuProbe'))
      if (!this.packer.pending()) this.recovery.onAppLimited()
    }
    if (purpose === 'data') {
      for (const [index, chunk] of chunks.entries()) charge(chunk, index === 0 ? PACKET_OVERHEAD_BYTES : 0)
    }
    return { bytes, purpose }
  }

  /** The last datagram of a session: with what is still owed, so that the peer knows what was delivered. */
  closeDatagram(now: Millis, reason: CloseReason): Uint8Array {
    this.packer.begin(now)
    this.packer.frame({ kind: 'close', value: { reason: closeReasons[reason] } })
    return this.keys.seal(this.packer.frames())
  }

  deadline(): Millis {
    const idleAt = Math.min(this.liveness.idleAt(), this.keys.deadline() ?? Number.POSITIVE_INFINITY)
    if (!this.path.proven) return Math.min(idleAt, this.unprovenDeadline())
    const pacedAt = this.packer.pending() ? this.recovery.pacedDeadline() : undefined
    const answerAt = earliest(this.acks.deadline(), this.recovery.deadline())
    const dueAt = earliest(earliest(answerAt, pacedAt), this.keepaliveAt())
    return Math.min(idleAt, dueAt ?? idleAt)
  }

  /** What waits for credit waits for a packet, not for time. */
  private unprovenDeadline(): Millis {
    const challengeAt = this.path.deadline() ?? Number.POSITIVE_INFINITY
    return !this.path.waitsForCredit ? Math.min(challengeAt, this.acks.deadline() ?? challengeAt) : challengeAt
  }

  /** Only while nothing is in flight: else probes keep the path alive, and a keepalive would put them off. */
  private keepaliveAt(): Millis | undefined {
    const quiet = !this.packer.pingDue && this.recovery.deadline() === undefined
    return quiet ? this.liveness.keepaliveAt() : undefined
  }

  /** Does what is due; says if the peer has been silent for too long. */
  timeout(now: Millis): 'silent' | undefined {
    if (now >= this.liveness.idleAt()) return 'silent'
    this.keys.timeout(now)
    if (!this.path.proven) return this.unprovenTimeout(now)
    if ((this.recovery.deadline() ?? Number.POSITIVE_INFINITY) <= now) {
      if (this.recovery.unanswered >= this.shared.bounds.unansweredProbes) return 'silent'
      this.onRecoveryTimeout(now)
    }
    if ((this.keepaliveAt() ?? Number.POSITIVE_INFINITY) <= now) {
      this.packer.pingDue = true
      this.liveness.onKeepalive()
    }
    return undefined
  }

  private unprovenTimeout(now: Millis): undefined {
    if (this.path.timeout(now, this.recovery.probeTimeoutMs()) === undefined) return
    this.path.restore()
    this.sink.pathFailed()
  }

  private onRecoveryTimeout(now: Millis): void {
    const { type, packets } = this.recovery.onTimeout(now, this.keys.next)
    for (const packet of packets) this.onLost(now, packet)
    if (type === 'lost') return
    this.liveness.onBroken(now)
    if (this.recovery.unanswered >= SILENT_PROBES) this.mtu.onSilence(now)
    if (this.initiated && this.recovery.unanswered === limits.rebindAfterProbes) this.sink.unanswered()
    this.probes = Math.max(1, packets.length)
    if (packets.every((packet) => packet.chunks.length + packet.control.length === 0)) this.packer.pingDue = true
  }

  /** Wipes the keys and gives back what the session held. */
  wipe(): void {
    this.keys.wipe()
    this.reassembly.clear()
  }
}
