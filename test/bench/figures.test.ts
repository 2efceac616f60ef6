/** What the bench makes of measured times: medians, ratios, the comparison with the baseline, and the report's page. */
import { parseHTML } from 'linkedom'
import t from 'tap'
import { compareRatios, updated } from '../../bench/baseline.js'
import { gather, idle, joinAll, joinOne, removeOne, type Step } from '../../bench/groups/gathering.js'
import { opening } from '../../bench/groups/opening.js'
import { ratiosOf } from '../../bench/ratios.js'
import { labels } from '../../bench/report/chart.js'
import { numberText } from '../../bench/report/html.js'
import { quantiles } from '../../bench/report/network.js'
import { page } from '../../bench/report/page.js'
import { parseRuns } from '../../bench/report/rows.js'
import { lowerQuartile, median, ratioOver, spread } from '../../bench/statistics.js'
import type { SubjectRun } from '../../bench/subject.js'

const where = { machine: 'a machine, 2 cores', node: 'v20.1.0', v8: '11.3', fieldBuild: 'fused', notes: [] }
const times = { spread: 1.1, ratio: 1 }

const splitRun: SubjectRun = {
  ...{ subject: 'split', ...where, notes: ['a contestant is left out'] },
  results: [
    { contestant: 'splitcast', build: 'fused', copies: 1, bodyBytes: 1024, usPerCopy: 90, ...times },
    { contestant: 'splitcast', build: 'fused', copies: 16, bodyBytes: 1024, usPerCopy: 40, ...times },
    { contestant: 'splitcast', build: 'integer', copies: 16, bodyBytes: 1024, usPerCopy: 80, ...times, ratio: 2 },
    { contestant: 'native libsodium', build: 'cc', copies: 1, bodyBytes: 1024, usPerCopy: 160, ...times, ratio: 1.8 },
    { contestant: 'native libsodium', build: 'cc', copies: 16, bodyBytes: 1024, usPerCopy: 160, ...times, ratio: 4 },
    { contestant: 'native libsodium', build: 'cc', copies: 16, bodyBytes: 64, usPerCopy: 150, ...times, ratio: 5 },
  ],
}
const openRun: SubjectRun = {
  ...{ subject: 'open', ...where },
  results: [
    { who: 'CS', contestant: 'splitcast', count: 1, bodyBytes: 1024, us: 30, ...times },
    { who: 'CS', contestant: 'native libsodium', count: 1, bodyBytes: 1024, us: 90, ...times, ratio: 3 },
  ],
}
const overheadRun: SubjectRun = {
  ...{ subject: 'overhead', ...where },
  results: [
    ...[2, 999].map((recipients) => ({
      ...{ padding: 'none', recipients, bodyBytes: 200, uploadBytes: 500 + 10 * recipients, datagrams: 1 },
      ...{ copyBeyondBody: 269, deliveryBeyondBody: 179 },
    })),
    { fixedBytes: 288, slope: 10.27 },
    {
      scheme: 'Other, whole',
      bytesPerMember: 68,
      covers: 'a key',
      source: 'its paper',
      url: 'https://example.org/a?b&c',
    },
  ],
}
const latencyRun: SubjectRun = {
  ...{ subject: 'latency', ...where },
  results: [
    {
      ...{ members: 8, mixing: 'off', p50Ms: 3, p90Ms: 5, p99Ms: 9, lastMemberMs: 8 },
      samplesMs: [3, 1, 2, 9, 5],
    },
  ],
}
const anonymityRun: SubjectRun = {
  ...{ subject: 'anonymity', ...where },
  results: [50, 1_000].flatMap((meanWaitMs) =>
    [0.1, 1].map((requestsPerSecond) => ({
      ...{ meanWaitMs, requestsPerSecond, mixing: 'neither', copies: 800, bitsAtSplitter: 0.5, bitsAtServer: 0.5 },
      ...{ tenthAtServer: 0, surpriseBits: 0.5, guessed: 0.8 },
    })),
  ),
}
const jobsRun: SubjectRun = {
  ...{ subject: 'jobs', ...where },
  results: [0, 1].map((workers) => ({ job: 'split', workers, perSecond: 500 + workers, usPerJobCpu: 900 })),
}
const throughputRun: SubjectRun = {
  ...{ subject: 'throughput', ...where },
  results: [1, 2].map((workers) => ({ role: 'P2 alone', workers, copiesPerSecond: 9000 * workers, usPerCopyCpu: 100 })),
}

