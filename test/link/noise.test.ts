/**
 * The handshake against what others made of the same specification: published vectors, and noise-c, compiled to
 * WebAssembly, as the live other end in both roles.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { concat, fromHex, key, toHex, utf8 } from '../../src/base/bytes.js'
import { NoiseInitiator, NoiseResponder, type SessionSecrets } from '../../src/link/noise.js'
import { seeded } from '../base/seeded.js'
import { crypto, present } from './support.js'

const NAME = 'Noise_NK_25519_ChaChaPoly_SHA256'
const EPHEMERAL_BYTES = 32

interface Vector {
  readonly protocol_name: string
  readonly init_prologue: string
  readonly init_ephemeral: string
  readonly resp_static: string
  readonly resp_ephemeral: string
  readonly handshake_hash: string
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[]
}

t.test('agrees with the published vectors', (t) => {
  const file = findUpwards('../shared/vectors/noise.json')
  if (file === undefined) {
    t.pass('../shared/vectors/noise.json was not there: nothing was compared')
    t.end()
    return
  }
  const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }
  const vector = present(vectors.find(({ protocol_name }) => protocol_name === NAME))
  const [first, second, ...transport] = vector.messages.map(({ payload, ciphertext }) => ({
    payload: fromHex(payload),
    ciphertext,
  }))
  const { initiator, responder } = bothEnds(vector)

  const one = present(initiator.write(present(first).payload))
  t.equal(toHex(concat(one.ephemeral, one.sealed)), present(first).ciphertext)
  t.strictSame(responder.read(one), present(first).payload)

  const two = present(responder.write(fromHex(vector.resp_ephemeral), present(second).payload))
  t.equal(toHex(concat(two.message.ephemeral, two.message.sealed)), present(second).ciphertext)
  const read = present(initiator.read(two.message))
  t.strictSame(read.payload, present(second).payload)

  t.equal(toHex(read.secrets.handshakeHash), vector.handshake_hash)
  t.strictSame(read.secrets, two.secrets)
  t.ok(transport.length > 0)
  for (const [index, { payload, ciphertext }] of transport.entries()) {
    t.equal(toHex(transportMessage(read.secrets, index, payload)), ciphertext, `transport message ${index}`)
  }
  t.end()
})

function bothEnds(vector: Vector) {
  const prologue = fromHex(vector.init_prologue)
  const staticSecret = fromHex(vector.resp_static)
  const staticKey = crypto.x25519Public(staticSecret)
  return {
    initiator: new NoiseInitiator(crypto, prologue, staticKey, fromHex(vector.init_ephemeral)),
    responder: new NoiseResponder(crypto, prologue, staticSecret, staticKey),
  }
}

/** Messages after the handshake go back and forth, the initiator's first; each end counts its own. */
function transportMessage(secrets: SessionSecrets, index: number, payload: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce[4] = index >> 1
  const sendingKey = index % 2 === 0 ? secrets.initiatorKey : secrets.responderKey
  return crypto.aeadSeal(sendingKey, nonce, new Uint8Array(0), payload)
}

/** Compiled tests lie deeper than their sources: the project is the first directory upwards that has the file beside it. */
function findUpwards(path: string): string | undefined {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    if (existsSync(join(at, path))) return join(at, path)
    if (at === dirname(at)) return undefined
  }
}

t.test('shakes hands with noise-c', async (t) => {
  const noise = await loadNoiseC()
  const random = seeded(11)
  const prologue = utf8('a prologue')
  const staticSecret = key(random(32))
  const staticKey = crypto.x25519Public(staticSecret)

  t.test('as its initiator', (t) => {
    const theirs = noise.HandshakeState(NAME, noise.constants.NOISE_ROLE_RESPONDER)
    theirs.Initialize(prologue, staticSecret)
    const ours = new NoiseInitiator(crypto, prologue, staticKey, random(32))
    const one = present(ours.write(utf8('first')))
    t.strictSame(theirs.ReadMessage(concat(one.ephemeral, one.sealed), true), utf8('first'))
    const two = theirs.WriteMessage(utf8('second'))
    const read = present(ours.read(halves(two)))
    t.strictSame(read.payload, utf8('second'))
    t.strictSame(theirs.GetHandshakeHash(), Uint8Array.from(read.secrets.handshakeHash))
    const [theirSending, theirReceiving] = theirs.Split()
    const empty = new Uint8Array(0)
    t.strictSame(theirReceiving.DecryptWithAd(empty, transportMessage(read.secrets, 0, utf8('a'))), utf8('a'))
    t.strictSame(theirSending.EncryptWithAd(empty, utf8('b')), transportMessage(read.secrets, 1, utf8('b')))
    t.end()
  })

  t.test('as its responder', (t) => {
    const theirs = noise.HandshakeState(NAME, noise.constants.NOISE_ROLE_INITIATOR)
    theirs.Initialize(prologue, null, staticKey)
    const ours = new NoiseResponder(crypto, prologue, staticSecret, staticKey)
    t.strictSame(ours.read(halves(theirs.WriteMessage(utf8('first')))), utf8('first'))
    const { message, secrets } = present(ours.write(random(32), utf8('second')))
    t.strictSame(theirs.ReadMessage(concat(message.ephemeral, message.sealed), true), utf8('second'))
    t.strictSame(theirs.GetHandshakeHash(), Uint8Array.from(secrets.handshakeHash))
    const [theirSending, theirReceiving] = theirs.Split()
    const empty = new Uint8Array(0)
    t.strictSame(theirSending.EncryptWithAd(empty, utf8('a')), transportMessage(secrets, 0, utf8('a')))
    t.strictSame(theirReceiving.DecryptWithAd(empty, transportMessage(secrets, 1, utf8('b'))), utf8('b'))
    t.end()
  })
})

