/**
 * What neighbours say to each other over a link: the messages that packets carry, whole or in fragments
 * (PROTOCOL.md sections 5, 7, 9 and 10.5). The first byte is the kind; its highest bit marks a kind that may not be ignored.
 */
import { identityKey, nodeId, point, signature } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import {
  type FieldObserver,
  type Format,
  type FormatValue,
  format,
  type ParseResult,
  parseWhole,
  Writer,
} from './codec.js'
import { SEAL_BYTES } from './content.js'
import { networkAddress, proxyEntry, sealingKey } from './directory.js'
import { bytes, choice, counted, list, nested, rest, TAG_BYTES, unsigned } from './fields.js'

/** What an identity speaks as. */
export const roles = { device: 1, proxy: 2 } as const
export type RoleName = keyof typeof roles

const EXTENSION_BYTES = 255
/** What CS answers for a copy. */
export const TOKEN_BYTES = 4
const TOKENS_BYTES = limits.copies * TOKEN_BYTES
/** Of R: by these bytes S, P1 and P2 name a request to each other; all three hold R anyway. */
export const TICKET_BYTES = 16
/** The reference of a copy whose sender will ask its first proxy for the answer. */
export const ASKED_FOR = 0

export const identityProof = format('identity proof', 'Says who the initiator of the link is.', [
  ['role', choice(roles), '1 device, 2 proxy'],
  ['identityKey', bytes(32, identityKey), 'Ed25519'],
  ['accessCode', bytes(2), "a device's access code; zero for a proxy"],
  ['signature', bytes(64, signature), 'over "lp" || handshake hash || role || identity key || access code'],
])

export const directoryRequest = format('directory request', 'Asks for a directory newer than the one held.', [
  ['version', unsigned(6), 'version held; 0 for none'],
])

export const directoryReply = format('directory reply', 'The signed directory.', [
  ['directory', rest(limits.messageBytes), 'as in *directory*'],
])

export const removedProxy = format('removed proxy', 'An entry that is gone.', [
  ['id', bytes(8, nodeId), 'id of the proxy'],
])

export const directoryDelta = format('directory delta', 'What a directory changes against an earlier version.', [
  ['fromVersion', unsigned(6), 'version it applies to'],
  ['version', unsigned(6), 'version it leads to'],
  ['issuedAt', unsigned(6), 'as in *directory*'],
  ['validUntil', unsigned(6), 'as in *directory*'],
  ['sealingKeys', list(sealingKey, 1, 3, 1), 'as in *directory*'],
  ['removed', list(removedProxy, 2, limits.proxies), 'entries gone'],
  ['added', list(proxyEntry, 2, limits.proxies), 'entries new or changed'],
  ['signature', bytes(64, signature), 'signature of the directory of `version`'],
])

/** Whether somebody says that the addresses of a proxy can be reached, or that is for others to find out. */
export const vouchings = { operator: 1, nobody: 2 } as const
export type ProxyVouching = keyof typeof vouchings

export const proxyAnnouncement = format('proxy announcement', 'A proxy asks to be listed.', [
  ['vouching', choice(vouchings), '1 its operator says that it is reached, 2 that is to be found out'],
  ['entry', nested(proxyEntry), 'signed by the proxy'],
])

export const forward = format(
  'forward',
  'Hands `message` to the next hop: S to P1, P2 to P3, and S to P1 in double-proxy mode.',
  [
    ['nextHop', bytes(8, nodeId), 'id of a listed proxy or of CS'],
    ['extension', counted(1, EXTENSION_BYTES), 'empty today'],
    ['message', rest(limits.messageBytes), 'a *request* for a proxy, a *copy* for CS; nothing else'],
  ],
)

export const request = format('request', 'What S sealed for P2.', [
  ['ephemeral', bytes(32, point), 'R'],
  ['sealed', rest(limits.messageBytes, TAG_BYTES), 'AEAD of the *request body* under K2'],
])

export const copy = format('copy', 'One sealed copy for CS.', [
  [
    'reference',
    unsigned(4),
    'chosen by the sender of this message, 0 where it will ask (5.1); comes back in the answer',
  ],
  ['extension', counted(1, EXTENSION_BYTES), 'empty today'],
  ['sealed', rest(limits.messageBytes, SEAL_BYTES), 'sealed_i of PROTOCOL.md section 5'],
])

export const copyAnswer = format('copy answer', 'What CS says of one copy.', [
  ['reference', unsigned(4), 'as in *copy*'],
  ['token', bytes(TOKEN_BYTES), 'token_i, or random bytes for what did not open'],
])

export const copyAnswers = format('copy answers', 'What CS says of copies, in batches.', [
  ['answers', list(copyAnswer, 2, limits.copies), 'in any order'],
])

export const busy = format('busy', 'A message was refused for want of room; try again later, elsewhere.', [
  ['message', unsigned(4), 'number of the link message that is refused'],
])

export const receipts = format(
  'receipts',
  'P2 to P1: the tokens of a request, in slot order, random bytes where there is none.',
  [
    ['ticket', bytes(TICKET_BYTES), 'first 16 bytes of R'],
    ['tokens', rest(TOKENS_BYTES, TOKEN_BYTES), '4 bytes each; as long as the request has it, a power of two'],
  ],
  ({ tokens }) => powerOfTwo(tokens.length),
)

export const receiptRequest = format(
  'receipt request',
  'S to P1: asks for the tokens of a request.',
  [
    ['ticket', bytes(TICKET_BYTES), 'first 16 bytes of R'],
    [
      'tokenBytes',
      unsigned(2, { min: TOKEN_BYTES, max: TOKENS_BYTES }),
      'bytes wanted, as the request has it, a power of two',
    ],
  ],
  ({ tokenBytes }) => powerOfTwo(tokenBytes),
)

