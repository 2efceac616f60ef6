/**
 * Identities, signatures and X25519 by libsodium (PROTOCOL.md sections 1.1 and 1.3), and the one check that
 * libsodium lacks, done in the WASM core: that an identity key is canonical, of prime order and not the identity.
 */
import sodium from 'libsodium-wrappers-sumo'
import { concat, identityKey, key, point, scalar, signature, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { CheckedKeys } from './checked-keys.js'
import type { Agreement, Group255, Signing } from './crypto.js'
import { type Core, status } from './wasm.js'

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64

export function createSigning(core: Core, reduce: Group255['reduce']): Signing {
  const checkedKeys = new CheckedKeys(limits.checkedKeys)
  const check = (encoded: Uint8Array) => {
    core.memory.set(encoded, core.at.POINT)
    return core.calls.identityPoint() === status.ok ? point(core.take(core.at.RESULT, KEY_BYTES)) : undefined
  }
  const identityPoint: Signing['identityPoint'] = (encoded) =>
    encoded.length === KEY_BYTES ? checkedKeys.pointOf(encoded, check) : undefined

  return {
    identityPoint,
    identity(seed) {
      requireLength(seed, KEY_BYTES)
      const pair = sodium.crypto_sign_seed_keypair(seed)
      // RFC 8032 section 5.1.5 steps 1 and 2: the clamped scalar, which is also the X25519 secret of the same point.
      const clamped = sodium.crypto_sign_ed25519_sk_to_curve25519(pair.privateKey)
      const wide = new Uint8Array(64)
      wide.set(clamped)
      const secretScalar = scalar(reduce(wide))
      wipe(wide, pair.privateKey)
      return {
        seed: Uint8Array.from(seed),
        identityKey: identityKey(pair.publicKey),
        secretScalar,
        linkSecret: key(clamped),
      }
    },
    sign(identity, ...parts) {
      // libsodium's secret key is the RFC 8032 private key and the public key, one after the other.
      const secretKey = concat(identity.seed, identity.identityKey)
      const made = sodium.crypto_sign_detached(concat(...parts), secretKey)
      wipe(secretKey)
      return signature(made)
    },
    verify(signer, claimed, ...parts) {
      if (claimed.length !== SIGNATURE_BYTES || identityPoint(signer) === undefined) return false
      return sodium.crypto_sign_verify_detached(claimed, concat(...parts), signer)
    },
    linkPublicKey(encoded) {
      if (identityPoint(encoded) === undefined) return undefined
      return key(sodium.crypto_sign_ed25519_pk_to_curve25519(encoded))
    },
  }
}

export function createAgreement(): Agreement {
  return {
    x25519(secret, publicKey) {
      requireLength(secret, KEY_BYTES)
      if (publicKey.length !== KEY_BYTES) return undefined
      try {
        return key(sodium.crypto_scalarmult(secret, publicKey))
      } catch {
        // With lengths right, the one thing libsodium refuses is an all-zero result (RFC 7748 section 6.1).
        return undefined
      }
    },
    x25519Public(secret) {
      requireLength(secret, KEY_BYTES)
      return key(sodium.crypto_scalarmult_base(secret))
    },
  }
}

function requireLength(bytes: Uint8Array, lengthBytes: number): void {
  if (bytes.length !== lengthBytes) {
    throw new ProtocolError('BYTES_LENGTH', `the call takes ${lengthBytes} bytes here, got ${bytes.length}`)
  }
}
