/**
 * Handshakes (PROTOCOL.md section 10.1) that are lost, repeated, forged, too many or answered with a cookie.
 */
import t from 'tap'
import { concat, equal, key } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { cookieReply, handshakeInit, headByte } from '../../src/wire/datagram.js'
import type { Frame } from '../../src/wire/frame.js'
import { begun, closings, connectedPair, Network, SERVER_KEY, SERVER_SECRET } from './pair.js'
import { acceptedPeer, RawPeer } from './raw-peer.js'
import { crypto, parsed, pattern, present } from './support.js'

const PING: Frame = { kind: 'ping', value: {} }
const INIT = headByte('handshakeInit')
const RESPONSE = headByte('handshakeResponse')

function sentOfKind(network: Network, head: number) {
  return network.sent.filter(({ bytes }) => bytes[0] === head)
}

t.test('a handshake', (t) => {
  t.test('connects both ends, which then agree on what it was', (t) => {
    const { client, server, clientSession, serverSession } = connectedPair(1)
    const hash = present(client.endpoint.handshakeHash(clientSession))
    t.equal(hash.length, 32)
    t.strictSame(server.endpoint.handshakeHash(serverSession), hash)
    t.match(client.endpoint.peer(clientSession), { address: server.address, initiated: true })
    t.match(server.endpoint.peer(serverSession), { address: client.address, initiated: false })
    t.match(client.endpoint.counters().sentHandshake, { datagrams: 1, payloadBytes: 85 })
    t.match(server.endpoint.counters(serverSession).sentHandshake, { datagrams: 1, payloadBytes: 57 })
    t.end()
  })

  t.test('repeats its init, always the same, and gives up', (t) => {
    const { network, client, session } = begun(2)
    const start = network.now
    client.endpoint.send(network.now, session, pattern(10))
    client.endpoint.send(network.now, session, pattern(10))
    const sentAt: number[] = []
    network.lose = (from) => {
      if (from === client.address) sentAt.push(network.now - start)
      return true
    }
    t.equal(client.endpoint.handshakeHash(session), undefined)
    network.run(limits.handshakeTimeoutMs - 1)
    t.strictSame(client.all('closed'), [])
    network.run(2)
    t.strictSame(closings(client), [{ session, reason: 'failed', undelivered: [0, 1] }])
    t.strictSame(sentAt, [500, 1500, 2500, 3500, 4500])
    const inits = sentOfKind(network, INIT)
    t.ok(inits.every(({ bytes }) => equal(bytes, present(inits[0]).bytes)))
    t.equal(client.endpoint.deadline(), undefined, 'and nothing of it is left')
    t.equal(client.endpoint.peer(session), undefined)
    t.end()
  })

  t.test('survives the loss of its first datagrams', (t) => {
    const { network, client, server } = begun(3)
    let lost = 0
    network.lose = () => lost++ < 3
    t.ok(network.run(5000, () => server.all('accepted').length === 1 && client.all('connected').length === 1))
    network.run(2000)
    t.equal(server.all('accepted').length, 1)
    t.end()
  })

  t.test('answers a repeated init with the same response while it is open to doubt', (t) => {
    const network = new Network(4)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = new RawPeer(network, server)
    const [first] = peer.exchange(peer.init)
    const [again] = peer.exchange(peer.init)
    t.strictSame(again, first)
    t.ok(present(first).length < peer.init.length, 'shorter than the question')
    t.not(peer.exchange(peer.init, { host: '203.0.113.1', port: 1 })[0], first, 'another address, another session')
    peer.shakeHands()
    t.strictSame(server.all('accepted'), [], 'nothing is accepted before a packet')
    t.strictSame(peer.say(PING), [])
    t.match(server.all('accepted'), [{ from: peer.address }])
    t.strictSame(peer.exchange(peer.init), [], 'no answer once the session is open')
    t.strictSame(server.drops(), ['LINK_UNEXPECTED'])
    t.end()
  })

  t.test('is dropped where nobody answers handshakes', (t) => {
    const { network, server, client } = begun(5, {})
    network.run(100)
    t.strictSame(server.drops(), ['LINK_UNEXPECTED'])
    t.equal(sentOfKind(network, RESPONSE).length, 0)
    t.strictSame(client.outputs, [])
    t.end()
  })

  t.test('is dropped with a MAC for another key, and with a tag that does not fit', (t) => {
    const { network, server, client } = begun(6, { linkSecret: key(crypto.hash(Uint8Array.of(1))) })
    network.run(100)
    t.strictSame(server.drops(), ['LINK_MAC'])
    t.equal(sentOfKind(network, RESPONSE).length, 0)
    t.strictSame(client.outputs, [])

    const other = begun(7)
    const init = parsed(handshakeInit.parse(present(other.network.sent[0]).bytes))
    const unproved = handshakeInit.encode({ ...init, tag: init.tag.map((byte) => byte ^ 1) })
    const macKey = crypto.hash(labels.linkMac, SERVER_KEY)
    unproved.set(crypto.hmac(macKey, unproved.subarray(0, 53)).subarray(0, 16), 53)
    other.network.deliver(other.server, other.client.address, unproved)
    t.strictSame(other.server.drops(), ['LINK_HANDSHAKE'])
    t.end()
  })

  t.test('measures the path, unless a repeat leaves open which init was answered', (t) => {
    for (const [lostInits, probeAfterMs] of [
      [0, 20 + 4 * 10 + limits.ackDelayMs],
      [1, 333 + 4 * 166.5 + limits.ackDelayMs],
    ] as const) {
      const network = new Network(40)
      const client = network.add({})
      const server = network.add({ linkSecret: SERVER_SECRET })
      let sent = 0
      network.lose = () => sent++ < lostInits
      client.endpoint.connect(network.now, SERVER_KEY, server.address)
      network.run(2000, () => client.all('connected').length === 1)
      const connectedAt = network.now
      network.lose = () => true
      const ofClient = () => network.sent.filter(({ from }) => from === client.address).length
      const before = ofClient()
      network.run(5000, () => ofClient() > before)
      t.equal(network.now - connectedAt, probeAfterMs, `${lostInits} lost`)
    }
    t.end()
  })

  t.test('leaves no secret behind', (t) => {
    const secrets: Uint8Array[] = []
    const network = new Network(41)
    const recording = (lengthBytes: number) => {
      const bytes = pattern(lengthBytes, 50 + secrets.length)
      if (lengthBytes === 32) secrets.push(bytes)
      return bytes
    }
    const client = network.add({}, {}, recording)
    const server = network.add({ linkSecret: SERVER_SECRET }, {}, recording)
    client.endpoint.connect(network.now, SERVER_KEY, server.address)
    network.run(100)
    const abandoned = client.endpoint.connect(network.now, SERVER_KEY, server.address)
    client.endpoint.close(network.now, abandoned, 'done')
    t.equal(client.all('connected').length, 1)
    t.equal(secrets.length, 3)
    t.ok(secrets.every((secret) => secret.every((byte) => byte === 0)))
    t.end()
  })

  t.test('ignores a forged response and takes the true one', (t) => {
    const { network, client, server } = begun(8)
    network.lose = (from) => from === server.address
    network.run(100)
    const response = present(sentOfKind(network, RESPONSE)[0]).bytes
    const forged = response.slice()
    forged[56] = (forged[56] as number) ^ 1
    network.deliver(client, server.address, forged)
    t.strictSame(client.drops(), ['LINK_HANDSHAKE'])
    network.deliver(client, server.address, response)
    t.equal(client.all('connected').length, 1)
    network.deliver(client, server.address, response)
    t.strictSame(client.drops(), ['LINK_HANDSHAKE', 'LINK_UNEXPECTED'])
    t.end()
  })

  t.test('with a worthless key, or without room, fails at once', (t) => {
    const network = new Network(9)
    const client = network.add({}, { sessions: 1 })
    const nowhere = { host: '192.0.2.99', port: 1 }
    const worthless = client.endpoint.connect(network.now, key(new Uint8Array(32)), nowhere)
    const first = client.endpoint.connect(network.now, SERVER_KEY, nowhere)
    const second = client.endpoint.connect(network.now, SERVER_KEY, nowhere)
    network.drain(client)
    const failed = { reason: 'failed', undelivered: [] } as const
    t.strictSame(closings(client), [
      { ...failed, session: worthless },
      { ...failed, session: second },
    ])
    t.equal(new Set([worthless, first, second]).size, 3)
    t.equal(network.sent.length, 1)
    t.end()
  })
  t.end()
})

