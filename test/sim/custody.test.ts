/**
 * Whole networks in which somebody fails at the worst moment (PROTOCOL.md section 7.1): what S was told is stored is there, is
 * handed on once, and what is not is named. Virtual time; SEED repeats a run.
 */
import t, { type Test } from 'tap'
import { toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import type { DeviceResult, Outcome } from '../../src/role/device.js'
import { seed, seeded } from '../base/seeded.js'
import { awayForADay } from './away.js'
import { rough } from './virtual-network.js'
import { type DeviceActor, World, type WorldOptions } from './world.js'

t.comment(`SEED=${seed}`)
const random = seeded(seed + 99)
const GROUP = 'gardeners'
const ALL_ROUNDS_MS = 900_000

type Sent = Extract<DeviceResult, { type: 'sent' }>

interface Sending {
  readonly world: World
  readonly from: DeviceActor
  readonly to: readonly DeviceActor[]
  readonly body: Uint8Array
  readonly reference: number
  /** What S came to know; waits for it. */
  readonly outcome: () => Outcome
}

/** A message that has just been handed to S, in a network that is otherwise at rest. */
function sending(options: Partial<WorldOptions> = {}): Sending {
  const devices = options.devices ?? 5
  const world = new World({ seed, devices, proxies: 6, ...options })
  world.makeGroup(GROUP, devices)
  const idle = () => world.devices.every(({ node }) => node.machine.status().unprovenMessages === 0)
  world.runUntil('all is proven', idle)
  world.network.runFor(1_000)
  for (const { read } of [world.server, ...world.proxies]) read.length = 0
  const [from, ...to] = world.devices as [DeviceActor, ...DeviceActor[]]
  const body = utf8(`words ${toHex(random(8))}`)
  const reference = world.command(from, { type: 'send', group: GROUP, body, until: 'over' })
  const outcome = () => {
    world.runUntil('the sender knows', () => from.answers.has(reference), ALL_ROUNDS_MS)
    const { outcome: known } = world.result(from, reference) as Sent
    if (known === undefined) throw new Error('an outcome')
    return known
  }
  return { world, from, to, body, reference, outcome }
}

function copiesAtServer({ world }: Sending): number {
  return world.server.read.filter(({ format, field }) => format === 'copy' && field === 'sealed').length
}

function provenAndOnce(t: Test, sent: Sending): void {
  const { world, to, body } = sent
  t.match(sent.outcome(), { recipients: to.length, stored: to.length, unproven: [] })
  world.runUntil('everyone has it', () => to.every((each) => world.got(each, body) > 0))
  world.network.runFor(60_000)
  for (const each of to) t.equal(world.got(each, body), 1, `${each.name} was handed it once`)
  t.equal(
    world.devices.reduce((sum, { repeated }) => sum + repeated, 0),
    0,
  )
}

for (const [name, conditions] of [
  ['calm', undefined],
  ['rough', rough],
] as const) {
  t.test(`without any failure, on a ${name} network, one request is enough`, (t) => {
    const sent = sending(conditions && { conditions })
    provenAndOnce(t, sent)
    const split = sent.world.proxies.flatMap(({ read }) => read.filter(({ field }) => field === 'oneTimeBase'))
    t.equal(split.length, 1)
    t.end()
  })
}

t.test('a first proxy that vanishes after it took a message', (t) => {
  const sent = sending()
  const { world } = sent
  const took = () => world.proxies.find(({ read }) => read.some(({ format }) => format === 'forward'))
  world.runUntil('it is taken', () => took() !== undefined)
  const first = took()
  if (first !== undefined) world.crash(first)
  provenAndOnce(t, sent)
  t.end()
})

t.test('a second proxy that vanishes half-way through a split', (t) => {
  const sent = sending({ devices: 8 })
  const { world } = sent
  world.runUntil('some copies arrive', () => copiesAtServer(sent) >= 3)
  const second = world.proxies.find(({ read }) => read.some(({ format }) => format === 'request body'))
  if (second !== undefined) world.crash(second)
  t.ok(copiesAtServer(sent) < 8, `${copiesAtServer(sent)} of 8 copies had left`)
  provenAndOnce(t, sent)
  t.end()
})

t.test('a second proxy that is restarted half-way, and remembers nothing but the request', (t) => {
  const sent = sending({ devices: 8 })
  const { world } = sent
  world.runUntil('some copies arrive', () => copiesAtServer(sent) >= 3)
  const second = world.proxies.find(({ read }) => read.some(({ format }) => format === 'request body'))
  if (second !== undefined) world.restart(second)
  provenAndOnce(t, sent)
  t.end()
})

t.test('a server that is killed between store and receipt', (t) => {
  const sent = sending()
  const { world, to } = sent
  const { node } = world.server
  const mails = () => [...node.store.keys()].filter((key) => key.startsWith('mail/')).length
  const { machine } = node
  const handle = machine.handle.bind(machine)
  let written = 0
  machine.handle = (now, input) => {
    if (input.type !== 'persisted' || mails() === 0) handle(now, input)
    else {
      written = mails()
      world.network.crash(node)
    }
  }
  world.runUntil('it is killed', () => !node.up)
  t.ok(written > 0, `${written} copies were on disk, and nobody had been told`)
  t.ok(to.every((each) => world.got(each, sent.body) === 0))
  world.network.runFor(5_000)
  world.network.restart(node)
  provenAndOnce(t, sent)
  t.equal(
    to.reduce((sum, each) => sum + each.node.dropped('MESSAGE_REPLAY'), 0),
    0,
    'nothing was stored twice',
  )
  t.end()
})

t.test('a server whose disk is full', (t) => {
  t.test('for a while', (t) => {
    const sent = sending()
    const { world } = sent
    world.server.node.diskFull = true
    world.runUntil('it has ended', () => !world.server.node.up)
    world.network.runFor(45_000)
    t.notOk(sent.from.answers.has(sent.reference), 'nothing is said to be stored')
    world.server.node.diskFull = false
    world.network.restart(world.server.node)
    provenAndOnce(t, sent)
    t.end()
  })

  t.test('for longer than all rounds take', (t) => {
    const sent = sending()
    const { world, from } = sent
    world.server.node.diskFull = true
    world.network.runFor(2 * ALL_ROUNDS_MS)
    t.notOk(from.answers.has(sent.reference), 'nothing is said to be stored, nor given up')
    t.match(from.node.machine.status(), { connected: false, unprovenMessages: 1 })
    world.server.node.diskFull = false
    world.network.restart(world.server.node)
    provenAndOnce(t, sent)
    t.end()
  })
  t.end()
})

t.test('a sender that is restarted at any moment', (t) => {
  for (const afterMs of [1, 20, 100, 1_000, 1_800]) {
    const sent = sending()
    const { world, from, to, body } = sent
    world.network.runFor(afterMs)
    world.restart(from)
    world.network.runFor(60_000)
    const status = from.node.machine.status()
    t.match(status, { outgoingMessages: 0, unprovenMessages: 0 })
    for (const each of to) t.ok(world.got(each, body) <= 1, 'never twice')
    // What was handed over and not yet written when the power went was never answered for.
    if (afterMs > world.network.storeMs)
      t.ok(
        to.every((each) => world.got(each, body) === 1),
        `after ${afterMs} ms`,
      )
  }
  t.end()
})

t.test('an inbox that was full while the device did not yet know that the server knows it', (t) => {
  const world = new World({ seed, devices: 2, deviceBounds: { inbox: { messages: 2, bytes: 100_000 } } })
  world.makeGroup(GROUP, 2)
  const [from, away] = world.devices as [DeviceActor, DeviceActor]
  world.network.runFor(5_000)
  world.crash(away)
  for (let i = 0; i < 4; i++) world.result(from, world.command(from, { type: 'send', group: GROUP, body: random(20) }))
  world.runUntil('all are stored', () => world.server.node.machine.status().storedCopies === 4)
  world.watchers.push((actor, output) => {
    if (actor !== away || output.type !== 'message') return
    world.network.at(world.now, () =>
      world.command(away, { type: 'acknowledge', sequences: [output.message.sequence] }),
    )
  })
  // The server gives the earlier link up. After the answer to the handshake, two packets say that the proof has arrived.
  world.network.runFor(120_000)
  let toDevice = 0
  world.network.cut = (node, to) => {
    const isAnswer = node === world.server.node && to === away.node && ++toDevice > 1
    return isAnswer && toDevice <= 3
  }
  world.network.restart(away.node)
  world.runUntil('some are refused', () => away.node.dropped('INBOX_FULL') > 0)
  t.notOk(away.node.machine.status().connected, 'by a device that does not count as connected yet')
  world.runUntil('it has them all', () => away.inbox.length === 4)
  t.equal(away.repeated, 0)
  t.end()
})

t.test('a device that was away for a day, with thousands of messages waiting', (t) => {
  // For 5,000, which take half a minute: `npm run sim -- --away 5000`.
  const MESSAGES = 2_000
  const { problems, mostUnconfirmed, handingOverMs } = awayForADay(seed, MESSAGES)
  t.comment(`${MESSAGES} messages in ${(handingOverMs / 1000).toFixed(1)} s of virtual time`)
  t.strictSame(problems, [])
  t.equal(mostUnconfirmed, limits.deliveriesInFlight, 'so many at a time, and never more, are in memory')
  t.end()
})
