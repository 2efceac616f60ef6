/**
 * Values of any format, made from its table, and a second encoder that knows the tables alone: it checks no limit, so
 * it makes the bytes that a hostile sender would.
 */
import { concat, utf8 } from '../../src/base/bytes.js'
import { type RandomBytes, randomBelow } from '../../src/base/random.js'
import type { Shape, Table } from '../../src/wire/shape.js'

export type Value = Record<string, unknown>

/** Formats that refuse combinations of fields, and fields that fit each other. */
const fitting: Readonly<Record<string, (random: RandomBytes) => Value>> = {
  ack: (random) => ({ largest: 2 ** 32 - 1, first: randomBelow(random, 2 ** 20) }),
  'ack range': (random) => ({ gap: randomBelow(random, 2 ** 20), length: randomBelow(random, 2 ** 20) }),
  fragment: (random) => {
    const data = random(1 + randomBelow(random, 20))
    const offset = randomBelow(random, 2 ** 15)
    return { offset, data, totalBytes: offset + data.length + randomBelow(random, 100) }
  },
  'network address': (random) => pick(random, hosts)(random),
  invitation: () => ({ name: utf8('Ünïted') }),
  receipts: (random) => ({ tokens: random(2 ** (2 + randomBelow(random, 8))) }),
  'receipt request': (random) => ({ tokenBytes: 2 ** (2 + randomBelow(random, 13)) }),
  'receipt reply': (random) => ({ tokens: random(2 ** (2 + randomBelow(random, 8))) }),
}

const hosts: readonly ((random: RandomBytes) => Value)[] = [
  (random) => ({ kind: 'ipv4', host: random(4) }),
  (random) => ({ kind: 'ipv6', host: concat(Uint8Array.of(0x20), random(15)) }),
  () => ({ kind: 'dns', host: utf8('node-7.example.org') }),
]

/** Whether a format refuses some combinations of fields. */
export function hasCheck(table: Table): boolean {
  return table.name in fitting && table.name !== 'ack range'
}

/** A value of the format; `fixed` fields are as given, and those that depend on them follow. */
export function sampleOf(table: Table, random: RandomBytes, fixed: Value = {}): Value {
  const given = { ...fitting[table.name]?.(random), ...fixed }
  const factors = new Set(table.rows.flatMap(([, { shape }]) => (shape.type === 'dependent' ? shape.factors : [])))
  const value: Value = {}
  for (const [name, { shape }] of table.rows) {
    value[name] = name in given ? given[name] : fieldOf(shape, random, value, factors.has(name))
  }
  return value
}

function fieldOf(shape: Shape, random: RandomBytes, before: Value, small: boolean): unknown {
  switch (shape.type) {
    case 'unsigned':
      return numberOf(shape.min, small ? Math.min(shape.max, shape.min + 4) : shape.max, random)
    case 'varint':
      return Math.min(shape.max, pick(random, [0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 32 - 1]))
    case 'choice':
      return pick(random, Object.keys(shape.names))
    case 'bytes':
      return random(shape.lengthBytes)
    case 'counted':
      return random(Math.min(shape.maxBytes, randomBelow(random, 12)))
    case 'dependent':
      return random(productOf(shape.factors, before))
    case 'rest':
      return random(shape.minBytes + randomBelow(random, 12))
    case 'delimited':
      // Ends like padding now and then: the delimiter must be found all the same.
      return concat(random(randomBelow(random, 12)), Uint8Array.from(pick(random, [[], [0x80], [0x80, 0], [0]])))
    case 'zeroPadding':
      return randomBelow(random, 12)
    case 'nested':
      return sampleOf(shape.item, random)
    case 'list':
      return listOf(shape.item, numberOf(shape.minItems, Math.min(shape.maxItems, shape.minItems + 3), random), random)
    default:
      return shape satisfies never
  }
}

export function listOf(item: Table, count: number, random: RandomBytes): Value[] {
  return Array.from({ length: count }, () => sampleOf(item, random))
}

function numberOf(min: number, max: number, random: RandomBytes): number {
  return pick(random, [min, max, min + randomBelow(random, Math.min(max - min + 1, 2 ** 32))])
}

function pick<T>(random: RandomBytes, choices: readonly T[]): T {
  return choices[randomBelow(random, choices.length)] as T
}

function productOf(factors: readonly (string | number)[], fields: Value): number {
  return factors.reduce<number>(
    (product, each) => product * (typeof each === 'number' ? each : Number(fields[each])),
    1,
  )
}

/** The bytes of a value, by the table and without any check. */
export function bytesOf(table: Table, value: Value): Uint8Array {
  return concat(...table.rows.map(([name, { shape }]) => fieldBytes(shape, value[name])))
}

function fieldBytes(shape: Shape, value: unknown): Uint8Array {
  switch (shape.type) {
    case 'unsigned':
      return big(value as number, shape.lengthBytes)
    case 'varint':
      return varintOf(value as number)
    case 'choice':
      return Uint8Array.of(shape.names[value as string] as number)
    case 'bytes':
    case 'dependent':
    case 'rest':
      return value as Uint8Array
    case 'counted':
      return concat(big((value as Uint8Array).length, shape.lengthBytes), value as Uint8Array)
    case 'delimited':
      return concat(value as Uint8Array, Uint8Array.of(0x80))
    case 'zeroPadding':
      return new Uint8Array(value as number)
    case 'nested':
      return bytesOf(shape.item, value as Value)
    case 'list': {
      const items = value as readonly Value[]
      return concat(big(items.length, shape.countBytes), ...items.map((item) => bytesOf(shape.item, item)))
    }
    default:
      return shape satisfies never
  }
}

/** Written with BigInt, unlike the code under test. */
export function big(value: number, lengthBytes: number): Uint8Array {
  const digits = BigInt(value)
    .toString(16)
    .padStart(lengthBytes * 2, '0')
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

/** RFC 9000 section 16, in `lengthBytes` bytes or in as few as the value needs. */
export function varintOf(value: number, lengthBytes = [1, 2, 4, 8].find((each) => value < 2 ** (8 * each - 2)) ?? 8) {
  const bytes = big(value, lengthBytes)
  bytes[0] = (bytes[0] as number) | ([1, 2, 4, 8].indexOf(lengthBytes) << 6)
  return bytes
}
