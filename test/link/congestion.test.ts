/**
 * How fast a link is, and how it reacts to its path (RFC 9002 section 7 and the BBR drafts): a bottleneck with a queue,
 * random loss, a path that changes, and what each controller makes of it.
 */
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { Bbr } from '../../src/link/bbr.js'
import { INITIAL_WINDOW_BYTES, LEAST_WINDOW_BYTES, Reno } from '../../src/link/congestion.js'
import { DeliveryRate } from '../../src/link/delivery-rate.js'
import { Pacer } from '../../src/link/pacer.js'
import { Recovery } from '../../src/link/recovery.js'
import { type SentPacket, sentPacket } from '../../src/link/sent-packet.js'
import { seed } from '../base/seeded.js'
import { type Conditions, connectedPair, type Pair, SERVER_KEY } from './pair.js'
import { pattern } from './support.js'

/** 10 Mbit/s with 100 ms there and back, and a queue of about half of that. */
const PATH: Conditions = { loss: 0, doubling: 0, delayMs: 50, jitterMs: 0, bytesPerMs: 1250, queueBytes: 60_000 }
const BIG = pattern(limits.messageBytes)

/** Sends so many messages of 1 MiB; returns bytes a millisecond, or 0 where they did not all arrive in time. */
function goodput(pair: Pair, count: number, withinMs: number): number {
  const { network, client, clientSession } = pair
  const start = network.now
  let sent = 0
  let delivered = 0
  let seen = client.outputs.length
  const done = network.run(withinMs, () => {
    while (sent < count && client.endpoint.send(network.now, clientSession, BIG) !== undefined) sent++
    network.drain(client)
    for (; seen < client.outputs.length; seen++) if (client.outputs[seen]?.type === 'delivered') delivered++
    return delivered === count
  })
  return done ? (count * BIG.length) / (network.now - start) : 0
}

t.test('the default controller uses a path up, whatever it loses at random', (t) => {
  for (const [loss, least] of [
    [0, 0.85],
    [0.01, 0.85],
    [0.05, 0.8],
    [0.1, 0.75],
    [0.3, 0.5],
  ] as const) {
    const pair = connectedPair(seed, {}, PATH)
    pair.network.conditions = { ...PATH, loss }
    const part = goodput(pair, 8, 120_000) / 1250
    t.ok(
      part >= least,
      `${(part * 100).toFixed(0)} % of the path with ${loss * 100} % loss in front of it, seed ${seed}`,
    )
  }
  t.end()
})

t.test('a short queue is enough, and a long one is not filled for long', (t) => {
  for (const queueBytes of [15_000, 1_000_000]) {
    const pair = connectedPair(1, {}, { ...PATH, queueBytes })
    const part = goodput(pair, 8, 60_000) / 1250
    t.ok(part >= 0.8, `${(part * 100).toFixed(0)} % with a queue of ${queueBytes}`)
    const { sent, sentRetransmitted } = pair.client.endpoint.counters(pair.clientSession)
    t.ok(sentRetransmitted.datagrams < sent.datagrams / 5, `${sentRetransmitted.datagrams} of ${sent.datagrams} again`)
    if (queueBytes < 1_000_000) continue
    // The queue that the start has built up is gone: a small message gets through in about the round trip.
    goodput(pair, 2, 60_000)
    const before = pair.server.all('received').length
    const start = pair.network.now
    pair.client.endpoint.send(start, pair.clientSession, pattern(10))
    pair.network.run(5000, () => pair.server.all('received').length > before)
    t.ok(pair.network.now - start < 400, `${pair.network.now - start} ms`)
  }
  t.end()
})

t.test('a path that becomes longer or slower is learnt anew', (t) => {
  for (const change of [{ delayMs: 150 }, { bytesPerMs: 312 }]) {
    const pair = connectedPair(2, {}, PATH)
    t.ok(goodput(pair, 3, 60_000) > 0)
    pair.network.conditions = { ...PATH, ...change }
    const part = goodput(pair, 6, 120_000) / (pair.network.conditions.bytesPerMs ?? 0)
    t.ok(part > 0.4, `${(part * 100).toFixed(0)} % after ${Object.keys(change)}`)
  }
  t.end()
})

t.test('a path that becomes longer while nothing is sent is not probed for ever', (t) => {
  const pair = connectedPair(4)
  const { network, client, clientSession } = pair
  network.run(1000)
  network.conditions = { ...PATH, delayMs: 60 }
  network.run(30_000)
  const { datagrams } = client.endpoint.counters(clientSession).sent
  network.run(60_000)
  const more = client.endpoint.counters(clientSession).sent.datagrams - datagrams
  t.ok(more <= 12, `${more} datagrams in a minute`)
  t.end()
})

t.test('a wide window is acknowledged seldom', (t) => {
  const pair = connectedPair(seed, {}, PATH)
  const { client, network } = pair
  let [there, back] = [0, 0]
  network.lose = (from) => {
    if (from.host === client.address.host) there++
    else back++
    return false
  }
  t.ok(goodput(pair, 4, 60_000) > 0)
  t.ok(back > 0 && back < there / 4, `${back} datagrams back for ${there}, seed ${seed}`)
  t.end()
})

