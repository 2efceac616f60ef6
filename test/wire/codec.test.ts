/**
 * What single fields, frames, messages and datagrams refuse, and under which code; and that a table which could not be
 * parsed back is refused when it is declared.
 */
import t from 'tap'
import { concat, nodeId, toHex, utf8 } from '../../src/base/bytes.js'
import type { DropCode } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { type FieldObserver, format, type ParseResult, Reader, Writer } from '../../src/wire/codec.js'
import * as content from '../../src/wire/content.js'
import * as datagram from '../../src/wire/datagram.js'
import { datagramsOf, messageRoomBytes } from '../../src/wire/datagram-room.js'
import { networkAddress } from '../../src/wire/directory.js'
import {
  bytes,
  counted,
  delimited,
  dependent,
  list,
  nested,
  rest,
  unsigned,
  zeroPadding,
} from '../../src/wire/fields.js'
import * as frame from '../../src/wire/frame.js'
import * as message from '../../src/wire/message.js'
import { seeded } from '../base/seeded.js'
import { big, bytesOf, sampleOf, varintOf } from './values.js'

const random = seeded(1)

function codeOf(result: ParseResult<unknown>): DropCode | undefined {
  return result.ok ? undefined : result.code
}

function varintRead(encoded: Uint8Array): number {
  return new Reader(encoded).varint()
}

t.test('variable-length numbers take their shortest form, up to 2^53 - 1', async (t) => {
  // RFC 9000 appendix A.1.
  t.equal(varintRead(Uint8Array.of(0x9d, 0x7f, 0x3e, 0x7d)), 494_878_333)
  t.equal(varintRead(Uint8Array.of(0x7b, 0xbd)), 15_293)
  t.equal(varintRead(Uint8Array.of(0x25)), 37)
  t.throws(() => varintRead(Uint8Array.of(0x40, 0x25)), { code: 'WIRE_VALUE' }, '37 in two bytes')
  t.throws(
    () => varintRead(Uint8Array.of(0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c)),
    { code: 'WIRE_VALUE' },
    '2^57',
  )

  const edges = [0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1, 2 ** 53 - 1]
  for (const value of edges) {
    const writer = new Writer()
    writer.varint(value)
    t.equal(toHex(writer.finish()), toHex(varintOf(value)), `${value} is written`)
    t.equal(varintRead(varintOf(value)), value, `${value} is read`)
    for (const lengthBytes of [2, 4, 8].filter((each) => each > varintOf(value).length)) {
      t.throws(
        () => varintRead(varintOf(value, lengthBytes)),
        { code: 'WIRE_VALUE' },
        `${value} in ${lengthBytes} bytes`,
      )
    }
    for (let end = 0; end < varintOf(value).length; end++) {
      t.throws(() => varintRead(varintOf(value).subarray(0, end)), { code: 'WIRE_TRUNCATED' })
    }
  }
  for (const value of [-1, 0.5, Number.NaN, 2 ** 53])
    t.throws(() => new Writer().varint(value), /assertion/, `${value}`)
})

t.test('numbers of up to six bytes keep every bit', async (t) => {
  for (let lengthBytes = 1; lengthBytes <= 6; lengthBytes++) {
    const most = 256 ** lengthBytes - 1
    for (const value of [0, 1, Math.floor(most / 3), most]) {
      const number = format('number', '', [['value', unsigned(lengthBytes), '']])
      t.equal(toHex(number.encode({ value })), toHex(big(value, lengthBytes)))
      t.same(number.parse(big(value, lengthBytes)), { ok: true, value: { value } })
    }
    const writer = new Writer()
    for (const value of [-1, most + 1, 0.5, Number.NaN]) t.throws(() => writer.number(value, lengthBytes), /assertion/)
  }
})

t.test('a writer grows past its first capacity', async (t) => {
  const writer = new Writer(1)
  const parts = [random(3), random(1000), random(5)]
  for (const part of parts) writer.bytes(part)
  t.equal(writer.written, 1008)
  t.equal(toHex(writer.finish()), toHex(concat(...parts)))
})

