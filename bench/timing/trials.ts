/**
 * What must take the same time whatever the secret: scalar multiplication, tag comparison, opening copies and payloads,
 * making slots. Everything is called as the roles call it. The fixed scalar is 1 where one can be chosen: nearly all its
 * digits are 0, so code that skips anything for a zero would be furthest from its usual time.
 */
import { randomBytes } from 'node:crypto'
import { concat, equalConstantTime, type Scalar, scalar } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { cut, keyPair, makeFixture, slotPlan, splitAll } from '../fixtures.js'
import type { InputClass, Trial } from './trial.js'

const SCALAR_BYTES = 32
export const TAG_BYTES = 16
const MAC_BYTES = 16
const TEXT_BYTES = 64
/** Kind, session and masked number (PROTOCOL.md section 10.2). */
const PACKET_HEAD_BYTES = 9
const BODY_BYTES = 64
/** Copies in a call at CS, keys tried at T, recipients of a message. */
const COPIES = 2
const KEYS = 4
const RECIPIENTS = 2
const RECIPIENT_BYTES = 10
/** As CS opens them, under the window before and after too. */
const WINDOWS = [1, 2, 3]
/** Copies to choose from in each class, and how many server keys those of the random class belong to. */
const STOCK = 256
const STOCK_KEYS = 64

const ONE = scalar(Uint8Array.of(1, ...new Uint8Array(SCALAR_BYTES - 1)))
const NOTHING = new Uint8Array(0)

export function trials(crypto: Crypto): Trial[] {
  return [
    fixedBase(crypto),
    variableBase(crypto),
    packetTag(crypto),
    handshakeMac(),
    copiesBySecret(crypto),
    copiesByRecipient(crypto),
    payloadBySecrets(crypto),
    slotsByEntropy(crypto),
  ]
}

/** A tag that is wrong in its last byte only, or anywhere. */
function wrongTag(right: Uint8Array, kind: InputClass): Uint8Array {
  const last = right.length - 1
  const wrong = Uint8Array.from(kind === 'random' ? randomBytes(right.length) : right)
  wrong[last] = (right[last] as number) ^ 1
  return wrong
}

function drawScalar(crypto: Crypto, kind: InputClass): Scalar {
  return kind === 'random' ? crypto.reduce(randomBytes(64)) : ONE
}

function fixedBase(crypto: Crypto): Trial {
  return {
    name: 'fixed base, by secret',
    inputBytes: SCALAR_BYTES,
    draw: (kind) => drawScalar(crypto, kind),
    bind: (secret) => () => crypto.publicPoint(secret as Scalar)[0] as number,
  }
}

function variableBase(crypto: Crypto): Trial {
  const { point } = keyPair(crypto)
  return {
    name: 'variable base, by secret',
    inputBytes: SCALAR_BYTES,
    draw: (kind) => drawScalar(crypto, kind),
    bind: (secret) => () => crypto.multiply(secret as Scalar, point)?.[0] as number,
  }
}

/** Packets that do not open, and the tag with which they would. */
export function packetTag(crypto: Crypto): Trial & { readonly right: Uint8Array } {
  const [keys, index] = [randomBytes(64), randomBytes(4)]
  const datagram = crypto.sealPacket(keys, index, 1, randomBytes(TEXT_BYTES))
  const [number, sealed] = [datagram.subarray(5, PACKET_HEAD_BYTES), datagram.subarray(PACKET_HEAD_BYTES)]
  if (crypto.openPacket(keys, index, number, sealed) === undefined) throw new Error('the packet should open')
  const right = sealed.subarray(-TAG_BYTES)
  return {
    name: 'packet tag, by where it is wrong',
    right,
    inputBytes: sealed.length,
    draw: (kind) => concat(sealed.subarray(0, TEXT_BYTES), wrongTag(right, kind)),
    bind: (packet) => () => (crypto.openPacket(keys, index, number, packet) === undefined ? 1 : 0),
  }
}

function handshakeMac(): Trial {
  const right = randomBytes(MAC_BYTES)
  return {
    name: 'handshake MAC, by where it is wrong',
    inputBytes: MAC_BYTES,
    draw: (kind) => wrongTag(right, kind),
    bind: (mac) => () => (equalConstantTime(right, mac) ? 1 : 0),
  }
}

