/**
 * The life of a session once it is open (PROTOCOL.md sections 10.4 to 10.6): silence, keepalive, close, a peer that moves,
 * and a peer that breaks the rules.
 */
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { headByte } from '../../src/wire/datagram.js'
import { closeReasons, type Frame } from '../../src/wire/frame.js'
import { begun, closings, connectedPair, Network, SERVER_SECRET } from './pair.js'
import { acceptedPeer, RawPeer } from './raw-peer.js'
import { pattern, present } from './support.js'

const PING: Frame = { kind: 'ping', value: {} }
const INIT = headByte('handshakeInit')

function closeFrame(reason: keyof typeof closeReasons): Frame {
  return { kind: 'close', value: { reason: closeReasons[reason] } }
}

t.test('silence', (t) => {
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
    t.equal(network.sent.length - before, 1 + 2 * limits.unansweredProbes, 'two packets each')
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
    peer.skipNumbers(2)
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

  t.test('acknowledgements come as seldom as the peer asks for, after a gap at once all the same', (t) => {
    const network = new Network(26)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    network.run(100)
    const kinds = () => peer.say(PING).map(({ kind }) => kind)
    peer.say({ kind: 'ackFrequency', value: { packets: 8 } })
    network.run(100)
    for (let i = 1; i < 8; i++) t.strictSame(kinds(), [], `packet ${i}`)
    t.strictSame(kinds(), ['ack'], 'the eighth')
    peer.skipNumbers(1)
    t.strictSame(kinds(), ['ack'], 'after a gap')
    t.end()
  })

  t.test('so many acknowledgements of one packet are read', (t) => {
    const network = new Network(27)
    const server = network.add({ linkSecret: SERVER_SECRET })
    const peer = acceptedPeer(network, server)
    const { session } = present(server.all('accepted')[0])
    for (let i = 0; i < limits.acksPerPacket + 1; i++) {
      server.endpoint.send(network.now, session, pattern(1_150))
      network.drain(server)
    }
    const from = network.sent.length - 1 - limits.acksPerPacket - 1
    const acks = Array.from({ length: limits.acksPerPacket + 1 }, (_, i): Frame => {
      return { kind: 'ack', value: { largest: from + i, delayUs: 0, first: 0, ranges: [] } }
    })
    peer.say(...acks)
    t.equal(server.all('delivered').length, limits.acksPerPacket)
    t.strictSame(server.drops(), [])
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
      peer.skipNumbers(1)
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
    peer.skipNumbers(1)
    peer.say(PING)
    peer.skipNumbers(1)
    server.endpoint.send(network.now, session, pattern(5))
    t.match(peer.say(PING), [{ kind: 'ack', value: { largest: 4, ranges: { length: 2 } } }, { kind: 'whole' }])
    peer.say({ kind: 'ack', value: { largest: 1, delayUs: 0, first: 0, ranges: [] } })
    t.equal(server.all('delivered').length, 1, 'the packet with both has been acknowledged')
    peer.skipNumbers(1)
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

t.test('many idle sessions cost no more than their own packets', (t) => {
  const network = new Network(31)
  const server = network.add({ linkSecret: SERVER_SECRET })
  for (let i = 0; i < 200; i++) {
    acceptedPeer(network, server, i)
    network.run(3)
  }
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