t.test('a parsed value borrows from what it was parsed from', async (t) => {
  const received = message.encodeMessage('delivery', { number: 1, payload: random(60) })
  const parsed = message.parseMessage(received)
  t.ok(parsed.ok && parsed.value.kind === 'delivery' && parsed.value.value.payload.buffer === received.buffer)
})

t.test('an observer sees every field with its bytes, and items before the field that holds them', async (t) => {
  const seen: string[] = []
  const observe: FieldObserver = (name, field, value) => seen.push(`${name}.${field}=${toHex(value)}`)
  message.parseMessage(Uint8Array.of(0x13, 0, 1, 0, 0, 0, 7, 1, 2, 3, 4), observe)
  t.same(seen, [
    'copy answer.reference=00000007',
    'copy answer.token=01020304',
    'copy answers.answers=00010000000701020304',
  ])
})

t.test('a table that could not be parsed back is refused when it is declared', async (t) => {
  const open = format('open', '', [['all', rest(10), '']])
  t.throws(
    () =>
      format('x', '', [
        ['all', rest(10), ''],
        ['more', unsigned(1), ''],
      ]),
    /takes all/,
  )
  t.throws(
    () =>
      format('x', '', [
        ['inner', nested(open), ''],
        ['more', unsigned(1), ''],
      ]),
    /takes all/,
  )
  t.throws(
    () =>
      format('x', '', [
        ['body', delimited(10), ''],
        ['more', rest(9), ''],
      ]),
    /takes all/,
  )
  t.throws(
    () =>
      format('x', '', [
        ['padding', zeroPadding(), ''],
        ['more', rest(9), ''],
      ]),
    /takes all/,
  )
  t.throws(() => format('x', '', [['items', list(open, 1, 10), '']]), /end by themselves/)
  t.throws(
    () =>
      format('x', '', [
        ['data', dependent('count'), ''],
        ['count', unsigned(1), ''],
      ]),
    /depends on/,
  )
  t.throws(
    () =>
      format('x', '', [
        ['one', unsigned(1), ''],
        ['one', unsigned(1), ''],
      ]),
    /one field/,
  )
  t.throws(() => bytes(7, nodeId), { code: 'BYTES_LENGTH' }, 'a brand of another length')
  t.throws(() => unsigned(7), /assertion/)
  t.throws(() => unsigned(1, { max: 256 }), /assertion/)
  t.throws(() => counted(1, 256), /assertion/)
  t.throws(() => list(open, 1, 256), /assertion/)
})

t.test('only zero bytes may pad', async (t) => {
  const value = { ...sampleOf(content.content, random), body: utf8('text'), paddingBytes: 6 }
  const padded = content.content.encode(value as never)
  t.ok(content.content.parse(padded).ok)
  for (let i = 1; i <= 6; i++) {
    const marked = Uint8Array.from(padded)
    marked[padded.length - i] = 1
    t.equal(codeOf(content.content.parse(marked)), 'WIRE_VALUE', `byte ${i} from the end`)
  }
  t.equal(codeOf(content.content.parse(new Uint8Array(padded.length))), 'WIRE_VALUE', 'no delimiter')

  const headed = format('headed', '', [
    ['head', bytes(1), ''],
    ['body', delimited(9), ''],
    ['paddingBytes', zeroPadding(), ''],
  ])
  t.equal(codeOf(headed.parse(Uint8Array.of(0x80, 0, 0))), 'WIRE_VALUE', 'a field before it ends no body')

  const request = bytesOf(content.requestBody, { ...sampleOf(content.requestBody, random), paddingBytes: 3 })
  request[request.length - 1] = 0x80
  t.equal(codeOf(content.requestBody.parse(request)), 'WIRE_VALUE', 'a request with a mark in its padding')
})

