/**
 * What is particular to the WASM core: arithmetic at its limb bounds, capacities, batches past one call's size, wiped
 * memory, and instances that do not disturb each other.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { concat, key, point, type Scalar, toHex, utf8 } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import type { FieldBuild } from '../../src/crypto/core.js'
import { createCrypto } from '../../src/crypto/create.js'
import type { SplitRequest } from '../../src/crypto/crypto.js'
import { createHashing } from '../../src/crypto/hash.js'
import { createPackets } from '../../src/crypto/packets.js'
import { createAead, createGroup255, createSealing } from '../../src/crypto/sealing.js'
import { createSigning } from '../../src/crypto/signing.js'
import { createSplitting } from '../../src/crypto/splitting.js'
import { instantiate, status } from '../../src/crypto/wasm.js'
import { seed, seeded } from '../base/seeded.js'
import { context, flipped, nothing, pair, pieces, window, world } from '../contract/fixtures.js'
import { modules, runnableBuilds, wasmBytes } from './builds.js'
import { createProbes, type Lane, type Limbs, representations } from './probes.js'

const run = promisify(execFile)
const P = 2n ** 255n - 19n
const chosen = runnableBuilds[0] as FieldBuild

const random = seeded()
t.comment(`seed ${seed}`)

function modP(value: bigint): Uint8Array {
  const residue = ((value % P) + P) % P
  return Uint8Array.from({ length: 32 }, (_, i) => Number((residue >> BigInt(8 * i)) & 255n))
}

function randomWithin(limit: number): number {
  const unit = new DataView(random(8).buffer).getBigUint64(0)
  return Number(unit % (2n * BigInt(limit) + 1n)) - limit
}

for (const build of runnableBuilds) {
  const { exponents, reduced } = representations[build]
  const elementOf = (value: (limit: number, i: number) => number): Limbs => reduced.map(value)
  const integerOf = (limbs: Limbs): bigint =>
    limbs.reduce((sum, limb, i) => sum + BigInt(limb) * 2n ** BigInt(exponents[i] as number), 0n)
  const twice = (limbs: Limbs): Limbs => limbs.map((limb) => 2 * limb)
  const isReduced = ({ limbs }: Lane) => limbs.every((limb, i) => Math.abs(limb) <= (reduced[i] as number))

  t.test(`field arithmetic is exact up to its limb bounds: ${build}`, async (t) => {
    const { arithmetic } = await createProbes(wasmBytes(build, 'debug'), build)
    const edges: Limbs[] = [
      elementOf((limit) => limit),
      elementOf((limit) => -limit),
      elementOf((limit, i) => (i % 2 === 0 ? limit : -limit)),
      elementOf((limit, i) => (i < 2 ? limit : -limit)),
      elementOf((_, i) => (i === 0 ? 1 : 0)),
      elementOf((_, i) => (i === 0 ? -1 : 0)),
      elementOf(() => 0),
      ...Array.from({ length: 41 }, () => elementOf(randomWithin)),
    ]
    const cases: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
      probeMultiply: (a, b) => a * b,
      probeSquare: (a) => a * a,
      probeWideSum: (a, b) => 4n * a * b,
      probeWideDifference: (a, b) => 2n * b - 2n * a * b,
      probeTwice: (a, b) => 2n * a * b,
      probeCombinedSum: (a, b) => 2n * a * a + 2n * a * b,
      probeCombinedDifference: (a, b) => 2n * a * a - 2n * a * b,
      probeSquaresSum: (a, b) => a * a + b * b,
      probeSquaresDifference: (a, b) => a * a - b * b,
      probeTwiceLess: (a, b) => 3n * b * b - a * a,
      probeToBytes: (a) => a,
    }
    for (const [name, expected] of Object.entries(cases)) {
      for (const a of edges) {
        // The other lane holds something else, so that lanes which mix are seen.
        const lanes = edges.map((b) => ({ b, results: arithmetic(name, [a, b], [b, a]) }))
        t.ok(
          lanes.every(({ b, results: [first, second] }) => {
            const [x, y] = [integerOf(a), integerOf(b)]
            const right = toHex(first.bytes) === toHex(modP(expected(x, y)))
            return right && toHex(second.bytes) === toHex(modP(expected(y, x)))
          }),
          `${name} is exact`,
        )
        if (name !== 'probeToBytes')
          t.ok(
            lanes.every(({ results }) => results.every(isReduced)),
            `${name} reduces`,
          )
      }
    }
    for (const a of edges) {
      const [loose] = arithmetic('probeMultiply', [twice(a), a], [edges[0] as Limbs, a])
      t.strictSame(loose.bytes, modP(2n * integerOf(a) * integerOf(edges[0] as Limbs)), 'twice R on the left side')
      const [inverse] = arithmetic('probeInvert', [a, a])
      const product = modP(integerOf(a) * BigInt(`0x${toHex(inverse.bytes.toReversed())}`))
      t.strictSame(product, modP(integerOf(a) % P === 0n ? 0n : 1n), 'inverse, 0 for 0')
    }
    for (const low of [0n, 1n, P - 1n, P, P + 1n, 2n ** 255n - 1n]) {
      const limbs = exponents.map((exponent, i) => {
        const width = BigInt((exponents[i + 1] ?? 255) - exponent)
        return Number((low >> BigInt(exponent)) & (2n ** width - 1n)) / 1
      })
      if (limbs.every((limb, i) => limb <= (reduced[i] as number))) {
        t.strictSame(arithmetic('probeToBytes', [limbs, limbs])[1].bytes, modP(low), 'the one value below p')
      }
    }
    for (const i of exponents.keys()) {
      const past = elementOf((limit, at) => (at === i ? 2 * limit + 2 : 0))
      const half = elementOf((limit, at) => (at === i ? limit + 2 : 0))
      t.throws(() => arithmetic('probeMultiply', [past, past]), `stops at limb ${i} past 2R on the left`)
      t.throws(() => arithmetic('probeMultiply', [half, half], [half, half]), `or past R on the right`)
      t.throws(() => arithmetic('probeSquare', [half, half]), 'or past R in a square')
    }
  })
}

t.test('a core that cannot run here is not taken', async (t) => {
  const [fused, integer] = [wasmBytes('fused', 'release'), wasmBytes('integer', 'release')]
  const broken = utf8('not a module')
  const other = await createCrypto({ fused: broken, integer })
  t.equal(other.build, 'integer')
  t.match(other.buildReason, /no relaxed SIMD/)
  await t.rejects(createCrypto({ fused: broken, integer }, 'fused'), { code: 'BUILD_UNAVAILABLE' })
  await t.rejects(createCrypto({ fused, integer: broken }, 'integer'))
  // A constant of the fused products changed by one bit: arithmetic that is wrong is found before it is used.
  if (!runnableBuilds.includes('fused')) return
  const wrong = Uint8Array.from(fused)
  const bias = Buffer.from('b4ffffffff0320', 'hex')
  const place = Buffer.from(wrong.buffer).indexOf(bias)
  t.ok(place > 0, 'the constant is there')
  wrong[place] = 0xb5
  const fallen = await createCrypto({ fused: wrong, integer })
  t.equal(fallen.build, 'integer')
  t.match(fallen.buildReason, /self-test|rounds twice/)
})

t.test('a machine without fused multiply-add computes in integers, in threads as well', async (t) => {
  // V8 does without the machine's instruction under this flag, which other machines than x64 do not heed.
  const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const script = `
    const { loadCrypto, loadModule } = await import(${module('../../src/driver/crypto.js')})
    const { compile, createWorkerCrypto } = await import(${module('../../src/crypto/create-worker.js')})
    const { build, buildReason } = await loadCrypto()
    await createWorkerCrypto(await loadModule())
    const { readFileSync } = await import('node:fs')
    const fused = await compile(new Uint8Array(readFileSync(new URL(${module('../../splitcast.fused.wasm')}))))
    const code = await createWorkerCrypto(fused).then(() => 'taken', (error) => error.code)
    console.log(JSON.stringify({ build, buildReason, code }))`
  const { stdout } = await run(process.execPath, ['--no-enable-fma3', '--input-type=module', '--eval', script])
  const expected =
    process.arch === 'x64'
      ? { build: 'integer', buildReason: /rounds twice/, code: 'BUILD_UNAVAILABLE' }
      : { build: chosen, code: 'taken' }
  t.match(JSON.parse(stdout), expected)
})

t.test('every call refuses what is past its capacity', async (t) => {
  const { at, calls, memory } = await instantiate(wasmBytes(chosen, 'release'))
  const full = at.TEXT_CAPACITY
  const copies = limits.copies
  const refused: Record<string, number[]> = {
    aeadSeal: [full - 15, full + 1, -1, -16, -(2 ** 31)].map((bytes) => calls.aeadSeal(bytes, 0)),
    aeadOpen: [full + 1, -1].map((bytes) => calls.aeadOpen(bytes, 0)),
    associated: [at.ASSOCIATED_CAPACITY + 1, -1].map((bytes) => calls.aeadSeal(0, bytes)),
    sealPacket: [full - 24, -1, -(2 ** 31)].map((bytes) => calls.sealPacket(0, 0, bytes)),
    openPacket: [full - 8, -1, -(2 ** 31)].map((bytes) => calls.openPacket(0, 0, bytes)),
    seal: [full - 47, -1].map((bytes) => calls.seal(bytes, 0, false)),
    openAny: [full + 1, -1].map((bytes) => calls.openAny(1, bytes, 0, false)),
    secrets: [at.SECRETS_CAPACITY + 1, -1].map((count) => calls.openAny(count, 48, 0, false)),
    publicPoints: [at.SECRETS_CAPACITY + 1, -1].map((count) => calls.publicPoints(count)),
    makeSlots: [copies + 1, -1].map((count) => calls.makeSlots(count, 0, 0)),
    split: [
      [copies, 1, 0, 0],
      [0, copies + 1, 0, 0],
      [-1, 1, 0, 0],
      [0, -1, 0, 0],
      [0, 1, 256, 0],
      [0, 1, -1, 0],
      [0, 1, 0, at.CONTENT_CAPACITY + 1],
      [0, 1, 0, -1],
      [0, 16, 0, 2 ** 20],
    ].map((numbers) => calls.split(...(numbers as [number, number, number, number]))),
    tokens: [calls.tokens(0, copies + 1, 0, 0, 1), calls.tokens(copies, 1, 0, 0, 1)],
    payloadPoints: [calls.payloadPoints(0, copies + 1), calls.payloadPoints(copies, 1)],
    openCopies: [calls.openCopies(at.LENGTHS_CAPACITY + 1, 1), calls.openCopies(1, at.WINDOWS_CAPACITY + 1)],
  }
  for (const [name, answers] of Object.entries(refused)) {
    t.ok(
      answers.every((answer) => answer === status.capacity),
      name,
    )
  }
  new DataView(memory.buffer).setInt32(at.LENGTHS, full + 1, true)
  t.equal(calls.openCopies(1, 1), status.capacity, 'a copy that is too long')
})

t.test('lengths that a call cannot take are errors, or no answer where they come from outside', async (t) => {
  const crypto = await createCrypto(modules('release'))
  const { secret, point } = pair(crypto, random)
  const long = new Uint8Array(2 ** 21)
  const error = { code: 'BYTES_LENGTH' }
  t.equal(crypto.aeadSeal(random(32), random(12), nothing, long.subarray(16)).length, long.length)
  t.throws(() => crypto.aeadSeal(random(32), random(12), nothing, long.subarray(15)), error)
  t.equal(crypto.sealPacket(random(64), random(4), 0, long.subarray(25)).length, long.length)
  t.throws(() => crypto.sealPacket(random(64), random(4), 0, long.subarray(24)), error)
  t.throws(() => crypto.openPacket(random(63), random(4), random(4), random(40)), error)
  t.equal(crypto.openPacket(random(64), random(4), random(4), long.subarray(8)), undefined)
  t.throws(() => crypto.seal(point, context('copy'), long, random(64)), error)
  t.throws(() => crypto.seal(point, context('copy'), nothing, random(63)), error)
  t.throws(() => crypto.seal(point, context('copy', long), nothing, random(64)), error)
  t.equal(crypto.aeadOpen(random(32), random(12), nothing, concat(long, random(1))), undefined)
  t.equal(crypto.open(secret, context('copy'), concat(long, random(1))), undefined)
  t.strictSame(crypto.openCopies(secret, [1], [concat(long, random(1)), nothing]), [undefined, undefined])
  t.throws(
    () =>
      crypto.openCopies(
        secret,
        Array.from({ length: 9 }, (_, i) => i),
        [],
      ),
    error,
  )
  const { plan, request, slots } = world(crypto, random, { copies: 2, personalPartBytes: 0, contentBytes: 0 })
  t.equal(crypto.makeSlots({ ...plan, recipients: random(10 * limits.copies) })?.slots.length, 10 * limits.copies)
  t.throws(() => crypto.makeSlots({ ...plan, recipients: random(10 * (limits.copies + 1)) }), error)
  t.throws(() => crypto.makeSlots({ ...plan, recipients: random(11) }), error)
  t.throws(() => crypto.makeSlots({ ...plan, copyBytes: 2 ** 24 }), error)
  t.throws(() => crypto.expectedTokens(request, slots.receiptKeys.slice(1), 'stored', 0, 2), error)
  t.throws(() => crypto.argon2id(utf8('x'), random(15), { passes: 1, memoryBytes: 8192 }), error)
  const largest = { ...request, content: new Uint8Array(limits.messageBytes) }
  t.equal(crypto.prepareSplit(largest, random(32))?.split(0, 1).length, limits.messageBytes + 139)
  t.equal(crypto.prepareSplit({ ...request, content: long }, random(32)), undefined)
})

t.test('batches larger than one call', async (t) => {
  const crypto = await createCrypto(modules('release'))
  const right = pair(crypto, random)
  const sealed = crypto.seal(right.point, context('scramble'), utf8('found'), random(64)) ?? nothing
  const secrets: Scalar[] = Array.from({ length: 513 }, () => crypto.reduce(random(64)))
  t.equal(crypto.openAny([...secrets, right.secret], context('scramble'), sealed)?.index, 513, 'past 512 secrets')
  t.equal(crypto.openAny(secrets, context('scramble'), sealed), undefined)

  const points = crypto.publicPoints(secrets)
  t.strictSame([points.length, points[512]], [513, crypto.publicPoint(secrets[512] as Scalar)], 'points past 512')

  const shape = { copies: 3, personalPartBytes: 0, contentBytes: 900_000 }
  const { server, plan, request } = world(crypto, random, shape)
  const split = crypto.prepareSplit(request, random(32))
  const copies = [0, 1, 2].map((i) => split?.split(i, 1) ?? nothing)
  const opened = crypto.openCopies(server.secret, [window], copies)
  const recipients = concat(...opened.map((copy) => copy?.recipients[0] ?? nothing))
  t.strictSame(recipients, plan.recipients, 'copies past one text buffer')
  const many = crypto.openCopies(server.secret, [window], [...Array.from({ length: 4096 }, () => nothing), ...copies])
  t.equal(many.length, 4099, 'more copies than one call takes')
  // Compared by their tags: an assertion that walks megabytes byte by byte takes seconds.
  const tags = (batch: typeof opened) => batch.map((copy) => toHex(copy?.copy.slice(-16) ?? nothing))
  t.strictSame(tags(many.slice(-3)), tags(opened))
})

/** Names secrets as they arise, and tells which of them the core's memory still holds. */
function watch(memory: Uint8Array) {
  const held = Buffer.from(memory.buffer)
  const secrets = new Map<string, Uint8Array>()
  return {
    secret<T extends Uint8Array>(name: string, bytes: T): T {
      secrets.set(name, bytes)
      return bytes
    },
    /** Either half of a secret is searched for, since one that was left in part is left. */
    left: () =>
      [...secrets]
        .filter(([, bytes]) => [bytes.slice(0, 16), bytes.slice(-16)].some((half) => held.includes(Buffer.from(half))))
        .map(([name]) => name),
  }
}

