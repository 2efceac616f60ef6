/**
 * The whole protocol in one process and in virtual time: real machines over a network that loses, delays, doubles and
 * reorders, and nodes that crash. SEED repeats a run.
 */
import t, { type Test } from 'tap'
import { equal, toHex, utf8 } from '../../src/base/bytes.js'
import { slotWindow, utcDay } from '../../src/base/time.js'
import type { SplitRequest } from '../../src/crypto/crypto.js'
import { newMessageId, sealContent } from '../../src/group/content.js'
import { assembleRequest } from '../../src/group/request.js'
import type { PeerAddress } from '../../src/link/link.js'
import { encodeMessage } from '../../src/wire/message.js'
import { seed, seeded } from '../base/seeded.js'
import { around, common, leaks, learnt, Observer, outerAddress, routes, truths, valuesOf } from './knowledge.js'
import type { Peer } from './peer.js'
import { calm, rough, text, type VirtualNode } from './virtual-network.js'
import { crypto, type DeviceActor, World } from './world.js'

t.comment(`SEED=${seed}`)
const random = seeded(seed + 77)
const GROUP = 'gardeners'

function body(words: string): Uint8Array {
  return utf8(`${words} ${toHex(random(8))}`)
}

/** Waits until all of `to` were handed the body, then longer, and checks that all had it once and from whom. */
function receivedOnce(t: Test, world: World, from: DeviceActor, to: readonly DeviceActor[], sent: Uint8Array) {
  world.runUntil('everyone has it', () => to.every((each) => world.got(each, sent) > 0))
  world.network.runFor(5_000)
  for (const each of to) {
    t.equal(world.got(each, sent), 1, `${each.name} was handed it once`)
    const message = each.inbox.find((message) => equal(message.body, sent))
    t.strictSame(message?.sender, from.self.id, `${each.name} knows who sent it`)
  }
  t.equal(world.got(from, sent), 0, 'the sender was not handed its own')
  t.equal(
    world.devices.reduce((sum, { repeated }) => sum + repeated, 0),
    0,
  )
}

for (const [name, conditions] of [
  ['on a calm network', calm],
  ['where 10 % is lost, some doubled and all out of order', rough],
] as const) {
  t.test(`eight members over four proxies, ${name}`, (t) => {
    const world = new World({ seed, conditions })
    world.makeGroup(GROUP, 8)
    t.ok(world.listsAgree(GROUP, 8), 'all joined at one time, and hold one list')
    for (const index of [0, 3, 7]) {
      const sender = world.device(index)
      const sent = body(`from ${index}`)
      world.send(sender, GROUP, sent)
      receivedOnce(
        t,
        world,
        sender,
        world.devices.filter((each) => each !== sender),
        sent,
      )
    }
    const large = random(100_000)
    world.send(world.device(1), GROUP, large)
    receivedOnce(
      t,
      world,
      world.device(1),
      world.devices.filter((each) => each !== world.device(1)),
      large,
    )
    t.strictSame(
      world.proxies.flatMap(({ node }) => node.machine.status().waitingCopies),
      [0, 0, 0, 0],
      'nothing is left',
    )
    t.end()
  })
}

t.test('members invited by different members at the same time come to one list', (t) => {
  const world = new World({ seed, conditions: rough })
  world.makeGroup(GROUP, 3)
  const passphrase = utf8('eight words would be better than these')
  const invite = (by: number, whom: number) =>
    [
      world.device(by),
      world.command(world.device(by), {
        type: 'invite',
        group: GROUP,
        address: world.device(whom).address,
        passphrase,
      }),
    ] as const
  for (const [by, reference] of [invite(0, 3), invite(1, 4), invite(1, 5), invite(2, 6), invite(2, 7)])
    world.result(by, reference)
  const newcomers = world.devices.slice(3)
  world.runUntil('invitations arrive', () => newcomers.every(({ node }) => node.machine.status().unopened > 0))
  const joins = newcomers.map((each) => [each, world.command(each, { type: 'join', passphrase, name: GROUP })] as const)
  for (const [each, reference] of joins) world.result(each, reference)
  world.runUntil('one list', () => world.listsAgree(GROUP, 8))
  const sent = body('to all eight')
  world.send(world.device(7), GROUP, sent)
  receivedOnce(t, world, world.device(7), world.devices.slice(0, 7), sent)
  t.end()
})

