/**
 * Everything secret that a node ever computes with: a Crypto that does what the real one does and keeps a copy of each key that
 * passes through it. Whoever seized the node, with a memory that forgets nothing, would hold no more.
 */
import { concat, type Key, key, type Scalar, scalar, toHex } from '../../src/base/bytes.js'
import type { Crypto, SealContext } from '../../src/crypto/crypto.js'
import type { Job, JobResult } from '../../src/role/jobs.js'

const KEY_BYTES = 32

export class Vault {
  /** A packet key and its mask key behind it, 64 bytes, of each direction of each link. */
  readonly packetKeys = new Map<string, Uint8Array>()
  /** Scalars and X25519 secrets. */
  readonly scalars = new Map<string, Scalar>()
  /** Keys of single messages. */
  readonly messageKeys = new Map<string, Key>()
  /** What groups and invitations mix in. */
  readonly symmetric = new Map<string, Key>()

  addScalar(secret: Uint8Array): void {
    this.scalars.set(toHex(secret), scalar(Uint8Array.from(secret)))
  }

  addMessageKey(secret: Uint8Array): void {
    if (secret.length === KEY_BYTES) this.messageKeys.set(toHex(secret), key(Uint8Array.from(secret)))
  }

  /** The secrets that a job came with, and those that it gave. */
  addJob(job: Job, run: (job: Job) => JobResult): JobResult {
    if (job.type === 'split') this.addMessageKey(job.request.requestKey)
    else
      for (let at = 0; at < job.secrets.length; at += KEY_BYTES)
        this.addScalar(job.secrets.subarray(at, at + KEY_BYTES))
    const result = run(job)
    if (result.type === 'openRequest' && result.unsealed !== undefined) this.addMessageKey(result.unsealed.requestKey)
    return result
  }

  /** All that several nodes hold together. */
  static joined(vaults: readonly Vault[]): Vault {
    const all = new Vault()
    for (const vault of vaults) {
      for (const [name, keys] of vault.packetKeys) all.packetKeys.set(name, keys)
      for (const secret of vault.scalars.values()) all.addScalar(secret)
      for (const secret of vault.messageKeys.values()) all.addMessageKey(secret)
      for (const [name, secret] of vault.symmetric) all.symmetric.set(name, secret)
    }
    return all
  }
}

/** The crypto of a node whose secrets go into the vault. */
export function recording(crypto: Crypto, vault: Vault): Crypto {
  const packet = (keys: Uint8Array) => vault.packetKeys.set(toHex(keys), Uint8Array.from(keys))
  const context = ({ symmetric }: SealContext) => {
    if (symmetric !== undefined) vault.symmetric.set(toHex(symmetric), key(Uint8Array.from(symmetric)))
  }
  return {
    ...crypto,
    ...recordingSecrets(crypto, vault),
    sealPacket(keys, ...rest) {
      packet(keys)
      return crypto.sealPacket(keys, ...rest)
    },
    openPacket(keys, ...rest) {
      packet(keys)
      return crypto.openPacket(keys, ...rest)
    },
    aeadSeal(secret, ...rest) {
      vault.addMessageKey(secret)
      return crypto.aeadSeal(secret, ...rest)
    },
    aeadOpen(secret, ...rest) {
      vault.addMessageKey(secret)
      return crypto.aeadOpen(secret, ...rest)
    },
    seal(publicKey, how, ...rest) {
      context(how)
      return crypto.seal(publicKey, how, ...rest)
    },
    open(secret, how, sealed) {
      vault.addScalar(secret)
      context(how)
      return crypto.open(secret, how, sealed)
    },
    openAny(secrets, how, sealed) {
      for (const secret of secrets) vault.addScalar(secret)
      context(how)
      return crypto.openAny(secrets, how, sealed)
    },
    makeSlots(plan) {
      for (const from of [0, 64])
        vault.addScalar(crypto.reduce(Uint8Array.from(plan.entropy.subarray(from, from + 64))))
      const slots = crypto.makeSlots(plan)
      if (slots !== undefined) vault.addMessageKey(slots.requestKey)
      return slots
    },
  }
}

/** The operations whose first argument, or whose result, is a scalar. */
function recordingSecrets(crypto: Crypto, vault: Vault): Partial<Crypto> {
  return {
    identity(seed) {
      const identity = crypto.identity(seed)
      vault.addScalar(identity.secretScalar)
      vault.addScalar(identity.linkSecret)
      return identity
    },
    x25519(secret, publicKey) {
      vault.addScalar(secret)
      return crypto.x25519(secret, publicKey)
    },
    reduce(wide) {
      const reduced = crypto.reduce(wide)
      vault.addScalar(reduced)
      return reduced
    },
    publicPoint(secret) {
      vault.addScalar(secret)
      return crypto.publicPoint(secret)
    },
    multiply(factor, point) {
      vault.addScalar(factor)
      return crypto.multiply(factor, point)
    },
    requestKey(secret, ephemeral) {
      vault.addScalar(secret)
      const made = crypto.requestKey(secret, ephemeral)
      if (made !== undefined) vault.addMessageKey(made)
      return made
    },
    openCopies(secret, windows, sealed) {
      vault.addScalar(secret)
      return crypto.openCopies(secret, windows, sealed)
    },
  }
}

/** Bytes that nobody had to be told: what a broken node might have used for a key. */
export const NO_KEY: Key = key(concat(new Uint8Array(KEY_BYTES)))