t.test('packet protection, points and sealing leave no secret in memory', async (t) => {
  const core = await instantiate(wasmBytes(chosen, 'release'))
  const [group, sealing, aead] = [createGroup255(core), createSealing(core), createAead(core)]
  const { secret, left } = watch(core.memory)

  const aeadKey = secret('packet key', random(32))
  const sealedPacket = aead.aeadSeal(aeadKey, random(12), nothing, secret('packet', random(100)))
  aead.aeadOpen(aeadKey, random(12), nothing, sealedPacket)
  secret('key stream', aead.chachaBlock(aeadKey, 0, random(12)))
  const packets = createPackets(core)
  const keys = random(64)
  secret('packet and mask key', keys)
  const [index, frames] = [random(4), secret('frames', random(1000))]
  const nonce = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9)
  for (const counter of [0, 1, 7, 8, 15]) {
    secret(`block ${counter} of its key stream`, aead.chachaBlock(keys.slice(0, 32), counter, nonce))
  }
  const datagram = packets.sealPacket(keys, index, 9, frames)
  // What seals and opens last must not hide what the one before it left.
  t.strictSame(left(), [], 'sealing a packet')
  t.strictSame(packets.openPacket(keys, index, datagram.slice(5, 9), datagram.slice(9))?.frames, frames)
  t.strictSame(left(), [], 'opening a packet')
  packets.openPacket(keys, index, datagram.slice(5, 9), flipped(datagram.slice(9), 80))
  t.strictSame(left(), [], 'packet protection')

  const identity = createSigning(core, group.reduce).identity(random(32))
  secret('identity scalar', identity.secretScalar)
  const own = secret('sealing secret', group.reduce(secret('its entropy', random(64))))
  const point = group.publicPoint(own)
  secret('sum', group.addScalars(own, identity.secretScalar))
  group.multiply(own, point)
  t.strictSame(left(), [], 'points and scalars')

  const under = { ...context('content'), symmetric: secret('shared secret', key(random(32))) }
  const sealed = sealing.seal(point, under, secret('text', random(100)), secret('seal entropy', random(64))) ?? nothing
  secret('plaintext', sealing.openAny([own], under, sealed)?.plaintext ?? nothing)
  sealing.openAny([own, own], { ...under, label: context('copy').label }, sealed)
  secret('request key', sealing.requestKey(own, sealed.slice(0, 32)) ?? nothing)
  t.strictSame(left(), [], 'sealing')
})

