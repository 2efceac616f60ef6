/** The crypto contract, first half: hashing, packet protection, identities, agreement, points and sealing. */
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import type { Test } from 'tap'
import { concat, fromHex, identityKey, key, type Scalar, scalar, toHex, utf8 } from '../../src/base/bytes.js'
import type { RandomBytes } from '../../src/base/random.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { context, flipped, nothing, pair } from './fixtures.js'

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** `value` as little-endian bytes. */
function littleEndian(value: bigint, lengthBytes: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
}

export function hashing(t: Test, crypto: Crypto, random: RandomBytes): void {
  const [a, b] = [random(50), random(77)]
  t.strictSame(crypto.hash(a, b), crypto.hash(concat(a, b)), 'a hash takes its parts joined')
  t.strictSame(crypto.hash(), crypto.hash(nothing))
  for (const keyBytes of [0, 32, 64, 65]) {
    const secret = random(keyBytes)
    t.strictSame(crypto.hmac(secret, a, b), crypto.hmac(secret, concat(a, b)), `an HMAC under ${keyBytes} bytes too`)
  }
  const long = crypto.hkdf(a, b, utf8('info'), 8160)
  t.equal(long.length, 8160)
  t.strictSame(crypto.hkdf(a, b, utf8('info'), 33), long.slice(0, 33), 'a shorter HKDF output is a prefix')
  t.throws(() => crypto.hkdf(a, b, nothing, 8161), 'HKDF ends at 255 blocks')
}

export function aead(t: Test, crypto: Crypto, random: RandomBytes): void {
  const [secret, nonce] = [random(32), random(12)]
  for (const textBytes of [0, 1, 15, 16, 17, 63, 64, 127, 128, 129, 1200]) {
    const [associated, text] = [random(textBytes % 37), random(textBytes)]
    const sealed = crypto.aeadSeal(secret, nonce, associated, text)
    t.equal(sealed.length, textBytes + 16)
    t.strictSame(crypto.aeadOpen(secret, nonce, associated, sealed), text, `${textBytes} bytes open again`)
  }
  const [associated, text] = [random(21), random(40)]
  const sealed = crypto.aeadSeal(secret, nonce, associated, text)
  const openings = {
    'the sealed text': bits(sealed).map((bit) => crypto.aeadOpen(secret, nonce, associated, flipped(sealed, bit))),
    'the associated data': bits(associated).map((bit) =>
      crypto.aeadOpen(secret, nonce, flipped(associated, bit), sealed),
    ),
    'the nonce': bits(nonce).map((bit) => crypto.aeadOpen(secret, flipped(nonce, bit), associated, sealed)),
    'the key': bits(secret).map((bit) => crypto.aeadOpen(flipped(secret, bit), nonce, associated, sealed)),
  }
  for (const [what, opened] of Object.entries(openings)) {
    t.ok(
      opened.every((plaintext) => plaintext === undefined),
      `no bit of ${what} may turn`,
    )
  }
  for (let length = 0; length < sealed.length; length++) {
    t.equal(crypto.aeadOpen(secret, nonce, associated, sealed.slice(0, length)), undefined, `cut to ${length}`)
  }
  t.throws(() => crypto.aeadSeal(random(31), nonce, associated, text))
  t.throws(() => crypto.aeadSeal(secret, random(11), associated, text))
  t.not(toHex(crypto.chachaBlock(secret, 2 ** 32 - 1, nonce)), toHex(crypto.chachaBlock(secret, 0, nonce)))
}