t.test('a wrong passphrase opens nothing and costs nothing', (t) => {
  const world = new World({ seed, devices: 2 })
  const [inviter, invited] = [world.device(0), world.device(1)]
  world.do(inviter, { type: 'createGroup', name: GROUP })
  const passphrase = utf8('correct horse battery staple')
  world.do(inviter, { type: 'invite', group: GROUP, address: invited.address, passphrase })
  world.runUntil('it arrives', () => invited.node.machine.status().unopened === 1)
  const wrong = world.command(invited, { type: 'join', passphrase: utf8('correct horse battery stable') })
  t.match(world.answer(invited, wrong), { type: 'failed', code: 'PASSPHRASE_WRONG' })
  t.match(world.do(invited, { type: 'join', passphrase }), { type: 'joined', groups: [{ memberCount: 2 }] })
  t.end()
})

t.test('nodes that are away:', (t) => {
  t.test('a member that was away gets what was sent when it is back', (t) => {
    const world = new World({ seed, devices: 4 })
    world.makeGroup(GROUP, 4)
    const away = world.device(2)
    world.crash(away)
    const sent = body('while you were out')
    world.send(world.device(0), GROUP, sent)
    world.network.runFor(120_000)
    t.equal(world.got(world.device(1), sent), 1)
    world.network.restart(away.node)
    receivedOnce(t, world, world.device(0), world.devices.slice(1), sent)
    t.end()
  })

  t.test('each node may be restarted between two messages', (t) => {
    const world = new World({ seed, devices: 4, proxies: 3 })
    world.makeGroup(GROUP, 4)
    const others = world.devices.slice(1)
    for (const actor of [world.server, ...world.proxies, world.device(0), world.device(1)]) {
      world.restart(actor)
      const connected = () => [...world.devices, ...world.proxies].every(({ node }) => node.machine.status().connected)
      world.runUntil('all are connected', connected)
      const sent = body(`after ${actor.name}`)
      world.send(world.device(0), GROUP, sent)
      receivedOnce(t, world, world.device(0), others, sent)
    }
    t.end()
  })

  for (const afterMs of [10, 60, 120, 250]) {
    t.test(`the server may crash ${afterMs} ms after a message has left`, (t) => {
      const world = new World({ seed, devices: 4 })
      world.makeGroup(GROUP, 4)
      const sent = body('into the dark')
      world.send(world.device(0), GROUP, sent)
      world.network.runFor(afterMs)
      world.restart(world.server, 20_000)
      receivedOnce(t, world, world.device(0), world.devices.slice(1), sent)
      t.end()
    })

    t.test(`a member may crash ${afterMs} ms after a message has left`, (t) => {
      const world = new World({ seed, devices: 4 })
      world.makeGroup(GROUP, 4)
      const sent = body('into the dark')
      world.send(world.device(0), GROUP, sent)
      world.network.runFor(afterMs)
      world.restart(world.device(3), 20_000)
      receivedOnce(t, world, world.device(0), world.devices.slice(1), sent)
      t.end()
    })
  }

  t.test('a thousand devices are all back soon after the server is', (t) => {
    const devices = 1_000
    const world = new World({
      seed,
      devices,
      proxies: 2,
      keepsReads: false,
      groups: [{ name: GROUP, members: [0, 999] }],
    })
    world.restart(world.server, 120_000)
    const restartedAt = world.now
    const { machine } = world.server.node
    world.runUntil('all are connected', () => machine.status().devicesConnected === devices, 60_000)
    t.comment(`all back after ${((world.now - restartedAt) / 1_000).toFixed(1)} s of virtual time`)
    const sent = body('are you all there')
    world.send(world.device(0), GROUP, sent)
    receivedOnce(t, world, world.device(0), [world.device(999)], sent)
    t.end()
  })

  t.test('a member whose NAT gave it another port is found again', (t) => {
    const world = new World({ seed, devices: 3 })
    world.makeGroup(GROUP, 3)
    world.network.rebind(world.device(2).node)
    const sent = body('where are you now')
    world.send(world.device(0), GROUP, sent)
    receivedOnce(t, world, world.device(0), world.devices.slice(1), sent)
    t.end()
  })
  t.end()
})

