/**
 * Noise_NK_25519_ChaChaPoly_SHA256 (Noise Protocol Framework, revision 34): the initiator knows the responder's static
 * key, the responder learns nothing of the initiator. Pure: keys come in, messages and session keys come out.
 * PROTOCOL.md section 10.1.
 */
import { type Key, key, utf8, wipe } from '../base/bytes.js'
import type { Aead, Agreement, Hashing, Packets } from '../crypto/crypto.js'

/** What a link asks of cryptography. */
export type LinkCrypto = Hashing & Aead & Agreement & Packets

/** What both ends hold after the handshake; the keys are secret. */
export interface SessionSecrets {
  readonly initiatorKey: Key
  readonly responderKey: Key
  readonly handshakeHash: Uint8Array
}

/** A message as Noise writes it: the ephemeral key in clear, the payload sealed. */
export interface NoiseMessage {
  readonly ephemeral: Uint8Array
  readonly sealed: Uint8Array
}

// Exactly 32 bytes, so that it is the initial hash itself (section 5.2, InitializeSymmetric).
const PROTOCOL_NAME = utf8('Noise_NK_25519_ChaChaPoly_SHA256')
const EMPTY = new Uint8Array(0)

/** Noise section 5.2. Every value is replaced, never written over, so that a copy costs nothing. */
class SymmetricState {
  private readonly crypto: LinkCrypto
  private chainingKey: Uint8Array = PROTOCOL_NAME.slice()
  private cipherKey: Uint8Array | undefined
  private nonce = 0
  hash: Uint8Array = PROTOCOL_NAME.slice()

  constructor(crypto: LinkCrypto) {
    this.crypto = crypto
  }

  copy(): SymmetricState {
    const copied = new SymmetricState(this.crypto)
    copied.chainingKey = this.chainingKey.slice()
    copied.cipherKey = this.cipherKey?.slice()
    copied.nonce = this.nonce
    copied.hash = this.hash
    return copied
  }

  mixHash(data: Uint8Array): void {
    this.hash = this.crypto.hash(this.hash, data)
  }

  /** Noise's HKDF (section 4.3) is RFC 5869 with the chaining key as salt and no info. */
  mixKey(keyMaterial: Uint8Array): void {
    const derived = this.crypto.hkdf(keyMaterial, this.chainingKey, EMPTY, 64)
    this.wipe()
    this.chainingKey = derived.slice(0, 32)
    this.cipherKey = derived.slice(32)
    this.nonce = 0
    wipe(derived, keyMaterial)
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed =
      this.cipherKey === undefined
        ? plaintext
        : this.crypto.aeadSeal(this.cipherKey, noiseNonce(this.nonce++), this.hash, plaintext)
    this.mixHash(sealed)
    return sealed
  }

  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const plaintext =
      this.cipherKey === undefined
        ? sealed
        : this.crypto.aeadOpen(this.cipherKey, noiseNonce(this.nonce++), this.hash, sealed)
    this.mixHash(sealed)
    return plaintext
  }

  split(): SessionSecrets {
    const derived = this.crypto.hkdf(EMPTY, this.chainingKey, EMPTY, 64)
    const secrets = {
      initiatorKey: key(derived.slice(0, 32)),
      responderKey: key(derived.slice(32)),
      handshakeHash: this.hash,
    }
    wipe(derived)
    return secrets
  }

  wipe(): void {
    wipe(this.chainingKey)
    if (this.cipherKey !== undefined) wipe(this.cipherKey)
  }
}

/** Section 5.1: 32 zero bits, then the counter in little endian. */
function noiseNonce(counter: number): Uint8Array {
  const nonce = new Uint8Array(12)
  new DataView(nonce.buffer).setUint32(4, counter, true)
  return nonce
}

function initialise(crypto: LinkCrypto, prologue: Uint8Array, responderKey: Uint8Array): SymmetricState {
  const state = new SymmetricState(crypto)
  state.mixHash(prologue)
  state.mixHash(responderKey)
  return state
}

/** The initiator's half: `-> e, es`, then `<- e, ee`. */
export class NoiseInitiator {
  private readonly crypto: LinkCrypto
  private readonly ephemeralSecret: Uint8Array
  private readonly responderKey: Uint8Array
  private readonly state: SymmetricState

  /** `ephemeralSecret` is 32 fresh random bytes; this object wipes them. */
  constructor(crypto: LinkCrypto, prologue: Uint8Array, responderKey: Uint8Array, ephemeralSecret: Uint8Array) {
    this.crypto = crypto
    this.ephemeralSecret = ephemeralSecret
    this.responderKey = responderKey
    this.state = initialise(crypto, prologue, responderKey)
  }

  /** The first message, or `undefined` where the responder's key is worthless. */
  write(payload: Uint8Array = EMPTY): NoiseMessage | undefined {
    const ephemeral = this.crypto.x25519Public(this.ephemeralSecret)
    this.state.mixHash(ephemeral)
    const shared = this.crypto.x25519(this.ephemeralSecret, this.responderKey)
    if (shared === undefined) return undefined
    this.state.mixKey(shared)
    return { ephemeral, sealed: this.state.encryptAndHash(payload) }
  }

  /** Reads the second message. A forged one changes nothing: the true one may still come. */
  read(message: NoiseMessage): { readonly payload: Uint8Array; readonly secrets: SessionSecrets } | undefined {
    const state = this.state.copy()
    try {
      state.mixHash(message.ephemeral)
      const shared = this.crypto.x25519(this.ephemeralSecret, message.ephemeral)
      if (shared === undefined) return undefined
      state.mixKey(shared)
      const payload = state.decryptAndHash(message.sealed)
      return payload === undefined ? undefined : { payload, secrets: state.split() }
    } finally {
      state.wipe()
    }
  }

  wipe(): void {
    wipe(this.ephemeralSecret)
    this.state.wipe()
  }
}

/** The responder's half. */
export class NoiseResponder {
  private readonly crypto: LinkCrypto
  private readonly staticSecret: Uint8Array
  private readonly state: SymmetricState
  private initiatorEphemeral: Uint8Array = EMPTY

  constructor(crypto: LinkCrypto, prologue: Uint8Array, staticSecret: Uint8Array, staticKey: Uint8Array) {
    this.crypto = crypto
    this.staticSecret = staticSecret
    this.state = initialise(crypto, prologue, staticKey)
  }

  /** The payload of the first message, or `undefined` where it does not authenticate. */
  read(message: NoiseMessage): Uint8Array | undefined {
    this.initiatorEphemeral = message.ephemeral
    this.state.mixHash(message.ephemeral)
    const shared = this.crypto.x25519(this.staticSecret, message.ephemeral)
    if (shared === undefined) return undefined
    this.state.mixKey(shared)
    return this.state.decryptAndHash(message.sealed)
  }

  /** The second message and what it agrees on. `ephemeralSecret` is 32 fresh random bytes, wiped here. */
  write(
    ephemeralSecret: Uint8Array,
    payload: Uint8Array = EMPTY,
  ): { readonly message: NoiseMessage; readonly secrets: SessionSecrets } | undefined {
    const ephemeral = this.crypto.x25519Public(ephemeralSecret)
    this.state.mixHash(ephemeral)
    const shared = this.crypto.x25519(ephemeralSecret, this.initiatorEphemeral)
    wipe(ephemeralSecret)
    if (shared === undefined) return undefined
    this.state.mixKey(shared)
    const sealed = this.state.encryptAndHash(payload)
    return { message: { ephemeral, sealed }, secrets: this.state.split() }
  }

  wipe(): void {
    this.state.wipe()
  }
}
