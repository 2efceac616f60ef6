/**
 * What the rest of the stack asks of cryptography: hashing, signing, key agreement, packet protection, scrambling
 * and the split. Everything that grows with the number of members or copies takes a whole batch in one call.
 * `wasm.ts` is the implementation that runs; the tests hold it against a twin made of libsodium alone.
 * Normative text: PROTOCOL.md sections 1 to 5.
 */
import type { Digest, IdentityKey, Key, Point, Scalar, Signature } from '../base/bytes.js'

export interface Hashing {
  /** SHA-256 (FIPS 180-4) of the parts joined. */
  hash(...parts: readonly Uint8Array[]): Digest
  /** HMAC-SHA256 (RFC 2104) of the parts joined; any key length. */
  hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Digest
  /** HKDF-SHA256 (RFC 5869), extract with `salt`, expand with `info` to `lengthBytes` (at most 8,160). */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, lengthBytes: number): Uint8Array
}

export interface Aead {
  /** ChaCha20-Poly1305 (RFC 8439 section 2.8): ciphertext then 16-byte tag. `nonce` is 12 bytes. */
  aeadSeal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** The plaintext, or `undefined` where the tag does not fit; nothing of a bad plaintext is released. */
  aeadOpen(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined
  /** One 64-byte ChaCha20 block (RFC 8439 section 2.3). `nonce` is 12 bytes, `counter` 32 bits. */
  chachaBlock(key: Uint8Array, counter: number, nonce: Uint8Array): Uint8Array
}

/** What a packet held, and its number in its direction. */
export interface OpenedPacket {
  readonly number: number
  readonly frames: Uint8Array
}

/**
 * Whole link packets (PROTOCOL.md sections 10.2 and 10.3). `keys` is the packet key of one direction and its mask key behind
 * it, 64 bytes; `receiverIndex` is 4 bytes.
 */
export interface Packets {
  /** The datagram that carries `frames` under this number, 25 bytes more. No number may be used twice under a key. */
  sealPacket(keys: Uint8Array, receiverIndex: Uint8Array, number: number, frames: Uint8Array): Uint8Array
  /**
   * What the fields of a packet hold, or `undefined` where the tag does not fit or the number is 2^31 or more; nothing of
   * a bad packet is released. Whether the number was seen before is the caller's to tell.
   */
  openPacket(
    keys: Uint8Array,
    receiverIndex: Uint8Array,
    maskedNumber: Uint8Array,
    sealedFrames: Uint8Array,
  ): OpenedPacket | undefined
}

/** The secret half of an identity; `wipe` it when the device is forgotten. */
export interface Identity {
  /** 32 bytes: the RFC 8032 private key, the only part that is stored. */
  readonly seed: Uint8Array
  readonly identityKey: IdentityKey
  /** d: the identity's secret scalar mod l; [d]B is the identity point as a ristretto255 element. */
  readonly secretScalar: Scalar
  /** X25519 secret (RFC 7748) made from the same seed, for link handshakes. */
  readonly linkSecret: Key
}

export interface Signing {
  /** Expands a 32-byte seed into an identity (RFC 8032 section 5.1.5). */
  identity(seed: Uint8Array): Identity
  /** Ed25519 signature over the parts joined. */
  sign(identity: Identity, ...parts: readonly Uint8Array[]): Signature
  /** True only for a valid signature by a key in the prime-order subgroup. */
  verify(identityKey: IdentityKey, signature: Uint8Array, ...parts: readonly Uint8Array[]): boolean
  /**
   * D: the Edwards point of an identity key as a ristretto255 element, or `undefined` where the key is not canonical,
   * is the identity or lies outside the prime-order subgroup.
   */
  identityPoint(identityKey: Uint8Array): Point | undefined
  /** X25519 public key of an identity key (RFC 7748 section 4.1 map), or `undefined` as for `identityPoint`. */
  linkPublicKey(identityKey: Uint8Array): Key | undefined
}

export interface Agreement {
  /** X25519 (RFC 7748 section 5), or `undefined` where the shared secret would be all zero. */
  x25519(secret: Uint8Array, publicKey: Uint8Array): Key | undefined
  /** X25519 with the base point. */
  x25519Public(secret: Uint8Array): Key
}

export interface Group255 {
  /** 64 uniform bytes mod l (RFC 9496 section 4.4). */
  reduce(wide: Uint8Array): Scalar
  addScalars(a: Scalar, b: Scalar): Scalar
  /** [secret]B. */
  publicPoint(secret: Scalar): Point
  /** [secret]B of each: sixteen and more at once cost a fraction of as many calls. */
  publicPoints(secrets: readonly Scalar[]): Point[]
  /** [scalar]P, or `undefined` where P does not decode (RFC 9496 section 4.3.1) or either is the identity or zero. */
  multiply(scalar: Scalar, point: Uint8Array): Point | undefined
  /** P + Q, or `undefined` where either does not decode or the sum is the identity. */
  addPoints(p: Uint8Array, q: Uint8Array): Point | undefined
}

/** Options of one scramble; `symmetric` is mixed into the key where both ends share a secret (PROTOCOL.md section 2). */
export interface SealContext {
  /** The 12-byte label, used as the AEAD's nonce: a key serves one message. */
  readonly label: Uint8Array
  readonly associated: Uint8Array
  readonly symmetric?: Key
}

export interface Sealing {
  /**
   * Scrambles `plaintext` for the holder of `publicKey`'s secret: E || AEAD, 48 bytes more (PROTOCOL.md section 2).
   * `entropy` is 64 fresh random bytes. `undefined` where `publicKey` does not decode or the scalar drawn is zero.
   */
  seal(publicKey: Uint8Array, context: SealContext, plaintext: Uint8Array, entropy: Uint8Array): Uint8Array | undefined
  /** Opens with one secret; `undefined` for any failure. */
  open(secret: Scalar, context: SealContext, sealed: Uint8Array): Uint8Array | undefined
  /** Opens with the first of many secrets that fits; the point is decoded once and all trials are one batch. */
  openAny(
    secrets: readonly Scalar[],
    context: SealContext,
    sealed: Uint8Array,
  ): { index: number; plaintext: Uint8Array } | undefined
  /** K = H(R || [secret]R), by which P2 opens a request that came with R; `undefined` where R does not decode. */
  requestKey(secret: Scalar, ephemeral: Uint8Array): Key | undefined
}

/** What S hands over to make the slots of one message (PROTOCOL.md section 4). */
export interface SlotPlan {
  /** P2's sealing key. */
  readonly splitterKey: Point
  /** C: CS's sealing key. */
  readonly serverKey: Point
  /** G: the key the message is scrambled for. */
  readonly groupKey: Point
  /** Slot window, 32 bits. */
  readonly window: number
  /** Bytes of each copy as CS opens it: R_i, slot and payload together. */
  readonly copyBytes: number
  /** 10 bytes a recipient: id and access code. */
  readonly recipients: Uint8Array
  /** 128 fresh random bytes: 64 for r, 64 for h. */
  readonly entropy: Uint8Array
}

export interface Slots {
  /** R = [r]B. */
  readonly ephemeral: Point
  /** K2: seals the request for P2. */
  readonly requestKey: Key
  /** B' = [h]B. */
  readonly oneTimeBase: Point
  /** G' = [h]G. */
  readonly oneTimeKey: Point
  /** 10 bytes a recipient, in the order of `recipients`. */
  readonly slots: Uint8Array
  /** 32 bytes a recipient, by which S checks receipts. Secret. */
  readonly receiptKeys: Uint8Array
}

/** One request as P2 opened it, and as S knows it. */
export interface SplitRequest {
  readonly ephemeral: Point
  readonly requestKey: Key
  readonly oneTimeBase: Point
  readonly oneTimeKey: Point
  readonly serverKey: Point
  /** 10 bytes a copy. */
  readonly slots: Uint8Array
  /** Bytes of the personal part of each copy, 0..255. */
  readonly personalPartBytes: number
  /** `personalPartBytes` a copy. */
  readonly personalParts: Uint8Array
  /** The content as S sealed it, common to all copies. */
  readonly content: Uint8Array
}

/** A request prepared for splitting. */
export interface Split {
  readonly copies: number
  /** Bytes of each finished copy. */
  readonly sealedCopyBytes: number
  /**
   * Finished copies `from` to `from + count - 1`, one after the other, `sealedCopyBytes` each. The bytes are the caller's.
   * `count` copies must fit `splitOutputBytes` of limits.ts; throws `BYTES_LENGTH` for more, or for copies not there.
   * Before each copy stand `roomBytes`, 0 by default, for what the caller puts there; what they hold means nothing.
   */
  split(from: number, count: number, roomBytes?: number): Uint8Array
  /**
   * Overwrites the keys held for this request, K2 among them, and if its last copy was made, all that the core holds of
   * it. No copies can be made afterwards: `split` throws.
   */
  wipe(): void
}

/** One copy as CS opens it. */
export interface OpenedCopy {
  /** R_i || slot_i || payload_i: the bytes to be stored and receipted. */
  readonly copy: Uint8Array
  /** R_i, by which a repeat is known. */
  readonly ephemeral: Uint8Array
  /** What the slot says under each of the windows asked for, 10 bytes each, in their order. At most one is real. */
  readonly recipients: readonly Uint8Array[]
  /** Secret: makes the receipt. */
  readonly receiptKey: Key
  /** What goes to the recipient. */
  readonly payload: Uint8Array
}

/** What a receipt says became of a copy. */
export type Verdict = 'stored' | 'refused'

export interface Splitting {
  /** S's side; `undefined` where one of the keys does not decode or a scalar drawn is zero. */
  makeSlots(plan: SlotPlan): Slots | undefined
  /**
   * P2's side. `entropy` is 32 fresh random bytes, from which the outer seals' scalars are drawn. `undefined` where a
   * point does not decode or lengths do not fit each other. Preparing another request does not spoil this one.
   */
  prepareSplit(request: SplitRequest, entropy: Uint8Array): Split | undefined
  /**
   * CS's side: opens a batch under one sealing secret, each slot under each window; `undefined` for a copy that fails, or
   * whose payload is shorter than the 48 bytes of an empty one.
   */
  openCopies(secret: Scalar, windows: readonly number[], sealed: readonly Uint8Array[]): (OpenedCopy | undefined)[]
  /** The 4-byte token by which CS answers for a copy (PROTOCOL.md section 7). */
  receiptToken(receiptKey: Uint8Array, verdict: Verdict, copy: Uint8Array): Uint8Array
  /** S recomputes copies `from` to `from + count - 1` and the token each must have; 4 bytes a copy. */
  expectedTokens(
    request: SplitRequest,
    receiptKeys: Uint8Array,
    verdict: Verdict,
    from: number,
    count: number,
  ): Uint8Array
  /**
   * The points E_i that open the payloads of copies `from`..`from + count - 1`, 32 bytes each: by them a sender
   * knows its own copy when it comes back.
   */
  payloadPoints(request: SplitRequest, from: number, count: number): Uint8Array
  /**
   * Overwrites what is still prepared of a request for the next call on it: its points, the tables of B' and G', slots,
   * personal parts and content. It costs only time where that call comes after all.
   */
  forgetRequest(): void
}

/** Cost of a passphrase derivation; the protocol version fixes it, tests of other things may hand in less. */
export interface PassphraseCost {
  readonly passes: number
  readonly memoryBytes: number
}

export interface Passphrases {
  /** Argon2id (RFC 9106), one lane, 64 bytes out. `salt` is 16 bytes. Slow: off the event loop at real cost. */
  argon2id(passphrase: Uint8Array, salt: Uint8Array, cost: PassphraseCost): Uint8Array
}

export interface Crypto extends Hashing, Aead, Packets, Signing, Agreement, Group255, Sealing, Splitting, Passphrases {
  /** Which field arithmetic runs, for people and benchmarks: `fused`, `integer`, or another implementation's name. */
  readonly build: string
  /** Why that one, as a sentence for people. */
  readonly buildReason: string
}
