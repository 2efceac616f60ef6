/**
 * Ways of sending that hide more or cost less, in a whole network in virtual time: directly to one member, with decoy slots, and cover
 * traffic to nobody (PROTOCOL.md sections 5.1, 6.1 and 7.2). SEED repeats a run.
 */
import t from 'tap'
import { nodeId, utf8 } from '../../src/base/bytes.js'
import type { DeviceResult } from '../../src/role/device.js'
import { seed, seeded } from '../base/seeded.js'
import { type Actor, type DeviceActor, World } from './world.js'

t.comment(`SEED=${seed}`)
const random = seeded(seed + 99)
const GROUP = 'gardeners'
const MEAN_WAIT_MS = 20

function worldOf(members: number, settings: ConstructorParameters<typeof World>[0] | object = {}): World {
  const everyone = Array.from({ length: members }, (_, i) => i)
  const groups = [{ name: GROUP, members: everyone }]
  const proxySettings = { meanWaitMs: MEAN_WAIT_MS, extraHopBelow: 20 }
  const world = new World({ seed, devices: members, groups, proxySettings, padding: 'classes', ...settings })
  world.network.runFor(2_000)
  return world
}

function sent(result: DeviceResult) {
  if (result.type !== 'sent') throw new Error(`${result.type} for a message`)
  return result
}

const sum = <T>(actors: readonly T[], of: (actor: T) => number) => actors.reduce((total, each) => total + of(each), 0)
const splits = ({ proxies }: World) => sum(proxies, ({ node }) => node.machine.status().splitRequests)
const serverStatus = ({ server }: World) => server.node.machine.status()

t.test('directly to one member', (t) => {
  const world = worldOf(3)
  const [from, other, to] = world.devices as [DeviceActor, DeviceActor, DeviceActor]
  const order = { type: 'send', group: GROUP, until: 'over', direct: { to: to.self.id } } as const

  t.test('a message goes by one proxy, splits nowhere, reaches that member and is proven stored', (t) => {
    const before = { splits: splits(world), accepted: serverStatus(world).acceptedCopies }
    const body = utf8('only you')
    const { report, outcome } = sent(world.do(from, { ...order, body }))
    t.match(outcome, { recipients: 1, stored: 1, unproven: [] })
    t.match(report, { slots: 1, decoys: 0, datagrams: 1 })
    world.network.runFor(2_000)
    t.strictSame(
      world.devices.map((each) => world.got(each, body)),
      [0, 0, 1],
    )
    t.strictSame(to.inbox.at(-1)?.sender, from.self.id)
    t.equal(splits(world), before.splits)
    t.equal(serverStatus(world).acceptedCopies, before.accepted + 1, 'and no copy for the sender')
    t.equal(other.node.machine.status().unopened, 0)
    t.end()
  })

  t.test('its upload fills the datagrams that a request fills', (t) => {
    for (const bodyBytes of [10, 3_000, 100_000]) {
      const body = random(bodyBytes)
      const { report } = sent(world.do(from, { ...order, body, until: 'taken' }))
      const normal = sent(world.do(from, { type: 'send', group: GROUP, body }))
      const full = (cost: { uploadBytes: number; datagrams: number }) => cost.uploadBytes / cost.datagrams
      t.ok(full(report) > 1_190 && full(normal.report) > 1_190, `${full(report)} bytes a datagram`)
    }
    t.end()
  })

  t.test('to itself or to a stranger it is refused', (t) => {
    const refusal = (id: Uint8Array) => {
      const direct = { to: nodeId(id) }
      const answer = world.answer(from, world.command(from, { ...order, direct, body: utf8('x') }))
      return answer.type === 'failed' ? answer.code : 'none'
    }
    t.equal(refusal(from.self.id), 'MEMBER_SELF')
    t.equal(refusal(random(8)), 'MEMBER_UNKNOWN')
    t.end()
  })

  t.test('what a proxy loses goes again by another', (t) => {
    const slow = worldOf(3, { proxySettings: { meanWaitMs: 30_000 } })
    const [sender, , receiver] = slow.devices as [DeviceActor, DeviceActor, DeviceActor]
    const body = utf8('lost once')
    const reference = slow.command(sender, { ...order, direct: { to: receiver.self.id }, body })
    const holding = () => slow.proxies.filter(({ node }) => node.up && node.machine.status().waitingCopies > 0)
    slow.runUntil('a proxy has it', () => holding().length === 1)
    slow.crash(holding()[0] as Actor<never>)
    slow.runUntil('another has it', () => holding().length === 1, 60_000)
    slow.runUntil('it is over', () => sender.answers.has(reference), 400_000)
    t.match(sent(slow.result(sender, reference)).outcome, { recipients: 1, stored: 1 })
    t.equal(splits(slow), 0)
    t.equal(slow.got(receiver, body), 1)
    t.end()
  })
  t.end()
})

