/** Messages to measure with: keys, slots and a request as P2 opened it, made by our own core. */
import { randomBytes } from 'node:crypto'
import type { Point, Scalar } from '../src/base/bytes.js'
import type { Crypto, SlotPlan, SplitRequest } from '../src/crypto/crypto.js'

export interface KeyPair {
  readonly secret: Scalar
  readonly point: Point
}

export interface Fixture {
  readonly request: SplitRequest
  readonly receiptKeys: Uint8Array
  readonly server: KeyPair
  readonly window: number
}

const WINDOW = 2_900_000
/** R_i, slot, E_i, length of the personal part, tag. */
const COPY_BEYOND_BODY_BYTES = 32 + 10 + 32 + 1 + 16

export function keyPair(crypto: Crypto): KeyPair {
  const secret = crypto.reduce(randomBytes(64))
  return { secret, point: crypto.publicPoint(secret) }
}

export function slotPlan(
  crypto: Crypto,
  serverKey: Point,
  copies: number,
  copyBytes: number,
  recipients: Uint8Array = randomBytes(10 * copies),
): SlotPlan {
  return {
    splitterKey: keyPair(crypto).point,
    serverKey,
    groupKey: keyPair(crypto).point,
    window: WINDOW,
    copyBytes,
    recipients,
    entropy: randomBytes(128),
  }
}

/** A request of so many copies; `recipients`, 10 bytes each, are drawn where none are given. */
export function makeFixture(crypto: Crypto, copies: number, bodyBytes: number, recipients?: Uint8Array): Fixture {
  const server = keyPair(crypto)
  const made = crypto.makeSlots(slotPlan(crypto, server.point, copies, COPY_BEYOND_BODY_BYTES + bodyBytes, recipients))
  if (made === undefined) throw new Error('the slots could not be made')
  const { ephemeral, requestKey, oneTimeBase, oneTimeKey, slots, receiptKeys } = made
  const request = {
    ...{ ephemeral, requestKey, oneTimeBase, oneTimeKey, slots, serverKey: server.point },
    personalPartBytes: 0,
    personalParts: new Uint8Array(0),
    content: randomBytes(bodyBytes),
  }
  return { request, receiptKeys, server, window: WINDOW }
}

/** All copies of a request as P2 sends them, one after the other. */
export function splitAll(crypto: Crypto, request: SplitRequest): Uint8Array {
  const prepared = crypto.prepareSplit(request, randomBytes(32))
  if (prepared === undefined) throw new Error('the request did not prepare')
  const copies = prepared.split(0, prepared.copies)
  prepared.wipe()
  return copies
}

/** Cuts what a split gave into copies. */
export function cut(all: Uint8Array, copies: number): Uint8Array[] {
  const each = all.length / copies
  return Array.from({ length: copies }, (_, i) => all.subarray(each * i, each * (i + 1)))
}
