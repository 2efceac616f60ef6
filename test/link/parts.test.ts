/**
 * The parts a link is made of, each against a model that is slow and plain: ranges against a set, the heap against a
 * sorted list, the queue against an array; and what recovery and the congestion window do step by step.
 */
import fc from 'fast-check'
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { Reno } from '../../src/link/congestion.js'
import { Deadlines, type Timed } from '../../src/link/deadlines.js'
import { Queue } from '../../src/link/queue.js'
import { RangeSet } from '../../src/link/ranges.js'
import { Recovery } from '../../src/link/recovery.js'
import { type SentPacket, sentPacket } from '../../src/link/sent-packet.js'
import { seed } from '../base/seeded.js'

const options = { numRuns: 300, seed }

t.test('ranges hold what a set holds', (t) => {
  const additions = fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 8 })))
  const property = fc.property(additions, fc.integer({ min: 0, max: 60 }), (steps, through) => {
    const ranges = new RangeSet()
    const model = new Set<number>()
    for (const [low, length] of steps) {
      const touched = [...model].some((number) => number >= low - 1 && number <= low + length + 1)
      if (ranges.wouldSplit(low, low + length) === touched) return false
      ranges.add(low, low + length)
      for (let number = low; number <= low + length; number++) model.add(number)
      if (!agree(ranges, model)) return false
    }
    ranges.dropThrough(through)
    for (const number of model) if (number <= through) model.delete(number)
    return agree(ranges, model)
  })
  t.doesNotThrow(() => fc.assert(property, options))
  t.end()
})

function agree(ranges: RangeSet, model: Set<number>): boolean {
  const numbers = ranges.descending().flatMap(({ low, high }) => {
    return Array.from({ length: high - low + 1 }, (_, i) => high - i)
  })
  const expected = [...model].sort((a, b) => b - a)
  const starts = expected.filter((number) => !model.has(number - 1)).length
  const same = numbers.length === expected.length && numbers.every((number, i) => number === expected[i])
  return same && ranges.count === starts && ranges.highest === expected[0] && ranges.has(30) === model.has(30)
}

t.test('ranges give what overlaps', (t) => {
  const ranges = new RangeSet()
  for (const low of [0, 10, 20, 30]) ranges.add(low, low + 4)
  t.strictSame(
    [...ranges.overlapping(14, 20)],
    [
      { low: 10, high: 14 },
      { low: 20, high: 24 },
    ],
  )
  t.strictSame([...ranges.overlapping(5, 9)], [])
  t.end()
})

t.test('the queue keeps order across its own compaction', (t) => {
  const property = fc.property(fc.array(fc.integer({ min: -400, max: 500 })), (steps) => {
    const queue = new Queue<number>()
    const model: number[] = []
    let next = 0
    for (const step of steps) {
      for (let i = 0; i < step * 5; i++) {
        queue.push(next)
        model.push(next++)
      }
      for (let i = 0; i > step * 5; i--) if (queue.shift() !== model.shift()) return false
      if (queue.length !== model.length || queue.peek() !== model[0] || queue.at(7) !== model[7]) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { ...options, numRuns: 50 }))
  t.end()
})

class Item implements Timed {
  heapIndex = -1
  heapAt = 0
  at: number | undefined

  deadline(): number | undefined {
    return this.at
  }
}

t.test('deadlines come in order, however they move', (t) => {
  const at = fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined })
  const moves = fc.array(fc.tuple(fc.integer({ min: 0, max: 63 }), at), { minLength: 100, maxLength: 400 })
  const property = fc.property(moves, (steps) => {
    const deadlines = new Deadlines<Item>()
    const items = Array.from({ length: 64 }, () => new Item())
    for (const [index, moved] of steps) {
      const item = items[index] as Item
      item.at = moved
      deadlines.update(item)
      const soonest = Math.min(...items.map((each) => each.at ?? Number.POSITIVE_INFINITY))
      if ((deadlines.next() ?? Number.POSITIVE_INFINITY) > soonest) return false
    }
    for (let now = 0; now <= 100; now += 10) {
      const due = new Set(deadlines.takeDue(now))
      for (const item of items) {
        const isDue = item.at !== undefined && item.at <= now
        if (isDue !== due.has(item)) return false
        if (isDue) item.at = undefined
      }
    }
    return deadlines.next() === undefined
  })
  t.doesNotThrow(() => fc.assert(property, options))
  t.end()
})

t.test('the window', (t) => {
  const initial = new Reno().windowBytes
  const full = limits.datagramBytes

  t.test('doubles in a round trip of slow start, and not while the application holds back', (t) => {
    const reno = new Reno()
    for (let i = 0; i < 16; i++) reno.onAcknowledged(packet(i, 0), true)
    t.equal(reno.windowBytes, 2 * initial)
    reno.onAcknowledged(packet(16, 0), false)
    t.equal(reno.windowBytes, 2 * initial)
    for (let i = 17; i < 10_000; i++) reno.onAcknowledged(packet(i, 0), true)
    t.equal(reno.windowBytes, limits.congestionWindowBytes, 'up to its bound')
    t.end()
  })

  t.test('is cut once for the losses of a round trip, then grows by a datagram in each', (t) => {
    const reno = new Reno()
    reno.onLost(packet(3, 0), 20)
    reno.onLost(packet(4, 0), 21)
    t.equal(reno.windowBytes, 0.7 * initial)
    reno.onAcknowledged(packet(10, 0), true)
    t.equal(reno.windowBytes, 0.7 * initial, 'not for packets from before')
    for (let bytes = 0; bytes < 0.7 * initial; bytes += full) reno.onAcknowledged(packet(30, 0), true)
    t.ok(Math.abs(reno.windowBytes - 0.7 * initial - full) < full / 5)
    t.end()
  })

  t.test('takes a cut back when none of its losses was real', (t) => {
    const reno = new Reno()
    reno.onLost(packet(3, 0), 20)
    reno.onLost(packet(4, 0), 20)
    reno.onSpuriousLoss(packet(3, 0))
    t.equal(reno.windowBytes, 0.7 * initial, 'one of two')
    reno.onSpuriousLoss(packet(4, 0))
    t.equal(reno.windowBytes, initial)
    t.end()
  })

  t.test('falls to its least in persistent congestion', (t) => {
    const reno = new Reno()
    reno.onPersistentCongestion()
    t.equal(reno.windowBytes, 4 * full)
    t.end()
  })
  t.end()
})

