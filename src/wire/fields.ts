/**
 * The field kinds that formats are made of (WIRE.md, "Notation"). Fixed byte strings carry their brand; every
 * variable length carries its limit. What a table could get wrong is asserted when the table is declared; reading
 * throws nothing but `Malformed`.
 */
import { assert } from '../base/assert.js'
import type { DropCode } from '../base/errors.js'
import { type Field, type Format, Malformed, type Reader } from './codec.js'

/** Bytes of an AEAD tag, which ends every ciphertext (RFC 8439 section 2.8). */
export const TAG_BYTES = 16

/** An unsigned big-endian number of 1 to 6 bytes. `code` replaces the drop codes of numbers outside the range. */
export function unsigned(
  lengthBytes: number,
  allowed: { readonly min?: number; readonly max?: number; readonly code?: DropCode } = {},
): Field<number> {
  const { min = 0, max = 256 ** lengthBytes - 1, code } = allowed
  assert(lengthBytes >= 1 && lengthBytes <= 6, 'numbers of 1 to 6 bytes')
  assert(min <= max && max < 256 ** lengthBytes, 'a range that its bytes can hold')
  const expected = `a number from ${min} to ${max}`
  return {
    shape: { type: 'unsigned', lengthBytes, min, max },
    read(reader) {
      const value = reader.number(lengthBytes)
      if (value < min) throw new Malformed(code ?? 'WIRE_VALUE')
      if (value > max) throw new Malformed(code ?? (min === max ? 'WIRE_VALUE' : 'WIRE_LIMIT'))
      return value
    },
    write(writer, value) {
      assert(value >= min && value <= max, expected)
      writer.number(value, lengthBytes)
    },
  }
}

/** A variable-length number as in RFC 9000 section 16, in its shortest form. */
export function varint(max: number): Field<number> {
  assert(Number.isSafeInteger(max), 'a limit that a number can hold')
  const expected = `a number of at most ${max}`
  return {
    shape: { type: 'varint', max },
    read(reader) {
      const value = reader.varint()
      if (value > max) throw new Malformed('WIRE_LIMIT')
      return value
    },
    write(writer, value) {
      assert(value <= max, expected)
      writer.varint(value)
    },
  }
}

/** A byte string of fixed length; `brand` names and length-checks it. */
export function bytes<T extends Uint8Array = Uint8Array>(
  lengthBytes: number,
  brand: (value: Uint8Array) => T = (value) => value as T,
): Field<T> {
  // A brand refuses other lengths with an error that no parser may throw. Tried here, it cannot happen there.
  brand(new Uint8Array(lengthBytes))
  const expected = `a byte string of ${lengthBytes} bytes`
  return {
    shape: { type: 'bytes', lengthBytes },
    read: (reader) => brand(reader.take(lengthBytes)),
    write(writer, value) {
      assert(value.length === lengthBytes, expected)
      writer.bytes(value)
    },
  }
}

/** A byte string behind its length, which takes `lengthBytes` bytes and is at most `maxBytes`. */
export function counted(lengthBytes: number, maxBytes: number): Field<Uint8Array> {
  assert(maxBytes < 256 ** lengthBytes, 'a limit that the length can hold')
  const expected = `a byte string of at most ${maxBytes} bytes`
  return {
    shape: { type: 'counted', lengthBytes, maxBytes },
    read(reader) {
      const length = reader.number(lengthBytes)
      if (length > maxBytes) throw new Malformed('WIRE_LIMIT')
      return reader.take(length)
    },
    write(writer, value) {
      assert(value.length <= maxBytes, expected)
      writer.number(value.length, lengthBytes)
      writer.bytes(value)
    },
  }
}

/** All that is left. */
export function rest(maxBytes: number, minBytes = 0): Field<Uint8Array> {
  const expected = `${minBytes} to ${maxBytes} bytes`
  return {
    shape: { type: 'rest', minBytes, maxBytes },
    read(reader) {
      if (reader.remaining < minBytes) throw new Malformed('WIRE_TRUNCATED')
      if (reader.remaining > maxBytes) throw new Malformed('WIRE_LIMIT')
      return reader.take(reader.remaining)
    },
    write(writer, value) {
      assert(value.length >= minBytes && value.length <= maxBytes, expected)
      writer.bytes(value)
    },
  }
}

