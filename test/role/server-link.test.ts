/**
 * The link to the server on its own, against a server that is a bare endpoint in the test's hand: proof, directory,
 * waits between attempts (PROTOCOL.md sections 9.1 and 9.3). Virtual time; SEED repeats a run.
 */
import t from 'tap'
import { concat, type IdentityKey } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import type { Millis } from '../../src/base/time.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkOutput, PeerAddress } from '../../src/link/link.js'
import { signDirectory } from '../../src/role/directory.js'
import type { Machine, RoleInput, RoleOutput } from '../../src/role/role.js'
import { createSealingKeys } from '../../src/role/sealing-keys.js'
import { createServerLink } from '../../src/role/server-link/create.js'
import type { ServerLink, ServerLinkEvent } from '../../src/role/server-link.js'
import { directory as directoryFormat } from '../../src/wire/directory.js'
import { encodeMessage, parseMessage } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import { Peer } from '../sim/peer.js'
import { calm, VirtualNetwork } from '../sim/virtual-network.js'
import { crypto, newIdentity, random } from './proxy-fixture.js'

t.comment(`SEED=${seed}`)

const SERVER: PeerAddress = { host: '192.0.2.1', port: 7000 }
const ELSEWHERE: PeerAddress = { host: '192.0.2.2', port: 7000 }
const CLIENT: PeerAddress = { host: '10.0.0.1', port: 5000 }

/** A role that is nothing but its link to the server. */
class Client implements Machine<RoleInput, RoleOutput> {
  readonly link: ServerLink
  readonly events: ServerLinkEvent[] = []
  private readonly endpoint = createEndpoint({}, crypto, random)
  private readonly outputs: RoleOutput[] = []
  private readonly restored: Uint8Array | undefined

  constructor(identityKey: IdentityKey, addresses: readonly PeerAddress[], restored?: Uint8Array) {
    const identity = newIdentity()
    this.restored = restored
    this.link = createServerLink({
      context: { crypto, random },
      endpoint: this.endpoint,
      server: { identityKey, addresses },
      self: { identity, id: nodeIdOf(crypto, identity.identityKey) },
      role: 'device',
      accessCode: Uint8Array.of(7, 8),
    })
  }

  restore(): void {}

  start(now: Millis): void {
    if (this.restored !== undefined) this.link.restoreDirectory(now, this.restored)
    this.link.start(now)
    this.settle(now)
  }

  handle(now: Millis, input: RoleInput): void {
    if (input.type === 'datagram') this.endpoint.datagram(now, input.from, input.bytes)
    if (input.type === 'timeout') {
      this.endpoint.timeout(now)
      this.link.timeout(now)
    }
    this.settle(now)
  }

  poll(): RoleOutput | undefined {
    return this.outputs.shift()
  }

  deadline(): Millis | undefined {
    const [a, b] = [this.endpoint.deadline(), this.link.deadline()]
    return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
  }

  /** Which events came since this was last asked. */
  takeEvents(): string[] {
    return this.events.splice(0).map((event) => (event.type === 'drop' ? event.code : event.type))
  }

  private settle(now: Millis): void {
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      if (output.type === 'transmit') this.outputs.push(output)
      else if (!this.link.linkOutput(now, output)) this.received(now, output)
    }
    for (let event = this.link.poll(); event !== undefined; event = this.link.poll()) this.events.push(event)
  }

  private received(now: Millis, output: LinkOutput): void {
    if (output.type !== 'received' || !this.link.owns(output.session)) return
    const parsed = parseMessage(output.message)
    if (parsed.ok) this.link.message(now, parsed.value)
  }
}

