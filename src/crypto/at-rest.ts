/**
 * What protects bytes at rest: XChaCha20-Poly1305 with random nonces for entries and keys, and libsodium's secretstream, which
 * is the same cipher over a sequence of chunks that cannot be cut short, reordered or repeated, for backups.
 * None of it is seen on the wire.
 */
import sodium from 'libsodium-wrappers-sumo'
import { concat } from '../base/bytes.js'
import type { RandomBytes } from '../base/random.js'

/** Bytes that `seal` adds: a nonce in front and a tag behind. */
export const SEAL_BYTES = 24 + 16
const NONCE_BYTES = 24

export interface AtRest {
  /** nonce || ciphertext || tag under a 32-byte key, bound to `associated`; the nonce is random. */
  seal(key: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** What was sealed, or `undefined` where key, `associated` or any byte is another. */
  open(key: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined
  /** Begins a stream under a 32-byte key that serves this one stream. */
  sealStream(key: Uint8Array): SealStream
  /** Takes up a stream at its header; `undefined` for what cannot be one. */
  openStream(key: Uint8Array, header: Uint8Array): OpenStream | undefined
}

export interface SealStream {
  /** 24 bytes, which come first and are public. */
  readonly header: Uint8Array
  /** One chunk, 17 bytes longer; the stream ends with the one that is `last`. */
  push(chunk: Uint8Array, associated: Uint8Array, last: boolean): Uint8Array
}

export interface OpenStream {
  /** The next chunk and whether it is the last, or `undefined` where it is not what follows. */
  pull(sealed: Uint8Array, associated: Uint8Array): { readonly chunk: Uint8Array; readonly last: boolean } | undefined
}

/** `random` draws the nonces: libsodium's own generator asks its host for four bytes at a time, which costs more than the seal. */
export async function createAtRest(random: RandomBytes): Promise<AtRest> {
  await sodium.ready
  return {
    seal: (key, associated, plaintext) => seal(key, random(NONCE_BYTES), associated, plaintext),
    open,
    sealStream,
    openStream,
  }
}

function seal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return concat(nonce, sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated, null, nonce, key))
}

function open(key: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < SEAL_BYTES) return undefined
  const nonce = sealed.subarray(0, NONCE_BYTES)
  try {
    const rest = sealed.subarray(NONCE_BYTES)
    return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, rest, associated, nonce, key)
  } catch {
    return undefined
  }
}

function sealStream(key: Uint8Array): SealStream {
  const { state, header } = sodium.crypto_secretstream_xchacha20poly1305_init_push(key)
  return {
    header,
    push(chunk, associated, last) {
      const tag = last
        ? sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
        : sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
      return sodium.crypto_secretstream_xchacha20poly1305_push(state, chunk, associated, tag)
    },
  }
}

function openStream(key: Uint8Array, header: Uint8Array): OpenStream | undefined {
  if (header.length !== sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES) return undefined
  const state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key)
  return {
    pull(sealed, associated) {
      if (sealed.length < sodium.crypto_secretstream_xchacha20poly1305_ABYTES) return undefined
      const pulled = sodium.crypto_secretstream_xchacha20poly1305_pull(state, sealed, associated)
      if (pulled === false) return undefined
      return {
        chunk: pulled.message,
        last: pulled.tag === sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL,
      }
    },
  }
}
