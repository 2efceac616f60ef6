/**
 * From a message and a choice of proxies to the bytes for P1: content sealed for its readers, request sealed for P2,
 * forward for P1 (PROTOCOL.md sections 3 to 6). Each try of a message makes all of it anew: fresh keys, fresh slots.
 */
import { concat, equal, fromHex, nodeId, type Point } from '../../base/bytes.js'
import { type Millis, slotWindow, utcDay } from '../../base/time.js'
import { coverPart, type SignedFor, sealContent } from '../../group/content.js'
import { withDecoys } from '../../group/decoys.js'
import { assembleDirect } from '../../group/direct.js'
import { sealingKeys } from '../../group/epochs.js'
import { nodeIdOf } from '../../group/identity.js'
import { unheldPoint } from '../../group/keys.js'
import { directPadding, paddingThatFits } from '../../group/padding.js'
import { type AssembledRequest, assembleRequest, type Recipient } from '../../group/request.js'
import { CONTENT_OVERHEAD_BYTES } from '../../group/sizes.js'
import { encodeMessage } from '../../wire/message.js'
import type { ListedProxy, VerifiedDirectory } from '../server-link.js'
import type { DeviceCore } from './core.js'
import type { Draft } from './outbox.js'
import type { Addressee } from './records.js'

export interface MadeRequest {
  /** The link message for P1. */
  readonly forward: Uint8Array
  readonly assembled: AssembledRequest
  readonly contentPaddingBytes: number
}

const NO_EXTENSION = new Uint8Array(0)

/**
 * Without a second proxy the copy is made here, for the one recipient there is. `undefined` where a key is missing or does not
 * decode. Throws `BODY_TOO_LARGE`.
 */
export function makeRequest(
  core: DeviceCore,
  now: Millis,
  draft: Draft,
  to: readonly Addressee[],
  second: ListedProxy | undefined,
  directory: VerifiedDirectory,
): MadeRequest | undefined {
  const { crypto, random, self, server } = core.options
  const day = utcDay(now)
  const serverKey = directory.serverSealingKeys.get(day)
  const splitterKey = second?.sealingKeys.get(day)
  const recipients = second === undefined ? to : slotsFor(core, draft, to)
  const contentPaddingBytes =
    second === undefined
      ? directPadding(draft.padding, draft.body.length)
      : paddingThatFits(draft.padding, draft.body.length, recipients.length, partBytesOf(draft))
  const sealed = draft.cover
    ? coverContent(core, draft, contentPaddingBytes)
    : sealedContent(core, now, draft, contentPaddingBytes)
  if (serverKey === undefined || sealed === undefined) return undefined
  const plan = { serverKey, ...sealed, window: slotWindow(now) }
  const [only] = recipients
  const assembled =
    second === undefined
      ? only && assembleDirect(crypto, random, { ...plan, recipient: only })
      : splitterKey &&
        assembleRequest(crypto, random, {
          ...plan,
          splitterKey,
          recipients,
          self: self.id,
          mode: draft.padding,
        })
  if (assembled === undefined) return undefined
  const nextHop = second?.id ?? nodeIdOf(crypto, server.identityKey)
  const forward = encodeMessage('forward', { nextHop, extension: NO_EXTENSION, message: assembled.message })
  return { forward, assembled, contentPaddingBytes }
}

/** Whom the slots are for: those to send to, none of them real in cover, and what rounds their number up. */
function slotsFor({ options }: DeviceCore, draft: Draft, to: readonly Addressee[]): Recipient[] {
  const { self } = options
  const { cover, decoys, body } = draft
  const recipients = cover ? to.map((each) => ({ ...each, decoy: !equal(each.id, self.id) })) : to
  return withDecoys(decoys ?? options.decoys ?? 'none', recipients, body.length, partBytesOf(draft))
}

/** The content, and the key that its copies are scrambled for. */
interface Sealed {
  readonly content: Uint8Array
  readonly groupKey: Point
  /** The draft's, covered. */
  readonly parts?: ReadonlyMap<string, Uint8Array>
}

function partBytesOf({ parts }: Draft): number {
  return parts?.values().next().value?.length ?? 0
}

function sealedContent(core: DeviceCore, now: Millis, draft: Draft, paddingBytes: number): Sealed | undefined {
  const { crypto, random, self } = core.options
  const { messageId, kind, body } = draft
  const signedFor = signedForOf(core, now, draft)
  if (signedFor === undefined) return undefined
  const content = sealContent(crypto, random, {
    identity: self.identity,
    sender: self.id,
    signedFor,
    messageId,
    kind,
    body,
    paddingBytes,
  })
  const covered = (id: string, part: Uint8Array) =>
    coverPart(crypto, signedFor.keys, content, nodeId(fromHex(id)), part)
  const parts = draft.parts && new Map([...draft.parts].map(([id, part]) => [id, covered(id, part)]))
  return { content, groupKey: signedFor.keys.publicPoint, ...(parts && { parts }) }
}

/** A point and random bytes in the place of a content, and a key that nobody holds. */
function coverContent({ options }: DeviceCore, { body }: Draft, paddingBytes: number): Sealed {
  const { crypto, random } = options
  // A content begins with a point, and few strings of random bytes decode to one: P2 would know cover by that.
  const ephemeral = unheldPoint(crypto, random)
  const sealedBytes = CONTENT_OVERHEAD_BYTES + body.length + paddingBytes - ephemeral.length
  return { content: concat(ephemeral, random(sealedBytes)), groupKey: unheldPoint(crypto, random) }
}

/** What a draft is sealed for: made anew for each try, since a group's keys change with the day and with its members. */
function signedForOf(core: DeviceCore, now: Millis, { groupId, target, epoch }: Draft): SignedFor | undefined {
  const { crypto } = core.options
  if (target?.type === 'invitation') return { type: 'invitation', keys: target.keys }
  if (target?.type === 'personal') {
    const { recipient } = target
    const publicPoint = crypto.identityPoint(recipient)
    return publicPoint && { type: 'personal', id: groupId, recipient, keys: { publicPoint } }
  }
  const group = core.groups.kept(groupId)
  const keys = group && sealingKeys(crypto, group, epoch, now)
  return keys && { type: 'group', id: groupId, keys }
}
