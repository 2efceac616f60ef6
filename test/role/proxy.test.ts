/**
 * The proxy among endpoints in the test's hand: what it passes on, splits, refuses, remembers and reads, and its link to
 * the server (PROTOCOL.md sections 5 and 9). Everything runs in virtual time; SEED repeats a run.
 */
import t from 'tap'
import { bigEndian, concat, fromBigEndian, type Point, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { RandomNumbers } from '../../src/base/random.js'
import { slotWindow, startOfDay, startOfWindow, utcDay } from '../../src/base/time.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkEndpoint, SessionId } from '../../src/link/link.js'
import { type Job, type JobOutput, type JobResult, runJob } from '../../src/role/jobs.js'
import { COPY_HEAD_BYTES, Copies } from '../../src/role/proxy/copies.js'
import { ReceiptGathering } from '../../src/role/proxy/gathering.js'
import { NextHops } from '../../src/role/proxy/next-hops.js'
import type { OpenedRequest } from '../../src/role/proxy/open-request.js'
import { RequestReplays } from '../../src/role/proxy/replays.js'
import { Splitter } from '../../src/role/proxy/splitter.js'
import { Waiting } from '../../src/role/proxy/waiting.js'
import type { ListedProxy } from '../../src/role/server-link.js'
import { Work } from '../../src/role/work.js'
import { encodeMessage } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import { START } from '../sim/virtual-network.js'
import {
  addresses,
  crypto,
  forward,
  makeRequest,
  newIdentity,
  noExtension,
  openedRecipients,
  type RequestOptions,
  random,
  recipients,
  type Surroundings,
  splitterKey,
  surroundings,
} from './proxy-fixture.js'

t.comment(`SEED=${seed}`)

const noParts = { personalPartBytes: 0, personalParts: new Uint8Array(0) }

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('something that must be there is not')
  return value
}

/** A request for this proxy. */
function requestTo(around: Surroundings, options: Partial<RequestOptions> & Pick<RequestOptions, 'recipients'>) {
  return makeRequest({
    splitterKey: splitterKey(around),
    serverKey: around.serverKey(),
    now: around.network.now,
    ...options,
  })
}

/** Runs on and tells how the counts of drops changed. */
function dropsOf(around: Surroundings, act: () => void, runMs = 1_000): Record<string, number> {
  const before = new Map(around.proxy.drops)
  act()
  around.network.runFor(runMs)
  const changed = [...around.proxy.drops].filter(([code, count]) => count !== before.get(code))
  return Object.fromEntries(changed.map(([code, count]) => [code, count - (before.get(code) ?? 0)]))
}

t.test('its link to the server', (t) => {
  t.test('proves who it is, then announces keys of two days that are on disk', (t) => {
    const around = surroundings()
    const [proof] = around.server.machine.of('identityProof')
    t.equal(proof?.role, 'proxy')
    t.strictSame(proof?.identityKey, around.identities.proxy.identityKey)
    const entry = around.announced()
    const today = utcDay(around.network.now)
    t.strictSame(
      entry?.sealingKeys.map(({ day }) => day),
      [today, today + 1],
    )
    for (const { day } of entry?.sealingKeys ?? []) t.ok(around.proxy.store.has(`sealing/${day}`), `key of ${day}`)
    t.match(around.proxy.machine.status(), { connected: true, listed: true })
    t.end()
  })

  t.test('announces no keys before they are on disk', (t) => {
    const around = surroundings()
    const { network, proxy, server } = around
    const announcements = () => server.machine.of('proxyAnnouncement').length
    network.crash(proxy)
    proxy.store.clear()
    network.storeMs = 10_000
    network.restart(proxy)
    network.runFor(9_000)
    t.ok(proxy.machine.status().connected)
    t.equal(announcements(), 1, 'that of the first run')
    network.runFor(2_000)
    t.equal(announcements(), 2)
    t.end()
  })

  t.test('announces the keys of a new day some minutes after its first hour', (t) => {
    const around = surroundings()
    const tomorrow = utcDay(around.network.now) + 1
    const firstDay = () => around.announced()?.sealingKeys[0]?.day
    const changed = startOfDay(tomorrow) + limits.clockSkewMs
    around.network.runFor(changed - 1_000 - around.network.now)
    t.equal(firstDay(), tomorrow - 1)
    around.network.runFor(11 * 60_000)
    t.strictSame(
      around.announced()?.sealingKeys.map(({ day }) => day),
      [tomorrow, tomorrow + 1],
    )
    t.end()
  })

  t.test('connects again after a loss, and keeps directory and keys over a restart', (t) => {
    const around = surroundings()
    const { network, server, proxy } = around
    const keys = around.announced()?.sealingKeys.map(({ key }) => toHex(key))
    network.runFor(100)
    network.crash(server)
    network.crash(proxy)
    network.restart(proxy)
    t.ok(proxy.machine.status().listed, 'the directory was on disk')
    network.runFor(40_000)
    t.notOk(proxy.machine.status().connected)
    // Only the socket was gone: the server of this test keeps its state.
    server.up = true
    t.ok(network.runUntil(() => proxy.machine.status().connected, 40_000))
    network.runFor(1_000)
    t.strictSame(
      around.announced()?.sealingKeys.map(({ key }) => toHex(key)),
      keys,
    )
    t.end()
  })

  t.test('refuses a directory that is not signed by the server', (t) => {
    const around = surroundings()
    const { network, server } = around
    const session = server.machine.received[0]?.session as SessionId
    const directory = new Uint8Array(around.proxy.machine.status().directory?.encoded ?? [])
    directory[9] = (directory[9] ?? 0) ^ 1
    const drops = dropsOf(around, () => {
      server.machine.endpoint.send(network.now, session, encodeMessage('directoryReply', { directory }))
      network.input(server, { type: 'timeout' })
    })
    t.strictSame(drops, { DIRECTORY_SIGNATURE: 1 })
    t.end()
  })
  t.end()
})