t.test(
  'a median is the middle, a quartile what a quarter is below, a spread the slowest over the fastest',
  async (t) => {
    t.equal(median([9, 1, 5]), 5)
    t.equal(median([4, 1, 3, 2]), 3, 'the upper of two')
    t.equal(spread([20, 10, 15]), 2)
    t.throws(() => median([]))
    t.equal(lowerQuartile([8, 1, 7, 2, 6, 3, 5, 4]), 3)
    t.equal(lowerQuartile([3, 2, 1]), 1)
    t.throws(() => lowerQuartile([]))
  },
)

t.test('ratios compare within a round, so that a slow round counts for both', async (t) => {
  t.equal(ratioOver([20, 200, 20], [10, 100, 10]), 2)
  t.equal(ratioOver([20, 20, 20], [10, 10, 40]), 2)
})

t.test('ratios are those of others and of other builds, for one case of split', async (t) => {
  t.same(ratiosOf([splitRun, openRun]), [
    { job: 'split, 16 copies of 1024 bytes', contestant: 'splitcast, integer', ratio: 2 },
    { job: 'split, 16 copies of 1024 bytes', contestant: 'native libsodium', ratio: 4 },
    { job: 'CS opens, in a call: 1', contestant: 'native libsodium', ratio: 3 },
  ])
  t.same(ratiosOf([overheadRun, { ...splitRun, results: [{ ratio: 'no' }] }]), [])
})

t.test('a ratio is worse only where it fell by more than the tolerance', async (t) => {
  const verdict = (expected: number, ratio: number) =>
    compareRatios({ 'job: other': expected }, [{ job: 'job', contestant: 'other', ratio }], 0.25)[0]?.verdict
  t.equal(verdict(4, 3), 'as before', 'at the tolerance')
  t.equal(verdict(4, 2.99), 'worse')
  t.equal(verdict(3, 4), 'as before')
  t.equal(verdict(3, 4.01), 'better')
  t.same(
    compareRatios({ gone: 2 }, [{ job: 'a', contestant: 'b', ratio: 1 }], 0.25).map((change) => change.verdict),
    ['not measured', 'new'],
  )
})

t.test('a new baseline for one Node leaves the others as they were', async (t) => {
  const baseline = { ratios: { 20: { a: 1, b: 2 }, 24: { a: 3 } } }
  t.same(updated(baseline, '20', { a: 5 }), { ratios: { 20: { a: 5 }, 24: { a: 3 } } })
})

t.test('runs are read back line by line', async (t) => {
  const text = [splitRun, openRun].map((run) => JSON.stringify(run)).join('\n')
  t.same(parseRuns(`${text}\n`), [splitRun, openRun])
  t.throws(() => parseRuns(`${text}\n{"results":[]}`), { code: 'USAGE', message: /line 3/ })
  t.throws(() => parseRuns('no JSON'), { code: 'USAGE' })
})

t.test('numbers have three digits, or all that stand before the point', async (t) => {
  t.same([0.0968, 9.676, 96.76, 967.6, 9676.4, 1024].map(numberText), [
    '0.0968',
    '9.68',
    '96.8',
    '968',
    '9,676',
    '1,024',
  ])
})

t.test('quantiles go from the fastest to the 99th of a hundred', async (t) => {
  const samples = Array.from({ length: 101 }, (_, i) => 100 - i)
  const found = quantiles(samples)
  t.same(found[0], [0, 0])
  t.same(found.at(-1), [0.99, 99])
  t.same(quantiles([]), [])
})