function surroundings({ addresses = [SERVER] as readonly PeerAddress[] } = {}) {
  const network = new VirtualNetwork(seed, calm)
  const identity = newIdentity()
  const keys = createSealingKeys(crypto, random)
  const server = network.add({
    name: 'server',
    address: SERVER,
    make: () => new Peer({ linkSecret: identity.linkSecret }, crypto, random),
  })
  const attempts: { at: Millis; to: PeerAddress }[] = []
  const HANDSHAKE_INIT = 0x11
  network.taps.push((_from, to, bytes) => {
    const before = attempts.at(-1)
    // The same init is sent again while an attempt lasts.
    if (bytes[0] === HANDSHAKE_INIT && (before === undefined || network.now > before.at + limits.handshakeTimeoutMs)) {
      attempts.push({ at: network.now, to })
    }
  })

  function directory(version: number, issuedAt = network.now, lifeMs: number = limits.directoryLifeMs): Uint8Array {
    keys.advance(network.now)
    const sealingKeys = keys.published(network.now)
    return signDirectory(crypto, identity, {
      version,
      issuedAt,
      validUntil: issuedAt + lifeMs,
      sealingKeys,
      proxies: [],
    })
  }

  function say(message: Uint8Array): void {
    const { session } = server.machine.received.at(-1) ?? {}
    if (session === undefined) throw new Error('nobody is connected')
    server.machine.endpoint.send(network.now, session, message)
    network.input(server, { type: 'timeout' })
    network.runFor(100)
  }

  function push(encoded: Uint8Array): void {
    say(encodeMessage('directoryReply', { directory: encoded }))
  }

  /** Nothing is listed, so the difference is in the fields alone. */
  function pushDelta(fromVersion: number, encoded: Uint8Array): void {
    const parsed = directoryFormat.parse(encoded)
    if (!parsed.ok) throw new Error(parsed.code)
    say(encodeMessage('directoryDelta', { fromVersion, ...parsed.value, removed: [], added: [] }))
  }

  function join(restored?: Uint8Array) {
    const make = () => new Client(identity.identityKey, addresses, restored)
    return network.add({ name: 'client', address: CLIENT, make })
  }

  return { network, identity, server, attempts, directory, push, pushDelta, join }
}

t.test('proves its identity for this one link, asks for the directory, then is ready', (t) => {
  const { network, server, join } = surroundings()
  const client = join()
  network.runFor(1_000)
  t.strictSame(client.machine.takeEvents(), ['ready'])
  t.strictSame(
    server.machine.received.map(({ message }) => message.kind),
    ['identityProof', 'directoryRequest'],
  )
  const [proof] = server.machine.of('identityProof')
  const session = server.machine.received[0]?.session
  const hash = session === undefined ? undefined : server.machine.endpoint.handshakeHash(session)
  if (proof === undefined || hash === undefined) throw new Error('a proof on an open link')
  const signed = concat(labels.identityProof, hash, Uint8Array.of(1), proof.identityKey, proof.accessCode)
  t.ok(crypto.verify(proof.identityKey, proof.signature, signed))
  t.strictSame(proof.accessCode, Uint8Array.of(7, 8))
  t.strictSame(server.machine.of('directoryRequest'), [{ version: 0 }])
  t.end()
})

t.test('keeps the newest directory that is good', (t) => {
  const { network, join, directory, push } = surroundings()
  const client = join()
  const held = () => client.machine.link.directory?.version
  network.runFor(1_000)
  push(directory(5))
  t.equal(held(), 5)
  push(directory(7))
  t.equal(held(), 7)
  t.strictSame(client.machine.takeEvents(), ['ready', 'directory', 'directory'])
  push(directory(6))
  push(directory(8, network.now - 2 * limits.directoryLifeMs))
  push(directory(8, network.now + 2 * limits.clockSkewMs))
  const forged = directory(9)
  forged[5] = 10
  push(forged)
  push(directory(9).subarray(0, 80))
  t.strictSame(client.machine.takeEvents(), [
    'DIRECTORY_ROLLBACK',
    'DIRECTORY_EXPIRED',
    'DIRECTORY_EXPIRED',
    'DIRECTORY_SIGNATURE',
    'WIRE_TRUNCATED',
  ])
  t.equal(held(), 7, 'which is still held')
  push(directory(7))
  t.strictSame(client.machine.takeEvents(), [], 'the same once more is no news')
  t.end()
})

