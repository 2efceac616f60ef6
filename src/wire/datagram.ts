/**
 * What stands in a UDP datagram: link handshakes, cookie replies and protected packets (PROTOCOL.md section 10).
 * The first byte holds version (high four bits) and kind (low four).
 */
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type Format, type FormatValue, format, type ParseResult } from './codec.js'
import { bytes, rest, TAG_BYTES, unsigned } from './fields.js'

const VERSION = 1

/** Bytes of a packet before its sealed frames. */
const PACKET_HEAD_BYTES = 9

export const datagramKinds = {
  handshakeInit: 1,
  handshakeResponse: 2,
  cookieReply: 3,
  packet: 4,
  statelessReset: 5,
} as const
export type DatagramKind = keyof typeof datagramKinds

function head(kind: DatagramKind) {
  const value = headByte(kind)
  return [
    'head',
    unsigned(1, { min: value, max: value }),
    `0x${value.toString(16)}: version ${VERSION}, kind ${datagramKinds[kind]}`,
  ] as const
}

/** The first byte of a datagram of this kind. */
export function headByte(kind: DatagramKind): number {
  return (VERSION << 4) | datagramKinds[kind]
}

export const handshakeInit = format('handshake init', 'Opens a link: the first message of Noise_NK.', [
  head('handshakeInit'),
  ['senderIndex', bytes(4), 'random; names the session in packets towards the sender'],
  ['ephemeral', bytes(32), 'Noise e'],
  ['tag', bytes(16), 'AEAD of the empty payload'],
  ['mac', bytes(16), 'first 16 bytes of HMAC(H("lm" || responder link key), all before)'],
  ['cookieMac', bytes(16), 'first 16 bytes of HMAC(cookie, all before), or zero without a cookie'],
])

export const handshakeResponse = format(
  'handshake response',
  'Answers a handshake init: the second message of Noise_NK.',
  [
    head('handshakeResponse'),
    ['senderIndex', bytes(4), 'random; names the session in packets towards the responder'],
    ['receiverIndex', bytes(4), 'senderIndex of the init'],
    ['ephemeral', bytes(32), 'Noise e'],
    ['tag', bytes(16), 'AEAD of the empty payload'],
  ],
)

export const cookieReply = format('cookie reply', 'Sent instead of a response while the responder is under load.', [
  head('cookieReply'),
  ['receiverIndex', bytes(4), 'senderIndex of the init'],
  ['nonce', bytes(12), 'random'],
  ['sealedCookie', bytes(32), 'AEAD(H("lc" || responder link key), nonce, mac of the init, 16-byte cookie)'],
])

export const packet = format(
  'packet',
  'Frames, protected under the session named by receiverIndex: 25 bytes over its frames.',
  [
    head('packet'),
    ['receiverIndex', bytes(4), 'the session'],
    ['maskedNumber', bytes(4), 'packet number xor the mask of PROTOCOL.md section 10.3'],
    ['sealedFrames', rest(limits.datagramMaxBytes - PACKET_HEAD_BYTES, TAG_BYTES), 'AEAD of the frames'],
  ],
)

export const statelessReset = format(
  'stateless reset',
  'Says that the session is gone; only its other end can tell that it is true.',
  [
    head('statelessReset'),
    ['receiverIndex', bytes(4), 'the session as the peer named it'],
    ['unpredictable', bytes(4), 'random'],
    ['token', bytes(16), 'first 16 bytes of HMAC(reset token, unpredictable), PROTOCOL.md section 10.6'],
  ],
)

export const datagrams = { handshakeInit, handshakeResponse, cookieReply, packet, statelessReset } as const

export type Datagram = {
  readonly [K in DatagramKind]: { readonly kind: K; readonly value: FormatValue<(typeof datagrams)[K]> }
}[DatagramKind]

const kindByNumber = new Map(
  Object.entries(datagramKinds).map(([kind, number]) => [number as number, kind as DatagramKind]),
)

/** Parses any datagram. Nothing is authenticated yet. The value borrows from `received`. */
export function parseDatagram(received: Uint8Array): ParseResult<Datagram> {
  const first = received[0]
  if (first === undefined) return refused('WIRE_EMPTY')
  if (first >> 4 !== VERSION) return refused('WIRE_VERSION')
  const kind = kindByNumber.get(first & 0xf)
  if (kind === undefined) return refused('WIRE_KIND')
  const parsed = (datagrams[kind] as Format<unknown>).parse(received)
  return parsed.ok ? { ok: true, value: { kind, value: parsed.value } as Datagram } : parsed
}

function refused(code: DropCode): { readonly ok: false; readonly code: DropCode } {
  return { ok: false, code }
}
