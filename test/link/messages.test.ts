/**
 * Messages (PROTOCOL.md section 10.5): each arrives whole, once, or is reported; nothing half-arrived is thrown away, and
 * what there is no room for is refused without being acknowledged.
 */
import t from 'tap'
import { concat } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import type { Frame } from '../../src/wire/frame.js'
import { seed } from '../base/seeded.js'
import { type Conditions, connectedPair, Network, type Pair, SERVER_KEY, SERVER_SECRET } from './pair.js'
import { acceptedPeer, type RawPeer } from './raw-peer.js'
import { pattern, present } from './support.js'

const BAD: Conditions = { loss: 0.05, doubling: 0.03, delayMs: 10, jitterMs: 8 }

/** Sends all messages, as the queue takes them, and lets time pass until all are delivered. */
function sendAll({ network, client, clientSession }: Pair, messages: readonly Uint8Array[], withinMs: number): boolean {
  let next = 0
  const before = client.all('delivered').length
  const fill = () => {
    for (; next < messages.length; next++) {
      if (client.endpoint.send(network.now, clientSession, messages[next] as Uint8Array) === undefined) break
    }
    network.drain(client)
  }
  fill()
  return network.run(withinMs, () => {
    if (next < messages.length) fill()
    return client.all('delivered').length === before + messages.length
  })
}

t.test('a message of 1 MiB crosses a path that loses, doubles and reorders', (t) => {
  const pair = connectedPair(seed)
  pair.network.conditions = BAD
  const message = pattern(limits.messageBytes)
  t.ok(sendAll(pair, [message], 60_000), `delivered, seed ${seed}`)
  t.strictSame(
    pair.server.all('received').map(({ number }) => number),
    [0],
    'once',
  )
  t.ok(Buffer.from(present(pair.server.all('received')[0]).message).equals(message), `unchanged, seed ${seed}`)
  const repeated = pair.client.endpoint.counters(pair.clientSession).sentRetransmitted.datagrams
  t.ok(repeated > 0 && repeated < 200, `${repeated} datagrams sent again of some 900, seed ${seed}`)
  t.end()
})

t.test('5,000 small messages cross a bad path, each once', (t) => {
  const pair = connectedPair(seed + 1)
  pair.network.conditions = BAD
  const messages = Array.from({ length: 5000 }, (_, i) => pattern(i % 700, i))
  t.ok(sendAll(pair, messages, 120_000), `delivered, seed ${seed}`)
  const received = pair.server.all('received').toSorted((a, b) => a.number - b.number)
  t.equal(received.length, 5000, `seed ${seed}`)
  const damaged = received.filter(({ message }, i) => !Buffer.from(message).equals(messages[i] as Uint8Array))
  t.strictSame(damaged, [], `seed ${seed}`)
  const delivered = pair.client.all('delivered').map(({ number }) => number)
  t.equal(new Set(delivered).size, 5000, `each reported once, seed ${seed}`)
  t.end()
})

t.test('both ends send at once', (t) => {
  const pair = connectedPair(seed + 2)
  pair.network.conditions = BAD
  const { network, client, server, clientSession, serverSession } = pair
  for (let i = 0; i < 50; i++) {
    client.endpoint.send(network.now, clientSession, pattern(3000, i))
    server.endpoint.send(network.now, serverSession, pattern(2000, i))
  }
  const done = () => client.all('delivered').length === 50 && server.all('delivered').length === 50
  t.ok(network.run(60_000, done), `seed ${seed}`)
  t.equal(client.all('received').length, 50)
  t.equal(server.all('received').length, 50)
  t.end()
})

t.test('a path that is dead for a while loses nothing', (t) => {
  const pair = connectedPair(3)
  pair.network.lose = () => true
  pair.client.endpoint.send(pair.network.now, pair.clientSession, pattern(100_000))
  pair.network.run(4000)
  pair.network.lose = () => false
  t.ok(pair.network.run(10_000, () => pair.client.all('delivered').length === 1))
  t.ok(Buffer.from(pattern(100_000)).equals(present(pair.server.all('received')[0]).message))
  t.end()
})

