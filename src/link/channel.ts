/**
 * The exchange of packets under one session's keys: what arrives is opened, acknowledged and put together; what leaves is
 * cut, numbered and sent again where it was lost. Knows nothing of handshakes or addresses, only whether the peer's
 * is proved. PROTOCOL.md sections 10.2 to 10.6.
 */
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { earliest, type Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import type { packet, statelessReset } from '../wire/datagram.js'
import type { ack, CloseReason } from '../wire/frame.js'
import { AckTracker, acknowledgedRanges } from './acks.js'
import type { Established } from './handshake.js'
import { type Ending, Inbound, type SessionFrame } from './inbound.js'
import { Liveness } from './liveness.js'
import { Mtu } from './mtu.js'
import { Outbound, type OutgoingDatagram } from './outbound.js'
import type { Outgoing } from './outgoing.js'
import { Packer } from './packer.js'
import { Path } from './path.js'
import type { Opened } from './protection.js'
import { Reassembly } from './reassembly.js'
import { Recovery } from './recovery.js'
import { resetFits } from './resets.js'
import type { SentPacket } from './sent-packet.js'
import { type RekeyFrame, SessionKeys } from './session-keys.js'
import type { ChannelSink, Shared } from './shared.js'
import type { Source } from './sources.js'

/** Probe timeouts in a row after which large packets are no longer sent. */
const SILENT_PROBES = 2
/** RFC 9002 section 6.2.4: two at a time, since each further timeout that one loss brings about is twice as long. */
const PACKETS_PER_PROBE = 2
const ACKS_PER_WINDOW = 8
const MOST_PACKETS_PER_ACK = 16

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
  private readonly outbound: Outbound
  private readonly liveness: Liveness
  private readonly path: Path
  private readonly mtu = new Mtu()
  private readonly initiated: boolean
  /** By which a reset of the session as the peer names it is known. */
  private resetToken: Uint8Array | undefined
  /** Packets for which the peer was last asked to send one acknowledgement. */
  private askedPackets = 2

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
    const { keys, acks, recovery, packer, path, mtu, liveness } = this
    const offerKeys = (at: Millis) => this.offerKeys(at)
    this.outbound = new Outbound({ keys, acks, recovery, outgoing, packer, path, mtu, liveness, offerKeys })
    // The responder holds its session for unproved until it has had a packet.
    this.packer.pingDue = this.initiated
    this.giveResetToken(now, established.index)
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
      this.outbound.probes = 0
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
    if (taken.index !== undefined) this.giveResetToken(now, taken.index)
    return undefined
  }

  private giveResetToken(now: Millis, index: Uint8Array): void {
    const { resets } = this.shared
    if (resets === undefined) return
    this.packer.control.push({ kind: 'resetToken', value: { index, token: resets.token(now, index) } })
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

  /** New keys go out with the next packet that something else wants sent: silence needs none. */
  private offerKeys(now: Millis): void {
    const offer = this.keys.takeOffer(now)
    if (offer === undefined) return
    this.packer.control.push({ kind: 'rekey', value: offer })
    this.giveResetToken(now, offer.index)
  }

  /** Whether no packet may be sent any more but the one that says so. */
  spent(): boolean {
    return this.keys.next >= this.shared.bounds.packetsPerKey - 1
  }

  /** The next datagram that may leave, if any. */
  next(now: Millis): OutgoingDatagram | undefined {
    return this.outbound.next(now)
  }

  /** The last datagram of a session: with what is still owed, so that the peer knows what was delivered. */
  closeDatagram(now: Millis, reason: CloseReason): Uint8Array {
    return this.outbound.close(now, reason)
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
    this.outbound.probes = PACKETS_PER_PROBE
    if (packets.every((packet) => packet.chunks.length + packet.control.length === 0)) this.packer.pingDue = true
  }

  /** Wipes the keys and gives back what the session held. */
  wipe(): void {
    this.keys.wipe()
    this.reassembly.clear()
  }
}
