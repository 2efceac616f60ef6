/**
 * Packets under one session's keys: keys, numbering, and the window that refuses a packet seen before; cryptography is
 * handed a whole packet. PROTOCOL.md sections 10.2 and 10.3; masking as in RFC 9001 section 5.4.4, window as in RFC 6479.
 */
import { concat, wipe } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { FormatValue } from '../wire/codec.js'
import type { packet } from '../wire/datagram.js'
import type { LinkCrypto } from './noise.js'

/** Bytes that a packet adds to its frames. */
export const PACKET_OVERHEAD_BYTES = 25
/** Bytes of frames that fit one packet. */
export const PACKET_FRAMES_BYTES = limits.datagramBytes - PACKET_OVERHEAD_BYTES

const EMPTY = new Uint8Array(0)

/** One direction's packet key and mask key behind it (section 10.2); `directionKey` is wiped. */
function packetKeys(crypto: LinkCrypto, directionKey: Uint8Array): Uint8Array {
  const packetKey = crypto.hkdf(directionKey, EMPTY, labels.packetKey, 32)
  const maskKey = crypto.hkdf(directionKey, EMPTY, labels.packetMask, 32)
  const keys = concat(packetKey, maskKey)
  wipe(directionKey, packetKey, maskKey)
  return keys
}

/** Protects what this end sends. No number is used twice: the caller asks `next` before it comes to the limit. */
export class PacketSealer {
  private readonly crypto: LinkCrypto
  private readonly keys: Uint8Array
  private readonly receiverIndex: Uint8Array
  /** The number of the next packet. */
  next: number

  /** `directionKey` is wiped; `receiverIndex` is how the peer names the session. */
  constructor(crypto: LinkCrypto, directionKey: Uint8Array, receiverIndex: Uint8Array, firstNumber = 0) {
    this.crypto = crypto
    this.keys = packetKeys(crypto, directionKey)
    this.receiverIndex = receiverIndex.slice()
    this.next = firstNumber
  }

  /** The datagram that carries `frames` under the next number. */
  seal(frames: Uint8Array): Uint8Array {
    return this.crypto.sealPacket(this.keys, this.receiverIndex, this.next++, frames)
  }

  wipe(): void {
    wipe(this.keys)
  }
}

export type Opened =
  | { readonly ok: true; readonly number: number; readonly frames: Uint8Array; readonly newest: boolean }
  | { readonly ok: false; readonly code: DropCode }

/** Opens what this end receives, each number once. */
export class PacketOpener {
  private readonly crypto: LinkCrypto
  private readonly keys: Uint8Array
  private readonly receiverIndex: Uint8Array
  private readonly window = new ReplayWindow()
  private readonly packetsPerKey: number

  /** `directionKey` is wiped; `receiverIndex` is how this end names the session. */
  constructor(crypto: LinkCrypto, directionKey: Uint8Array, receiverIndex: Uint8Array, packetsPerKey: number) {
    this.crypto = crypto
    this.keys = packetKeys(crypto, directionKey)
    this.receiverIndex = receiverIndex.slice()
    this.packetsPerKey = packetsPerKey
  }

  open(received: FormatValue<typeof packet>): Opened {
    const { maskedNumber, sealedFrames } = received
    const opened = this.crypto.openPacket(this.keys, this.receiverIndex, maskedNumber, sealedFrames)
    if (opened === undefined || opened.number >= this.packetsPerKey) return { ok: false, code: 'LINK_AUTHENTICATION' }
    const { number, frames } = opened
    // After the AEAD, which costs a repeat no more than any other bytes that name this session.
    if (!this.window.fresh(number)) return { ok: false, code: 'LINK_REPLAY' }
    return { ok: true, number, frames, newest: this.window.accept(number) }
  }

  wipe(): void {
    wipe(this.keys)
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
