/**
 * What goes into the next packet: acknowledgements first, then answers to the peer, then what was lost, then what is new
 * (PROTOCOL.md sections 10.4 and 10.5).
 */
import type { Millis } from '../base/time.js'
import type { Writer } from '../wire/codec.js'
import { ack, encodeFrame, type Frame, frameKinds } from '../wire/frame.js'
import type { AckTracker } from './acks.js'
import type { Purpose } from './counters.js'
import type { Mtu } from './mtu.js'
import { type Chunk, type Outgoing, writeChunk } from './outgoing.js'
import { PACKET_OVERHEAD_BYTES } from './protection.js'

/** What a packet carries besides an acknowledgement. */
export interface Content {
  readonly purpose: Purpose
  readonly chunks: readonly Chunk[]
  readonly control: readonly Frame[]
}

const NOTHING: Content = { purpose: 'ackOnly', chunks: [], control: [] }
const ALONE: Content = { purpose: 'data', chunks: [], control: [] }
const PADDING = new Uint8Array(2048)

export class Packer {
  /** A ping is owed. */
  pingDue = false
  /** Path challenges to be answered, the oldest first. */
  readonly pathResponses: Uint8Array[] = []
  /** Frames of the session itself, sent again until one of their packets has arrived. */
  readonly control: Frame[] = []
  private readonly writer: Writer
  private readonly acks: AckTracker
  private readonly outgoing: Outgoing
  private readonly mtu: Mtu

  constructor(writer: Writer, acks: AckTracker, outgoing: Outgoing, mtu: Mtu) {
    this.writer = writer
    this.acks = acks
    this.outgoing = outgoing
    this.mtu = mtu
  }

  /** Whether anything waits that asks for an acknowledgement. */
  pending(): boolean {
    return this.pingDue || this.pathResponses.length > 0 || this.control.length > 0 || this.outgoing.pending()
  }

  get writtenBytes(): number {
    return this.writer.written
  }

  /** What has been written, valid until more is. */
  frames(): Uint8Array {
    return this.writer.view()
  }

  /** Begins a packet without an acknowledgement. */
  empty(): void {
    this.writer.reset()
  }

  /** Begins a packet; returns the largest number that its ACK frame acknowledges, if it has one. */
  begin(now: Millis): number | undefined {
    this.writer.reset()
    const frame = this.acks.frame(now)
    if (frame === undefined) return undefined
    this.writer.number(frameKinds.ack, 1)
    ack.write(this.writer, frame)
    return frame.largest
  }

  frame(frame: Frame): void {
    this.writer.bytes(encodeFrame(frame))
  }

  /** Answers a path challenge, if there is one. */
  respond(): boolean {
    const data = this.pathResponses.shift()
    if (data !== undefined) this.frame({ kind: 'pathResponse', value: { data } })
    return data !== undefined
  }

  /** Fills the packet up to so many bytes of frames. */
  pad(framesBytes: number): void {
    const missingBytes = framesBytes - this.writer.written
    if (missingBytes > 0) this.writer.bytes(PADDING.subarray(0, missingBytes))
  }

  /**
   * Writes what asks for an acknowledgement. Lost chunks, new chunks and the rest never share a packet, so that each
   * datagram is a first transmission or is not.
   */
  content(): Content {
    if (this.respond()) return ALONE
    if (this.control.length > 0) return { purpose: 'data', chunks: [], control: this.writeControl() }
    const framesBytes = this.mtu.datagramBytes - PACKET_OVERHEAD_BYTES
    const lost = this.chunks('lost', framesBytes)
    if (lost.length > 0) return this.carrying('retransmission', lost)
    const fresh = this.chunks('new', framesBytes)
    if (fresh.length > 0) return this.carrying('data', fresh)
    if (!this.pingDue) return NOTHING
    this.pingDue = false
    this.frame({ kind: 'ping', value: {} })
    return ALONE
  }

  /** Whatever asks for an acknowledgement does what a ping would. */
  private carrying(purpose: Purpose, chunks: readonly Chunk[]): Content {
    this.pingDue = false
    return { purpose, chunks, control: NOTHING.control }
  }

  private writeControl(): Frame[] {
    this.pingDue = false
    const frames = this.control.splice(0)
    for (const frame of frames) this.frame(frame)
    return frames
  }

  /** Writes as many as fit. */
  private chunks(which: 'lost' | 'new', framesBytes: number): readonly Chunk[] {
    const chunks: Chunk[] = []
    for (;;) {
      const roomBytes = framesBytes - this.writer.written
      const chunk =
        which === 'lost'
          ? this.outgoing.takeLost(roomBytes, framesBytes)
          : this.outgoing.takeNew(roomBytes, chunks.length === 0)
      if (chunk === undefined) return chunks
      writeChunk(this.writer, chunk)
      chunks.push(chunk)
    }
  }
}
