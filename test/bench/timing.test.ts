/** The statistics of the timing-leak test, on data of which the answer is known, and its rule for calling something a leak. */
import t from 'tap'
import {
  type Comparison,
  compareClasses,
  judge,
  momentsOf,
  type Sample,
  sharpestCrop,
  welch,
} from '../../bench/timing/statistics.js'
import { prepare, type Trial } from '../../bench/timing/trial.js'
import { problemIn } from '../../bench/timing.js'
import { seed, seeded } from '../base/seeded.js'

const bytes = seeded()
t.comment(`seed ${seed}`)

function uniform(): number {
  return new DataView(bytes(4).buffer).getUint32(0) / 2 ** 32
}

/** Times around 1,000 with a spread of about 10, in random order of the classes; `timeOf` adds what a class takes longer. */
function sampleOf(count: number, timeOf: (random: boolean, noise: number) => number): Sample {
  const random = Uint8Array.from({ length: count }, () => (uniform() < 0.5 ? 1 : 0))
  const noise = () => 1000 + 10 * (uniform() + uniform() + uniform() - 1.5) * 2
  return { random, times: Float64Array.from(random, (kind) => timeOf(kind === 1, noise())) }
}

const near = (a: number, b: number) => Math.abs(a - b) <= 1e-12 * Math.abs(b)

t.test("Welch's t is what its formula gives by hand", (t) => {
  const a = momentsOf([1, 2, 3, 4])
  const b = momentsOf([3, 5, 7])
  t.strictSame(a, { count: 4, mean: 2.5, variance: 5 / 3 })
  t.strictSame(b, { count: 3, mean: 5, variance: 4 })
  // (2.5 - 5) / sqrt((5/3)/4 + 4/3)
  t.ok(near(welch(a, b), -2.5 / Math.sqrt(1.75)))
  t.ok(near(welch(b, a), 2.5 / Math.sqrt(1.75)))
  t.equal(welch(a, a), 0)
  const constant = momentsOf([5, 5, 5])
  t.equal(welch(constant, constant), 0, 'two constants that are equal do not differ')
  t.equal(welch(constant, momentsOf([4, 4])), Number.POSITIVE_INFINITY, 'and two that are not do')
  t.end()
})

t.test('the variance keeps its digits far from zero', (t) => {
  const far = momentsOf([1, 2, 3, 4].map((value) => value + 2 ** 40))
  t.ok(near(far.variance, 5 / 3))
  t.end()
})

t.test('a difference hidden in an outlier-ridden tail shows in a crop', (t) => {
  const noisy = (random: boolean, noise: number) => (uniform() < 0.05 ? 1e6 * uniform() : noise) + (random ? 0 : 5)
  const comparisons = compareClasses(sampleOf(4000, noisy))
  t.ok(Math.abs((comparisons[0] as Comparison).t) < 4.5, 'not in the mean of everything')
  t.ok(
    comparisons.some(({ t: value }) => value > 10),
    'positive, since the fixed class took longer',
  )
  const { crop, standardError } = sharpestCrop([comparisons, comparisons])
  t.not(crop, 0)
  t.ok(standardError < 1)
  t.end()
})

t.test('classes with too few measurements say nothing', (t) => {
  const comparisons = compareClasses(sampleOf(40, (random) => (random ? 1 : 2)))
  t.ok(comparisons.every(({ t: value }) => value === 0))
  t.equal(judge([comparisons, comparisons]).verdict, 'clean')
  t.end()
})

t.test('repetitions', async (t) => {
  const withT = (...ts: number[]): Comparison[] => ts.map((t) => ({ t, difference: t, standardError: 1, mean: 0 }))

  t.test('what all but one agree on counts, by the weakest of those', (t) => {
    const of = (...ts: number[]) => judge(ts.map((value) => withT(value)))
    t.match(of(12, 11, 13, 14, 15), { verdict: 'leak', t: 12, crop: 0 })
    t.match(of(-12, -11, -13, -14, -15), { verdict: 'leak', t: -12 })
    t.match(of(12, 11, 0.1, 14, 15), { verdict: 'leak', t: 11 }, 'one undisturbed by it is outvoted')
    t.match(of(12, 11, 0.1, 14, 0.2), { verdict: 'clean', t: 0.2 }, 'two are not')
    t.match(of(10.1, 10.1, 10.1, 10.1, 9), { verdict: 'leak' })
    t.match(of(10, 10, 10, 10, 11), { verdict: 'suspicious', t: 10 }, 'at the bound it is none yet')
    t.match(of(4.6, 4.6, 4.6, 4.6, 4), { verdict: 'suspicious' })
    t.match(of(4.5, 4.5, 4.5, 4.5, 4.5), { verdict: 'clean' })
    t.match(of(50, -50, 50, -50, 50), { verdict: 'clean', t: 0 }, 'a contradiction is no difference')
    t.end()
  })

  t.test('agreement is within one crop', (t) => {
    t.match(judge([withT(20, 0), withT(0, 20), withT(20, 0), withT(0, 20)]), { verdict: 'clean' })
    t.match(judge([withT(0, 20), withT(0, 20), withT(3, 20)]), { verdict: 'leak', crop: 1 })
    t.end()
  })

  t.test('equal classes are clean, and a shift of half their spread is a leak', (t) => {
    const repeat = (shift: number) =>
      judge(
        Array.from({ length: 5 }, () =>
          compareClasses(sampleOf(3000, (random, noise) => noise + (random ? shift : 0))),
        ),
      )
    t.equal(repeat(0).verdict, 'clean')
    t.equal(repeat(5).verdict, 'leak')
    t.end()
  })
})

t.test('a run fails where a trial leaks, and where a control does not', (t) => {
  const row = (kind: 'trial' | 'control', verdict: 'clean' | 'suspicious' | 'leak') => ({
    trial: `${kind} ${verdict}`,
    kind,
    verdict,
    build: 'fused',
  })
  t.equal(problemIn([row('trial', 'clean'), row('trial', 'suspicious'), row('control', 'leak')]), undefined)
  t.match(problemIn([row('trial', 'leak'), row('control', 'leak')]), /depends on a secret: "trial leak" \(fused\)/)
  for (const verdict of ['clean', 'suspicious'] as const) {
    t.match(problemIn([row('trial', 'leak'), row('control', verdict)]), /blind here: "control /)
  }
  t.end()
})

t.test('a trial reads each input where it stands, and ten times the work is found', (t) => {
  let runs = 0
  const seen = new Set<number>()
  const trial: Trial = {
    name: 'work',
    inputBytes: 2,
    draw: (kind) => Uint8Array.of(kind === 'fixed' ? 250 : 25, 7),
    bind: (input) => () => {
      runs++
      seen.add(input[0] as number).add(input[1] as number)
      let sum = 0
      for (let i = 0; i < 10 * (input[0] as number); i++) sum = (sum + i * runs) | 0
      return sum
    },
  }
  const bench = prepare(trial)
  const { times, random } = bench.sample(0)
  t.strictSame(seen, new Set([250, 25, 7]))
  t.equal(times.length, random.length)
  t.ok(runs >= bench.batch * times.length)
  t.match(judge(Array.from({ length: 5 }, () => compareClasses(bench.sample(0)))), { verdict: 'leak', t: /^[^-]/ })
  t.throws(() => prepare({ ...trial, bind: () => () => Number.NaN }), /work gave no result/)
  t.end()
})