export function packets(t: Test, crypto: Crypto, random: RandomBytes): void {
  const [keys, index, frames] = [random(64), random(4), random(40)]
  // The sealed frames begin behind head, index and masked number.
  const open = (datagram: Uint8Array) => crypto.openPacket(keys, index, datagram.slice(5, 9), datagram.slice(9))
  for (const number of [0, 1, 0x01020304, 2 ** 31 - 1]) {
    for (const framesBytes of [0, 1, 15, 16, 63, 64, 65, 447, 448, 449, 1175]) {
      const text = random(framesBytes)
      const datagram = crypto.sealPacket(keys, index, number, text)
      t.equal(datagram.length, framesBytes + 25)
      t.strictSame(datagram.slice(0, 5), concat(Uint8Array.of(0x14), index))
      t.strictSame(open(datagram), { number, frames: text }, `${framesBytes} bytes under ${number}`)
    }
  }
  const datagram = crypto.sealPacket(keys, index, 77, frames)
  const survivors = bits(datagram).filter((bit) => bit >= 40 && open(flipped(datagram, bit)) !== undefined)
  t.strictSame(survivors, [], 'no bit of number and sealed frames may turn')
  const [masked, sealed] = [datagram.slice(5, 9), datagram.slice(9)]
  t.equal(crypto.openPacket(keys, flipped(index, 9), masked, sealed), undefined, 'under another index')
  for (const bit of [3, 300]) t.equal(crypto.openPacket(flipped(keys, bit), index, masked, sealed), undefined)
  for (let length = 0; length < sealed.length; length++) {
    t.equal(crypto.openPacket(keys, index, masked, sealed.slice(0, length)), undefined, `cut to ${length}`)
  }
  t.equal(open(crypto.sealPacket(keys, index, 2 ** 31, frames)), undefined, 'a number past all limits')
  t.throws(() => crypto.sealPacket(random(63), index, 0, frames))
}

export function identities(t: Test, crypto: Crypto, random: RandomBytes): void {
  const identity = crypto.identity(random(32))
  const other = crypto.identity(random(32))
  t.strictSame(crypto.identityPoint(identity.identityKey), crypto.publicPoint(identity.secretScalar), 'D = [d]B')
  t.strictSame(crypto.linkPublicKey(identity.identityKey), crypto.x25519Public(identity.linkSecret))
  t.strictSame(crypto.identity(identity.seed), identity, 'an identity follows from its seed')
  t.throws(() => crypto.identity(random(31)))

  const parts = [random(12), random(100), random(3)]
  const signature = crypto.sign(identity, ...parts)
  t.strictSame(crypto.sign(identity, concat(...parts)), signature, 'a signature takes its parts joined')
  t.ok(crypto.verify(identity.identityKey, signature, concat(...parts)))
  t.notOk(crypto.verify(other.identityKey, signature, ...parts), 'not under another key')
  t.notOk(crypto.verify(identity.identityKey, signature, random(12)), 'not over another message')
  t.notOk(crypto.verify(identity.identityKey, signature.slice(0, 63), ...parts))
  for (let bit = 0; bit < 512; bit += 37) {
    t.notOk(crypto.verify(identity.identityKey, flipped(signature, bit), ...parts), `bit ${bit} turned`)
  }
  const s = BigInt(`0x${toHex(signature.slice(32).reverse())}`)
  const raised = concat(signature.slice(0, 32), littleEndian(s + ORDER, 32))
  t.notOk(crypto.verify(identity.identityKey, raised, ...parts), 'S + l is not canonical')
  withoutCofactor(t, crypto, random)
}

