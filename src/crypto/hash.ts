/**
 * Hashing of the TypeScript side: SHA-256 by as-sha256, HMAC and HKDF over it (PROTOCOL.md section 1.1).
 * The split and the slots hash inside the WASM core instead, where a call is a whole batch.
 */
import { digest as sha256 } from '@chainsafe/as-sha256'
import { concat, type Digest, digest, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import type { Hashing } from './crypto.js'

const HASH_BYTES = 32
const BLOCK_BYTES = 64
/** RFC 5869 section 2.3: at most 255 blocks of output. */
const HKDF_LIMIT_BYTES = 255 * HASH_BYTES

export function createHashing(): Hashing {
  return { hash, hmac, hkdf }
}

function hash(...parts: readonly Uint8Array[]): Digest {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return digest(sha256(only))
  const joined = concat(...parts)
  const made = digest(sha256(joined))
  // Keys are among what is joined.
  wipe(joined)
  return made
}

/** RFC 2104 section 2: H(key xor opad || H(key xor ipad || text)). */
function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Digest {
  const block = new Uint8Array(BLOCK_BYTES)
  block.set(key.length > BLOCK_BYTES ? hash(key) : key)
  const inner = block.map((byte) => byte ^ 0x36)
  const outer = block.map((byte) => byte ^ 0x5c)
  const result = hash(outer, hash(inner, ...parts))
  wipe(block, inner, outer)
  return result
}

/** RFC 5869 sections 2.2 and 2.3. */
function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, lengthBytes: number): Uint8Array {
  if (lengthBytes > HKDF_LIMIT_BYTES) {
    throw new ProtocolError('BYTES_LENGTH', `HKDF gives at most ${HKDF_LIMIT_BYTES} bytes, asked for ${lengthBytes}`)
  }
  // An empty salt stands for 32 zero bytes, which is what HMAC pads it to.
  const pseudorandomKey = hmac(salt, secret)
  const output = new Uint8Array(lengthBytes)
  let previous: Uint8Array = new Uint8Array(0)
  for (let offset = 0, counter = 1; offset < lengthBytes; offset += HASH_BYTES, counter++) {
    const block = hmac(pseudorandomKey, previous, info, Uint8Array.of(counter))
    wipe(previous)
    previous = block
    output.set(previous.subarray(0, lengthBytes - offset), offset)
  }
  wipe(pseudorandomKey, previous)
  return output
}
