/**
 * How large datagrams become (PROTOCOL.md section 10.3): larger ones are tried while there is much to send, and given up
 * where the path swallows them. And which messages leave first.
 */
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { Mtu } from '../../src/link/mtu.js'
import { Outgoing } from '../../src/link/outgoing.js'
import { seed } from '../base/seeded.js'
import { type Conditions, connectedPair, type Pair } from './pair.js'
import { pattern, present } from './support.js'

const CALM: Conditions = { loss: 0, doubling: 0, delayMs: 15, jitterMs: 0 }

/** Loses what is longer than the path takes. */
function limit(pair: Pair, bytes: number): void {
  pair.network.lose = (_from, _to, datagram) => datagram.length > bytes
}

/** Sends a message of 1 MiB and returns the longest datagram that the client sent for it. */
function longest(pair: Pair, withinMs = 60_000): number {
  const { network, client, server, clientSession } = pair
  const before = network.sent.length
  const number = present(client.endpoint.send(network.now, clientSession, pattern(limits.messageBytes)))
  const arrived = () => client.all('delivered').some((delivered) => delivered.number === number)
  if (!network.run(withinMs, arrived)) return 0
  const got = present(server.all('received').find((received) => received.number === number)).message
  if (!Buffer.from(got).equals(pattern(limits.messageBytes))) return 0
  const sent = network.sent.slice(before).filter(({ from }) => from === client.address)
  return Math.max(...sent.map(({ bytes }) => bytes.length))
}

t.test('datagrams grow to what the path takes', (t) => {
  for (const [bytes, most] of [
    [1200, 1200],
    [1300, 1232],
    [1400, 1372],
    [9000, 1452],
  ] as const) {
    const pair = connectedPair(1)
    limit(pair, bytes)
    t.ok(longest(pair) > 0)
    pair.network.run(1000)
    const before = pair.client.endpoint.counters(pair.clientSession)
    t.equal(longest(pair), most, `a path of ${bytes} bytes`)
    const after = pair.client.endpoint.counters(pair.clientSession)
    t.equal(after.sentRetransmitted.datagrams, before.sentRetransmitted.datagrams, 'nothing is lost for it')
  }
  t.end()
})

t.test('a few messages do not make datagrams grow', (t) => {
  const pair = connectedPair(2)
  for (let i = 0; i < 20; i++) {
    pair.client.endpoint.send(pair.network.now, pair.clientSession, pattern(3000, i))
    pair.network.run(100)
  }
  t.ok(pair.network.sent.every(({ bytes }) => bytes.length <= limits.datagramBytes))
  t.end()
})

t.test('a path that begins to swallow large datagrams loses nothing', (t) => {
  for (const loss of [0, 0.05]) {
    const pair = connectedPair(seed, {}, CALM)
    t.equal(longest(pair), limits.datagramMaxBytes)
    pair.network.conditions = { ...CALM, loss }
    const { client, network, clientSession } = pair
    client.endpoint.send(network.now, clientSession, pattern(limits.messageBytes, 5))
    limit(pair, 1250)
    t.ok(
      network.run(30_000, () => client.all('delivered').length === 2),
      `delivered, seed ${seed}`,
    )
    const got = present(pair.server.all('received')[1]).message
    t.ok(Buffer.from(got).equals(pattern(limits.messageBytes, 5)), `unchanged, seed ${seed}`)
    t.equal(longest(pair), limits.datagramBytes, 'and sends what it takes')
  }
  t.end()
})

t.test('discovery', (t) => {
  t.test('gives a size up after three probes, and tries again after a while', (t) => {
    const mtu = new Mtu()
    for (let i = 0; i < 3; i++) {
      t.equal(mtu.probe(i), 1232)
      mtu.onProbeSent()
      t.equal(mtu.probe(i), undefined, 'one at a time')
      mtu.onProbeLost(i)
    }
    t.equal(mtu.probe(limits.mtuRetryMs + 1), undefined)
    t.equal(mtu.probe(limits.mtuRetryMs + 2), 1232)
    t.equal(mtu.datagramBytes, limits.datagramBytes)
    t.end()
  })

  t.test('falls back after eight large losses in a row, not where one large packet arrived between', (t) => {
    const mtu = new Mtu()
    mtu.onProbeArrived(1452)
    for (let i = 0; i < 20; i++) mtu.onLost(0, 1200)
    for (let i = 0; i < 7; i++) mtu.onLost(0, 1452)
    mtu.onArrived(1452)
    for (let i = 0; i < 7; i++) mtu.onLost(0, 1452)
    t.equal(mtu.datagramBytes, 1452)
    mtu.onArrived(1200)
    mtu.onLost(0, 1452)
    t.equal(mtu.datagramBytes, 1200)
    t.equal(mtu.probe(0), undefined)
    t.end()
  })
  t.end()
})

t.test('messages leave by priority, and none is kept from leaving', (t) => {
  const outgoing = new Outgoing(limits.sendQueueBytes)
  const bulk = outgoing.add(pattern(100_000), 'bulk')
  const delivery = outgoing.add(pattern(100_000), 'delivery')
  const receipt = outgoing.add(pattern(100_000), 'receipt')
  const first = Array.from({ length: 16 }, () => present(outgoing.takeNew(1175, true)).message.number)
  t.equal(first.filter((number) => number === receipt).length, 14)
  t.equal(first.filter((number) => number === bulk).length, 2, 'one packet in eight')
  let chunk = outgoing.takeNew(1175, true)
  while (chunk?.message.number !== delivery) chunk = outgoing.takeNew(1175, true)
  t.ok(chunk, 'then deliveries')
  t.end()
})

t.test('large messages are sent side by side, so many at a time', (t) => {
  const outgoing = new Outgoing(limits.sendQueueBytes)
  for (let i = 0; i < limits.messagesInParallel + 1; i++) outgoing.add(pattern(50_000))
  const taken = Array.from({ length: 20 }, () => present(outgoing.takeNew(1175, true)).message.number)
  t.equal(new Set(taken).size, limits.messagesInParallel)
  t.end()
})

t.test('a chunk that no packet takes any more goes in two; late, it still counts whole', (t) => {
  for (const late of [false, true]) {
    const outgoing = new Outgoing(limits.sendQueueBytes)
    const number = outgoing.add(pattern(1400))
    const whole = present(outgoing.takeNew(1427, true))
    outgoing.onLost([whole])
    const halves = [present(outgoing.takeLost(1175, 1175)), present(outgoing.takeLost(1175, 1175))]
    t.equal(outgoing.takeLost(1175, 1175), undefined)
    t.equal(outgoing.onAcknowledged(present(halves[0])), undefined)
    const done = outgoing.onAcknowledged(late ? whole : present(halves[1]))
    t.equal(done?.number, number)
    t.equal(outgoing.queuedBytes(), 0)
    t.equal(outgoing.onAcknowledged(present(halves[1])), undefined, 'once')
  }
  t.end()
})