t.test('as the hop before another proxy', (t) => {
  t.test('hands a request on as it came, without a word about itself or its source', (t) => {
    const around = surroundings()
    const request = encodeMessage('request', { ephemeral: random(32) as Point, sealed: random(3_000) })
    around.toProxy(forward(around.identities.next, request))
    t.ok(around.network.runUntil(() => around.next.machine.received.length > 0, 5_000))
    around.network.runFor(1_000)
    t.equal(around.next.machine.received.length, 1, 'no identity proof or anything else')
    const [taken] = around.next.machine.of('request')
    t.strictSame(taken && encodeMessage('request', taken), request)
    t.equal(around.proxy.machine.status().forwardedMessages, 1)
    t.end()
  })

  t.test('keeps each request for an exponential time where it is set to, copies for the server not', (t) => {
    const meanMs = 300
    const around = surroundings({ meanForwardWaitMs: meanMs, meanWaitMs: 0 })
    const { network, next } = around
    const waits: number[] = []
    for (let i = 0; i < 400; i++) {
      const sentAt = network.now
      const request = encodeMessage('request', { ephemeral: random(32) as Point, sealed: random(30) })
      around.toProxy(forward(around.identities.next, request))
      const count = next.machine.received.length
      t.ok(network.runUntil(() => next.machine.received.length > count, 20 * meanMs))
      waits.push(network.now - sentAt)
    }
    const quickest = Math.min(...waits)
    // What the network takes is the same for all; an exponential time is hardly ever much above 0 at its least.
    const times = waits.map((wait) => wait - quickest).sort((a, b) => a - b)
    const mean = times.reduce((sum, each) => sum + each, 0) / times.length
    // Of 400 draws each of these lies five deviations inside: a run in a million fails for no reason.
    t.ok(Math.abs(mean / meanMs - 1) < 0.25, `mean ${mean}`)
    t.ok(Math.abs((times[200] as number) / (Math.LN2 * meanMs) - 1) < 0.35, `median ${times[200]}`)
    t.ok((times[395] as number) > 2.5 * meanMs && (times[395] as number) < 8 * meanMs, `99th part ${times[395]}`)
    const before = around.server.machine.of('copy').length
    around.toProxy(
      forward(
        around.identities.server,
        encodeMessage('copy', { reference: 1, extension: noExtension, sealed: random(300) }),
      ),
    )
    network.runFor(Math.ceil(quickest) + 60)
    t.equal(around.server.machine.of('copy').length, before + 1)
    t.end()
  })

  t.test('ignores an extension', (t) => {
    const around = surroundings()
    const request = encodeMessage('request', { ephemeral: random(32) as Point, sealed: random(30) })
    const [, ...rest] = forward(around.identities.next, request)
    const [idBytes, extension] = [rest.slice(0, 8), [3, 1, 2, 3]]
    around.toProxy(Uint8Array.from([0x10, ...idBytes, ...extension, ...rest.slice(9)]))
    around.network.runFor(1_000)
    t.equal(around.next.machine.of('request').length, 1)
    t.end()
  })

  t.test(
    'reads of a request for another proxy where it came from and goes and by what its receipts are known, nothing else',
    (t) => {
      const around = surroundings()
      around.read.length = 0
      const request = encodeMessage('request', { ephemeral: random(32) as Point, sealed: random(300) })
      around.toProxy(forward(around.identities.next, request))
      around.network.runFor(1_000)
      t.strictSame(
        around.read.map(([format, field]) => `${format}: ${field}`),
        ['forward: nextHop', 'forward: extension', 'forward: message', 'forward link: source', 'forward link: ticket'],
      )
      t.strictSame(around.read.at(-2)?.[2], utf8(`${addresses.source.host}:${addresses.source.port}`))
      t.strictSame(around.read.at(-1)?.[2], request.subarray(1, 17))
      t.end()
    },
  )

  t.test('drops, and answers nothing to:', (t) => {
    const around = surroundings()
    const request = encodeMessage('request', { ephemeral: random(32) as Point, sealed: random(300) })
    const copy = encodeMessage('copy', { reference: 1, extension: noExtension, sealed: random(300) })
    const inner = forward(around.identities.next, request)
    const cases: readonly [string, Uint8Array, string][] = [
      ['a forward to itself', forward(around.identities.proxy, request), 'FORWARD_SELF'],
      ['a forward to nobody in the directory', forward(newIdentity(), request), 'FORWARD_UNKNOWN'],
      ['a copy for a proxy', forward(around.identities.next, copy), 'FORWARD_KIND'],
      ['a request for the server', forward(around.identities.server, request), 'FORWARD_KIND'],
      ['a forward inside a forward', forward(around.identities.next, inner), 'FORWARD_KIND'],
      ['a forward of nothing', forward(around.identities.next, noExtension), 'FORWARD_KIND'],
      ['a copy that is not for forwarding', copy, 'ROLE_UNEXPECTED'],
      ['answers from a stranger', encodeMessage('copyAnswers', { answers: [] }), 'ROLE_UNEXPECTED'],
      ['a directory from a stranger', encodeMessage('directoryReply', { directory: random(99) }), 'ROLE_UNEXPECTED'],
      ['a kind that it does not know', Uint8Array.of(0x7f, 1, 2, 3), 'WIRE_KIND'],
      ['a critical kind that it does not know', Uint8Array.of(0xff, 1, 2, 3), 'WIRE_CRITICAL'],
      ['a forward cut short', inner.subarray(0, 8), 'WIRE_TRUNCATED'],
    ]
    for (const [name, message, code] of cases) {
      t.strictSame(
        dropsOf(around, () => around.toProxy(message), 200),
        { [code]: 1 },
        name,
      )
    }
    t.strictSame(around.source.machine.received, [])
    t.strictSame(around.next.machine.received, [])
    t.strictSame(around.server.machine.of('copy'), [])
    t.end()
  })

  t.test('tries a next hop that does not answer again, on another link', (t) => {
    const around = surroundings()
    const { network, next } = around
    next.up = false
    const request = encodeMessage('request', { ephemeral: random(32) as Point, sealed: random(300) })
    around.toProxy(forward(around.identities.next, request))
    network.runFor(15_000)
    next.up = true
    t.ok(network.runUntil(() => next.machine.of('request').length === 1, 15_000))
    t.equal(around.proxy.dropped('FORWARD_FAILED'), 0)
    t.end()
  })

  t.test('gives up a next hop that does not answer at all', (t) => {
    const around = surroundings()
    around.next.up = false
    const request = encodeMessage('request', { ephemeral: random(32) as Point, sealed: random(300) })
    const act = () => {
      around.toProxy(forward(around.identities.next, request))
      around.toProxy(forward(around.identities.next, request))
    }
    t.strictSame(dropsOf(around, act, limits.forwardHoldMs + 1_000), { FORWARD_FAILED: 2 })
    t.ok(around.proxy.notices.includes('next hop not reached'))
    t.end()
  })

  t.test('uses one link for many messages and closes it when idle', (t) => {
    const around = surroundings()
    const request = encodeMessage('request', { ephemeral: random(32) as Point, sealed: random(300) })
    for (let i = 0; i < 3; i++) {
      around.toProxy(forward(around.identities.next, request))
      around.network.runFor(500)
    }
    const accepted = () => around.next.machine.events.filter(({ type }) => type === 'accepted').length
    t.equal(accepted(), 1)
    around.network.runFor(limits.nextHopIdleMs + 1_000)
    t.match(around.next.machine.events.at(-1), { type: 'closed', reason: 'idle' })
    around.toProxy(forward(around.identities.next, request))
    around.network.runFor(500)
    t.equal(accepted(), 2)
    t.equal(around.next.machine.of('request').length, 4)
    t.end()
  })
  t.end()
})

