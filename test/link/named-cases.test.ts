/**
 * Cases that every transport is tried on, by the names that interop tests gave them: bad paths that messages and
 * handshakes have to survive whole. A failure prints its seed.
 */
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { seed } from '../base/seeded.js'
import { type Conditions, closings, connectedPair, Network, type Pair, SERVER_KEY, SERVER_SECRET } from './pair.js'
import { pattern } from './support.js'

const CALM: Conditions = { loss: 0, doubling: 0, delayMs: 15, jitterMs: 0 }

/** Whether all messages arrive whole and once, each way, in so long. */
function carries(pair: Pair, messages: readonly Uint8Array[], withinMs: number): boolean {
  const { network, client, server, clientSession, serverSession } = pair
  for (const message of messages) {
    client.endpoint.send(network.now, clientSession, message)
    server.endpoint.send(network.now, serverSession, message)
  }
  const { length } = messages
  const delivered = () => client.all('delivered').length === length && server.all('delivered').length === length
  if (!network.run(withinMs, delivered)) return false
  return [client, server].every((node) => {
    const received = node.all('received').toSorted((a, b) => a.number - b.number)
    const same = received.every(({ message }, i) => Buffer.from(message).equals(messages[i] as Uint8Array))
    return received.length === length && same && closings(node).length === 0
  })
}

const MESSAGES = [pattern(200_000), ...Array.from({ length: 50 }, (_, i) => pattern(i * 40, i))]

t.test('handshake loss and corruption: 30 % in bursts of 3', (t) => {
  for (const harm of [{ loss: 0.3 }, { loss: 0, corruption: 0.3 }]) {
    const network = new Network(seed, { ...CALM, ...harm, burst: 3 })
    const server = network.add({ linkSecret: SERVER_SECRET })
    const client = network.add({})
    let attempts = 0
    for (let i = 0; i < 50; i++) {
      const before = client.all('delivered').length
      // As a node does it: a session that failed is begun anew.
      for (let tries = 0; tries < 10 && client.all('delivered').length === before; tries++) {
        attempts++
        const session = client.endpoint.connect(network.now, SERVER_KEY, server.address)
        client.endpoint.send(network.now, session, pattern(100, i))
        network.run(20_000, () => {
          const gone = client.all('closed').some((closed) => closed.session === session)
          return gone || client.all('delivered').length > before
        })
        client.endpoint.close(network.now, session, 'done')
      }
    }
    t.equal(
      client.all('delivered').length,
      50,
      `${attempts} attempts for 50 sessions, ${Object.keys(harm)}, seed ${seed}`,
    )
    t.ok(attempts < 75, `${attempts} attempts`)
  }
  t.end()
})

for (const part of [0.02, 0.1, 0.3]) {
  t.test(`transfer loss and corruption: ${part * 100} %`, (t) => {
    for (const harm of [{ loss: part }, { loss: 0, corruption: part }]) {
      const pair = connectedPair(seed, {}, CALM)
      pair.network.conditions = { ...CALM, ...harm }
      t.ok(carries(pair, MESSAGES, 120_000), `${Object.keys(harm)}, seed ${seed}`)
    }
    t.end()
  })
}

t.test('black hole: 5 s on, 2 s off', (t) => {
  const pair = connectedPair(seed, {}, CALM)
  const start = pair.network.now
  pair.network.lose = () => (pair.network.now - start) % 7000 < 5000
  t.ok(carries(pair, [pattern(900_000), pattern(900_000), pattern(10)], 120_000), `seed ${seed}`)
  t.end()
})

t.test('750 ms one-way delay', (t) => {
  const pair = connectedPair(seed, {}, { ...CALM, delayMs: 750 })
  t.ok(carries(pair, MESSAGES, 60_000), `seed ${seed}`)
  const again = pair.client.endpoint.counters(pair.clientSession).sentRetransmitted.datagrams
  t.ok(again < 20, `${again} datagrams sent again for nothing`)
  t.end()
})

t.test('10 % duplication and heavy reordering', (t) => {
  const pair = connectedPair(seed, {}, CALM)
  pair.network.conditions = { loss: 0, doubling: 0.1, delayMs: 10, jitterMs: 100 }
  t.ok(carries(pair, MESSAGES, 60_000), `seed ${seed}`)
  t.ok(
    pair.server.drops().every((code) => code === 'LINK_REPLAY'),
    'nothing but repeats was dropped',
  )
  t.end()
})

t.test('a handshake takes no longer than it must with 750 ms one-way delay', (t) => {
  const network = new Network(1, { ...CALM, delayMs: 750 })
  const server = network.add({ linkSecret: SERVER_SECRET })
  const client = network.add({})
  const start = network.now
  client.endpoint.connect(start, SERVER_KEY, server.address)
  t.ok(network.run(limits.handshakeTimeoutMs, () => server.all('accepted').length === 1))
  t.equal(network.now - start, 3 * 750)
  t.end()
})
