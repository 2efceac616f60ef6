/**
 * How sizes are hidden: contents grow to one of a few classes, requests to whole datagrams, so that neither a proxy
 * nor who watches a link counts bytes of a body or members of a group (PROTOCOL.md section 6.1).
 */
import { limits } from '../base/limits.js'
import { epochStatement, invitation, SLOT_BYTES } from '../wire/content.js'
import { datagramsOf, messageRoomBytes } from '../wire/datagram-room.js'
import type { PaddingMode } from './group.js'
import {
  CONTENT_OVERHEAD_BYTES,
  FORWARD_OVERHEAD_BYTES,
  FORWARDED_COPY_OVERHEAD_BYTES,
  OPENED_COPY_OVERHEAD_BYTES,
  PAYLOAD_OVERHEAD_BYTES,
  REQUEST_OVERHEAD_BYTES,
} from './sizes.js'

/** The largest content that a request to as many recipients as there may be can carry. */
const MAX_CONTENT_BYTES =
  limits.messageBytes - FORWARD_OVERHEAD_BYTES - REQUEST_OVERHEAD_BYTES - limits.copies * SLOT_BYTES

/** Content bytes of the classes, ascending. */
const CONTENT_CLASSES_BYTES: readonly number[] = contentClasses()

/**
 * Zero bytes to append to a content with a body of `bodyBytes`; 0 where the body is too large for any class. A personal part counts
 * with the content, so that its copies have the sizes that others have.
 */
export function contentPadding(mode: PaddingMode, bodyBytes: number, personalPartBytes = 0): number {
  const contentBytes = CONTENT_OVERHEAD_BYTES + bodyBytes + personalPartBytes
  switch (mode) {
    case 'none':
      return 0
    case 'classes':
      return Math.max(0, (CONTENT_CLASSES_BYTES.find((size) => size >= contentBytes) ?? 0) - contentBytes)
    case 'cell': {
      const datagrams = datagramsOf(FORWARDED_COPY_OVERHEAD_BYTES + contentBytes)
      return Math.max(0, Math.min(cellBytes(datagrams), MAX_CONTENT_BYTES) - contentBytes)
    }
    default:
      return mode satisfies never
  }
}

/** Bytes of the largest payload that can be an invitation, however it is padded. */
export const INVITATION_PAYLOAD_BYTES = (() => {
  const bodyBytes = invitation.leastBytes + (epochStatement.fixedBytes as number) + limits.nameBytes
  const paddings = (['none', 'classes', 'cell'] as const).map((mode) => contentPadding(mode, bodyBytes))
  return PAYLOAD_OVERHEAD_BYTES + CONTENT_OVERHEAD_BYTES + bodyBytes + Math.max(...paddings)
})()

/**
 * Zero bytes to append to a content of which so many copies are made: as `contentPadding` says, or where such copies would be more
 * than a request may ask for, up to a rounded size, or none.
 */
export function paddingThatFits(mode: PaddingMode, bodyBytes: number, copies: number, partBytes = 0): number {
  const contentBytes = CONTENT_OVERHEAD_BYTES + bodyBytes
  const slotsBytes = copies * (SLOT_BYTES + partBytes)
  const requestBytes = limits.messageBytes - FORWARD_OVERHEAD_BYTES - REQUEST_OVERHEAD_BYTES - slotsBytes
  const copyBytes = Math.floor(limits.splitTotalBytes / copies) - OPENED_COPY_OVERHEAD_BYTES - partBytes
  const most = Math.min(requestBytes, copyBytes)
  const wanted = contentPadding(mode, bodyBytes, partBytes)
  if (wanted === 0 || contentBytes + wanted <= most) return wanted
  const rounded = padme(contentBytes)
  return rounded <= most ? rounded - contentBytes : 0
}

/**
 * Zero bytes to append to a content whose copy the sender makes itself: its forward then fills as many datagrams as a request
 * would, so that who watches the sender's link sees no other sizes.
 */
export function directPadding(mode: PaddingMode, bodyBytes: number): number {
  if (mode === 'none') return 0
  const forwardBytes = FORWARDED_COPY_OVERHEAD_BYTES + CONTENT_OVERHEAD_BYTES + bodyBytes
  const roomBytes = messageRoomBytes(padme(datagramsOf(forwardBytes)))
  return Math.max(0, Math.min(roomBytes, limits.messageBytes) - forwardBytes)
}

/**
 * Zero bytes to append to a request whose message has `requestMessageBytes` without them: its forward then fills whole
 * datagrams, and their number is one of few.
 */
export function requestPadding(mode: PaddingMode, requestMessageBytes: number): number {
  if (mode === 'none') return 0
  const forwardBytes = FORWARD_OVERHEAD_BYTES + requestMessageBytes
  const roomBytes = messageRoomBytes(padme(datagramsOf(forwardBytes)))
  return Math.max(0, Math.min(roomBytes, limits.messageBytes) - forwardBytes)
}

/** Content bytes with which a forwarded copy fills this many datagrams. */
function cellBytes(datagrams: number): number {
  return messageRoomBytes(datagrams) - FORWARDED_COPY_OVERHEAD_BYTES
}

function contentClasses(): number[] {
  const classes = [256, 512, cellBytes(1)]
  for (let size = 2048; size < MAX_CONTENT_BYTES; size *= 2) classes.push(size)
  return [...classes, MAX_CONTENT_BYTES]
}

/**
 * Rounds up to a number that in binary has, after the first digit, no more significant ones than its exponent has digits:
 * at most 12 % more (Padmé: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with
 * PURBs", PETS 2019, section 4).
 */
function padme(value: number): number {
  if (value < 2) return value
  const exponent = Math.floor(Math.log2(value))
  const significantBits = Math.floor(Math.log2(exponent)) + 1
  const step = 2 ** Math.max(0, exponent - significantBits)
  return Math.ceil(value / step) * step
}
