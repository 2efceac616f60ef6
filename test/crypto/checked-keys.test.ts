/** The memory of checked identity keys: bounded, and never a way around the check. */
import t from 'tap'
import { type Point, point } from '../../src/base/bytes.js'
import { CheckedKeys } from '../../src/crypto/checked-keys.js'

const keyOf = (number: number) => new Uint8Array(32).fill(number)

function counting(found: (encoded: Uint8Array) => Point | undefined) {
  let checks = 0
  const check = (encoded: Uint8Array) => {
    checks++
    return found(encoded)
  }
  return { check, checks: () => checks }
}

t.test('a good key is checked once, and what is handed out is a copy', (t) => {
  const keys = new CheckedKeys(2)
  const { check, checks } = counting((encoded) => point(Uint8Array.from(encoded)))
  keys.pointOf(keyOf(1), check)?.fill(9)
  t.strictSame(keys.pointOf(keyOf(1), check), keyOf(1))
  t.equal(checks(), 1)
  t.end()
})

t.test('a bad key is refused each time', (t) => {
  const keys = new CheckedKeys(2)
  const { check, checks } = counting(() => undefined)
  t.equal(keys.pointOf(keyOf(1), check), undefined)
  t.equal(keys.pointOf(keyOf(1), check), undefined)
  t.equal(checks(), 2)
  t.equal(keys.size, 0)
  t.end()
})

t.test('holds as many keys as it may and forgets the oldest for one more', (t) => {
  const keys = new CheckedKeys(2)
  const { check, checks } = counting((encoded) => point(Uint8Array.from(encoded)))
  for (const number of [1, 2]) keys.pointOf(keyOf(number), check)
  t.equal(keys.size, 2)
  keys.pointOf(keyOf(3), check)
  t.equal(keys.size, 2)
  keys.pointOf(keyOf(2), check)
  t.equal(checks(), 3, 'the second is still known')
  keys.pointOf(keyOf(1), check)
  t.equal(checks(), 4, 'the first is checked anew')
  t.end()
})
