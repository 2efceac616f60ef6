/**
 * Contents: signed by their sender, sealed for a group, an invited device or one member alone, and on the other side descrambled,
 * opened and verified (PROTOCOL.md sections 3, 6, 8.2 and 8.7). A failure at any step is one verdict, told to nobody.
 */
import { assert } from '../base/assert.js'
import {
  bigEndian,
  concat,
  type Digest,
  fromBigEndian,
  type GroupId,
  type IdentityKey,
  type MessageId,
  messageId,
  type NodeId,
  type Point,
  point,
  type Scalar,
  type Signature,
  toHex,
  wipe,
} from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { Hashing, Identity, Sealing, Signing } from '../crypto/crypto.js'
import {
  type ContentKind,
  content as contentFormat,
  contentKinds,
  personalBody,
  scrambledPayload,
} from '../wire/content.js'
import type { Group, LiveKeys, Member, Opened, SealingTarget, VerifiedContent } from './group.js'
import { departedAt, knownById } from './history.js'
import { memberById } from './member-list.js'

const NOTHING = new Uint8Array()
/** Bytes of the time in a message id; the other two are random. */
const TIME_BYTES = 6
const MESSAGE_ID_RANDOM_BYTES = 2
/** A personal content is signed for its recipient's key, so the point it is sealed for is not looked at. */
const NO_POINT = point(new Uint8Array(32))
/** Entropy of one seal: `wide` of it is the scalar e. */
const SEAL_ENTROPY_BYTES = 64

/** What a content is sealed for, which its signature names too. */
export type SignedFor =
  | { readonly type: 'group'; readonly id: GroupId; readonly keys: SealingTarget }
  | { readonly type: 'invitation'; readonly keys: SealingTarget }
  /** `keys` hold the identity point of the recipient, and nothing symmetric. */
  | {
      readonly type: 'personal'
      readonly id: GroupId
      readonly recipient: IdentityKey
      readonly keys: SealingTarget
    }

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
  readonly signature: Signature
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

/**
 * Covers the personal part of a member, and uncovers it. A message that goes again brings the same parts, by which P2 would know
 * its requests to be of one message: so each goes under a stream of this member's and this sealing of the content alone.
 */
