/** One contract suite over every implementation of Crypto: the WASM core in both builds, and its libsodium twin. */
import t, { type Test } from 'tap'
import type { RandomBytes } from '../../src/base/random.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { seed, seeded } from '../base/seeded.js'
import { implementations } from '../crypto/builds.js'
import * as messages from './messages.js'
import * as primitives from './primitives.js'

type Clause = (t: Test, crypto: Crypto, random: RandomBytes) => void

const clauses: Readonly<Record<string, Clause>> = {
  'hashes, HMAC and HKDF': primitives.hashing,
  'packet protection opens what was sealed and nothing else': primitives.aead,
  'link packets open as what was sealed and nothing else': primitives.packets,
  'identities, signatures and their refusals': primitives.identities,
  'refuses identity keys that are not of prime order': primitives.refusedIdentities,
  'agrees on secrets, and refuses an empty one': primitives.agreement,
  'scalars and points keep the laws of the group': primitives.scalarsAndPoints,
  'seals for one secret': primitives.sealing,
  'opens with the first of many secrets that fits': primitives.openingWithMany,
  'carries one message from sender to recipients and receipts back': messages.wholeMessage,
  'makes slots that only the server reads': messages.slotsOfOneMessage,
  'splits in parts, with others in between': messages.splitInParts,
  'refuses requests that do not fit': messages.refusedRequests,
  'wiped keys make no more copies': messages.wipedSplit,
  'opens a batch at the server, the bad ones left out': messages.openingAtServer,
}

t.comment(`seed ${seed}`)
for (const [name, crypto] of await implementations()) {
  t.test(name, async (t) => {
    for (const [clause, check] of Object.entries(clauses)) {
      t.test(clause, async (t) => check(t, crypto, seeded()))
    }
  })
}
