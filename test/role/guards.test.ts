/**
 * Which proxies a device sends by: the few first ones it keeps to and when they change, and that every choice among those that
 * fit is even (PROTOCOL.md section 9.9). Statistical tests fail by chance less than once in a million; SEED repeats a run.
 */
import t from 'tap'
import { nodeId, type Point, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { chooseProxies } from '../../src/role/choose-proxies.js'
import { Guards } from '../../src/role/device/guards.js'
import type { ListedProxy, VerifiedDirectory } from '../../src/role/server-link.js'
import { seed, seeded } from '../base/seeded.js'

t.comment(`SEED=${seed}`)

const random = seeded(seed)
const START = Date.UTC(2026, 2, 10, 12)
const DAY = Math.floor(START / 86_400_000)
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/** Proxies, the n-th in the network 10.n, which directories list. */
const proxies = Array.from({ length: 24 }, (_, i): ListedProxy => {
  const id = nodeId(new Uint8Array(8).fill(i + 1))
  const addresses = [{ host: `10.${i}.0.1`, port: 7001 }]
  return { id, linkKey: new Uint8Array(32), addresses, sealingKeys: new Map([[DAY, new Uint8Array(32) as Point]]) }
})

function directoryOf(listed: readonly ListedProxy[]): VerifiedDirectory {
  return {
    version: 1,
    issuedAt: START,
    validUntil: START + DAY_MS,
    serverSealingKeys: new Map(),
    proxies: new Map(listed.map((proxy) => [toHex(proxy.id), proxy])),
    encoded: new Uint8Array(0),
    digest: new Uint8Array(32),
  }
}

const all = directoryOf(proxies)

function newGuards({ count = 3, own = undefined as ListedProxy | undefined } = {}) {
  const saved: Uint8Array[] = []
  const guards = new Guards({ random, own: own?.id, count, save: (record) => saved.push(record) })
  const now = (at: number, directory = all) => [...(guards.candidates(at, directory) ?? ['all'])]
  return { guards, saved, now }
}

const byId = (hex: string | undefined) => {
  const found = proxies.find(({ id }) => toHex(id) === hex)
  if (found === undefined) throw new Error('a proxy')
  return found
}
const without = (...ids: readonly string[]) => directoryOf(proxies.filter(({ id }) => !ids.includes(toHex(id))))

/** Of counts that should be even: whether they are as far from it as chance takes them less than once in a million (Wilson and Hilferty). */
function isEven(counts: readonly number[]): boolean {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  const square = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
  const degrees = counts.length - 1
  const bound = degrees * (1 - 2 / (9 * degrees) + 4.9 * Math.sqrt(2 / (9 * degrees))) ** 3
  t.comment(`chi-square ${square.toFixed(1)} of ${degrees} degrees, at most ${bound.toFixed(1)}`)
  return square <= bound
}

const tally = (names: readonly string[], of: readonly ListedProxy[]) =>
  of.map(({ id }) => names.filter((name) => name === toHex(id)).length)

t.test('a device keeps to its first proxies, over a restart too', (t) => {
  const { guards, saved, now } = newGuards()
  const first = now(START)
  t.equal(first.length, 3)
  for (let at = START; at < START + 20 * DAY_MS; at += DAY_MS / 4) t.strictSame(now(at), first)
  t.equal(saved.length, 1, 'and writes them once')
  const again = newGuards()
  t.ok(again.guards.restore(saved[0] ?? new Uint8Array(0)))
  t.strictSame(again.now(START + DAY_MS), first)
  t.notOk(again.guards.restore(random(30)))
  t.strictSame(newGuards({ count: 0 }).now(START), ['all'])
  t.equal(newGuards({ count: 0 }).guards.status(START, all), undefined)
  t.equal(guards.candidates(START, directoryOf([]))?.size, 0)
  t.end()
})

t.test('people see the first proxies, until when they serve, and which of them do not', (t) => {
  const { guards, now } = newGuards()
  t.strictSame(guards.status(START, all), [], 'none before one was needed')
  const [gone, away] = now(START)
  guards.unreached(START, byId(away).id)
  const states = (directory: VerifiedDirectory | undefined, at = START) =>
    guards.status(at, directory)?.map(({ state }) => state)
  t.strictSame(states(without(gone as string)), ['unlisted', 'unreached', 'usable'])
  t.strictSame(states(all, START + limits.avoidMs), ['usable', 'usable', 'usable'])
  t.strictSame(states(undefined), ['unlisted', 'unlisted', 'unlisted'])
  for (const { endsAt } of guards.status(START, all) ?? []) t.ok(endsAt >= START + limits.guardLifeMinMs)
  t.end()
})

t.test('each is drawn evenly from all but the own one, and ends at an even time within some weeks', (t) => {
  const [own, ...others] = proxies
  const drawn = Array.from({ length: 2_000 }, () => newGuards({ own }).now(START)).flat()
  t.equal(tally(drawn, proxies)[0], 0)
  t.ok(isEven(tally(drawn, others)))
  const weeks = Array.from({ length: 3 }, () => 0)
  for (let i = 0; i < 600; i++) {
    const { now } = newGuards({ count: 1 })
    const [first] = now(START)
    t.strictSame(now(START + limits.guardLifeMinMs - 1), [first])
    for (let week = 0; week < 3; week++) {
      if (now(START + limits.guardLifeMinMs + (week + 1) * 7 * DAY_MS)[0] === first && week < 2) continue
      weeks[week] = (weeks[week] ?? 0) + 1
      break
    }
  }
  // One in 23 draws the same again, so the last week has a few more: less than the bound sees.
  t.ok(isEven(weeks))
  t.end()
})

t.test('first and second are drawn evenly: of the few, and of all others', (t) => {
  const { guards, now } = newGuards()
  const few = now(START).map(byId)
  const firsts: string[] = []
  const seconds: string[] = []
  const pairs = few.map(() => [] as string[])
  for (let i = 0; i < 12_000; i++) {
    const wishes = { day: DAY, own: undefined, firstAmong: guards.candidates(START, all) }
    const choice = chooseProxies(random, all, { ...wishes, avoid: new Set(), avoidSecond: new Set() })
    if (!choice.ok) throw new Error('enough proxies')
    firsts.push(toHex(choice.first.id))
    seconds.push(toHex(choice.second.id))
    pairs[few.indexOf(choice.first)]?.push(toHex(choice.second.id))
  }
  t.ok(isEven(tally(firsts, few)))
  for (const [i, first] of few.entries()) {
    t.equal(tally(pairs[i] ?? [], [first])[0], 0)
    // The others that are kept as first ones among them: their absence would tell CS which they are.
    const others = proxies.filter((proxy) => proxy !== first)
    t.ok(isEven(tally(pairs[i] ?? [], others)))
  }
  t.notOk(isEven(tally(firsts, proxies)), 'which a choice among all would pass')
  t.end()
})

t.test('one that is not listed is waited for, then replaced', (t) => {
  const { now } = newGuards()
  const [a, b, c] = now(START) as [string, string, string]
  t.strictSame(now(START + 1, without(a)), [b, c])
  t.strictSame(now(START + limits.guardAwayMs), [a, b, c], 'it is back')
  const gone = START + 10 * DAY_MS
  t.strictSame(now(gone, without(a)), [b, c])
  t.strictSame(now(gone + limits.guardAwayMs - 1, without(a)), [b, c])
  const replaced = now(gone + limits.guardAwayMs, without(a))
  t.strictSame(replaced.slice(0, 2), [b, c])
  t.equal(replaced.length, 3)
  t.end()
})

t.test('while none of them can be reached others stand in, so many a day and no more', (t) => {
  const { guards, now } = newGuards()
  const first = now(START)
  const met = new Set(first)
  const [a, b] = first.map(byId) as [ListedProxy, ListedProxy]
  guards.unreached(START, a.id)
  guards.unreached(START, b.id)
  t.strictSame(now(START), [first[2]], 'one is left')
  for (let at = START; at < START + DAY_MS; at += MINUTE_MS) {
    for (const id of now(at)) {
      met.add(id)
      guards.unreached(at, byId(id).id)
    }
  }
  t.equal(met.size, 6, 'twice as many as it keeps to')
  t.ok(now(START + DAY_MS).length > 0, 'and uses those it has')
  t.strictSame(now(START + DAY_MS + limits.avoidMs), first, 'the first ones come first once they may be tried again')
  t.end()
})

t.test('one that fails is replaced after days, not before, and not where it works in between', (t) => {
  const { guards, now } = newGuards()
  const [a, ...rest] = now(START) as [string, ...string[]]
  const { id } = byId(a)
  for (let i = 0; i < 300; i++) guards.failed(START + i * MINUTE_MS, id)
  t.ok(now(START + limits.guardAwayMs - 1).includes(a))
  guards.succeeded(id)
  t.ok(now(START + limits.guardAwayMs).includes(a))
  const later = START + 5 * DAY_MS
  for (let i = 1; i < limits.guardFailures; i++) guards.failed(later, id)
  t.ok(now(later + limits.guardAwayMs).includes(a), 'one failure too few')
  guards.failed(later + limits.guardAwayMs, id)
  const replaced = now(later + limits.guardAwayMs)
  t.strictSame(replaced.slice(0, 2), rest)
  t.equal(replaced.length, 3)
  t.end()
})

t.test('only one that some other can be second to is drawn', (t) => {
  const [a, b, ...others] = proxies as [ListedProxy, ListedProxy, ...ListedProxy[]]
  const alone = { ...b, addresses: [{ host: '2001:db8::1', port: 7001 }] }
  const directory = directoryOf([a, alone, ...others.slice(0, 1)])
  for (let i = 0; i < 50; i++) t.notOk(newGuards().now(START, directory).includes(toHex(b.id)))
  t.end()
})