t.test('a length that is refused leaves no secret in memory either', async (t) => {
  const core = await instantiate(wasmBytes(chosen, 'release'))
  const [group, sealing, aead] = [createGroup255(core), createSealing(core), createAead(core)]
  const { secret, left } = watch(core.memory)
  const error = { code: 'BYTES_LENGTH' }
  const point = group.publicPoint(group.reduce(random(64)))
  const [own, short] = [secret('secret', group.reduce(random(64))), random(31) as Scalar]
  const symmetric = secret('shared secret', key(random(32)))
  const under = { label: random(12), associated: nothing, symmetric }
  const text = secret('text', random(100))
  const entropy = secret('entropy', random(64))
  const aeadKey = secret('packet key', random(32))
  const long = new Uint8Array(core.at.TEXT_CAPACITY + 1)

  t.throws(() => sealing.seal(point, { ...under, label: random(11) }, text, entropy), error)
  t.throws(() => sealing.seal(point, { ...under, associated: long }, text, entropy), error)
  t.throws(() => sealing.seal(point, under, text, entropy.slice(1)), error)
  t.throws(() => sealing.seal(point, under, long, entropy), error)
  t.strictSame(left(), [], 'seal')
  t.throws(() => sealing.openAny([own, short], under, random(48)), error)
  t.throws(() => sealing.openAny([own], { ...under, associated: long }, random(48)), error)
  t.throws(() => group.publicPoints([own, short]), error)
  t.throws(() => group.addScalars(own, short), error)
  t.strictSame(left(), [], 'secrets of many')
  t.throws(() => aead.aeadSeal(aeadKey, random(11), nothing, text), error)
  t.throws(() => aead.aeadSeal(aeadKey, random(12), long, text), error)
  t.throws(() => aead.chachaBlock(aeadKey, 0, random(13)), error)
  t.throws(() => createPackets(core).sealPacket(concat(aeadKey, aeadKey), random(4), 0, long), error)
  t.throws(() => createPackets(core).sealPacket(aeadKey, random(4), 0, text), error)
  t.strictSame(left(), [], 'packets')
})

