/** The relay's model of a path, and the relay itself on real sockets. Every random draw follows from the printed seed. */
import t from 'tap'
import { RandomNumbers } from '../../src/base/random.js'
import { type Conditions, undisturbed } from '../../src/cli/relay/conditions.js'
import { Impairment } from '../../src/cli/relay/impairment.js'
import { conditionsOf, type RawConditions } from '../../src/cli/relay/options.js'
import { openRelay } from '../../src/cli/relay/relay.js'
import { openUdp, type UdpSocket } from '../../src/driver/udp.js'
import { seed, seeded } from '../base/seeded.js'

t.comment(`SEED=${seed}`)

const DATAGRAM = new Uint8Array(1000)
const LOOPBACK = { host: '127.0.0.1', port: 0 }

function impaired(conditions: Partial<Conditions>, from = seed): Impairment {
  const numbers = new RandomNumbers(seeded(from))
  return new Impairment({ ...undisturbed, ...conditions }, () => numbers.uint32() / 2 ** 32)
}

/** Fates of so many datagrams, one a millisecond: when each arrives, first copy only. */
function fates(impairment: Impairment, count: number): (number | undefined)[] {
  return Array.from({ length: count }, (_, now) => impairment.offer(now, DATAGRAM)[0]?.at)
}

t.test('each disturbance is as large as it was asked for', async (t) => {
  const count = 20_000
  const path = impaired({ loss: 0.3, duplicate: 0.1, corrupt: 0.05 })
  fates(path, count)
  const { offered, lost, passed, duplicated, corrupted } = path.tally()
  t.equal(offered, count)
  t.equal(passed, count - lost + duplicated)
  t.ok(Math.abs(lost / count - 0.3) < 0.02, `${lost} lost`)
  t.ok(Math.abs(duplicated / (count - lost) - 0.1) < 0.02, `${duplicated} doubled`)
  t.ok(Math.abs(corrupted / passed - 0.05) < 0.01, `${corrupted} damaged`)
})

t.test('losses in bursts are as many, and come in runs', async (t) => {
  const count = 60_000
  const arrived = fates(impaired({ loss: 0.2, burst: 4 }), count)
  const lost = arrived.filter((at) => at === undefined).length
  const runs = arrived.filter((at, index) => at === undefined && arrived[index - 1] !== undefined).length
  t.ok(Math.abs(lost / count - 0.2) < 0.03, `${lost} lost`)
  t.ok(Math.abs(lost / runs - 4) < 0.5, `runs of ${lost / runs}`)
})

t.test('one seed gives one run, another seed another', async (t) => {
  const conditions = { loss: 0.2, jitterMs: 40, reorder: 0.1 }
  t.strictSame(fates(impaired(conditions, 7), 200), fates(impaired(conditions, 7), 200))
  t.notSame(fates(impaired(conditions, 7), 200), fates(impaired(conditions, 8), 200))
})

t.test('a datagram is damaged in one bit, and a copy of it: the original stays', async (t) => {
  const [damaged] = impaired({ corrupt: 0.999_999 }).offer(0, DATAGRAM)
  const bits = [...(damaged?.bytes ?? [])].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  t.equal(bits, 1)
  t.ok(DATAGRAM.every((byte) => byte === 0))
})

t.test('delay, jitter and what is held back', async (t) => {
  for (const [at, fate] of fates(impaired({ delayMs: 30, jitterMs: 10 }), 200).entries()) {
    t.ok(fate !== undefined && fate >= at + 30 && fate < at + 40)
  }
  const held = fates(impaired({ delayMs: 30, reorder: 0.25 }), 2000).filter((fate, at) => fate === at + 60).length
  t.ok(held > 400 && held < 600, `${held} held back`)
})

t.test('a bottleneck queues to its bound and no further', async (t) => {
  const path = impaired({ rateBytesPerMs: 100, queueBytes: 3000 })
  const arrivals = Array.from({ length: 5 }, () => path.offer(0, DATAGRAM)[0]?.at)
  t.strictSame(arrivals, [10, 20, 30, undefined, undefined])
  t.equal(path.offer(30, DATAGRAM)[0]?.at, 40, 'and is empty again when it has carried all')
  t.equal(path.tally().overflowed, 2)
})

t.test('a partition comes when it is due, for as long as was asked', async (t) => {
  const arrived = fates(impaired({ partition: { everyMs: 100, forMs: 20 } }), 300)
  t.strictSame(
    arrived.map((at) => at !== undefined),
    arrived.map((_, now) => now % 100 < 80),
  )
})

t.test('options that say nothing, or nothing possible, are refused with a sentence', async (t) => {
  t.equal(conditionsOf({}), undefined)
  t.match(conditionsOf({ loss: 0.3, delay: 20 }), { conditions: { loss: 0.3, delayMs: 20, burst: 1 }, seed: 1 })
  t.equal(conditionsOf({ rate: 8000 })?.conditions.rateBytesPerMs, 1000)
  for (const [raw, pattern] of [
    [{ burst: 3 }, /add --loss/],
    [{ queue: 9000 }, /add --rate/],
    [{ loss: 0.9, burst: 2 }, /lose at most 0\.67/],
  ] as readonly [RawConditions, RegExp][]) {
    t.throws(() => conditionsOf(raw), pattern)
  }
})

async function arrival(socket: UdpSocket): Promise<{ from: number; text: string }> {
  return new Promise((resolve) =>
    socket.onDatagram((from, bytes) => resolve({ from: from.port, text: Buffer.from(bytes).toString() })),
  )
}

t.test('each client has an address of its own at the node, and answers find back to it alone', async (t) => {
  const [node, one, two, stranger] = await Promise.all([1, 2, 3, 4].map(() => openUdp(LOOPBACK)))
  const sockets = [node, one, two, stranger] as readonly UdpSocket[] as [UdpSocket, UdpSocket, UdpSocket, UdpSocket]
  const relay = await openRelay(LOOPBACK, { ...undisturbed, delayMs: 5 }, seed)
  t.teardown(() => Promise.all([relay.close(), ...sockets.map((socket) => socket.close())]))
  const [atNode, first, second, other] = sockets
  relay.aim(atNode.address)
  const seen = await relay.seenAs(first.address)
  first.send(relay.address, Buffer.from('hello'))
  t.strictSame(await arrival(atNode), { from: seen?.port, text: 'hello' })
  second.send(relay.address, Buffer.from('me too'))
  t.not((await arrival(atNode)).from, seen?.port)
  let strange = 0
  first.onDatagram(() => strange++)
  if (seen !== undefined) other.send(seen, Buffer.from('not asked for'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(strange, 0, 'only the node gets through')
  if (seen !== undefined) atNode.send(seen, Buffer.from('welcome'))
  t.strictSame(await arrival(first), { from: relay.address.port, text: 'welcome' })
  t.equal(relay.addresses().length, 2)
  t.match(relay.tally(), { offered: 3, passed: 3, lost: 0 })
})
