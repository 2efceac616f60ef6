/**
 * A second implementation of the Crypto interface, made of libsodium alone and of PROTOCOL.md read once more: the WASM
 * core is held against it. Slow and simple on purpose; it shares no code with
 * src/crypto.
 */
import { ed25519, ristretto255 } from '@noble/curves/ed25519.js'
import sodium from 'libsodium-wrappers-sumo'
import {
  bigEndian,
  concat,
  type Digest,
  digest,
  identityKey,
  key,
  type Point,
  point,
  type Scalar,
  scalar,
  signature,
  toHex,
} from '../../src/base/bytes.js'
import type { Crypto, SealContext } from '../../src/crypto/crypto.js'
import { chachaBlock } from './chacha.js'
import { createTwinSplitting } from './twin-splitting.js'

const EMPTY = new Uint8Array(0)

export async function createTwin(): Promise<Crypto> {
  await sodium.ready
  return {
    build: 'libsodium twin',
    buildReason: 'the tests compare with it',
    ...hashing,
    ...aead,
    ...packets,
    ...signing,
    ...agreement,
    ...group,
    ...sealing,
    ...createTwinSplitting({ ...hashing, ...aead, ...group, ...sealing }),
    argon2id: (passphrase, salt, cost) =>
      sodium.crypto_pwhash(64, passphrase, salt, cost.passes, cost.memoryBytes, sodium.crypto_pwhash_ALG_ARGON2ID13),
  }
}

const hashing: Pick<Crypto, 'hash' | 'hmac' | 'hkdf'> = {
  hash: (...parts) => digest(sodium.crypto_hash_sha256(concat(...parts))),
  hmac(hmacKey, ...parts) {
    const state = sodium.crypto_auth_hmacsha256_init(hmacKey)
    for (const part of parts) sodium.crypto_auth_hmacsha256_update(state, part)
    return digest(sodium.crypto_auth_hmacsha256_final(state))
  },
  hkdf(secret, salt, info, lengthBytes) {
    if (lengthBytes > 255 * 32) throw new Error('HKDF ends at 255 blocks')
    const extracted: Digest = hashing.hmac(salt, secret)
    const blocks: Uint8Array[] = [EMPTY]
    for (let i = 1; i <= Math.ceil(lengthBytes / 32); i++) {
      blocks.push(hashing.hmac(extracted, blocks[i - 1] as Uint8Array, info, Uint8Array.of(i)))
    }
    return concat(...blocks).slice(0, lengthBytes)
  },
}

const aead: Pick<Crypto, 'aeadSeal' | 'aeadOpen' | 'chachaBlock'> = {
  aeadSeal: (aeadKey, nonce, associated, plaintext) =>
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, associated, null, nonce, aeadKey),
  aeadOpen: (aeadKey, nonce, associated, sealed) =>
    attempt(() => sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, associated, nonce, aeadKey)),
  chachaBlock,
}

const packets: Pick<Crypto, 'sealPacket' | 'openPacket'> = {
  sealPacket(keys, receiverIndex, number, frames) {
    const associated = concat(Uint8Array.of(0x14), receiverIndex)
    const sealed = aead.aeadSeal(keys.subarray(0, 32), packetNonce(number), associated, frames)
    return concat(associated, masked(keys, bigEndian(number, 4), sealed), sealed)
  },
  openPacket(keys, receiverIndex, maskedNumber, sealed) {
    if (sealed.length < 16) return undefined
    const number = Number(`0x${toHex(masked(keys, maskedNumber, sealed))}`)
    const associated = concat(Uint8Array.of(0x14), receiverIndex)
    const frames = aead.aeadOpen(keys.subarray(0, 32), packetNonce(number), associated, sealed)
    return frames === undefined || number >= 2 ** 31 ? undefined : { number, frames }
  },
}

function packetNonce(number: number): Uint8Array {
  return concat(new Uint8Array(8), bigEndian(number, 4))
}

/** A packet's number with the mask that its sealed frames select put on, or taken off. */
function masked(keys: Uint8Array, number: Uint8Array, sealed: Uint8Array): Uint8Array {
  const counter = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0, true)
  const block = chachaBlock(keys.slice(32), counter, sealed.slice(4, 16))
  return number.map((byte, i) => byte ^ (block[i] as number))
}