t.test('a small message does not wait for a large one', (t) => {
  const pair = connectedPair(4)
  const { network, client, server, clientSession } = pair
  client.endpoint.send(network.now, clientSession, pattern(limits.messageBytes))
  const small = present(client.endpoint.send(network.now, clientSession, pattern(100)))
  network.run(10_000, () => server.all('received').length === 2)
  t.equal(present(server.all('received')[0]).number, small)
  t.end()
})

t.test('messages of every size around the edge of a packet arrive as they were', (t) => {
  const pair = connectedPair(5)
  const sizes = [0, 1, ...Array.from({ length: 60 }, (_, i) => 1140 + i), 2300, 2400]
  const messages = sizes.map((size) => pattern(size, size))
  t.ok(sendAll(pair, messages, 10_000))
  const received = pair.server.all('received').toSorted((a, b) => a.number - b.number)
  t.strictSame(
    received.map(({ message }) => message),
    messages,
  )
  t.ok(pair.network.sent.every(({ bytes }) => bytes.length <= limits.datagramBytes))
  t.end()
})

t.test('what messages cost', (t) => {
  t.test('small messages share datagrams, and their costs add up to what was sent', (t) => {
    const pair = connectedPair(6)
    const before = pair.client.endpoint.counters(pair.clientSession).sent
    t.ok(
      sendAll(
        pair,
        Array.from({ length: 100 }, () => pattern(100)),
        10_000,
      ),
    )
    const after = pair.client.endpoint.counters(pair.clientSession).sent
    const costs = pair.client.all('delivered').map(({ cost }) => cost)
    t.equal(after.datagrams - before.datagrams, 10, 'eleven messages a datagram')
    t.equal(sum(costs, 'datagrams'), after.datagrams - before.datagrams)
    t.equal(sum(costs, 'payloadBytes'), after.payloadBytes - before.payloadBytes)
    t.end()
  })

  t.test('retransmissions and acknowledgements cost no message anything', (t) => {
    const messages = [pattern(50_000), pattern(500), pattern(20)]
    const costs = [connectedPair(7), connectedPair(8)].map((pair, index) => {
      if (index === 1) pair.network.conditions = { ...BAD, loss: 0.2, jitterMs: 0 }
      t.ok(sendAll(pair, messages, 60_000))
      const delivered = pair.client.all('delivered').toSorted((a, b) => a.number - b.number)
      return delivered.map(({ cost }) => cost)
    })
    t.strictSame(costs[0], costs[1])
    t.end()
  })
  t.end()
})

function sum(costs: readonly { datagrams: number; payloadBytes: number }[], of: 'datagrams' | 'payloadBytes'): number {
  return costs.reduce((total, cost) => total + cost[of], 0)
}

