/**
 * The published vectors (test/vectors/SOURCES.md): on the WASM core in both builds and on its libsodium twin, and for
 * single parts of the core through the probes of its debug build.
 */
import { argon2id as nobleArgon2id } from '@noble/hashes/argon2.js'
import t from 'tap'
import { fromHex, identityKey, scalar, toHex, utf8 } from '../../src/base/bytes.js'
import { createCrypto } from '../../src/crypto/create.js'
import { loadVectors } from '../vectors/load.js'
import { implementations, modules, runnableBuilds, wasmBytes } from './builds.js'
import { createProbes } from './probes.js'

interface Ristretto {
  multiples: string[]
  invalid: Record<string, string[]>
  squareRootOfRatio: { u: string; v: string; wasSquare: boolean; root: string }[]
}
interface ChaCha {
  blocks: { section: string; key: string; nonce: string; counter: number; block: string }[]
  tags: { section: string; key: string; message: string; tag: string }[]
  seals: { section: string; key: string; nonce: string; associated: string; plaintext: string; sealed: string }[]
}
interface X25519 {
  single: { scalar: string; u: string; result: string }[]
  iterated: Record<string, string>
  agreement: Record<'alicePrivate' | 'alicePublic' | 'bobPrivate' | 'bobPublic' | 'shared', string>
}

const ristretto = loadVectors<Ristretto>('rfc9496-ristretto255.json')
const chacha = loadVectors<ChaCha>('rfc8439-chacha20poly1305.json')
const signatures =
  loadVectors<Record<'name' | 'privateKey' | 'publicKey' | 'message' | 'signature', string>[]>('rfc8032-ed25519.json')
const x25519 = loadVectors<X25519>('rfc7748-x25519.json')
const hkdf =
  loadVectors<{ section: string; ikm: string; salt: string; info: string; length: number; prk: string; okm: string }[]>(
    'rfc5869-hkdf.json',
  )
const hmac = loadVectors<{ section: string; key: string; data: string; mac: string }[]>('rfc4231-hmac.json')
const sha256 = loadVectors<{ name: string; text: string; repeat: number; digest: string }[]>('fips180-4-sha256.json')
const argon2 = loadVectors<
  Record<'password' | 'salt' | 'secret' | 'associated' | 'tag', string> &
    Record<'passes' | 'memoryKib' | 'lanes' | 'tagBytes', number>
>('rfc9106-argon2id.json')

const nothing = new Uint8Array(0)

for (const [name, crypto] of await implementations()) {
  t.test(`RFC 9496 ristretto255: ${name}`, async (t) => {
    const [identity, generator] = ristretto.multiples as [string, string]
    let sum: Uint8Array = fromHex(generator)
    for (const [i, expected] of ristretto.multiples.entries()) {
      const factor = scalar(Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? i : 0)))
      t.equal(toHex(crypto.publicPoint(factor)), expected, `A.1: ${i} B by the fixed base`)
      if (i === 0) continue
      t.equal(toHex(crypto.multiply(factor, fromHex(generator)) ?? nothing), expected, `A.1: ${i} B by a variable base`)
      if (i > 1) {
        sum = crypto.addPoints(sum, fromHex(generator)) ?? nothing
        t.equal(toHex(sum), expected, `A.1: ${i} B by addition`)
      }
    }
    const one = scalar(Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : 0)))
    for (const [reason, encodings] of Object.entries({ ...ristretto.invalid, 'the identity': [identity] })) {
      for (const encoding of encodings) {
        t.equal(crypto.multiply(one, fromHex(encoding)), undefined, `A.2: ${reason}: ${encoding}`)
        t.equal(crypto.addPoints(fromHex(encoding), fromHex(generator)), undefined)
        t.equal(crypto.addPoints(fromHex(generator), fromHex(encoding)), undefined)
        t.equal(crypto.requestKey(one, fromHex(encoding)), undefined)
      }
    }
  })

  t.test(`RFC 8439 ChaCha20-Poly1305: ${name}`, async (t) => {
    for (const { section, key: secret, counter, nonce, block } of chacha.blocks) {
      t.equal(toHex(crypto.chachaBlock(fromHex(secret), counter, fromHex(nonce))), block, section)
    }
    for (const { section, key: secret, nonce, associated, plaintext, sealed } of chacha.seals) {
      const parameters = [fromHex(secret), fromHex(nonce), fromHex(associated)] as const
      t.equal(toHex(crypto.aeadSeal(...parameters, fromHex(plaintext))), sealed, section)
      t.equal(toHex(crypto.aeadOpen(...parameters, fromHex(sealed)) ?? nothing), plaintext, section)
    }
  })

  t.test(`RFC 8032 Ed25519: ${name}`, async (t) => {
    for (const { name: test, privateKey, publicKey, message, signature } of signatures) {
      const identity = crypto.identity(fromHex(privateKey))
      t.equal(toHex(identity.identityKey), publicKey, test)
      t.equal(toHex(crypto.sign(identity, fromHex(message))), signature, test)
      t.ok(crypto.verify(identityKey(fromHex(publicKey)), fromHex(signature), fromHex(message)), test)
    }
  })

  t.test(`RFC 7748 X25519: ${name}`, async (t) => {
    for (const { scalar: secret, u, result } of x25519.single) {
      t.equal(toHex(crypto.x25519(fromHex(secret), fromHex(u)) ?? nothing), result)
    }
    let k: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 : 0))
    let u = k
    for (let round = 1; round <= 1000; round++) {
      const next: Uint8Array = crypto.x25519(k, u) ?? new Uint8Array(32)
      u = k
      k = next
      const expected = x25519.iterated[round]
      if (expected !== undefined) t.equal(toHex(k), expected, `round ${round}`)
    }
    const { alicePrivate, alicePublic, bobPrivate, bobPublic, shared } = x25519.agreement
    t.equal(toHex(crypto.x25519Public(fromHex(alicePrivate))), alicePublic)
    t.equal(toHex(crypto.x25519Public(fromHex(bobPrivate))), bobPublic)
    t.equal(toHex(crypto.x25519(fromHex(alicePrivate), fromHex(bobPublic)) ?? nothing), shared)
    t.equal(toHex(crypto.x25519(fromHex(bobPrivate), fromHex(alicePublic)) ?? nothing), shared)
  })

  t.test(`FIPS 180-4, RFC 4231 and RFC 5869: ${name}`, async (t) => {
    for (const { name: test, text, repeat, digest } of sha256) {
      t.equal(toHex(crypto.hash(utf8(text.repeat(repeat)))), digest, test)
    }
    for (const { section, key: secret, data, mac } of hmac) {
      t.equal(toHex(crypto.hmac(fromHex(secret), fromHex(data))), mac, section)
    }
    for (const { section, ikm, salt, info, length, prk, okm } of hkdf) {
      t.equal(toHex(crypto.hmac(fromHex(salt), fromHex(ikm))), prk, `${section}, extracted`)
      t.equal(toHex(crypto.hkdf(fromHex(ikm), fromHex(salt), fromHex(info), length)), okm, section)
    }
  })
}

