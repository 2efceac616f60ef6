/**
 * Handshakes under attack (PROTOCOL.md section 10.1): what a responder does for a stranger is bounded, cheap things come
 * before dear ones, and nobody who floods it keeps others out.
 */
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { Shares, SourceRates, sourceOf } from '../../src/link/sources.js'
import { TokenBucket } from '../../src/link/token-bucket.js'
import { cookieReply, headByte } from '../../src/wire/datagram.js'
import type { Frame } from '../../src/wire/frame.js'
import { seeded } from '../base/seeded.js'
import { Network, type Node, SERVER_KEY, SERVER_SECRET } from './pair.js'
import { acceptedPeer, RawPeer } from './raw-peer.js'
import { parsed, present } from './support.js'

const PING: Frame = { kind: 'ping', value: {} }
const COOKIE = headByte('cookieReply')
const RESPONSE = headByte('handshakeResponse')

function kinds(answers: readonly Uint8Array[]): (number | undefined)[] {
  return answers.map((bytes) => bytes[0])
}

function addServer(network: Network, bounds = {}): Node {
  return network.add({ linkSecret: SERVER_SECRET }, bounds)
}

function countOf(node: Node, code: string): number {
  return node.drops().filter((dropped) => dropped === code).length
}

t.test('a token bucket gives its burst, then its rate', (t) => {
  const bucket = new TokenBucket(10, 3, 1000)
  t.strictSame(
    [1000, 1000, 1000, 1000].map((now) => bucket.take(now)),
    [true, true, true, false],
  )
  t.equal(bucket.readyAt(), 1100)
  t.equal(bucket.take(1099), false)
  t.equal(bucket.take(1100), true)
  t.strictSame(
    [9000, 9000, 9000, 9000].map((now) => bucket.take(now)),
    [true, true, true, false],
    'no more than the burst, however long it was idle',
  )
  t.end()
})

t.test('sources', (t) => {
  t.test('are told apart by address and by network', (t) => {
    t.equal(sourceOf('192.0.2.1').network, sourceOf('192.0.2.200').network)
    t.not(sourceOf('192.0.2.1').network, sourceOf('192.0.3.1').network)
    t.equal(sourceOf('2001:db8:1:2::5').network, sourceOf('2001:db8:1:ffff::1').network)
    t.not(sourceOf('2001:db8:1::1').network, sourceOf('2001:db8:2::1').network)
    t.not(sourceOf('192.0.2.1').address, sourceOf('192.0.2.2').address)
    t.end()
  })

  t.test('hold their share and not one more', (t) => {
    const shares = new Shares(2, 3)
    const [one, two, far] = ['192.0.2.1', '192.0.2.2', '198.51.100.1'].map(sourceOf) as [never, never, never]
    shares.add(one, 2)
    t.equal(shares.allows(one), false, 'an address')
    shares.add(two)
    t.equal(shares.allows(two), false, 'a network')
    t.equal(shares.allows(far), true)
    shares.remove(one)
    t.equal(shares.allows(one), true)
    t.end()
  })

  t.test('have a rate each; the oldest of too many is forgotten', (t) => {
    const bounds = { ...limits, addressHandshakesPerSecond: 2, networkHandshakesPerSecond: 3, handshakeSources: 2 }
    const rates = new SourceRates(bounds)
    const take = (host: string) => rates.take(0, sourceOf(host))
    t.strictSame(
      Array.from({ length: 5 }, () => take('192.0.2.1')),
      [true, true, true, true, false],
    )
    t.equal(take('192.0.2.2'), true)
    t.equal(take('192.0.2.2'), false, 'the network has spent its own')
    take('198.51.100.1')
    take('203.0.113.1')
    t.equal(take('192.0.2.1'), true, 'forgotten')
    t.end()
  })
  t.end()
})

