/** The WASM core against its libsodium twin on random input; the seed is printed, and SEED runs one again. */
import t from 'tap'
import { key, type Scalar } from '../../src/base/bytes.js'
import { randomBelow } from '../../src/base/random.js'
import { createCrypto } from '../../src/crypto/create.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { seed, seeded } from '../base/seeded.js'
import { context, copyBytes, flipped, nothing, pieces, window, world } from '../contract/fixtures.js'
import { createTwin } from '../oracle/twin.js'
import { modules } from './builds.js'

const random = seeded()
const below = (bound: number) => randomBelow(random, bound)
const core = await createCrypto(modules('release'))
const twin = await createTwin()
t.comment(`seed ${seed}`)

/** Both implementations asked the same. */
function both<T>(ask: (crypto: Crypto) => T): [T, T] {
  return [ask(core), ask(twin)]
}

t.test('hashing and packet protection', async (t) => {
  for (let i = 0; i < 60; i++) {
    const [text, secret, nonce] = [random(below(400)), random(32), random(12)]
    const associated = random(below(40))
    t.strictSame(...both((crypto) => crypto.hash(text)))
    t.strictSame(...both((crypto) => crypto.hmac(associated, text)))
    t.strictSame(...both((crypto) => crypto.hkdf(text, associated, nonce, 1 + (i % 100))))
    t.strictSame(...both((crypto) => crypto.aeadSeal(secret, nonce, associated, text)))
    const counter = below(2 ** 32)
    t.strictSame(...both((crypto) => crypto.chachaBlock(secret, counter, nonce)))
    const [keys, index] = [random(64), random(4)]
    t.strictSame(...both((crypto) => crypto.sealPacket(keys, index, counter >>> 1, text)))
    const sealed = twin.aeadSeal(secret, nonce, associated, text)
    t.strictSame(core.aeadOpen(secret, nonce, associated, sealed), text)
    t.equal(core.aeadOpen(secret, nonce, associated, flipped(sealed, below(8 * sealed.length))), undefined)
  }
})

t.test('points, scalars and identities', async (t) => {
  for (let i = 0; i < 40; i++) {
    const [wide, other] = [random(64), random(64)]
    t.strictSame(...both((crypto) => crypto.reduce(wide)))
    const [a, b] = [core.reduce(wide), core.reduce(other)]
    t.strictSame(...both((crypto) => crypto.addScalars(a, b)))
    t.strictSame(...both((crypto) => crypto.publicPoint(a)))
    const several = Array.from({ length: i }, () => core.reduce(random(64)))
    t.strictSame(...both((crypto) => crypto.publicPoints(several)))
    const [p, q] = [core.publicPoint(a), core.publicPoint(b)]
    t.strictSame(...both((crypto) => crypto.multiply(b, p)))
    t.strictSame(...both((crypto) => crypto.addPoints(p, q)))
    // About one in eight random strings without the sign bits decodes.
    const encoding = random(32)
    encoding[0] = (encoding[0] as number) & 0xfe
    encoding[31] = (encoding[31] as number) & 0x7f
    t.strictSame(...both((crypto) => crypto.multiply(a, encoding)))
    t.strictSame(...both((crypto) => crypto.identityPoint(encoding)))
    const seedBytes = random(32)
    t.strictSame(...both((crypto) => crypto.identity(seedBytes)))
    const { identityKey } = core.identity(seedBytes)
    t.strictSame(...both((crypto) => crypto.identityPoint(identityKey)))
    t.strictSame(...both((crypto) => crypto.linkPublicKey(identityKey)))
  }
})

t.test('sealing', async (t) => {
  for (let i = 0; i < 12; i++) {
    const secrets: Scalar[] = Array.from({ length: 1 + below(6) }, () => core.reduce(random(64)))
    const chosen = below(secrets.length)
    const publicKey = core.publicPoint(secrets[chosen] as Scalar)
    const mixed = i % 2 === 0 ? {} : { symmetric: key(random(32)) }
    const under = { ...context('content', random(below(30))), ...mixed }
    const [text, entropy] = [random(below(300)), random(64)]
    t.strictSame(...both((crypto) => crypto.seal(publicKey, under, text, entropy)))
    const sealed = core.seal(publicKey, under, text, entropy) ?? nothing
    const [ours, theirs] = both((crypto) => crypto.openAny(secrets, under, sealed))
    t.strictSame(ours, theirs)
    t.strictSame(ours, { index: chosen, plaintext: text })
    t.strictSame(...both((crypto) => crypto.requestKey(secrets[0] as Scalar, sealed.slice(0, 32))))
  }
})

t.test('whole messages', async (t) => {
  for (let i = 0; i < 8; i++) {
    const shape = { copies: 1 + below(6), personalPartBytes: below(3) * below(120), contentBytes: below(1500) }
    const { server, plan, slots, request } = world(core, random, shape)
    t.strictSame(twin.makeSlots(plan), slots, `slots of ${JSON.stringify(shape)}`)
    const entropy = random(32)
    const [ours, theirs] = both((crypto) => crypto.prepareSplit(request, entropy)?.split(0, shape.copies) ?? nothing)
    t.strictSame(ours, theirs, 'copies')
    const sealed = pieces(ours, copyBytes(shape) + 48)
    const [opened, again] = both((crypto) => crypto.openCopies(server.secret, [window - 1, window, window + 1], sealed))
    t.strictSame(opened, again, 'opened copies')
    for (const verdict of ['stored', 'refused'] as const) {
      const [a, b] = both((crypto) => crypto.expectedTokens(request, slots.receiptKeys, verdict, 0, shape.copies))
      t.strictSame(a, b, 'tokens')
    }
    t.strictSame(...both((crypto) => crypto.payloadPoints(request, 0, shape.copies)))
  }
})

t.test('passphrases', async (t) => {
  const [passphrase, salt] = [random(30), random(16)]
  t.strictSame(...both((crypto) => crypto.argon2id(passphrase, salt, { passes: 1, memoryBytes: 16_384 })))
})
