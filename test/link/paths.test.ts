/**
 * Peers that move, addresses that change on the way, and ends that have lost a session (PROTOCOL.md sections 10.3 and
 * 10.6): an address is followed only with an authenticated packet and believed only once it has answered a challenge.
 */
import t from 'tap'
import { concat } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { headByte, parseDatagram } from '../../src/wire/datagram.js'
import type { Frame } from '../../src/wire/frame.js'
import { seed, seeded } from '../base/seeded.js'
import { closings, connectedPair, Network, type Node, type Pair, SERVER_KEY, SERVER_SECRET } from './pair.js'
import { acceptedPeer, type RawPeer } from './raw-peer.js'
import { pattern, present } from './support.js'

const PING: Frame = { kind: 'ping', value: {} }
/** A packet that pays for a challenge. */
const PADDED = [PING, new Uint8Array(8)] as const
const ELSEWHERE = { host: '203.0.113.5', port: 5 }
const RESET = headByte('statelessReset')
const INIT = headByte('handshakeInit')

function begin() {
  const network = new Network(22)
  const server = network.add({ linkSecret: SERVER_SECRET })
  const peer = acceptedPeer(network, server)
  const { session } = present(server.all('accepted')[0])
  const whereabouts = () => present(server.endpoint.peer(session)).address
  return { network, server, peer, session, whereabouts }
}

function bytesTo(network: Network, host: string): number {
  return network.sent.filter(({ to }) => to.host === host).reduce((sum, { bytes }) => sum + bytes.length, 0)
}

/** Hands packets over from another address and answers the challenge that comes back. */
function prove(peer: RawPeer, from: { readonly host: string; readonly port: number }): void {
  const frames = peer.exchange(peer.seal(...PADDED), from).flatMap((bytes) => peer.read(bytes))
  const challenge = frames.find(({ kind }) => kind === 'pathChallenge')
  if (challenge?.kind !== 'pathChallenge') throw new Error('no challenge')
  peer.exchange(peer.seal({ kind: 'pathResponse', value: challenge.value }), from)
}

t.test('a peer that moves', (t) => {
  t.test('is followed with its newest packet alone', (t) => {
    const { network, server, peer, whereabouts } = begin()
    const early = peer.seal(PING)
    const [challenge] = peer.exchange(peer.seal(...PADDED), ELSEWHERE).flatMap((bytes) => peer.read(bytes))
    t.equal(present(challenge).kind, 'pathChallenge')
    t.strictSame(whereabouts(), ELSEWHERE)
    t.strictSame(present(network.sent.at(-1)).to, ELSEWHERE)
    peer.exchange(early)
    t.strictSame(whereabouts(), ELSEWHERE, 'not with an older one that comes late')
    const forged = peer.seal(PING)
    forged[20] = (forged[20] as number) ^ 1
    peer.exchange(forged)
    t.strictSame(whereabouts(), ELSEWHERE, 'not with one that does not authenticate')
    peer.exchange(early)
    t.strictSame(server.drops(), ['LINK_AUTHENTICATION', 'LINK_REPLAY'])
    t.strictSame(whereabouts(), ELSEWHERE, 'and not with a repeat')
    t.end()
  })

  t.test('gets messages once it has answered a challenge', (t) => {
    const { network, server, peer, session } = begin()
    peer.exchange(peer.seal(...PADDED), ELSEWHERE)
    server.endpoint.send(network.now, session, pattern(10))
    network.drain(server)
    const kinds = () => peer.read(present(network.sent.at(-1)).bytes).map(({ kind }) => kind)
    t.strictSame(kinds(), ['pathChallenge'], 'not before')
    t.throws(() => prove(peer, ELSEWHERE), 'a second challenge takes its time')
    network.run(2000)
    t.end()
  })

  t.test('and answers gets what was under way at once', (t) => {
    const { network, server, peer, session } = begin()
    server.endpoint.send(network.now, session, pattern(10))
    network.drain(server)
    prove(peer, ELSEWHERE)
    const [again, ping] = network.sent.slice(-2)
    t.strictSame([again?.to, ping?.to], [ELSEWHERE, ELSEWHERE])
    t.match(peer.read(present(again).bytes).at(-1), { kind: 'whole' })
    t.match(peer.read(present(ping).bytes).at(-1), { kind: /ping|padding/ }, 'and a second probe, should that be lost')
    t.end()
  })

  t.test('is sent no more than came from its new address until then', (t) => {
    const { network, server, peer, session } = begin()
    server.endpoint.send(network.now, session, pattern(1_000_000))
    network.drain(server)
    let sent = 0
    for (let i = 0; i < 20; i++) {
      const packet = peer.seal(PING)
      sent += packet.length
      peer.exchange(packet, ELSEWHERE)
      t.ok(bytesTo(network, ELSEWHERE.host) <= sent, `${bytesTo(network, ELSEWHERE.host)} for ${sent}`)
      network.run(50)
    }
    t.ok(bytesTo(network, ELSEWHERE.host) > 34)
    t.end()
  })

  t.test('who acknowledges what it cannot have read is sent nothing more', (t) => {
    const { network, server, peer, session } = begin()
    server.endpoint.send(network.now, session, pattern(1_000_000))
    network.drain(server)
    for (let i = 0; i < 50; i++) {
      const largest = network.sent.filter(({ from }) => from === server.address).length - 2
      const acknowledgement: Frame = { kind: 'ack', value: { largest, delayUs: 0, first: largest, ranges: [] } }
      peer.exchange(peer.seal(PING, acknowledgement), ELSEWHERE)
      network.run(20)
    }
    t.ok(bytesTo(network, ELSEWHERE.host) <= 50 * 40)
    t.end()
  })

  t.test('and does not answer is looked for where it was', (t) => {
    const { network, server, peer, whereabouts } = begin()
    peer.exchange(peer.seal(...PADDED, new Uint8Array(200)), ELSEWHERE)
    network.run(10_000, () => whereabouts().host !== ELSEWHERE.host)
    t.strictSame(whereabouts(), peer.address)
    const sent = network.sent.filter(({ to }) => to.host === ELSEWHERE.host)
    const challenges = sent.filter(({ bytes }) => peer.read(bytes).some(({ kind }) => kind === 'pathChallenge'))
    t.equal(challenges.length, limits.pathChallenges)
    t.strictSame(server.all('closed'), [])
    t.end()
  })

  t.test('and comes back needs no challenge', (t) => {
    const { network, server, peer, session, whereabouts } = begin()
    peer.exchange(peer.seal(...PADDED), ELSEWHERE)
    peer.exchange(peer.seal(PING))
    t.strictSame(whereabouts(), peer.address)
    server.endpoint.send(network.now, session, pattern(10))
    network.drain(server)
    t.match(peer.read(present(network.sent.at(-1)).bytes).at(-1), { kind: 'whole' })
    t.end()
  })
  t.end()
})

