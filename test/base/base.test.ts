/**
 * Bytes, randomness, time and the tables of codes and labels.
 */
import t from 'tap'
import * as bytes from '../../src/base/bytes.js'
import { dropCodes, ProtocolError } from '../../src/base/errors.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { exponentialMs, type RandomBytes, RandomNumbers, randomBelow, shuffle } from '../../src/base/random.js'
import { earliest, slotWindow, startOfDay, startOfWindow, utcDay } from '../../src/base/time.js'
import { seeded } from './seeded.js'

t.test('brands take their length and no other', async (t) => {
  const brands = [
    [bytes.nodeId, 8],
    [bytes.identityKey, 32],
    [bytes.point, 32],
    [bytes.scalar, 32],
    [bytes.key, 32],
    [bytes.digest, 32],
    [bytes.signature, 64],
    [bytes.messageId, 8],
    [bytes.groupId, 8],
  ] as const
  for (const [brand, lengthBytes] of brands) {
    const value = new Uint8Array(lengthBytes)
    t.equal(brand(value), value, 'the same bytes')
    for (const other of [0, lengthBytes - 1, lengthBytes + 1]) {
      t.throws(() => brand(new Uint8Array(other)), { name: 'ProtocolError', code: 'BYTES_LENGTH' })
    }
  }
})

t.test('byte strings are joined, compared and wiped', async (t) => {
  const { concat, equal, equalConstantTime, compare, wipe } = bytes
  const a = Uint8Array.of(1, 2, 3)
  t.same(concat(), new Uint8Array())
  t.same(concat(a, new Uint8Array(), Uint8Array.of(255)), Uint8Array.of(1, 2, 3, 255))
  t.not(concat(a).buffer, a.buffer, 'a copy')
  for (const same of [equal, equalConstantTime]) {
    t.ok(same(a, Uint8Array.of(1, 2, 3)))
    t.ok(same(new Uint8Array(), new Uint8Array()))
    for (const other of [
      [1, 2],
      [1, 2, 3, 0],
      [0, 2, 3],
      [1, 2, 0x83],
    ])
      t.notOk(same(a, Uint8Array.from(other)), `${other}`)
  }
  const ordered = [[], [0], [0, 255], [1], [1, 0], [127], [128], [255, 0]].map((each) => Uint8Array.from(each))
  for (const [i, x] of ordered.entries()) {
    for (const [j, y] of ordered.entries()) t.equal(Math.sign(compare(x, y)), Math.sign(i - j))
  }
  const secrets = [Uint8Array.of(1, 2), Uint8Array.of(3)]
  wipe(...secrets)
  t.same(secrets, [Uint8Array.of(0, 0), Uint8Array.of(0)])
})

t.test('hexadecimal goes both ways', async (t) => {
  const { toHex, fromHex } = bytes
  t.equal(toHex(Uint8Array.of(0, 1, 0xab, 0xff)), '0001abff')
  const long = Uint8Array.from({ length: 10_000 }, (_, i) => i * 7)
  t.equal(toHex(long), Buffer.from(long).toString('hex'), 'more than is done at once')
  t.same(fromHex('0001abFF'), Uint8Array.of(0, 1, 0xab, 0xff))
  t.same(fromHex(''), new Uint8Array())
  for (const text of ['0', '0g', ' 00', '00\n', '0x00', '٠٠'])
    t.throws(() => fromHex(text), { code: 'HEX_MALFORMED' }, text)
})

t.test('text is UTF-8 and nothing else', async (t) => {
  const { utf8, fromUtf8 } = bytes
  for (const text of ['', 'plain', 'grün €', '👋', '\ufeffmark', '\u0000']) t.equal(fromUtf8(utf8(text)), text)
  for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f]])
    t.equal(fromUtf8(Uint8Array.from(bad)), undefined)
})

t.test('big-endian numbers keep every bit and refuse what does not fit', async (t) => {
  const { bigEndian, fromBigEndian, toHex } = bytes
  t.equal(toHex(bigEndian(0x0102030405, 6)), '000102030405')
  t.equal(toHex(bigEndian(2 ** 53 - 1, 8)), '001fffffffffffff')
  for (const value of [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1])
    t.equal(fromBigEndian(bigEndian(value, 6)), value)
  t.equal(fromBigEndian(new Uint8Array()), 0)
  for (const value of [-1, 256, 0.5, Number.NaN]) t.throws(() => bigEndian(value, 1), /assertion/, `${value}`)
  t.throws(() => bigEndian(2 ** 53, 8), /assertion/)
  t.throws(() => fromBigEndian(new Uint8Array(7)), /assertion/)
})

t.test('labels are 12 bytes of ASCII, and every purpose has its own', async (t) => {
  const texts = Object.values(labels).map((label) => bytes.fromUtf8(label) ?? '')
  for (const text of texts) t.match(text, /^splitcast\/[a-z0-9]{2}$/)
  t.equal(new Set(texts).size, texts.length)
})