t.test('as the splitter', (t) => {
  t.test('sends one copy a recipient, all of one length, in an order of its own', (t) => {
    const around = surroundings()
    const wanted = recipients(40)
    around.toProxy(requestTo(around, { recipients: wanted }).message)
    t.ok(around.network.runUntil(() => around.server.machine.of('copy').length === 40, 10_000))
    around.network.runFor(5_000)
    const opened = openedRecipients(around)
    const names = wanted.map(toHex)
    t.strictSame(opened.map(({ recipient }) => recipient).sort(), [...names].sort())
    t.notSame(
      opened.map(({ recipient }) => recipient),
      names,
      'not in the order of the request',
    )
    t.equal(new Set(opened.map(({ payloadBytes }) => payloadBytes)).size, 1)
    t.match(around.proxy.machine.status(), { splitRequests: 1, sentCopies: 40, answeredCopies: 40, waitingCopies: 0 })
    t.end()
  })

  t.test('mixes the copies of requests that come together', (t) => {
    const around = surroundings({ meanWaitMs: 500 })
    const [one, other] = [recipients(20), recipients(20)]
    around.toProxy(requestTo(around, { recipients: one }).message)
    around.toProxy(requestTo(around, { recipients: other }).message)
    around.network.runFor(10_000)
    const ofOne = new Set(one.map(toHex))
    const order = openedRecipients(around)
      .map(({ recipient }) => (ofOne.has(recipient) ? 'a' : 'b'))
      .join('')
    t.equal(order.length, 40)
    t.ok((order.match(/ab|ba/g) ?? []).length > 5, order)
    t.end()
  })

  t.test('opens requests of the slot windows before and after its own, and no others', (t) => {
    const around = surroundings()
    const window = slotWindow(around.network.now)
    for (const [offset, drops] of [
      [-2, { REQUEST_OPEN: 1 }],
      [-1, {}],
      [1, {}],
      [2, { REQUEST_OPEN: 1 }],
    ] as const) {
      const request = requestTo(around, { recipients: recipients(1), window: window + offset })
      t.strictSame(
        dropsOf(around, () => around.toProxy(request.message)),
        drops,
        `${offset}`,
      )
    }
    t.end()
  })

  t.test('opens what was sealed yesterday to the keys of yesterday', (t) => {
    const around = surroundings()
    const { network } = around
    const midnight = startOfDay(utcDay(network.now) + 1)
    network.runUntil(() => network.now > midnight - 5_000, limits.directoryLifeMs)
    const request = requestTo(around, { recipients: recipients(2) })
    network.runUntil(() => network.now > midnight + 5_000, limits.directoryLifeMs)
    t.strictSame(
      dropsOf(around, () => around.toProxy(request.message)),
      {},
    )
    t.equal(around.server.machine.of('copy').length, 2)
    t.end()
  })

  t.test('splits a request once, also over a restart', (t) => {
    const around = surroundings()
    const { network, proxy } = around
    const { message } = requestTo(around, { recipients: recipients(3) })
    around.toProxy(message)
    network.runFor(2_000)
    t.strictSame(
      dropsOf(around, () => around.toProxy(message)),
      { REQUEST_REPLAY: 1 },
    )
    network.crash(proxy)
    network.restart(proxy)
    t.ok(network.runUntil(() => proxy.machine.status().connected, 60_000))
    t.strictSame(
      dropsOf(around, () => around.toProxy(message)),
      { REQUEST_REPLAY: 1 },
    )
    t.equal(around.server.machine.of('copy').length, 3)
    t.end()
  })

  t.test('forgets a request once nobody could send it again', (t) => {
    const around = surroundings()
    const { network, proxy } = around
    const { message } = requestTo(around, { recipients: recipients(1) })
    around.toProxy(message)
    network.runFor(1_000)
    const seen = () => [...proxy.store.keys()].filter((key) => key.startsWith('seen/')).length
    t.equal(seen(), 1)
    network.runUntil(() => network.now > startOfWindow(slotWindow(START) + 2) + 1_000, 2_000_000)
    t.equal(seen(), 0)
    t.strictSame(
      dropsOf(around, () => around.toProxy(message)),
      { REQUEST_OPEN: 1 },
    )
    t.end()
  })

  t.test('makes no copy before the record of the request is on disk', (t) => {
    const around = surroundings()
    const { network, proxy } = around
    network.storeMs = 30_000
    const { message } = requestTo(around, { recipients: recipients(2) })
    around.toProxy(message)
    network.runFor(20_000)
    t.equal(around.server.machine.of('copy').length, 0)
    network.crash(proxy)
    network.storeMs = 2
    network.restart(proxy)
    network.runUntil(() => proxy.machine.status().connected, 60_000)
    around.toProxy(message)
    network.runFor(2_000)
    t.equal(around.server.machine.of('copy').length, 2, 'after a crash before that, the request is as new')
    t.end()
  })

  t.test('sends copies again that the server had not answered when the link was lost', (t) => {
    const around = surroundings()
    const { network, server, proxy } = around
    around.behaviour.answersCopies = false
    around.toProxy(requestTo(around, { recipients: recipients(5) }).message)
    network.runFor(2_000)
    t.equal(server.machine.of('copy').length, 5)
    const first = new Set(server.machine.of('copy').map(({ sealed }) => toHex(sealed)))
    around.behaviour.answersCopies = true
    const session = server.machine.received[0]?.session as SessionId
    server.machine.endpoint.close(network.now, session, 'goingAway')
    network.input(server, { type: 'timeout' })
    t.ok(network.runUntil(() => proxy.machine.status().answeredCopies === 5, limits.copyAnswerMs / 2))
    t.strictSame(
      new Set(
        server.machine
          .of('copy')
          .slice(5)
          .map(({ sealed }) => toHex(sealed)),
      ),
      first,
    )
    t.equal(proxy.machine.status().waitingCopies, 0)
    t.end()
  })

  t.test('sends a copy again that stays without an answer, for as long as the server could accept it', (t) => {
    const around = surroundings()
    const { network, server, proxy } = around
    around.behaviour.answersCopies = false
    around.toProxy(requestTo(around, { recipients: recipients(2) }).message)
    network.runFor(limits.copyAnswerMs + 2_000)
    t.equal(server.machine.of('copy').length, 4)
    network.runFor(limits.copyHoldMs)
    t.equal(proxy.machine.status().waitingCopies, 0, 'given up')
    t.equal(proxy.machine.status().answeredCopies, 0)
    t.end()
  })

  t.test('offers a copy again that the server had no room for', (t) => {
    const around = surroundings()
    const { network, server } = around
    around.behaviour.answersCopies = false
    around.toProxy(requestTo(around, { recipients: recipients(1) }).message)
    network.runFor(1_000)
    const refused = server.machine.received.find(({ message }) => message.kind === 'copy')
    around.behaviour.answersCopies = true
    server.machine.endpoint.send(
      network.now,
      refused?.session as SessionId,
      encodeMessage('busy', { message: refused?.number ?? -1 }),
    )
    network.input(server, { type: 'timeout' })
    t.ok(network.runUntil(() => around.proxy.machine.status().answeredCopies === 1, 20_000))
    t.equal(server.machine.of('copy').length, 2)
    t.end()
  })

  t.test('a large request goes in steps between which other work is done', (t) => {
    const around = surroundings({ meanWaitMs: 1 })
    const large = recipients(4 * limits.splitStepCopies)
    around.toProxy(requestTo(around, { recipients: large }).message)
    const small = requestTo(around, { recipients: recipients(1) })
    around.toProxy(small.message)
    around.network.runFor(10_000)
    t.equal(around.proxy.machine.status().answeredCopies, large.length + 1)
    t.end()
  })
  t.end()
})