t.test('refuses what does not authenticate', (t) => {
  const random = seeded(12)
  const staticSecret = random(32)
  const staticKey = crypto.x25519Public(staticSecret)
  const prologue = utf8('one')
  const ours = () => new NoiseInitiator(crypto, prologue, staticKey, random(32))

  const other = new NoiseResponder(crypto, utf8('two'), staticSecret, staticKey)
  t.equal(other.read(present(ours().write())), undefined, 'another prologue')
  const otherSecret = random(32)
  const stranger = new NoiseResponder(crypto, prologue, otherSecret, crypto.x25519Public(otherSecret))
  t.equal(stranger.read(present(ours().write())), undefined, 'another key')
  t.equal(new NoiseInitiator(crypto, prologue, new Uint8Array(32), random(32)).write(), undefined, 'a key of low order')

  const initiator = ours()
  const responder = new NoiseResponder(crypto, prologue, staticSecret, staticKey)
  responder.read(present(initiator.write()))
  const { message, secrets } = present(responder.write(random(32)))
  const forged = { ...message, sealed: message.sealed.map((byte) => byte ^ 1) }
  t.equal(initiator.read(forged), undefined, 'a forged response')
  t.equal(initiator.read({ ...message, ephemeral: new Uint8Array(32) }), undefined, 'a response of low order')
  t.strictSame(initiator.read(message)?.secrets, secrets, 'the true response after forged ones')
  t.end()
})

t.test('wipes its ephemeral secrets', (t) => {
  const random = seeded(13)
  const staticSecret = random(32)
  const staticKey = crypto.x25519Public(staticSecret)
  const [ours, theirs] = [random(32), random(32)]
  const initiator = new NoiseInitiator(crypto, utf8('p'), staticKey, ours)
  const responder = new NoiseResponder(crypto, utf8('p'), staticSecret, staticKey)
  responder.read(present(initiator.write()))
  responder.write(theirs)
  t.strictSame(theirs, new Uint8Array(32))
  initiator.wipe()
  t.strictSame(ours, new Uint8Array(32))
  t.end()
})

function halves(message: Uint8Array) {
  return { ephemeral: message.slice(0, EPHEMERAL_BYTES), sealed: message.slice(EPHEMERAL_BYTES) }
}

interface CipherState {
  EncryptWithAd(associated: Uint8Array, plaintext: Uint8Array): Uint8Array
  DecryptWithAd(associated: Uint8Array, sealed: Uint8Array): Uint8Array
}

interface NoiseC {
  readonly constants: { readonly NOISE_ROLE_INITIATOR: number; readonly NOISE_ROLE_RESPONDER: number }
  HandshakeState(
    name: string,
    role: number,
  ): {
    Initialize(prologue: Uint8Array, secret?: Uint8Array | null, remote?: Uint8Array | null): void
    WriteMessage(payload: Uint8Array): Uint8Array
    ReadMessage(message: Uint8Array, payloadNeeded: boolean): Uint8Array
    GetHandshakeHash(): Uint8Array
    Split(): [CipherState, CipherState]
  }
}

function loadNoiseC(): Promise<NoiseC> {
  const create = createRequire(import.meta.url)('noise-c.wasm') as (
    options: { printErr(text: string): void },
    ready: (noise: NoiseC) => void,
  ) => void
  // Before it loads from disk it tries to fetch, and says so.
  return new Promise((resolve) => create({ printErr: () => undefined }, resolve))
}
