/**
 * How many bytes of a link message fit a number of datagrams, so that padding can fill datagrams without spilling
 * into one more (PROTOCOL.md sections 6.1 and 10). Follows from the tables of packet and frames; a message number is
 * taken to need four bytes, so that the room holds at any point of a session.
 */
import { limits } from '../base/limits.js'
import { varintBytes } from './codec.js'
import { packet } from './datagram.js'
import { fragment, whole } from './frame.js'

const KIND_BYTES = 1
const LARGEST_MESSAGE_NUMBER = 2 ** 30 - 1

/** Bytes of the longest message that fits this many datagrams, at least one; `limits.messageBytes` at most. */
export function messageRoomBytes(datagrams: number): number {
  if (datagrams === 1) return roomBytes(whole.leastBytes, LARGEST_MESSAGE_NUMBER)
  // Every fragment names the total, so the longest message is found once for each length that a total's varint may have.
  const longest = [2 ** 14 - 1, limits.messageBytes].map((total) => Math.min(filledBytes(datagrams, total), total))
  return Math.max(...longest)
}

/** Datagrams that a message of this many bytes takes. */
export function datagramsOf(messageBytes: number): number {
  if (messageBytes <= messageRoomBytes(1)) return 1
  let datagrams = 0
  for (let offset = 0; offset < messageBytes; datagrams++) offset += fragmentRoomBytes(messageBytes, offset)
  return datagrams
}

/** Bytes that fit when every fragment names a total as long as `totalBytes`. */
function filledBytes(datagrams: number, totalBytes: number): number {
  let offset = 0
  for (let i = 0; i < datagrams && offset < limits.messageBytes; i++) offset += fragmentRoomBytes(totalBytes, offset)
  return offset
}

function fragmentRoomBytes(totalBytes: number, offset: number): number {
  return roomBytes(fragment.leastBytes, LARGEST_MESSAGE_NUMBER, totalBytes, offset)
}

/** What a packet leaves to the data of a frame of which these are the varints, counted with one byte each in `leastBytes`. */
function roomBytes(leastBytes: number, ...varints: readonly number[]): number {
  const frameBytes = varints.reduce((sum, value) => sum + varintBytes(value) - 1, KIND_BYTES + leastBytes)
  return limits.datagramBytes - packet.leastBytes - frameBytes
}
