/**
 * Keys that are replaced while traffic goes on (PROTOCOL.md section 10.2), by time and by count, and what comes too
 * late, too early or twice. The edges of the window against repeats, seen from an endpoint.
 */
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { packet } from '../../src/wire/datagram.js'
import type { Frame } from '../../src/wire/frame.js'
import { seed } from '../base/seeded.js'
import { connectedPair, Network, type Pair, SERVER_SECRET } from './pair.js'
import { acceptedPeer } from './raw-peer.js'
import { crypto, parsed, pattern, present } from './support.js'

const PING: Frame = { kind: 'ping', value: {} }

/** The indexes that packets to the server have named so far. */
function indexesTo(pair: Pair): Set<string> {
  const packets = pair.network.sent.filter(({ to, bytes }) => to === pair.server.address && bytes[0] === 0x14)
  return new Set(packets.map(({ bytes }) => parsed(packet.parse(bytes)).receiverIndex.join()))
}

/** Small messages, one a millisecond each way; returns the longest wait between two that arrived at the server. */
function chat(pair: Pair, count: number): number {
  const { network, client, server, clientSession, serverSession } = pair
  let longestMs = 0
  let lastAt = network.now
  let seen = server.all('received').length
  for (let i = 0; i < count; i++) {
    client.endpoint.send(network.now, clientSession, pattern(20, i))
    server.endpoint.send(network.now, serverSession, pattern(20, i))
    network.run(1)
    const received = server.all('received').length
    if (received === seen) continue
    seen = received
    longestMs = Math.max(longestMs, network.now - lastAt)
    lastAt = network.now
  }
  network.run(2000)
  return longestMs
}

t.test('keys are replaced by time, without a gap in traffic', (t) => {
  const bounds = { rekeyMs: 500, rekeyOverlapMs: 100 }
  const pair = connectedPair(1, { client: bounds, server: bounds })
  const longestMs = chat(pair, 3000)
  t.ok(longestMs <= 15, `${longestMs} ms at most without a message`)
  t.ok(indexesTo(pair).size >= 5, `${indexesTo(pair).size} keys`)
  for (const node of [pair.client, pair.server]) {
    t.equal(node.all('received').length, 3000)
    t.strictSame(node.drops(), [])
  }
  t.end()
})

t.test('keys are replaced by the count of packets in either direction', (t) => {
  for (const sender of ['client', 'server'] as const) {
    const bounds = { rekeyPackets: 100, rekeyOverlapMs: 10 }
    const pair = connectedPair(2, { client: bounds, server: bounds })
    const session = sender === 'client' ? pair.clientSession : pair.serverSession
    pair[sender].endpoint.send(pair.network.now, session, pattern(1_000_000))
    t.ok(pair.network.run(20_000, () => pair[sender].all('delivered').length === 1))
    t.ok(indexesTo(pair).size >= 3, `${indexesTo(pair).size} keys, ${sender}`)
  }
  t.end()
})

t.test('keys are replaced across a path that loses, doubles and reorders', (t) => {
  const bounds = { rekeyMs: 300, rekeyOverlapMs: 200 }
  const pair = connectedPair(seed, { client: bounds, server: bounds })
  const { network, client, server, clientSession, serverSession } = pair
  network.conditions = { loss: 0.15, doubling: 0.05, delayMs: 15, jitterMs: 20 }
  const message = pattern(300_000)
  client.endpoint.send(network.now, clientSession, message)
  server.endpoint.send(network.now, serverSession, message)
  const done = () => client.all('delivered').length === 1 && server.all('delivered').length === 1
  t.ok(network.run(120_000, done), `delivered, seed ${seed}`)
  for (const node of [client, server]) {
    t.ok(Buffer.from(present(node.all('received')[0]).message).equals(message), `unchanged, seed ${seed}`)
    t.strictSame(node.all('closed'), [], `seed ${seed}`)
  }
  t.ok(indexesTo(pair).size >= 2, `${indexesTo(pair).size} keys`)
  t.end()
})

t.test('an idle session needs no new keys', (t) => {
  const pair = connectedPair(3, { client: { rekeyMs: 100, keepaliveMs: 5000 } })
  const before = pair.network.sent.length
  pair.network.run(990)
  t.equal(pair.network.sent.length, before)
  t.end()
})

t.test('an offer', (t) => {
  const offer = (byte: number): Frame => ({
    kind: 'rekey',
    value: { index: Uint8Array.of(7, 7, 7, byte), ephemeral: crypto.x25519Public(pattern(32, byte)) },
  })
  const begin = () => {
    const network = new Network(4)
    const server = network.add({ linkSecret: SERVER_SECRET })
    return { network, server, peer: acceptedPeer(network, server) }
  }

  t.test('is answered once, however often it comes', (t) => {
    const { server, peer } = begin()
    t.equal(peer.say(offer(1)).filter(({ kind }) => kind === 'rekey').length, 1)
    t.equal(peer.say(offer(1)).filter(({ kind }) => kind === 'rekey').length, 0)
    t.strictSame(server.drops(), [])
    t.end()
  })

  t.test('out of turn ends the session', (t) => {
    const { server, peer } = begin()
    peer.say(offer(1))
    peer.say(offer(2))
    t.strictSame(server.drops(), ['LINK_REKEY'])
    t.match(server.all('closed'), [{ reason: 'protocol' }])
    t.end()
  })

  t.test('with a worthless key ends the session', (t) => {
    const { server, peer } = begin()
    peer.say({ kind: 'rekey', value: { index: Uint8Array.of(1, 1, 1, 1), ephemeral: new Uint8Array(32) } })
    t.strictSame(server.drops(), ['LINK_REKEY'])
    t.end()
  })

  t.test('is never made by a responder', (t) => {
    const pair = connectedPair(6, { server: { rekeyMs: 0, rekeyPackets: 1 } })
    pair.server.endpoint.send(pair.network.now, pair.serverSession, pattern(100_000))
    t.ok(pair.network.run(5000, () => pair.server.all('delivered').length === 1))
    t.equal(indexesTo(pair).size, 1)
    t.end()
  })
  t.end()
})

t.test('a packet 8,191 or 8,192 below the highest is taken once, one 8,193 below is too old', (t) => {
  for (const below of [8191, 8192, 8193]) {
    const network = new Network(7)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    const early = peer.seal({ kind: 'whole', value: { message: 0, data: pattern(3) } })
    peer.skipNumbers(below - 1)
    peer.exchange(peer.seal(PING))
    peer.exchange(early)
    peer.exchange(early)
    const taken = below <= limits.replayWindowPackets
    t.equal(server.all('received').length, taken ? 1 : 0, `${below} below`)
    t.strictSame(server.drops(), taken ? ['LINK_REPLAY'] : ['LINK_REPLAY', 'LINK_REPLAY'])
  }
  t.end()
})
