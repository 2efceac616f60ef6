/**
 * What one message cost its sender, split into what each byte was for (WIRE.md, "Sizes"). Nothing is estimated:
 * the parts are computed from the lengths that were sent and add up to the bytes of the datagrams.
 */
import type { MessageId } from '../../base/bytes.js'
import type { AssembledRequest } from '../../group/request.js'
import { PAYLOAD_OVERHEAD_BYTES, SEALED_COPY_OVERHEAD_BYTES } from '../../group/sizes.js'
import type { MessageCost, MessageNumber } from '../../link/link.js'
import { varintBytes } from '../../wire/codec.js'
import { SLOT_BYTES } from '../../wire/content.js'
import { packet } from '../../wire/datagram.js'
import { fragment } from '../../wire/frame.js'
import type { UploadReport } from '../device.js'

export interface SentMessage {
  readonly messageId: MessageId
  readonly bodyBytes: number
  readonly contentPaddingBytes: number
  readonly assembled: AssembledRequest
  /** Bytes of the link message to P1, the request in its forward. */
  readonly forwardBytes: number
  /** Its number on the link. */
  readonly number: MessageNumber
}

const FRAME_KIND_BYTES = 1

export function uploadReport(sent: SentMessage, cost: MessageCost): UploadReport {
  const { messageId, bodyBytes, assembled } = sent
  const paddingBytes = sent.contentPaddingBytes + assembled.requestPaddingBytes
  const headerBytes = cost.payloadBytes - sent.forwardBytes
  const furtherDatagramBytes = cost.datagrams === 1 ? 0 : headerBytes - firstHeaderBytes(sent)
  const scrambledBytes = assembled.personalPartBytes + assembled.contentBytes
  const recipientBytes = SLOT_BYTES + assembled.personalPartBytes
  return {
    messageId,
    slots: assembled.slots,
    decoys: assembled.receipts.recipients.filter(({ decoy }) => decoy).length,
    bodyBytes,
    uploadBytes: cost.payloadBytes,
    datagrams: cost.datagrams,
    paddingBytes,
    furtherDatagramBytes,
    fixedBytes: cost.payloadBytes - bodyBytes - recipientBytes * assembled.slots - paddingBytes - furtherDatagramBytes,
    copyBytes: SEALED_COPY_OVERHEAD_BYTES + scrambledBytes,
    deliveryBytes: PAYLOAD_OVERHEAD_BYTES + scrambledBytes,
  }
}

/** Packet and frame header of the datagram that carries the first of several fragments. */
function firstHeaderBytes({ number, forwardBytes }: SentMessage): number {
  // `leastBytes` counts each varint with one byte; the offset of the first fragment is 0 and takes no more.
  const varints = varintBytes(number) - 1 + varintBytes(forwardBytes) - 1
  return packet.leastBytes + FRAME_KIND_BYTES + fragment.leastBytes + varints
}