t.test('nothing is taken from port 0, which nothing can be sent to', (t) => {
  const network = new Network(12)
  const server = network.add({ linkSecret: SERVER_SECRET })
  const nowhere = { host: '198.51.100.9', port: 0 }
  const peer = acceptedPeer(network, server)
  t.strictSame(peer.exchange(new RawPeer(network, server, 1).init, nowhere), [])
  t.strictSame(peer.exchange(peer.seal(PING, PING), nowhere), [], 'nor does a session move there')
  t.strictSame(server.drops(), ['LINK_SOURCE', 'LINK_SOURCE'])
  peer.skipNumbers(1)
  t.equal(peer.exchange(peer.seal(PING)).length, 1)
  t.strictSame(network.sent.at(-1)?.to, peer.address)
  t.end()
})

t.test('sessions whose initiator has proved nothing', (t) => {
  t.test('are bounded, and are forgotten in time', (t) => {
    const network = new Network(10)
    const halfOpenSessions = 20
    const server = network.add({ linkSecret: SERVER_SECRET }, { halfOpenSessions })
    const peers = Array.from({ length: halfOpenSessions + 1 }, (_, i) => new RawPeer(network, server, i))
    const last = present(peers.pop())
    t.ok(peers.every((peer) => peer.exchange(peer.init).length === 1))
    t.strictSame(last.exchange(last.init), [], 'one past')
    t.strictSame(server.drops(), ['LINK_FULL'])
    const first = present(peers[0])
    first.shakeHands()
    first.say(PING)
    t.equal(last.exchange(last.init).length, 1, 'one that has proved itself makes room')
    network.run(limits.handshakeTimeoutMs)
    t.equal(server.all('closed').length, 0, 'nobody is told of a session that nobody knew')
    const late = new RawPeer(network, server, 5000)
    t.ok(late.shakeHands(), 'room again')
    t.end()
  })

  t.test('count among all sessions', (t) => {
    const network = new Network(11)
    const server = network.add({ linkSecret: SERVER_SECRET }, { sessions: 2 })
    acceptedPeer(network, server, 0)
    acceptedPeer(network, server, 1)
    t.equal(new RawPeer(network, server, 2).shakeHands(), false)
    t.strictSame(server.drops(), ['LINK_FULL'])
    t.end()
  })
  t.end()
})