t.test('slots, split and opening leave no secret in memory', async (t) => {
  const core = await instantiate(wasmBytes(chosen, 'release'))
  const splitting = createSplitting(core, createHashing())
  const { secret, left } = watch(core.memory)

  const group = createGroup255(core)
  const own = secret('sealing secret', group.reduce(random(64)))
  const point = group.publicPoint(own)
  const recipients = secret('recipients', random(40))
  const entropy = secret('slot entropy', random(128))
  const plan = { splitterKey: point, serverKey: point, groupKey: point, window, copyBytes: 191, recipients, entropy }
  const slots = splitting.makeSlots(plan)
  if (slots === undefined) throw new Error('the keys decode')
  secret('K2', slots.requestKey)
  const receiptKeys = pieces(slots.receiptKeys, 32).map((bytes, i) => secret(`receipt key ${i}`, bytes))
  t.strictSame(left(), [], 'slots')

  const personal = { personalPartBytes: 0, personalParts: nothing }
  const request: SplitRequest = { ...slots, ...personal, serverKey: point, content: random(100) }
  const copies = splitting.prepareSplit(request, secret('split entropy', random(32)))?.split(0, 4) ?? nothing
  splitting.expectedTokens(request, slots.receiptKeys, 'stored', 0, 4)
  splitting.payloadPoints(request, 0, 4)
  const opened = splitting.openCopies(own, [window], [copies.slice(0, copies.length / 4)])
  t.strictSame(opened[0]?.receiptKey, receiptKeys[0])
  t.strictSame(left(), [], 'split and opening')
})