t.test('the queue', (t) => {
  t.test('takes messages up to its bound and not one byte more', (t) => {
    const { network, client, clientSession } = connectedPair(9)
    const { endpoint } = client
    network.lose = () => true
    const full = limits.sendQueueBytes / limits.messageBytes
    for (let i = 1; i < full; i++) endpoint.send(network.now, clientSession, pattern(limits.messageBytes))
    t.equal(endpoint.sendRoomBytes(clientSession), limits.messageBytes)
    t.equal(endpoint.send(network.now, clientSession, pattern(limits.messageBytes - 300)), full - 1)
    t.equal(endpoint.sendRoomBytes(clientSession), 300)
    t.equal(endpoint.send(network.now, clientSession, pattern(301)), undefined, 'one past')
    t.equal(endpoint.send(network.now, clientSession, pattern(300)), full, 'at the bound')
    t.equal(endpoint.sendRoomBytes(clientSession), 0)
    t.equal(endpoint.send(network.now, clientSession, pattern(0)), undefined, 'even an empty message takes room')
    network.lose = () => false
    t.ok(network.run(60_000, () => client.all('delivered').length === full + 1))
    t.equal(endpoint.sendRoomBytes(clientSession), limits.messageBytes, 'room again, one message at a time')
    t.end()
  })

  t.test('holds answers for who asks and acknowledges nothing, for each source so many', (t) => {
    const network = new Network(27)
    const least = 256
    const bounds = { answersAddressBytes: 2 * least, answersNetworkBytes: 3 * least, answersTotalBytes: 4 * least }
    const server = network.add({ linkSecret: SERVER_SECRET }, bounds)
    const sessions = ['192.0.2.50', '192.0.2.50', '192.0.2.51', '198.51.100.1'].map((host, number) => {
      acceptedPeer(network, server, number, host)
      return present(server.all('accepted')[number]).session
    })
    const answers = (priority: 'receipt' | 'delivery' = 'receipt') =>
      sessions.map((session) => server.endpoint.send(network.now, session, pattern(9), priority) !== undefined)
    t.strictSame(answers(), [true, true, true, true])
    t.strictSame(answers(), [false, false, false, false], 'two of an address, three of a network, four in all')
    t.strictSame(answers('delivery'), [true, true, true, true], 'what is not an answer has its own bounds')
    server.endpoint.close(network.now, present(sessions[3]), 'done')
    t.strictSame(answers(), [false, false, false, false], 'a network that has its share gets no more')
    server.endpoint.close(network.now, present(sessions[0]), 'done')
    t.strictSame(answers(), [false, true, false, false], 'but what it gives back')
    network.run(limits.sessionIdleMs)
    t.equal(server.all('closed').length, 4)
    const later = network.add({})
    const session = later.endpoint.connect(network.now, SERVER_KEY, server.address)
    network.run(1000)
    const open = present(server.all('accepted').at(-1)).session
    for (let i = 0; i < 20; i++) {
      t.ok(server.endpoint.send(network.now, open, pattern(9), 'receipt') !== undefined, 'who acknowledges has room')
      network.run(100)
    }
    later.endpoint.close(network.now, session, 'done')
    t.end()
  })

  t.test('refuses a message past the limit as the mistake it is', (t) => {
    const { network, client, clientSession } = connectedPair(10)
    const message = new Uint8Array(limits.messageBytes + 1)
    t.throws(() => client.endpoint.send(network.now, clientSession, message), { code: 'BODY_TOO_LARGE' })
    t.end()
  })

  t.test('takes messages before the session is connected', (t) => {
    const network = new Network(11)
    const client = network.add({})
    const server = network.add({ linkSecret: SERVER_SECRET })
    const session = client.endpoint.connect(network.now, SERVER_KEY, server.address)
    t.equal(client.endpoint.send(network.now, session, pattern(5000)), 0)
    t.ok(network.run(1000, () => client.all('delivered').length === 1))
    t.strictSame(
      client.outputs.map(({ type }) => type),
      ['connected', 'delivered'],
    )
    t.strictSame(
      server.outputs.map(({ type }) => type),
      ['accepted', 'received'],
    )
    t.end()
  })

  t.test('takes nothing for a session that is gone', (t) => {
    const { network, client, clientSession } = connectedPair(12)
    client.endpoint.close(network.now, clientSession, 'done')
    t.equal(client.endpoint.send(network.now, clientSession, pattern(1)), undefined)
    t.equal(client.endpoint.sendRoomBytes(clientSession), 0)
    t.end()
  })
  t.end()
})

function fragment(message: number, whole: Uint8Array, offset: number, lengthBytes: number): Frame {
  const data = whole.subarray(offset, offset + lengthBytes)
  return { kind: 'fragment', value: { message, totalBytes: whole.length, offset, data } }
}

function rawPair(bounds = {}) {
  const network = new Network(20)
  const server = network.add({ linkSecret: SERVER_SECRET }, bounds)
  return { network, server, peer: acceptedPeer(network, server) }
}

