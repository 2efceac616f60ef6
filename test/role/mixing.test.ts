/**
 * Mixing at a proxy: random waits, the order in which copies leave, the extra hop P3 while there is little traffic, and what a
 * proxy does as somebody's P3 (PROTOCOL.md sections 5 and 5.1). Statistics fail for no reason once in a million runs; SEED repeats one.
 */
import t from 'tap'
import { fromBigEndian, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { receiptBytes } from '../../src/group/sizes.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkEndpoint } from '../../src/link/link.js'
import { COPY_HEAD_BYTES, Copies } from '../../src/role/proxy/copies.js'
import { LinkRates } from '../../src/role/proxy/link-rates.js'
import { OwnTraffic } from '../../src/role/proxy/own-traffic.js'
import { Passing } from '../../src/role/proxy/passing.js'
import { Tickets } from '../../src/role/proxy/tickets.js'
import { datagramsOf } from '../../src/wire/datagram-room.js'
import { encodeMessage, type MessageOf, parseMessage } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import { START } from '../sim/virtual-network.js'
import {
  addresses,
  crypto,
  forward,
  makeRequest,
  newIdentity,
  noExtension,
  type OtherProxy,
  random,
  recipients,
  type Surroundings,
  splitterKey,
  surroundings,
} from './proxy-fixture.js'

t.comment(`SEED=${seed}`)

type Copy = MessageOf<'copy'>['value']

function copyMessage(reference: number, bytes = 300): { readonly message: Uint8Array; readonly sealed: Uint8Array } {
  const sealed = random(bytes)
  return { message: encodeMessage('copy', { reference, extension: noExtension, sealed }), sealed }
}

/** Sends from the source on a session of its own. */
function send(around: Surroundings, message: Uint8Array) {
  const session = around.connect()
  around.source.machine.endpoint.send(around.network.now, session, message)
  around.network.input(around.source, { type: 'timeout' })
  return session
}

function proxiesOf(around: Surroundings): Pick<OtherProxy, 'host' | 'node'>[] {
  return [...around.others, { host: addresses.next.host, node: around.next }]
}

function request(around: Surroundings, count: number, contentBytes = 30): Uint8Array {
  return makeRequest({
    splitterKey: splitterKey(around),
    serverKey: around.serverKey(),
    now: around.network.now,
    recipients: recipients(count),
    content: random(contentBytes),
  }).message
}

/** Has each of the other proxies do a P3's work at once, where they do it at all, and notes what it was given. */
function actAsExtraHops(around: Surroundings, passes = true) {
  const given: { readonly host: string; readonly copy: Copy; readonly nextHop: string }[] = []
  for (const proxy of proxiesOf(around)) {
    proxy.node.machine.onMessage = (now, { session, message }) => {
      if (message.kind !== 'forward') throw new Error(`${message.kind} for a P3`)
      const inner = parseMessage(message.value.message)
      if (!inner.ok || inner.value.kind !== 'copy') throw new Error('a forward of a copy')
      given.push({ host: proxy.host, copy: inner.value.value, nextHop: toHex(message.value.nextHop) })
      if (!passes) return
      const answers = [{ reference: inner.value.value.reference, token: random(4) }]
      proxy.node.machine.endpoint.send(now, session, encodeMessage('copyAnswers', { answers }))
    }
  }
  return given
}

/** Kolmogorov and Smirnov's greatest distance from the exponential distribution, in units of 1/sqrt(n). */
function distance(waits: readonly number[], meanMs: number): number {
  const sorted = [...waits].sort((a, b) => a - b)
  const apart = sorted.map((wait, i) => {
    const expected = 1 - Math.exp(-wait / meanMs)
    return Math.max(Math.abs(expected - i / sorted.length), Math.abs(expected - (i + 1) / sorted.length))
  })
  return Math.max(...apart) * Math.sqrt(sorted.length)
}

/** 2 exp(-2 x²) is below one in a million from here on. */
const DISTANCE_ALLOWED = 2.7

t.test('the sums that the statistics below rest on tell a wrong distribution', (t) => {
  const draws = Array.from({ length: 4000 }, () => fromBigEndian(random(4)) / 2 ** 32)
  const exponential = draws.map((uniform) => -Math.log(1 - uniform))
  t.ok(distance(exponential, 1) < DISTANCE_ALLOWED)
  t.ok(distance(exponential, 1.3) > DISTANCE_ALLOWED, 'another mean')
  t.ok(
    distance(
      draws.map((uniform) => 2 * uniform),
      1,
    ) > DISTANCE_ALLOWED,
    'uniform',
  )
  t.end()
})

/** Copies over an endpoint that takes all of them at once, and the number of each in the order in which they left. */
function bench(meanWaitMs: number) {
  const own = createEndpoint({ linkSecret: newIdentity().linkSecret }, crypto, random)
  const left: { readonly name: number; readonly at: number }[] = []
  const sendOut: LinkEndpoint['send'] = (now, _, message) =>
    left.push({ name: message[COPY_HEAD_BYTES] as number, at: now })
  const room = () => Number.POSITIVE_INFINITY
  const endpoint = Object.create(own, { send: { value: sendOut }, sendRoomBytes: { value: room } }) as LinkEndpoint
  const copies = new Copies({ random, endpoint, meanWaitMs })
  const session = own.connect(START, crypto.x25519Public(random(32)), addresses.server)
  const add = (now: number, name: number, count: number) => {
    t.ok(copies.reserve(count, 1))
    const spaced = new Uint8Array(count * (COPY_HEAD_BYTES + 1)).fill(name)
    copies.add(now, spaced, 1, () => undefined)
  }
  return { copies, session, add, left }
}

t.test('each copy waits an exponential time of its own', (t) => {
  const { copies, session, add, left } = bench(50)
  add(START, 1, 3_000)
  for (let due = copies.deadline(session); due !== undefined && left.length < 3_000; due = copies.deadline(session)) {
    copies.send(due, session)
  }
  const waits = left.map(({ at }) => at - START)
  t.equal(waits.length, 3_000)
  t.ok(Math.max(...waits) <= 500, 'ten means at most')
  const apart = distance(waits, 50)
  t.ok(apart < DISTANCE_ALLOWED, `distance ${apart}`)
  t.end()
})

t.test('what leaves at one moment leaves in random order, the copies of all messages among each other', (t) => {
  const { copies, session, add, left } = bench(5)
  const count = 400
  add(START, 1, count)
  add(START + 1_000, 2, count)
  // Nothing could leave in between: all are due, those of the first message for long.
  copies.send(START + 2_000, session)
  t.equal(left.length, 2 * count)
  const ranks = left.flatMap(({ name }, rank) => (name === 1 ? [rank + 1] : []))
  const sum = ranks.reduce((total, rank) => total + rank, 0)
  const mean = (count * (2 * count + 1)) / 2
  const deviation = Math.sqrt((count * count * (2 * count + 1)) / 12)
  t.ok(Math.abs(sum - mean) < 5 * deviation, `${(sum - mean) / deviation} deviations`)
  t.end()
})

t.test('traffic is low or not for a whole minute, judged by the one before it', (t) => {
  const rate = 20
  const periodMs = limits.trafficPeriodMs
  const judged = (copiesPerSecond: number): boolean => {
    const traffic = new OwnTraffic(random, rate)
    t.ok(traffic.isLow(START), 'nothing is known yet')
    traffic.count(START, (copiesPerSecond * periodMs) / 1_000)
    t.ok(traffic.isLow(START + periodMs - 1), 'not before the minute is over')
    const low = traffic.isLow(START + periodMs)
    t.equal(traffic.copiesPerSecond, copiesPerSecond)
    traffic.count(START + periodMs, 1_000_000)
    t.equal(traffic.isLow(START + 2 * periodMs - 1), low)
    t.equal(traffic.isLow(START + 4 * periodMs), true, 'a minute without any')
    return low
  }
  t.equal(judged(9), true)
  t.equal(judged(31), false)
  // At the rate itself either, with even chances: 400 times, five deviations.
  const low = Array.from({ length: 400 }, () => judged(rate)).filter(Boolean).length
  t.ok(Math.abs(low - 200) < 50, `${low} of 400`)
  const never = new OwnTraffic(random, 0)
  t.notOk(never.isLow(START))
  t.notOk(never.isLow(START + 5 * periodMs))
  t.end()
})

t.test('with little traffic', (t) => {
  // The proxy under test is in 198.51, the source in 10.1, `next` in 203.0.
  const far = ['100.64.0.1', '100.65.0.1', '100.66.0.1', '100.67.0.1']
  const near = '198.51.7.7'

  t.test('each copy goes by a proxy in another network than this one, drawn evenly, and not by P1', (t) => {
    const around = surroundings({ extraHopBelow: 20, others: [...far, near, addresses.source.host], meanWaitMs: 5 })
    const given = actAsExtraHops(around)
    const total = 1_000
    for (let sent = 0; sent < total; sent += 250) {
      around.toProxy(request(around, 250))
      around.network.runFor(400)
    }
    around.network.runFor(3_000)
    t.equal(given.length, total)
    t.equal(around.server.machine.of('copy').length, 0, 'nothing directly')
    const server = toHex(nodeIdOf(crypto, around.identities.server.identityKey))
    t.ok(given.every(({ nextHop }) => nextHop === server))
    t.notOk(given.some(({ host }) => host === near || host === addresses.source.host))
    const perProxy = [...far, addresses.next.host].map((host) => given.filter((each) => each.host === host).length)
    const even = total / perProxy.length
    const chiSquare = perProxy.reduce((sum, each) => sum + (each - even) ** 2 / even, 0)
    // Four degrees of freedom: above 33.4 once in a million.
    t.ok(chiSquare < 33.4, `${perProxy.join(' ')}: ${chiSquare}`)
    t.match(around.proxy.machine.status().mixing, { extraHop: true, extraHopBelow: 20 })
    t.end()
  })

  t.test('a first proxy that closes its link behind the request is not drawn either', (t) => {
    const around = surroundings({ extraHopBelow: 20, others: [addresses.source.host], meanWaitMs: 5 })
    const given = actAsExtraHops(around)
    around.network.jobMs = () => 100
    const { endpoint } = around.source.machine
    const session = send(around, request(around, 60))
    around.network.runFor(50)
    endpoint.close(around.network.now, session, 'done')
    around.network.input(around.source, { type: 'timeout' })
    around.network.runFor(3_000)
    t.equal(given.length, 60)
    t.notOk(given.some(({ host }) => host === addresses.source.host))
    t.end()
  })

  t.test('what the extra proxy brings back is what the server said, and the request is done', (t) => {
    const around = surroundings({ extraHopBelow: 20, others: far, meanWaitMs: 5 })
    around.next.up = false
    actAsExtraHops(around)
    around.toProxy(request(around, 40))
    // Copies that went by `next`, which is down, come again by others or directly.
    t.ok(around.network.runUntil(() => around.proxy.machine.status().answeredCopies === 40, 20_000))
    t.equal(around.proxy.machine.status().waitingCopies, 0)
    t.end()
  })

  t.test('an extra proxy that drops copies delays them by seconds: two are tried, then the server itself', (t) => {
    const around = surroundings({ extraHopBelow: 20, others: far, meanWaitMs: 5 })
    const given = actAsExtraHops(around, false)
    around.toProxy(request(around, 30))
    const patienceMs = 10 * 5 + limits.extraHopAnswerMs
    around.network.runFor(patienceMs - 100)
    t.equal(around.server.machine.of('copy').length, 0)
    around.network.runFor(patienceMs + 400)
    t.equal(around.server.machine.of('copy').length, 30)
    around.network.runFor(500)
    t.match(around.proxy.machine.status(), {
      answeredCopies: 30,
      waitingCopies: 0,
      mixing: { detouredCopies: 60, unansweredDetours: 60 },
    })
    t.equal(new Set(given.map(({ copy }) => copy.reference)).size, given.length, 'no reference twice')
    t.end()
  })

  t.test('nobody but the proxy that a copy was handed to answers for it', (t) => {
    const around = surroundings({ extraHopBelow: 20, others: far.slice(0, 2), meanWaitMs: 5 })
    const given = actAsExtraHops(around, false)
    around.toProxy(request(around, 20))
    around.network.runFor(200)
    const held = around.proxy.machine.status().waitingCopies
    for (const { node, host } of proxiesOf(around)) {
      const session = node.machine.received[0]?.session
      if (session === undefined) throw new Error('a link to each')
      const foreign = given.filter((each) => each.host !== host).map(({ copy: { reference } }) => reference)
      const answers = foreign.map((reference) => ({ reference, token: random(4) }))
      node.machine.endpoint.send(around.network.now, session, encodeMessage('copyAnswers', { answers }))
      around.network.input(node, { type: 'timeout' })
    }
    around.network.runFor(200)
    t.equal(around.proxy.machine.status().waitingCopies, held)
    t.end()
  })

  t.test('there is no detour where no proxy would do, nor with enough traffic', (t) => {
    const alone = surroundings({
      extraHopBelow: 20,
      others: [near, addresses.source.host],
      meanWaitMs: 5,
      listsNext: false,
    })
    const given = actAsExtraHops(alone)
    alone.toProxy(request(alone, 5))
    alone.network.runFor(1_000)
    t.equal(given.length, 0)
    t.equal(alone.server.machine.of('copy').length, 5)
    t.match(alone.proxy.machine.status().mixing, { extraHop: false, extraHopBelow: 20 })

    const busy = surroundings({ extraHopBelow: 1, others: far, meanWaitMs: 5 })
    actAsExtraHops(busy)
    busy.toProxy(request(busy, 200))
    busy.network.runFor(limits.trafficPeriodMs)
    const before = busy.server.machine.of('copy').length
    busy.toProxy(request(busy, 10))
    busy.network.runFor(1_000)
    t.equal(busy.server.machine.of('copy').length, before + 10)
    t.end()
  })
  t.end()
})

t.test("as somebody's extra hop", (t) => {
  const answersTo = (around: Surroundings) =>
    around.source.machine.received.flatMap(({ session, message }) =>
      message.kind === 'copyAnswers' ? message.value.answers.map((answer) => ({ session, ...answer })) : [],
    )

  t.test('a copy goes on under a reference of this link, and the answer comes back under the one it came with', (t) => {
    const around = surroundings()
    const copies = [copyMessage(77), copyMessage(77), copyMessage(78)]
    const sessions = copies.map(({ message }) => send(around, forward(around.identities.server, message)))
    t.ok(around.network.runUntil(() => answersTo(around).length === 3, 2_000))
    const sent = around.server.machine.of('copy')
    t.strictSame(sent.map(({ sealed }) => toHex(sealed)).sort(), copies.map(({ sealed }) => toHex(sealed)).sort())
    t.equal(new Set(sent.map(({ reference }) => reference)).size, 3)
    t.strictSame(
      answersTo(around)
        .map(({ session, reference }) => [session, reference])
        .sort(),
      sessions.map((session, i) => [session, i === 2 ? 78 : 77]).sort(),
    )
    t.match(around.proxy.machine.status(), { waitingCopies: 0, mixing: { passedCopies: 3 } })
    t.end()
  })

  t.test('copies of others wait like its own, and never take a further hop', (t) => {
    const around = surroundings({ extraHopBelow: 20, others: ['100.64.0.1'], meanWaitMs: 2_000 })
    const given = actAsExtraHops(around)
    const waits: number[] = []
    for (let i = 0; i < 40; i++) send(around, forward(around.identities.server, copyMessage(i + 1).message))
    const begun = around.network.now
    around.server.machine.onMessage = (now, { message }) => {
      if (message.kind === 'copy') waits.push(now - begun)
    }
    around.network.runFor(21_000)
    t.equal(waits.length, 40)
    t.equal(given.length, 0)
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
    // Five deviations of the mean of 40.
    t.ok(Math.abs(mean - 2_000) < (5 * 2_000) / Math.sqrt(40) + 50, `mean ${mean}`)
    t.end()
  })

  t.test("answers wait as well, so that the server's moment does not show whose copy it answered", (t) => {
    const around = surroundings({ meanWaitMs: 2_000 })
    const answeredAt: number[] = []
    const saidAt: number[] = []
    const { machine } = around.server
    const answer = machine.onMessage
    machine.onMessage = (now, received) => {
      if (received.message.kind === 'copy') answeredAt.push(now)
      answer(now, received)
    }
    around.source.machine.onMessage = (now, { message }) => {
      if (message.kind === 'copyAnswers') for (const _ of message.value.answers) saidAt.push(now)
    }
    for (let i = 0; i < 40; i++) send(around, forward(around.identities.server, copyMessage(i + 1).message))
    around.network.runFor(42_000)
    t.equal(answeredAt.length, 40)
    t.equal(saidAt.length, 40)
    const mean = (moments: readonly number[]) => moments.reduce((sum, moment) => sum + moment, 0) / moments.length
    // Five deviations of the mean of 40.
    const wait = mean(saidAt) - mean(answeredAt)
    t.ok(Math.abs(wait - 2_000) < (5 * 2_000) / Math.sqrt(40) + 100, `mean ${wait}`)
    t.end()
  })

  t.test('an answer leaves when its wait is over, though nothing else happens', (t) => {
    const around = surroundings({ meanWaitMs: 20 })
    let said = 0
    around.source.machine.onMessage = (_now, { message }) => {
      if (message.kind === 'copyAnswers') said += message.value.answers.length
    }
    for (let i = 0; i < 10; i++) {
      send(around, forward(around.identities.server, copyMessage(i + 1).message))
      // Fifty waits, and less than the rhythm in which links speak of themselves.
      around.network.runFor(1_000)
      t.equal(said, i + 1)
    }
    t.end()
  })

  t.test('it reads the link, where the copy goes and its reference, and nothing inside', (t) => {
    const around = surroundings()
    around.read.length = 0
    send(around, forward(around.identities.server, copyMessage(0).message))
    around.network.runFor(1_000)
    t.strictSame(
      around.read.map(([format, field]) => `${format}: ${field}`),
      [
        ...['forward: nextHop', 'forward: extension', 'forward: message', 'copy link: source', 'copy link: ticket'],
        ...['copy answer: reference', 'copy answer: token', 'copy answers: answers'],
      ],
    )
    t.end()
  })

  t.test('what comes without a reference is answered when it is asked for, in the length that is asked for', (t) => {
    const around = surroundings()
    const { message, sealed } = copyMessage(0)
    const session = send(around, forward(around.identities.server, message))
    around.network.runFor(1_000)
    t.strictSame(answersTo(around), [])
    const ticket = sealed.slice(0, 16)
    const tokenBytes = receiptBytes(message.length)
    const ask = encodeMessage('receiptRequest', { ticket, tokenBytes })
    for (let i = 0; i < 2; i++) {
      around.source.machine.endpoint.send(around.network.now, session, ask)
      around.network.input(around.source, { type: 'timeout' })
      around.network.runFor(500)
    }
    const [first, second] = around.source.machine.of('receiptReply')
    t.equal(first?.tokens.length, tokenBytes)
    t.strictSame(first, second, 'the same as often as it is asked')
    t.end()
  })

  t.test('no more a second than a link may have passed on, and no more than there is room for', (t) => {
    const around = surroundings({ bounds: { linkCopiesBurst: 3, linkCopiesPerSecond: 0.001 } })
    const { network, source } = around
    const session = around.connect()
    for (let i = 1; i <= 4; i++) {
      source.machine.endpoint.send(network.now, session, forward(around.identities.server, copyMessage(i).message))
    }
    network.input(source, { type: 'timeout' })
    network.runFor(1_000)
    t.equal(around.server.machine.of('copy').length, 3)
    t.equal(around.proxy.dropped('FORWARD_RATE'), 1)
    t.equal(source.machine.of('busy').length, 1)

    const { copies } = bench(1)
    const endpoint = createEndpoint({}, crypto, random)
    const tickets = new Tickets(random, limits)
    const rates = new LinkRates(limits.linkCopiesPerSecond, limits.linkCopiesBurst)
    const passing = new Passing({ random, meanWaitMs: 0, endpoint, copies, tickets, rates })
    t.ok(copies.reserve(limits.waitingCopies - 1, 1))
    t.equal(passing.take(START, session, copyMessage(1).message), undefined)
    t.equal(passing.take(START, session, copyMessage(2).message), 'FORWARD_FULL')
    t.end()
  })
  t.end()
})

t.test(
  'a copy takes as many bytes by an extra hop as directly, and fits one datagram in the class made for that',
  (t) => {
    const sealed = (extraHopBelow: number) => {
      const around = surroundings({ extraHopBelow, meanWaitMs: 5 })
      const given = actAsExtraHops(around)
      around.toProxy(request(around, 1, 1_013))
      around.network.runFor(1_000)
      t.equal(given.length, extraHopBelow === 0 ? 0 : 1)
      return given[0]?.copy.sealed ?? around.server.machine.of('copy')[0]?.sealed
    }
    const [direct, forwarded] = [sealed(0)?.length ?? 0, sealed(20)?.length ?? 0]
    t.equal(direct, forwarded)
    // Kind, id and the length of no extension; kind, reference and the same.
    t.equal(datagramsOf(10 + 6 + forwarded), 1)
    t.equal(datagramsOf(10 + 6 + forwarded + 1), 2)
    t.end()
  },
)