t.test('requests that are refused:', (t) => {
  const around = surroundings()
  const other = around.identities.next
  const yesterday = around.serverKeys.published(around.network.now)[1]?.key as Point
  const identityPoint = new Uint8Array(32)
  const notCanonical = new Uint8Array(32).fill(0xff)
  const put = (offset: number, bytes: Uint8Array) => (body: Uint8Array) => body.set(bytes, offset)
  const cases: readonly [string, Partial<RequestOptions>, string][] = [
    ['sealed to another key', { splitterKey: around.nextKeys.published(START)[0]?.key as Point }, 'REQUEST_OPEN'],
    ['made with a C of its own for the device', { serverKey: crypto.publicPoint(other.secretScalar) }, 'REQUEST_OPEN'],
    ['that names another C of the server', { namedServerKey: yesterday }, 'REQUEST_OPEN'],
    ["whose B' is the identity", { spoil: put(0, identityPoint) }, 'REQUEST_POINT'],
    ["whose B' does not decode", { spoil: put(0, notCanonical) }, 'REQUEST_POINT'],
    ["whose G' is the identity", { spoil: put(32, identityPoint) }, 'REQUEST_POINT'],
    ["whose G' does not decode", { spoil: put(32, notCanonical) }, 'REQUEST_POINT'],
    ['for no copies', { spoil: put(64, Uint8Array.of(0, 0)) }, 'REQUEST_COUNT'],
    ['for more copies than are allowed', { spoil: put(64, bigEndian(limits.copies + 1, 2)) }, 'REQUEST_COUNT'],
    ['for more slots than it holds', { spoil: put(64, Uint8Array.of(0, 99)) }, 'WIRE_TRUNCATED'],
    ['for fewer slots than it holds', { spoil: put(64, Uint8Array.of(0, 2)) }, 'WIRE_VALUE'],
    ['with padding that is not zero', { spoil: (body) => body.fill(1, body.length - 1) }, 'WIRE_VALUE'],
  ]
  for (const [name, options, code] of cases) {
    const { message } = requestTo(around, { recipients: recipients(3), ...options })
    t.strictSame(
      dropsOf(around, () => around.toProxy(message), 200),
      { [code]: 1 },
      name,
    )
  }
  const { message } = requestTo(around, { recipients: recipients(3) })
  for (const at of [1, 32, 33, message.length - 1]) {
    const spoilt = message.slice()
    spoilt[at] = (spoilt[at] ?? 0) ^ 1
    t.strictSame(
      dropsOf(around, () => around.toProxy(spoilt), 200),
      { REQUEST_OPEN: 1 },
      `a bit of byte ${at} flipped`,
    )
  }
  const zeroPoint = concat(Uint8Array.of(0x11), identityPoint, random(300))
  t.strictSame(
    dropsOf(around, () => around.toProxy(zeroPoint), 200),
    { REQUEST_OPEN: 1 },
    'whose R is the identity',
  )
  const tooLarge = requestTo(around, { recipients: recipients(66), content: new Uint8Array(1_040_000) })
  t.strictSame(
    dropsOf(around, () => around.toProxy(tooLarge.message), 60_000),
    { WIRE_LIMIT: 1 },
    'past 64 MiB',
  )
  // A request can hold a few bytes more than a copy of it could carry to the server.
  const tooLong = requestTo(around, { recipients: recipients(1), content: new Uint8Array(limits.messageBytes - 144) })
  t.strictSame(
    dropsOf(around, () => around.toProxy(tooLong.message), 60_000),
    { WIRE_LIMIT: 1 },
    'whose copies would be longer than a message',
  )
  t.strictSame(around.server.machine.of('copy'), [])
  const undecodable = cases.filter(([, , code]) => code === 'REQUEST_POINT').length
  t.equal(around.source.machine.received.length, undecodable, 'nothing was answered to those that it refused')
  t.equal(around.source.machine.of('receipts').length, undecodable, 'and random bytes to those that it could not split')
  const remembered = [...around.proxy.store.keys()].filter((key) => key.startsWith('seen/')).length
  t.equal(remembered, undecodable, 'what costs as much as a split is remembered, nothing else')
  t.equal(around.proxy.machine.status().waitingCopies, 0, 'and no room is held')
  t.end()
})