t.test('names at the ends of lines do not stand on each other', async (t) => {
  const placed = (first: number) => {
    const points = ['a', 'b', 'c'].map((series, i) => ({ series, x: 10, y: first + i }))
    return labels({ points, y: { label: 'y', type: 'log' } }, [10, 1000]).map(({ y }) => Math.log10(y))
  }
  for (const first of [100, 998]) {
    const heights = placed(first)
    const gaps = heights.slice(1).map((y, i) => y - (heights[i] as number))
    t.ok(
      gaps.every((gap) => gap > 0.1),
      'a label is 14 of some 230 units high, of two decades',
    )
    t.ok(Math.max(...heights) <= 3, 'within the picture')
  }
})

t.test('the page stands by itself', async (t) => {
  const text = page([splitRun, openRun, overheadRun, latencyRun, throughputRun, jobsRun, anonymityRun])
  const { document } = parseHTML(text)
  const all = [...document.querySelectorAll('*')]
  t.notOk(document.querySelector('script, img, iframe, object, embed, image, use'), 'nothing that loads')
  t.notOk(all.some((element) => element.hasAttribute('src')))
  t.same(
    [...document.querySelectorAll('link')].map((element) => element.getAttribute('href')),
    ['data:,'],
    'an icon, so that browsers ask for none',
  )
  t.notMatch(text, /@import|url\(/)
  const ids = all.map((element) => element.id).filter((id) => id !== '')
  t.equal(new Set(ids).size, ids.length, 'ids are unique')
  t.ok(ids.every((id) => /^[a-z][a-z0-9-]*$/.test(id)))
  const targets = [...document.querySelectorAll('a[href^="#"]')].map((link) => link.getAttribute('href')?.slice(1))
  t.ok(
    targets.every((target) => ids.includes(target as string)),
    'links in the page lead somewhere',
  )
  t.notMatch(document.body.textContent, /NaN|undefined|\[object/)
})

t.test('each picture says what it shows, and its figures stand in a table', async (t) => {
  const { document } = parseHTML(page([splitRun, overheadRun, latencyRun, throughputRun, jobsRun, anonymityRun]))
  const pictures = [...document.querySelectorAll('svg')]
  t.equal(pictures.length, 7)
  for (const picture of pictures) {
    t.equal(picture.getAttribute('role'), 'img')
    const named = (picture.getAttribute('aria-labelledby') ?? '').split(' ')
    t.ok(named.length === 2 && named.every((id: string) => document.getElementById(id)?.textContent !== ''))
    t.ok(picture.closest('section')?.querySelector('table'))
  }
  t.match(document.getElementById('split')?.textContent, /native libsodium[\s\S]*160/)
  t.match(document.getElementById('split')?.textContent, /a contestant is left out/)
})

t.test('subjects that were not run are named, and nothing measured can be markup', async (t) => {
  const hostile = '<script>alert(1)</script>'
  const text = page([{ ...openRun, machine: hostile, notes: [hostile] }])
  t.notMatch(text, /<script/)
  const { document } = parseHTML(text)
  t.match(document.getElementById('open')?.textContent, hostile)
  t.match(document.getElementById('latency')?.textContent, /Not part of this run: npm run bench -- latency/)
})

t.test('one who joins, and one who is removed, cost each other member few bytes, and the remover few for each', (t) => {
  const world = gather(12, 3)
  const others = ({ traffic }: Step) => median(traffic.devices.slice(2, -1).map(({ received }) => received))
  joinAll(world)
  const joined = joinOne(world)
  const received = others(joined) - others(idle(world, joined.virtualMs))
  t.ok(received > 0 && received <= 400, `${received} bytes for a newcomer, beside what links cost anyway`)
  const removed = removeOne(world)
  t.ok(others(removed) <= 700, `${others(removed)} bytes for a removal`)
  t.equal(removed.traffic.requests, 2, 'one message to all who remain, and one to who is removed')
  t.end()
})

t.test('a copy costs a device at most one multiplication for each key that it holds, and one more', (t) => {
  const { keys, mostMultiplications, calls } = opening(6, { rounds: 1, seconds: 0.001 })
  t.ok(keys >= 6)
  t.ok(mostMultiplications <= keys + 1, `${mostMultiplications} for ${keys} keys`)
  t.equal(calls, 2, 'all keys in one batch, and the content')
  t.end()
})
