/**
 * Link packets over the WASM core (PROTOCOL.md sections 10.2 and 10.3): one call a packet, and nothing allocated but what
 * is handed back.
 */
import { assert } from '../base/assert.js'
import type { Packets } from './crypto.js'
import { type Core, status } from './wasm.js'

const KEYS_BYTES = 64
const TAG_BYTES = 16

export function createPackets(core: Core): Packets {
  const { at, calls, memory } = core
  const frames = at.TEXT + at.PACKET_HEAD_BYTES
  const overheadBytes = at.PACKET_HEAD_BYTES + TAG_BYTES
  assert(at.SYMMETRIC === at.KEY + KEYS_BYTES / 2, 'the mask key stands behind the packet key')

  return {
    sealPacket(keys, receiverIndex, number, plaintext) {
      core.writeWithin(frames, plaintext, at.TEXT_CAPACITY - overheadBytes)
      core.writeExactly(at.KEY, keys, KEYS_BYTES)
      const answer = calls.sealPacket(uint32(receiverIndex), number, plaintext.length)
      assert(answer === status.ok, 'lengths were checked before sealing')
      return core.take(at.TEXT, plaintext.length + overheadBytes)
    },
    openPacket(keys, receiverIndex, maskedNumber, sealed) {
      if (sealed.length < TAG_BYTES || sealed.length > at.TEXT_CAPACITY - at.PACKET_HEAD_BYTES) return undefined
      memory.set(sealed, frames)
      core.writeExactly(at.KEY, keys, KEYS_BYTES)
      const number = calls.openPacket(uint32(receiverIndex), uint32(maskedNumber), sealed.length)
      return number < 0 ? undefined : { number, frames: core.takeSecret(frames, sealed.length - TAG_BYTES) }
    },
  }
}

// By hand, because this runs for every packet and a DataView costs an allocation.
function uint32(bytes: Uint8Array): number {
  const [a, b, c, d] = [bytes[0] as number, bytes[1] as number, bytes[2] as number, bytes[3] as number]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}
