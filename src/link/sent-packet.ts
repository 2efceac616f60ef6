/** A packet that asks for an acknowledgement, from the moment it leaves until its fate is known. */
import type { Millis } from '../base/time.js'
import type { Frame } from '../wire/frame.js'
import type { Chunk } from './outgoing.js'

export interface SentPacket {
  readonly number: number
  readonly sentAt: Millis
  readonly bytes: number
  readonly chunks: readonly Chunk[]
  readonly control: readonly Frame[]
  /** Sent to find out whether the path takes a packet of its size. */
  readonly mtuProbe: boolean
  /** Largest number that an ACK frame in it acknowledged. */
  readonly ackLargest: number | undefined
  state: 'inFlight' | 'acknowledged' | 'lost' | 'probed'
  /** When it was given up, lost or probed for. */
  retiredAt: Millis
  /** How matters stood when it left (draft-cheng-iccrg-delivery-rate-estimation section 3.2), filled in by `DeliveryRate`. */
  deliveredBytes: number
  deliveredAt: Millis
  firstSentAt: Millis
  /** The application, not the path, held data back. */
  appLimited: boolean
  /** It left when less was sent than the path carries: its loss is not of this end's making. */
  cautious: boolean
}

/** A packet that leaves now. */
export function sentPacket(
  number: number,
  sentAt: Millis,
  bytes: number,
  chunks: readonly Chunk[],
  control: readonly Frame[],
  ackLargest: number | undefined,
  mtuProbe = false,
): SentPacket {
  return {
    number,
    sentAt,
    bytes,
    chunks,
    control,
    ackLargest,
    mtuProbe,
    state: 'inFlight',
    retiredAt: sentAt,
    deliveredBytes: 0,
    deliveredAt: sentAt,
    firstSentAt: sentAt,
    appLimited: false,
    cautious: false,
  }
}
