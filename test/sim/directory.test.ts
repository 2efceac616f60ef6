/**
 * The directory in whole networks: proxies that are listed once others reach them and dropped when nobody does, and
 * the change of sealing keys at the end of a day (PROTOCOL.md sections 9.3, 9.4 and 9.8). Virtual time; SEED repeats a run.
 */
import t from 'tap'
import { toHex, utf8 } from '../../src/base/bytes.js'
import { startOfDay, utcDay } from '../../src/base/time.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { createProxy } from '../../src/role/proxy/proxy.js'
import { seed, seeded } from '../base/seeded.js'
import { SERVER_ADDRESS } from './actors.js'
import { START } from './virtual-network.js'
import { crypto, World } from './world.js'

t.comment(`SEED=${seed}`)

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** A node that serves as a proxy where others reach it, in the open or behind a NAT. */
function automatic(world: World, host: string, natHost?: string) {
  const random = seeded(seed + 77 + world.network.nodes.length)
  const identity = crypto.identity(random(32))
  const self = { identity, id: nodeIdOf(crypto, identity.identityKey) }
  const options = {
    ...{
      crypto,
      random,
      self,
      server: { identityKey: world.server.self.identity.identityKey, addresses: [SERVER_ADDRESS] },
      advertised: { port: 7001 },
    },
    ...{ meanWaitMs: 50, extraHopBelow: 0 },
  }
  const name = `automatic ${host}`
  const make = () => createProxy(options)
  return world.network.add({ name, address: { host, port: 7001 }, make, ...(natHost !== undefined && { natHost }) })
}

t.test('a node in the open becomes a proxy on its own, one behind a NAT does not', (t) => {
  const world = new World({ seed, proxies: 4, devices: 1 })
  const { network } = world
  const open = automatic(world, '100.64.0.1')
  const hidden = automatic(world, '10.0.0.3', '100.65.0.1')
  network.runFor(20_000)
  t.match(open.machine.status(), {
    connected: true,
    listed: false,
    standing: { state: 'candidate', reason: 'reached' },
  })
  network.runFor(2 * MINUTE_MS)
  const { standing, listed } = open.machine.status()
  t.ok(listed)
  t.match(standing, { state: 'listed', reason: 'reached', reached: 3, unreached: 0 })
  t.strictSame(standing?.address?.host, '100.64.0.1')
  t.match(hidden.machine.status(), {
    listed: false,
    standing: { state: 'candidate', reason: 'unreached', reached: 0, unreached: 3 },
  })
  const entry = world.device(0).node.machine.status().directory?.proxies.get(toHex(open.machine.status().id))
  t.strictSame(entry?.addresses, [{ host: '100.64.0.1', port: 7001 }])

  // Its port is closed to others from now on; its link to CS goes on.
  network.cut = (_from, to) => to === open && _from !== world.server.node
  network.runFor(25 * MINUTE_MS)
  t.ok(open.machine.status().listed, 'a while is nothing')
  network.runFor(HOUR_MS)
  t.match(open.machine.status(), {
    connected: true,
    listed: false,
    standing: { state: 'demoted', reason: 'unreached' },
  })
  network.cut = () => false
  network.runFor(2.5 * HOUR_MS)
  t.ok(open.machine.status().listed, 'and comes back')
  t.notOk(hidden.machine.status().listed)
  t.end()
})

t.test('in a network of too few proxies only those are listed that somebody vouches for', (t) => {
  const world = new World({ seed, proxies: 2, devices: 0 })
  const open = automatic(world, '100.64.0.1')
  world.network.runFor(10 * MINUTE_MS)
  t.equal(world.server.node.machine.status().proxies.length, 2)
  t.match(open.machine.status(), { listed: false, standing: { state: 'candidate', reason: 'tooFew' } })
  t.end()
})

t.test('no message is lost when the keys change, whatever the clocks say, and the old keys go', (t) => {
  const midnight = startOfDay(utcDay(START) + 1)
  const skewsMs = new Map(
    Object.entries({
      ...{ 'proxy 0': 4, 'proxy 1': -4, 'proxy 2': 2, 'proxy 3': -2, server: 1 },
      ...{ 'device 0': 4, 'device 1': -4, 'device 2': -3, 'device 3': 3 },
    }).map(([name, minutes]) => [name, minutes * MINUTE_MS] as const),
  )
  const world = new World({ seed, proxies: 4, devices: 4, skewsMs, start: midnight - 90 * MINUTE_MS })
  const { network } = world
  world.makeGroup('friends', 4)
  const bodies: Uint8Array[] = []
  const restarts = [
    [midnight - 2 * MINUTE_MS, 0],
    [midnight + 1 * MINUTE_MS, 1],
    [midnight + 58 * MINUTE_MS, 2],
    [midnight + 63 * MINUTE_MS, 3],
  ] as const
  for (const [at, index] of restarts) {
    const proxy = world.proxies[index]
    if (proxy === undefined) throw new Error(`no proxy ${index}`)
    network.at(at, () => world.crash(proxy))
    network.at(at + 1_000, () => network.restart(proxy.node))
  }
  for (let i = 0; network.now < midnight + 90 * MINUTE_MS; i++) {
    const body = utf8(`message ${i}`)
    bodies.push(body)
    world.send(world.device(i % 4), 'friends', body)
    network.runFor(4 * MINUTE_MS)
  }
  network.runFor(15 * MINUTE_MS)
  t.ok(bodies.length > 30)
  for (const [i, body] of bodies.entries()) {
    const got = world.devices.map((device) => world.got(device, body))
    t.strictSame(
      got,
      [0, 1, 2, 3].map((each) => (each === i % 4 ? 0 : 1)),
      `message ${i}`,
    )
  }
  const days = (store: ReadonlyMap<string, Uint8Array>) =>
    [...store.keys()].filter((key) => key.startsWith('sealing/')).map((key) => Number(key.slice('sealing/'.length)))
  network.runFor(midnight + 26.5 * HOUR_MS - network.now)
  const today = utcDay(network.now)
  for (const { node, name } of [world.server, ...world.proxies]) {
    t.strictSame(days(node.store).sort(), [today - 1, today, today + 1], name)
  }
  t.end()
})
