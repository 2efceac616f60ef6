/**
 * What must hold for every format there is: it goes through the list of all of them, with values made from the tables.
 */
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { concat, toHex, utf8 } from '../../src/base/bytes.js'
import { randomBelow } from '../../src/base/random.js'
import type { Format } from '../../src/wire/codec.js'
import * as content from '../../src/wire/content.js'
import * as datagram from '../../src/wire/datagram.js'
import { describeWire, overheads } from '../../src/wire/describe.js'
import * as directory from '../../src/wire/directory.js'
import * as frame from '../../src/wire/frame.js'
import * as message from '../../src/wire/message.js'
import { type AnyFormat, registry } from '../../src/wire/registry.js'
import { type Shape, takesAll } from '../../src/wire/shape.js'
import { seed, seeded } from '../base/seeded.js'
import { bytesOf, hasCheck, listOf, sampleOf, type Value } from './values.js'

t.comment(`SEED=${seed}`)
const random = seeded()
const formats = registry.flatMap(({ entries }) => entries.map(({ format }) => format))

/** Parses, and returns what is wrong: bytes that parse have to be the one encoding of what they parse to. */
function fault(format: AnyFormat, bytes: Uint8Array): string[] {
  try {
    const parsed = format.parse(bytes)
    if (!parsed.ok || toHex(format.encode(parsed.value)) === toHex(bytes)) return []
    return [`${format.name}: ${toHex(bytes)} is not what it parses to`]
  } catch (error) {
    return [`${format.name}: ${toHex(bytes)} threw ${error}`]
  }
}

function open(format: AnyFormat): boolean {
  return format.rows.some(([, { shape }]) => takesAll(shape))
}

/** One assertion serves a whole loop: this is what it compares with no faults. */
function summary(faults: readonly string[]): string {
  return faults.slice(0, 5).join('\n')
}

t.test('every format parses what it encodes, and encodes as its table says', async (t) => {
  for (const format of formats) {
    const faults: string[] = []
    for (let i = 0; i < 40; i++) {
      const value = sampleOf(format, random)
      const bytes = format.encode(value)
      const parsed = format.parse(bytes)
      if (toHex(bytes) !== toHex(bytesOf(format, value))) faults.push(`encodes as ${toHex(bytes)}`)
      if (!parsed.ok || !isDeepStrictEqual(parsed.value, value)) faults.push(`does not parse ${toHex(bytes)}`)
      if (format.fixedBytes !== undefined && bytes.length !== format.fixedBytes)
        faults.push(`has ${bytes.length} bytes`)
      if (bytes.length < format.leastBytes) faults.push(`has less than ${format.leastBytes} bytes`)
    }
    t.equal(summary(faults), '', format.name)
  }
})

t.test('every format refuses bytes that end early', async (t) => {
  for (const format of formats) {
    const faults: string[] = []
    for (let i = 0; i < 5; i++) {
      const bytes = format.encode(sampleOf(format, random))
      for (let end = 0; end < bytes.length; end++) {
        const shorter = bytes.subarray(0, end)
        faults.push(...fault(format, shorter))
        // A field that takes all there is takes less as well, and is then another value.
        if (format.parse(shorter).ok && !open(format)) faults.push(`${end} of ${bytes.length} bytes parse`)
      }
    }
    t.equal(summary(faults), '', format.name)
  }
})

t.test('every format refuses bytes that go on', async (t) => {
  for (const format of formats) {
    const bytes = format.encode(sampleOf(format, random))
    const faults: string[] = []
    for (const extra of [Uint8Array.of(0), Uint8Array.of(0xff), random(20)]) {
      const longer = concat(bytes, extra)
      faults.push(...fault(format, longer))
      const parsed = format.parse(longer)
      if (!open(format) && (parsed.ok || parsed.code !== 'WIRE_TRAILING'))
        faults.push(`${extra.length} more bytes parse`)
    }
    t.equal(summary(faults), '', format.name)
  }
})

t.test('no flipped bit and no random bytes make a format throw, or parse to a value of other bytes', async (t) => {
  for (const format of formats) {
    const bytes = format.encode(sampleOf(format, random))
    const faults: string[] = []
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      faults.push(...fault(format, flipped))
    }
    for (let i = 0; i < 200; i++) faults.push(...fault(format, random(randomBelow(random, 300))))
    t.equal(summary(faults), '', format.name)
  }
})

t.test('the parsers of datagrams, frames and messages throw for no bytes', async (t) => {
  const faults: string[] = []
  const parsers = [datagram.parseDatagram, frame.parseFrames, message.parseMessage]
  const kinds = registry.flatMap(({ entries }) => entries.flatMap(({ kind }) => kind ?? []))
  for (let i = 0; i < 4000; i++) {
    const bytes = random(randomBelow(random, 120))
    // Half of them get past the first byte.
    if (bytes.length > 0 && i % 2 === 0) bytes[0] = kinds[randomBelow(random, kinds.length)] as number
    for (const parse of parsers) {
      try {
        parse(bytes)
      } catch (error) {
        faults.push(`${parse.name} threw ${error} for ${toHex(bytes)}`)
      }
    }
  }
  t.equal(summary(faults), '', 'no throw')
})

