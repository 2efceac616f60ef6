/**
 * Passphrase derivation by libsodium's Argon2id (RFC 9106; PROTOCOL.md section 1.1). A file of its own, since a derivation
 * at full cost runs on a thread that needs nothing else.
 */
import sodium from 'libsodium-wrappers-sumo'
import { ProtocolError } from '../base/errors.js'
import type { PassphraseCost, Passphrases } from './crypto.js'

/** The cost that protocol version 1 fixes. */
export const passphraseCost: PassphraseCost = { passes: 2, memoryBytes: 64 * 1024 * 1024 }

const SALT_BYTES = 16
const DERIVED_BYTES = 64

export async function createPassphrases(): Promise<Passphrases> {
  await sodium.ready
  return {
    argon2id(passphrase, salt, cost) {
      if (salt.length !== SALT_BYTES) {
        throw new ProtocolError('BYTES_LENGTH', `a salt is ${SALT_BYTES} bytes, got ${salt.length}`)
      }
      const algorithm = sodium.crypto_pwhash_ALG_ARGON2ID13
      return sodium.crypto_pwhash(DERIVED_BYTES, passphrase, salt, cost.passes, cost.memoryBytes, algorithm)
    },
  }
}