t.test('a responder under load', (t) => {
  t.test('asks for cookies from so many half-open sessions on, and for a second after', (t) => {
    const network = new Network(1)
    const server = addServer(network, { halfOpenLoad: 2 })
    const [first, second, third, fourth] = [0, 1, 2, 3].map((i) => new RawPeer(network, server, i)) as [
      RawPeer,
      RawPeer,
      RawPeer,
      RawPeer,
    ]
    t.strictSame(kinds(first.exchange(first.init)), [RESPONSE])
    t.strictSame(kinds(second.exchange(second.init)), [RESPONSE], 'at the bound')
    const [reply] = third.exchange(third.init)
    t.strictSame([reply?.[0], reply?.length], [COOKIE, 49], 'one past: a cookie, shorter than the init')
    t.strictSame(server.drops(), ['LINK_COOKIE'])
    const init = third.initWithCookie(present(reply))
    t.strictSame(kinds(third.exchange(init, fourth.address)), [COOKIE], 'which is worth nothing at another address')
    t.strictSame(kinds(third.exchange(init)), [RESPONSE])
    network.run(limits.handshakeTimeoutMs - 10)
    t.strictSame(kinds(fourth.exchange(fourth.init)), [COOKIE], 'still')
    network.run(limits.handshakeTimeoutMs + 1000)
    t.strictSame(kinds(fourth.exchange(fourth.init)), [RESPONSE], 'and no more once they are gone')
    t.end()
  })

  t.test('takes a cookie for two to four minutes', (t) => {
    const network = new Network(2)
    const server = addServer(network, { halfOpenLoad: 0 })
    const peer = new RawPeer(network, server)
    const init = peer.initWithCookie(present(peer.exchange(peer.init)[0]))
    network.now += 2 * limits.cookieSecretMs - 1
    t.strictSame(kinds(peer.exchange(init)), [RESPONSE], 'under the secret before')
    network.run(limits.handshakeTimeoutMs)
    t.strictSame(kinds(peer.exchange(init)), [COOKIE], 'and then no more')
    t.end()
  })

  t.test('limits the handshakes of an address and of a network that have proved to be there', (t) => {
    const network = new Network(3)
    const bounds = { halfOpenLoad: 0, addressHandshakesPerSecond: 2, networkHandshakesPerSecond: 3 }
    const server = addServer(network, bounds)
    const shakes = (number: number, host: string) => {
      const peer = new RawPeer(network, server, number, host)
      const init = peer.initWithCookie(present(peer.exchange(peer.init)[0]))
      return peer.exchange(init).length === 1
    }
    t.strictSame(
      [0, 1, 2, 3, 4].map((i) => shakes(i, '198.51.100.9')),
      [true, true, true, true, false],
      'a burst of two seconds',
    )
    t.strictSame([shakes(5, '198.51.100.10'), shakes(6, '198.51.100.11')], [true, false], 'the network')
    t.ok(shakes(7, '203.0.113.1'), 'another network')
    t.equal(countOf(server, 'LINK_RATE'), 2)
    network.run(1000)
    t.ok(shakes(8, '198.51.100.9'), 'a second later')
    t.end()
  })

  t.test('answers so many a second, lets so many wait, and sheds the rest', (t) => {
    const network = new Network(4)
    const server = addServer(network, { handshakesPerSecond: 8, handshakeQueue: 3, handshakeQueueLoad: 99 })
    const answers = Array.from({ length: 6 }, (_, i) => {
      const peer = new RawPeer(network, server, i)
      return peer.exchange(peer.init).length
    })
    t.strictSame(answers, [1, 1, 0, 0, 0, 0], 'a burst of a quarter of a second')
    t.strictSame(server.drops(), ['LINK_BUSY'], 'one past the queue')
    const before = network.sent.length
    const start = network.now
    const sentAt: number[] = []
    network.lose = () => sentAt.push(network.now - start) > 0
    network.run(1000)
    t.strictSame(sentAt, [125, 250, 375])
    t.equal(network.sent.length - before, 3)
    t.equal(server.endpoint.deadline() !== undefined, true)
    t.end()
  })

  t.test('keeps an address and a network to their share of sessions', (t) => {
    const network = new Network(5)
    const server = addServer(network, { addressSessions: 2, networkSessions: 3 })
    const first = acceptedPeer(network, server, 0)
    acceptedPeer(network, server, 1)
    t.equal(new RawPeer(network, server, 2).shakeHands(), false, 'an address')
    acceptedPeer(network, server, 3, '198.51.100.10')
    t.equal(new RawPeer(network, server, 4, '198.51.100.11').shakeHands(), false, 'a network')
    t.strictSame(server.drops(), ['LINK_SHARE', 'LINK_SHARE'])
    first.say({ kind: 'close', value: { reason: 0 } })
    t.ok(new RawPeer(network, server, 5).shakeHands(), 'room again')
    t.end()
  })

  t.test('checks the share again when the initiator proves itself', (t) => {
    const network = new Network(6)
    const server = addServer(network, { addressSessions: 1 })
    const [one, other] = [new RawPeer(network, server, 0), new RawPeer(network, server, 1)]
    one.shakeHands()
    other.shakeHands()
    t.equal(one.say(PING).length, 0)
    other.exchange(other.seal(PING))
    t.strictSame(server.drops(), ['LINK_SHARE'])
    t.equal(server.all('accepted').length, 1)
    t.end()
  })
  t.end()
})

