/**
 * What goes into the next packet: acknowledgements first, then answers to the peer, then what was lost, then what is new
 * (PROTOCOL.md sections 10.4 and 10.5).
 */
import type { Millis } from '../base/time.js'
import type { Writer } from '../wire/codec.js'
import { ack, encodeFrame, type Frame, frameKinds } from '../wire/frame.js'
import type { AckTracker } from './acks.js'
import type { Purpose } from './counters.js'
import { type Chunk, chunkBytes, type Outgoing, writeChunk } from './outgoing.js'
import { PACKET_FRAMES_BYTES } from './protection.js'

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

  constructor(writer: Writer, acks: AckTracker, outgoing: Outgoing) {
    this.writer = writer
    this.acks = acks
    this.outgoing = outgoing
  }

  /** Whether anything waits that asks for an acknowledgement. */
  pending(): boolean {
    return this.pingDue || this.pathResponses.length > 0 || this.control.length > 0 || this.outgoing.pending()
  }

  /** What has been written, valid until more is. */
  frames(): Uint8Array {
    return this.writer.view()
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

  /**
   * Writes what asks for an acknowledgement. Lost chunks, new chunks and the rest never share a packet, so that each
   * datagram is a first transmission or is not.
   */
  content(chunks: Chunk[], control: Frame[]): Purpose {
    const response = this.pathResponses.shift()
    if (response !== undefined) {
      this.writer.bytes(encodeFrame({ kind: 'pathResponse', value: { data: response } }))
      return 'data'
    }
    for (let frame = this.control.shift(); frame !== undefined; frame = this.control.shift()) {
      this.writer.bytes(encodeFrame(frame))
      control.push(frame)
    }
    if (control.length > 0) return 'data'
    this.chunks(chunks, (room) => this.outgoing.takeLost(room))
    if (chunks.length > 0) return 'retransmission'
    this.chunks(chunks, (room, first) => this.outgoing.takeNew(room, first))
    if (chunks.length > 0) return 'data'
    if (!this.pingDue) return 'ackOnly'
    this.writer.bytes(encodeFrame({ kind: 'ping', value: {} }))
    return 'data'
  }

  close(reason: number): void {
    this.writer.bytes(encodeFrame({ kind: 'close', value: { reason } }))
  }

  private chunks(chunks: Chunk[], take: (roomBytes: number, first: boolean) => Chunk | undefined): void {
    let roomBytes = PACKET_FRAMES_BYTES - this.writer.written
    for (let chunk = take(roomBytes, true); chunk !== undefined; chunk = take(roomBytes, false)) {
      writeChunk(this.writer, chunk)
      roomBytes -= chunkBytes(chunk)
      chunks.push(chunk)
    }
  }
}