t.test('a request for no copies or too many is refused as such', async (t) => {
  const request = (count: number) => bytesOf(content.requestBody, sampleOf(content.requestBody, random, { count }))
  t.equal(codeOf(content.requestBody.parse(request(limits.copies))), undefined)
  t.equal(codeOf(content.requestBody.parse(request(limits.copies + 1))), 'REQUEST_COUNT')
  t.equal(codeOf(content.requestBody.parse(request(0))), 'REQUEST_COUNT')
})

t.test('lengths that depend on other fields are kept by the encoder too', async (t) => {
  const request = sampleOf(content.requestBody, random, { count: 3 })
  t.throws(() => content.requestBody.encode({ ...request, slots: random(29) } as never), /assertion/)
  t.throws(() => content.requestBody.encode({ ...request, content: random(9000) } as never), /assertion/)
})

t.test('the encoder refuses fields that do not fit each other', async (t) => {
  const value = { message: 0, totalBytes: 10, offset: 5, data: random(5) }
  t.equal(frame.encodeFrame({ kind: 'fragment', value }).length, 11)
  t.throws(() => frame.encodeFrame({ kind: 'fragment', value: { ...value, offset: 6 } }), /fit each other/)
})

t.test('a list says no more items than its bytes could hold', async (t) => {
  const none = bytesOf(content.members, sampleOf(content.members, random, { records: [], departures: [] }))
  const before: string[] = []
  const claiming = concat(none.subarray(0, -4), big(limits.members, 2), random(500))
  const code = codeOf(content.members.parse(claiming, (name) => before.push(name)))
  t.equal(code, 'WIRE_TRUNCATED')
  t.notOk(before.includes('member record'), 'not one item is read')
})

t.test('a network address has one form', async (t) => {
  const address = (kind: number, host: Uint8Array, port = 7000) =>
    codeOf(networkAddress.parse(concat(Uint8Array.of(kind, host.length), host, big(port, 2))))
  const mapped = concat(new Uint8Array(10), Uint8Array.of(0xff, 0xff, 192, 0, 2, 1))
  t.equal(address(4, random(4)), undefined)
  t.equal(address(4, random(4), 0), 'WIRE_VALUE', 'port 0')
  t.equal(address(5, random(4)), 'WIRE_VALUE', 'an unknown kind')
  for (const lengthBytes of [0, 3, 5, 16])
    t.equal(address(4, random(lengthBytes)), 'WIRE_VALUE', `IPv4 of ${lengthBytes}`)
  for (const lengthBytes of [0, 4, 15, 17])
    t.equal(address(6, random(lengthBytes)), 'WIRE_VALUE', `IPv6 of ${lengthBytes}`)
  t.equal(address(6, mapped), 'WIRE_VALUE', 'IPv4-mapped IPv6')
  for (const name of ['a', 'example.org', 'x-1.example', 'a'.repeat(63), '1.example', `${'a.'.repeat(126)}b`]) {
    t.equal(address(1, utf8(name)), undefined, name)
  }
  const bad = [
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    '-a',
    'a-',
    'a b',
    'a\n',
    'ä',
    'a_b',
    '10.0.0.1',
    '127.1',
    '0x7f',
    'a'.repeat(64),
  ]
  for (const name of bad) t.equal(address(1, utf8(name)), 'WIRE_VALUE', JSON.stringify(name))
  t.equal(address(1, utf8(`${'a.'.repeat(126)}bc`)), 'WIRE_LIMIT', 'a name of 254 bytes')
})

t.test('tokens of receipts come in powers of two', async (t) => {
  for (const [tokenBytes, code] of [
    [2, 'WIRE_VALUE'],
    [4, undefined],
    [12, 'WIRE_VALUE'],
    [16_384, undefined],
    [16_385, 'WIRE_LIMIT'],
    [32_768, 'WIRE_LIMIT'],
  ] as const) {
    t.equal(
      codeOf(message.receiptRequest.parse(concat(random(16), big(tokenBytes, 2)))),
      code,
      `${tokenBytes} asked for`,
    )
    const tokens = concat(random(16), random(tokenBytes))
    const tooShort = tokenBytes < 4 ? 'WIRE_TRUNCATED' : code
    t.equal(codeOf(message.receipts.parse(tokens)), tooShort, `${tokenBytes} to P1`)
    t.equal(codeOf(message.receiptReply.parse(tokens)), tooShort, `${tokenBytes} to S`)
  }
})

