/**
 * The short form of `npm run audit`: every claim on who learns what is kept, and every variant that is broken on purpose is
 * caught. SEED repeats a run.
 */
import t from 'tap'
import { seed } from '../base/seeded.js'
import { anonymity } from './anonymity.js'
import { audit } from './audit.js'
import type { Passage } from './mixing-run.js'
import { chanceOf, rateBounds, upperTail, visibleAdvantage } from './statistics.js'
import { Strings } from './strings.js'

t.comment(`SEED=${seed}`)

for (const { name, rows } of audit(seed, 'short')) {
  t.test(name, (t) => {
    for (const { claim, holds, measured, variants } of rows()) {
      t.ok(holds, claim, { measured })
      for (const variant of variants) t.ok(variant.caught, `caught: ${variant.name}`, { measured: variant.measured })
    }
    t.end()
  })
}

t.test('the statistics are those of the binomial', (t) => {
  t.equal(upperTail(8, 10, 0.5).toFixed(6), ((45 + 10 + 1) / 1024).toFixed(6))
  t.equal(chanceOf(2, 10).toFixed(6), ((2 * (45 + 10 + 1)) / 1024).toFixed(6))
  t.equal(chanceOf(5, 10), 1)
  // Clopper and Pearson, 99 %, of 0 in 10: 1 - 0.005^(1/10).
  t.equal(rateBounds(0, 10).high.toFixed(4), (1 - 0.005 ** 0.1).toFixed(4))
  t.equal(rateBounds(10, 10).low.toFixed(4), (0.005 ** 0.1).toFixed(4))
  t.ok(visibleAdvantage(10_000) < 0.09)
  t.ok(visibleAdvantage(100) > 0.5)
  t.equal(visibleAdvantage(10), 1, 'ten trials refute nothing')
  t.end()
})

t.test('a string in two threads is found wherever it stands, and nothing in one thread', (t) => {
  const strings = new Strings()
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i * 7)
  strings.add('one', bytes)
  strings.add('one', bytes.slice(5))
  t.equal(strings.repeats.length, 0)
  strings.add('two', Uint8Array.from([1, 2, 3, ...bytes.subarray(20, 36), 9]))
  t.strictSame(strings.repeats, [{ first: 'one', second: 'two', bytes: bytes.slice(20, 36) }])
  strings.add('three', bytes.slice(40, 55))
  t.equal(strings.repeats.length, 1, '15 bytes are too few')
  t.end()
})

t.test("the observer's posterior is Bayes' rule over every way in which copies could have left", (t) => {
  const MEAN_MS = 40
  const arrivals = [0, 0, 25, 25, 30, 30]
  const departures = [10, 28, 45, 60, 61, 90]
  // Copies in pairs of one request; the ways that are possible, each with the likelihood of its waits.
  const ways = permutations(departures.length).flatMap((order) => {
    const waits = departures.map((left, i) => left - (arrivals[order[i] as number] as number))
    const likelihood = waits.reduce((product, wait) => product * Math.exp(-wait / MEAN_MS), 1)
    return waits.some((wait) => wait < 0) ? [] : [{ order, likelihood }]
  })
  const total = ways.reduce((sum, { likelihood }) => sum + likelihood, 0)
  const bits = departures.map((_, i) => {
    const shares = [0, 1, 2].map((request) => {
      const fitting = ways.filter(({ order }) => (order[i] as number) >> 1 === request)
      return fitting.reduce((sum, { likelihood }) => sum + likelihood, 0) / total
    })
    return shares.reduce((sum, share) => (share > 0 ? sum - share * Math.log2(share) : sum), 0)
  })
  const passage = (kind: 'in' | 'out', at: number, copy: number): Passage => ({
    ...{ at, kind, proxy: 'one', to: 'server', copy: `${copy}`, request: copy >> 1 },
  })
  const passages = [
    ...arrivals.map((at, copy) => passage('in', at, copy)),
    ...departures.map((at, copy) => passage('out', at, copy)),
  ].sort((a, b) => a.at - b.at)
  const found = anonymity(passages, 'server', 0)
  t.equal(found.copies, departures.length)
  t.equal(found.meanBits.toFixed(9), (bits.reduce((sum, each) => sum + each, 0) / bits.length).toFixed(9))
  t.end()
})

function permutations(count: number): number[][] {
  if (count === 0) return [[]]
  return permutations(count - 1).flatMap((shorter) =>
    Array.from({ length: count }, (_, at) => [...shorter.slice(0, at), count - 1, ...shorter.slice(at)]),
  )
}
