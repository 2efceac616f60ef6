/**
 * The life of a session (PROTOCOL.md sections 10.1 and 10.6): handshakes that are lost, repeated, forged or too many;
 * silence, keepalive, close, a peer that moves, and a peer that breaks the rules.
 */
import t from 'tap'
import { concat, equal, key } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { cookieReply, handshakeInit, headByte } from '../../src/wire/datagram.js'
import { closeReasons, type Frame } from '../../src/wire/frame.js'
import { connectedPair, Network, type Node, SERVER_KEY, SERVER_SECRET } from './pair.js'
import { acceptedPeer, RawPeer } from './raw-peer.js'
import { crypto, parsed, pattern, present } from './support.js'

const PING: Frame = { kind: 'ping', value: {} }
const INIT = headByte('handshakeInit')
const RESPONSE = headByte('handshakeResponse')

function closeFrame(reason: keyof typeof closeReasons): Frame {
  return { kind: 'close', value: { reason: closeReasons[reason] } }
}

/** A client that has begun with a server, nothing delivered yet. */
function begun(seed: number, serverOptions: object = { linkSecret: SERVER_SECRET }) {
  const network = new Network(seed)
  const client = network.add({})
  const server = network.add(serverOptions)
  const session = client.endpoint.connect(network.now, SERVER_KEY, server.address)
  network.drain(client)
  return { network, client, server, session }
}

/** What a node said of sessions that ended, without what they cost. */
function closings(node: Node) {
  return node.all('closed').map(({ session, reason, undelivered }) => ({ session, reason, undelivered }))
}

function sentOfKind(network: Network, head: number) {
  return network.sent.filter(({ bytes }) => bytes[0] === head)
}