/** Signatures that their key's holder made with another R: which of them count must not depend on who verifies. */
function withoutCofactor(t: Test, crypto: Crypto, random: RandomBytes): void {
  const { identityKey: signer, secretScalar } = crypto.identity(random(32))
  const text = random(20)
  const number = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes.slice().reverse())}`)
  const signedWith = (r: bigint, encodedR: Uint8Array) => {
    const challenge = number(sha512(concat(encodedR, signer, text)))
    return concat(encodedR, littleEndian((r + challenge * number(secretScalar)) % ORDER, 32))
  }
  const r = number(random(32)) % ORDER
  const small = ED25519_TORSION_SUBGROUP.map((encoding) => ed25519.Point.fromHex(encoding))
  const verdicts = small.map((torsion) => {
    const R = ed25519.Point.BASE.multiply(r).add(torsion).toBytes()
    return crypto.verify(signer, signedWith(r, R), text)
  })
  t.strictSame(
    verdicts,
    small.map((torsion) => torsion.is0()),
    'R outside the prime-order subgroup is refused',
  )
  for (const torsion of small)
    t.notOk(crypto.verify(signer, signedWith(0n, torsion.toBytes()), text), 'R of small order')
}

export function refusedIdentities(t: Test, crypto: Crypto, random: RandomBytes): void {
  const honest = crypto.identity(random(32)).identityKey
  const point = ed25519.Point.fromBytes(honest)
  const outside = ED25519_TORSION_SUBGROUP.slice(1).map((encoding) => {
    return point.add(ed25519.Point.fromHex(encoding)).toBytes()
  })
  const p = 2n ** 255n - 19n
  const refused: Record<string, Uint8Array[]> = {
    'of small order, the identity among them': ED25519_TORSION_SUBGROUP.map((encoding) => fromHex(encoding)),
    'outside the prime-order subgroup': outside,
    'not canonical': [p, p + 1n, p + 9n, 2n ** 255n - 1n, 1n + 2n ** 255n, p + 1n + 2n ** 255n].map((y) =>
      littleEndian(y, 32),
    ),
    'off the curve': [2n, 7n, 8n].map((y) => littleEndian(y, 32)),
    'of another length': [honest.slice(0, 31), concat(honest, Uint8Array.of(0)), nothing],
  }
  for (const [reason, encodings] of Object.entries(refused)) {
    for (const encoding of encodings) {
      t.equal(crypto.identityPoint(encoding), undefined, `${reason}: ${toHex(encoding)}`)
      t.equal(crypto.linkPublicKey(encoding), undefined)
    }
  }
  t.ok(crypto.identityPoint(honest), 'the honest key itself is taken')
  // [S]B = R + [k]A holds for R = the identity, S = 0 and A the identity: a forgery that only the key check stops.
  const identity = littleEndian(1n, 32)
  t.notOk(crypto.verify(identityKey(identity), concat(identity, new Uint8Array(32)), utf8('anything')))
}

export function agreement(t: Test, crypto: Crypto, random: RandomBytes): void {
  const [a, b] = [random(32), random(32)]
  t.strictSame(crypto.x25519(a, crypto.x25519Public(b)), crypto.x25519(b, crypto.x25519Public(a)))
  for (const u of [0n, 1n, 2n ** 255n - 20n, 2n ** 255n - 19n]) {
    t.equal(crypto.x25519(a, littleEndian(u, 32)), undefined, `an all-zero secret is refused: u = ${u}`)
  }
  t.equal(crypto.x25519(a, random(31)), undefined)
}

export function scalarsAndPoints(t: Test, crypto: Crypto, random: RandomBytes): void {
  const wides = [0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, 2n ** 252n, 2n ** 256n - 1n, 2n ** 512n - 1n]
  wides.push(...[1n, 2n ** 130n, 2n ** 259n].flatMap((k) => [k * ORDER - 1n, k * ORDER, k * ORDER + 1n]))
  for (const wide of wides) {
    t.strictSame(crypto.reduce(littleEndian(wide, 64)), littleEndian(wide % ORDER, 32), `${wide} mod l`)
  }
  const edges = [0n, 1n, 2n ** 251n, 2n ** 252n - 1n, ORDER - 1n]
  for (const a of edges) {
    for (const b of edges) {
      const sum = crypto.addScalars(scalar(littleEndian(a, 32)), scalar(littleEndian(b, 32)))
      t.strictSame(sum, littleEndian((a + b) % ORDER, 32), `${a} + ${b}`)
    }
  }
  t.throws(() => crypto.reduce(random(63)))

  const [p, q] = [pair(crypto, random), pair(crypto, random)]
  const sum = crypto.addPoints(p.point, q.point)
  t.strictSame(sum, crypto.publicPoint(crypto.addScalars(p.secret, q.secret)), '[a]B + [b]B = [a + b]B')
  t.strictSame(crypto.multiply(p.secret, q.point), crypto.multiply(q.secret, p.point), '[a][b]B = [b][a]B')

  const one = scalar(littleEndian(1n, 32))
  const minusOne = scalar(littleEndian(ORDER - 1n, 32))
  const zero = scalar(new Uint8Array(32))
  const negative = crypto.multiply(minusOne, p.point)
  t.strictSame(crypto.multiply(one, p.point), p.point)
  t.strictSame(crypto.multiply(minusOne, negative ?? nothing), p.point, '[-1][-1]P = P')
  t.equal(crypto.addPoints(p.point, negative ?? nothing), undefined, 'P - P is the identity, and refused')
  t.equal(crypto.multiply(zero, p.point), undefined, '[0]P likewise')
  t.strictSame(crypto.publicPoint(zero), new Uint8Array(32))
  t.equal(crypto.multiply(one, p.point.slice(0, 31)), undefined)
  t.equal(crypto.addPoints(p.point, nothing), undefined)
}

export function sealing(t: Test, crypto: Crypto, random: RandomBytes): void {
  const { secret, point } = pair(crypto, random)
  const symmetric = key(random(32))
  const plaintext = random(70)
  for (const mixed of [{}, { symmetric }]) {
    const under = { ...context('content', random(9)), ...mixed }
    const sealed = crypto.seal(point, under, plaintext, random(64)) ?? nothing
    t.equal(sealed.length, plaintext.length + 48)
    t.strictSame(crypto.open(secret, under, sealed), plaintext)
    t.strictSame(crypto.requestKey(secret, sealed.slice(0, 32)), crypto.hash(...shared(crypto, secret, sealed)))
    t.equal(crypto.open(pair(crypto, random).secret, under, sealed), undefined, 'another secret')
    t.equal(crypto.open(secret, { ...under, label: context('copy').label }, sealed), undefined, 'another label')
    t.equal(crypto.open(secret, { ...under, associated: random(9) }, sealed), undefined, 'other associated data')
    t.equal(crypto.open(secret, { ...under, symmetric: key(random(32)) }, sealed), undefined, 'another shared secret')
    const turned = bits(sealed).filter((bit) => bit % 5 === 0 && crypto.open(secret, under, flipped(sealed, bit)))
    t.strictSame(turned, [], 'no bit may turn')
    for (const length of [0, 31, 32, 47, 48, sealed.length - 1]) {
      t.equal(crypto.open(secret, under, sealed.slice(0, length)), undefined, `cut to ${length}`)
    }
  }
  const empty = crypto.seal(point, context('copy'), nothing, random(64)) ?? nothing
  t.strictSame(crypto.open(secret, context('copy'), empty), nothing, 'an empty text')
  t.equal(crypto.seal(new Uint8Array(32), context('copy'), plaintext, random(64)), undefined, 'for the identity')
  t.equal(crypto.seal(point.slice(0, 31), context('copy'), plaintext, random(64)), undefined)
  t.equal(crypto.seal(point, context('copy'), plaintext, new Uint8Array(64)), undefined, 'by the scalar zero')
}

export function openingWithMany(t: Test, crypto: Crypto, random: RandomBytes): void {
  const right = pair(crypto, random)
  const wrong: Scalar[] = Array.from({ length: 6 }, () => crypto.reduce(random(64)))
  const under = context('scramble')
  const sealed = crypto.seal(right.point, under, utf8('for one of many'), random(64)) ?? nothing
  for (const position of [0, 1, 3, 6]) {
    const secrets = [...wrong.slice(0, position), right.secret, ...wrong.slice(position)]
    const opened = crypto.openAny(secrets, under, sealed)
    t.strictSame(opened, { index: position, plaintext: utf8('for one of many') }, `key ${position} of 7`)
    t.strictSame(crypto.openAny(secrets.slice(0, position + 1), under, sealed)?.index, position, 'the last of them')
  }
  t.equal(crypto.openAny([right.secret, right.secret], under, sealed)?.index, 0, 'the first that fits')
  t.equal(crypto.openAny(wrong, under, sealed), undefined)
  t.equal(crypto.openAny([], under, sealed), undefined)
}

function shared(crypto: Crypto, secret: Scalar, sealed: Uint8Array): [Uint8Array, Uint8Array] {
  const ephemeral = sealed.slice(0, 32)
  return [ephemeral, crypto.multiply(secret, ephemeral) ?? nothing]
}

function bits(bytes: Uint8Array): number[] {
  return Array.from({ length: 8 * bytes.length }, (_, bit) => bit)
}
