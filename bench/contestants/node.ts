/**
 * Link packets (PROTOCOL.md sections 10.2 and 10.3) with node:crypto, written to be fast: what does not change from packet
 * to packet is made once, and nothing is copied that need not be.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'

const AEAD = 'chacha20-poly1305'
const OPTIONS = { authTagLength: 16 }
/** OpenSSL's has a 16-byte vector: counter, little endian, and nonce, which is what the sample of a mask is. */
const MASK = 'chacha20'
const HEAD = 0x14
const ASSOCIATED_BYTES = 5
const HEAD_BYTES = 9
const TAG_BYTES = 16
const SAMPLE_BYTES = 16
const ZEROS = new Uint8Array(4)

export interface NodePackets {
  readonly seal: (number: number, frames: Uint8Array) => Uint8Array
  /** Throws where the tag does not fit. */
  readonly open: (packet: Uint8Array) => Uint8Array
}

/** `keys` is packet key and mask key, 64 bytes; `receiverIndex` 4 bytes. */
export function nodePackets(keys: Uint8Array, receiverIndex: Uint8Array): NodePackets {
  const [packetKey, maskKey] = [keys.slice(0, 32), keys.slice(32)]
  const associated = new Uint8Array([HEAD, ...receiverIndex])
  const nonce = new Uint8Array(12)
  const numberAt = new DataView(nonce.buffer, 8)
  const mask = (sealed: Uint8Array) =>
    createCipheriv(MASK, maskKey, sealed.subarray(0, SAMPLE_BYTES)).update(ZEROS).readUInt32BE()
  return {
    seal(number, frames) {
      numberAt.setUint32(0, number)
      const cipher = createCipheriv(AEAD, packetKey, nonce, OPTIONS)
      cipher.setAAD(associated, { plaintextLength: frames.length })
      const packet = Buffer.allocUnsafe(HEAD_BYTES + frames.length + TAG_BYTES)
      const sealed = cipher.update(frames)
      cipher.final()
      packet.set(associated)
      packet.set(sealed, HEAD_BYTES)
      packet.set(cipher.getAuthTag(), HEAD_BYTES + frames.length)
      packet.writeUInt32BE((number ^ mask(packet.subarray(HEAD_BYTES))) >>> 0, ASSOCIATED_BYTES)
      return packet
    },
    open(packet) {
      const sealed = packet.subarray(HEAD_BYTES)
      const masked = new DataView(packet.buffer, packet.byteOffset + ASSOCIATED_BYTES).getUint32(0)
      numberAt.setUint32(0, (masked ^ mask(sealed)) >>> 0)
      const decipher = createDecipheriv(AEAD, packetKey, nonce, OPTIONS)
      decipher.setAAD(associated, { plaintextLength: sealed.length - TAG_BYTES })
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
      const frames = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES))
      decipher.final()
      return frames
    },
  }
}