t.test('an acknowledgement reaches no packet below number 0', async (t) => {
  const ack = (largest: number, first: number, ...ranges: (readonly [number, number])[]) => {
    const numbers = [largest, 0, first].map((each) => varintOf(each))
    return codeOf(
      frame.ack.parse(concat(...numbers, Uint8Array.of(ranges.length), ...ranges.flat().map((each) => varintOf(each)))),
    )
  }
  t.equal(ack(5, 5), undefined)
  t.equal(ack(5, 6), 'WIRE_VALUE')
  t.equal(ack(10, 2, [0, 6]), undefined, '10 to 8, then 6 to 0')
  t.equal(ack(10, 2, [0, 7]), 'WIRE_VALUE')
  t.equal(ack(10, 2, [7, 0]), 'WIRE_VALUE')
  t.equal(ack(2 ** 32 - 1, 2 ** 32 - 1), undefined)
  const most = Array.from({ length: limits.ackRanges - 1 }, () => [0, 0] as const)
  t.equal(ack(1000, 0, ...most), undefined, 'as many ranges as may be')
  t.equal(ack(1000, 0, ...most, [0, 0]), 'WIRE_LIMIT', 'one more')
})

t.test('a fragment stays within its message', async (t) => {
  const fragment = (totalBytes: number, offset: number, dataBytes: number) =>
    codeOf(
      frame.fragment.parse(
        concat(...[1, totalBytes, offset].map((each) => varintOf(each)), big(dataBytes, 2), random(dataBytes)),
      ),
    )
  t.equal(fragment(100, 90, 10), undefined)
  t.equal(fragment(100, 91, 10), 'LINK_FRAGMENT_LIMIT')
  t.equal(fragment(100, 100, 0), 'LINK_FRAGMENT_LIMIT', 'no data')
  t.equal(fragment(0, 0, 0), 'LINK_FRAGMENT_LIMIT')
  t.equal(
    fragment(limits.messageBytes, limits.messageBytes - limits.datagramMaxBytes, limits.datagramMaxBytes),
    undefined,
  )
  t.equal(fragment(limits.messageBytes + 1, 0, 1), 'WIRE_LIMIT')
  t.equal(fragment(limits.messageBytes, 0, limits.datagramMaxBytes + 1), 'WIRE_LIMIT')
})

t.test('frames stand one after the other; padding and later kinds are skipped', async (t) => {
  const ping = frame.encodeFrame({ kind: 'ping', value: {} })
  const challenge = frame.encodeFrame({ kind: 'pathChallenge', value: { data: random(8) } })
  const later = (kind: number) => concat(Uint8Array.of(kind), big(3, 2), random(3))
  const kinds = (...parts: Uint8Array[]) => {
    const parsed = frame.parseFrames(concat(...parts))
    return parsed.ok ? parsed.value.map(({ kind }) => kind) : parsed.code
  }
  t.same(kinds(), [])
  t.same(kinds(ping, new Uint8Array(5), challenge, later(0x20), ping, later(0x7f)), ['ping', 'pathChallenge', 'ping'])
  t.equal(kinds(ping, later(0x0b)), 'WIRE_KIND')
  t.equal(kinds(ping, later(0x1f)), 'WIRE_KIND')
  for (const kind of [0x80, 0x81, 0x9f, 0xa0, 0xff]) t.equal(kinds(ping, later(kind)), 'WIRE_CRITICAL', `kind ${kind}`)
  t.equal(kinds(ping, Uint8Array.of(0x20, 0)), 'WIRE_TRUNCATED')
  t.equal(kinds(ping, Uint8Array.of(0x20, 0, 4, 1, 2, 3)), 'WIRE_TRUNCATED')
  t.equal(kinds(ping, challenge.subarray(0, 8)), 'WIRE_TRUNCATED')
})

