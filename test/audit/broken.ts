/**
 * Crypto objects that are broken on purpose, each in one way, by wrapping the real one or a part of the twin: an audit
 * that catches none of them would prove nothing. They are handed in where the product takes its own; no line of the product
 * knows them.
 */
import { equal, type Point, point } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { createTwinSplitting } from '../oracle/twin-splitting.js'

export interface Broken {
  readonly name: string
  /** Seen in many pairs only, so that it is given as many as the product. */
  readonly weak?: true
  readonly of: (crypto: Crypto) => Crypto
}

type Parts = Partial<Crypto>
type Block = Crypto['chachaBlock']

const POINT_BYTES = 32
const BLOCK_BYTES = 64
const WIDE_BYTES = 64

/** The splitting of the twin, some of whose parts are replaced. */
function resplit(crypto: Crypto, parts: Parts): Crypto {
  return { ...crypto, ...createTwinSplitting({ ...crypto, ...parts }) }
}

/** What is drawn for the i-th copy under one label is the block that `change` gives. */
function derived(label: Uint8Array, change: (block: Block, key: Uint8Array, i: number) => Uint8Array) {
  return (crypto: Crypto): Crypto =>
    resplit(crypto, {
      chachaBlock: (key, i, nonce) =>
        equal(nonce, label)
          ? change((blockKey, counter) => crypto.chachaBlock(blockKey, counter, nonce), key, i)
          : crypto.chachaBlock(key, i, nonce),
    })
}

const first = (block: Block, key: Uint8Array) => block(key, 0, key)
/** A small number in the place of 64 random bytes. */
const small = (value: number) => Uint8Array.from({ length: BLOCK_BYTES }, (_, at) => (at === 0 ? value : 0))

/** For CS, which must not tell copies of one message. */
export const brokenCopies: readonly Broken[] = [
  { name: 'all t_i equal: one slot key for a message', of: derived(labels.slotOffset, first) },
  { name: 't_i = 0: R_i is 2R', of: withoutOffsets },
  { name: 't_i = i: slot points a step apart', of: derived(labels.slotOffset, (_, __, i) => small(i + 1)) },
  { name: 'e_i reused for all copies', of: derived(labels.scrambleScalar, first) },
  {
    name: 'e_i = i: payload points small multiples of each other',
    of: derived(labels.scrambleScalar, (_, __, i) => small(i + 1)),
  },
  { name: 'outer ephemeral constant', of: derived(labels.copyScalar, () => small(7)) },
  { name: 'outer ephemeral one for a message', of: derived(labels.copyScalar, first) },
  { name: 'one bit of each payload follows from R', weak: true, of: marked },
]

/** For P2, which must not tell requests of one group. */
export const brokenRequests: readonly Broken[] = [
  { name: "no h: B' = B and G' = G", of: withoutFactor },
  {
    name: 'h reused for all messages',
    of: (crypto) => withEntropy(crypto, (entropy) => entropy.set(small(9), WIDE_BYTES)),
  },
  { name: 'h counts up', of: countingFactor },
  { name: 'ephemeral of the content constant', of: constantContent },
]

/** A device whose contents are framed as if they were sealed, and are not. */
export function clearContents(crypto: Crypto): Crypto {
  return {
    ...crypto,
    seal(publicKey, context, plaintext, entropy) {
      const sealed = crypto.seal(publicKey, context, plaintext, entropy)
      if (equal(context.label, labels.content)) sealed?.set(plaintext, POINT_BYTES)
      return sealed
    },
  }
}

/** A P2 whose payloads are framed as if they were scrambled, and are not. */
export function clearPayloads(crypto: Crypto): Crypto {
  return resplit(crypto, {
    aeadSeal(key, nonce, associated, plaintext) {
      const sealed = crypto.aeadSeal(key, nonce, associated, plaintext)
      if (equal(nonce, labels.scramble)) sealed.set(plaintext)
      return sealed
    },
  })
}

function withoutOffsets(crypto: Crypto): Crypto {
  const zero = new Uint8Array(32)
  const none = derived(labels.slotOffset, () => new Uint8Array(BLOCK_BYTES))(crypto)
  const addPoints = (p: Uint8Array, q: Uint8Array): Point | undefined =>
    equal(q, zero) ? point(Uint8Array.from(p)) : crypto.addPoints(p, q)
  const chachaBlock: Block = (key, i, nonce) =>
    equal(nonce, labels.slotOffset) ? new Uint8Array(BLOCK_BYTES) : crypto.chachaBlock(key, i, nonce)
  return { ...none, ...resplit(crypto, { chachaBlock, addPoints }) }
}

/** One bit of each payload follows from R: no single pair shows it, since half of those of two messages agree as well. */
function marked(crypto: Crypto): Crypto {
  let mark = 0
  const twin = resplit(crypto, {
    aeadSeal(key, nonce, associated, plaintext) {
      const sealed = crypto.aeadSeal(key, nonce, associated, plaintext)
      if (equal(nonce, labels.scramble)) sealed[0] = ((sealed[0] as number) & 0xfe) | mark
      return sealed
    },
  })
  return {
    ...twin,
    prepareSplit(request, entropy) {
      // The lowest bit of an encoded point is always zero.
      mark = (request.ephemeral[1] as number) & 1
      return twin.prepareSplit(request, entropy)
    },
  }
}

function withEntropy(crypto: Crypto, change: (entropy: Uint8Array) => void): Crypto {
  return {
    ...crypto,
    makeSlots(plan) {
      const entropy = Uint8Array.from(plan.entropy)
      change(entropy)
      return crypto.makeSlots({ ...plan, entropy })
    },
  }
}

function withoutFactor(crypto: Crypto): Crypto {
  return withEntropy(crypto, (entropy) => entropy.set(small(1), WIDE_BYTES))
}

function countingFactor(crypto: Crypto): Crypto {
  let h = 0
  return withEntropy(crypto, (entropy) => {
    h = (h % 200) + 1
    entropy.set(small(h), WIDE_BYTES)
  })
}

function constantContent(crypto: Crypto): Crypto {
  return {
    ...crypto,
    seal: (publicKey, context, plaintext, entropy) =>
      crypto.seal(publicKey, context, plaintext, equal(context.label, labels.content) ? small(5) : entropy),
  }
}
