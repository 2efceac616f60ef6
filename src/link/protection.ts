/**
 * Packets under one session's keys: numbering, masking of the number, the AEAD, and the window that refuses a packet
 * seen before. PROTOCOL.md sections 10.2 and 10.3; masking as in RFC 9001 section 5.4.4, window as in RFC 6479.
 */
import { wipe } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { FormatValue } from '../wire/codec.js'
import { Writer } from '../wire/codec.js'
import { headByte, packet } from '../wire/datagram.js'
import type { LinkCrypto } from './noise.js'

/** Bytes that a packet adds to its frames. */
export const PACKET_OVERHEAD_BYTES = 25
/** Bytes of frames that fit one packet. */
export const PACKET_FRAMES_BYTES = limits.datagramBytes - PACKET_OVERHEAD_BYTES

const INDEX_BYTES = 4
const SAMPLE_BYTES = 16
const EMPTY = new Uint8Array(0)

/** One direction's keys (section 10.2). */
class DirectionKeys {
  private readonly crypto: LinkCrypto
  private readonly packetKey: Uint8Array
  private readonly maskKey: Uint8Array

  constructor(crypto: LinkCrypto, directionKey: Uint8Array) {
    this.crypto = crypto
    this.packetKey = crypto.hkdf(directionKey, EMPTY, labels.packetKey, 32)
    this.maskKey = crypto.hkdf(directionKey, EMPTY, labels.packetMask, 32)
  }

  seal(number: number, associated: Uint8Array, frames: Uint8Array): Uint8Array {
    return this.crypto.aeadSeal(this.packetKey, nonceOf(number), associated, frames)
  }

  open(number: number, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    return this.crypto.aeadOpen(this.packetKey, nonceOf(number), associated, sealed)
  }

  /** The first 4 bytes of the ChaCha20 block that the sealed frames select. */
  mask(sealed: Uint8Array): number {
    const counter = byteSwapped(uint32(sealed))
    return uint32(this.crypto.chachaBlock(this.maskKey, counter, sealed.subarray(4, SAMPLE_BYTES)))
  }

  wipe(): void {
    wipe(this.packetKey, this.maskKey)
  }
}

function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(12)
  setUint32(nonce, 8, number)
  return nonce
}

// By hand, because this runs for every packet and a DataView costs an allocation.
function uint32(bytes: Uint8Array): number {
  const [a, b, c, d] = [bytes[0] as number, bytes[1] as number, bytes[2] as number, bytes[3] as number]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

function byteSwapped(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
}

/** The bytes that the AEAD covers besides the frames: head and receiver index. */
function associatedData(receiverIndex: Uint8Array): Uint8Array {
  const associated = new Uint8Array(1 + INDEX_BYTES)
  associated[0] = headByte('packet')
  associated.set(receiverIndex, 1)
  return associated
}

/** Protects what this end sends. No number is used twice: the caller asks `next` before it comes to the limit. */
export class PacketSealer {
  private readonly keys: DirectionKeys
  private readonly receiverIndex: Uint8Array
  private readonly associated: Uint8Array
  /** The number of the next packet. */
  next: number

  /** `directionKey` is wiped; `receiverIndex` is how the peer names the session. */
  constructor(crypto: LinkCrypto, directionKey: Uint8Array, receiverIndex: Uint8Array, firstNumber = 0) {
    this.keys = new DirectionKeys(crypto, directionKey)
    wipe(directionKey)
    this.receiverIndex = receiverIndex.slice()
    this.associated = associatedData(receiverIndex)
    this.next = firstNumber
  }

  /** The datagram that carries `frames` under the next number. */
  seal(frames: Uint8Array): Uint8Array {
    const number = this.next++
    const sealedFrames = this.keys.seal(number, this.associated, frames)
    const maskedNumber = new Uint8Array(4)
    setUint32(maskedNumber, 0, number ^ this.keys.mask(sealedFrames))
    const writer = new Writer(PACKET_OVERHEAD_BYTES + frames.length)
    packet.write(writer, { head: headByte('packet'), receiverIndex: this.receiverIndex, maskedNumber, sealedFrames })
    return writer.finish()
  }

  wipe(): void {
    this.keys.wipe()
  }
}

export type Opened =
  | { readonly ok: true; readonly number: number; readonly frames: Uint8Array; readonly newest: boolean }
  | { readonly ok: false; readonly code: DropCode }

/** Opens what this end receives, each number once. */
export class PacketOpener {
  private readonly keys: DirectionKeys
  private readonly associated: Uint8Array
  private readonly window = new ReplayWindow()
  private readonly packetsPerKey: number

  /** `directionKey` is wiped; `receiverIndex` is how this end names the session. */
  constructor(crypto: LinkCrypto, directionKey: Uint8Array, receiverIndex: Uint8Array, packetsPerKey: number) {
    this.keys = new DirectionKeys(crypto, directionKey)
    wipe(directionKey)
    this.associated = associatedData(receiverIndex)
    this.packetsPerKey = packetsPerKey
  }

  open(received: FormatValue<typeof packet>): Opened {
    const { maskedNumber, sealedFrames } = received
    const number = (uint32(maskedNumber) ^ this.keys.mask(sealedFrames)) >>> 0
    if (number >= this.packetsPerKey) return { ok: false, code: 'LINK_AUTHENTICATION' }
    // Before the AEAD: a repeat is the one packet that a stranger can make for nothing.
    if (!this.window.fresh(number)) return { ok: false, code: 'LINK_REPLAY' }
    const frames = this.keys.open(number, this.associated, sealedFrames)
    if (frames === undefined) return { ok: false, code: 'LINK_AUTHENTICATION' }
    return { ok: true, number, frames, newest: this.window.accept(number) }
  }

  wipe(): void {
    this.keys.wipe()
  }
}

const WORD_BITS = 32
// One word more than the window holds, because it rarely begins at a word's edge.
const WINDOW_WORDS = limits.replayWindowPackets / WORD_BITS + 1

/** Which of the highest number and the 8,192 below it have been received: a ring of bits. */
export class ReplayWindow {
  private readonly words = new Uint32Array(WINDOW_WORDS)
  private highest = -1

  /** Whether a number was not received yet and is not too old to tell. */
  fresh(number: number): boolean {
    if (number > this.highest) return true
    if (this.highest - number > limits.replayWindowPackets) return false
    return ((this.words[wordOf(number)] as number) & bitOf(number)) === 0
  }

  /** Marks a fresh number as received; returns whether it is the highest so far. */
  accept(number: number): boolean {
    const newest = number > this.highest
    if (newest) this.advance(number)
    this.words[wordOf(number)] = (this.words[wordOf(number)] as number) | bitOf(number)
    return newest
  }

  private advance(number: number): void {
    const from = Math.floor(this.highest / WORD_BITS) + 1
    const to = Math.floor(number / WORD_BITS)
    if (to - from >= WINDOW_WORDS) this.words.fill(0)
    else for (let word = from; word <= to; word++) this.words[word % WINDOW_WORDS] = 0
    this.highest = number
  }
}

function wordOf(number: number): number {
  return Math.floor(number / WORD_BITS) % WINDOW_WORDS
}

function bitOf(number: number): number {
  return 1 << (number % WORD_BITS)
}