/** A request, or a finished copy, as the sender makes them, in the hands of a stranger's socket. */
function prepared(world: World, from: DeviceActor, to: readonly DeviceActor[], words: Uint8Array) {
  const directory = world.proxies[0]?.node.machine.status().directory
  const day = utcDay(world.now)
  const splitter = world.proxies[1]
  const splitterKey = directory?.proxies.get(toHex(splitter?.self.id ?? new Uint8Array(8)))?.sealingKeys.get(day)
  const serverKey = directory?.serverSealingKeys.get(day)
  if (splitter === undefined || splitterKey === undefined || serverKey === undefined) throw new Error('a directory')
  const { id, keys } = world.group(from, GROUP)
  const content = sealContent(crypto, random, {
    identity: from.self.identity,
    sender: from.self.id,
    signedFor: { type: 'group', id, keys },
    messageId: newMessageId(random, world.now),
    kind: 'application',
    body: words,
    paddingBytes: 0,
  })
  const assembled = assembleRequest(crypto, random, {
    splitterKey,
    serverKey,
    groupKey: keys.publicPoint,
    window: slotWindow(world.now),
    recipients: to.map((each) => ({ id: each.self.id, accessCode: each.address.accessCode })),
    self: to[0]?.self.id ?? from.self.id,
    content,
    mode: 'none',
  })
  if (assembled === undefined) throw new Error('keys that decode')
  return { splitter, message: assembled.message, request: assembled.receipts.request }
}

function copiesOf(request: SplitRequest, count: number): Uint8Array[] {
  const split = crypto.prepareSplit(request, random(32))
  if (split === undefined) throw new Error('a request that splits')
  const all = split.split(0, count)
  return Array.from({ length: count }, (_, i) => all.slice(i * split.sealedCopyBytes, (i + 1) * split.sealedCopyBytes))
}

/** Hands proxy 0 a forward, on a link of its own. */
function forwardBy(
  world: World,
  peer: VirtualNode<Peer>,
  nextHop: Parameters<typeof encodeMessage<'forward'>>[1]['nextHop'],
  message: Uint8Array,
) {
  const first = world.proxies[0]
  const linkKey = first && crypto.linkPublicKey(first.self.identity.identityKey)
  if (first === undefined || linkKey === undefined) throw new Error('a first proxy')
  const { endpoint } = peer.machine
  const session = endpoint.connect(world.now, linkKey, first.node.address)
  endpoint.send(world.now, session, encodeMessage('forward', { nextHop, extension: new Uint8Array(0), message }))
  world.network.input(peer, { type: 'timeout' })
  world.network.runFor(3_000)
}

t.test(
  'one recipient without a second proxy: the sender makes the copy itself, the first proxy hands it to the server',
  (t) => {
    const world = new World({ seed, devices: 2 })
    world.makeGroup(GROUP, 2)
    const [from, to] = [world.device(0), world.device(1)]
    const sent = body('straight')
    const [sealed] = copiesOf(prepared(world, from, [to], sent).request, 1)
    const copy = encodeMessage('copy', {
      reference: 1,
      extension: new Uint8Array(0),
      sealed: sealed ?? new Uint8Array(0),
    })
    forwardBy(world, world.addPeer('203.0.113.200'), world.server.self.id, copy)
    receivedOnce(t, world, from, [to], sent)
    t.end()
  },
)