/** Whether a packet of these frames is acknowledged in time. */
function isAcknowledged(network: Network, peer: RawPeer, ...frames: Frame[]): boolean {
  // A gap in the numbers makes an acknowledgement leave at once.
  peer.skipNumbers(1)
  const before = network.sent.length
  const answers = peer.say(...frames)
  return answers.some(({ kind }) => kind === 'ack') && network.sent.length > before
}

t.test('fragments', (t) => {
  t.test('make a message in any order, doubled and overlapping, once', (t) => {
    const { network, server, peer } = rawPair()
    const whole = pattern(100)
    for (const [offset, length] of [
      [0, 60],
      [0, 10],
      [10, 60],
      [65, 35],
    ] as const) {
      t.ok(isAcknowledged(network, peer, fragment(0, whole, offset, length)))
    }
    t.strictSame(server.all('received'), [{ ...present(server.all('received')[0]), number: 0, message: whole }])
    t.ok(isAcknowledged(network, peer, fragment(0, whole, 0, 100)), 'again, after it was complete')
    t.ok(isAcknowledged(network, peer, { kind: 'whole', value: { message: 0, data: whole } }))
    t.equal(server.all('received').length, 1)
    t.strictSame(server.drops(), [])
    t.end()
  })

  const violations: readonly (readonly [string, string, (whole: Uint8Array) => Uint8Array | Frame])[] = [
    ['of no bytes', 'LINK_FRAGMENT_LIMIT', () => Uint8Array.of(3, 0, 10, 0, 0, 0)],
    ['past the end of its message', 'LINK_FRAGMENT_LIMIT', () => Uint8Array.of(3, 0, 2, 1, 0, 2, 7, 7)],
    ['of a message past the limit', 'WIRE_LIMIT', () => Uint8Array.of(3, 0, 0x80, 0x10, 0, 1, 0, 0, 1, 7)],
    ['longer than its packet', 'WIRE_TRUNCATED', () => Uint8Array.of(3, 0, 10, 0, 0, 5, 7)],
    ['longer than any packet', 'WIRE_LIMIT', () => concat(Uint8Array.of(3, 0, 0x50, 0, 0, 0x05, 0xad), pattern(1))],
    ['with other bytes than before', 'LINK_FRAGMENT_OVERLAP', (whole) => fragment(0, pattern(whole.length, 1), 9, 20)],
    ['with another total', 'LINK_FRAGMENT_OVERLAP', (whole) => fragment(0, pattern(whole.length + 1), 50, 20)],
    [
      'whole with another total',
      'LINK_FRAGMENT_OVERLAP',
      () => ({ kind: 'whole', value: { message: 0, data: pattern(5) } }),
    ],
  ]
  for (const [name, code, frame] of violations) {
    t.test(`${name} end the session`, (t) => {
      const { server, peer } = rawPair()
      const whole = pattern(100)
      peer.say(fragment(0, whole, 0, 10))
      t.strictSame(peer.say(frame(whole)).at(-1), { kind: 'close', value: { reason: 4 } })
      t.strictSame(server.drops(), [code])
      t.match(server.all('closed'), [{ reason: 'protocol' }])
      t.equal(server.all('received').length, 0)
      t.end()
    })
  }
  t.end()
})

