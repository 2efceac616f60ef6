/**
 * What leaves next: packets as the window, the pace and the peer's address allow, each remembered until its fate is known
 * (PROTOCOL.md sections 10.3 to 10.5).
 */
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import { type CloseReason, closeReasons, type Frame } from '../wire/frame.js'
import type { AckTracker } from './acks.js'
import type { Purpose } from './counters.js'
import type { Liveness } from './liveness.js'
import type { Mtu } from './mtu.js'
import { type Chunk, charge, type Outgoing } from './outgoing.js'
import type { Packer } from './packer.js'
import type { Path } from './path.js'
import { PACKET_OVERHEAD_BYTES } from './protection.js'
import type { Recovery } from './recovery.js'
import { sentPacket } from './sent-packet.js'
import type { SessionKeys } from './session-keys.js'

export interface OutgoingDatagram {
  readonly bytes: Uint8Array
  readonly purpose: Purpose
}

/** The parts of a channel that sending needs. */
export interface OutboundParts {
  readonly keys: SessionKeys
  readonly acks: AckTracker
  readonly recovery: Recovery
  readonly outgoing: Outgoing
  readonly packer: Packer
  readonly path: Path
  readonly mtu: Mtu
  readonly liveness: Liveness
  /** Puts an offer of new keys into the packer where one is due. */
  offerKeys(now: Millis): void
}

/** A packet that carries no parts is at least so long: then one that comes from a new address pays for a challenge. */
const LEAST_FRAMES_BYTES = 9
const NO_CHUNKS: readonly Chunk[] = []
const NO_FRAMES: readonly Frame[] = []

export class Outbound {
  /** Packets that may leave although the window is full. */
  probes = 0
  private readonly parts: OutboundParts

  constructor(parts: OutboundParts) {
    this.parts = parts
  }

  /** The next datagram that may leave, if any. */
  next(now: Millis): OutgoingDatagram | undefined {
    if (!this.parts.path.proven) return this.nextUnproven(now)
    const owed = this.parts.acks.due(now)
    if (!owed && !this.parts.packer.pending()) return undefined
    this.parts.offerKeys(now)
    const mayElicit = this.parts.packer.pending() && (this.parts.recovery.hasRoom(now) || this.probes > 0)
    if (!mayElicit && !owed) return undefined
    const probeBytes = mayElicit ? this.probeBytes(now) : undefined
    if (probeBytes !== undefined) return this.probe(now, probeBytes)
    const ackLargest = this.parts.packer.begin(now)
    if (!mayElicit) return this.emit(now, 'ackOnly', NO_CHUNKS, NO_FRAMES, ackLargest)
    const { purpose, chunks, control } = this.parts.packer.content()
    return this.emit(now, purpose, chunks, control, ackLargest)
  }

  /** To an address that is not proved: challenges and acknowledgements, and no more bytes than came from it. */
  private nextUnproven(now: Millis): OutgoingDatagram | undefined {
    const { path, packer } = this.parts
    if (path.wantsChallenge && path.allows(LEAST_FRAMES_BYTES + PACKET_OVERHEAD_BYTES)) {
      packer.empty()
      packer.frame({ kind: 'pathChallenge', value: { data: path.takeChallenge() } })
      return this.emit(now, 'data', NO_CHUNKS, NO_FRAMES, undefined)
    }
    if (path.wantsChallenge || !this.parts.acks.due(now)) return undefined
    const ackLargest = packer.begin(now)
    packer.respond()
    packer.pad(LEAST_FRAMES_BYTES)
    const allowed = path.allows(packer.writtenBytes + PACKET_OVERHEAD_BYTES)
    return allowed ? this.emit(now, 'ackOnly', NO_CHUNKS, NO_FRAMES, ackLargest) : undefined
  }

  /** While there is much to send it is worth while to find out how large a packet the path takes. */
  private probeBytes(now: Millis): number | undefined {
    return this.parts.outgoing.queuedBytes() < limits.mtuProbeFromBytes ? undefined : this.parts.mtu.probe(now)
  }

  private probe(now: Millis, datagramBytes: number): OutgoingDatagram | undefined {
    this.parts.packer.empty()
    this.parts.packer.frame({ kind: 'ping', value: {} })
    this.parts.packer.pad(datagramBytes - PACKET_OVERHEAD_BYTES)
    this.parts.mtu.onProbeSent()
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
    if (this.parts.packer.writtenBytes === 0) return undefined
    if (chunks.length === 0) this.parts.packer.pad(LEAST_FRAMES_BYTES)
    const number = this.parts.keys.next
    const bytes = this.parts.keys.seal(this.parts.packer.frames())
    this.parts.liveness.onSent(now)
    this.parts.path.onSent(bytes.length)
    if (ackLargest !== undefined) this.parts.acks.onSent()
    if (purpose !== 'ackOnly') {
      if (this.probes > 0) this.afterProbe()
      this.parts.recovery.onSent(
        sentPacket(number, now, bytes.length, chunks, control, ackLargest, purpose === 'mtuProbe'),
      )
      if (!this.parts.packer.pending()) this.parts.recovery.onAppLimited()
    }
    if (purpose === 'data') {
      let overheadBytes = PACKET_OVERHEAD_BYTES
      for (const chunk of chunks) {
        charge(chunk, overheadBytes)
        overheadBytes = 0
      }
    }
    return { bytes, purpose }
  }

  /** Where nothing else is left to send, a ping is the next probe: its acknowledgement tells what became of the one before. */
  private afterProbe(): void {
    this.probes--
    if (this.probes > 0 && !this.parts.packer.pending()) this.parts.packer.pingDue = true
  }

  /** The last datagram of a session: with what is still owed, so that the peer knows what was delivered. */
  close(now: Millis, reason: CloseReason): Uint8Array {
    this.parts.packer.begin(now)
    this.parts.packer.frame({ kind: 'close', value: { reason: closeReasons[reason] } })
    return this.parts.keys.seal(this.parts.packer.frames())
  }
}
