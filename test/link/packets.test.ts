/**
 * Packets under session keys (PROTOCOL.md sections 10.2 and 10.3), the window against repeats, and what an endpoint makes
 * of bytes that are no packet of anyone's: it drops them under a code and answers nothing.
 */
import fc from 'fast-check'
import t from 'tap'
import { concat, key, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { PacketOpener, PacketSealer, ReplayWindow } from '../../src/link/protection.js'
import { datagramKinds, packet, parseDatagram } from '../../src/wire/datagram.js'
import { seed, seeded } from '../base/seeded.js'
import { connectedPair, Network, type Node, SERVER_SECRET } from './pair.js'
import { acceptedPeer, RawPeer } from './raw-peer.js'
import { crypto, parsed, pattern } from './support.js'

const INDEX = Uint8Array.of(1, 2, 3, 4)
const DIRECTION_KEY = crypto.hash(Uint8Array.of(5))

function ends(firstNumber = 0) {
  return {
    sealer: new PacketSealer(crypto, key(DIRECTION_KEY.slice()), INDEX, firstNumber),
    opener: new PacketOpener(crypto, key(DIRECTION_KEY.slice()), INDEX, limits.packetsPerKey),
  }
}

t.test('a packet opens as the same frames under the same number', (t) => {
  for (const number of [0, 1, 300, 2 ** 31 - 1]) {
    for (const frames of [new Uint8Array(0), pattern(1), pattern(limits.datagramBytes - 25)]) {
      const { sealer, opener } = ends(number)
      const datagram = sealer.seal(frames)
      t.equal(datagram.length, frames.length + 25)
      t.strictSame(opener.open(parsed(packet.parse(datagram))), { ok: true, number, frames, newest: true })
    }
  }
  t.end()
})

t.test('a packet is what PROTOCOL.md says, computed here once more', (t) => {
  const number = 0x01020304
  const frames = pattern(20)
  const none = new Uint8Array(0)
  const packetKey = crypto.hkdf(DIRECTION_KEY, none, labels.packetKey, 32)
  const maskKey = crypto.hkdf(DIRECTION_KEY, none, labels.packetMask, 32)
  const associated = concat(Uint8Array.of(0x14), INDEX)
  const nonce = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4)
  const sealed = crypto.aeadSeal(packetKey, nonce, associated, frames)
  const [a, b, c, d] = sealed as unknown as [number, number, number, number]
  const block = crypto.chachaBlock(maskKey, (a | (b << 8) | (c << 16) | (d << 24)) >>> 0, sealed.slice(4, 16))
  const masked = Uint8Array.of(1, 2, 3, 4).map((byte, i) => byte ^ (block[i] as number))
  t.strictSame(ends(number).sealer.seal(frames), concat(associated, masked, sealed))
  t.end()
})

t.test('no packet survives a flipped bit', (t) => {
  const { sealer, opener } = ends(77)
  const datagram = sealer.seal(pattern(40))
  const survivors: number[] = []
  for (let bit = 0; bit < datagram.length * 8; bit++) {
    const flipped = datagram.slice()
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    const read = parseDatagram(flipped)
    // The index only finds the session; here it must fail because the AEAD covers it.
    const survives = read.ok && read.value.kind === 'packet' && bit >= 40 && opener.open(read.value.value).ok
    if (survives) survivors.push(bit)
  }
  t.strictSame(survivors, [])
  t.equal(opener.open(parsed(packet.parse(datagram))).ok, true, 'the packet itself opens after all of them')
  const misnamed = new PacketOpener(crypto, key(DIRECTION_KEY.slice()), Uint8Array.of(1, 2, 3, 5), limits.packetsPerKey)
  t.equal(misnamed.open(parsed(packet.parse(datagram))).ok, false, 'under another index')
  t.end()
})

t.test('a number past the limit of a key does not open', (t) => {
  const { sealer, opener } = ends(limits.packetsPerKey)
  const opened = opener.open(parsed(packet.parse(sealer.seal(pattern(1)))))
  t.strictSame(opened, { ok: false, code: 'LINK_AUTHENTICATION' })
  t.end()
})

t.test('wiped keys neither seal nor open what the peer can read', (t) => {
  const [one, two] = [ends(), ends()]
  const datagram = one.sealer.seal(pattern(9))
  two.opener.wipe()
  t.equal(two.opener.open(parsed(packet.parse(datagram))).ok, false)
  two.sealer.wipe()
  t.equal(one.opener.open(parsed(packet.parse(two.sealer.seal(pattern(9))))).ok, false)
  t.end()
})