t.test('splits a request whose copies are as long as a message may be', (t) => {
  const around = surroundings()
  const content = new Uint8Array(limits.messageBytes - 145)
  around.toProxy(requestTo(around, { recipients: recipients(1), content }).message)
  t.ok(around.network.runUntil(() => around.server.machine.of('copy').length === 1, 60_000))
  t.equal(around.server.machine.of('copy')[0]?.sealed.length, limits.messageBytes - 6)
  t.end()
})

t.test('says that it is busy where the copies of a request do not fit', (t) => {
  const around = surroundings()
  const { network, source, proxy } = around
  // Nothing becomes durable, so the requests wait and none is split.
  network.storeMs = 1e9
  const content = new Uint8Array(1_040_000)
  const wait = () => source.machine.of('busy').length + proxy.machine.status().splitRequests
  for (let i = 1; i <= 5; i++) {
    around.toProxy(requestTo(around, { recipients: recipients(60), content }).message)
    t.ok(network.runUntil(() => wait() === i, 120_000))
  }
  t.equal(proxy.machine.status().splitRequests, 4)
  t.equal(proxy.machine.status().waitingCopies, 240)
  t.strictSame(source.machine.of('busy'), [{ message: 0 }])
  t.equal(proxy.dropped('REQUEST_FULL'), 1)
  t.end()
})

t.test('says that it is busy where it could not remember another request', (t) => {
  const around = surroundings()
  const { network, proxy, source } = around
  network.crash(proxy)
  const window = slotWindow(network.now)
  for (let i = 0; i < limits.requestReplays - 1; i++) {
    proxy.store.set(`seen/${window}/${i.toString(16).padStart(32, '0')}`, noExtension)
  }
  network.restart(proxy)
  network.runUntil(() => proxy.machine.status().connected, 10_000)
  for (let i = 0; i < 2; i++) around.toProxy(requestTo(around, { recipients: recipients(3) }).message)
  network.runFor(5_000)
  t.equal(proxy.machine.status().splitRequests, 1)
  t.equal(proxy.dropped('REQUEST_FULL'), 1)
  t.equal(source.machine.of('busy').length, 1)
  t.equal(proxy.machine.status().waitingCopies, 0, 'no room is held for what was refused')
  t.end()
})

