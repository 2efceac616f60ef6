/** The cryptography that link tests run on, and randomness from a seed. */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto'
import sodium from 'libsodium-wrappers-sumo'
import { concat, digest, type Key, key } from '../../src/base/bytes.js'
import type { RandomBytes } from '../../src/base/random.js'
import type { LinkCrypto } from '../../src/link/noise.js'

await sodium.ready

export const linkCrypto: LinkCrypto & { secret(number: number): Key } = {
  hash: (...parts) =>
    digest(
      new Uint8Array(
        createHash('sha256')
          .update(concat(...parts))
          .digest(),
      ),
    ),
  hmac: (k, ...parts) =>
    digest(
      new Uint8Array(
        createHmac('sha256', k)
          .update(concat(...parts))
          .digest(),
      ),
    ),
  hkdf: (secret, salt, info, n) => new Uint8Array(hkdfSync('sha256', secret, salt, info, n)),
  aeadSeal(k, nonce, ad, plaintext) {
    const c = createCipheriv('chacha20-poly1305', k, nonce, { authTagLength: 16 })
    c.setAAD(ad, { plaintextLength: plaintext.length })
    return concat(c.update(plaintext), c.final(), c.getAuthTag())
  },
  aeadOpen(k, nonce, ad, sealed) {
    if (sealed.length < 16) return undefined
    const d = createDecipheriv('chacha20-poly1305', k, nonce, { authTagLength: 16 })
    d.setAAD(ad, { plaintextLength: sealed.length - 16 })
    d.setAuthTag(sealed.subarray(-16))
    const text = d.update(sealed.subarray(0, -16))
    try {
      d.final()
      return new Uint8Array(text)
    } catch {
      return undefined
    }
  },
  chachaBlock(k, counter, nonce) {
    const iv = new Uint8Array(16)
    new DataView(iv.buffer).setUint32(0, counter, true)
    iv.set(nonce, 4)
    return new Uint8Array(createCipheriv('chacha20', k, iv).update(new Uint8Array(64)))
  },
  x25519(secret, publicKey) {
    try {
      return key(sodium.crypto_scalarmult(secret, publicKey))
    } catch {
      return undefined
    }
  },
  x25519Public: (secret) => key(sodium.crypto_scalarmult_base(secret)),
  secret: (n) => key(new Uint8Array(createHash('sha256').update(`secret ${n}`).digest())),
}

/** A stream of SHA-256 blocks over a seed and a counter. */
export function seededRandom(seed: number): RandomBytes {
  let counter = 0
  let block = new Uint8Array(0)
  return (n) => {
    const out = new Uint8Array(n)
    for (let i = 0; i < n; ) {
      if (block.length === 0) block = new Uint8Array(createHash('sha256').update(`${seed}/${counter++}`).digest())
      const take = Math.min(n - i, block.length)
      out.set(block.subarray(0, take), i)
      block = block.subarray(take)
      i += take
    }
    return out
  }
}
