/** Keys, plans and requests that the crypto contract is tried with; everything follows from the randomness handed in. */
import { concat, type Point, type Scalar } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { RandomBytes } from '../../src/base/random.js'
import type { Crypto, SealContext, SlotPlan, Slots, SplitRequest } from '../../src/crypto/crypto.js'

export const nothing = new Uint8Array(0)
export const window = 2_900_000

/** A ristretto255 key pair. */
export interface Pair {
  readonly secret: Scalar
  readonly point: Point
}

export function pair(crypto: Crypto, random: RandomBytes): Pair {
  const secret = crypto.reduce(random(64))
  return { secret, point: crypto.publicPoint(secret) }
}

export function context(label: keyof typeof labels, associated: Uint8Array = nothing): SealContext {
  return { label: labels[label], associated }
}

/** Everyone who takes part in one message, and the message up to the point where P2 has the request open. */
export interface World {
  readonly splitter: Pair
  readonly server: Pair
  readonly group: Pair
  readonly plan: SlotPlan
  readonly slots: Slots
  readonly request: SplitRequest
}

export interface Shape {
  readonly copies: number
  readonly personalPartBytes: number
  readonly contentBytes: number
}

/** Bytes of a copy as CS opens it: R_i, slot, E_i, the count of the personal part, that part, content, tag. */
export function copyBytes({ personalPartBytes, contentBytes }: Shape): number {
  return 32 + 10 + 32 + 1 + personalPartBytes + contentBytes + 16
}

export function world(crypto: Crypto, random: RandomBytes, shape: Shape): World {
  const [splitter, server, group] = [pair(crypto, random), pair(crypto, random), pair(crypto, random)]
  const plan: SlotPlan = {
    splitterKey: splitter.point,
    serverKey: server.point,
    groupKey: group.point,
    window,
    copyBytes: copyBytes(shape),
    recipients: random(10 * shape.copies),
    entropy: random(128),
  }
  const slots = crypto.makeSlots(plan)
  if (slots === undefined) throw new Error('the keys of a fresh world decode')
  const request: SplitRequest = {
    ephemeral: slots.ephemeral,
    requestKey: slots.requestKey,
    oneTimeBase: slots.oneTimeBase,
    oneTimeKey: slots.oneTimeKey,
    serverKey: server.point,
    slots: slots.slots,
    personalPartBytes: shape.personalPartBytes,
    personalParts: random(shape.personalPartBytes * shape.copies),
    content: random(shape.contentBytes),
  }
  return { splitter, server, group, plan, slots, request }
}

/** Cuts a batch into pieces of one length. */
export function pieces(batch: Uint8Array, lengthBytes: number): Uint8Array[] {
  return Array.from({ length: batch.length / lengthBytes }, (_, i) =>
    batch.slice(i * lengthBytes, (i + 1) * lengthBytes),
  )
}

/** A copy with one bit turned. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const turned = Uint8Array.from(bytes)
  turned[bit >> 3] = (turned[bit >> 3] as number) ^ (1 << (bit & 7))
  return turned
}

/** What the text under copy i's scramble must be. */
export function scrambledText(request: SplitRequest, i: number): Uint8Array {
  const { personalPartBytes: size, personalParts, content } = request
  return concat(Uint8Array.of(size), personalParts.subarray(size * i, size * (i + 1)), content)
}