t.test('a handshake', (t) => {
  t.test('connects both ends, which then agree on what it was', (t) => {
    const { client, server, clientSession, serverSession } = connectedPair(1)
    const hash = present(client.endpoint.handshakeHash(clientSession))
    t.equal(hash.length, 32)
    t.strictSame(server.endpoint.handshakeHash(serverSession), hash)
    t.strictSame(client.endpoint.peer(clientSession), { address: server.address, initiated: true })
    t.strictSame(server.endpoint.peer(serverSession), { address: client.address, initiated: false })
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
    t.strictSame(sentAt, [500, 1500, 3500])
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

t.test('silence', (t) => {
  t.test('the initiator keeps an idle session open', (t) => {
    const { network, client, server } = connectedPair(13)
    const before = network.sent.length
    network.run(10 * limits.keepaliveMs)
    t.strictSame(client.all('closed').concat(server.all('closed')), [])
    const pings = network.sent.slice(before).filter(({ from }) => from === client.address)
    t.ok(pings.length >= 9 && pings.length <= 10, `${pings.length} keepalives`)
    t.equal(network.sent.length - before, 2 * pings.length, 'each acknowledged, nothing more')
    t.end()
  })

  t.test('a session is closed after so long without a packet', (t) => {
    const { network, client, server, clientSession, serverSession } = connectedPair(14)
    network.lose = () => true
    const start = network.now
    network.run(limits.sessionIdleMs + 1000, () => server.all('closed').length > 0)
    t.strictSame(closings(server), [{ session: serverSession, reason: 'timeout', undelivered: [] }])
    t.ok(network.now - start > limits.sessionIdleMs - 1000)
    t.strictSame(
      closings(client),
      [{ session: clientSession, reason: 'timeout', undelivered: [] }],
      'whose ping went unanswered',
    )
    t.equal(server.endpoint.deadline(), undefined)
    t.end()
  })

  t.test('a session is closed after so many probes without an answer', (t) => {
    const { network, client, clientSession } = connectedPair(15)
    network.lose = () => true
    const before = network.sent.length
    client.endpoint.send(network.now, clientSession, pattern(10))
    network.run(limits.sessionIdleMs, () => client.all('closed').length > 0)
    t.strictSame(closings(client), [{ session: clientSession, reason: 'timeout', undelivered: [0] }])
    t.equal(network.sent.length - before, 1 + limits.unansweredProbes)
    t.end()
  })
  t.end()
})

t.test('closing', (t) => {
  t.test('tells the peer why, and both what was not delivered', (t) => {
    const { network, client, server, clientSession, serverSession } = connectedPair(16)
    server.endpoint.send(network.now, serverSession, pattern(10))
    network.lose = (from) => from === server.address
    network.drain(server)
    network.lose = () => false
    client.endpoint.close(network.now, clientSession, 'goingAway')
    network.run(100)
    const closed = { reason: 'goingAway' } as const
    t.strictSame(closings(client), [{ ...closed, session: clientSession, undelivered: [] }])
    t.strictSame(closings(server), [{ ...closed, session: serverSession, undelivered: [0] }])
    client.endpoint.close(network.now, clientSession, 'done')
    network.drain(client)
    t.equal(client.all('closed').length, 1, 'once')
    t.end()
  })

  t.test('comes with what is owed in acknowledgements', (t) => {
    const { network, client, server, clientSession, serverSession } = connectedPair(17)
    server.endpoint.send(network.now, serverSession, pattern(10))
    network.run(500, () => client.all('received').length === 1)
    client.endpoint.close(network.now, clientSession, 'done')
    network.run(100)
    t.strictSame(
      server.outputs.slice(1).map(({ type }) => type),
      ['delivered', 'closed'],
    )
    t.end()
  })

  t.test('leaves nothing behind', (t) => {
    const network = new Network(18)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    peer.say(closeFrame('done'))
    t.strictSame(peer.exchange(peer.seal(PING)), [])
    t.strictSame(server.drops(), ['LINK_UNKNOWN_SESSION'])
    t.equal(server.endpoint.deadline(), undefined)
    t.ok(new RawPeer(network, server).shakeHands(), 'the same init begins anew')
    t.end()
  })

  t.test('reads a reason it does not know as going away', (t) => {
    const network = new Network(19)
    const server = network.add({ linkSecret: SERVER_SECRET })
    acceptedPeer(network, server).say({ kind: 'close', value: { reason: 99 } })
    t.match(server.all('closed'), [{ reason: 'goingAway' }])
    t.end()
  })

  t.test('of a handshake under way is told to nobody else', (t) => {
    const { network, client, session } = begun(20)
    client.endpoint.close(network.now, session, 'done')
    network.drain(client)
    t.strictSame(closings(client), [{ session, reason: 'done', undelivered: [] }])
    t.equal(network.sent.length, 1)
    t.end()
  })

  t.test('comes before packet numbers run out', (t) => {
    const bounds = { packetsPerKey: 20 }
    const { network, client, server, clientSession } = connectedPair(21, { client: bounds, server: bounds })
    client.endpoint.send(network.now, clientSession, pattern(100_000))
    network.run(1000)
    t.match(client.all('closed'), [{ reason: 'limit', undelivered: [0] }])
    t.match(server.all('closed'), [{ reason: 'limit' }])
    const packets = network.sent.filter(({ from, bytes }) => from === client.address && bytes[0] !== INIT)
    t.equal(packets.length, bounds.packetsPerKey)
    t.end()
  })
  t.end()
})

t.test('a peer that moves', (t) => {
  const network = new Network(22)
  const server = network.add({ linkSecret: SERVER_SECRET })
  const peer = acceptedPeer(network, server)
  const { session } = present(server.all('accepted')[0])
  const elsewhere = { host: '203.0.113.5', port: 5 }
  const whereabouts = () => present(server.endpoint.peer(session)).address

  const early = peer.seal(PING)
  peer.exchange(peer.seal(PING), elsewhere)
  t.strictSame(whereabouts(), elsewhere, 'is followed with its newest packet')
  t.strictSame(present(network.sent.at(-1)).to, elsewhere)
  peer.exchange(early)
  t.strictSame(whereabouts(), elsewhere, 'not with an older one that comes late')
  const forged = peer.seal(PING)
  forged[20] = (forged[20] as number) ^ 1
  peer.exchange(forged)
  t.strictSame(whereabouts(), elsewhere, 'not with one that does not authenticate')
  peer.exchange(early)
  t.strictSame(server.drops(), ['LINK_AUTHENTICATION', 'LINK_REPLAY'])
  t.strictSame(whereabouts(), elsewhere, 'and not with a repeat')
  t.end()
})

t.test('frames', (t) => {
  t.test('a path challenge is answered with the same bytes', (t) => {
    const network = new Network(23)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    const answers = peer.say({ kind: 'pathChallenge', value: { data: pattern(8) } })
    t.strictSame(
      answers.filter(({ kind }) => kind === 'pathResponse'),
      [{ kind: 'pathResponse', value: { data: pattern(8) } }],
    )
    t.end()
  })

  t.test('so many path challenges of one packet are answered', (t) => {
    const network = new Network(24)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const challenges = Array.from(
      { length: limits.pathResponses + 1 },
      (_, i): Frame => ({ kind: 'pathChallenge', value: { data: pattern(8, i) } }),
    )
    const answers = acceptedPeer(network, server).say(...challenges)
    t.equal(answers.filter(({ kind }) => kind === 'pathResponse').length, limits.pathResponses)
    t.end()
  })

  t.test('acknowledgements come with the second packet, after a gap at once, else in 10 ms', (t) => {
    const network = new Network(25)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    network.run(100)
    t.strictSame(peer.say(PING), [], 'the first')
    t.strictSame(
      peer.say(PING),
      [{ kind: 'ack', value: { largest: 2, first: 2, delayUs: 0, ranges: [] } }],
      'the second',
    )
    peer.skip(2)
    t.match(
      peer.say(PING),
      [{ kind: 'ack', value: { largest: 5, first: 0, ranges: [{ gap: 1, length: 2 }] } }],
      'a gap',
    )
    t.strictSame(peer.say(PING), [], 'in order again')
    const before = network.sent.length
    network.run(limits.ackDelayMs - 1)
    t.equal(network.sent.length, before)
    network.run(1)
    t.match(peer.read(present(network.sent[before]).bytes), [{ kind: 'ack', value: { largest: 6, delayUs: 10_000 } }])
    t.end()
  })

  t.test('an acknowledgement alone is not acknowledged', (t) => {
    const network = new Network(26)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    const [answer] = peer.say(PING)
    t.equal(present(answer).kind, 'ack')
    const ack: Frame = { kind: 'ack', value: { largest: 0, delayUs: 0, first: 0, ranges: [] } }
    for (let i = 0; i < 5; i++) t.strictSame(peer.say(ack), [])
    const before = network.sent.length
    network.run(100)
    t.equal(network.sent.length, before)
    t.end()
  })

  t.test('one acknowledgement holds so many ranges, the newest', (t) => {
    const network = new Network(27)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    let answers: Frame[] = []
    for (let i = 0; i < limits.ackRanges + 5; i++) {
      peer.skip(1)
      answers = peer.say(PING)
    }
    const [frame] = answers
    t.equal(frame?.kind === 'ack' ? frame.value.ranges.length : 0, limits.ackRanges - 1)
    t.end()
  })

  t.test('ranges that the peer is known to have seen are left out', (t) => {
    const network = new Network(32)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    const { session } = present(server.all('accepted')[0])
    peer.skip(1)
    peer.say(PING)
    peer.skip(1)
    server.endpoint.send(network.now, session, pattern(5))
    t.match(peer.say(PING), [{ kind: 'ack', value: { largest: 4, ranges: { length: 2 } } }, { kind: 'whole' }])
    peer.say({ kind: 'ack', value: { largest: 1, delayUs: 0, first: 0, ranges: [] } })
    t.equal(server.all('delivered').length, 1, 'the packet with both has been acknowledged')
    peer.skip(1)
    const ranges = [{ gap: 0, length: 1 }]
    t.strictSame(peer.say(PING), [{ kind: 'ack', value: { largest: 7, delayUs: 0, first: 0, ranges } }])
    t.end()
  })

  const violations: readonly (readonly [string, string, Frame | Uint8Array])[] = [
    [
      'an acknowledgement of packets never sent',
      'LINK_ACK',
      { kind: 'ack', value: { largest: 1000, delayUs: 0, first: 0, ranges: [] } },
    ],
    ['an acknowledgement below number 0', 'WIRE_VALUE', Uint8Array.of(2, 0, 0, 1, 0)],
    ['an unknown kind that must not be ignored', 'WIRE_CRITICAL', Uint8Array.of(0xa0, 0, 0)],
    ['an unknown kind without a length', 'WIRE_KIND', Uint8Array.of(0x1f)],
    ['a frame that ends too early', 'WIRE_TRUNCATED', Uint8Array.of(6, 1, 2)],
  ]
  for (const [name, code, frame] of violations) {
    t.test(`${name} ends the session`, (t) => {
      const network = new Network(28)
      const server = network.add({ linkSecret: SERVER_SECRET })
      const peer = acceptedPeer(network, server)
      t.strictSame(peer.say(frame).at(-1), closeFrame('protocol'))
      t.strictSame(server.drops(), [code])
      t.match(server.all('closed'), [{ reason: 'protocol', undelivered: [] }])
      t.end()
    })
  }

  t.test('an unknown kind that may be ignored is', (t) => {
    const network = new Network(29)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    const message: Frame = { kind: 'whole', value: { message: 0, data: pattern(3) } }
    peer.say(Uint8Array.of(0x20, 0, 2, 7, 7), message, Uint8Array.of(0, 0))
    t.equal(server.all('received').length, 1)
    t.strictSame(server.drops(), [])
    t.end()
  })
  t.end()
})

t.test('datagrams out of turn are dropped and answered by nothing', (t) => {
  const { network, client, server, session } = begun(30)
  network.lose = () => true
  const { senderIndex } = parsed(handshakeInit.parse(present(network.sent[0]).bytes))
  network.deliver(client, server.address, concat(Uint8Array.of(headByte('packet')), senderIndex, pattern(40)))
  network.deliver(client, server.address, concat(Uint8Array.of(headByte('statelessReset')), senderIndex, pattern(20)))
  t.strictSame(client.drops(), ['LINK_UNEXPECTED', 'LINK_UNEXPECTED'])
  t.equal(network.sent.length, 1)
  t.strictSame(client.endpoint.peer(session), { address: server.address, initiated: true }, 'and end nothing')
  t.end()
})

t.test('many idle sessions cost no more than their own packets', (t) => {
  const network = new Network(31)
  const server = network.add({ linkSecret: SERVER_SECRET })
  for (let i = 0; i < 200; i++) acceptedPeer(network, server, i)
  let wakes = 0
  const end = network.now + 2 * limits.sessionIdleMs
  for (let at = server.endpoint.deadline(); at !== undefined && at < end; at = server.endpoint.deadline()) {
    server.endpoint.timeout(at)
    network.drain(server)
    wakes++
  }
  t.equal(server.all('closed').length, 200, 'each is closed')
  t.ok(wakes <= 600, `${wakes} times awake`)
  t.end()
})