t.test('nothing that is sent twice has an effect twice:', (t) => {
  t.test('datagrams', (t) => {
    const world = new World({ seed, devices: 4 })
    const recorded: [PeerAddress, PeerAddress, Uint8Array][] = []
    world.network.taps.push((from, to, bytes) => recorded.push([from, to, bytes.slice()]))
    world.makeGroup(GROUP, 4)
    const sent = body('once only')
    world.send(world.device(0), GROUP, sent)
    receivedOnce(t, world, world.device(0), world.devices.slice(1), sent)
    const inboxes = world.devices.map(({ inbox }) => inbox.length)
    const accepted = world.server.node.machine.status().acceptedCopies
    for (const [from, to, bytes] of recorded.slice()) world.network.inject(from, to, bytes)
    world.network.runFor(30_000)
    t.ok(recorded.length > 100)
    t.strictSame(
      world.devices.map(({ inbox }) => inbox.length),
      inboxes,
    )
    t.equal(world.server.node.machine.status().acceptedCopies, accepted)
    const codes = new Set(world.network.nodes.flatMap(({ drops }) => [...drops.keys()]))
    codes.delete('MESSAGE_OWN_COPY')
    t.ok(codes.has('LINK_REPLAY'))
    t.strictSame(
      [...codes].filter((code) => !code.startsWith('LINK_')),
      [],
    )
    t.end()
  })

  t.test('a request, through two first links', (t) => {
    const world = new World({ seed, devices: 3 })
    world.makeGroup(GROUP, 3)
    const sent = body('again')
    const { splitter, message } = prepared(world, world.device(0), world.devices, sent)
    for (const host of ['203.0.113.201', '203.0.113.202'])
      forwardBy(world, world.addPeer(host), splitter.self.id, message)
    for (const device of world.devices.slice(1)) t.equal(world.got(device, sent), 1)
    t.equal(splitter.node.dropped('REQUEST_REPLAY'), 1)
    t.end()
  })

  t.test('a copy', (t) => {
    const world = new World({ seed, devices: 2 })
    world.makeGroup(GROUP, 2)
    const sent = body('again')
    const [sealed] = copiesOf(prepared(world, world.device(0), [world.device(1)], sent).request, 1)
    const copy = encodeMessage('copy', {
      reference: 1,
      extension: new Uint8Array(0),
      sealed: sealed ?? new Uint8Array(0),
    })
    for (const host of ['203.0.113.201', '203.0.113.202']) {
      forwardBy(world, world.addPeer(host), world.server.self.id, copy)
    }
    t.equal(world.got(world.device(1), sent), 1)
    t.equal(world.server.node.dropped('COPY_REPLAY'), 1)
    t.equal(world.device(1).node.dropped('MESSAGE_REPLAY'), 0, 'it was stored once')
    t.end()
  })

  t.test('a message in another request', (t) => {
    const world = new World({ seed, devices: 2 })
    world.makeGroup(GROUP, 2)
    const sent = body('again')
    const { request } = prepared(world, world.device(0), [world.device(1)], sent)
    // The same content under fresh slots, which is what a sender that was not sure would send.
    for (const host of ['203.0.113.201', '203.0.113.202']) {
      const again = assembleRequest(crypto, random, {
        splitterKey: request.serverKey,
        serverKey: request.serverKey,
        groupKey: world.group(world.device(0), GROUP).keys.publicPoint,
        window: slotWindow(world.now),
        recipients: [{ id: world.device(1).self.id, accessCode: world.device(1).address.accessCode }],
        self: world.device(1).self.id,
        content: request.content,
        mode: 'none',
      })
      const [sealed] = again === undefined ? [] : copiesOf(again.receipts.request, 1)
      const copy = { reference: 1, extension: new Uint8Array(0), sealed: sealed ?? new Uint8Array(0) }
      forwardBy(world, world.addPeer(host), world.server.self.id, encodeMessage('copy', copy))
    }
    t.equal(world.got(world.device(1), sent), 1)
    t.equal(world.device(1).node.dropped('MESSAGE_REPLAY'), 1)
    t.end()
  })
  t.end()
})

