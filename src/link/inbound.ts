/**
 * What arrives in opened packets: frames are taken in order, parts of messages put together, and all of it owed an
 * acknowledgement unless a part could not be kept (PROTOCOL.md sections 10.4 and 10.5).
 */
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import { type CloseReason, closeReasons, type Frame, parseFrames } from '../wire/frame.js'
import type { AckTracker } from './acks.js'
import type { Part, Reassembly } from './reassembly.js'

/** Why a session must end: what the peer said, or what it did wrong and has to be told. */
export interface Ending {
  readonly reason: CloseReason
  readonly tellPeer: boolean
}

/** Frames that are about the session itself. */
export type SessionFrame = Exclude<Frame, { readonly kind: 'ping' | 'fragment' | 'whole' | 'close' }>

/** What becomes of them; a code is a violation. */
export interface InboundSink {
  frame(now: Millis, frame: SessionFrame): DropCode | undefined
  message(number: number, message: Uint8Array): void
  drop(code: DropCode): void
}

const reasonByNumber = new Map(
  Object.entries(closeReasons).map(([reason, number]) => [number as number, reason as CloseReason]),
)

export class Inbound {
  private readonly acks: AckTracker
  private readonly reassembly: Reassembly
  private readonly sink: InboundSink

  constructor(acks: AckTracker, reassembly: Reassembly, sink: InboundSink) {
    this.acks = acks
    this.reassembly = reassembly
    this.sink = sink
  }

  /** Takes the frames of an opened packet; says if the session has to end with it. */
  take(now: Millis, number: number, opened: Uint8Array): Ending | undefined {
    const parsed = parseFrames(opened)
    if (!parsed.ok) return this.violation(parsed.code)
    let eliciting = false
    let stored = true
    let acks = 0
    for (const frame of parsed.value) {
      if (frame.kind === 'ack' && ++acks > limits.acksPerPacket) continue
      const result = this.takeFrame(now, frame)
      if (result === 'refused') stored = false
      else if (result !== undefined) return result
      eliciting ||= frame.kind !== 'ack'
    }
    // A packet with a part that was not stored must not be acknowledged: its sender keeps the part.
    if (stored) this.acks.onPacket(number, eliciting, now)
    return undefined
  }

  private takeFrame(now: Millis, frame: Frame): Ending | 'refused' | undefined {
    switch (frame.kind) {
      case 'ping':
        return undefined
      case 'fragment':
        return this.takePart(now, frame.value)
      case 'whole': {
        const { message, data } = frame.value
        return this.takePart(now, { message, data, offset: 0, totalBytes: data.length })
      }
      case 'close':
        return { reason: reasonByNumber.get(frame.value.reason) ?? 'goingAway', tellPeer: false }
      default: {
        const code = this.sink.frame(now, frame)
        return code === undefined ? undefined : this.violation(code)
      }
    }
  }

  private takePart(now: Millis, part: Part): Ending | 'refused' | undefined {
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
    return { reason: 'protocol', tellPeer: true }
  }
}