t.test('reassembly', (t) => {
  const KIB = 1024
  const { reassemblyMessageChargeBytes, reassemblyPartChargeBytes } = limits
  /** What one half-arrived message of 1 KiB is charged. */
  const each = KIB + reassemblyMessageChargeBytes
  const bounds = {
    reassemblySessionBytes: 3 * each,
    reassemblyTotalBytes: 4 * each,
    reassemblySessionMessages: 4,
    reassemblyParts: 3,
  }
  const whole = pattern(KIB)

  t.test('holds bytes up to the bound of a session and refuses one message past it', (t) => {
    const { network, server, peer } = rawPair(bounds)
    for (const message of [0, 1, 2]) t.ok(isAcknowledged(network, peer, fragment(message, whole, 0, 10)))
    t.notOk(isAcknowledged(network, peer, fragment(3, pattern(2), 0, 1)), 'one past: not acknowledged')
    t.strictSame(server.drops(), ['LINK_REASSEMBLY_FULL'])
    t.ok(isAcknowledged(network, peer, { kind: 'whole', value: { message: 4, data: whole } }), 'a whole one needs none')
    t.ok(isAcknowledged(network, peer, fragment(1, whole, 10, KIB - 10)), 'a held one completes')
    t.ok(isAcknowledged(network, peer, fragment(3, pattern(2), 0, 1)), 'and makes room')
    t.strictSame(
      server.all('received').map(({ number }) => number),
      [4, 1],
    )
    t.strictSame(server.all('closed'), [])
    t.end()
  })

  t.test('holds bytes up to the bound of the endpoint', (t) => {
    const { network, server, peer } = rawPair(bounds)
    const other = acceptedPeer(network, server, 1)
    for (const message of [0, 1, 2]) t.ok(isAcknowledged(network, peer, fragment(message, whole, 0, 10)))
    t.ok(isAcknowledged(network, other, fragment(0, whole, 0, 10)), 'at the bound')
    t.notOk(isAcknowledged(network, other, fragment(1, pattern(2), 0, 1)), 'one past')
    peer.say({ kind: 'close', value: { reason: 0 } })
    t.ok(isAcknowledged(network, other, fragment(1, pattern(2), 0, 1)), 'a session that ends gives its room back')
    t.end()
  })

  t.test('holds so many bytes for one address, and for one network', (t) => {
    const shares = { reassemblyAddressBytes: 2 * each, reassemblyNetworkBytes: 3 * each }
    const { network, server, peer } = rawPair(shares)
    const beside = acceptedPeer(network, server, 1)
    const neighbour = acceptedPeer(network, server, 2, '198.51.100.10')
    const far = acceptedPeer(network, server, 3, '203.0.113.1')
    t.ok(isAcknowledged(network, peer, fragment(0, whole, 0, 10)))
    t.ok(isAcknowledged(network, beside, fragment(0, whole, 0, 10)), 'at the bound')
    t.notOk(isAcknowledged(network, beside, fragment(1, pattern(2), 0, 1)), 'one past')
    t.ok(isAcknowledged(network, neighbour, fragment(0, whole, 0, 10)), 'another address of the network')
    t.notOk(isAcknowledged(network, neighbour, fragment(1, pattern(2), 0, 1)), 'one past')
    t.ok(isAcknowledged(network, far, fragment(0, whole, 0, 10)))
    peer.say({ kind: 'close', value: { reason: 0 } })
    t.ok(isAcknowledged(network, beside, fragment(1, pattern(2), 0, 1)), 'room again')
    t.end()
  })

  t.test('lets the oldest make way once it has had its time, and ends its session', (t) => {
    const { network, server, peer } = rawPair({ reassemblyTotalBytes: 2 * each })
    const other = acceptedPeer(network, server, 1)
    t.ok(isAcknowledged(network, peer, fragment(0, whole, 0, 10)))
    network.run(limits.reassemblyEvictMs - 1)
    t.ok(isAcknowledged(network, other, fragment(0, whole, 0, 10)))
    t.notOk(isAcknowledged(network, other, fragment(1, whole, 0, 10)), 'too early')
    network.run(1)
    t.ok(isAcknowledged(network, other, fragment(1, whole, 0, 10)))
    t.strictSame(server.drops(), ['LINK_REASSEMBLY_FULL', 'LINK_REASSEMBLY_EVICTED'])
    t.match(server.all('closed'), [{ reason: 'limit' }])
    t.strictSame(peer.exchange(peer.seal({ kind: 'ping', value: {} })), [], 'its own session is the one that ended')
    network.run(limits.reassemblyEvictMs)
    t.notOk(isAcknowledged(network, other, fragment(2, whole, 0, 10)), 'nobody makes way for itself')
    t.end()
  })

  t.test('holds so many messages', (t) => {
    const { network, peer } = rawPair(bounds)
    for (const message of [0, 1, 2, 3]) t.ok(isAcknowledged(network, peer, fragment(message, pattern(2), 0, 1)))
    t.notOk(isAcknowledged(network, peer, fragment(4, pattern(2), 0, 1)))
    t.end()
  })

  t.test('holds so many separate parts of a message', (t) => {
    const { network, peer } = rawPair(bounds)
    for (const offset of [0, 20, 40]) t.ok(isAcknowledged(network, peer, fragment(0, whole, offset, 10)))
    t.notOk(isAcknowledged(network, peer, fragment(0, whole, 60, 10)), 'one past')
    t.ok(isAcknowledged(network, peer, fragment(0, whole, 10, 10)), 'one that closes a gap')
    t.ok(isAcknowledged(network, peer, fragment(0, whole, 60, 10)), 'and makes room')
    t.end()
  })

  t.test('charges messages, parts and gaps for what they occupy beside their bytes', (t) => {
    const tiny = pattern(9)
    const message = tiny.length + reassemblyMessageChargeBytes
    const room = 2 * message + 2 * reassemblyPartChargeBytes
    const { network, server, peer } = rawPair({ reassemblySessionBytes: room })
    for (const number of [0, 1]) t.ok(isAcknowledged(network, peer, fragment(number, tiny, 0, 1)))
    t.notOk(isAcknowledged(network, peer, fragment(2, tiny, 0, 1)), 'a third message')
    for (const offset of [2, 4]) t.ok(isAcknowledged(network, peer, fragment(0, tiny, offset, 1)))
    t.notOk(isAcknowledged(network, peer, fragment(0, tiny, 6, 1)), 'one part past')
    t.ok(isAcknowledged(network, peer, fragment(0, tiny, 0, 5)), 'what closes gaps gives room back')
    const whole = (number: number): Frame => ({ kind: 'whole', value: { message: number, data: tiny } })
    for (const number of [10, 20, 30]) t.ok(isAcknowledged(network, peer, whole(number)))
    t.notOk(isAcknowledged(network, peer, whole(40)), 'one gap past')
    t.ok(isAcknowledged(network, peer, fragment(0, tiny, 5, 4)), 'a held message completes all the same')
    t.ok(isAcknowledged(network, peer, whole(40)), 'and makes room')
    t.strictSame(
      server.all('received').map(({ number }) => number),
      [10, 20, 30, 0, 40],
    )
    t.end()
  })

  t.test('remembers what was complete with so many gaps between', (t) => {
    const { network, server, peer } = rawPair(bounds)
    const say = (message: number) =>
      isAcknowledged(network, peer, { kind: 'whole', value: { message, data: pattern(1) } })
    for (const message of [0, 2, 4, 6]) t.ok(say(message))
    t.notOk(say(8), 'one past')
    t.ok(say(7), 'beside one that is complete')
    t.ok(say(1), 'the lowest missing')
    t.ok(say(8))
    t.ok(say(4), 'again')
    t.strictSame(
      server.all('received').map(({ number }) => number),
      [0, 2, 4, 6, 7, 1, 8],
    )
    t.end()
  })

  t.test('a refused message arrives once there is room', (t) => {
    const pair = connectedPair(30, { server: { reassemblySessionBytes: 7000, reassemblyTotalBytes: 7000 } })
    pair.network.conditions = { loss: 0.1, doubling: 0, delayMs: 10, jitterMs: 10 }
    t.ok(
      sendAll(
        pair,
        Array.from({ length: 20 }, (_, i) => pattern(2500, i)),
        120_000,
      ),
    )
    t.ok(pair.server.drops().includes('LINK_REASSEMBLY_FULL'), 'something was refused')
    t.equal(pair.server.all('received').length, 20)
    t.end()
  })
  t.end()
})
