/**
 * The exchange of packets under one session's keys: what arrives is opened, acknowledged and put together; what leaves is
 * cut, numbered and sent again where it was lost. Knows nothing of handshakes or addresses.
 * PROTOCOL.md sections 10.3 to 10.6.
 */
import type { DropCode } from '../base/errors.js'
import { type LinkLimits, limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import { earliest, type Millis } from '../base/time.js'
import type { FormatValue, Writer } from '../wire/codec.js'
import type { packet } from '../wire/datagram.js'
import { type ack, type CloseReason, closeReasons, type Frame, parseFrames } from '../wire/frame.js'
import { AckTracker, acknowledgedRanges } from './acks.js'
import type { Purpose } from './counters.js'
import type { Established } from './handshake.js'
import { Liveness } from './liveness.js'
import type { LinkCrypto } from './noise.js'
import { type Chunk, charge, type Delivered, type Outgoing } from './outgoing.js'
import { Packer } from './packer.js'
import { type Opened, PACKET_OVERHEAD_BYTES } from './protection.js'
import { type Range, RangeSet } from './ranges.js'
import { type Part, Reassembly } from './reassembly.js'
import type { ReassemblyRoom } from './reassembly-room.js'
import { Recovery, type SentPacket } from './recovery.js'
import { type IndexSource, type RekeyFrame, SessionKeys } from './session-keys.js'
import type { Source } from './sources.js'

/** What the channel tells its session while it takes a packet. */
export interface ChannelSink extends IndexSource {
  message(number: number, message: Uint8Array): void
  delivered(delivered: Delivered): void
  drop(code: DropCode): void
  /** Room was needed that messages of this session held: it has to end. */
  evicted(): void
}

/** Why a session must end: what the peer said, or what it did wrong and has to be told. */
export interface Ending {
  readonly reason: CloseReason
  readonly tellPeer: boolean
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
  /** Packets are put together one at a time, all in here. */
  readonly writer: Writer
}

const VIOLATION: Ending = { reason: 'protocol', tellPeer: true }
const reasonByNumber = new Map(
  Object.entries(closeReasons).map(([reason, number]) => [number as number, reason as CloseReason]),
)

export class Channel {
  readonly recovery = new Recovery()
  private readonly keys: SessionKeys
  private readonly outgoing: Outgoing
  private readonly bounds: LinkLimits
  private readonly sink: ChannelSink
  private readonly acks = new AckTracker()
  private readonly reassembly: Reassembly
  private readonly packer: Packer
  private readonly liveness: Liveness
  /** Numbers that were never sent, and that only who guesses could acknowledge. */
  private readonly leftOut = new RangeSet()
  /** Packets that may leave although the window is full. */
  private probes = 0

  constructor(
    established: Established,
    outgoing: Outgoing,
    shared: Shared,
    sink: ChannelSink,
    source: Source | undefined,
    initiated: boolean,
    now: Millis,
  ) {
    this.keys = new SessionKeys(established, shared, sink, initiated, now)
    this.outgoing = outgoing
    this.bounds = shared.bounds
    this.sink = sink
    this.packer = new Packer(shared.writer, this.acks, outgoing)
    this.reassembly = new Reassembly(shared.bounds, shared.room, source, () => sink.evicted())
    this.liveness = new Liveness(shared.bounds, initiated, now)
    // The responder holds its session for unproved until it has had a packet.
    this.packer.pingDue = initiated
  }

  get handshakeHash(): Uint8Array {
    return this.keys.handshakeHash
  }

  open(now: Millis, received: FormatValue<typeof packet>): Opened {
    return this.keys.open(now, received)
  }

  /** Takes the frames of an opened packet; says if the session has to end with it. */
  onFrames(now: Millis, number: number, opened: Uint8Array): Ending | undefined {
    this.liveness.onReceived(now)
    const parsed = parseFrames(opened)
    if (!parsed.ok) return this.violation(parsed.code)
    let eliciting = false
    let stored = true
    let acks = 0
    for (const frame of parsed.value) {
      if (frame.kind === 'ack' && ++acks > limits.acksPerPacket) continue
      const result = this.onFrame(now, frame)
      if (result === 'refused') stored = false
      else if (result !== undefined) return result
      eliciting ||= frame.kind !== 'ack'
    }
    // A packet with a part that was not stored must not be acknowledged: its sender keeps the part.
    if (stored) this.acks.onPacket(number, eliciting, now)
    return undefined
  }

  private onFrame(now: Millis, frame: Frame): Ending | 'refused' | undefined {
    switch (frame.kind) {
      case 'ping':
      case 'pathResponse':
        return undefined
      case 'ack':
        return this.onAck(now, frame.value)
      case 'fragment':
        return this.onPart(now, frame.value)
      case 'whole': {
        const { message, data } = frame.value
        return this.onPart(now, { message, data, offset: 0, totalBytes: data.length })
      }
      case 'close':
        return { reason: reasonByNumber.get(frame.value.reason) ?? 'goingAway', tellPeer: false }
      case 'pathChallenge':
        this.onPathChallenge(frame.value.data)
        return undefined
      case 'rekey':
        return this.onRekey(now, frame.value)
      default:
        frame satisfies never
        return undefined
    }
  }

  private onPathChallenge(data: Uint8Array): void {
    const { pathResponses } = this.packer
    if (pathResponses.length < limits.pathResponses) pathResponses.push(data.slice())
  }

  private onRekey(now: Millis, frame: RekeyFrame): Ending | undefined {
    const taken = this.keys.onRekey(now, frame)
    if (taken === 'LINK_REKEY') return this.violation(taken)
    if (taken.answer !== undefined) this.packer.control.push({ kind: 'rekey', value: taken.answer })
    // The responder stays with the old keys until a packet under the new ones has come.
    if (taken.switched) this.packer.pingDue = true
    return undefined
  }

  private onAck(now: Millis, frame: FormatValue<typeof ack>): Ending | undefined {
    const { next } = this.keys
    const ranges = acknowledgedRanges(frame)
    if (frame.largest >= next || ranges.some((range) => this.wasLeftOut(range))) return this.violation('LINK_ACK')
    const { acknowledged, lost } = this.recovery.onAck(now, ranges, frame.delayUs / 1000, next)
    for (const packet of acknowledged) {
      if (packet.ackLargest !== undefined) this.acks.onFrameAcknowledged(packet.ackLargest)
      for (const chunk of packet.chunks) {
        const delivered = this.outgoing.onAcknowledged(chunk)
        if (delivered !== undefined) this.sink.delivered(delivered)
      }
    }
    for (const packet of lost) this.onLost(packet)
    if (acknowledged.length > 0) this.probes = 0
    return undefined
  }

  private onLost({ chunks, control }: SentPacket): void {
    this.outgoing.onLost(chunks)
    this.packer.control.push(...control)
  }

  private wasLeftOut({ low, high }: Range): boolean {
    return !this.leftOut.overlapping(low, high).next().done
  }

  /**
   * The peer's address changed, and its packets could have been given any source. So that nobody can have a stream sent
   * to somebody else by acknowledging it blindly, `count` numbers are left out, and the window begins at its least.
   */
  onMoved(count: number): void {
    const { keys } = this
    const next = Math.min(keys.next + count, this.bounds.packetsPerKey - 1)
    if (next > keys.next) this.leftOut.add(keys.next, next - 1)
    if (this.leftOut.count > limits.leftOutRuns) this.leftOut.dropLowest()
    keys.skipTo(Math.max(keys.next, next))
    this.recovery.onMoved(keys.next)
  }

  private onPart(now: Millis, part: Part): Ending | 'refused' | undefined {
    const accepted = this.reassembly.accept(now, part)
    switch (accepted.type) {
      case 'held':
        return undefined
      case 'complete':
        this.sink.message(part.message, accepted.message)
        return undefined
      case 'refused':
        if (accepted.code !== 'LINK_REASSEMBLY_FULL') return this.violation(accepted.code)
        this.sink.drop(accepted.code)
        return 'refused'
      default:
        accepted satisfies never
        return undefined
    }
  }

  private violation(code: DropCode): Ending {
    this.sink.drop(code)
    return VIOLATION
  }

  /** Whether no packet may be sent any more but the one that says so. */
  spent(): boolean {
    return this.keys.next >= this.bounds.packetsPerKey - 1
  }

  /** The next datagram that may leave, if any. */
  next(now: Millis): OutgoingDatagram | undefined {
    const mayElicit = this.probes > 0 || this.recovery.hasRoom()
    if (!this.acks.due(now) && !(mayElicit && this.packer.pending())) return undefined
    if (mayElicit) this.offerKeys(now)
    const ackLargest = this.packer.begin(now)
    const chunks: Chunk[] = []
    const control: Frame[] = []
    const purpose = mayElicit ? this.packer.content(chunks, control) : 'ackOnly'
    const frames = this.packer.frames()
    return frames.length === 0 ? undefined : this.emit(now, frames, purpose, { chunks, control, ackLargest })
  }

  /** New keys go out with the next packet that something else wants sent: silence needs none. */
  private offerKeys(now: Millis): void {
    const offer = this.keys.takeOffer(now)
    if (offer !== undefined) this.packer.control.push({ kind: 'rekey', value: offer })
  }

  private emit(
    now: Millis,
    frames: Uint8Array,
    purpose: Purpose,
    { chunks, control, ackLargest }: Pick<SentPacket, 'chunks' | 'control' | 'ackLargest'>,
  ): OutgoingDatagram {
    const number = this.keys.next
    const bytes = this.keys.seal(frames)
    this.liveness.onSent(now)
    if (ackLargest !== undefined) this.acks.onSent()
    if (purpose !== 'ackOnly') {
      this.packer.pingDue = false
      if (this.probes > 0) this.probes--
      this.recovery.onSent({
        number,
        sentAt: now,
        bytes: bytes.length,
        chunks,
        control,
        ackLargest,
        state: 'inFlight',
        retiredAt: now,
      })
    }
    if (purpose === 'data') {
      for (const [index, chunk] of chunks.entries()) charge(chunk, index === 0 ? PACKET_OVERHEAD_BYTES : 0)
    }
    return { bytes, purpose }
  }

  /** The last datagram of a session: with what is still owed, so that the peer knows what was delivered. */
  closeDatagram(now: Millis, reason: CloseReason): Uint8Array {
    this.packer.begin(now)
    this.packer.close(closeReasons[reason])
    return this.keys.seal(this.packer.frames())
  }

  deadline(): Millis {
    const idleAt = this.liveness.idleAt()
    const dueAt = earliest(
      earliest(this.acks.deadline(), this.recovery.deadline()),
      earliest(this.keepaliveAt(), this.keys.deadline()),
    )
    return Math.min(idleAt, dueAt ?? idleAt)
  }

  /** Only while nothing is in flight: else probes keep the path alive, and a keepalive would put them off. */
  private keepaliveAt(): Millis | undefined {
    const quiet = !this.packer.pingDue && this.recovery.deadline() === undefined
    return quiet ? this.liveness.keepaliveAt() : undefined
  }

  /** Does what is due; says if the peer has been silent for too long. */
  timeout(now: Millis): 'silent' | undefined {
    if (now >= this.liveness.idleAt()) return 'silent'
    if ((this.recovery.deadline() ?? Number.POSITIVE_INFINITY) <= now) {
      if (this.recovery.unanswered >= this.bounds.unansweredProbes) return 'silent'
      this.onRecoveryTimeout(now)
    }
    this.keys.timeout(now)
    if ((this.keepaliveAt() ?? Number.POSITIVE_INFINITY) <= now) this.packer.pingDue = true
    return undefined
  }

  private onRecoveryTimeout(now: Millis): void {
    const { type, packets } = this.recovery.onTimeout(now, this.keys.next)
    for (const packet of packets) this.onLost(packet)
    if (type === 'lost') return
    this.probes = Math.max(1, packets.length)
    if (packets.every((packet) => packet.chunks.length + packet.control.length === 0)) this.packer.pingDue = true
  }

  /** Wipes the keys and gives back what the session held. */
  wipe(): void {
    this.keys.wipe()
    this.reassembly.clear()
  }
}
