/**
 * From a message and a choice of proxies to the bytes for P1: content sealed for its readers, request sealed for P2,
 * forward for P1 (PROTOCOL.md sections 3 to 6). Each try of a message makes all of it anew: fresh keys, fresh slots.
 */
import { type Millis, slotWindow, utcDay } from '../../base/time.js'
import { sealContent } from '../../group/content.js'
import { contentPadding } from '../../group/padding.js'
import { type AssembledRequest, assembleRequest } from '../../group/request.js'
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

/** `undefined` where a key is missing or does not decode. Throws `BODY_TOO_LARGE`. */
export function makeRequest(
  core: DeviceCore,
  now: Millis,
  draft: Draft,
  recipients: readonly Addressee[],
  second: ListedProxy,
  directory: VerifiedDirectory,
): MadeRequest | undefined {
  const { crypto, random, self } = core.options
  const day = utcDay(now)
  const serverKey = directory.serverSealingKeys.get(day)
  const splitterKey = second.sealingKeys.get(day)
  const group = core.groups.byId(draft.groupId)
  if (serverKey === undefined || splitterKey === undefined || group === undefined) return undefined
  const { messageId, kind, body, padding, invitation } = draft
  const contentPaddingBytes = contentPadding(padding, body.length)
  const content = sealContent(crypto, random, {
    identity: self.identity,
    sender: self.id,
    signedFor:
      invitation === undefined
        ? { type: 'group', id: group.id, keys: group.keys }
        : { type: 'invitation', keys: invitation },
    messageId,
    kind,
    body,
    paddingBytes: contentPaddingBytes,
  })
  const assembled = assembleRequest(crypto, random, {
    splitterKey,
    serverKey,
    groupKey: (invitation ?? group.keys).publicPoint,
    window: slotWindow(now),
    recipients,
    self: self.id,
    content,
    mode: padding,
  })
  if (assembled === undefined) return undefined
  const forward = encodeMessage('forward', {
    nextHop: second.id,
    extension: NO_EXTENSION,
    message: assembled.message,
  })
  return { forward, assembled, contentPaddingBytes }
}