t.test('a cookie', (t) => {
  const { network, client, server } = begun(12)
  const init = present(network.sent[0]).bytes
  const { senderIndex, mac } = parsed(handshakeInit.parse(init))
  const reply = (cookie: Uint8Array, linkKey = SERVER_KEY) =>
    cookieReply.encode({
      head: headByte('cookieReply'),
      receiverIndex: senderIndex,
      nonce: pattern(12),
      sealedCookie: crypto.aeadSeal(crypto.hash(labels.linkCookie, linkKey), pattern(12), mac, cookie),
    })
  const withCookie = (cookie: Uint8Array) => {
    const covered = init.subarray(0, 69)
    return concat(covered, crypto.hmac(cookie, covered).subarray(0, 16))
  }
  network.lose = () => true

  network.deliver(client, server.address, reply(pattern(16), key(pattern(32))))
  t.strictSame(client.drops(), ['LINK_HANDSHAKE'], 'from someone who does not know the key')
  t.equal(network.sent.length, 1)
  network.deliver(client, server.address, reply(pattern(16)))
  t.equal(network.sent.length, 2, 'is answered with the init at once')
  t.strictSame(present(network.sent[1]).bytes, withCookie(pattern(16)))
  network.deliver(client, server.address, reply(pattern(16, 1)))
  t.equal(network.sent.length, 2, 'a second one waits for the next retry')
  network.run(600)
  t.strictSame(
    network.sent
      .slice(2)
      .map(({ bytes }) => bytes)
      .at(-1),
    withCookie(pattern(16, 1)),
  )
  network.lose = () => false
  t.ok(
    network.run(2000, () => client.all('connected').length === 1),
    'a responder takes an init with a cookie MAC',
  )
  network.deliver(client, server.address, reply(pattern(16)))
  t.strictSame(client.drops(), ['LINK_HANDSHAKE', 'LINK_UNEXPECTED'], 'is of no use once connected')
  t.end()
})

t.test('datagrams out of turn are dropped and answered by nothing', (t) => {
  const { network, client, server, session } = begun(30)
  network.lose = () => true
  const { senderIndex } = parsed(handshakeInit.parse(present(network.sent[0]).bytes))
  network.deliver(client, server.address, concat(Uint8Array.of(headByte('packet')), senderIndex, pattern(40)))
  network.deliver(client, server.address, concat(Uint8Array.of(headByte('statelessReset')), senderIndex, pattern(20)))
  t.strictSame(client.drops(), ['LINK_UNEXPECTED', 'LINK_UNKNOWN_SESSION'])
  t.equal(network.sent.length, 1)
  t.match(client.endpoint.peer(session), { address: server.address, initiated: true }, 'and end nothing')
  t.end()
})