const signing: Pick<Crypto, 'identity' | 'sign' | 'verify' | 'identityPoint' | 'linkPublicKey'> = {
  identity(seed) {
    const pair = sodium.crypto_sign_seed_keypair(seed)
    const clamped = sodium.crypto_sign_ed25519_sk_to_curve25519(pair.privateKey)
    return {
      seed: Uint8Array.from(seed),
      identityKey: identityKey(pair.publicKey),
      secretScalar: scalar(sodium.crypto_core_ristretto255_scalar_reduce(concat(clamped, new Uint8Array(32)))),
      linkSecret: key(clamped),
    }
  },
  sign: (identity, ...parts) =>
    signature(sodium.crypto_sign_detached(concat(...parts), concat(identity.seed, identity.identityKey))),
  verify: (signer, claimed, ...parts) =>
    claimed.length === 64 &&
    signing.identityPoint(signer) !== undefined &&
    sodium.crypto_sign_verify_detached(claimed, concat(...parts), signer),
  // libsodium has no way from an Edwards point to a ristretto255 element, so noble makes this one.
  identityPoint: (encoded) =>
    attempt(() => {
      const decoded = ed25519.Point.fromBytes(encoded)
      if (decoded.is0() || !decoded.isTorsionFree()) throw new Error('not of prime order')
      return point(ristretto255.Point.fromAffine(decoded.toAffine()).toBytes())
    }),
  linkPublicKey: (encoded) =>
    signing.identityPoint(encoded) && key(sodium.crypto_sign_ed25519_pk_to_curve25519(encoded)),
}

const agreement: Pick<Crypto, 'x25519' | 'x25519Public'> = {
  x25519: (secret, publicKey) => attempt(() => key(sodium.crypto_scalarmult(secret, publicKey))),
  x25519Public: (secret) => key(sodium.crypto_scalarmult_base(secret)),
}

const group: Pick<Crypto, 'reduce' | 'addScalars' | 'publicPoint' | 'publicPoints' | 'multiply' | 'addPoints'> = {
  reduce: (wide) => scalar(sodium.crypto_core_ristretto255_scalar_reduce(wide)),
  addScalars: (a, b) => scalar(sodium.crypto_core_ristretto255_scalar_add(a, b)),
  // libsodium refuses the scalar zero where the interface answers with the identity.
  publicPoints: (secrets) => secrets.map((secret) => group.publicPoint(secret)),
  publicPoint: (secret) =>
    point(attempt(() => sodium.crypto_scalarmult_ristretto255_base(secret)) ?? new Uint8Array(32)),
  multiply: (factor, encoded) => attempt(() => point(sodium.crypto_scalarmult_ristretto255(factor, encoded))),
  addPoints: (p, q) =>
    attempt(() => {
      if (sodium.is_zero(p) || sodium.is_zero(q)) throw new Error('the identity is refused')
      const sum = sodium.crypto_core_ristretto255_add(p, q)
      if (sodium.is_zero(sum)) throw new Error('the sum is the identity')
      return point(sum)
    }),
}

function sealKey(encoded: Uint8Array, product: Point, context: SealContext): Uint8Array {
  const shared = hashing.hash(encoded, product)
  return context.symmetric === undefined ? shared : hashing.hash(shared, context.symmetric)
}

const sealing: Pick<Crypto, 'seal' | 'open' | 'openAny' | 'requestKey'> = {
  seal(publicKey, context, plaintext, entropy) {
    const secret = group.reduce(entropy)
    const product = group.multiply(secret, publicKey)
    if (product === undefined) return undefined
    const ephemeral = group.publicPoint(secret)
    const sealed = aead.aeadSeal(sealKey(ephemeral, product, context), context.label, context.associated, plaintext)
    return concat(ephemeral, sealed)
  },
  open(secret, context, sealed) {
    const ephemeral = sealed.subarray(0, 32)
    const product = group.multiply(secret, ephemeral)
    if (product === undefined) return undefined
    return aead.aeadOpen(sealKey(ephemeral, product, context), context.label, context.associated, sealed.subarray(32))
  },
  openAny(secrets: readonly Scalar[], context, sealed) {
    for (const [index, secret] of secrets.entries()) {
      const plaintext = sealing.open(secret, context, sealed)
      if (plaintext !== undefined) return { index, plaintext }
    }
    return undefined
  },
  requestKey(secret, ephemeral) {
    const product = group.multiply(secret, ephemeral)
    return product && key(hashing.hash(ephemeral, product))
  },
}

function attempt<T>(compute: () => T): T | undefined {
  try {
    return compute()
  } catch {
    return undefined
  }
}