t.test('of a new path nothing is known: its window is the first one, and its round trip is measured anew', (t) => {
  for (const controller of [new Reno(), new Bbr()]) {
    const recovery = new Recovery(controller)
    const packets = 2 * Math.floor(INITIAL_WINDOW_BYTES / limits.datagramBytes)
    for (let number = 0; number < packets; number++) recovery.onSent(packet(number, 0))
    recovery.onAck(100, [{ low: 0, high: packets - 1 }], 0, packets)
    t.ok(recovery.windowBytes > INITIAL_WINDOW_BYTES)
    t.equal(recovery.roundTripMs, 100)
    recovery.onNewPath(packets)
    t.equal(recovery.windowBytes, INITIAL_WINDOW_BYTES)
    t.equal(recovery.roundTripMs, undefined)
  }
  t.end()
})

t.test('the other controller goes by losses', (t) => {
  const clean = goodput(connectedPair(3, {}, PATH, 'newReno'), 6, 60_000) / 1250
  const lossy = goodput(connectedPair(3, {}, { ...PATH, loss: 0.05 }, 'newReno'), 1, 240_000) / 1250
  t.ok(clean > 0.7, `${(clean * 100).toFixed(0)} % without loss`)
  t.ok(lossy > 0 && lossy < 0.3, `${(lossy * 100).toFixed(0)} % with loss`)
  t.end()
})

t.test('two links share a bottleneck', (t) => {
  const pair = connectedPair(4, {}, PATH)
  const { network, client, server } = pair
  const second = client.endpoint.connect(network.now, SERVER_KEY, server.address)
  network.run(500)
  for (let i = 0; i < 6; i++) {
    client.endpoint.send(network.now, pair.clientSession, BIG)
    client.endpoint.send(network.now, second, BIG)
  }
  network.run(8000)
  const bytes = [pair.clientSession, second].map((session) => client.endpoint.counters(session).sent.payloadBytes)
  const [less, more] = bytes.toSorted((a, b) => a - b) as [number, number]
  t.ok(less / more > 0.25, `${less} and ${more} bytes`)
  t.end()
})

t.test('packets are paced: a window does not leave in one burst', (t) => {
  const pair = connectedPair(5, {}, PATH)
  goodput(pair, 4, 60_000)
  const { network, client } = pair
  let burst = 0
  let longest = 0
  let at = network.now
  network.lose = (from) => {
    if (from === client.address) {
      burst = network.now === at ? burst + 1 : 1
      at = network.now
      longest = Math.max(longest, burst)
    }
    return false
  }
  goodput(pair, 2, 60_000)
  t.ok(longest <= 12, `${longest} datagrams at once`)
  t.end()
})

t.test('the pacer', (t) => {
  const pacer = new Pacer()
  let sent = 0
  while (pacer.allows(1000, 120) && sent < 100) {
    pacer.onSent(1200)
    sent++
  }
  t.equal(sent, 10, 'a burst')
  const readyAt = pacer.readyAt(120)
  t.equal(pacer.allows(1000, 120), false, 'and no more at that moment')
  t.ok(readyAt > 1000 && readyAt <= 1002, `then at the rate: ${readyAt}`)
  t.equal(pacer.allows(1020, 120), true)
  t.end()
})

function packet(number: number, sentAt: number): SentPacket {
  return sentPacket(number, sentAt, 1200, [], [], undefined)
}

t.test('a delivery rate is what arrives over the time it took, and is marked where the application held back', (t) => {
  const rate = new DeliveryRate()
  const packets = Array.from({ length: 10 }, (_, i) => packet(i, i))
  for (const [i, each] of packets.entries()) rate.onSent(each, i * 1200)
  for (const each of packets) rate.onAcknowledged(100 + each.sentAt, each)
  t.match(rate.takeSample(109), { bytesPerMs: 12_000 / 109, appLimited: false })
  rate.onAppLimited(0)
  const lone = packet(10, 200)
  rate.onSent(lone, 0)
  rate.onAcknowledged(300, lone)
  t.match(rate.takeSample(300), { bytesPerMs: 12, appLimited: true })
  t.equal(rate.takeSample(301), undefined, 'once')
  t.end()
})

t.test('losses over three probe timeouts without an answer between are persistent congestion', (t) => {
  for (const [spanMs, least] of [
    [300, false],
    [4000, true],
  ] as const) {
    const reno = new Reno()
    const recovery = new Recovery(reno)
    recovery.onSent(packet(0, 0))
    recovery.onAck(100, [{ low: 0, high: 0 }], 0, 1)
    for (const number of [1, 2, 3]) recovery.onSent(packet(number, 200 + ((number - 1) * spanMs) / 2))
    for (const number of [4, 5, 6, 7]) recovery.onSent(packet(number, 300 + spanMs))
    recovery.onAck(400 + spanMs, [{ low: 4, high: 7 }], 0, 8)
    t.equal(reno.windowBytes === LEAST_WINDOW_BYTES, least, `${spanMs} ms`)
    t.ok(reno.windowBytes < INITIAL_WINDOW_BYTES)
  }
  t.end()
})
