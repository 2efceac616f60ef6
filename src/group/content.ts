/**
 * Contents: signed by their sender, sealed for a group or an invited device, and on the other side descrambled, opened
 * and verified (PROTOCOL.md sections 3, 6 and 8.2). A failure at any step is one verdict, told to nobody.
 */
import { assert } from '../base/assert.js'
import {
  bigEndian,
  concat,
  fromBigEndian,
  type GroupId,
  type MessageId,
  messageId,
  type NodeId,
  type Scalar,
  toHex,
  wipe,
} from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { Identity, Sealing, Signing } from '../crypto/crypto.js'
import { type ContentKind, content as contentFormat, contentKinds, scrambledPayload } from '../wire/content.js'
import type { Group, Member, Opened, SealingTarget, VerifiedContent } from './group.js'

const NOTHING = new Uint8Array()
/** Bytes of the time in a message id; the other two are random. */
const TIME_BYTES = 6
const MESSAGE_ID_RANDOM_BYTES = 2
/** Entropy of one seal: `wide` of it is the scalar e. */
const SEAL_ENTROPY_BYTES = 64

/** What a content is sealed for, which its signature names too. */
export type SignedFor =
  | { readonly type: 'group'; readonly id: GroupId; readonly keys: SealingTarget }
  | { readonly type: 'invitation'; readonly keys: SealingTarget }

export interface ContentToSeal {
  readonly identity: Identity
  readonly sender: NodeId
  readonly signedFor: SignedFor
  readonly messageId: MessageId
  readonly kind: ContentKind
  readonly body: Uint8Array
  readonly paddingBytes: number
}

/** A content as it parsed; who sent it is still to be verified. */
export type ParsedContent = {
  readonly sender: NodeId
  readonly signature: Uint8Array
  readonly messageId: MessageId
  readonly kind: ContentKind
  readonly body: Uint8Array
}

/** A fresh message id, dated `now`. */
export function newMessageId(random: RandomBytes, now: Millis): MessageId {
  return messageId(concat(bigEndian(Math.floor(now), TIME_BYTES), random(MESSAGE_ID_RANDOM_BYTES)))
}

/** When a message was sent, as its sender's clock had it. */
export function messageTime(id: MessageId): Millis {
  return fromBigEndian(id.subarray(0, TIME_BYTES))
}

/** `MESSAGE_AGE` for a message so old that its id may have been forgotten, or dated ahead of any honest clock. */
export function checkAge(id: MessageId, now: Millis): DropCode | undefined {
  const sentAt = messageTime(id)
  const fits = sentAt >= now - limits.messageLifeMs && sentAt <= now + limits.clockSkewMs
  return fits ? undefined : 'MESSAGE_AGE'
}

/** The signed content, sealed; the signature leaves out the padding, so that a message sent again keeps it. */
export function sealContent(crypto: Signing & Sealing, random: RandomBytes, toSeal: ContentToSeal): Uint8Array {
  const { identity, sender, signedFor, kind, body, paddingBytes } = toSeal
  const fields = { sender, messageId: toSeal.messageId, kind, body }
  const signature = crypto.sign(identity, ...signedParts(signedFor, fields))
  const plaintext = contentFormat.encode({ ...fields, signature, paddingBytes })
  const { publicPoint, symmetric } = signedFor.keys
  const entropy = random(SEAL_ENTROPY_BYTES)
  const sealed = crypto.seal(publicPoint, contentContext(symmetric), plaintext, entropy)
  wipe(entropy)
  assert(sealed !== undefined, 'the point that a content is sealed for has been checked')
  return sealed
}

/**
 * Undoes P2's scrambling with the first private key that fits; `index` says which. `payload` is E_i and what P2 sealed.
 * `undefined` where no key opens it or it does not parse.
 */
export function descramble(
  crypto: Sealing,
  privateKeys: readonly Scalar[],
  payload: Uint8Array,
): { index: number; content: Uint8Array; personalPart: Uint8Array } | undefined {
  const opened = crypto.openAny(privateKeys, { label: labels.scramble, associated: NOTHING }, payload)
  if (opened === undefined) return undefined
  const parsed = scrambledPayload.parse(opened.plaintext)
  if (!parsed.ok) return undefined
  return { index: opened.index, content: parsed.value.content, personalPart: parsed.value.personalPart }
}

/** Opens and parses a content; `undefined` for any failure. */
export function openContent(
  crypto: Sealing,
  keys: { readonly privateKey: Scalar } & Pick<SealingTarget, 'symmetric'>,
  content: Uint8Array,
): ParsedContent | undefined {
  const plaintext = crypto.open(keys.privateKey, contentContext(keys.symmetric), content)
  if (plaintext === undefined) return undefined
  const parsed = contentFormat.parse(plaintext)
  return parsed.ok ? parsed.value : undefined
}

/** Whether a content carries its sender's signature. */
export function signedBy(crypto: Signing, sender: Member, signedFor: SignedFor, content: ParsedContent): boolean {
  return crypto.verify(sender.record.identityKey, content.signature, ...signedParts(signedFor, content))
}

/** Opens, parses and verifies a content of a group: `MESSAGE_CONTENT`, `MESSAGE_SENDER` or `MESSAGE_SIGNATURE` if not. */
export function openGroupContent(
  crypto: Signing & Sealing,
  group: Group,
  content: Uint8Array,
): Opened<VerifiedContent> {
  const parsed = openContent(crypto, group.keys, content)
  if (parsed === undefined) return { ok: false, code: 'MESSAGE_CONTENT' }
  const sender = senderOf(group, parsed)
  if (sender === undefined) return { ok: false, code: 'MESSAGE_SENDER' }
  const signedFor = { type: 'group', id: group.id, keys: group.keys } as const
  if (!signedBy(crypto, sender, signedFor, parsed)) return { ok: false, code: 'MESSAGE_SIGNATURE' }
  const { messageId, kind, body } = parsed
  return { ok: true, value: { sender, messageId, kind, body } }
}

/** A member, or somebody whom this device invited and who says no more than that the invitation was taken. */
function senderOf(group: Group, content: ParsedContent): Member | undefined {
  const id = toHex(content.sender)
  const member = group.list.members.get(id)
  if (member !== undefined || content.kind !== 'confirmation') return member
  const invited = group.pending.get(id)
  return invited && { id: invited.newcomer, record: invited.record }
}

function contentContext(symmetric: SealingTarget['symmetric']) {
  return { label: labels.content, associated: NOTHING, symmetric }
}

function signedParts(signedFor: SignedFor, content: Omit<ParsedContent, 'signature'>): Uint8Array[] {
  const { sender, messageId, kind, body } = content
  const common = [sender, messageId, Uint8Array.of(contentKinds[kind]), body]
  switch (signedFor.type) {
    case 'group':
      return [labels.messageSignature, signedFor.id, signedFor.keys.publicPoint, ...common]
    case 'invitation':
      return [labels.invitationSignature, signedFor.keys.publicPoint, ...common]
    default:
      return signedFor satisfies never
  }
}