function packet(number: number, sentAt: number): SentPacket {
  return sentPacket(number, sentAt, 1200, [], [], undefined)
}

function sending(count: number, everyMs = 0): Recovery {
  const recovery = new Recovery(new Reno())
  for (let number = 0; number < count; number++) recovery.onSent(packet(number, number * everyMs))
  return recovery
}

const numbers = (packets: readonly SentPacket[]) => packets.map(({ number }) => number)

t.test('recovery', (t) => {
  t.test('takes a packet for lost when three later ones have arrived', (t) => {
    const { acknowledged, lost } = sending(6).onAck(100, [{ low: 2, high: 4 }], 0, 6)
    t.strictSame(numbers(acknowledged), [2, 3, 4])
    t.strictSame(numbers(lost), [0, 1])
    t.end()
  })

  t.test('takes a packet for lost 9/8 of a round trip after it was sent, once a later one has arrived', (t) => {
    const recovery = sending(3)
    t.strictSame(numbers(recovery.onAck(80, [{ low: 1, high: 1 }], 0, 3).lost), [])
    t.equal(recovery.deadline(), 90)
    t.strictSame(numbers(recovery.onTimeout(90, 3).packets), [0])
    t.end()
  })

  t.test('probes with the two oldest packets, each time after twice as long', (t) => {
    const recovery = sending(5)
    const first = recovery.deadline() as number
    t.equal(first, 333 + 4 * 166.5 + limits.ackDelayMs)
    const { type, packets } = recovery.onTimeout(first, 5)
    t.equal(type, 'probe')
    t.strictSame(numbers(packets), [0, 1])
    t.equal(recovery.deadline(), first + 2 * first)
    recovery.onAck(first + 1, [{ low: 4, high: 4 }], 0, 5)
    t.equal(recovery.unanswered, 0)
    t.end()
  })

  t.test('takes late acknowledgements of what it gave up, and expects more reordering then', (t) => {
    const recovery = sending(20)
    t.strictSame(numbers(recovery.onAck(100, [{ low: 8, high: 8 }], 0, 20).lost), [0, 1, 2, 3, 4, 5])
    const late = recovery.onAck(
      101,
      [
        { low: 8, high: 8 },
        { low: 0, high: 5 },
      ],
      0,
      20,
    )
    t.strictSame(numbers(late.acknowledged), [0, 1, 2, 3, 4, 5])
    t.strictSame(late.lost, [])
    t.strictSame(numbers(recovery.onAck(102, [{ low: 13, high: 13 }], 0, 20).lost), [], 'less than nine behind')
    t.strictSame(recovery.onAck(103, [{ low: 0, high: 5 }], 0, 20).acknowledged, [], 'once')
    t.end()
  })

  t.test('forgets what it gave up after a while, and the oldest of too many', (t) => {
    const forgotten = sending(20)
    forgotten.onAck(100, [{ low: 8, high: 8 }], 0, 20)
    forgotten.onSent(packet(20, 4900))
    const ranges = [
      { low: 20, high: 20 },
      { low: 0, high: 5 },
    ]
    t.strictSame(numbers(forgotten.onAck(5000, ranges, 0, 21).acknowledged), [20])

    const count = limits.retiredPackets
    const crowded = sending(count + 10)
    crowded.onAck(100, [{ low: count + 9, high: count + 9 }], 0, count + 10)
    const { acknowledged } = crowded.onAck(101, [{ low: 0, high: count + 9 }], 0, count + 10)
    t.equal(Math.min(...numbers(acknowledged)), 7, 'the first seven were pushed out')
    t.equal(acknowledged.filter(({ number }) => number <= count + 6).length, count)
    t.end()
  })

  t.test('learns a round trip longer than its probe timeout from the late answer to a probe', (t) => {
    const recovery = sending(1)
    recovery.onAck(10, [{ low: 0, high: 0 }], 0, 1)
    recovery.onSent(packet(1, 1000))
    const probeAt = recovery.deadline() as number
    t.strictSame(numbers(recovery.onTimeout(probeAt, 2).packets), [1])
    t.ok(probeAt < 1100)
    recovery.onAck(1100, [{ low: 0, high: 1 }], 0, 2)
    t.ok(recovery.probeTimeoutMs() > 100, `${recovery.probeTimeoutMs()} ms`)
    t.end()
  })

  t.test('fills the window and no more, but for a first packet', (t) => {
    const recovery = sending(15)
    t.ok(recovery.hasRoom(0))
    recovery.onSent(packet(15, 0))
    t.notOk(recovery.hasRoom(0))
    t.ok(new Recovery(new Reno()).hasRoom(0))
    t.end()
  })
  t.end()
})