t.test('a translation that changes in the middle of a message', (t) => {
  for (const receiver of ['client', 'server'] as const) {
    const pair = connectedPair(seed)
    const { network, client, server } = pair
    const from = receiver === 'client' ? server : client
    const session = receiver === 'client' ? pair.serverSession : pair.clientSession
    const message = pattern(1_000_000)
    from.endpoint.send(network.now, session, message)
    for (let moves = 0; moves < 3; moves++) {
      network.run(60)
      network.rebind(client)
    }
    t.ok(
      network.run(60_000, () => from.all('delivered').length === 1),
      `delivered to the ${receiver}, seed ${seed}`,
    )
    const to = receiver === 'client' ? client : server
    t.ok(Buffer.from(present(to.all('received')[0]).message).equals(message))
    t.strictSame([client, server].map(closings), [[], []])
  }
  t.end()
})

/** When the client's keepalives left, in ms after one another. */
function keepaliveGaps(pair: Pair, forMs: number): number[] {
  const { network, client } = pair
  const at: number[] = [network.now]
  const lose = network.lose
  network.lose = (from, to, bytes) => {
    if (from.host === client.address.host && bytes.length === 34 && network.now - (at.at(-1) as number) > 1000) {
      at.push(network.now)
    }
    return lose(from, to, bytes)
  }
  network.run(forMs)
  network.lose = lose
  return at.slice(1).map((each, i) => Math.round((each - (at[i] as number)) / 1000))
}