t.test('takes differences to the directory it holds, and asks for the whole where one comes to nothing', (t) => {
  const { network, server, join, directory, push, pushDelta } = surroundings()
  const client = join()
  const held = () => client.machine.link.directory?.version
  const asked = () => server.machine.of('directoryRequest').map(({ version }) => version)
  network.runFor(1_000)
  push(directory(5))
  pushDelta(5, directory(6))
  t.equal(held(), 6)
  t.strictSame(client.machine.link.directory?.encoded, directory(6, client.machine.link.directory?.issuedAt))
  pushDelta(5, directory(6))
  t.strictSame(client.machine.takeEvents(), ['ready', 'directory', 'directory'], 'the same once more is no news')
  t.strictSame(asked(), [0])
  pushDelta(4, directory(7))
  t.strictSame(client.machine.takeEvents(), ['DIRECTORY_DELTA'])
  t.equal(held(), 6)
  t.strictSame(asked(), [0, 0])
  network.runFor(6_000)
  t.strictSame(asked(), [0, 0, 0], 'again while the whole has not come')
  push(directory(7))
  const forged = directory(8)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  pushDelta(7, forged)
  pushDelta(7, directory(8, network.now - 2 * limits.directoryLifeMs))
  t.strictSame(client.machine.takeEvents(), ['directory', 'DIRECTORY_SIGNATURE', 'DIRECTORY_EXPIRED'])
  t.equal(held(), 7)
  t.end()
})

t.test('asks again for a directory that did not come, and before the one held runs out', (t) => {
  const { network, server, join, directory, push } = surroundings()
  join()
  network.runFor(12_000)
  t.equal(server.machine.of('directoryRequest').length, 3)
  push(directory(4))
  network.runFor(limits.directoryLifeMs / 2)
  t.equal(server.machine.of('directoryRequest').length, 3)
  network.runFor(limits.directoryLifeMs * 0.26)
  t.match(server.machine.of('directoryRequest').at(-1), { version: 4 })
  t.end()
})

t.test('does without a directory that has run out, and takes none older than it', (t) => {
  const { network, join, directory, push } = surroundings()
  const client = join()
  network.runFor(1_000)
  push(directory(9, network.now, 60_000))
  t.ok(client.machine.link.directory)
  network.runFor(61_000)
  t.equal(client.machine.link.directory, undefined)
  client.machine.takeEvents()
  push(directory(8))
  t.strictSame(client.machine.takeEvents(), ['DIRECTORY_ROLLBACK'])
  push(directory(10))
  t.strictSame(client.machine.takeEvents(), ['directory'])
  t.end()
})

t.test('uses the directory of an earlier run where it is still good', (t) => {
  const good = surroundings()
  t.equal(good.join(good.directory(3)).machine.link.directory?.version, 3)
  good.network.runFor(1_000)
  t.strictSame(good.server.machine.of('directoryRequest'), [{ version: 3 }])
  const old = surroundings()
  const client = old.join(old.directory(3, old.network.now - 2 * limits.directoryLifeMs))
  t.equal(client.machine.link.directory, undefined, 'out of date')
  old.network.runFor(1_000)
  old.push(old.directory(2))
  old.push(old.directory(4))
  t.strictSame(client.machine.takeEvents(), ['ready', 'DIRECTORY_ROLLBACK', 'directory'], 'but none older after it')
  const other = surroundings()
  t.equal(other.join(good.directory(3)).machine.link.directory, undefined, 'of another server')
  t.end()
})

t.test('begins with each address in turn, after waits that grow to half a minute and are never the same', (t) => {
  const { network, attempts, join, server } = surroundings({ addresses: [ELSEWHERE, SERVER] })
  network.crash(server)
  const client = join()
  network.runFor(400_000)
  const turns = attempts.slice(0, 6).map(({ to }) => to.host)
  t.strictSame(
    turns,
    [ELSEWHERE, SERVER, ELSEWHERE, SERVER, ELSEWHERE, SERVER].map(({ host }) => host),
  )
  const waits = attempts.slice(1).map(({ at }, i) => at - (attempts[i]?.at ?? 0) - limits.handshakeTimeoutMs)
  for (const [i, wait] of waits.entries()) {
    const longest = Math.min(500 * 2 ** i, 30_000)
    t.ok(wait >= longest / 2 && wait <= longest + 10, `wait ${i}: ${wait} of at most ${longest} ms`)
  }
  const last = waits.slice(-6)
  t.equal(new Set(last).size, last.length)
  t.strictSame(client.machine.takeEvents(), [], 'nothing was lost that never was there')
  t.end()
})

