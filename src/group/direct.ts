/**
 * A copy that the sender makes itself, for one recipient, and sends by a first proxy alone (PROTOCOL.md section 5.1): what it would
 * have P2 do, done here, so that CS and T see nothing else than ever and receipts are checked the same way.
 */
import { concat, type Point, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { Group255, SplitRequest, Splitting } from '../crypto/crypto.js'
import { recipient as recipientFormat } from '../wire/content.js'
import { ASKED_FOR, encodeMessage, TICKET_BYTES } from '../wire/message.js'
import { unheldPoint } from './keys.js'
import type { AssembledRequest, Recipient } from './request.js'
import { FORWARDED_COPY_OVERHEAD_BYTES, OPENED_COPY_OVERHEAD_BYTES } from './sizes.js'

export interface DirectCopy {
  /** C: CS's sealing key of the day. */
  readonly serverKey: Point
  /** G. */
  readonly groupKey: Point
  /** Slot window, 32 bits. */
  readonly window: number
  readonly recipient: Recipient
  /** As `sealContent` made it. */
  readonly content: Uint8Array
}

const NOTHING = new Uint8Array()
const SLOT_ENTROPY_BYTES = 128
const SPLIT_ENTROPY_BYTES = 32

/** Makes the message *copy*; `undefined` where a key does not decode. Throws `BODY_TOO_LARGE`. */
export function assembleDirect(
  crypto: Splitting & Pick<Group255, 'publicPoint' | 'reduce'>,
  random: RandomBytes,
  { serverKey, groupKey, window, recipient, content }: DirectCopy,
): AssembledRequest | undefined {
  if (FORWARDED_COPY_OVERHEAD_BYTES + content.length > limits.messageBytes) {
    throw new ProtocolError('BODY_TOO_LARGE', `${content.length} bytes are too many for one message; send it in parts`)
  }
  const entropy = random(SLOT_ENTROPY_BYTES)
  const slots = crypto.makeSlots({
    // There is no P2 to open anything: a key that nobody holds.
    splitterKey: unheldPoint(crypto, random),
    serverKey,
    groupKey,
    window,
    copyBytes: OPENED_COPY_OVERHEAD_BYTES + content.length,
    recipients: concat(recipientFormat.encode(recipient)),
    entropy,
  })
  wipe(entropy)
  if (slots === undefined) return undefined
  const { receiptKeys, ...made } = slots
  const request: SplitRequest = { ...made, serverKey, personalPartBytes: 0, personalParts: NOTHING, content }
  const splitEntropy = random(SPLIT_ENTROPY_BYTES)
  const split = crypto.prepareSplit(request, splitEntropy)
  wipe(splitEntropy)
  if (split === undefined) {
    wipe(request.requestKey, receiptKeys)
    return undefined
  }
  const sealed = split.split(0, 1)
  split.wipe()
  return {
    message: encodeMessage('copy', { reference: ASKED_FOR, extension: NOTHING, sealed }),
    ownPoint: undefined,
    slots: 1,
    contentBytes: content.length,
    personalPartBytes: 0,
    requestPaddingBytes: 0,
    receipts: { request, receiptKeys, recipients: [recipient], ticket: sealed.slice(0, TICKET_BYTES) },
  }
}
