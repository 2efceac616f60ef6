/**
 * Link packets over the WASM core (PROTOCOL.md sections 10.2 and 10.3): one call a packet, and nothing allocated but what
 * is handed back.
 */
import { assert } from '../base/assert.js'
import { uint32 } from '../base/bytes.js'
import type { Packets } from './crypto.js'
import { type Core, status } from './wasm.js'

const KEYS_BYTES = 64
const SLAB_BYTES = 65_536
const TAG_BYTES = 16

export function createPackets(core: Core): Packets {
  const { at, calls, memory } = core
  const frames = at.TEXT + at.PACKET_HEAD_BYTES
  const overheadBytes = at.PACKET_HEAD_BYTES + TAG_BYTES
  assert(at.SYMMETRIC === at.KEY + KEYS_BYTES / 2, 'the mask key stands behind the packet key')

  const copyOut = createSlab()

  return {
    sealPacket(keys, receiverIndex, number, plaintext) {
      core.writeExactly(at.KEY, keys, KEYS_BYTES)
      core.writeWithin(frames, plaintext, at.TEXT_CAPACITY - overheadBytes)
      const answer = calls.sealPacket(uint32(receiverIndex), number, plaintext.length)
      assert(answer === status.ok, 'lengths were checked before sealing')
      return copyOut(memory.subarray(at.TEXT, at.TEXT + plaintext.length + overheadBytes))
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

/**
 * Copies short-lived bytes into a buffer that many of them share: a buffer for each datagram costs three times as much.
 * Opened frames are kept longer, by whom and in what pieces is not known here, so they get buffers of their own.
 */
function createSlab(): (bytes: Uint8Array) => Uint8Array {
  let slab = new Uint8Array(0)
  let used = 0
  return (bytes) => {
    if (bytes.length > SLAB_BYTES) return bytes.slice()
    if (used + bytes.length > slab.length) {
      slab = new Uint8Array(SLAB_BYTES)
      used = 0
    }
    const copy = slab.subarray(used, used + bytes.length)
    copy.set(bytes)
    used += bytes.length
    return copy
  }
}