t.test('a forged source is never sent more than came in its name', (t) => {
  const network = new Network(7)
  const server = addServer(network)
  const victim = { host: '203.0.113.77', port: 53 }
  const random = seeded(7)
  let inBytes = 0
  for (let i = 0; i < 3000; i++) {
    const peer = new RawPeer(network, server, i)
    const forged = [peer.init, random(1 + (i % 1200)), peer.init.slice(0, 84)][i % 3] as Uint8Array
    for (let repeats = 0; repeats <= i % 2; repeats++) {
      inBytes += forged.length
      peer.exchange(forged, victim)
    }
    if (i % 100 === 0) network.run(7)
  }
  network.run(20_000)
  const out = network.sent.filter(({ to }) => to.host === victim.host)
  const outBytes = out.reduce((sum, { bytes }) => sum + bytes.length, 0)
  t.ok(out.length > 1000 && outBytes < inBytes, `${outBytes} bytes out for ${inBytes} in`)
  const byInit = 85
  t.ok(
    out.every(({ bytes }) => bytes.length < byInit),
    'each answer shorter than what it answers',
  )
  t.end()
})

t.test('a flood of 50,000 handshakes does not keep a legitimate peer out', (t) => {
  const network = new Network(8)
  const server = addServer(network)
  const client = network.add({})
  const flood = Array.from({ length: 500 }, (_, i) => new RawPeer(network, server, i).init)
  const broken = flood.map((init) => init.map((byte, i) => (i === 60 ? byte ^ 1 : byte)))
  const floodFor = (count: number, from: number) => {
    for (let i = from; i < from + count; i++) {
      const host = `100.${64 + (i % 60)}.${(i >> 6) % 250}.${1 + (i % 250)}`
      const init = (i % 5 === 0 ? broken : flood)[i % 500] as Uint8Array
      server.endpoint.datagram(network.now, { host, port: 1024 + (i % 60_000) }, init)
    }
    network.drain(server)
  }
  // 25,000 a second for two seconds; the client comes in the middle of it.
  for (let batch = 0; batch < 500; batch++) {
    floodFor(100, batch * 100)
    if (batch === 100) client.endpoint.connect(network.now, SERVER_KEY, server.address)
    network.run(4)
  }
  t.equal(client.all('connected').length, 1)
  t.equal(server.all('accepted').length, 1)
  t.equal(countOf(server, 'LINK_MAC'), 10_000)
  const answered = network.sent.filter(({ bytes }) => bytes[0] === RESPONSE).length
  t.ok(answered <= limits.halfOpenLoad + limits.handshakeQueueLoad + 1, `${answered} sessions begun for it`)
  const cookies = network.sent.filter(({ bytes }) => bytes[0] === COOKIE)
  t.equal(cookies.length + answered + 10_000, 50_002, 'the rest got cookies')
  t.ok(parsed(cookieReply.parse(present(cookies[0]).bytes)))
  t.end()
})

t.test('several attempts in parallel', (t) => {
  t.test('of one session reach a peer at whichever address answers first', (t) => {
    const network = new Network(9)
    const client = network.add({})
    const server = addServer(network)
    const nowhere = { host: '203.0.113.1', port: 1 }
    const session = client.endpoint.connect(network.now, SERVER_KEY, [nowhere, nowhere, server.address])
    network.run(2 * limits.handshakeStaggerMs - 1)
    t.equal(client.all('connected').length, 0)
    network.run(30)
    t.equal(client.all('connected').length, 1)
    t.strictSame(client.endpoint.peer(session)?.address, server.address)
    network.run(100)
    t.equal(server.all('accepted').length, 1)
    t.end()
  })

  t.test('of many sessions with one peer do not disturb each other', (t) => {
    const network = new Network(10)
    const client = network.add({})
    const server = addServer(network)
    network.conditions = { loss: 0.15, doubling: 0.1, delayMs: 20, jitterMs: 20 }
    for (let i = 0; i < 20; i++) client.endpoint.connect(network.now, SERVER_KEY, server.address)
    t.ok(network.run(limits.handshakeTimeoutMs, () => client.all('connected').length === 20))
    t.end()
  })

  t.test('from both ends at once make two sessions', (t) => {
    const network = new Network(11)
    const [one, other] = [addServer(network), addServer(network)]
    const toOther = one.endpoint.connect(network.now, SERVER_KEY, other.address)
    const toOne = other.endpoint.connect(network.now, SERVER_KEY, one.address)
    one.endpoint.send(network.now, toOther, Uint8Array.of(1))
    other.endpoint.send(network.now, toOne, Uint8Array.of(2))
    network.run(1000)
    t.strictSame(
      [one, other].map((node) => node.all('received').map(({ message }) => message[0])),
      [[2], [1]],
    )
    t.end()
  })
  t.end()
})