/** A splitter whose jobs are done by the test's hand. */
function splitting(copies: number, slicesAhead = 2) {
  const jobs: JobOutput[] = []
  const made: Uint8Array[] = []
  const failed: [copies: number, code: string | undefined][] = []
  const work = new Work((output) => jobs.push(output))
  const splitter = new Splitter({
    work,
    slicesAhead,
    made: (_now, spaced, bytesEach) => {
      for (let at = COPY_HEAD_BYTES; at < spaced.length; at += COPY_HEAD_BYTES + bytesEach)
        made.push(spaced.subarray(at, at + bytesEach))
    },
    failed: (count, _bytesEach, code) => failed.push([count, code]),
  })
  const request = openedRequest(copies)
  const entropy = random(32)
  const gathering = new ReceiptGathering({ random, meanWaitMs: 1, holdMs: 1, hand: () => true })
  splitter.accept(
    7,
    request,
    entropy,
    gathering.begin(START, { session: 1 as SessionId, p1Host: undefined }, random(32), copies, 4),
  )
  splitter.recorded(7)
  /** Ends the job that was handed out as the `turn`-th; what it took with it is gone then. */
  function end(turn: number, how: (job: Job) => JobResult = (job) => runJob(crypto, job)) {
    const { id, job } = present(jobs[turn])
    work.done(START, { type: 'done', id, result: how(job) })
  }
  return { jobs, made, failed, splitter, request, entropy, end }
}

function openedRequest(count: number): OpenedRequest {
  const serverKey = crypto.publicPoint(crypto.reduce(random(64)))
  const content = random(60)
  const plan = { splitterKey: serverKey, serverKey, groupKey: serverKey, window: 1, copyBytes: 151 }
  const slots = present(crypto.makeSlots({ ...plan, recipients: concat(...recipients(count)), entropy: random(128) }))
  return { window: 1, count, sealedCopyBytes: 199, split: { serverKey, ...noParts, content, ...slots } }
}

const failing = (): JobResult => ({ type: 'failed' })
const blank = new Uint8Array(32)

t.test('slices of a split', (t) => {
  t.test('are handed out as far as they may be ahead, and the next when one ends', (t) => {
    const { jobs, made, end } = splitting(5 * limits.splitStepCopies - 1)
    t.equal(jobs.length, 2)
    end(1)
    t.equal(jobs.length, 3, 'ends out of turn')
    t.equal(made.length, limits.splitStepCopies)
    for (const turn of [0, 3, 2, 4]) end(turn)
    t.equal(made.length, 5 * limits.splitStepCopies - 1)
    t.equal(new Set(made.map(toHex)).size, made.length)
    t.end()
  })

  t.test('carry keys of their own, wiped when they are done; the request’s are with its last copy', (t) => {
    const { jobs, request, entropy, end } = splitting(2 * limits.splitStepCopies)
    end(0)
    const [first, second] = jobs.map(({ job }) => job as Extract<Job, { type: 'split' }>)
    t.same([first?.request.requestKey, first?.entropy], [blank, blank])
    t.notSame(request.split.requestKey, blank, 'not before it')
    t.same(second?.request.requestKey, request.split.requestKey)
    end(1)
    t.same([request.split.requestKey, entropy], [blank, blank])
    t.end()
  })

  t.test('that fail are tried once more, then given up', (t) => {
    const { jobs, made, failed, request, end } = splitting(limits.splitStepCopies + 1)
    end(1, failing)
    t.equal(jobs.length, 3)
    end(0)
    end(2)
    t.equal(made.length, limits.splitStepCopies + 1)
    t.same(failed, [])
    t.same(request.split.requestKey, blank)

    const doomed = splitting(limits.splitStepCopies + 1)
    for (const turn of [1, 2]) doomed.end(turn, failing)
    t.same(doomed.failed, [[1, 'JOB_FAILED']])
    t.notSame(doomed.request.split.requestKey, blank, 'the other slice may still be made')
    doomed.end(0)
    t.same(doomed.request.split.requestKey, blank)
    t.end()
  })

  t.test('of which one tells that a point does not decode make an end of all', (t) => {
    const { jobs, failed, request, end } = splitting(5 * limits.splitStepCopies)
    const refused = (): JobResult => ({ type: 'split', copies: undefined })
    end(0, failing)
    end(1, refused)
    t.same(failed, [[4 * limits.splitStepCopies, 'REQUEST_POINT']], 'what is under way is yet to end')
    for (let turn = 2; turn < jobs.length; turn++) end(turn, refused)
    t.equal(
      failed.reduce((sum, [copies]) => sum + copies, 0),
      5 * limits.splitStepCopies,
      'all room is given back',
    )
    t.same(failed.map(([, code]) => code).filter(Boolean), ['REQUEST_POINT'], 'said once')
    t.same(request.split.requestKey, blank)
    t.end()
  })

  t.test('that end after a stop make nothing', (t) => {
    const { jobs, made, request, entropy, splitter, end } = splitting(3 * limits.splitStepCopies)
    splitter.stop()
    t.same([request.split.requestKey, entropy], [blank, blank])
    end(0)
    end(1, failing)
    t.equal(made.length, 0)
    t.equal(jobs.length, 2)
    t.end()
  })
  t.end()
})

