/**
 * Which proxies the central server lists, and the directory that it signs and hands out (PROTOCOL.md section 4). Among
 * endpoints in the test's hand, in virtual time; SEED repeats a run.
 */
import t from 'tap'
import { type Point, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { startOfDay, utcDay } from '../../src/base/time.js'
import { signProxyEntry } from '../../src/role/directory.js'
import { proxyEntry } from '../../src/wire/directory.js'
import { seed } from '../base/seeded.js'
import { crypto, network, present, random, World } from './server-fixture.js'

t.comment(`SEED=${seed}`)

const MINUTE_MS = 60_000

t.comment(`SEED=${seed}`)

t.test('proxies', (t) => {
  t.test('a proxy that announces itself stands in everybody’s next directory', (t) => {
    const world = new World()
    const device = world.device()
    device.learn()
    t.equal(device.directory().proxies.size, 0)
    const proxy = world.listedProxy()
    world.network.runFor(200)
    t.same([...device.directory().proxies.keys()], [proxy.hex])
    t.same(device.directory().proxies.get(proxy.hex)?.addresses, [proxy.node.address])
    t.end()
  })

  t.test('only admitted ones', (t) => {
    const identity = crypto.identity(random(32))
    const id = new World().node(identity).hex
    const world = new World({ admitted: new Set([id]) })
    world.listedProxy(identity)
    const other = world.node()
    other.connect()
    t.same(
      world.drops(() => other.send('identityProof', other.proof('proxy'))),
      { PROXY_NOT_ADMITTED: 1 },
    )
    t.equal(other.closedBy(), 'refused')
    t.same(world.server.notices, ['proxy refused'])
    t.end()
  })

  t.test('an announcement must be signed by its proxy, for today, and newer', (t) => {
    const { world, proxy } = network()
    const { now } = world.network
    const another = crypto.identity(random(32))
    const entry = proxy.entry()
    const addresses = [{ ...present(entry.addresses[0]), port: 1 }]
    const [today, tomorrow] = entry.sealingKeys
    const undecodable = signProxyEntry(crypto, proxy.identity, {
      issuedAt: now,
      sealingKeys: [{ day: utcDay(now), key: new Uint8Array(32).fill(255) as Point }],
      addresses: [proxy.node.address],
    })
    const entries = {
      "another proxy's": proxy.entry({ identity: another }),
      altered: { ...entry, addresses },
      'without a key of today': proxy.entry({ now: now + 2 * 24 * 60 * MINUTE_MS }),
      'dated ahead': proxy.entry({ now: now + limits.clockSkewMs + MINUTE_MS }),
      'older than the one listed': proxy.entry({ now: now - MINUTE_MS }),
      'with a key that does not decode': undecodable,
      'with two keys of a day': { ...entry, sealingKeys: [present(today), { ...present(tomorrow), day: utcDay(now) }] },
    }
    for (const [name, each] of Object.entries(entries)) {
      t.same(
        world.drops(() => proxy.announce(each)),
        { PROXY_ENTRY: 1 },
        name,
      )
    }
    t.end()
  })

  t.test('lists up to the limit', (t) => {
    const world = new World({ bounds: { proxies: 1 } })
    const first = world.listedProxy()
    const second = world.proxy()
    t.same(
      world.drops(() => second.announce()),
      { DIRECTORY_FULL: 1 },
    )
    t.same(
      world.drops(() => first.announce()),
      {},
      'who is listed may announce anew',
    )
    const entryBytes = proxyEntry.encode(first.entry()).length
    const exact = new World({ bounds: { directoryEntriesBytes: 2 * entryBytes } })
    exact.listedProxy()
    exact.listedProxy()
    const third = exact.proxy()
    t.same(
      exact.drops(() => third.announce()),
      { DIRECTORY_FULL: 1 },
    )
    t.equal(third.directory().proxies.size, 2)
    t.end()
  })

  t.test('stays listed for a while without its link, and goes at once when it says so', (t) => {
    const { world, device } = network()
    device.learn()
    const second = world.listedProxy()
    second.leave('goodbye')
    world.network.runFor(2_000)
    t.equal(device.directory().proxies.has(second.hex), false)
    t.equal(device.directory().proxies.size, 1)
    for (const proxy of world.network.nodes) if (proxy.name === 'node 1') world.network.crash(proxy)
    world.network.runFor(limits.sessionIdleMs + 20_000)
    t.equal(device.directory().proxies.size, 1, 'in its grace')
    world.network.runFor(30_000)
    t.equal(device.directory().proxies.size, 0)
    t.same(world.stored('proxy/'), [])
    t.end()
  })

  t.test('comes through a restart of the server, for as long as it may take to notice', (t) => {
    const { world, proxy } = network()
    world.reboot()
    const device = world.device()
    device.learn()
    t.same([...device.directory().proxies.keys()], [proxy.hex])
    world.network.runFor(limits.sessionIdleMs + 31_000)
    t.equal(device.directory().proxies.size, 0)
    t.end()
  })

  t.test('that comes back in time stays', (t) => {
    const { world, proxy } = network()
    world.reboot()
    world.network.runFor(20_000)
    proxy.enter('proxy')
    proxy.announce()
    world.network.runFor(20_000)
    t.ok(proxy.directory().proxies.has(proxy.hex))
    t.end()
  })

  t.test('is not listed after a restart that no longer admits it', (t) => {
    const before = network()
    const world = new World({ admitted: new Set(), store: before.world.server.store })
    const device = world.device()
    device.learn()
    t.equal(device.directory().proxies.size, 0)
    t.same(world.stored('proxy/'), [])
    t.end()
  })

  t.end()
})

t.test('the directory', (t) => {
  t.test('comes in versions that only rise, are on disk first, and survive a clock set back', (t) => {
    const { world, device } = network()
    device.learn()
    const first = device.directory().version
    const stored = present(world.server.store.get('directory/version'))
    t.equal(Number.parseInt(toHex(stored), 16), first)
    world.network.now -= 2 * limits.clockSkewMs
    world.reboot()
    device.enter('device')
    device.learn(first)
    world.network.runFor(100)
    t.ok(device.directory().version > first)
    t.ok(device.directory().issuedAt <= world.network.now)
    t.end()
  })

  t.test('is dated anew when the clock is set back while it runs', (t) => {
    const { world, device } = network()
    device.learn()
    const { version } = device.directory()
    world.network.now -= 2 * limits.clockSkewMs
    device.leave('silently')
    device.enter('device')
    world.network.runFor(1_000)
    device.learn()
    t.ok(device.directory().version > version)
    t.end()
  })

  t.test('is not handed out before its version is durable', (t) => {
    const { world, device } = network()
    world.network.crash(world.server)
    world.network.storeMs = 3_000
    world.network.restart(world.server)
    device.enter('device')
    device.send('directoryRequest', { version: 0 })
    world.network.runFor(1_000)
    t.same(device.peer.of('directoryReply'), [])
    world.network.runFor(3_000)
    t.equal(device.directories, 1, 'it comes as soon as it is')
    t.end()
  })

  t.test('is not sent again to who holds it', (t) => {
    const { world, device } = network()
    device.learn()
    const held = device.directories
    device.send('directoryRequest', { version: device.directory().version })
    world.network.runFor(1_000)
    t.equal(device.directories, held)
    device.send('directoryRequest', { version: device.directory().version + 1 })
    world.network.runFor(1_000)
    t.equal(device.directories, held + 1, 'who holds a version of another store learns of it')
    t.end()
  })

  t.test('goes out again only once the one before has arrived', (t) => {
    const { world, device } = network()
    device.learn()
    world.network.runFor(1_000)
    const held = device.directories
    world.network.conditions = { ...world.network.conditions, delayMs: 1_500 }
    const drops = world.drops(() => {
      for (let i = 0; i < 3; i++) {
        device.send('directoryRequest', { version: 0 })
        world.network.runFor(600)
      }
    }, 3_000)
    t.same(drops, { DIRECTORY_AGAIN: 2 })
    t.equal(device.directories, held + 1)
    world.network.runFor(10_000)
    device.send('directoryRequest', { version: 0 })
    world.network.runFor(10_000)
    t.equal(device.directories, held + 2)
    t.end()
  })

  t.test('is answered with once in a while, however often it is asked for', (t) => {
    const { world, device } = network()
    device.learn()
    world.network.runFor(1_000)
    const held = device.directories
    const drops = world.drops(() => {
      for (let i = 0; i < 50; i++) device.send('directoryRequest', { version: 0 })
    }, 400)
    t.same(drops, { DIRECTORY_AGAIN: 49 })
    t.equal(device.directories, held + 1)
    world.network.runFor(500)
    device.send('directoryRequest', { version: 0 })
    world.network.runFor(500)
    t.equal(device.directories, held + 2)
    t.end()
  })

  t.test('gathers changes', (t) => {
    const world = new World()
    const device = world.device()
    device.learn()
    const proxies = [1, 2, 3, 4].map(() => world.proxy())
    const before = device.directories
    for (const proxy of proxies) proxy.announce()
    world.network.runFor(2_000)
    t.equal(device.directory().proxies.size, 4)
    t.equal(device.directories, before + 1)
    t.end()
  })

  t.test('is no way for one proxy to have the server send to all without end', (t) => {
    const { world, proxy, device } = network()
    device.learn()
    world.network.runFor(60_000)
    const before = device.directories
    for (let i = 0; i < 100; i++) {
      proxy.announce(proxy.entry({ port: 7001 + (i % 2) }))
      world.network.runFor(600)
    }
    const sent = device.directories - before
    t.ok(sent >= 8 + 10 && sent <= 8 + 60 / 5 + 1, `${sent} directories in a minute`)
    world.network.runFor(6_000)
    t.equal(device.directory().proxies.get(proxy.hex)?.sealingKeys.size, 2, 'the last change comes out all the same')
    t.end()
  })

  t.test('comes as the difference to who holds an earlier one, by itself and when asked', (t) => {
    const { world, device } = network()
    device.learn()
    const { version } = device.directory()
    const whole = () => device.peer.of('directoryReply').length
    const before = whole()
    const second = world.listedProxy()
    world.network.runFor(1_000)
    t.equal(whole(), before)
    const [delta] = device.peer.of('directoryDelta').slice(-1)
    t.match(delta, { fromVersion: version, added: [{ identityKey: second.identity.identityKey }], removed: [] })
    t.equal(device.directory().proxies.size, 2)
    second.leave('goodbye')
    world.network.runFor(1_000)
    t.match(device.peer.of('directoryDelta').at(-1), { added: [], removed: [{ id: second.id }] })
    device.send('directoryRequest', { version })
    world.network.runFor(1_000)
    t.match(device.peer.of('directoryDelta').at(-1), { fromVersion: version, added: [], removed: [{ id: second.id }] })
    t.equal(whole(), before)
    device.send('directoryRequest', { version: version - 1_000_000 })
    world.network.runFor(1_000)
    t.equal(whole(), before + 1, 'who holds one that nobody remembers gets the whole')
    t.end()
  })

  t.test('comes as the difference after a restart, too, where nothing else happened', (t) => {
    const { world, proxy, device } = network()
    device.learn()
    world.network.runFor(1_000)
    const { version } = device.directory()
    world.reboot()
    device.enter('device')
    device.send('directoryRequest', { version })
    world.network.runFor(500)
    t.match(device.peer.of('directoryDelta').at(-1), { fromVersion: version, added: [], removed: [] })
    t.same([...device.directory().proxies.keys()], [proxy.hex])
    t.end()
  })

  t.test('of a slow reader does not pile up', (t) => {
    const { world, device } = network()
    device.learn()
    world.network.runFor(1_000)
    const before = device.directories
    device.node.up = false
    for (let i = 0; i < 5; i++) {
      world.listedProxy()
      world.network.runFor(1_000)
    }
    device.node.up = true
    world.network.runFor(10_000)
    t.equal(device.directory().proxies.size, 6)
    t.equal(device.directories, before + 2, 'the first of them, and what came since')
    t.end()
  })

  t.test('waits for renewed entries, which nobody needs yet, until there are several', (t) => {
    const { world, proxy, device } = network()
    device.learn()
    world.network.runFor(1_000)
    const before = device.directories
    world.network.runFor(1_000)
    proxy.announce()
    world.network.runFor(20_000)
    t.equal(device.directories, before)
    world.network.runFor(12_000)
    t.equal(device.directories, before + 1)
    t.end()
  })

  t.test('is signed anew before half its life is over, and names the keys of a new day after its first hour', (t) => {
    const { world, proxy, device } = network()
    device.learn()
    const { issuedAt } = device.directory()
    const tomorrow = utcDay(issuedAt) + 1
    const keyOfTomorrow = device.directory().serverSealingKeys.get(tomorrow)
    world.network.runFor(limits.directoryLifeMs / 2 + 1_000)
    t.ok(device.directory().issuedAt > issuedAt)
    world.network.runFor(startOfDay(tomorrow) + limits.clockSkewMs + 1_000 - world.network.now)
    const days = device.directory().serverSealingKeys
    t.same([...days.keys()], [tomorrow, tomorrow + 1])
    t.same(days.get(tomorrow), keyOfTomorrow, 'as published the day before')
    device.leave('goodbye')
    proxy.leave('goodbye')
    world.network.runFor(limits.directoryLifeMs * 2)
    const today = utcDay(world.network.now)
    t.same(
      world.stored('sealing/').sort(),
      [today - 1, today, today + 1].map((day) => `sealing/${day}`),
      'keys of yesterday, today and tomorrow',
    )
    t.end()
  })

  t.end()
})
