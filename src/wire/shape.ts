/**
 * What the table of a format says of each field, as data: sizes, documentation and the tests' generated values all
 * come from it, so none of them can say something else than the codec does (WIRE.md, "Notation").
 */

/** A format as far as its fields matter. */
export interface Table {
  readonly name: string
  readonly rows: readonly (readonly [name: string, field: { readonly shape: Shape }, meaning: string])[]
}

export type Shape =
  /** A big-endian number. */
  | { readonly type: 'unsigned'; readonly lengthBytes: number; readonly min: number; readonly max: number }
  /** A number as in RFC 9000 section 16. */
  | { readonly type: 'varint'; readonly max: number }
  /** One of some named numbers. */
  | { readonly type: 'choice'; readonly names: Readonly<Record<string, number>> }
  /** A byte string of fixed length. */
  | { readonly type: 'bytes'; readonly lengthBytes: number }
  /** A byte string behind its length. */
  | { readonly type: 'counted'; readonly lengthBytes: number; readonly maxBytes: number }
  /** A byte string whose length is the product of numbers and of earlier fields, named. */
  | { readonly type: 'dependent'; readonly factors: readonly (string | number)[] }
  /** All that is left. */
  | { readonly type: 'rest'; readonly minBytes: number; readonly maxBytes: number }
  /** All up to the last 0x80. */
  | { readonly type: 'delimited'; readonly maxBytes: number }
  /** All that is left, zero. */
  | { readonly type: 'zeroPadding' }
  /** Another format. */
  | { readonly type: 'nested'; readonly item: Table }
  /** Another format, any number of times, behind the count. */
  | {
      readonly type: 'list'
      readonly item: Table
      readonly countBytes: number
      readonly minItems: number
      readonly maxItems: number
    }

/** Bytes that every value has at least; `fixed` where none has more. */
export interface Extent {
  readonly leastBytes: number
  readonly fixed: boolean
}

export function extentOf(shape: Shape): Extent {
  switch (shape.type) {
    case 'unsigned':
    case 'bytes':
      return { leastBytes: shape.lengthBytes, fixed: true }
    case 'choice':
      return { leastBytes: 1, fixed: true }
    case 'varint':
    case 'delimited':
      return { leastBytes: 1, fixed: false }
    case 'counted':
      return { leastBytes: shape.lengthBytes, fixed: false }
    case 'rest':
      return { leastBytes: shape.minBytes, fixed: false }
    case 'dependent':
    case 'zeroPadding':
      return { leastBytes: 0, fixed: false }
    case 'nested':
      return extentOfTable(shape.item)
    case 'list':
      return {
        leastBytes: shape.countBytes + shape.minItems * extentOfTable(shape.item).leastBytes,
        fixed: false,
      }
    default:
      return shape satisfies never
  }
}

export function extentOfTable(table: Table): Extent {
  let leastBytes = 0
  let fixed = true
  for (const [, field] of table.rows) {
    const extent = extentOf(field.shape)
    leastBytes += extent.leastBytes
    fixed &&= extent.fixed
  }
  return { leastBytes, fixed }
}

/** Whether a field reads up to the end of the bytes, whatever stands there. */
export function takesAll(shape: Shape): boolean {
  if (shape.type === 'nested') return shape.item.rows.some(([, field]) => takesAll(field.shape))
  return shape.type === 'rest' || shape.type === 'delimited' || shape.type === 'zeroPadding'
}

/** How many bytes, for WIRE.md: `4`, `varint`, `1 + n`, `10 x count`, `rest`. */
export function sizeText(shape: Shape): string {
  switch (shape.type) {
    case 'unsigned':
    case 'bytes':
      return `${shape.lengthBytes}`
    case 'choice':
      return '1'
    case 'varint':
      return 'varint'
    case 'counted':
      return `${shape.lengthBytes} + n`
    case 'dependent':
      return shape.factors.join(' x ')
    case 'rest':
    case 'zeroPadding':
      return 'rest'
    case 'delimited':
      return 'n + 1'
    case 'nested':
      return shape.item.name
    case 'list':
      return `${shape.countBytes} + n x ${shape.item.name}`
    default:
      return shape satisfies never
  }
}

/** What a field allows within its size, for WIRE.md; empty where all of it. */
export function limitText(shape: Shape): string {
  switch (shape.type) {
    case 'unsigned':
      return between(shape.min, shape.max, 0, 256 ** shape.lengthBytes - 1, '')
    case 'varint':
      return between(0, shape.max, 0, Number.POSITIVE_INFINITY, '')
    case 'counted':
      return between(0, shape.maxBytes, 0, 256 ** shape.lengthBytes - 1, 'n ')
    case 'list':
      return between(shape.minItems, shape.maxItems, 0, 256 ** shape.countBytes - 1, 'n ')
    case 'rest':
      return between(shape.minBytes, shape.maxBytes, 0, Number.POSITIVE_INFINITY, '')
    case 'delimited':
      return between(0, shape.maxBytes, 0, Number.POSITIVE_INFINITY, 'n ')
    default:
      return ''
  }
}

function between(min: number, max: number, least: number, most: number, what: string): string {
  // A constant is said in the meaning of its field.
  if (min === max) return ''
  const bounds = [min > least ? `at least ${grouped(min)}` : '', max < most ? `at most ${grouped(max)}` : '']
  const text = bounds.filter((bound) => bound !== '').join(', ')
  return text === '' ? '' : `${what}${text}`
}

/** Digits in groups of three, so that limits can be read. */
function grouped(value: number): string {
  return `${value}`.replace(/\B(?=(\d{3})+$)/g, ',')
}
