/**
 * A format is declared once, as a table of fields in wire order; encoder, parser, size and documentation all come
 * from that table. Parsing checks every length against its limit, refuses what is left over, copies nothing and
 * reports each field it read to an observer (PROTOCOL.md section 12).
 *
 * A parsed value borrows from the bytes it was parsed from: its byte strings are views into them. Who keeps one beyond
 * the call copies it, also because a view keeps the whole datagram or message alive.
 */
import { assert } from '../base/assert.js'
import type { DropCode } from '../base/errors.js'
import { extentOfTable, type Shape, takesAll } from './shape.js'

/** The first number that so many bytes do not hold, up to eight of them. */
const PAST_BYTES = Array.from({ length: 9 }, (_, lengthBytes) => 256 ** lengthBytes)

/** Called with each field as it is parsed; the proof of who learns what is built on it. */
export type FieldObserver = (format: string, field: string, value: Uint8Array) => void

/** Reads forward through bytes; a read past the end throws `Malformed`, which `parse` turns into a drop code. */
export class Reader {
  readonly bytes: Uint8Array
  offset: number

  constructor(bytes: Uint8Array, offset = 0) {
    this.bytes = bytes
    this.offset = offset
  }

  get remaining(): number {
    return this.bytes.length - this.offset
  }

  /** The next bytes, as a view into what is read. */
  take(lengthBytes: number): Uint8Array {
    assert(Number.isSafeInteger(lengthBytes) && lengthBytes >= 0, 'a length to read')
    if (lengthBytes > this.remaining) throw new Malformed('WIRE_TRUNCATED')
    const taken = this.bytes.subarray(this.offset, this.offset + lengthBytes)
    this.offset += lengthBytes
    return taken
  }

  // By hand, like `varint`, because both run for every field, and a view of its bytes costs an allocation.
  number(lengthBytes: number): number {
    if (lengthBytes > this.remaining) throw new Malformed('WIRE_TRUNCATED')
    const { bytes } = this
    const end = this.offset + lengthBytes
    let value = 0
    for (let at = this.offset; at < end; at++) value = value * 256 + (bytes[at] as number)
    this.offset = end
    return value
  }

  /**
   * RFC 9000 section 16: the two highest bits of the first byte give the length. Longer than needed is refused, so that
   * a number has one encoding, and so is a number past 2^53, which rounding would keep past it.
   */
  varint(): number {
    const first = this.number(1)
    const extraBytes = (1 << (first >> 6)) - 1
    const value = (first & 0x3f) * (PAST_BYTES[extraBytes] as number) + this.number(extraBytes)
    if (!Number.isSafeInteger(value) || varintBytes(value) !== extraBytes + 1) throw new Malformed('WIRE_VALUE')
    return value
  }
}

/** Collects bytes; grows as needed. */
export class Writer {
  private buffer: Uint8Array
  private lengthBytes = 0

  constructor(capacityBytes = 256) {
    this.buffer = new Uint8Array(capacityBytes)
  }

  get written(): number {
    return this.lengthBytes
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length)
    this.buffer.set(value, this.lengthBytes)
    this.lengthBytes += value.length
  }

  number(value: number, lengthBytes: number): void {
    const fits = Number.isSafeInteger(value) && value >= 0 && value < (PAST_BYTES[lengthBytes] as number)
    assert(fits, 'a number that fits its bytes')
    this.reserve(lengthBytes)
    let rest = value
    for (let i = lengthBytes - 1; i >= 0; i--) {
      this.buffer[this.lengthBytes + i] = rest % 256
      rest = Math.floor(rest / 256)
    }
    this.lengthBytes += lengthBytes
  }

  varint(value: number): void {
    const lengthBytes = varintBytes(value)
    const prefix = Math.log2(lengthBytes) << 6
    this.number(value, lengthBytes)
    const first = this.lengthBytes - lengthBytes
    this.buffer[first] = (this.buffer[first] as number) | prefix
  }

  /** What was written, for the caller to keep. */
  finish(): Uint8Array {
    // A full buffer can be handed out as it is: whatever is written next moves to a larger one.
    if (this.lengthBytes === this.buffer.length) return this.buffer
    return this.buffer.slice(0, this.lengthBytes)
  }

  /** What was written, valid until more is. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.lengthBytes)
  }

  /** Starts again with nothing written, in the same buffer. */
  reset(): void {
    this.lengthBytes = 0
  }

  private reserve(moreBytes: number): void {
    if (this.lengthBytes + moreBytes <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.lengthBytes + moreBytes))
    grown.set(this.buffer.subarray(0, this.lengthBytes))
    this.buffer = grown
  }
}

/** Bytes that a varint (RFC 9000 section 16) of this value takes. */
export function varintBytes(value: number): number {
  if (value < 2 ** 6) return 1
  if (value < 2 ** 14) return 2
  if (value < 2 ** 30) return 4
  return 8
}

/**
 * Thrown inside a parser alone, and caught at its edge: input is never an exception outside. No Error, whose stack would
 * cost more to record than all else that a flood of bad packets takes.
 */
export class Malformed {
  readonly code: DropCode
  constructor(code: DropCode) {
    this.code = code
  }
}

