/**
 * Packet protection, sealing and single operations on points, over the WASM core (PROTOCOL.md sections 1.1 and 2).
 */
import { assert } from '../base/assert.js'
import { key, type Point, point, type Scalar, scalar } from '../base/bytes.js'
import type { Aead, Group255, SealContext, Sealing } from './crypto.js'
import { type Core, status } from './wasm.js'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const POINT_BYTES = 32
const TAG_BYTES = 16
const SEAL_BYTES = POINT_BYTES + TAG_BYTES
const BLOCK_BYTES = 64
const ENTROPY_BYTES = 64

export function createAead(core: Core): Aead {
  const { at, calls, memory } = core

  function writeParameters(aeadKey: Uint8Array, nonce: Uint8Array, associated: Uint8Array): void {
    core.writeExactly(at.KEY, aeadKey, KEY_BYTES)
    core.writeExactly(at.NONCE, nonce, NONCE_BYTES)
    core.writeWithin(at.ASSOCIATED, associated, at.ASSOCIATED_CAPACITY)
  }

  return {
    aeadSeal(aeadKey, nonce, associated, plaintext) {
      writeParameters(aeadKey, nonce, associated)
      core.writeWithin(at.TEXT, plaintext, at.TEXT_CAPACITY - TAG_BYTES)
      const answer = calls.aeadSeal(plaintext.length, associated.length)
      assert(answer === status.ok, 'lengths were checked before sealing')
      return core.take(at.TEXT, plaintext.length + TAG_BYTES)
    },
    aeadOpen(aeadKey, nonce, associated, sealed) {
      if (sealed.length < TAG_BYTES || sealed.length > at.TEXT_CAPACITY) return undefined
      writeParameters(aeadKey, nonce, associated)
      memory.set(sealed, at.TEXT)
      const opened = calls.aeadOpen(sealed.length, associated.length) === status.ok
      const plaintext = opened ? core.take(at.TEXT, sealed.length - TAG_BYTES) : undefined
      core.wipe(at.TEXT, sealed.length)
      return plaintext
    },
    chachaBlock(blockKey, counter, nonce) {
      core.writeExactly(at.KEY, blockKey, KEY_BYTES)
      core.writeExactly(at.NONCE, nonce, NONCE_BYTES)
      calls.chachaBlock(counter)
      return core.takeSecret(at.RESULT, BLOCK_BYTES)
    },
  }
}

export function createSealing(core: Core): Sealing {
  const { at, calls, memory } = core

  function writeContext(context: SealContext): boolean {
    core.writeExactly(at.NONCE, context.label, NONCE_BYTES)
    core.writeWithin(at.ASSOCIATED, context.associated, at.ASSOCIATED_CAPACITY)
    if (context.symmetric === undefined) return false
    core.writeExactly(at.SYMMETRIC, context.symmetric, KEY_BYTES)
    return true
  }

  /** Tries as many secrets as one call takes. */
  function tryBatch(secrets: readonly Scalar[], context: SealContext, sealed: Uint8Array): number {
    secrets.forEach((secret, i) => {
      core.writeExactly(at.SECRETS + KEY_BYTES * i, secret, KEY_BYTES)
    })
    memory.set(sealed, at.TEXT)
    const mixed = writeContext(context)
    return calls.openAny(secrets.length, sealed.length, context.associated.length, mixed)
  }

  const openAny: Sealing['openAny'] = (secrets, context, sealed) => {
    if (sealed.length < SEAL_BYTES || sealed.length > at.TEXT_CAPACITY) return undefined
    for (let from = 0; from < secrets.length; from += at.SECRETS_CAPACITY) {
      const index = tryBatch(secrets.slice(from, from + at.SECRETS_CAPACITY), context, sealed)
      if (index < 0) continue
      return {
        index: from + index,
        plaintext: core.takeSecret(at.TEXT + POINT_BYTES, sealed.length - SEAL_BYTES),
      }
    }
    return undefined
  }

  return {
    seal(publicKey, context, plaintext, entropy) {
      if (publicKey.length !== POINT_BYTES) return undefined
      memory.set(publicKey, at.POINT)
      core.writeExactly(at.ENTROPY, entropy, ENTROPY_BYTES)
      const mixed = writeContext(context)
      core.writeWithin(at.TEXT + POINT_BYTES, plaintext, at.TEXT_CAPACITY - SEAL_BYTES)
      const answer = calls.seal(plaintext.length, context.associated.length, mixed)
      if (answer === status.ok) return core.take(at.TEXT, plaintext.length + SEAL_BYTES)
      core.wipe(at.TEXT, POINT_BYTES + plaintext.length)
      return undefined
    },
    open: (secret, context, sealed) => openAny([secret], context, sealed)?.plaintext,
    openAny,
    requestKey(secret, ephemeral) {
      if (ephemeral.length !== POINT_BYTES) return undefined
      core.writeExactly(at.SECRET, secret, KEY_BYTES)
      memory.set(ephemeral, at.POINT)
      return calls.requestKey() === status.ok ? key(core.takeSecret(at.RESULT, KEY_BYTES)) : undefined
    },
  }
}

export function createGroup255(core: Core): Group255 {
  const { at, calls, memory } = core

  function takeScalar(): Scalar {
    return scalar(core.takeSecret(at.RESULT, KEY_BYTES))
  }

  function takePoint(answer: number): Point | undefined {
    return answer === status.ok ? point(core.takeSecret(at.RESULT, POINT_BYTES)) : undefined
  }

  function multiplyGenerator(secrets: readonly Scalar[]): Point[] {
    secrets.forEach((secret, i) => {
      core.writeExactly(at.SECRETS + KEY_BYTES * i, secret, KEY_BYTES)
    })
    const answer = calls.publicPoints(secrets.length)
    assert(answer === status.ok, 'at most as many secrets as one call takes')
    return secrets.map((_, i) => point(core.take(at.OUTPUT + POINT_BYTES * i, POINT_BYTES)))
  }

  return {
    reduce(wide) {
      core.writeExactly(at.ENTROPY, wide, ENTROPY_BYTES)
      calls.reduceWide()
      return takeScalar()
    },
    addScalars(a, b) {
      core.writeExactly(at.SECRET, a, KEY_BYTES)
      core.writeExactly(at.SECOND_SECRET, b, KEY_BYTES)
      calls.addScalars()
      return takeScalar()
    },
    publicPoint: (secret) => multiplyGenerator([secret])[0] as Point,
    publicPoints(secrets) {
      const batches = Math.ceil(secrets.length / at.SECRETS_CAPACITY)
      return Array.from({ length: batches }, (_, i) => {
        const from = at.SECRETS_CAPACITY * i
        return multiplyGenerator(secrets.slice(from, from + at.SECRETS_CAPACITY))
      }).flat()
    },
    multiply(factor, encoded) {
      if (encoded.length !== POINT_BYTES) return undefined
      core.writeExactly(at.SECRET, factor, KEY_BYTES)
      memory.set(encoded, at.POINT)
      return takePoint(calls.multiplyPoint())
    },
    addPoints(p, q) {
      if (p.length !== POINT_BYTES || q.length !== POINT_BYTES) return undefined
      memory.set(p, at.POINT)
      memory.set(q, at.SECOND_POINT)
      return takePoint(calls.addPoints())
    },
  }
}
