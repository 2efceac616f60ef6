/**
 * P2's, CS's and T's work with libsodium-wrappers-sumo, written to be fast: randomness comes in one draw a message, all
 * derived scalars in one run of key stream, and two points are hashed by as-sha256, which joins them itself and costs what
 * libsodium's hash does. Its `scalar_random` is left aside, as it draws from the system for each scalar.
 */
import { randomFillSync } from 'node:crypto'
import { digest2Bytes32 } from '@chainsafe/as-sha256'
import sodium from 'libsodium-wrappers-sumo'
import { bigEndian } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { SplitRequest } from '../../src/crypto/crypto.js'
import type { Contestant } from './contestant.js'

const WIDE_BYTES = 64
const POINT_BYTES = 32
const SLOT_BYTES = 10
const HALF_BYTES = 5
const TAG_BYTES = 16

export interface SodiumOpened {
  readonly copy: Uint8Array
  readonly recipients: readonly Uint8Array[]
  readonly receiptKey: Uint8Array
}

export async function sodiumContestant(): Promise<Contestant> {
  await sodium.ready
  return { name: 'libsodium-wrappers-sumo', build: `libsodium ${sodium.SODIUM_VERSION_STRING} in wasm`, split }
}

function split(request: SplitRequest): Uint8Array {
  const copies = request.slots.length / SLOT_BYTES
  const offsets = keyStream(request.requestKey, labels.slotOffset, WIDE_BYTES * copies)
  const scramblers = keyStream(request.requestKey, labels.scrambleScalar, WIDE_BYTES * copies)
  const outer = randomFillSync(new Uint8Array(WIDE_BYTES * copies))
  const text = new Uint8Array(1 + request.content.length)
  text.set(request.content, 1)
  const copy = new Uint8Array(POINT_BYTES + SLOT_BYTES + POINT_BYTES + text.length + TAG_BYTES)
  const sealedBytes = POINT_BYTES + copy.length + TAG_BYTES
  const all = new Uint8Array(copies * sealedBytes)
  const twice = sodium.crypto_core_ristretto255_add(request.ephemeral, request.ephemeral)
  for (let i = 0; i < copies; i++) {
    const offset = sodium.crypto_scalarmult_ristretto255_base(doubled(scalarAt(offsets, i)))
    const e = doubled(scalarAt(scramblers, i))
    const payloadPoint = sodium.crypto_scalarmult_ristretto255(e, request.oneTimeBase)
    const product = sodium.crypto_scalarmult_ristretto255(e, request.oneTimeKey)
    copy.set(sodium.crypto_core_ristretto255_add(twice, offset))
    copy.set(request.slots.subarray(SLOT_BYTES * i, SLOT_BYTES * (i + 1)), POINT_BYTES)
    copy.set(payloadPoint, POINT_BYTES + SLOT_BYTES)
    copy.set(encrypt(text, labels.scramble, digest2Bytes32(payloadPoint, product)), 2 * POINT_BYTES + SLOT_BYTES)
    const o = scalarAt(outer, i)
    const outerPoint = sodium.crypto_scalarmult_ristretto255_base(o)
    const outerProduct = sodium.crypto_scalarmult_ristretto255(o, request.serverKey)
    all.set(outerPoint, sealedBytes * i)
    all.set(encrypt(copy, labels.copy, digest2Bytes32(outerPoint, outerProduct)), sealedBytes * i + POINT_BYTES)
  }
  return all
}

/** PROTOCOL.md section 4 has scalars of copies even. */
function doubled(scalar: Uint8Array): Uint8Array {
  return sodium.crypto_core_ristretto255_scalar_add(scalar, scalar)
}

/** CS's work on one copy. Throws where it does not open. */
export function sodiumOpenCopy(secret: Uint8Array, windows: readonly number[], sealed: Uint8Array): SodiumOpened {
  const copy = open(secret, labels.copy, sealed)
  const ephemeral = copy.subarray(0, POINT_BYTES)
  const keys = keyStream(
    digest2Bytes32(ephemeral, sodium.crypto_scalarmult_ristretto255(secret, ephemeral)),
    labels.slotKeys,
    2 * POINT_BYTES,
  )
  const slot = copy.subarray(POINT_BYTES, POINT_BYTES + SLOT_BYTES)
  const slotKey = keys.subarray(0, POINT_BYTES)
  return {
    copy,
    recipients: windows.map((window) => openSlot(slotKey, slot, window, copy.length)),
    receiptKey: keys.subarray(POINT_BYTES),
  }
}

/** T's work: the first of many secrets that opens a payload. */
export function sodiumOpenAny(secrets: readonly Uint8Array[], label: Uint8Array, sealed: Uint8Array) {
  for (const [index, secret] of secrets.entries()) {
    try {
      return { index, plaintext: open(secret, label, sealed) }
    } catch {
      // Not this one.
    }
  }
  return undefined
}

function open(secret: Uint8Array, label: Uint8Array, sealed: Uint8Array): Uint8Array {
  const point = sealed.subarray(0, POINT_BYTES)
  const aeadKey = digest2Bytes32(point, sodium.crypto_scalarmult_ristretto255(secret, point))
  return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed.subarray(POINT_BYTES), null, label, aeadKey)
}

function openSlot(slotKey: Uint8Array, slot: Uint8Array, window: number, copyBytes: number): Uint8Array {
  const recipient = Uint8Array.from(slot)
  const nonce = new Uint8Array(12)
  nonce.set(bigEndian(window, 4), HALF_BYTES)
  nonce.set(bigEndian(copyBytes, 3), HALF_BYTES + 4)
  let left: Uint8Array = recipient.subarray(0, HALF_BYTES)
  let right: Uint8Array = recipient.subarray(HALF_BYTES)
  for (let j = 3; j >= 0; j--) {
    nonce.set(left)
    const mixed = sodium.crypto_stream_chacha20_ietf_xor_ic(right, nonce, j, slotKey)
    right = left
    left = mixed
  }
  const whole = new Uint8Array(SLOT_BYTES)
  whole.set(left)
  whole.set(right, HALF_BYTES)
  return whole
}

function encrypt(text: Uint8Array, label: Uint8Array, aeadKey: Uint8Array): Uint8Array {
  return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(text, null, null, label, aeadKey)
}

function scalarAt(wide: Uint8Array, i: number): Uint8Array {
  return sodium.crypto_core_ristretto255_scalar_reduce(wide.subarray(WIDE_BYTES * i, WIDE_BYTES * (i + 1)))
}

function keyStream(streamKey: Uint8Array, label: Uint8Array, lengthBytes: number): Uint8Array {
  return sodium.crypto_stream_chacha20_ietf_xor_ic(new Uint8Array(lengthBytes), label, 0, streamKey)
}