t.test('a request that is done leaves memory as any other did: nothing in it tells which it was', async (t) => {
  const core = await instantiate(wasmBytes(chosen, 'release'))
  const other = await createCrypto(modules('release'))
  const [splitting, sealing, aead] = [createSplitting(core, createHashing()), createSealing(core), createAead(core)]
  const server = pair(other, random)
  const request = ({ copies, content }: { copies: number; content: number }) => {
    const shape = { copies, personalPartBytes: 7, contentBytes: content }
    const { plan, splitter } = world(other, random, shape)
    // C stays the same, as it does for a day: its comb is to be kept.
    const ofServer = { ...plan, serverKey: server.point }
    const slots = other.makeSlots(ofServer)
    if (slots === undefined) throw new Error('the keys decode')
    const personal = { personalPartBytes: 7, personalParts: random(7 * copies) }
    return {
      plan: ofServer,
      splitter,
      slots,
      made: { ...slots, ...personal, serverKey: server.point, content: random(content) },
    }
  }
  const roles: Readonly<Record<string, (given: ReturnType<typeof request>) => void>> = {
    'P2, in one go': ({ made, splitter }) => {
      const body = other.aeadSeal(made.requestKey, labels.request, nothing, random(300))
      const requestKey = sealing.requestKey(splitter.secret, made.ephemeral) ?? nothing
      t.equal(aead.aeadOpen(requestKey, labels.request, nothing, body)?.length, 300)
      t.equal(aead.aeadOpen(random(32), labels.request, nothing, body), undefined)
      const split = splitting.prepareSplit(made, random(32))
      t.ok(split?.split(0, split.copies, 4))
      split?.wipe()
    },
    'P2, in slices': ({ made }) => {
      const last = made.slots.length / 10 - 1
      for (const [from, count] of [
        [0, last],
        [last, 1],
      ] as const) {
        const slice = splitting.prepareSplit(made, random(32))
        t.ok(slice?.split(from, count))
        slice?.wipe()
      }
    },
    'P2, given up after a slice, as after one whose points do not decode': ({ made }) => {
      const slice = splitting.prepareSplit(made, random(32))
      t.ok(slice?.split(0, 1))
      slice?.wipe()
      t.equal(splitting.prepareSplit({ ...made, oneTimeKey: point(new Uint8Array(32)) }, random(32)), undefined)
      splitting.prepareSplit(made, random(32))?.wipe()
      const again = splitting.prepareSplit(made, random(32))
      t.ok(again?.split(0, 1))
      splitting.forgetRequest()
    },
    S: ({ plan, made, slots }) => {
      t.strictSame(splitting.makeSlots(plan)?.slots, slots.slots)
      t.equal(splitting.payloadPoints(made, 1, 1).length, 32)
      t.ok(splitting.expectedTokens(made, slots.receiptKeys, 'stored', 0, 2))
      t.ok(splitting.expectedTokens(made, slots.receiptKeys, 'refused', 1, 1))
      splitting.forgetRequest()
    },
    CS: ({ made }) => {
      const copies = other
        .prepareSplit(
          {
            ...made,
            slots: made.slots.slice(0, 20),
            personalParts: made.personalParts.slice(0, 14),
            content: made.content.slice(0, 40),
          },
          random(32),
        )
        ?.split(0, 2)
      const sealed = pieces(copies ?? nothing, (copies?.length ?? 0) / 2)
      t.ok(splitting.openCopies(server.secret, [window], sealed).every((copy) => copy !== undefined))
    },
  }
  for (const [name, play] of Object.entries(roles)) {
    // The first leaves what is the same for all: C's comb, labels as nonces, and zeros where it stood.
    play(request({ copies: 300, content: 2000 }))
    const before = Buffer.from(core.memory)
    for (const shape of [
      { copies: 40, content: 3000 },
      { copies: 5, content: 100 },
    ]) {
      play(request(shape))
      t.ok(before.equals(core.memory), name)
    }
  }
})

