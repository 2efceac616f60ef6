/**
 * Decoy slots: recipients that do not exist, which round the number of slots up, so that P2 counts no members (PROTOCOL.md sections
 * 4 and 6.1). CS answers for their copies and stores none.
 */
import { nodeId } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import { SLOT_BYTES } from '../wire/content.js'
import type { Recipient } from './request.js'
import {
  CONTENT_OVERHEAD_BYTES,
  FORWARD_OVERHEAD_BYTES,
  OPENED_COPY_OVERHEAD_BYTES,
  REQUEST_OVERHEAD_BYTES,
} from './sizes.js'

/** Whether the number of slots is rounded up, and to what: a power of two. */
export type DecoyMode = 'none' | 'power'

const ID_BYTES = 8
const ACCESS_CODE_BYTES = 2

/**
 * Adds decoys, as many as the mode asks for and as a message with such a body has room for. Where copies have personal parts, a
 * decoy's is random: nobody but CS may tell it from others.
 */
export function withDecoys(
  mode: DecoyMode,
  recipients: readonly Recipient[],
  bodyBytes: number,
  partBytes = 0,
): Recipient[] {
  const rounded = mode === 'none' ? recipients.length : 2 ** Math.ceil(Math.log2(recipients.length))
  const most = Math.min(rounded, mostSlots(CONTENT_OVERHEAD_BYTES + bodyBytes, partBytes))
  const decoys = Math.max(0, most - recipients.length)
  return [...recipients, ...Array.from({ length: decoys }, newDecoy)]
}

/** What its slot holds is zero in any case. */
function newDecoy(): Recipient {
  return { id: nodeId(new Uint8Array(ID_BYTES)), accessCode: new Uint8Array(ACCESS_CODE_BYTES), decoy: true }
}

function mostSlots(contentBytes: number, partBytes: number): number {
  const roomBytes = limits.messageBytes - FORWARD_OVERHEAD_BYTES - REQUEST_OVERHEAD_BYTES - contentBytes
  const split = Math.floor(limits.splitTotalBytes / (OPENED_COPY_OVERHEAD_BYTES + partBytes + contentBytes))
  return Math.min(limits.copies, split, Math.floor(roomBytes / (SLOT_BYTES + partBytes)))
}
