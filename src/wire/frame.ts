/**
 * What stands in a protected packet: frames (PROTOCOL.md section 10.4). Kinds from 0x20 on carry a length of two bytes, so
 * that a later kind can be skipped; the highest bit marks one that must not be.
 */
import { limits } from '../base/limits.js'
import {
  type Format,
  type FormatValue,
  format,
  Malformed,
  type ParseResult,
  parseWhole,
  type Reader,
  Writer,
} from './codec.js'
import { bytes, counted, list, unsigned, varint } from './fields.js'

const MAX_NUMBER = 2 ** 32 - 1

export const ackRange = format('ack range', 'Packets below the range before it.', [
  ['gap', varint(MAX_NUMBER), 'packet numbers missing between the ranges, less one'],
  ['length', varint(MAX_NUMBER), 'packets in the range, less one'],
])

export const ping = format('ping', 'Asks for an acknowledgement and nothing else.', [])

export const ack = format(
  'ack',
  'Which packets have arrived (RFC 9000 section 19.3); none has a number below 0.',
  [
    ['largest', varint(MAX_NUMBER), 'largest packet number received'],
    ['delayUs', varint(2 ** 30 - 1), 'microseconds between its arrival and this frame'],
    ['first', varint(MAX_NUMBER), 'packets acknowledged below the largest without a gap'],
    ['ranges', list(ackRange, 1, limits.ackRanges - 1), 'further ranges downwards'],
  ],
  ({ largest, first, ranges }) => {
    // Between the smallest of a range and the largest of the next lie gap + 1 numbers (RFC 9000 section 19.3.1).
    const smallest = ranges.reduce((below, { gap, length }) => below - gap - 2 - length, largest - first)
    return smallest < 0 ? 'WIRE_VALUE' : undefined
  },
)

export const fragment = format(
  'fragment',
  'Part of a message: at least one byte, and not past the end of the message.',
  [
    ['message', varint(MAX_NUMBER), 'number of the message, counted from 0 in each direction'],
    ['totalBytes', varint(limits.messageBytes), 'bytes of the whole message'],
    ['offset', varint(limits.messageBytes), 'where the part stands in it'],
    ['data', counted(2, limits.datagramMaxBytes), 'the part'],
  ],
  (value) =>
    value.data.length === 0 || value.offset + value.data.length > value.totalBytes ? 'LINK_FRAGMENT_LIMIT' : undefined,
)

export const whole = format('whole', 'A message that fits one packet.', [
  ['message', varint(MAX_NUMBER), 'number of the message'],
  ['data', counted(2, limits.datagramMaxBytes), 'the message'],
])

export const closeReasons = { done: 0, idle: 1, refused: 2, goingAway: 3, protocol: 4, limit: 5 } as const
export type CloseReason = keyof typeof closeReasons

export const close = format('close', 'Ends the link.', [
  ['reason', unsigned(1), '0 done, 1 idle, 2 refused, 3 going away, 4 protocol, 5 limit'],
])

export const pathChallenge = format('path challenge', 'Asks the other end to prove that it reads at this address.', [
  ['data', bytes(8), 'random'],
])

export const pathResponse = format('path response', 'Answers a path challenge, with the same bytes.', [
  ['data', bytes(8), 'as challenged'],
])

export const rekey = format('rekey', 'Offers new packet keys, or answers such an offer (PROTOCOL.md section 10.2).', [
  ['index', bytes(4), 'random; names the session in packets towards the sender under the new keys'],
  ['ephemeral', bytes(32), 'fresh X25519 public key'],
])

export const resetToken = format('reset token', 'Gives the token by which a stateless reset of the session is known.', [
  ['index', bytes(4), 'the session in packets towards the sender'],
  ['token', bytes(16), 'secret; the key of the tag in a stateless reset'],
])

export const ackFrequency = format('ack frequency', 'Asks for fewer acknowledgements, or for more again.', [
  ['packets', unsigned(1, { min: 1, max: 255 }), 'acknowledge at once after so many packets that ask for it'],
])

export const frames = {
  ping,
  ack,
  fragment,
  whole,
  close,
  pathChallenge,
  pathResponse,
  rekey,
  resetToken,
  ackFrequency,
} as const

export const frameKinds = {
  ping: 0x01,
  ack: 0x02,
  fragment: 0x03,
  whole: 0x04,
  close: 0x05,
  pathChallenge: 0x06,
  pathResponse: 0x07,
  rekey: 0x08,
  resetToken: 0x09,
  ackFrequency: 0x0a,
} as const
export type FrameKind = keyof typeof frameKinds

export type Frame = {
  readonly [K in FrameKind]: { readonly kind: K; readonly value: FormatValue<(typeof frames)[K]> }
}[FrameKind]

const PADDING = 0x00
const CRITICAL = 0x80
/** Kinds from here on carry their length. */
const FIRST_WITH_LENGTH = 0x20
const kindByNumber = new Map(Object.entries(frameKinds).map(([kind, number]) => [number as number, kind as FrameKind]))

/**
 * Parses all frames of an opened packet; padding is skipped, unknown kinds as their bits say. One frame that does not
 * parse refuses the packet. The frames borrow from `opened`.
 */
export function parseFrames(opened: Uint8Array): ParseResult<Frame[]> {
  return parseWhole(opened, (reader) => {
    const parsed: Frame[] = []
    while (reader.remaining > 0) {
      const number = reader.number(1)
      if (number === PADDING) continue
      const kind = kindByNumber.get(number)
      if (kind === undefined) skipUnknown(number, reader)
      else parsed.push({ kind, value: (frames[kind] as Format<unknown>).read(reader) } as Frame)
    }
    return parsed
  })
}

function skipUnknown(number: number, reader: Reader): void {
  if (number & CRITICAL) throw new Malformed('WIRE_CRITICAL')
  if (number < FIRST_WITH_LENGTH) throw new Malformed('WIRE_KIND')
  reader.take(reader.number(2))
}

/** One frame as bytes. */
export function encodeFrame(frame: Frame): Uint8Array {
  const writer = new Writer()
  writer.number(frameKinds[frame.kind], 1)
  ;(frames[frame.kind] as Format<unknown>).write(writer, frame.value)
  return writer.finish()
}