t.test('keepalives', (t) => {
  const calm = { client: { rekeyMs: 1e9 }, server: {} }

  t.test('come less often as long as the translation holds', (t) => {
    const pair = connectedPair(13, calm)
    const gaps = keepaliveGaps(pair, 300_000)
    t.strictSame(gaps.slice(0, 6), [15, 23, 34, 45, 45, 45])
    t.strictSame(pair.client.all('closed').concat(pair.server.all('closed')), [])
    t.end()
  })

  t.test('come as often as the translation needs, which is found out', (t) => {
    const pair = connectedPair(14, calm)
    const { network, client, server } = pair
    // Forgets after 30 s of silence: the next packet gets another port.
    let usedAt = network.now
    network.lose = (from, to) => {
      if (from.host === client.address.host && network.now - usedAt > 30_000) network.rebind(client)
      if (from.host === client.address.host || to.host === client.address.host) usedAt = network.now
      return false
    }
    const gaps = keepaliveGaps(pair, 600_000)
    t.strictSame(gaps.slice(0, 3), [15, 23, 34])
    t.ok(
      gaps.slice(3).every((gap) => gap <= 23),
      `${gaps}`,
    )
    t.strictSame([client, server].map(closings), [[], []])
    t.end()
  })

  t.test('that nothing answers make the node ask for another port, and go on there', (t) => {
    const pair = connectedPair(15, calm)
    const { network, client, server } = pair
    const { port } = client.address
    network.lose = (from, to) => [from, to].some((each) => each.host === client.address.host && each.port === port)
    pair.client.endpoint.send(network.now, pair.clientSession, pattern(100))
    t.ok(network.run(60_000, () => client.all('delivered').length === 1))
    t.equal(client.rebinds, 1)
    t.strictSame([client, server].map(closings), [[], []], 'the session has moved along')
    t.end()
  })

  t.test('ask for another port so often at most, and never where handshakes are answered', (t) => {
    const pair = connectedPair(16)
    const { network, client, server } = pair
    network.lose = () => true
    const ask = (node: Node) => {
      for (let i = 0; i < 5; i++) {
        const session = node.endpoint.connect(network.now, SERVER_KEY, { host: '192.0.2.77', port: 7 })
        node.endpoint.send(network.now, session, pattern(10))
      }
    }
    ask(client)
    client.endpoint.send(network.now, pair.clientSession, pattern(10))
    server.endpoint.send(network.now, pair.serverSession, pattern(10))
    network.run(limits.rebindEveryMs)
    t.equal(client.rebinds, 1)
    t.equal(server.rebinds, 0)
    t.end()
  })
  t.end()
})

/** A server that has started again at the same place, with nothing but its secret. */
function restarted(pair: Pair): Node {
  const again = pair.network.add({ linkSecret: SERVER_SECRET }, { resetsPerSecond: limits.resetsPerSecond })
  pair.server.address = { host: '192.0.2.250', port: 1 }
  again.address = { host: '192.0.2.2', port: 4000 }
  return again
}