t.test('a split touches its output buffer and less than 4 MiB beside it', async (t) => {
  const core = await instantiate(wasmBytes(chosen, 'release'))
  const { at, memory } = core
  const splitting = createSplitting(core, createHashing())
  const shape = { copies: limits.copies, personalPartBytes: 255, contentBytes: limits.messageBytes }
  const { request } = world(await createCrypto(modules('release')), random, shape)
  const outside = memory.subarray(at.TEXT, at.TEXT + at.TEXT_CAPACITY)
  outside.fill(0xa5)
  const split = splitting.prepareSplit(request, random(32))
  t.ok(split?.split(0, Math.floor(limits.splitOutputBytes / split.sealedCopyBytes)))
  split?.wipe()
  t.ok(outside.every((byte) => byte === 0xa5))
  t.ok(memory.length - at.OUTPUT_CAPACITY - outside.length < 4 * 2 ** 20)
})

t.test('instances share a compiled module and nothing else', async (t) => {
  const instances = await Promise.all(Array.from({ length: 12 }, () => createCrypto(modules('release'))))
  const worlds = instances.map((crypto) => world(crypto, random, { copies: 2, personalPartBytes: 1, contentBytes: 10 }))
  const entropy = random(32)
  const splits = instances.map((crypto, i) =>
    crypto.prepareSplit((worlds[i] as (typeof worlds)[number]).request, entropy),
  )
  const again = await createCrypto(modules('debug'))
  for (const [i, split] of splits.entries()) {
    const expected = again.prepareSplit((worlds[i] as (typeof worlds)[number]).request, entropy)?.split(0, 2)
    t.strictSame(split?.split(0, 2), expected)
    t.strictSame(copiesWithoutRoom(split?.split(0, 2, 6), 6), expected)
  }
})

/** Two copies that were split with room before each, one after the other. */
function copiesWithoutRoom(spaced: Uint8Array = nothing, roomBytes: number): Uint8Array {
  const half = spaced.length / 2
  return concat(spaced.subarray(roomBytes, half), spaced.subarray(half + roomBytes))
}