/** The value of a field at its limits, and one past them. */
function limitsOf(shape: Shape): { at: unknown[]; past: unknown[] } {
  switch (shape.type) {
    case 'unsigned': {
      const most = 256 ** shape.lengthBytes - 1
      return { at: [shape.min, shape.max], past: [shape.min - 1, shape.max + 1].filter((n) => n >= 0 && n <= most) }
    }
    case 'varint':
      return { at: [0, shape.max], past: [shape.max + 1] }
    case 'counted':
      return {
        at: [0, shape.maxBytes].map(filled),
        past: [shape.maxBytes + 1].filter((n) => n < 256 ** shape.lengthBytes).map(filled),
      }
    case 'rest':
      return {
        at: [shape.minBytes, shape.maxBytes].map(filled),
        past: [shape.minBytes - 1, shape.maxBytes + 1].filter((n) => n >= 0).map(filled),
      }
    case 'delimited':
      return { at: [0, shape.maxBytes].map(filled), past: [filled(shape.maxBytes + 1)] }
    case 'list': {
      const items = (count: number) => listOf(shape.item, count, random)
      return {
        at: [shape.minItems, shape.maxItems].map(items),
        past: [shape.minItems - 1, shape.maxItems + 1].filter((n) => n >= 0).map(items),
      }
    }
    default:
      return { at: [], past: [] }
  }
}

function filled(lengthBytes: number): Uint8Array {
  return new Uint8Array(lengthBytes).fill(0x61)
}

t.test('every limit holds: the value at it parses, the value one past it does not and cannot be encoded', async (t) => {
  for (const format of formats) {
    const faults: string[] = []
    for (const [name, { shape }] of format.rows) {
      const { at, past } = limitsOf(shape)
      for (const limit of at) {
        const value = sampleOf(format, random, { [name]: limit })
        const parsed = format.parse(bytesOf(format, value))
        // Formats that compare fields have tests of their own; here they only must not be past a limit.
        if (hasCheck(format) ? !parsed.ok && parsed.code === 'WIRE_LIMIT' : !parsed.ok)
          faults.push(`${name} at its limit`)
      }
      for (const limit of past) {
        const value = sampleOf(format, random, { [name]: limit })
        if (format.parse(bytesOf(format, value)).ok) faults.push(`${name} past its limit parses`)
        if (encodes(format, value)) faults.push(`${name} past its limit is encoded`)
      }
    }
    t.equal(summary(faults), '', format.name)
  }
})

function encodes(format: AnyFormat, value: Value): boolean {
  try {
    format.encode(value)
    return true
  } catch {
    return false
  }
}

t.test('every format is on the list, under a name and a kind of its own', async (t) => {
  const modules = [content, datagram, directory, frame, message]
  const declared = modules.flatMap((module) => Object.values(module)).filter(isFormat)
  t.same(
    declared.filter((format) => !formats.includes(format)).map(({ name }) => name),
    [],
    'none is missing',
  )
  t.equal(new Set(formats).size, formats.length, 'none is listed twice')
  t.equal(new Set(formats.map(({ name }) => name)).size, formats.length, 'names are unique')
  for (const { title, entries } of registry) {
    const kinds = entries.flatMap(({ kind }) => kind ?? [])
    t.equal(new Set(kinds).size, kinds.length, `kinds of ${title} are unique`)
  }
  const kinds = Object.values(datagram.datagramKinds)
  t.equal(new Set(kinds).size, kinds.length, 'kinds of datagrams are unique')
})

function isFormat(value: unknown): value is Format<unknown> {
  return typeof value === 'object' && value !== null && 'rows' in value && 'parse' in value
}

t.test('the sizes on which the costs rest', async (t) => {
  const body = utf8('a body')
  const inner = content.content.encode({
    sender: filled(8),
    signature: filled(64),
    messageId: filled(8),
    kind: 'application',
    body,
    paddingBytes: 0,
  } as never)
  const sealedContent = filled(inner.length + content.SEAL_BYTES)
  const count = 7
  const sealedBody = content.requestBody.encode({
    oneTimeBase: filled(32),
    oneTimeKey: filled(32),
    count,
    personalPartBytes: 0,
    contentBytes: sealedContent.length,
    slots: filled(10 * count),
    personalParts: filled(0),
    content: sealedContent,
    paddingBytes: 0,
  } as never)
  const request = message.encodeMessage('request', {
    ephemeral: filled(32),
    sealed: filled(sealedBody.length + 16),
  } as never)
  const forward = message.encodeMessage('forward', {
    nextHop: filled(8),
    extension: filled(0),
    message: request,
  } as never)
  t.equal(request.length - 1, 248 + 10 * count + body.length, 'a request: 248 bytes and 10 a recipient')
  t.equal(forward.length, overheads().submitted + 10 * count + body.length, 'as submitted')
  t.equal(overheads().request, 248)
  t.ok(overheads().submitted + overheads().packet + overheads().frame <= 352, 'R18')

  const payload = filled(
    content.SEAL_BYTES +
      content.scrambledPayload.encode({ personalPartBytes: 0, personalPart: filled(0), content: sealedContent }).length,
  )
  const opened = content.openedCopy.encode({ ephemeral: filled(32), slot: filled(10), payload })
  t.equal(opened.length, overheads().openedCopy + body.length, 'a copy, opened')
  const copy = message.encodeMessage('copy', {
    reference: 1,
    extension: filled(0),
    sealed: filled(content.SEAL_BYTES + opened.length),
  })
  t.equal(copy.length, overheads().copy + body.length, 'a copy')
  t.equal(
    message.encodeMessage('delivery', { number: 1, payload }).length,
    overheads().delivery + body.length,
    'a delivery',
  )
  t.equal(datagram.packet.leastBytes, 25, 'a packet costs 25 bytes over its frames')
})

t.test('WIRE.md is what the tables say', async (t) => {
  const written = readFileSync(new URL('../../../docs/WIRE.md', import.meta.url), 'utf8')
  t.ok(written === describeWire(), 'run `npm run docs` to bring docs/WIRE.md up to date')
  for (const { name } of formats) t.match(written, `\n### ${name}\n`)
})
