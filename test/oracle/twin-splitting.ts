/**
 * Slots, split, opening at CS and receipts of the libsodium twin: PROTOCOL.md sections 3 to 5 and 7 line by line, one
 * copy at a time, with nothing prepared and nothing remembered.
 */
import { bigEndian, concat, key, type Point, point, type Scalar, wipe } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { Crypto, SplitRequest, Splitting, Verdict } from '../../src/crypto/crypto.js'

type Parts = Pick<
  Crypto,
  | 'hash'
  | 'hmac'
  | 'aeadSeal'
  | 'chachaBlock'
  | 'reduce'
  | 'addScalars'
  | 'publicPoint'
  | 'multiply'
  | 'addPoints'
  | 'seal'
  | 'open'
>

const EMPTY = new Uint8Array(0)
const ROUNDS = [0, 1, 2, 3]

export function createTwinSplitting(parts: Parts): Splitting {
  function derivedScalar(secret: Uint8Array, i: number, label: Uint8Array): Scalar {
    return parts.reduce(parts.chachaBlock(secret, i, label))
  }

  /** Points of copies are doubled as they are encoded. */
  function doubled(scalar: Scalar): Scalar {
    return parts.addScalars(scalar, scalar)
  }

  function slotKeys(ephemeral: Uint8Array, product: Point): { slotKey: Uint8Array; receiptKey: Uint8Array } {
    const block = parts.chachaBlock(parts.hash(ephemeral, product), 0, labels.slotKeys)
    return { slotKey: block.slice(0, 32), receiptKey: block.slice(32) }
  }

  function roundOutput(slotKey: Uint8Array, j: number, half: Uint8Array, window: number, copyBytes: number) {
    const nonce = concat(half, bigEndian(window, 4), bigEndian(copyBytes, 3))
    return parts.chachaBlock(slotKey, j, nonce).subarray(0, 5)
  }

  function permute(recipient: Uint8Array, slotKey: Uint8Array, window: number, copyBytes: number): Uint8Array {
    let left: Uint8Array = recipient.slice(0, 5)
    let right: Uint8Array = recipient.slice(5)
    for (const j of ROUNDS) {
      ;[left, right] = [right, xor(left, roundOutput(slotKey, j, right, window, copyBytes))]
    }
    return concat(left, right)
  }

  function unpermute(slot: Uint8Array, slotKey: Uint8Array, window: number, copyBytes: number): Uint8Array {
    let left: Uint8Array = slot.slice(0, 5)
    let right: Uint8Array = slot.slice(5)
    for (const j of ROUNDS.toReversed()) {
      ;[left, right] = [xor(right, roundOutput(slotKey, j, left, window, copyBytes)), left]
    }
    return concat(left, right)
  }

  function makeCopy(request: SplitRequest, i: number): Uint8Array | undefined {
    const { personalPartBytes: partBytes } = request
    const offset = parts.publicPoint(derivedScalar(request.requestKey, i, labels.slotOffset))
    const half = parts.addPoints(request.ephemeral, offset)
    const ephemeral = half && parts.addPoints(half, half)
    const e = doubled(derivedScalar(request.requestKey, i, labels.scrambleScalar))
    const payloadPoint = parts.multiply(e, request.oneTimeBase)
    const product = parts.multiply(e, request.oneTimeKey)
    if (ephemeral === undefined || payloadPoint === undefined || product === undefined) return undefined
    const text = concat(
      Uint8Array.of(partBytes),
      request.personalParts.subarray(partBytes * i, partBytes * (i + 1)),
      request.content,
    )
    return concat(
      ephemeral,
      request.slots.subarray(10 * i, 10 * (i + 1)),
      payloadPoint,
      parts.aeadSeal(parts.hash(payloadPoint, product), labels.scramble, EMPTY, text),
    )
  }

  function requireCopy(request: SplitRequest, i: number): Uint8Array {
    const copy = makeCopy(request, i)
    if (copy === undefined) throw new Error('a point of the request does not decode')
    return copy
  }

  function receiptToken(receiptKey: Uint8Array, verdict: Verdict, copy: Uint8Array): Uint8Array {
    const verdictByte = Uint8Array.of(verdict === 'stored' ? 1 : 2)
    return parts.hmac(receiptKey, labels.receipt, verdictByte, parts.hash(copy)).slice(0, 4)
  }

  return {
    receiptToken,
    makeSlots(plan) {
      const r = parts.reduce(plan.entropy.subarray(0, 64))
      const h = parts.reduce(plan.entropy.subarray(64))
      const toSplitter = parts.multiply(r, plan.splitterKey)
      const oneTimeKey = parts.multiply(h, plan.groupKey)
      if (toSplitter === undefined || oneTimeKey === undefined) return undefined
      const ephemeral = parts.publicPoint(r)
      const requestKey = key(parts.hash(ephemeral, toSplitter))
      const slots: Uint8Array[] = []
      const receiptKeys: Uint8Array[] = []
      for (let i = 0; i < plan.recipients.length / 10; i++) {
        const logarithm = doubled(parts.addScalars(r, derivedScalar(requestKey, i, labels.slotOffset)))
        const product = parts.multiply(logarithm, plan.serverKey)
        if (product === undefined) return undefined
        const { slotKey, receiptKey } = slotKeys(parts.publicPoint(logarithm), product)
        slots.push(permute(plan.recipients.slice(10 * i, 10 * i + 10), slotKey, plan.window, plan.copyBytes))
        receiptKeys.push(receiptKey)
      }
      return {
        ephemeral,
        requestKey,
        oneTimeBase: parts.publicPoint(h),
        oneTimeKey,
        slots: concat(...slots),
        receiptKeys: concat(...receiptKeys),
      }
    },
    prepareSplit(given, entropy) {
      const request = structuredClone(given)
      const copies = request.slots.length / 10
      const { personalPartBytes: partBytes, content } = request
      if (!Number.isInteger(copies) || copies < 1 || copies > 4096) return undefined
      if (!Number.isInteger(partBytes) || partBytes < 0 || partBytes > 255) return undefined
      if (request.personalParts.length !== copies * partBytes) return undefined
      const outer = Uint8Array.from(entropy)
      const sealCopy = (i: number) => {
        const wide = new Uint8Array(64)
        wide.set(doubled(derivedScalar(outer, i, labels.copyScalar)))
        const context = { label: labels.copy, associated: EMPTY }
        const copy = makeCopy(request, i)
        return copy && parts.seal(request.serverKey, context, copy, wide)
      }
      if (sealCopy(0) === undefined) return undefined
      const sealedCopyBytes = 32 + 10 + 32 + 1 + partBytes + content.length + 16 + 48
      let wiped = false
      return {
        copies,
        sealedCopyBytes,
        wipe() {
          wiped = true
          wipe(request.requestKey, outer)
        },
        split(from, count, roomBytes = 0) {
          if (wiped) throw new Error('keys were wiped')
          const valid = from >= 0 && count >= 0 && from + count <= copies
          if (!valid || count * sealedCopyBytes > 16 * 1024 * 1024) throw new Error('copies out of range')
          const room = new Uint8Array(roomBytes)
          return concat(...Array.from({ length: count }, (_, i) => [room, sealCopy(from + i) as Uint8Array]).flat())
        },
      }
    },
    openCopies: (secret, windows, sealed) =>
      sealed.map((one) => {
        const copy = parts.open(secret, { label: labels.copy, associated: EMPTY }, one)
        if (copy === undefined || copy.length < 90) return undefined
        const ephemeral = copy.subarray(0, 32)
        const product = parts.multiply(secret, ephemeral)
        if (product === undefined) return undefined
        const { slotKey, receiptKey } = slotKeys(ephemeral, product)
        return {
          copy,
          ephemeral,
          recipients: windows.map((window) => unpermute(copy.slice(32, 42), slotKey, window, copy.length)),
          receiptKey: key(receiptKey),
          payload: copy.subarray(42),
        }
      }),
    expectedTokens(request, receiptKeys, verdict, from, count) {
      const tokens = Array.from({ length: count }, (_, i) =>
        receiptToken(
          receiptKeys.subarray(32 * (from + i), 32 * (from + i + 1)),
          verdict,
          requireCopy(request, from + i),
        ),
      )
      return concat(...tokens)
    },
    payloadPoints: (request, from, count) =>
      concat(...Array.from({ length: count }, (_, i) => point(requireCopy(request, from + i).slice(42, 74)))),
    forgetRequest() {
      // Nothing is remembered.
    },
  }
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] as number))
}