export function coverPart(
  crypto: Hashing,
  { symmetric }: SealingTarget,
  content: Uint8Array,
  member: NodeId,
  part: Uint8Array,
): Uint8Array {
  if (part.length === 0 || symmetric === undefined) return part
  const fresh = content.subarray(0, NO_POINT.length)
  const stream = crypto.hkdf(symmetric, fresh, concat(labels.partCover, member), part.length)
  return part.map((byte, at) => byte ^ (stream[at] as number))
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

/** Opens, parses and verifies a content of a group under keys of one day: see `verifyGroupContent`. */
export function openGroupContent(
  crypto: Signing & Sealing,
  group: Group,
  content: Uint8Array,
  keys: LiveKeys | undefined = group.live.find(({ publicPoint }) => publicPoint === group.keys.publicPoint),
  personalPart: Uint8Array = NOTHING,
): Opened<VerifiedContent> {
  const parsed = keys && openContent(crypto, keys, content)
  if (keys === undefined || parsed === undefined) return { ok: false, code: 'MESSAGE_CONTENT' }
  return verifyGroupContent(
    crypto,
    group,
    { parsed, publicPoint: keys.publicPoint, epoch: keys.epoch.tag },
    personalPart,
  )
}

/** A content of a group as it opened, and under what. */
export interface OpenedContent {
  readonly parsed: ParsedContent
  /** G of the day. */
  readonly publicPoint: Point
  /** Tag of the epoch. */
  readonly epoch: Digest
}

/**
 * Who really sent it: `MESSAGE_SENDER` where that is nobody known here yet, `MESSAGE_DEPARTED` where it is somebody who had
 * departed by then, `MESSAGE_SIGNATURE` where it is not signed, for this group and these keys, by who it says.
 */
export function verifyGroupContent(
  crypto: Signing,
  group: Group,
  { parsed, publicPoint, epoch }: OpenedContent,
  personalPart: Uint8Array = NOTHING,
): Opened<VerifiedContent> {
  const sender = knownById(group.list, parsed.sender)
  if (sender === undefined) return { ok: false, code: 'MESSAGE_SENDER' }
  if (isTooLate(group, parsed)) return { ok: false, code: 'MESSAGE_DEPARTED' }
  const signedFor = { type: 'group', id: group.id, keys: { publicPoint } } as const
  if (!signedBy(crypto, sender, signedFor, parsed)) return { ok: false, code: 'MESSAGE_SIGNATURE' }
  const { messageId, kind, body } = parsed
  return { ok: true, value: { sender, messageId, kind, body, personalPart, epoch } }
}

/** Whether its sender is no member, and had departed when it dated this. */
function isTooLate(group: Group, { sender, kind, messageId }: ParsedContent): boolean {
  const at = departedAt(group.list, sender)
  if (at === undefined) return memberById(group.list, sender) === undefined
  // Two that remove each other at one time must both be heard.
  const graceMs = kind === 'members' || kind === 'rekey' ? limits.departedGraceMs : 0
  return messageTime(messageId) > at + graceMs
}

const personalKinds: readonly ContentKind[] = ['confirmation', 'question', 'answer', 'earlier', 'members']

/** A content for this device alone, as it parsed, and the group that it says it is of. */
export interface PersonalContent {
  readonly groupId: GroupId
  readonly content: ParsedContent
}

/** Opens and parses what is sealed for an identity; `undefined` for any failure. */
export function openPersonalContent(
  crypto: Sealing,
  identity: Identity,
  content: Uint8Array,
): PersonalContent | undefined {
  const parsed = openContent(crypto, { privateKey: identity.secretScalar }, content)
  if (parsed === undefined || !personalKinds.includes(parsed.kind)) return undefined
  const body = personalBody.parse(parsed.body)
  return body.ok ? { groupId: body.value.groupId, content: parsed } : undefined
}

/**
 * Whether a content for this device alone is from a member of the group, or, where it confirms an invitation, from who was invited.
 * Anybody can seal for an identity point, so nothing else is looked at before this.
 */
export function verifyPersonalContent(
  crypto: Signing,
  group: Group,
  recipient: IdentityKey,
  { content }: PersonalContent,
): Opened<VerifiedContent> {
  const sender = personalSender(group, content)
  if (sender === undefined) {
    // Who was removed may not know it, and ask.
    const hasDeparted = departedAt(group.list, content.sender) !== undefined
    return { ok: false, code: hasDeparted ? 'MESSAGE_DEPARTED' : 'MESSAGE_SENDER' }
  }
  const signedFor = { type: 'personal', id: group.id, recipient, keys: { publicPoint: NO_POINT } } as const
  if (!signedBy(crypto, sender, signedFor, content)) return { ok: false, code: 'MESSAGE_SIGNATURE' }
  const { messageId, kind } = content
  const body = personalBody.parse(content.body)
  if (!body.ok) return { ok: false, code: 'MESSAGE_CONTENT' }
  return {
    ok: true,
    value: { sender, messageId, kind, body: body.value.body, personalPart: NOTHING, epoch: undefined },
  }
}

function personalSender(group: Group, { sender, kind }: ParsedContent): Member | undefined {
  const member = memberById(group.list, sender)
  if (member !== undefined || kind !== 'confirmation') return member
  const invited = group.pending.get(toHex(sender))
  return invited && { id: invited.newcomer, record: invited.record }
}

/** What a content is kept as until its sender is known: the plaintext, so that no key has to be kept for it. */
export function encodeParsed(parsed: ParsedContent): Uint8Array {
  return contentFormat.encode({ ...parsed, paddingBytes: 0 })
}

/** What `encodeParsed` made. */
export function decodeParsed(kept: Uint8Array): ParsedContent | undefined {
  const parsed = contentFormat.parse(kept)
  return parsed.ok ? parsed.value : undefined
}

function contentContext(symmetric: SealingTarget['symmetric']) {
  return { label: labels.content, associated: NOTHING, ...(symmetric && { symmetric }) }
}

function signedParts(signedFor: SignedFor, content: Omit<ParsedContent, 'signature'>): Uint8Array[] {
  const { sender, messageId, kind, body } = content
  const common = [sender, messageId, Uint8Array.of(contentKinds[kind]), body]
  switch (signedFor.type) {
    case 'group':
      return [labels.messageSignature, signedFor.id, signedFor.keys.publicPoint, ...common]
    case 'invitation':
      return [labels.invitationSignature, signedFor.keys.publicPoint, ...common]
    case 'personal':
      return [labels.personalSignature, signedFor.id, signedFor.recipient, ...common]
    default:
      return signedFor satisfies never
  }
}