for (const build of runnableBuilds) {
  t.test(`single parts of the core: ${build}`, async (t) => {
    const probes = await createProbes(wasmBytes(build, 'debug'), build)
    for (const { name, text, repeat, digest } of sha256) {
      t.equal(toHex(probes.hash(utf8(text.repeat(repeat)))), digest, `FIPS 180-4, ${name}`)
    }
    for (const { section, key: secret, data, mac } of hmac) {
      const padded = new Uint8Array(32)
      // The core's HMAC takes 32-byte keys, and a shorter key is one padded with zeros.
      if (secret.length > 64) continue
      padded.set(fromHex(secret))
      t.equal(toHex(probes.hmac(padded, fromHex(data))), mac, `RFC 4231 ${section}`)
    }
    for (const { section, key: secret, message, tag } of chacha.tags) {
      t.equal(toHex(probes.poly1305(fromHex(secret), fromHex(message))), tag, `RFC 8439 ${section}`)
    }
    for (const { u, v, wasSquare, root } of ristretto.squareRootOfRatio) {
      t.strictSame(probes.squareRootOfRatio(fromHex(u), fromHex(v)), { wasSquare, root: fromHex(root) }, 'RFC 9496 A.4')
    }
  })
}

t.test('RFC 9106 Argon2id', async (t) => {
  // libsodium runs one lane only. noble is held against the RFC's four, and libsodium then against noble at one.
  const { passes, memoryKib, lanes, tagBytes } = argon2
  const options = { t: passes, m: memoryKib, p: lanes, dkLen: tagBytes }
  const extras = { key: fromHex(argon2.secret), personalization: fromHex(argon2.associated) }
  const published = nobleArgon2id(fromHex(argon2.password), fromHex(argon2.salt), { ...options, ...extras })
  t.equal(toHex(published), argon2.tag, '5.3, four lanes, by noble')
  const crypto = await createCrypto(modules('release'))
  for (const [text, passesHere, kib] of [
    ['', 1, 8],
    ['six words that nobody else has', 2, 64],
    ['\u00e9'.repeat(200), 3, 33],
  ] as const) {
    const salt = crypto.hash(utf8(text)).slice(0, 16)
    const expected = nobleArgon2id(utf8(text), salt, { t: passesHere, m: kib, p: 1, dkLen: 64 })
    const cost = { passes: passesHere, memoryBytes: kib * 1024 }
    t.strictSame(crypto.argon2id(utf8(text), salt, cost), expected, `one lane, ${kib} KiB, by libsodium`)
  }
})