t.test('an end that has lost a session', (t) => {
  t.test('tells the other end so, with its first packet', (t) => {
    const pair = connectedPair(17)
    const { network, client, clientSession } = pair
    const again = restarted(pair)
    client.endpoint.send(network.now, clientSession, pattern(500))
    const start = network.now
    t.ok(network.run(1000, () => client.all('closed').length === 1))
    t.strictSame(closings(client), [{ session: clientSession, reason: 'reset', undelivered: [0] }])
    t.equal(network.now - start, 20, 'one round trip')
    const resets = network.sent.filter(({ bytes }) => bytes[0] === RESET)
    t.strictSame([resets.length, present(resets[0]).bytes.length], [1, 25])
    t.strictSame(again.drops(), ['LINK_UNKNOWN_SESSION'])
    t.end()
  })

  t.test('and has lost it after keys were replaced tells so too', (t) => {
    const pair = connectedPair(18, { client: { rekeyMs: 100 }, server: {} })
    const { network, client, clientSession } = pair
    for (let i = 0; i < 10; i++) {
      client.endpoint.send(network.now, clientSession, pattern(10))
      network.run(100)
    }
    restarted(pair)
    client.endpoint.send(network.now, clientSession, pattern(10))
    network.run(1000, () => client.all('closed').length === 1)
    t.match(client.all('closed'), [{ reason: 'reset' }])
    t.end()
  })

  t.test('cannot be imitated, nor can a reset be used again', (t) => {
    const pair = connectedPair(19)
    const { network, client, server, clientSession } = pair
    // What a stranger gets for a packet under the index of a session that lives.
    client.endpoint.send(network.now, clientSession, pattern(50))
    network.drain(client)
    const packet = present(network.sent.at(-1)).bytes
    const forged = concat(packet.subarray(0, 20), pattern(30))
    network.deliver(server, ELSEWHERE, forged)
    const answer = present(network.sent.at(-1))
    t.strictSame([answer.to, answer.bytes[0], answer.bytes.length], [ELSEWHERE, RESET, 25], 'looks like a reset')
    network.deliver(client, server.address, answer.bytes)
    t.strictSame(client.drops(), ['LINK_AUTHENTICATION'], 'and is none')
    t.strictSame(client.all('closed'), [])
    t.end()
  })

  t.test('gives away nothing about a later session of the same index', (t) => {
    const network = new Network(24)
    const drawn = seeded(24)
    const random = (bytes: number) => (bytes === 4 ? Uint8Array.of(1, 2, 3, 4) : drawn(bytes))
    const { resetsPerSecond, resetTermMs } = limits
    const server = network.add({ linkSecret: SERVER_SECRET }, { resetsPerSecond }, random)
    const ended = (resets: readonly Uint8Array[]) => {
      const client = network.add({}, { resetsPerSecond })
      const session = client.endpoint.connect(network.now, SERVER_KEY, server.address)
      network.run(500)
      for (const reset of resets) network.deliver(client, server.address, reset)
      const closed = client.all('closed').length > 0
      client.endpoint.close(network.now, session, 'done')
      network.run(500)
      return closed
    }
    const collected = [4, 5].map((last) => {
      network.deliver(server, ELSEWHERE, concat(Uint8Array.of(headByte('packet'), 1, 2, 3, last), pattern(40)))
      return present(network.sent.at(-1)).bytes
    })
    t.ok(ended(collected), 'what is collected in one term counts in it')
    network.now += 2 * resetTermMs
    t.notOk(ended(collected))
    t.end()
  })

  t.test('tells so in the term after the one in which the session began', (t) => {
    const network = new Network(25)
    const { resetsPerSecond, resetTermMs } = limits
    network.now = Math.ceil(network.now / resetTermMs) * resetTermMs - 1000
    const client = network.add({})
    const server = network.add({ linkSecret: SERVER_SECRET }, { resetsPerSecond })
    const session = client.endpoint.connect(network.now, SERVER_KEY, server.address)
    network.run(2000)
    const again = restarted({ network, client, server, clientSession: session, serverSession: session })
    client.endpoint.send(network.now, session, pattern(10))
    network.run(1000, () => client.all('closed').length === 1)
    t.match(client.all('closed'), [{ reason: 'reset' }])
    t.strictSame(again.drops(), ['LINK_UNKNOWN_SESSION'])
    t.end()
  })

  t.test('is heard, whoever else says that the index is its own', (t) => {
    const network = new Network(26)
    const proxy = network.add({ linkSecret: SERVER_SECRET })
    const server = network.add({ linkSecret: SERVER_SECRET }, { resetsPerSecond: limits.resetsPerSecond })
    const session = proxy.endpoint.connect(network.now, SERVER_KEY, server.address)
    network.run(1000)
    const packet = present(network.sent.findLast(({ from }) => from === proxy.address)).bytes
    const liar = acceptedPeer(network, proxy)
    liar.say({ kind: 'resetToken', value: { index: packet.slice(1, 5), token: pattern(16) } })
    restarted({ network, client: proxy, server, clientSession: session, serverSession: session })
    proxy.endpoint.send(network.now, session, pattern(10))
    network.run(1000, () => proxy.all('closed').length === 1)
    t.match(proxy.all('closed'), [{ session, reason: 'reset' }])
    t.end()
  })

  t.test('answers so many a second, each shorter than its packet, and no short ones', (t) => {
    const network = new Network(20)
    const server = network.add({ linkSecret: SERVER_SECRET }, { resetsPerSecond: 5 })
    const packet = (bytes: number) => concat(Uint8Array.of(headByte('packet')), pattern(bytes - 1))
    const answers = (bytes: number) => {
      const before = network.sent.length
      network.deliver(server, ELSEWHERE, packet(bytes))
      return network.sent.length - before
    }
    t.equal(answers(25), 0, 'no shorter than a reset')
    t.strictSame(
      Array.from({ length: 6 }, () => answers(26)),
      [1, 1, 1, 1, 1, 0],
    )
    network.run(200)
    t.equal(answers(1000), 1)
    const tags = network.sent.map(({ bytes }) => parseDatagram(bytes))
    t.ok(tags.every((each) => each.ok && each.value.kind === 'statelessReset'))
    const distinct = new Set(network.sent.map(({ bytes }) => bytes.subarray(5).join()))
    t.equal(distinct.size, network.sent.length, 'each differs, though the session is the same')
    t.end()
  })

  t.test('both ends at the same time begin anew', (t) => {
    const pair = connectedPair(21)
    const { network } = pair
    const server = restarted(pair)
    pair.client.address = { host: '192.0.2.251', port: 1 }
    const client = network.add({})
    client.address = { host: '192.0.2.1', port: 4000 }
    const session = client.endpoint.connect(network.now, SERVER_KEY, server.address)
    client.endpoint.send(network.now, session, pattern(2000))
    t.ok(network.run(1000, () => client.all('delivered').length === 1))
    t.equal(server.all('received').length, 1)
    t.end()
  })
  t.end()
})

t.test('1,000 devices that reconnect at once are all back within seconds', (t) => {
  const network = new Network(23)
  const server = network.add({ linkSecret: SERVER_SECRET }, { resetsPerSecond: limits.resetsPerSecond })
  const devices = Array.from({ length: 1000 }, (_, i) => {
    const device = network.add({})
    device.address = { host: `100.64.${i >> 8}.${i & 255}`, port: 4000 }
    return device
  })
  const start = network.now
  for (const device of devices) device.endpoint.connect(network.now, SERVER_KEY, server.address)
  t.ok(network.run(limits.handshakeTimeoutMs, () => server.all('accepted').length === 1000))
  t.ok(network.now - start < 4000, `${network.now - start} ms`)
  const inits = network.sent.filter(({ bytes }) => bytes[0] === INIT).length
  t.ok(inits < 5000, `${inits} inits`)
  t.end()
})