t.test('who learns what (R19)', (t) => {
  const world = new World({ seed, devices: 6 })
  world.makeGroup(GROUP, 6)
  const bodies = [body('the secret of the first'), body('the secret of the second')]
  for (const [index, each] of bodies.entries()) {
    world.send(world.device(index), GROUP, each)
    world.runUntil('all have it', () => world.devices.every((to, i) => i === index || world.got(to, each) === 1))
  }
  const known = truths(world, GROUP, bodies)

  t.test('nobody reads anything outside its row', (t) => {
    t.strictSame(leaks(world, known), [])
    t.end()
  })

  t.test('and what each has to read, it reads: the observers live', (t) => {
    const byProxies = learnt(
      world.proxies.flatMap(({ read }) => read),
      known,
    )
    t.ok(byProxies.has('forward link.source: address'))
    t.ok(byProxies.has('forward.nextHop: proxy id'))
    t.ok(byProxies.has('request link.source: proxy address'))
    const byServer = learnt(world.server.read, known)
    t.ok(byServer.has('copy opened.recipient: id'))
    t.ok(byServer.has('copy opened.source: proxy id'))
    const byTargets = learnt(
      world.devices.flatMap(({ read }) => read),
      known,
    )
    for (const truth of ['groupId: group id', 'sender: id', 'messageId: message id', 'body: body']) {
      t.ok(byTargets.has(`message opened.${truth}`), truth)
    }
    const counts = world.proxies.flatMap(({ read }) => valuesOf(read, 'request body', 'count').map(toHex))
    t.ok(counts.includes('0006'), 'the splitter knows the number of copies')
    t.end()
  })

  t.test('a leak anywhere would be found', (t) => {
    const sender = world.device(0)
    const secrets = world.group(sender, GROUP)
    const source = utf8(outerAddress(sender))
    const planted: [string, { format: string; field: string; value: Uint8Array }[], string, string, Uint8Array][] = [
      ['P1 learns who sends', world.proxies[0]?.read ?? [], 'forward', 'message', sender.self.id],
      ['P1 learns a recipient', world.proxies[1]?.read ?? [], 'forward', 'nextHop', world.device(1).self.id],
      ['P1 reads inside the request', world.proxies[1]?.read ?? [], 'forward', 'message', bodies[0] ?? source],
      ['P2 learns where it comes from', world.proxies[2]?.read ?? [], 'request link', 'source', source],
      ['P2 learns the group key', world.proxies[2]?.read ?? [], 'request body', 'oneTimeKey', secrets.keys.publicPoint],
      ['P2 learns a recipient', world.proxies[3]?.read ?? [], 'request body', 'slots', world.device(4).self.id],
      ['CS learns the group', world.server.read, 'copy opened', 'payload', secrets.id],
      ['CS learns who sends', world.server.read, 'copy', 'sealed', sender.self.id],
      ['CS learns the content', world.server.read, 'copy opened', 'payload', bodies[1] ?? source],
      ['a proxy reads something else', world.proxies[0]?.read ?? [], 'delivery', 'payload', random(9)],
      ['T learns where a sender is', world.device(2).read, 'delivery', 'payload', source],
    ]
    for (const [name, read, format, field, secret] of planted) {
      read.push({ format, field, value: around(secret) })
      t.equal(leaks(world, known).length, 1, name)
      read.pop()
    }
    t.strictSame(leaks(world, known), [])
    t.end()
  })

  /** Once the last copies of earlier messages have gone their way. */
  function forgetWhatWasRead(): void {
    world.network.runFor(5_000)
    for (const { read } of [world.server, ...world.proxies]) read.length = 0
  }

  t.test('the copies of one message have nothing in common at the server', (t) => {
    forgetWhatWasRead()
    world.send(world.device(0), GROUP, body('to be split'))
    world.network.runFor(5_000)
    const sealed = valuesOf(world.server.read, 'copy', 'sealed')
    const opened = ['ephemeral', 'payload'].map((field) => valuesOf(world.server.read, 'copy opened', field))
    t.equal(sealed.length, 6)
    for (const values of [sealed, ...opened]) {
      t.equal(new Set(values.map(({ length }) => length)).size, 1, 'all are of one length')
      t.strictSame(common(values), [])
    }
    const references = valuesOf(world.server.read, 'copy', 'reference').map(toHex)
    t.equal(new Set(references).size, 6)
    t.strictSame(common([...sealed, sealed[0] ?? random(9)]).length > 0, true, 'something in common would be found')
    t.end()
  })

  t.test('two messages of one group and sender have nothing in common at a splitter', (t) => {
    forgetWhatWasRead()
    for (let i = 0; i < 6; i++) world.send(world.device(0), GROUP, body('one of many'))
    world.network.runFor(5_000)
    for (const field of ['oneTimeBase', 'oneTimeKey', 'slots', 'content']) {
      const values = world.proxies.flatMap(({ read }) => valuesOf(read, 'request body', field))
      t.equal(values.length, 6)
      t.strictSame(common(values), [], field)
    }
    t.end()
  })
  t.end()
})