t.test('an address that does not answer costs a moment, not an attempt', (t) => {
  const { network, join } = surroundings({ addresses: [ELSEWHERE, SERVER] })
  const client = join()
  network.runFor(1_000)
  t.strictSame(client.machine.takeEvents(), ['ready'])
  t.end()
})

t.test('says that the link is lost, and begins with short waits again where it had been a good one', (t) => {
  const { network, attempts, join, server } = surroundings()
  const client = join()
  network.runFor(20_000)
  t.strictSame(client.machine.takeEvents(), ['ready'])
  const session = server.machine.received[0]?.session
  if (session === undefined) throw new Error('a session')
  const closedAt = network.now
  server.machine.endpoint.close(network.now, session, 'goingAway')
  network.input(server, { type: 'timeout' })
  network.runFor(2_000)
  t.strictSame(client.machine.takeEvents(), ['lost', 'ready'])
  t.ok((attempts.at(-1)?.at ?? 0) - closedAt <= 600)
  t.end()
})

t.test('is back soon after it slept, or the server was away, and tells how it is doing', (t) => {
  const { network, join, server } = surroundings()
  const client = join()
  const { link } = client.machine
  t.strictSame(link.connection, { upSince: undefined, retryAt: undefined, reconnects: 0, roundTripMs: undefined })
  network.runFor(20_000)
  const { upSince = 0, roundTripMs = 0 } = link.connection
  t.ok(upSince <= network.now - 19_000 && upSince > network.now - 20_000)
  t.ok(roundTripMs >= 2 * calm.delayMs && roundTripMs < 2 * calm.delayMs + 2 * limits.ackDelayMs, `${roundTripMs} ms`)

  network.pause(client, 3_600_000)
  network.runFor(3_600_000)
  network.runUntil(() => link.connection.reconnects === 1, 60_000)
  t.ok(network.now - (link.connection.upSince ?? 0) < 1_000)
  const wokeAt = upSince + 3_600_000 + 20_000
  t.ok(network.now - wokeAt < 20_000, `${network.now - wokeAt} ms after it woke`)

  network.crash(server)
  network.runFor(600_000)
  t.match(link.connection, { upSince: undefined, reconnects: 1, roundTripMs: undefined })
  network.runUntil(() => link.connection.retryAt !== undefined, 60_000)
  t.ok((link.connection.retryAt ?? 0) > network.now, 'it says when it tries again')
  network.restart(server)
  network.runUntil(() => link.connection.reconnects === 2, 60_000)
  t.equal(link.connection.reconnects, 2, 'within a minute of the server')
  t.ok((link.connection.upSince ?? 0) > 0)
  t.end()
})

t.test('waits longer each time where the server refuses it', (t) => {
  const { network, attempts, join, server } = surroundings()
  server.machine.onMessage = (now, { session, message }) => {
    if (message.kind === 'identityProof') server.machine.endpoint.close(now, session, 'refused')
  }
  join()
  network.runFor(300_000)
  t.ok(attempts.length < 20, `${attempts.length} attempts in five minutes`)
  t.ok(attempts.length > 5)
  t.end()
})

t.test('a card that names no server is refused', (t) => {
  const { identityKey } = newIdentity()
  t.throws(() => new Client(identityKey, []), { code: 'NETWORK_CARD_MALFORMED' })
  t.throws(() => new Client(new Uint8Array(32) as IdentityKey, [SERVER]), { code: 'NETWORK_CARD_MALFORMED' })
  t.end()
})
