/**
 * The proxy as a peer: its link to the server, and what it passes on to other proxies, tries again and gives up
 * (PROTOCOL.md sections 4 and 5). Among endpoints in the test's hand, in virtual time; SEED repeats a run.
 */
import t from 'tap'
import { type IdentityKey, type Point, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { startOfDay, utcDay } from '../../src/base/time.js'
import type { SessionId } from '../../src/link/link.js'
import { numericAddress } from '../../src/role/addresses.js'
import { encodeMessage } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import {
  addresses,
  dropsOf,
  forward,
  newIdentity,
  noExtension,
  random,
  recipients,
  requestTo,
  type Surroundings,
  surroundings,
} from './proxy-fixture.js'

t.comment(`SEED=${seed}`)

t.test('what the server has it dial', (t) => {
  t.test('is tried up to the limit at one time, and each outcome makes room for another', (t) => {
    const around = surroundings()
    const { network, server } = around
    const session = server.machine.received[0]?.session as SessionId
    const { identityKey } = newIdentity()
    let hosts = 0
    const dial = (count: number) => {
      for (let i = 0; i < count; i++) {
        const address = numericAddress({ host: `10.9.${hosts++}.1`, port: 7001 })
        server.machine.endpoint.send(
          network.now,
          session,
          encodeMessage('dialBack', { nonce: random(8), identityKey, address }),
        )
      }
      network.input(server, { type: 'timeout' })
    }
    const outcomes = () => server.machine.of('dialBackResult').map(({ reached }) => reached)
    t.strictSame(
      dropsOf(around, () => dial(limits.dialBacks)),
      {},
    )
    t.strictSame(
      dropsOf(around, () => dial(1)),
      { DIAL_BACK: 1 },
      'one more',
    )
    network.runFor(limits.handshakeTimeoutMs)
    t.strictSame(outcomes(), Array(limits.dialBacks).fill('no'))
    t.strictSame(
      dropsOf(around, () => dial(limits.dialBacks)),
      {},
    )
    t.end()
  })

  t.test('is one host so often, and never itself', (t) => {
    const around = surroundings()
    const { network, server, identities } = around
    const session = server.machine.received[0]?.session as SessionId
    const dial = (identityKey: IdentityKey) =>
      dropsOf(around, () => {
        const address = numericAddress(addresses.next)
        const message = encodeMessage('dialBack', { nonce: random(8), identityKey, address })
        server.machine.endpoint.send(network.now, session, message)
        network.input(server, { type: 'timeout' })
      })
    t.strictSame(dial(identities.proxy.identityKey), { DIAL_BACK: 1 })
    for (let i = 0; i < limits.dialHostBurst; i++) t.strictSame(dial(identities.next.identityKey), {})
    t.strictSame(
      server.machine.of('dialBackResult').map(({ reached }) => reached),
      Array(limits.dialHostBurst).fill('yes'),
    )
    t.strictSame(dial(identities.next.identityKey), { DIAL_BACK: 1 }, 'one more')
    t.end()
  })
  t.end()
})

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
