/**
 * The central server among endpoints in the test's hand: whom it believes, what it hands out, what it stores, answers and
 * delivers, and what a restart leaves (PROTOCOL.md sections 4, 7 and 9). Virtual time; SEED repeats a run.
 */
import t from 'tap'
import { concat, fromHex, identityKey, type Point, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { slotWindow, startOfDay, startOfWindow, utcDay } from '../../src/base/time.js'
import { signProxyEntry } from '../../src/role/directory.js'
import { deviceRecord } from '../../src/role/server/records.js'
import { proxyEntry } from '../../src/wire/directory.js'
import { seed } from '../base/seeded.js'
import { rough } from '../sim/virtual-network.js'
import {
  type Client,
  crypto,
  makeMessage,
  messageTo,
  present,
  random,
  serverIdentity,
  World,
} from './server-fixture.js'

t.comment(`SEED=${seed}`)

const DECOY = new Uint8Array(10)
const MINUTE_MS = 60_000

/** A server with one listed proxy and one connected device. */
function network(options?: ConstructorParameters<typeof World>[0]) {
  const world = new World(options)
  const proxy = world.listedProxy()
  const device = world.device()
  return { world, proxy, device }
}

/** A copy with a good slot and a payload of any length, as only a proxy that breaks the rules makes it. */
function forgedCopy(reader: Client, recipient: Uint8Array, payloadBytes: number): Uint8Array {
  const { now } = reader.world.network
  const serverKey = present(reader.directory().serverSealingKeys.get(utcDay(now)))
  const anyPoint = crypto.publicPoint(crypto.reduce(random(64)))
  const { ephemeral, requestKey, slots } = present(
    crypto.makeSlots({
      splitterKey: anyPoint,
      groupKey: anyPoint,
      serverKey,
      window: slotWindow(now),
      copyBytes: 42 + payloadBytes,
      recipients: recipient,
      entropy: random(128),
    }),
  )
  const offset = crypto.publicPoint(crypto.reduce(crypto.chachaBlock(requestKey, 0, labels.slotOffset)))
  const half = present(crypto.addPoints(ephemeral, offset))
  const copy = concat(present(crypto.addPoints(half, half)), slots, random(payloadBytes))
  const context = { label: labels.copy, associated: new Uint8Array(0) }
  return present(crypto.seal(serverKey, context, copy, random(64)))
}

/** Confirms whatever comes, as a device does once it has written it. */
function confirming(device: Client): Client {
  device.peer.onMessage = (_now, { message }) => {
    if (message.kind === 'delivery') device.confirm([message.value.number])
  }
  return device
}

t.test('who is at a link', (t) => {
  t.test('a stranger gets nothing, and is sent away after a while', (t) => {
    const world = new World()
    const stranger = world.node()
    stranger.connect()
    const drops = world.drops(() => stranger.send('directoryRequest', { version: 0 }))
    t.same(drops, { ROLE_UNIDENTIFIED: 1 })
    t.same(stranger.peer.received, [])
    world.until(() => stranger.closedBy() !== undefined, 'the end', 20_000)
    t.equal(stranger.closedBy(), 'refused')
    t.end()
  })

  t.test('a device that proves itself is bound, on disk, and gets the directory it asks for', (t) => {
    const world = new World()
    const device = world.device()
    device.learn()
    t.same(world.server.machine.status().devicesConnected, 1)
    t.same(world.stored('device/'), [`device/${device.hex}`])
    t.equal(device.directory().version, world.server.machine.status().directoryVersion)
    world.network.runFor(20_000)
    t.equal(device.closedBy(), undefined, 'nobody takes it for a stranger later')
    t.end()
  })

  const wrong: Record<string, (client: Client, other: Client) => Parameters<Client['send']>[1]> = {
    "another handshake's": (client, other) => {
      other.connect()
      const handshakeHash = present(other.peer.endpoint.handshakeHash(present(other.session)))
      return client.proof('device', { handshakeHash })
    },
    "another role's": (client) => client.proof('device', { signedRole: 'proxy' }),
    "another identity's": (client, other) => ({ ...client.proof('device'), identityKey: other.identity.identityKey }),
    "another access code's": (client) => ({ ...client.proof('device'), accessCode: random(2) }),
    'with a key of small order': (client) => ({
      ...client.proof('device'),
      identityKey: identityKey(concat(Uint8Array.of(1), new Uint8Array(31))),
    }),
  }
  for (const [name, proof] of Object.entries(wrong)) {
    t.test(`refuses a proof: ${name}`, (t) => {
      const world = new World()
      const client = world.node()
      client.connect()
      const drops = world.drops(() => client.send('identityProof', proof(client, world.node()) as never))
      t.same(drops, { LINK_IDENTITY: 1 })
      t.equal(client.closedBy(), 'refused')
      t.equal(world.server.machine.status().devicesKnown, 0)
      t.end()
    })
  }

  t.test('an id stays with the first key that proved it', (t) => {
    const identity = crypto.identity(random(32))
    const squatter = deviceRecord.encode({
      identityKey: crypto.identity(random(32)).identityKey,
      accessCode: random(2),
    })
    const probe = new World().node(identity)
    const world = new World({ store: new Map([[`device/${probe.hex}`, squatter]]) })
    const client = world.node(identity)
    client.connect()
    t.same(
      world.drops(() => client.send('identityProof', client.proof('device'))),
      { IDENTITY_TAKEN: 1 },
    )
    t.equal(client.closedBy(), 'refused')
    t.same(world.server.notices, ['device refused'])
    t.end()
  })

  t.test('an identity is a device or a proxy, not both, and never the server', (t) => {
    const world = new World()
    const device = world.device()
    const proxyOfSameKey = world.node(device.identity, device.accessCode)
    proxyOfSameKey.connect()
    t.same(
      world.drops(() => proxyOfSameKey.send('identityProof', proxyOfSameKey.proof('proxy'))),
      { IDENTITY_TAKEN: 1 },
    )
    const server = world.node(serverIdentity)
    server.connect()
    t.same(
      world.drops(() => server.send('identityProof', server.proof('proxy'))),
      { IDENTITY_TAKEN: 1 },
    )
    t.end()
  })

  t.test('a newer session of an identity takes the place of the older', (t) => {
    const world = new World()
    const first = world.device()
    const second = world.device(first.identity, first.accessCode)
    world.network.runFor(100)
    t.equal(first.closedBy(), 'done')
    t.equal(second.closedBy(), undefined)
    t.equal(world.server.machine.status().devicesConnected, 1)
    t.end()
  })

  t.test('a session cannot become somebody else', (t) => {
    const world = new World()
    const device = world.device()
    const other = world.node()
    other.session = device.session
    const proof = other.proof('device', {
      handshakeHash: present(device.peer.endpoint.handshakeHash(present(device.session))),
    })
    t.same(
      world.drops(() => device.send('identityProof', proof)),
      { LINK_IDENTITY: 1 },
    )
    t.equal(device.closedBy(), 'refused')
    t.end()
  })

  t.test('takes devices up to the limit, and those it knows always', (t) => {
    const world = new World({ bounds: { devices: 2 } })
    const first = world.device()
    world.device()
    const third = world.node()
    third.connect()
    t.same(
      world.drops(() => third.send('identityProof', third.proof('device'))),
      { DEVICES_FULL: 1 },
    )
    first.leave('goodbye')
    first.enter('device')
    world.network.runFor(100)
    t.equal(first.closedBy(), 'goingAway')
    t.equal(world.server.machine.status().devicesKnown, 2)
    t.end()
  })

  t.test('takes from each role what is its own to say', (t) => {
    const { world, proxy, device } = network()
    t.same(
      world.drops(() => {
        device.submit(messageTo(proxy, [device.recipient]).sealed)
        device.announce()
        proxy.confirm([1])
        proxy.send('forward', { nextHop: device.id, extension: new Uint8Array(0), message: new Uint8Array(3) })
      }),
      { ROLE_UNEXPECTED: 4 },
    )
    t.equal(world.server.machine.status().storedCopies, 0)
    t.end()
  })

  t.end()
})

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

t.test('copies', (t) => {
  t.test('are stored, answered so that the sender can check it, and delivered', (t) => {
    const { world, proxy, device } = network()
    const other = world.device()
    const message = messageTo(proxy, [device.recipient, other.recipient])
    t.same(proxy.deliver(message.sealed), message.tokens('stored'))
    world.network.runFor(100)
    t.same([device.points, other.points].flat(), message.points)
    t.equal(world.stored('mail/').length, 2)
    t.equal(world.server.machine.status().acceptedCopies, 2)
    t.end()
  })

  t.test('are opened in batches, from several proxies at a time', (t) => {
    const { world, proxy, device } = network()
    const second = world.listedProxy()
    const message = messageTo(
      proxy,
      Array.from({ length: 150 }, () => device.recipient),
      20,
    )
    const half = message.sealed.slice(0, 75)
    const firstReferences = proxy.submit(half)
    const answered = second.deliver(message.sealed.slice(75))
    world.network.runFor(1_000)
    const tokens = [...firstReferences.map((reference) => proxy.token(reference)), ...answered]
    t.same(tokens, message.tokens('stored'))
    t.end()
  })

  t.test('for nobody known, with a wrong access code, and decoys: answered, and stored nowhere', (t) => {
    const { world, proxy, device } = network()
    const wrongCode = concat(
      device.id,
      Uint8Array.from(device.accessCode, (byte) => byte ^ 1),
    )
    const message = messageTo(proxy, [random(10), wrongCode, DECOY])
    let tokens: string[] = []
    const drops = world.drops(() => {
      tokens = proxy.deliver(message.sealed)
    })
    t.same(drops, { COPY_RECIPIENT: 1, ACCESS_CODE: 1, COPY_DECOY: 1 })
    const [refused, stored] = [message.tokens('refused'), message.tokens('stored')]
    t.same(tokens, [refused[0], refused[1], stored[2]])
    t.same(world.stored('mail/'), [])
    t.end()
  })

  t.test('that do not open are answered with random bytes', (t) => {
    const { world, proxy, device } = network()
    const sealed = present(messageTo(proxy, [device.recipient]).sealed[0])
    const flipped = sealed.map((byte, index) => (index === 60 ? byte ^ 1 : byte))
    const noPoint = sealed.map((byte, index) => (index < 32 ? 255 : byte))
    const junk = [flipped, noPoint, sealed.slice(0, 48), new Uint8Array(48)]
    const drops = world.drops(() => {
      const answers = proxy.deliver(junk)
      t.ok(answers.every((answer) => answer.length === 8))
    })
    t.same(drops, { COPY_OPEN: 4 })
    t.equal(world.stored('slot/').length, 0)
    t.end()
  })

  t.test('with a payload too short to be delivered are as good as closed, whoever they name', (t) => {
    const { world, proxy, device } = network()
    const drops = world.drops(() => {
      for (const payloadBytes of [0, 47]) proxy.deliver([forgedCopy(proxy, device.recipient, payloadBytes)])
    })
    t.same(drops, { COPY_OPEN: 2 })
    t.equal(world.stored('mail/').length, 0)
    proxy.deliver([forgedCopy(proxy, device.recipient, 48)])
    t.equal(device.numbers.length, 1, 'the shortest payload there is, is delivered')
    t.end()
  })

  t.test('made for a window neither current nor next to it find nobody', (t) => {
    const { world, proxy, device } = network()
    const serverKey = present(proxy.directory().serverSealingKeys.get(utcDay(world.network.now)))
    const window = slotWindow(world.network.now)
    const outcome = [-2, -1, 0, 1, 2].map((offset) => {
      const message = makeMessage({ recipients: [device.recipient], serverKey, window: window + offset })
      return proxy.deliver(message.sealed)[0] === message.tokens('stored')[0]
    })
    t.same(outcome, [false, true, true, true, false])
    t.end()
  })

  t.test('come again: the same answer, nothing stored, also after a restart', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient, DECOY, random(10)])
    const tokens = proxy.deliver(message.sealed)
    t.same(
      world.drops(() => t.same(proxy.deliver(message.sealed), tokens)),
      { COPY_REPLAY: 3 },
    )
    world.reboot()
    proxy.enter('proxy')
    t.same(
      world.drops(() => t.same(proxy.deliver(message.sealed), tokens)),
      { COPY_REPLAY: 3 },
    )
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('twice in one batch are stored once', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient])
    const [first, second] = proxy.deliver([...message.sealed, ...message.sealed])
    t.equal(first, second)
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('are remembered as long as they could be accepted, and no longer', (t) => {
    const { world, proxy, device } = network()
    const { network: net } = world
    const serverKey = present(proxy.directory().serverSealingKeys.get(utcDay(net.now)))
    const window = slotWindow(net.now)
    const ahead = makeMessage({ recipients: [device.recipient], serverKey, window: window + 1 })
    proxy.deliver(ahead.sealed)
    net.runFor(startOfWindow(window + 3) - 1_000 - net.now)
    t.same(
      world.drops(() => proxy.deliver(ahead.sealed), 0),
      { COPY_REPLAY: 1 },
      'in the last window that takes it',
    )
    net.runFor(2_000)
    t.same(world.stored('slot/'), [])
    t.same(
      world.drops(() => proxy.deliver(ahead.sealed), 0),
      { COPY_RECIPIENT: 1 },
    )
    t.end()
  })

  t.test('are forgotten after a restart, too', (t) => {
    const { world, proxy, device } = network()
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    t.equal(world.stored('slot/').length, 1)
    world.network.crash(world.server)
    world.network.runFor(startOfWindow(slotWindow(world.network.now) + 3) - world.network.now)
    world.network.restart(world.server)
    world.network.runFor(1_000)
    t.same(world.stored('slot/'), [])
    t.end()
  })

  t.test('past what is remembered of a window are refused', (t) => {
    const { world, proxy, device } = network({ bounds: { slotReplays: 2 } })
    const message = messageTo(proxy, [device.recipient, DECOY, device.recipient])
    const drops = world.drops(() => {
      const [first, , third] = proxy.deliver(message.sealed)
      t.equal(first, message.tokens('stored')[0])
      t.equal(third, message.tokens('refused')[2])
    })
    t.same(drops, { COPY_DECOY: 1, COPY_FULL: 1 })
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('past what can wait for the disk are put off', (t) => {
    const { world, proxy, device } = network({ bounds: { intakeCopies: 3 } })
    const message = messageTo(proxy, [device.recipient, device.recipient, device.recipient, device.recipient])
    world.network.storeMs = 5_000
    t.same(
      world.drops(() => proxy.submit(message.sealed)),
      { COPY_FULL: 1 },
    )
    t.equal(proxy.peer.of('busy').length, 1)
    world.network.runFor(10_000)
    t.equal(world.stored('mail/').length, 3)
    world.network.storeMs = 1
    t.same(proxy.deliver(message.sealed.slice(3)), message.tokens('stored').slice(3))
    t.end()
  })

  t.test('past what can wait to be opened are put off', (t) => {
    const { world, proxy, device } = network({ bounds: { intakeBytes: 1_000 } })
    const message = messageTo(
      proxy,
      [device.recipient, device.recipient],
      1_000 - forgedCopy(proxy, device.recipient, 49).length,
    )
    world.network.jobMs = () => 1e9
    t.same(
      world.drops(() => proxy.submit(message.sealed.slice(0, 1))),
      {},
      'at the bound',
    )
    t.same(
      world.drops(() => proxy.submit(message.sealed.slice(1))),
      { COPY_FULL: 1 },
    )
    t.equal(proxy.peer.of('busy').length, 1)
    t.end()
  })

  t.test('that come while others are opened go into one batch, and batches may overtake each other', (t) => {
    const { world, proxy, device } = network()
    const all = Array.from({ length: 2 * limits.openStepCopies + 3 }, () => device.recipient)
    const message = messageTo(proxy, all, 20)
    const batches: number[] = []
    world.network.jobMs = (job) => {
      if (job.type === 'openCopies') batches.push(job.lengths.length)
      return batches.length === 1 ? 300 : 100
    }
    const first = proxy.submit(message.sealed.slice(0, 1))
    world.network.runFor(20)
    const second = proxy.submit(message.sealed.slice(1, 2))
    world.network.runFor(20)
    const rest = proxy.submit(message.sealed.slice(2))
    world.network.runFor(180)
    t.same(batches, [1, 1, limits.openStepCopies], 'two are under way, the rest is gathered')
    t.equal(proxy.token(present(first[0])), undefined)
    t.equal(proxy.token(present(second[0])), message.tokens('stored')[1])
    world.network.runFor(1_000)
    t.same(batches.slice(3), [limits.openStepCopies, 1])
    t.same(
      [...first, ...second, ...rest].map((reference) => proxy.token(reference)),
      message.tokens('stored'),
    )
    t.end()
  })

  t.test('that come twice while they are opened are stored once, and answered alike', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient])
    let turn = 0
    world.network.jobMs = () => (turn++ === 0 ? 300 : 100)
    let references: number[] = []
    const drops = world.drops(() => {
      references = proxy.submit(message.sealed)
      world.network.runFor(20)
      references.push(...proxy.submit(message.sealed))
    })
    t.same(drops, { COPY_REPLAY: 1 })
    t.same(
      references.map((reference) => proxy.token(reference)),
      [...message.tokens('stored'), ...message.tokens('stored')],
    )
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('whose opening failed are offered again by who sent them', (t) => {
    const { world, proxy, device } = network({ bounds: { intakeCopies: 2 } })
    const { run } = world.network
    const message = messageTo(proxy, [device.recipient, device.recipient])
    world.network.run = () => ({ type: 'failed' })
    t.same(
      world.drops(() => proxy.submit(message.sealed)),
      { JOB_FAILED: 1 },
    )
    t.equal(proxy.peer.of('busy').length, 2)
    world.network.run = run
    t.same(proxy.deliver(message.sealed), message.tokens('stored'), 'they hold no room')
    t.end()
  })

  t.test('are not answered before they are durable; what a crash took is taken anew', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient])
    world.network.storeMs = 5_000
    const [reference] = proxy.submit(message.sealed)
    world.network.runFor(3_000)
    t.equal(proxy.token(present(reference)), undefined)
    t.same(device.points, [], 'nor delivered')
    world.network.crash(world.server)
    world.network.storeMs = 1
    world.network.restart(world.server)
    world.network.runFor(3_000)
    t.same(world.stored('mail/'), [])
    proxy.enter('proxy')
    t.same(proxy.deliver(message.sealed), message.tokens('stored'))
    t.end()
  })

  t.test('that waited are followed by word that nothing older waits, once on a link', (t) => {
    const { world, proxy, device } = network()
    t.equal(device.peer.of('mailboxEmpty').length, 1, 'at once where nothing does')
    world.network.crash(world.server)
    world.network.restart(world.server)
    proxy.enter('proxy')
    proxy.deliver(messageTo(proxy, [device.recipient, device.recipient]).sealed)
    device.enter('device')
    world.network.runFor(500)
    t.equal(device.peer.of('mailboxEmpty').length, 1, 'not while two wait')
    device.confirm(device.numbers.slice(0, 1))
    world.network.runFor(500)
    t.equal(device.peer.of('mailboxEmpty').length, 1, 'nor while one does')
    device.confirm(device.numbers.slice(1))
    world.network.runFor(500)
    t.equal(device.peer.of('mailboxEmpty').length, 2)
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    device.confirm(device.numbers.slice(2))
    world.network.runFor(500)
    t.equal(device.peer.of('mailboxEmpty').length, 2, 'and not again')
    t.end()
  })

  t.test('follow a changed access code', (t) => {
    const { world, proxy, device } = network()
    const old = messageTo(proxy, [device.recipient])
    device.accessCode = Uint8Array.from(device.accessCode, (byte) => byte ^ 255)
    device.send('identityProof', device.proof('device'))
    world.network.runFor(100)
    const fresh = messageTo(proxy, [device.recipient])
    t.same(proxy.deliver(old.sealed), old.tokens('refused'))
    t.same(proxy.deliver(fresh.sealed), fresh.tokens('stored'))
    device.send('identityProof', device.proof('device'))
    world.network.runFor(100)
    t.same(device.points, fresh.points, 'a proof repeated delivers nothing again')
    world.reboot()
    proxy.enter('proxy')
    const later = messageTo(proxy, [device.recipient])
    t.same(proxy.deliver(later.sealed), later.tokens('stored'), 'it is on disk')
    t.end()
  })

  t.test('sealed to the key of yesterday and of tomorrow open, and to no older one', (t) => {
    const { world, proxy, device } = network()
    const { network: net } = world
    const today = utcDay(net.now)
    const keys = new Map(proxy.directory().serverSealingKeys)
    const sealedTo = (day: number) => {
      const serverKey = present(keys.get(day))
      return makeMessage({ recipients: [device.recipient], serverKey, window: slotWindow(net.now) })
    }
    const early = sealedTo(today + 1)
    t.same(proxy.deliver(early.sealed), early.tokens('stored'), 'by a clock that is ahead')
    net.runFor(startOfDay(today + 1) - 1_000 - net.now)
    const onTheWay = sealedTo(today)
    net.runFor(3_000)
    const current = sealedTo(today + 1)
    const both = proxy.deliver([...onTheWay.sealed, ...current.sealed])
    t.same(both, [...onTheWay.tokens('stored'), ...current.tokens('stored')], 'at midnight, in one batch')
    for (const client of [proxy, device]) client.leave('goodbye')
    net.runFor(startOfDay(today + 2) + 1_000 - net.now)
    proxy.enter('proxy')
    t.same(
      world.drops(() => proxy.deliver(sealedTo(today).sealed), 0),
      { COPY_OPEN: 1 },
    )
    t.end()
  })

  t.test('show the server a recipient and what proxies cannot hide, and nothing of how they belong together', (t) => {
    const { world, proxy, device } = network()
    const other = world.device()
    world.read.length = 0
    const message = messageTo(proxy, [device.recipient, other.recipient])
    proxy.deliver(message.sealed)
    const of = (field: string) => world.read.filter(([format, name]) => format === 'copy opened' && name === field)
    t.same(
      of('recipient').map(([, , value]) => toHex(value)),
      [toHex(device.recipient), toHex(other.recipient)],
    )
    t.same(
      of('source').map(([, , value]) => toHex(value)),
      [proxy.hex, proxy.hex],
    )
    const [first, second] = ['ephemeral', 'payload'].map((field) => of(field).map(([, , value]) => toHex(value)))
    t.equal(new Set([...present(first), ...present(second)]).size, 4)
    t.end()
  })

  t.end()
})