t.test('the replay window', (t) => {
  t.test('takes each number once and remembers 8,192 below the highest', (t) => {
    for (const highest of [8192, 8193, 20_000, 2 ** 31 - 1]) {
      const window = new ReplayWindow()
      t.equal(window.accept(highest), true)
      t.equal(window.fresh(highest), false, 'the highest itself')
      for (const below of [1, 31, 32, 8191, 8192]) {
        t.equal(window.fresh(highest - below), true, `${below} below ${highest}`)
        t.equal(window.accept(highest - below), false)
        t.equal(window.fresh(highest - below), false, 'again')
      }
      if (highest > 8192) t.equal(window.fresh(highest - 8193), false, 'too old to tell')
    }
    t.end()
  })

  t.test('agrees with a set of numbers', (t) => {
    const steps = fc.array(fc.oneof(fc.integer({ min: 0, max: 40_000 }), fc.integer({ min: 0, max: 300 })))
    const property = fc.property(steps, (numbers) => {
      const window = new ReplayWindow()
      const seen = new Set<number>()
      let highest = -1
      for (const number of numbers) {
        const fresh = !seen.has(number) && highest - number <= limits.replayWindowPackets
        if (window.fresh(number) !== fresh) return false
        if (!fresh) continue
        if (window.accept(number) !== number > highest) return false
        seen.add(number)
        highest = Math.max(highest, number)
      }
      return true
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 300, seed }))
    t.end()
  })
  t.end()
})

t.test('an endpoint drops a repeated packet', (t) => {
  const { network, server, client, clientSession } = connectedPair(1)
  client.endpoint.send(network.now, clientSession, pattern(10))
  network.drain(client)
  const { from, bytes } = network.sent.at(-1) as (typeof network.sent)[number]
  network.run(100)
  const answers = network.sent.length
  network.deliver(server, from, bytes)
  t.strictSame(server.drops(), ['LINK_REPLAY'])
  t.equal(network.sent.length, answers)
  t.equal(server.all('received').length, 1)
  t.end()
})

t.test('garbage is dropped under a code and never answered', (t) => {
  const network = new Network(2)
  const server = network.add({ linkSecret: SERVER_SECRET })
  const peer = acceptedPeer(network, server)
  const packetBytes = peer.seal({ kind: 'whole', value: { message: 0, data: pattern(50) } })
  const init = new RawPeer(network, server, 5).init
  const response = concat(Uint8Array.of(0x12), pattern(56))
  const cookie = concat(Uint8Array.of(0x13), pattern(48))
  const reset = concat(Uint8Array.of(0x15), pattern(24))
  const faults: string[] = []

  t.test('every truncation, and one byte more', (t) => {
    for (const whole of [init, response, cookie, reset]) {
      for (let length = 0; length < whole.length; length++) {
        expectDrop(whole.subarray(0, length), length === 0 ? 'WIRE_EMPTY' : 'WIRE_TRUNCATED')
      }
      expectDrop(concat(whole, Uint8Array.of(0)), 'WIRE_TRAILING')
    }
    for (let length = 1; length < packetBytes.length; length++) {
      const code = length < 25 ? 'WIRE_TRUNCATED' : 'LINK_AUTHENTICATION'
      expectDrop(packetBytes.subarray(0, length), code)
    }
    expectDrop(concat(packetBytes, Uint8Array.of(0)), 'LINK_AUTHENTICATION')
    expectDrop(concat(Uint8Array.of(0x14), pattern(1452)), 'WIRE_LIMIT')
    t.strictSame(faults, [])
    t.end()
  })

  t.test('every unknown version and kind', (t) => {
    for (let first = 0; first < 256; first++) {
      if (first >> 4 === 1 && Object.values<number>(datagramKinds).includes(first & 0xf)) continue
      expectDrop(concat(Uint8Array.of(first), pattern(60)), first >> 4 === 1 ? 'WIRE_KIND' : 'WIRE_VERSION')
    }
    t.strictSame(faults, [])
    t.end()
  })

  t.test('whole datagrams for nobody', (t) => {
    for (const bytes of [response, cookie, reset, concat(Uint8Array.of(0x14), pattern(60))]) {
      expectDrop(bytes, 'LINK_UNKNOWN_SESSION')
    }
    t.strictSame(faults, [])
    t.end()
  })

  t.test('every flipped bit of an init', (t) => {
    for (let bit = 8; bit < (init.length - 16) * 8; bit++) {
      const flipped = init.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expectDrop(flipped, 'LINK_MAC')
    }
    t.strictSame(faults, [])
    t.end()
  })

  t.test('random bytes', (t) => {
    const random = seeded()
    for (let i = 0; i < 2000; i++) {
      const bytes = random(i % 200)
      if (i % 2 === 0 && bytes.length > 0) bytes[0] = 0x10 | (i % 16)
      expectDrop(bytes)
    }
    t.strictSame(faults, [])
    t.end()
  })

  server.outputs.length = 0
  network.deliver(server, peer.address, packetBytes)
  t.equal(server.all('received').length, 1, 'the packet itself still arrives')
  t.end()

  function expectDrop(bytes: Uint8Array, code?: string): void {
    const { drops, answers } = dropsOf(server, peer, bytes)
    const dropped = drops.length === 1 && (code === undefined || drops[0] === code)
    if (!dropped || answers > 0) faults.push(`${drops}, ${answers} answers to ${toHex(bytes)}, seed ${seed}`)
  }
})

function dropsOf(server: Node, peer: RawPeer, bytes: Uint8Array) {
  server.outputs.length = 0
  const answers = peer.exchange(bytes).length
  return { drops: server.drops(), answers }
}
