/**
 * A request for P2, put together by the sender: slots, one-time group pair, content and padding, sealed
 * (PROTOCOL.md sections 3 to 5). What comes back with it lets the sender check receipts and know its own copy.
 */
import { assert } from '../base/assert.js'
import { bigEndian, concat, equal, type NodeId, type Point, toHex, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import { type RandomBytes, shuffle } from '../base/random.js'
import type { Aead, SlotPlan, Slots, SplitRequest, Splitting } from '../crypto/crypto.js'
import { recipient as recipientFormat, requestBody, SLOT_BYTES } from '../wire/content.js'
import { encodeMessage } from '../wire/message.js'
import type { PaddingMode } from './group.js'
import { requestPadding } from './padding.js'
import { FORWARD_OVERHEAD_BYTES, OPENED_COPY_OVERHEAD_BYTES, REQUEST_OVERHEAD_BYTES } from './sizes.js'

const NOTHING = new Uint8Array()
/** What a decoy's slot holds. */
const DECOY = new Uint8Array(SLOT_BYTES)
const WINDOW_BYTES = 4
/** 64 bytes each for r and h. */
const SLOT_ENTROPY_BYTES = 128

export interface Recipient {
  readonly id: NodeId
  readonly accessCode: Uint8Array
  /** Its slot holds zeros, which CS answers as stored and stores nowhere. */
  readonly decoy?: boolean
}

export interface RequestToAssemble {
  /** P2's sealing key of the day. */
  readonly splitterKey: Point
  /** C: CS's sealing key of the day. */
  readonly serverKey: Point
  /** G, P for an invitation, or D for one member alone. */
  readonly groupKey: Point
  /** Slot window, 32 bits. */
  readonly window: number
  /** Whom the copies go to, in any order: the sender is one of them. */
  readonly recipients: readonly Recipient[]
  readonly self: NodeId
  /** As `sealContent` made it. */
  readonly content: Uint8Array
  /** A personal part for each recipient, by hex id, all of one length. */
  readonly parts?: ReadonlyMap<string, Uint8Array>
  readonly mode: PaddingMode
}

/** What the sender keeps to check receipts with; secret. */
export interface ReceiptCheck {
  readonly request: SplitRequest
  /** 32 bytes a copy, in slot order. */
  readonly receiptKeys: Uint8Array
  readonly recipients: readonly Recipient[]
  /** By which P1 is asked for its answers, where that is not the beginning of R. */
  readonly ticket?: Uint8Array
}

export interface AssembledRequest {
  /** The link message of kind request, or copy, to be put into a forward. */
  readonly message: Uint8Array
  /** E_i of the sender's own copy, 32 bytes, where there is one. */
  readonly ownPoint: Uint8Array | undefined
  readonly slots: number
  readonly contentBytes: number
  /** Of each personal part, 0 for none. */
  readonly personalPartBytes: number
  readonly requestPaddingBytes: number
  readonly receipts: ReceiptCheck
}

/**
 * Makes the request; `undefined` where a key of P2 or CS does not decode. Throws `BODY_TOO_LARGE` where request or
 * copies would pass what the protocol allows.
 */
export function assembleRequest(
  crypto: Aead & Splitting,
  random: RandomBytes,
  plan: RequestToAssemble,
): AssembledRequest | undefined {
  const recipients = shuffle(random, [...plan.recipients])
  const parts = partsFor(random, plan, recipients)
  checkSizes(plan.recipients.length, plan.content.length, parts.personalPartBytes)
  const own = recipients.findIndex(({ id }) => equal(id, plan.self))
  assert(own >= 0, 'the sender is one of the recipients')

  const entropy = random(SLOT_ENTROPY_BYTES)
  const slots = crypto.makeSlots(slotPlan(plan, recipients, parts.personalPartBytes, entropy))
  // Whoever has r opens every slot.
  wipe(entropy)
  if (slots === undefined) return undefined
  const request = splitRequest(plan, slots, parts)
  const partsBytes = request.personalParts.length
  const unpaddedBytes = REQUEST_OVERHEAD_BYTES + request.slots.length + partsBytes + request.content.length
  const requestPaddingBytes = requestPadding(plan.mode, unpaddedBytes)
  return {
    message: sealRequest(crypto, request, recipients.length, plan.window, requestPaddingBytes),
    ownPoint: crypto.payloadPoints(request, own, 1),
    slots: recipients.length,
    contentBytes: plan.content.length,
    personalPartBytes: parts.personalPartBytes,
    requestPaddingBytes,
    receipts: { request, receiptKeys: slots.receiptKeys, recipients },
  }
}

type Parts = Pick<SplitRequest, 'personalPartBytes' | 'personalParts'>

/** In the order of the slots, so that each copy takes its own. */
function partsFor(random: RandomBytes, { parts }: RequestToAssemble, recipients: readonly Recipient[]): Parts {
  if (parts === undefined) return { personalPartBytes: 0, personalParts: NOTHING }
  const personalPartBytes = parts.values().next().value?.length ?? 0
  const partOf = ({ id, decoy }: Recipient) => (decoy ? random(personalPartBytes) : (parts.get(toHex(id)) ?? NOTHING))
  const inOrder = recipients.map(partOf)
  assert(
    inOrder.every((part) => part.length === personalPartBytes),
    'a personal part for each recipient, all of one length',
  )
  return { personalPartBytes, personalParts: concat(...inOrder) }
}

function checkSizes(copies: number, contentBytes: number, partBytes: number): void {
  assert(copies > 0 && copies <= limits.copies, 'as many recipients as a request may have')
  const recipientsBytes = copies * (SLOT_BYTES + partBytes)
  const forwardBytes = FORWARD_OVERHEAD_BYTES + REQUEST_OVERHEAD_BYTES + recipientsBytes + contentBytes
  const copiesBytes = copies * (OPENED_COPY_OVERHEAD_BYTES + partBytes + contentBytes)
  if (forwardBytes <= limits.messageBytes && copiesBytes <= limits.splitTotalBytes) return
  throw new ProtocolError(
    'BODY_TOO_LARGE',
    `${contentBytes} bytes are too many for one message to ${copies} recipients; send it in parts`,
  )
}

function slotPlan(
  plan: RequestToAssemble,
  recipients: readonly Recipient[],
  partBytes: number,
  entropy: Uint8Array,
): SlotPlan {
  const { splitterKey, serverKey, groupKey, window, content } = plan
  return {
    splitterKey,
    serverKey,
    groupKey,
    window,
    copyBytes: OPENED_COPY_OVERHEAD_BYTES + partBytes + content.length,
    recipients: concat(...recipients.map((each) => (each.decoy ? DECOY : recipientFormat.encode(each)))),
    entropy,
  }
}

function splitRequest(plan: RequestToAssemble, made: Slots, parts: Parts): SplitRequest {
  const { ephemeral, requestKey, oneTimeBase, oneTimeKey, slots } = made
  const { serverKey, content } = plan
  return { ephemeral, requestKey, oneTimeBase, oneTimeKey, serverKey, slots, ...parts, content }
}

function sealRequest(
  crypto: Aead,
  request: SplitRequest,
  count: number,
  window: number,
  paddingBytes: number,
): Uint8Array {
  const plaintext = requestBody.encode({ ...request, count, contentBytes: request.content.length, paddingBytes })
  const associated = concat(request.serverKey, bigEndian(window, WINDOW_BYTES))
  const sealed = crypto.aeadSeal(request.requestKey, labels.request, associated, plaintext)
  return encodeMessage('request', { ephemeral: request.ephemeral, sealed })
}