t.test('requests whose work is under way', (t) => {
  const held = () => 1e9
  const send = (around: Surroundings, count: number) => {
    for (let i = 0; i < count; i++) around.toProxy(requestTo(around, { recipients: recipients(1) }).message)
    around.network.runFor(1_000)
  }

  t.test('are so many and no more; past that the sender hears so at once', (t) => {
    const around = surroundings({ bounds: { openingRequests: 3 } })
    around.network.jobMs = held
    send(around, 3)
    t.equal(around.proxy.dropped('REQUEST_FULL'), 0)
    send(around, 1)
    t.equal(around.proxy.dropped('REQUEST_FULL'), 1)
    t.equal(around.source.machine.of('busy').length, 1)
    t.end()
  })

  t.test('have so many bytes and no more', (t) => {
    const bytes = requestTo(surroundings(), { recipients: recipients(1) }).message.length - 33
    const around = surroundings({ bounds: { openingBytes: 2 * bytes } })
    around.network.jobMs = held
    send(around, 2)
    t.equal(around.proxy.dropped('REQUEST_FULL'), 0)
    send(around, 1)
    t.equal(around.proxy.dropped('REQUEST_FULL'), 1)
    t.end()
  })

  t.test('make room when they end, also by failing, which the sender hears of', (t) => {
    const around = surroundings({ bounds: { openingRequests: 1 } })
    const { network } = around
    const { run } = network
    network.run = failing
    send(around, 1)
    t.equal(around.proxy.dropped('JOB_FAILED'), 1)
    t.equal(around.source.machine.of('busy').length, 1)
    network.run = run
    send(around, 1)
    t.equal(around.server.machine.of('copy').length, 1)
    t.end()
  })

  t.test('and came twice are split once, whichever ends first', (t) => {
    const around = surroundings()
    let turn = 0
    around.network.jobMs = ({ type }) => (type === 'openRequest' && turn++ === 0 ? 500 : 10)
    const { message } = requestTo(around, { recipients: recipients(3) })
    const drops = dropsOf(around, () => {
      around.toProxy(message)
      around.toProxy(message)
    })
    t.strictSame(drops, { REQUEST_REPLAY: 1 })
    t.equal(turn, 2)
    t.equal(around.server.machine.of('copy').length, 3)
    t.end()
  })

  t.test('do not keep others waiting', (t) => {
    const around = surroundings({ meanWaitMs: 1 })
    around.network.jobMs = (job) => (job.type === 'split' && job.count > 1 ? 10_000 : 1)
    around.toProxy(requestTo(around, { recipients: recipients(40) }).message)
    send(around, 1)
    t.equal(around.proxy.machine.status().answeredCopies, 1)
    around.network.runFor(12_000)
    t.equal(around.proxy.machine.status().answeredCopies, 41)
    t.end()
  })

  t.test('end with the proxy: nothing is split any more, and their keys are wiped', (t) => {
    const around = surroundings()
    const { network } = around
    const keys: Uint8Array[] = []
    const { run } = network
    network.run = (job) => {
      const result = run(job)
      if (result.type === 'openRequest' && result.unsealed) keys.push(result.unsealed.requestKey)
      return result
    }
    network.jobMs = () => 2_000
    send(around, 2)
    network.input(around.proxy, { type: 'stop' })
    network.runFor(3_000)
    t.same(keys, [blank, blank])
    t.equal(around.proxy.machine.status().splitRequests, 0)
    t.end()
  })
  t.end()
})

t.test('bounds', (t) => {
  const { linkSecret } = newIdentity()
  const endpoint = () => createEndpoint({ linkSecret }, crypto, random)
  const listed = (): ListedProxy => ({
    id: random(8) as ListedProxy['id'],
    linkKey: crypto.x25519Public(random(32)),
    addresses: [addresses.next],
    sealingKeys: new Map(),
  })

  t.test('copies that wait, by number and by bytes', (t) => {
    const copies = new Copies({ random, endpoint: endpoint(), meanWaitMs: 1 })
    t.ok(copies.reserve(limits.waitingCopies, 1))
    t.notOk(copies.reserve(1, 1))
    copies.release(limits.waitingCopies, 1)
    t.ok(copies.reserve(1, limits.waitingBytes))
    t.notOk(copies.reserve(1, 1))
    t.end()
  })

  t.test('copies made together, whose bytes are held until the last of them has gone', (t) => {
    const own = endpoint()
    const session = own.connect(START, crypto.x25519Public(random(32)), addresses.server)
    const references: number[] = []
    const tokens: [place: number, token: Uint8Array][] = []
    const given = random(4)
    const send: LinkEndpoint['send'] = (now, to, message) => {
      references.push(fromBigEndian(message.subarray(1, 5)))
      return own.send(now, to, message)
    }
    const copies = new Copies({ random, endpoint: Object.create(own, { send: { value: send } }), meanWaitMs: 1 })
    t.ok(copies.reserve(2, 100) && copies.reserve(1, limits.waitingBytes - 200))
    copies.add(START, random(2 * (COPY_HEAD_BYTES + 100)), 100, (place, token) => tokens.push([place, token]))
    copies.send(START + 10, session)
    t.equal(references.length, 2)
    t.ok(copies.answered(references[0] as number, given))
    t.notOk(copies.answered(references[0] as number, given), 'answered once')
    t.strictSame(
      tokens.map(([, token]) => token),
      [given],
    )
    t.equal(copies.held, 2)
    t.notOk(copies.reserve(1, 1), 'both still stand in memory')
    t.ok(copies.answered(references[1] as number, given))
    t.strictSame(tokens.map(([place]) => place).sort(), [0, 1], 'each token with the place of its copy')
    t.ok(copies.reserve(1, 200))
    t.notOk(copies.reserve(1, 1))
    t.end()
  })

  t.test('requests remembered in a window', (t) => {
    const replays = new RequestReplays(crypto)
    const window = slotWindow(START)
    for (let i = 0; i < limits.requestReplays; i++)
      replays.restore(`seen/${window}/${i.toString(16).padStart(32, '0')}`)
    t.equal(replays.remember(window, random(32)), undefined)
    t.ok(replays.remember(window + 1, random(32)), 'another window has room')
    t.equal(replays.expire(startOfWindow(window + 2)).length, limits.requestReplays)
    t.end()
  })

  t.test('messages held for a next hop, by number and by bytes', (t) => {
    const few = new NextHops(endpoint(), random)
    const proxy = listed()
    for (let i = 0; i < limits.forwardMessages; i++) few.forwardToProxy(START, proxy, Uint8Array.of(1))
    t.notOk(few.forwardToProxy(START, proxy, Uint8Array.of(1)))
    const large = new NextHops(endpoint(), random)
    const message = new Uint8Array(limits.messageBytes)
    const fitting = limits.forwardBytes / limits.messageBytes
    for (let i = 0; i < fitting; i++) large.forwardToProxy(START, proxy, message)
    t.notOk(large.forwardToProxy(START, proxy, Uint8Array.of(1)))
    t.end()
  })

  t.test('messages that wait are among those held, and fail where no link is free when their time comes', (t) => {
    const hops = new NextHops(endpoint(), random, 10)
    let taken = 0
    while (taken <= limits.forwardMessages && hops.forwardToProxy(START, listed(), Uint8Array.of(1))) taken++
    t.equal(taken, limits.forwardMessages)
    t.notOk(hops.forwardToProxy(START, listed(), Uint8Array.of(1)))
    t.equal(hops.held, limits.forwardMessages)
    t.ok((hops.deadline() ?? 0) >= START)
    hops.timeout(START + 100)
    t.equal(hops.held, limits.nextHops)
    t.equal(hops.counts.failed, limits.forwardMessages - limits.nextHops)
    t.end()
  })

  t.test('links to next hops, of which an idle one makes room', (t) => {
    const own = endpoint()
    const hops = new NextHops(own, random)
    for (let i = 0; i < limits.nextHops; i++) hops.forwardToProxy(START, listed(), Uint8Array.of(1))
    t.notOk(hops.forwardToProxy(START, listed(), Uint8Array.of(1)))
    hops.timeout(START + limits.forwardHoldMs)
    t.equal(hops.counts.failed, limits.nextHops)
    t.ok(hops.forwardToProxy(START + limits.forwardHoldMs, listed(), Uint8Array.of(1)))
    t.end()
  })
  t.end()
})