t.test('every limit is a positive whole number, every drop code has a sentence', async (t) => {
  for (const [name, limit] of Object.entries(limits)) t.ok(Number.isSafeInteger(limit) && limit > 0, name)
  for (const [code, sentence] of Object.entries(dropCodes)) t.match(`${code} ${sentence}`, /^[A-Z]+(_[A-Z]+)+ \S/)
  const cause = new Error('cause')
  const error = new ProtocolError('USAGE', 'do this', { cause })
  t.match(error, { name: 'ProtocolError', code: 'USAGE', message: 'do this', cause })
})

/** Gives out these 32-bit numbers, one a call. */
function scripted(...numbers: readonly number[]): RandomBytes {
  const left = [...numbers]
  return (lengthBytes) => {
    const next = left.shift()
    if (next === undefined) throw new Error('asked for more numbers than there are')
    return bytes.bigEndian(next, lengthBytes)
  }
}

t.test('random integers are drawn without bias', async (t) => {
  t.equal(randomBelow(scripted(2 ** 32 - 1), 2 ** 32), 2 ** 32 - 1)
  t.equal(randomBelow(scripted(7), 1), 0)
  t.equal(randomBelow(scripted(2 ** 32 - 2), 3), 2, 'the last number that is not refused')
  t.equal(randomBelow(scripted(2 ** 32 - 1, 4), 3), 1, 'one past it is drawn again')
  for (const bound of [0, -1, 0.5, Number.NaN, 2 ** 32 + 1])
    t.throws(() => randomBelow(scripted(0), bound), /assertion/)

  const random = seeded(2)
  const counts = new Array<number>(10).fill(0)
  const draws = 20_000
  for (let i = 0; i < draws; i++) {
    const drawn = randomBelow(random, 10)
    counts[drawn] = (counts[drawn] ?? 0) + 1
  }
  const expected = draws / 10
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  t.equal(counts.length, 10)
  // Nine degrees of freedom: 27.9 is passed once in a thousand seeds, and this seed is fixed.
  t.ok(chiSquare < 27.9, `chi-square ${chiSquare}`)
})

t.test('a shuffle makes every order, about equally often', async (t) => {
  const random = seeded(3)
  const counts = new Map<string, number>()
  for (let i = 0; i < 6000; i++) {
    const order = shuffle(random, ['a', 'b', 'c']).join('')
    counts.set(order, (counts.get(order) ?? 0) + 1)
  }
  t.equal(counts.size, 6)
  for (const [order, count] of counts) t.ok(Math.abs(count - 1000) < 120, `${order} ${count} times`)
  const items = Array.from({ length: 100 }, (_, i) => i)
  t.same(
    [...shuffle(random, [...items])].sort((a, b) => a - b),
    items,
    'nothing lost',
  )
  t.same(shuffle(random, []), [])
})

t.test('waits are exponential with their mean, and bounded', async (t) => {
  const numbers = new RandomNumbers(seeded(4))
  const waits = Array.from({ length: 20_000 }, () => exponentialMs(numbers, 50))
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
  t.ok(Math.abs(mean - 50) < 2, `mean ${mean}`)
  const median = waits.sort((a, b) => a - b)[10_000] as number
  t.ok(Math.abs(median - 50 * Math.LN2) < 2, `median ${median}`)
  const all = (byte: number) => new RandomNumbers((lengthBytes) => new Uint8Array(lengthBytes).fill(byte))
  t.equal(exponentialMs(all(0), 50), 500, 'ten means at most')
  t.ok(exponentialMs(all(255), 50) === 0, 'none at least')
})

t.test('numbers drawn in blocks are those of the bytes, each once, and leave nothing behind', async (t) => {
  const drawn: Uint8Array[] = []
  const blocks: Uint8Array[] = []
  const random = seeded(5)
  const numbers = new RandomNumbers((lengthBytes) => {
    const block = random(lengthBytes)
    blocks.push(block)
    drawn.push(block.slice())
    return block
  })
  const taken = Array.from({ length: 600 }, () => numbers.uint32())
  const of = (block: Uint8Array) =>
    Array.from({ length: block.length / 4 }, (_, i) => bytes.fromBigEndian(block.subarray(4 * i, 4 * i + 4)))
  const expected = drawn.flatMap((block) => of(block).reverse())
  t.same(taken, expected.slice(0, 600))
  for (const block of blocks) t.ok(block.every((byte) => byte === 0))
})

t.test('moments fall into slot windows and UTC days', async (t) => {
  const midnight = Date.UTC(2026, 0, 2)
  t.equal(utcDay(midnight), utcDay(midnight + 86_399_999))
  t.equal(utcDay(midnight - 1), utcDay(midnight) - 1)
  t.equal(startOfDay(utcDay(midnight + 5000)), midnight)
  t.equal(slotWindow(midnight), midnight / 600_000)
  t.equal(slotWindow(midnight + 599_999), slotWindow(midnight))
  t.equal(slotWindow(midnight + 600_000), slotWindow(midnight) + 1)
  t.equal(startOfWindow(slotWindow(midnight + 599_999)), midnight)
  t.equal(slotWindow(0.5), 0)
  t.equal(earliest(undefined, undefined), undefined)
  t.equal(earliest(5, undefined), 5)
  t.equal(earliest(undefined, 5), 5)
  t.equal(earliest(7, 5), 5)
})