t.test('decoy slots round the number that a proxy counts, and no more than that', (t) => {
  for (const [members, slots] of [
    [2, 2],
    [3, 4],
    [5, 8],
  ] as const) {
    const world = worldOf(members)
    const decoys = world.server.node.dropped('COPY_DECOY')
    const accepted = serverStatus(world).acceptedCopies
    const body = utf8('hello')
    const order = { type: 'send', group: GROUP, body, until: 'over', decoys: 'power' } as const
    const { report, outcome } = sent(world.do(world.device(0), order))
    world.network.runFor(2_000)
    t.match(report, { slots, decoys: slots - members })
    t.match(outcome, { recipients: members - 1, stored: members - 1, unproven: [] })
    t.equal(world.server.node.dropped('COPY_DECOY'), decoys + slots - members)
    t.equal(serverStatus(world).acceptedCopies, accepted + members, 'those of decoys are stored nowhere')
    const counts = world.proxies.flatMap(({ read }) => read.filter(({ field }) => field === 'count'))
    t.equal(counts.length, 1)
  }
  t.end()
})

/** What the proxies read of messages, as the lengths of fields and what is a number in them, and the large datagrams of a device. */
function seen(world: World, uploads: Set<number>) {
  const fields = world.proxies.flatMap(({ read }) =>
    read.map(({ format, field, value }) => {
      const number = field === 'count' || field === 'personalPartBytes' || field === 'contentBytes'
      return `${format}.${field} ${number ? value.join(' ') : value.length}`
    }),
  )
  const ofMessages = fields.filter((each) => /^(forward|request|receipt|receipts)[ .]/.test(each))
  return { fields: [...new Set(ofMessages)].sort(), uploads: [...uploads].sort() }
}

t.test('cover traffic', (t) => {
  const members = 3
  const begin = (coverMeanMs: number) => {
    const uploads = new Set<number>()
    const world = worldOf(members, { deviceSettings: { coverMeanMs, decoys: 'power' } })
    const hosts = new Set(world.proxies.map(({ node }) => node.address.host))
    const own = world.device(0).node.address.host
    world.network.taps.push((from, to, bytes) => {
      if (from.host === own && hosts.has(to.host) && bytes.length > 300) uploads.add(bytes.length)
    })
    for (const { read } of world.proxies) read.length = 0
    return { world, uploads }
  }
  const coverOf = ({ node }: DeviceActor) => node.machine.status().cover ?? { made: 0, skipped: 0 }

  t.test('looks to both proxies and on the way to the first like messages do', (t) => {
    const real = begin(0)
    for (let i = 0; i < 12; i++) {
      const order = { type: 'send', group: GROUP, body: random(64), until: 'over' } as const
      sent(real.world.do(real.world.device(i % members), order))
    }
    t.equal(real.world.device(0).node.machine.status().cover, undefined)
    const dummy = begin(3_000)
    dummy.world.runUntil('some were made', () => sum(dummy.world.devices, (each) => coverOf(each).made) >= 12)
    dummy.world.network.runFor(4_000)
    t.strictSame(seen(dummy.world, dummy.uploads), seen(real.world, real.uploads))
    t.end()
  })

  t.test('ends at the server: decoys, and the copy that a sender always has', (t) => {
    const { world } = begin(3_000)
    const before = serverStatus(world).acceptedCopies
    world.network.runFor(60_000)
    const made = sum(world.devices, (each) => coverOf(each).made)
    // Three devices, one in three seconds each: five deviations of 60.
    t.ok(Math.abs(made - 60) < 39, `${made} made`)
    for (const { node } of world.devices) world.crash({ node } as DeviceActor)
    world.network.runFor(5_000)
    const decoys = world.server.node.dropped('COPY_DECOY')
    t.ok(decoys >= 3 * (made - 6) && decoys <= 3 * made, `${decoys} decoys of ${made} messages`)
    const stored = serverStatus(world).acceptedCopies - before
    t.ok(stored >= made - 6 && stored <= made, `${stored} own copies`)
    for (const { node, inbox } of world.devices) {
      t.equal(inbox.length, 0)
      t.match(node.machine.status(), { unopened: 0, outgoingMessages: 0, unprovenMessages: 0 })
      t.equal([...node.store.keys()].filter((key) => key.startsWith('sending/')).length, 0, 'nothing on disk')
    }
    t.end()
  })

  t.test('goes again where it is not proven, like anything else, and holds no more than a few', (t) => {
    const { world } = begin(1_000)
    const device = world.device(0)
    for (const { node } of world.proxies) world.network.crash(node)
    world.network.runFor(90_000)
    const { made, skipped } = coverOf(device)
    t.ok(made > 0 && skipped > 0, `${made} made, ${skipped} left out`)
    t.match(device.node.machine.status(), { outgoingMessages: 0, unprovenMessages: 0 })
    t.notOk(device.node.notices.some((event) => /could not be sent|not proven/.test(event)))
    t.end()
  })

  t.test('comes at exponential times', (t) => {
    const meanMs = 1_000
    const { world } = begin(meanMs)
    const device = world.device(0)
    const times: number[] = []
    for (let i = 0; i < 120; i++) {
      const { made, skipped } = coverOf(device)
      world.runUntil('the next', () => coverOf(device).made + coverOf(device).skipped > made + skipped)
      times.push(world.now)
    }
    const waits = times.slice(1).map((time, i) => time - (times[i] as number))
    waits.sort((a, b) => a - b)
    const apart = waits.map((wait, i) => Math.abs(1 - Math.exp(-wait / meanMs) - (i + 0.5) / waits.length))
    // Kolmogorov and Smirnov: 2 exp(-2 x²) is below one in a million.
    t.ok(Math.max(...apart) * Math.sqrt(waits.length) < 2.7)
    t.end()
  })
  t.end()
})