t.test('an observer of all links of a proxy sees no byte string twice (R20)', (t) => {
  const world = new World({ seed, devices: 6 })
  const observers = world.proxies.map(({ node }) => new Observer(node.address))
  for (const { tap } of observers) world.network.taps.push(tap)
  world.makeGroup(GROUP, 6)
  for (let i = 0; i < 4; i++) world.send(world.device(i), GROUP, body('seen from outside'))
  world.send(world.device(0), GROUP, random(5_000))
  world.network.runFor(10_000)
  for (const { repeats } of observers) t.strictSame(repeats, [])
  const proxy = world.proxies[0]?.node.address as PeerAddress
  const planted = random(40)
  const elsewhere = { host: '192.0.2.99', port: 1 }
  observers[0]?.tap(elsewhere, proxy, planted)
  observers[0]?.tap(proxy, { ...elsewhere, port: 2 }, around(planted.subarray(20, 28)))
  t.match(observers[0]?.repeats, [`${text(elsewhere)} to ${text(proxy)}, then ${text(proxy)} to 192.0.2.99:2`])
  t.end()
})

t.test('the choice of proxies', (t) => {
  t.test('first and second are in different networks, and neither is beside the sender', (t) => {
    const hosts = ['198.51.1.1', '198.51.2.2', '198.52.1.1', '198.52.2.2', '198.53.1.1']
    const world = new World({ seed, devices: 2, proxyHosts: hosts, ownProxy: 4 })
    world.makeGroup(GROUP, 2)
    for (let i = 0; i < 30; i++) world.send(world.device(i % 2), GROUP, body('by chance'))
    world.network.runFor(5_000)
    const network = new Map(
      world.proxies.map(({ name, node }) => [name, node.address.host.split('.').slice(0, 2).join('.')]),
    )
    const taken = routes(world)
    t.ok(taken.length >= 30)
    for (const { first, second } of taken) {
      t.not(network.get(first), network.get(second), `${first} and ${second}`)
      t.notOk([first, second].includes('proxy 4'))
    }
    // Each device keeps to three first proxies, and both may have drawn the same.
    t.equal(new Set(taken.flatMap(({ first, second }) => [first, second])).size, 4, 'all others are used')
    t.end()
  })

  t.test('too few proxies are an error that says so', (t) => {
    for (const hosts of [[], ['198.51.1.1'], ['198.51.1.1', '198.52.1.1']]) {
      const world = new World({ seed, devices: 2, proxyHosts: hosts, ...(hosts.length === 2 && { ownProxy: 1 }) })
      const [inviter, invited] = [world.device(0), world.device(1)]
      world.do(inviter, { type: 'createGroup', name: GROUP })
      const passphrase = utf8('correct horse battery staple')
      const reference = world.command(inviter, { type: 'invite', group: GROUP, address: invited.address, passphrase })
      t.match(world.answer(inviter, reference), { type: 'failed', code: 'PROXIES_TOO_FEW', message: /start more/ })
    }
    t.end()
  })
  t.end()
})

t.test('one seed is one run', (t) => {
  const trace = () => {
    const world = new World({ seed, devices: 3, conditions: rough })
    const seen: string[] = []
    world.network.taps.push((from, to, bytes) => seen.push(`${text(from)} ${text(to)} ${toHex(bytes)}`))
    world.makeGroup(GROUP, 3)
    return toHex(crypto.hash(utf8(seen.join('\n'))))
  }
  t.equal(trace(), trace())
  t.end()
})
