/**
 * What each step adds to a body on its way, taken from the wire tables (PROTOCOL.md sections 5 and 6.1), so that a
 * change of a format changes every sum with it.
 */
import { limits } from '../base/limits.js'
import { content, members, openedCopy, requestBody, SEAL_BYTES, SLOT_BYTES, scrambledPayload } from '../wire/content.js'
import { copy, forward, request, TOKEN_BYTES } from '../wire/message.js'

/** The first byte of every link message. */
const KIND_BYTES = 1

/** Sealed content beyond its body and padding. */
export const CONTENT_OVERHEAD_BYTES = SEAL_BYTES + content.leastBytes

/** A payload, as CS delivers it, beyond content and personal part. */
export const PAYLOAD_OVERHEAD_BYTES = SEAL_BYTES + scrambledPayload.leastBytes

/** copy_i, as CS opens and stores it, beyond content and personal part. */
export const OPENED_COPY_OVERHEAD_BYTES = openedCopy.leastBytes + scrambledPayload.leastBytes

/** sealed_i beyond content and personal part. */
export const SEALED_COPY_OVERHEAD_BYTES = SEAL_BYTES + OPENED_COPY_OVERHEAD_BYTES

/** What a forward adds to the message it carries. */
export const FORWARD_OVERHEAD_BYTES = KIND_BYTES + forward.leastBytes

/** A message *copy* beyond content and personal part. */
export const COPY_MESSAGE_OVERHEAD_BYTES = KIND_BYTES + copy.leastBytes + OPENED_COPY_OVERHEAD_BYTES

/** A forwarded copy, the longest form in which one travels, beyond content and personal part. */
export const FORWARDED_COPY_OVERHEAD_BYTES = FORWARD_OVERHEAD_BYTES + COPY_MESSAGE_OVERHEAD_BYTES

/** A request message beyond slots and content. */
export const REQUEST_OVERHEAD_BYTES = KIND_BYTES + request.leastBytes + requestBody.leastBytes

/** A members body beyond its records. */
export const MEMBERS_OVERHEAD_BYTES = members.leastBytes

/**
 * Bytes of the tokens that answer a request (PROTOCOL.md section 7): room for as many as a request of that length could ask
 * for, in a power of two. It follows from what P1 sees anyway, so that it tells nobody how many there are.
 */
export function receiptBytes(requestMessageBytes: number): number {
  const fitting = Math.floor((requestMessageBytes - REQUEST_OVERHEAD_BYTES) / SLOT_BYTES)
  const tokens = Math.min(Math.max(fitting, 1), limits.copies)
  return TOKEN_BYTES * 2 ** Math.ceil(Math.log2(tokens))
}