interface Stock {
  readonly secret: Scalar
  readonly copies: readonly Uint8Array[]
}

function stockOf(crypto: Crypto, copies: number): Stock {
  const { request, server } = makeFixture(crypto, copies, BODY_BYTES)
  return { secret: server.secret, copies: cut(splitAll(crypto, request), copies) }
}

/** All copies open in both classes, with one sealing secret or with any of many. */
function copiesBySecret(crypto: Crypto): Trial {
  const one = stockOf(crypto, STOCK)
  const many = Array.from({ length: STOCK_KEYS }, () => stockOf(crypto, STOCK / STOCK_KEYS))
  return copiesTrial(crypto, 'copies opened, by sealing secret', (kind) => {
    const { secret, copies } = kind === 'random' ? pick(many) : one
    return { secret, copies: Array.from({ length: COPIES }, () => pick(copies)) }
  })
}

/** One sealing secret; the slots of the copies hold one recipient, or any. */
function copiesByRecipient(crypto: Crypto): Trial {
  const recipients = randomBytes(2 * STOCK * RECIPIENT_BYTES)
  const one = recipients.subarray(0, RECIPIENT_BYTES)
  for (let i = 1; i < STOCK; i++) recipients.set(one, RECIPIENT_BYTES * i)
  const { request, server } = makeFixture(crypto, 2 * STOCK, BODY_BYTES, recipients)
  const copies = cut(splitAll(crypto, request), 2 * STOCK)
  const halves = { fixed: copies.slice(0, STOCK), random: copies.slice(STOCK) }
  return copiesTrial(crypto, 'copies opened, by recipient', (kind) => ({
    secret: server.secret,
    copies: Array.from({ length: COPIES }, () => pick(halves[kind])),
  }))
}

/** The input is the secret, then the copies. */
function copiesTrial(crypto: Crypto, name: string, choose: (kind: InputClass) => Stock): Trial {
  const first = choose('fixed')
  const copyBytes = (first.copies[0] as Uint8Array).length
  if (crypto.openCopies(first.secret, WINDOWS, first.copies).includes(undefined))
    throw new Error('a copy does not open')
  return {
    name,
    inputBytes: SCALAR_BYTES + COPIES * copyBytes,
    draw(kind) {
      const { secret, copies } = choose(kind)
      return concat(secret, ...copies)
    },
    bind(input) {
      const secret = scalar(input.subarray(0, SCALAR_BYTES))
      const copies = cut(input.subarray(SCALAR_BYTES), COPIES)
      return () => (crypto.openCopies(secret, WINDOWS, copies)[0] === undefined ? 0 : 1)
    },
  }
}

/** T tries the keys of all its groups, and none fits. */
function payloadBySecrets(crypto: Crypto): Trial {
  const context = { label: labels.scramble, associated: NOTHING }
  const payload = crypto.seal(keyPair(crypto).point, context, randomBytes(BODY_BYTES), randomBytes(64))
  if (payload === undefined) throw new Error('the payload could not be sealed')
  const draw = (): Scalar[] => Array.from({ length: KEYS }, () => crypto.reduce(randomBytes(64)))
  const fixed = [ONE, ...draw()].slice(0, KEYS)
  return {
    name: 'payload tried, by group secrets',
    inputBytes: KEYS * SCALAR_BYTES,
    draw: (kind) => concat(...(kind === 'random' ? draw() : fixed)),
    bind(input) {
      const secrets = cut(input, KEYS).map(scalar)
      return () => (crypto.openAny(secrets, context, payload) === undefined ? 1 : 0)
    },
  }
}

/** S's random r and h, and to whom it writes. */
function slotsByEntropy(crypto: Crypto): Trial {
  const plan = slotPlan(crypto, keyPair(crypto).point, RECIPIENTS, BODY_BYTES)
  const fixed = concat(plan.entropy, plan.recipients)
  return {
    name: 'slots made, by entropy and recipients',
    inputBytes: fixed.length,
    draw: (kind) => (kind === 'random' ? randomBytes(fixed.length) : fixed),
    bind(input) {
      const entropy = input.subarray(0, plan.entropy.length)
      const recipients = input.subarray(plan.entropy.length)
      return () => crypto.makeSlots({ ...plan, entropy, recipients })?.slots[0] as number
    },
  }
}

function pick<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)] as T
}