t.test('messages of unknown kinds are told apart by their highest bit', async (t) => {
  t.equal(codeOf(message.parseMessage(new Uint8Array())), 'WIRE_EMPTY')
  const known = new Set<number>(Object.values(message.messageKinds))
  for (let kind = 0; kind < 256; kind++) {
    if (known.has(kind)) continue
    t.equal(
      codeOf(message.parseMessage(concat(Uint8Array.of(kind), random(40)))),
      kind < 0x80 ? 'WIRE_KIND' : 'WIRE_CRITICAL',
    )
  }
})

t.test('a message has at most its limit of bytes, the kind among them', async (t) => {
  const reply = (lengthBytes: number) =>
    message.parseMessage(concat(Uint8Array.of(0x03), new Uint8Array(lengthBytes - 1)))
  t.equal(codeOf(reply(limits.messageBytes)), undefined)
  t.equal(codeOf(reply(limits.messageBytes + 1)), 'WIRE_LIMIT')
})

t.test('every message and every datagram is parsed as its kind', async (t) => {
  for (const kind of Object.keys(message.messageKinds) as message.MessageKind[]) {
    const value = sampleOf(message.messages[kind], random)
    const parsed = message.parseMessage(message.encodeMessage(kind, value as never))
    t.same(parsed, { ok: true, value: { kind, value } }, kind)
  }
  for (const kind of Object.keys(datagram.datagramKinds) as datagram.DatagramKind[]) {
    const value = sampleOf(datagram.datagrams[kind], random)
    const encoded = bytesOf(datagram.datagrams[kind], value)
    t.equal(encoded[0], datagram.headByte(kind))
    t.same(datagram.parseDatagram(encoded), { ok: true, value: { kind, value } }, kind)
    t.equal(
      codeOf(datagram.parseDatagram(concat(Uint8Array.of((encoded[0] as number) + 16), encoded.subarray(1)))),
      'WIRE_VERSION',
    )
  }
})

t.test('datagrams of unknown kinds and past their limit are refused', async (t) => {
  t.equal(codeOf(datagram.parseDatagram(new Uint8Array())), 'WIRE_EMPTY')
  for (const kind of [0, 6, 15]) t.equal(codeOf(datagram.parseDatagram(Uint8Array.of(0x10 + kind, 1))), 'WIRE_KIND')
  const packet = (lengthBytes: number) => concat(Uint8Array.of(datagram.headByte('packet')), random(lengthBytes - 1))
  t.equal(codeOf(datagram.parseDatagram(packet(limits.datagramMaxBytes))), undefined)
  t.equal(codeOf(datagram.parseDatagram(packet(limits.datagramMaxBytes + 1))), 'WIRE_LIMIT')
  t.equal(codeOf(datagram.parseDatagram(packet(25))), undefined)
  t.equal(codeOf(datagram.parseDatagram(packet(24))), 'WIRE_TRUNCATED', 'less than a tag')
})

t.test('a message that fits a datagram by the count fits it by its bytes', async (t) => {
  const room = messageRoomBytes(1)
  const whole = frame.encodeFrame({ kind: 'whole', value: { message: 2 ** 30 - 1, data: random(room) } })
  t.equal(datagram.packet.leastBytes + whole.length, limits.datagramBytes)
  for (const datagrams of [1, 2, 3, 14, 15, 200]) {
    const longest = messageRoomBytes(datagrams)
    t.equal(datagramsOf(longest), datagrams)
    t.equal(datagramsOf(longest + 1), datagrams + 1)
  }
  t.equal(messageRoomBytes(10_000), limits.messageBytes)
})
