/**
 * The proxy as the splitter: which requests it opens, what copies it makes of them, and what it refuses (PROTOCOL.md
 * section 5). Among endpoints in the test's hand, in virtual time; SEED repeats a run.
 */
import t from 'tap'
import { bigEndian, concat, type Point, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { slotWindow, startOfDay, startOfWindow, utcDay } from '../../src/base/time.js'
import type { SessionId } from '../../src/link/link.js'
import { encodeMessage } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import { START } from '../sim/virtual-network.js'
import {
  crypto,
  dropsOf,
  noExtension,
  openedRecipients,
  type RequestOptions,
  random,
  recipients,
  requestTo,
  surroundings,
} from './proxy-fixture.js'

t.comment(`SEED=${seed}`)

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