export const receiptReply = format(
  'receipt reply',
  'P1 to S: as many bytes as were asked for, random where there are no tokens.',
  [
    ['ticket', bytes(TICKET_BYTES), 'first 16 bytes of R'],
    ['tokens', rest(TOKENS_BYTES, TOKEN_BYTES), 'as in *receipts*'],
  ],
  ({ tokens }) => powerOfTwo(tokens.length),
)

export const delivery = format('delivery', 'CS to T: one copy out of its mailbox.', [
  ['number', unsigned(6), 'names the copy in its mailbox'],
  ['payload', rest(limits.messageBytes, SEAL_BYTES), 'payload_i of PROTOCOL.md section 5'],
])

export const deliveryNumber = format('delivery number', 'One copy.', [['number', unsigned(6), 'as in *delivery*']])

export const deliveryConfirmation = format(
  'delivery confirmation',
  'T to CS: these are written to disk here and may be deleted there.',
  [['numbers', list(deliveryNumber, 2, limits.deliveriesInFlight), 'of deliveries']],
)

export const mailboxEmpty = format(
  'mailbox empty',
  'CS to T: all that waited when this link came up has been delivered and confirmed.',
  [],
)

export const dialBack = format('dial back', 'CS asks a proxy to try to reach an address.', [
  ['nonce', bytes(8), 'random'],
  ['identityKey', bytes(32, identityKey), 'of the node to be reached'],
  ['address', nested(networkAddress), 'where'],
])

export const dialBackResult = format('dial back result', 'Whether it was reached.', [
  ['nonce', bytes(8), 'as asked'],
  ['reached', choice({ yes: 1, no: 2 }), '1 yes, 2 no'],
])

export const standingStates = { candidate: 1, listed: 2, demoted: 3 } as const
export type StandingState = keyof typeof standingStates

export const standingReasons = {
  unchecked: 1,
  tooFew: 2,
  reached: 3,
  unreached: 4,
  undecided: 5,
  elsewhere: 6,
  full: 7,
} as const
export type StandingReason = keyof typeof standingReasons

export const proxyStanding = format('proxy standing', 'CS tells a proxy where it sees it, and whether it lists it.', [
  ['address', nested(networkAddress), 'where the link comes from'],
  ['state', choice(standingStates), '1 candidate, 2 listed, 3 demoted'],
  [
    'reason',
    choice(standingReasons),
    '1 not checked yet, 2 too few proxies to ask, 3 reached, 4 not reached, 5 not decided, 6 none of its addresses is that of its link, 7 the directory is full',
  ],
  ['reached', unsigned(1), 'of the last round: proxies that reached it'],
  ['unreached', unsigned(1), 'and that did not'],
])

export const messages = {
  identityProof,
  directoryRequest,
  directoryReply,
  directoryDelta,
  proxyAnnouncement,
  forward,
  request,
  copy,
  copyAnswers,
  busy,
  receipts,
  receiptRequest,
  receiptReply,
  delivery,
  deliveryConfirmation,
  mailboxEmpty,
  dialBack,
  dialBackResult,
  proxyStanding,
} as const

export const messageKinds = {
  identityProof: 0x01,
  directoryRequest: 0x02,
  directoryReply: 0x03,
  directoryDelta: 0x04,
  proxyAnnouncement: 0x05,
  forward: 0x10,
  request: 0x11,
  copy: 0x12,
  copyAnswers: 0x13,
  busy: 0x14,
  receipts: 0x15,
  receiptRequest: 0x16,
  receiptReply: 0x17,
  delivery: 0x20,
  deliveryConfirmation: 0x21,
  mailboxEmpty: 0x22,
  dialBack: 0x30,
  dialBackResult: 0x31,
  proxyStanding: 0x32,
} as const

export type MessageKind = keyof typeof messageKinds
export type MessageOf<K extends MessageKind> = { readonly kind: K; readonly value: FormatValue<(typeof messages)[K]> }
/** A link message, parsed. */
export type Message = { readonly [K in MessageKind]: MessageOf<K> }[MessageKind]

const CRITICAL = 0x80
const kindByNumber = new Map(
  Object.entries(messageKinds).map(([kind, number]) => [number as number, kind as MessageKind]),
)

/** Parses a link message; each field read is reported to `observe`. The value borrows from `received`. */
export function parseMessage(received: Uint8Array, observe?: FieldObserver): ParseResult<Message> {
  const first = received[0]
  if (first === undefined) return { ok: false, code: 'WIRE_EMPTY' }
  if (received.length > limits.messageBytes) return { ok: false, code: 'WIRE_LIMIT' }
  const kind = kindByNumber.get(first)
  if (kind === undefined) return { ok: false, code: unknownCode(first) }
  const parsed = parseWhole<unknown>(received.subarray(1), (reader) =>
    (messages[kind] as Format<unknown>).read(reader, observe),
  )
  return parsed.ok ? { ok: true, value: { kind, value: parsed.value } as Message } : parsed
}

/** Lengths of tokens come in powers of two, so that they do not tell the number of recipients. */
function powerOfTwo(lengthBytes: number): DropCode | undefined {
  return (lengthBytes & (lengthBytes - 1)) === 0 ? undefined : 'WIRE_VALUE'
}

function unknownCode(first: number): DropCode {
  return first & CRITICAL ? 'WIRE_CRITICAL' : 'WIRE_KIND'
}

/** A link message as bytes. */
export function encodeMessage<K extends MessageKind>(kind: K, value: MessageOf<K>['value']): Uint8Array {
  const writer = new Writer()
  writer.number(messageKinds[kind], 1)
  ;(messages[kind] as unknown as Format<unknown>).write(writer, value)
  return writer.finish()
}
