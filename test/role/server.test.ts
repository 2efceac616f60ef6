/**
 * Who is at a link to the central server: what each may say and gets, and what stopping leaves (PROTOCOL.md sections 4
 * and 9). Among endpoints in the test's hand, in virtual time; SEED repeats a run.
 */
import t from 'tap'
import { concat, identityKey } from '../../src/base/bytes.js'
import { deviceRecord } from '../../src/role/server/records.js'
import { seed } from '../base/seeded.js'
import { type Client, crypto, messageTo, network, present, random, serverIdentity, World } from './server-fixture.js'

t.comment(`SEED=${seed}`)

t.comment(`SEED=${seed}`)

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