/** Another format, `minItems` to `maxItems` times, behind a count of `countBytes`. */
export function list<T>(item: Format<T>, countBytes: number, maxItems: number, minItems = 0): Field<readonly T[]> {
  assert(maxItems < 256 ** countBytes, 'a limit that the count can hold')
  const expected = `${minItems} to ${maxItems} of ${item.name}`
  return {
    shape: { type: 'list', item, countBytes, minItems, maxItems },
    read(reader, observe) {
      const count = reader.number(countBytes)
      if (count < minItems) throw new Malformed('WIRE_VALUE')
      if (count > maxItems) throw new Malformed('WIRE_LIMIT')
      // Known beforehand to be too short: nothing is allocated for what cannot be there.
      if (count * item.leastBytes > reader.remaining) throw new Malformed('WIRE_TRUNCATED')
      const items: T[] = []
      for (let i = 0; i < count; i++) items.push(item.read(reader, observe))
      return items
    },
    write(writer, value) {
      assert(value.length >= minItems && value.length <= maxItems, expected)
      writer.number(value.length, countBytes)
      for (const each of value) item.write(writer, each)
    },
  }
}

/** One other format. */
export function nested<T>(item: Format<T>): Field<T> {
  return {
    shape: { type: 'nested', item },
    read: (reader, observe) => item.read(reader, observe),
    write: (writer, value) => item.write(writer, value),
  }
}

/** A byte string as long as the product of `factors`: numbers, and names of number fields before it in the table. */
export function dependent(...factors: readonly (string | number)[]): Field<Uint8Array> {
  function lengthBytes(fields: Readonly<Record<string, unknown>> = {}): number {
    return factors.reduce<number>(
      (product, factor) => product * (typeof factor === 'number' ? factor : (fields[factor] as number)),
      1,
    )
  }
  return {
    shape: { type: 'dependent', factors },
    read: (reader, _observe, before) => reader.take(lengthBytes(before)),
    write(writer, value, all) {
      assert(value.length === lengthBytes(all), `a byte string of ${factors.join(' x ')} bytes`)
      writer.bytes(value)
    },
  }
}

/** All up to the last byte 0x80, which ends it; only zero bytes may follow (ISO/IEC 7816-4 padding). */
export function delimited(maxBytes: number): Field<Uint8Array> {
  return {
    shape: { type: 'delimited', maxBytes },
    read(reader) {
      const end = lastNonzero(reader)
      if (reader.bytes[end] !== 0x80 || end < reader.offset) throw new Malformed('WIRE_VALUE')
      if (end - reader.offset > maxBytes) throw new Malformed('WIRE_LIMIT')
      const value = reader.take(end - reader.offset)
      reader.take(1)
      return value
    },
    write(writer, value) {
      assert(value.length <= maxBytes, `a byte string of at most ${maxBytes} bytes`)
      writer.bytes(value)
      writer.number(0x80, 1)
    },
  }
}

/** All that is left, which must be zero bytes. The value is how many. */
export function zeroPadding(): Field<number> {
  return {
    shape: { type: 'zeroPadding' },
    read(reader) {
      if (lastNonzero(reader) >= reader.offset) throw new Malformed('WIRE_VALUE')
      return reader.take(reader.remaining).length
    },
    write(writer, value) {
      writer.bytes(new Uint8Array(value))
    },
  }
}

/** Where the last byte that is not zero stands among those unread; just before them where there is none. */
function lastNonzero(reader: Reader): number {
  let end = reader.bytes.length - 1
  while (end >= reader.offset && reader.bytes[end] === 0) end--
  return end
}

/** One of the named numbers, in one byte; any other is refused. */
export function choice<Name extends string>(names: Readonly<Record<Name, number>>): Field<Name> {
  const byNumber = new Map(Object.entries<number>(names).map(([name, number]) => [number, name as Name]))
  return {
    shape: { type: 'choice', names },
    read(reader) {
      const name = byNumber.get(reader.number(1))
      if (name === undefined) throw new Malformed('WIRE_VALUE')
      return name
    },
    write(writer, value) {
      writer.number(names[value], 1)
    },
  }
}
