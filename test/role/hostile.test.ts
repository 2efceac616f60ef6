/**
 * Peers that are what they say and mean harm: every kind of message with every sort of fields, from whoever may be at the
 * other end of a link. A role throws for nothing, keeps what it had, and goes on with its work. SEED repeats a run.
 */
import t from 'tap'
import { utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { type RandomBytes, randomBelow } from '../../src/base/random.js'
import type { SessionId } from '../../src/link/link.js'
import { type MessageKind, messageKinds, messages } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import type { Peer } from '../sim/peer.js'
import type { VirtualNetwork, VirtualNode } from '../sim/virtual-network.js'
import { bytesOf, sampleOf } from '../wire/values.js'
import { Lab, random } from './device-lab.js'
import { makeRequest, recipients, splitterKey, surroundings } from './proxy-fixture.js'
import { messageTo, World } from './server-fixture.js'

t.comment(`SEED=${seed}`)

const KINDS = Object.keys(messageKinds) as MessageKind[]
const PER_KIND = 25

/** Messages of every kind, their fields at and between their limits, some cut, some with a bit flipped. */
function hostileMessages(random: RandomBytes): Uint8Array[] {
  return KINDS.flatMap((kind) => Array.from({ length: PER_KIND }, (_, i) => spoilt(messageOf(kind, random), i, random)))
}

function messageOf(kind: MessageKind, random: RandomBytes): Uint8Array {
  const table = messages[kind]
  return Uint8Array.of(messageKinds[kind], ...bytesOf(table, sampleOf(table, random)))
}

function spoilt(message: Uint8Array, turn: number, random: RandomBytes): Uint8Array {
  if (turn % 5 === 3) return message.subarray(0, randomBelow(random, message.length))
  const at = randomBelow(random, message.length)
  return turn % 5 === 4 ? message.map((byte, i) => (i === at ? byte ^ (1 << (turn % 8)) : byte)) : message
}

/** Sends all of them on a session of `from`, a few at a time. */
function sendAll(
  network: VirtualNetwork,
  from: VirtualNode<Peer>,
  session: SessionId,
  all: readonly Uint8Array[],
): void {
  for (const [index, message] of all.entries()) {
    from.machine.endpoint.send(network.now, session, message)
    network.input(from, { type: 'timeout' })
    if (index % 10 === 0) network.runFor(20)
  }
  network.runFor(1_000)
}

function total(drops: ReadonlyMap<string, number>): number {
  return [...drops.values()].reduce((sum, count) => sum + count, 0)
}

t.test('a server, from a stranger, a device and a proxy', (t) => {
  const world = new World()
  const honest = world.device()
  const relay = world.listedProxy()
  const before = world.stored('')
  const sent = hostileMessages(random)
  // A proof that does not fit ends a link, as it should: here the others are looked at.
  const others = sent.filter(([kind]) => kind !== messageKinds.identityProof)
  const [stranger, device, proxy] = [world.node(), world.device(), world.proxy()]
  stranger.connect()
  for (const from of [stranger, device, proxy]) {
    const dropped = total(world.server.drops)
    sendAll(world.network, from.node, from.session as SessionId, others)
    t.ok(total(world.server.drops) - dropped > others.length / 2, 'most of it is of no use, and counted')
  }
  for (const proof of sent.filter(([kind]) => kind === messageKinds.identityProof)) {
    const liar = world.node()
    sendAll(world.network, liar.node, liar.connect(), [proof])
  }
  t.equal(world.server.machine.status().devicesKnown, 2, 'nobody was believed')
  t.equal(world.server.machine.status().proxies.length, 1)
  const stored = (prefix: string) => world.stored('').filter((key) => key.startsWith(prefix))
  t.strictSame(stored('mail/'), [])
  t.ok(
    before.every((key) => world.stored('').includes(key)),
    'nothing that was stored is gone',
  )
  const message = messageTo(relay, [honest.recipient])
  t.strictSame(relay.deliver(message.sealed), message.tokens('stored'))
  world.until(() => honest.points.length === 1, 'the delivery')
  t.end()
})

t.test('a proxy, from a stranger and from the server', (t) => {
  const around = surroundings()
  const { network, proxy } = around
  const dropped = total(proxy.drops)
  sendAll(network, around.source, around.connect(), hostileMessages(random))
  const atServer = around.server.machine.received[0]?.session as SessionId
  sendAll(network, around.server, atServer, hostileMessages(random))
  t.ok(total(proxy.drops) - dropped > KINDS.length * PER_KIND, 'most of it is of no use, and counted')
  const answers = around.source.machine.received.filter(({ message }) => message.kind !== 'receiptReply')
  t.strictSame(answers, [], 'and not answered, but with the random bytes that were asked for')
  t.match(proxy.machine.status(), { connected: true, listed: true, waitingCopies: 0, splitRequests: 0 })
  const { message } = makeRequest({
    splitterKey: splitterKey(around),
    serverKey: around.serverKey(),
    now: network.now,
    recipients: recipients(3),
  })
  around.toProxy(message)
  t.ok(network.runUntil(() => around.server.machine.of('copy').length === 3, 5_000))
  t.end()
})

t.test('a device, from the server and from proxies', async (t) => {
  const lab = new Lab()
  const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
  const group = lab.makeGroup('friends', anna, ben)
  const { network } = lab
  const stored = [...ben.node.store.keys()].filter((key) => key.startsWith('group/'))
  for (const message of hostileMessages(random)) lab.say(ben.id, message)
  network.runFor(5_000)
  // One number twice, numbers at the limit, a payload that never ends up anywhere, and the same one again.
  const payload = random(200)
  for (const number of [0, 1, 1, 2 ** 48 - 1]) {
    lab.say(ben.id, Uint8Array.of(messageKinds.delivery, ...bytesOf(messages.delivery, { number, payload })))
  }
  network.runFor(1_000)
  t.ok(ben.node.machine.status().unopened <= limits.unopenedMessages)
  t.strictSame(ben.group('friends').keys, group.keys)
  t.ok(stored.every((key) => ben.node.store.has(key)))
  t.strictSame(ben.texts(), [])
  for (const { node } of lab.proxies) {
    node.machine.onMessage = (now, { session }) => {
      for (const message of hostileMessages(random).slice(0, 200)) node.machine.endpoint.send(now, session, message)
    }
  }
  const reference = ben.order({ type: 'send', group: 'friends', body: utf8('through liars') })
  network.runFor(30_000)
  t.equal(ben.answerTo(reference)?.type, 'done', 'whoever took it has it, whatever it says')
  lab.deliver(ben.id, lab.forge(group, anna, { body: utf8('still here') }))
  network.runFor(1_000)
  t.strictSame(ben.texts(), ['still here'])
})
