/**
 * The field kinds that formats are made of (WIRE.md, "Notation"). Fixed byte strings carry their brand; every
 * variable length carries its limit.
 */
import { assert } from '../base/assert.js'
import { type Field, type Format, Malformed } from './codec.js'

/** An unsigned big-endian number of 1 to 6 bytes. */
export function unsigned(
  lengthBytes: number,
  allowed?: { readonly min?: number; readonly max?: number },
): Field<number> {
  return {
    size: `${lengthBytes}`,
    fixedBytes: lengthBytes,
    read(reader) {
      const value = reader.number(lengthBytes)
      if (value < (allowed?.min ?? 0) || value > (allowed?.max ?? Number.MAX_SAFE_INTEGER))
        throw new Malformed('WIRE_LIMIT')
      return value
    },
    write(writer, value) {
      writer.number(value, lengthBytes)
    },
  }
}

/** A variable-length number as in RFC 9000 section 16, in its shortest form. */
export function varint(max: number): Field<number> {
  return {
    size: 'varint',
    fixedBytes: undefined,
    read(reader) {
      const value = reader.varint()
      if (value > max) throw new Malformed('WIRE_LIMIT')
      return value
    },
    write(writer, value) {
      assert(value <= max, 'a number within its limit')
      writer.varint(value)
    },
  }
}

/** A byte string of fixed length; `brand` names and length-checks it. */
export function bytes<T extends Uint8Array = Uint8Array>(
  lengthBytes: number,
  brand?: (value: Uint8Array) => T,
): Field<T> {
  return {
    size: `${lengthBytes}`,
    fixedBytes: lengthBytes,
    read(reader) {
      const taken = reader.take(lengthBytes)
      return brand === undefined ? (taken as T) : brand(taken)
    },
    write(writer, value) {
      assert(value.length === lengthBytes, `a byte string of ${lengthBytes} bytes`)
      writer.bytes(value)
    },
  }
}

/** A byte string behind its length, which takes `lengthBytes` bytes and is at most `maxBytes`. */
export function counted(lengthBytes: number, maxBytes: number): Field<Uint8Array> {
  return {
    size: `${lengthBytes} + n`,
    fixedBytes: undefined,
    read(reader) {
      const length = reader.number(lengthBytes)
      if (length > maxBytes) throw new Malformed('WIRE_LIMIT')
      return reader.take(length)
    },
    write(writer, value) {
      assert(value.length <= maxBytes, 'a byte string within its limit')
      writer.number(value.length, lengthBytes)
      writer.bytes(value)
    },
  }
}

/** All that is left. */
export function rest(maxBytes: number): Field<Uint8Array> {
  return {
    size: 'rest',
    fixedBytes: undefined,
    read(reader) {
      if (reader.remaining > maxBytes) throw new Malformed('WIRE_LIMIT')
      return reader.take(reader.remaining)
    },
    write(writer, value) {
      assert(value.length <= maxBytes, 'a byte string within its limit')
      writer.bytes(value)
    },
  }
}

/** Another format, `maxItems` times at most, behind a count of `countBytes`. */
export function list<T>(item: Format<T>, countBytes: number, maxItems: number): Field<readonly T[]> {
  return {
    size: `${countBytes} + n x ${item.name}`,
    fixedBytes: undefined,
    read(reader, observe) {
      const count = reader.number(countBytes)
      if (count > maxItems) throw new Malformed('WIRE_LIMIT')
      const items: T[] = []
      for (let i = 0; i < count; i++) items.push(item.read(reader, observe))
      return items
    },
    write(writer, value) {
      assert(value.length <= maxItems, 'a list within its limit')
      writer.number(value.length, countBytes)
      for (const each of value) item.write(writer, each)
    },
  }
}

/** One other format. */
export function nested<T>(item: Format<T>): Field<T> {
  return {
    size: item.fixedBytes === undefined ? item.name : `${item.fixedBytes} (${item.name})`,
    fixedBytes: item.fixedBytes,
    read: (reader, observe) => item.read(reader, observe),
    write: (writer, value) => item.write(writer, value),
  }
}

/** A byte string whose length follows from fields before it; `size` says how, for WIRE.md. */
export function dependent(
  size: string,
  lengthBytes: (before: Readonly<Record<string, number>>) => number,
): Field<Uint8Array> {
  return {
    size,
    fixedBytes: undefined,
    read: (reader, _observe, before) => reader.take(lengthBytes((before ?? {}) as Readonly<Record<string, number>>)),
    write: (writer, value) => writer.bytes(value),
  }
}

/** All up to the last byte 0x80, which ends it; only zero bytes may follow (ISO/IEC 7816-4 padding). */
export function delimited(maxBytes: number): Field<Uint8Array> {
  return {
    size: 'n + 1',
    fixedBytes: undefined,
    read(reader) {
      let end = reader.bytes.length - 1
      while (end >= reader.offset && reader.bytes[end] === 0) end--
      if (end < reader.offset || reader.bytes[end] !== 0x80) throw new Malformed('WIRE_VALUE')
      if (end - reader.offset > maxBytes) throw new Malformed('WIRE_LIMIT')
      const value = reader.take(end - reader.offset)
      reader.take(1)
      return value
    },
    write(writer, value) {
      writer.bytes(value)
      writer.number(0x80, 1)
    },
  }
}

/** All that is left, which must be zero bytes. The value is how many. */
export function zeroPadding(): Field<number> {
  return {
    size: 'rest',
    fixedBytes: undefined,
    read(reader) {
      const padding = reader.take(reader.remaining)
      if (padding.some((byte) => byte !== 0)) throw new Malformed('WIRE_VALUE')
      return padding.length
    },
    write(writer, value) {
      writer.bytes(new Uint8Array(value))
    },
  }
}

/** One of the named numbers, in one byte; any other is refused. */
export function choice<Name extends string>(names: Readonly<Record<Name, number>>): Field<Name> {
  const byNumber = new Map(Object.entries<number>(names).map(([name, number]) => [number, name as Name]))
  return {
    size: '1',
    fixedBytes: 1,
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