/** How one field stands on the wire. */
export interface Field<T> {
  readonly shape: Shape
  /** `before` holds the fields of the same format read so far, for lengths that depend on them. */
  read(reader: Reader, observe?: FieldObserver, before?: Readonly<Record<string, unknown>>): T
  /** `all` holds the fields of the same format, for lengths that depend on them. A value that does not fit is an assertion. */
  write(writer: Writer, value: T, all?: Readonly<Record<string, unknown>>): void
}

export type Row<Name extends string = string, T = unknown> = readonly [name: Name, field: Field<T>, meaning: string]

type ValueOf<R> = R extends readonly [string, Field<infer T>, string] ? T : never
/** The object that a table of rows parses to. */
export type Fields<Rows extends readonly Row[]> = {
  readonly [R in Rows[number] as R[0]]: ValueOf<R>
}

export type ParseResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: DropCode }

export interface Format<T> {
  readonly name: string
  /** One sentence for WIRE.md. */
  readonly meaning: string
  readonly rows: readonly Row[]
  /** Bytes of the format where all fields are fixed, else `undefined`. */
  readonly fixedBytes: number | undefined
  /** No value has fewer bytes, as far as single fields tell. */
  readonly leastBytes: number
  /** A value that the format does not allow is a defect of the caller: an assertion, not an error code. */
  encode(value: T): Uint8Array
  /** Never throws for any bytes. What it returns borrows from `bytes`. */
  parse(bytes: Uint8Array, observe?: FieldObserver): ParseResult<T>
  /** For formats inside others. */
  read(reader: Reader, observe?: FieldObserver): T
  write(writer: Writer, value: T): void
}

/** What a format parses to. */
export type FormatValue<F> = F extends Format<infer T> ? T : never

/** Declares a format; `check` refuses combinations of fields that no single field can see. */
export function format<const Rows extends readonly Row[]>(
  name: string,
  meaning: string,
  rows: Rows,
  check?: (value: Fields<Rows>) => DropCode | undefined,
): Format<Fields<Rows>> {
  type Value = Fields<Rows>
  const table: readonly Row[] = rows
  const fieldsThatFit = `fields of ${name} that fit each other`
  checkTable(name, table)
  const { leastBytes, fixed } = extentOfTable({ name, rows: table })

  function read(reader: Reader, observe?: FieldObserver): Value {
    const value: Record<string, unknown> = {}
    for (let i = 0; i < table.length; i++) {
      const row = table[i] as Row
      const start = reader.offset
      value[row[0]] = row[1].read(reader, observe, value)
      observe?.(name, row[0], reader.bytes.subarray(start, reader.offset))
    }
    const refused = check?.(value as Value)
    if (refused !== undefined) throw new Malformed(refused)
    return value as Value
  }

  function write(writer: Writer, value: Value): void {
    assert(check?.(value) === undefined, fieldsThatFit)
    const all = value as Record<string, unknown>
    for (let i = 0; i < table.length; i++) {
      const row = table[i] as Row
      row[1].write(writer, all[row[0]], all)
    }
  }

  return {
    name,
    meaning,
    rows: table,
    fixedBytes: fixed ? leastBytes : undefined,
    leastBytes,
    read,
    write,
    encode(value) {
      const writer = new Writer()
      write(writer, value)
      return writer.finish()
    },
    parse(bytes, observe) {
      return parseWhole(bytes, (reader) => read(reader, observe))
    },
  }
}

/** The same value in bytes of its own, for who keeps it longer than what it was parsed from. */
export function owned<T>(of: Format<T>, value: T): T {
  const parsed = of.parse(of.encode(value))
  assert(parsed.ok, `a ${of.name} that was parsed parses`)
  return parsed.value
}

/** A table that could not be parsed back fails when it is declared, not when it is used. */
function checkTable(name: string, rows: readonly Row[]): void {
  const numbers = new Set<string>()
  const names = new Set<string>()
  for (const [index, [field, { shape }]] of rows.entries()) {
    assert(!names.has(field), `one field ${field} in ${name}`)
    names.add(field)
    if (shape.type === 'unsigned') numbers.add(field)
    if (shape.type === 'dependent') {
      const known = shape.factors.every((factor) => typeof factor === 'number' || numbers.has(factor))
      assert(known, `${name}: ${field} depends on numbers before it`)
    }
    if (shape.type === 'list') {
      assert(
        !shape.item.rows.some(([, each]) => takesAll(each.shape)),
        `${name}: items of ${field} that end by themselves`,
      )
    }
    if (takesAll(shape) && index < rows.length - 1) {
      const paddingFollows = shape.type === 'delimited' && rows[index + 1]?.[1].shape.type === 'zeroPadding'
      assert(paddingFollows, `${name}: nothing after ${field}, which takes all`)
    }
  }
}

/** Runs a parser over all of `bytes`; what is left over is refused. */
export function parseWhole<T>(bytes: Uint8Array, read: (reader: Reader) => T): ParseResult<T> {
  const reader = new Reader(bytes)
  try {
    const value = read(reader)
    if (reader.remaining > 0) return { ok: false, code: 'WIRE_TRAILING' }
    return { ok: true, value }
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, code: error.code }
    throw error
  }
}