t.test('copies leave by their due times, equal ones in random order', (t) => {
  const waiting = new Waiting<{ readonly sealed: Uint8Array }>(new RandomNumbers(random))
  const copy = (name: number) => ({ sealed: Uint8Array.of(name) })
  const dues = Array.from({ length: 200 }, (_, i) => (i * 37) % 100)
  for (const [name, due] of dues.entries()) waiting.add(due, copy(name))
  const order: number[] = []
  for (let taken = waiting.take(); taken !== undefined; taken = waiting.take()) order.push(taken.sealed[0] as number)
  t.strictSame(
    order.map((name) => dues[name] as number),
    [...dues].sort((a, b) => a - b),
  )
  for (let name = 0; name < 64; name++) waiting.add(0, copy(name))
  const ties = Array.from({ length: 64 }, () => waiting.take()?.sealed[0])
  t.notSame(
    ties,
    Array.from({ length: 64 }, (_, name) => name),
  )
  t.equal(waiting.size, 0)
  t.end()
})

t.test('tells how much it still held when it is stopped, where it did', (t) => {
  const notices = (around: Surroundings) => around.proxy.notices.filter((event) => event === 'copies discarded')
  const around = surroundings({ meanWaitMs: 1_000_000 })
  around.toProxy(requestTo(around, { recipients: recipients(3) }).message)
  around.network.runFor(100)
  t.equal(around.proxy.machine.status().waitingCopies, 3)
  around.network.input(around.proxy, { type: 'stop' })
  t.strictSame(notices(around), ['copies discarded'])
  const idle = surroundings()
  idle.network.input(idle.proxy, { type: 'stop' })
  t.strictSame(notices(idle), [])
  t.end()
})

t.test('acknowledges together what arrived together', (t) => {
  const acknowledgements = (together: boolean): number => {
    const around = surroundings()
    const { network, proxy, source } = around
    const session = around.connect()
    network.input(source, { type: 'timeout' })
    network.runFor(1_000)
    const { endpoint } = source.machine
    for (let i = 0; i < 8; i++) endpoint.send(network.now, session, random(1_000))
    const arrived: Uint8Array[] = []
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      if (output.type === 'transmit') arrived.push(output.bytes)
    }
    let sent = 0
    for (const [index, bytes] of arrived.entries()) {
      const more = together && index < arrived.length - 1
      proxy.machine.handle(network.now, { type: 'datagram', from: addresses.source, bytes, ...(more && { more }) })
      if (more) continue
      for (let output = proxy.machine.poll(); output !== undefined; output = proxy.machine.poll()) {
        if (output.type === 'transmit' && output.to.host === addresses.source.host) sent++
      }
    }
    t.equal(arrived.length, 8)
    return sent
  }
  t.equal(acknowledgements(false), 4, 'one for two packets')
  t.equal(acknowledgements(true), 1)
  t.end()
})

t.test('says goodbye to its peers when it is stopped', (t) => {
  const around = surroundings()
  around.network.input(around.proxy, { type: 'stop' })
  around.network.runFor(100)
  t.match(around.server.machine.events.at(-1), { type: 'closed', reason: 'goingAway' })
  around.network.runFor(60_000)
  t.equal(around.server.machine.events.at(-1)?.type, 'closed', 'and does not come back')
  t.end()
})
