/**
 * P2's work with @noble/curves, @noble/ciphers and @noble/hashes: JavaScript alone. Points are decoded once a message and
 * get tables of multiples where enough copies will use them; the server's key keeps its tables from message to message.
 */
import { randomFillSync } from 'node:crypto'
import { chacha20, chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ed25519, ristretto255 } from '@noble/curves/ed25519.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { SplitRequest } from '../../src/crypto/crypto.js'
import type { Contestant } from './contestant.js'

const { Point } = ristretto255
type RistrettoPoint = InstanceType<typeof Point>

const WIDE_BYTES = 64
const POINT_BYTES = 32
const SLOT_BYTES = 10
const TAG_BYTES = 16
/** Width of the windows of a table, by how many multiplications will use it: measured, the table's making included. */
const WIDTHS = [
  { from: 128, width: 6 },
  { from: 8, width: 4 },
  { from: 4, width: 3 },
]
const SERVER_WIDTH = 8

let serverPoint: { readonly hex: string; readonly point: RistrettoPoint } | undefined

/** Beyond it a message takes a good part of a second or more, and each of its copies what it does here. */
const MOST_COPIES = 64

export const nobleContestant: Contestant = {
  name: '@noble/curves',
  build: 'JavaScript',
  split,
  mostCopies: MOST_COPIES,
}

function split(request: SplitRequest): Uint8Array {
  const copies = request.slots.length / SLOT_BYTES
  const server = decodeServer(request.serverKey)
  const ephemeral = Point.fromBytes(request.ephemeral).double()
  const [oneTimeBase, oneTimeKey] = [request.oneTimeBase, request.oneTimeKey].map((bytes) => decode(bytes, copies))
  if (oneTimeBase === undefined || oneTimeKey === undefined) throw new Error('a request has two one-time points')
  const offsets = chacha20(request.requestKey, labels.slotOffset, new Uint8Array(WIDE_BYTES * copies))
  const scramblers = chacha20(request.requestKey, labels.scrambleScalar, new Uint8Array(WIDE_BYTES * copies))
  const outer = randomFillSync(new Uint8Array(WIDE_BYTES * copies))
  const text = new Uint8Array(1 + request.content.length)
  text.set(request.content, 1)
  const copy = new Uint8Array(POINT_BYTES + SLOT_BYTES + POINT_BYTES + text.length + TAG_BYTES)
  const sealedBytes = POINT_BYTES + copy.length + TAG_BYTES
  const all = new Uint8Array(copies * sealedBytes)
  for (let i = 0; i < copies; i++) {
    const e = doubled(scalarAt(scramblers, i))
    copy.set(ephemeral.add(Point.BASE.multiply(doubled(scalarAt(offsets, i)))).toBytes())
    copy.set(request.slots.subarray(SLOT_BYTES * i, SLOT_BYTES * (i + 1)), POINT_BYTES)
    copy.set(seal(oneTimeBase.multiply(e), oneTimeKey.multiply(e), labels.scramble, text), POINT_BYTES + SLOT_BYTES)
    const o = scalarAt(outer, i)
    all.set(seal(Point.BASE.multiply(o), server.multiply(o), labels.copy, copy), sealedBytes * i)
  }
  return all
}

/** PROTOCOL.md section 4 has scalars of copies even. */
function doubled(scalar: bigint): bigint {
  return ed25519.Point.Fn.create(2n * scalar)
}

function seal(point: RistrettoPoint, product: RistrettoPoint, label: Uint8Array, text: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(POINT_BYTES + text.length + TAG_BYTES)
  const encoded = point.toBytes()
  const aeadKey = sha256.create().update(encoded).update(product.toBytes()).digest()
  sealed.set(encoded)
  chacha20poly1305(aeadKey, label).encrypt(text, sealed.subarray(POINT_BYTES))
  return sealed
}

function decode(bytes: Uint8Array, multiplications: number): RistrettoPoint {
  const width = WIDTHS.find(({ from }) => multiplications >= from)?.width
  const point = Point.fromBytes(bytes)
  return width === undefined ? point : point.precompute(width)
}

function decodeServer(bytes: Uint8Array): RistrettoPoint {
  const hex = toHex(bytes)
  if (serverPoint?.hex !== hex) serverPoint = { hex, point: Point.fromBytes(bytes).precompute(SERVER_WIDTH) }
  return serverPoint.point
}

function scalarAt(wide: Uint8Array, i: number): bigint {
  let number = 0n
  const view = new DataView(wide.buffer, wide.byteOffset + WIDE_BYTES * i, WIDE_BYTES)
  for (let at = WIDE_BYTES - 8; at >= 0; at -= 8) number = (number << 64n) | view.getBigUint64(at, true)
  return ed25519.Point.Fn.create(number)
}