t.test('mailboxes', (t) => {
  t.test('keep what comes for an absent device, in order, and hand it out on its return', (t) => {
    const { world, proxy, device } = network()
    device.leave('goodbye')
    const messages = [1, 2, 3].map(() => messageTo(proxy, [device.recipient]))
    for (const message of messages) t.same(proxy.deliver(message.sealed), message.tokens('stored'))
    world.reboot()
    device.enter('device')
    world.network.runFor(200)
    t.same(
      device.points,
      messages.flatMap(({ points }) => points),
    )
    t.end()
  })

  t.test('forget a copy once the device has confirmed it, and only then', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient, device.recipient])
    proxy.deliver(message.sealed)
    world.network.runFor(100)
    const [first, second] = device.numbers
    device.confirm([present(first), 99_999, 0])
    world.network.runFor(100)
    t.equal(world.stored('mail/').length, 1)
    t.equal(world.server.machine.status().deliveredCopies, 1)
    device.leave('silently')
    device.enter('device')
    world.network.runFor(200)
    t.same(device.numbers, [second], 'what was not confirmed comes again')
    device.confirm([present(second)])
    world.network.runFor(100)
    t.equal(world.server.machine.status().storedCopies, 0)
    t.same(world.stored('mail/'), [])
    t.end()
  })

  t.test('never use a number twice, so a late confirmation deletes nothing new', (t) => {
    const { world, proxy, device } = network()
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    world.network.runFor(100)
    const [old] = device.numbers
    device.confirm([present(old)])
    world.network.runFor(100)
    world.reboot()
    proxy.enter('proxy')
    device.enter('device')
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    world.network.runFor(100)
    device.confirm([present(old)])
    world.network.runFor(100)
    t.equal(world.stored('mail/').length, 1)
    t.ok(present(device.numbers[1]) > present(old))
    t.end()
  })

  t.test('lose and double nothing on a bad network', (t) => {
    const { world, proxy, device } = network()
    confirming(device)
    world.network.conditions = rough
    const message = messageTo(
      proxy,
      Array.from({ length: 40 }, () => device.recipient),
    )
    t.same(proxy.deliver(message.sealed), message.tokens('stored'))
    world.until(() => world.server.machine.status().storedCopies === 0, 'all confirmations', 60_000)
    world.network.runFor(100)
    t.same([...device.points].sort(), [...message.points].sort())
    t.same(world.stored('mail/'), [])
    t.end()
  })

  t.test('keep a copy that is confirmed before it was delivered', (t) => {
    const { world, proxy, device } = network()
    world.network.storeMs = 3_000
    const message = messageTo(proxy, [device.recipient])
    proxy.submit(message.sealed)
    world.network.runFor(1_000)
    device.confirm([2 ** 28])
    world.network.runFor(10_000)
    t.same(device.numbers, [2 ** 28], 'the number was guessed well')
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('of others cannot be emptied', (t) => {
    const { world, proxy, device } = network()
    const other = world.device()
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    world.network.runFor(100)
    other.confirm(device.numbers)
    world.network.runFor(100)
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('refuse at their quota and never evict', (t) => {
    const { world, proxy, device } = network({ bounds: { mailboxCopies: 16 } })
    device.leave('goodbye')
    const fill = (from: Client, count: number) => {
      const message = messageTo(
        proxy,
        Array.from({ length: count }, () => device.recipient),
      )
      const [stored, refused] = [message.tokens('stored'), message.tokens('refused')]
      return from
        .deliver(message.sealed)
        .map((token, i) => (token === stored[i] ? 'stored' : token === refused[i] ? 'refused' : 'neither'))
    }
    t.same(fill(proxy, 3), ['stored', 'stored', 'refused'], 'one proxy fills an eighth')
    for (let i = 0; i < 6; i++) fill(world.listedProxy(), 2)
    t.same(fill(world.listedProxy(), 2), ['stored', 'stored'], 'the sixteenth')
    const drops = world.drops(() => t.same(fill(world.listedProxy(), 1), ['refused'], 'the seventeenth'))
    t.same(drops, { MAILBOX_FULL: 1 })
    t.equal(world.stored('mail/').length, 16)
    confirming(device).enter('device')
    world.network.runFor(500)
    t.equal(world.stored('mail/').length, 0)
    t.same(fill(proxy, 2), ['stored', 'stored'], 'there is room again')
    t.end()
  })

  t.test('count bytes too, one by one and all together', (t) => {
    const payloadBytes = 49 + 100
    const own = network({ bounds: { mailboxBytes: 8 * payloadBytes } })
    const first = messageTo(own.proxy, [own.device.recipient, own.device.recipient])
    t.same(own.proxy.deliver(first.sealed), [first.tokens('stored')[0], first.tokens('refused')[1]])
    for (const bounds of [{ storedBytes: 2 * payloadBytes }, { storedCopies: 2 }]) {
      const { world, proxy, device } = network({ bounds })
      const message = messageTo(proxy, [device.recipient, world.device().recipient, world.device().recipient])
      const [stored, refused] = [message.tokens('stored'), message.tokens('refused')]
      t.same(proxy.deliver(message.sealed), [stored[0], stored[1], refused[2]], Object.keys(bounds).join())
    }
    t.end()
  })

  t.test('hold the most that is said, over a restart', (t) => {
    const { world, proxy, device } = network()
    const store = new Map(world.server.store)
    const record = concat(fromHex(world.network.now.toString(16).padStart(12, '0')), new Uint8Array(60))
    for (let i = 0; i < limits.mailboxCopies - 1; i++) {
      store.set(`mail/${device.hex}/${String(i).padStart(15, '0')}`, record)
    }
    const later = new World({ store })
    const next = later.proxy(proxy.identity)
    const message = messageTo(next, [device.recipient, device.recipient])
    t.same(next.deliver(message.sealed), [message.tokens('stored')[0], message.tokens('refused')[1]])
    t.equal(later.server.machine.status().storedCopies, limits.mailboxCopies)
    t.end()
  })

  t.test('forget what has waited too long', (t) => {
    const { world, proxy, device } = network()
    device.leave('goodbye')
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    proxy.leave('goodbye')
    world.network.runFor(limits.mailboxLifeMs - MINUTE_MS)
    t.equal(world.stored('mail/').length, 1)
    world.network.runFor(61 * MINUTE_MS)
    t.same(world.stored('mail/'), [])
    t.equal(world.server.machine.status().storedCopies, 0)
    t.end()
  })

  t.test('keep a number of deliveries under way, by count and by bytes', (t) => {
    for (const bounds of [{ deliveriesInFlight: 3 }, { deliveryInFlightBytes: 3 * (49 + 100) }]) {
      const { world, proxy, device } = network({ bounds })
      const message = messageTo(
        proxy,
        Array.from({ length: 5 }, () => device.recipient),
      )
      proxy.deliver(message.sealed)
      world.network.runFor(500)
      t.same(device.points, message.points.slice(0, 3), Object.keys(bounds).join())
      device.confirm(device.numbers.slice(0, 1))
      world.network.runFor(500)
      t.same(device.points, message.points.slice(0, 4))
      device.confirm(device.numbers)
      world.network.runFor(500)
      t.same(device.points, message.points)
    }
    t.end()
  })

  t.test('deliver one large copy where not even that fits, and from disk where memory is short', (t) => {
    const { world, proxy, device } = network({ bounds: { deliveryInFlightBytes: 10, deliveryCacheBytes: 200 } })
    const message = messageTo(proxy, [device.recipient, device.recipient, device.recipient])
    proxy.deliver(message.sealed)
    confirming(device)
    world.network.runFor(200)
    device.confirm(device.numbers)
    world.network.runFor(1_000)
    t.same(device.points, message.points)
    t.end()
  })

  t.test('go on past a copy that the disk has lost', (t) => {
    const { world, proxy, device } = network()
    device.leave('goodbye')
    const message = messageTo(proxy, [device.recipient, device.recipient])
    proxy.deliver(message.sealed)
    const [first] = world.stored('mail/').sort()
    world.server.store.delete(present(first))
    device.enter('device')
    world.network.runFor(200)
    t.same(device.points, message.points.slice(1))
    t.ok(world.server.notices.includes('copy missing on disk'))
    t.end()
  })

  t.test('wait for room on the link with copies of the largest size', (t) => {
    const { world, proxy, device } = network({ bounds: { deliveryInFlightBytes: 2 ** 30, mailboxBytes: 2 ** 30 } })
    const contentBytes = limits.messageBytes - 1024
    device.leave('goodbye')
    for (let i = 0; i < 9; i++) proxy.deliver(messageTo(proxy, [device.recipient], contentBytes).sealed)
    device.enter('device')
    world.until(() => device.numbers.length === 9, 'all of them', 60_000)
    // Large messages travel side by side, so they may arrive in any order.
    t.equal(new Set(device.numbers).size, 9, 'each once')
    t.end()
  })

  t.end()
})

t.test('stopping writes what was taken in and says goodbye', (t) => {
  const { world, proxy, device } = network()
  const message = messageTo(proxy, [device.recipient])
  proxy.submit(message.sealed)
  world.network.runUntil(() => false, world.network.conditions.delayMs)
  world.network.input(world.server, { type: 'stop' })
  world.network.runFor(500)
  t.equal(proxy.closedBy(), 'goingAway')
  t.equal(device.closedBy(), 'goingAway')
  t.equal(world.stored('mail/').length, 1)
  t.equal(world.server.machine.deadline(), undefined)
  t.equal(world.stored('proxy/').length, 1, 'proxies are expected back')

  const busy = network()
  busy.world.network.jobMs = () => 400
  busy.proxy.submit(messageTo(busy.proxy, [busy.device.recipient]).sealed)
  busy.world.network.runFor(100)
  busy.world.network.input(busy.world.server, { type: 'stop' })
  busy.world.network.runFor(500)
  t.equal(busy.world.stored('mail/').length, 1, 'also what was still being opened')
  t.end()
})

t.test('counts traffic by what is at the other end', (t) => {
  const { world, proxy, device } = network()
  proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
  world.network.runFor(100)
  const { links } = world.server.machine.status()
  t.ok(links.proxies.received.datagrams > 0 && links.devices.sent.datagrams > 0)
  t.same(links.others.sent.datagrams, 0)
  t.end()
})
