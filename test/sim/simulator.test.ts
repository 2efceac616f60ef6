/**
 * The simulator itself: a hundred scenarios hold, one seed is one run, and what is broken on purpose is found out within a few
 * seeds, each time by the promise that it breaks.
 */
import t from 'tap'
import type { Crypto } from '../../src/crypto/crypto.js'
import { seed as first } from '../base/seeded.js'
import { crypto } from './actors.js'
import { Report } from './report.js'
import { dropCauses, neverExplained } from './scenario/drop-causes.js'
import { drawScenario, families } from './scenario/families.js'
import { play, type Staging } from './scenario/run.js'
import type { Scenario } from './scenario/scenario.js'
import { Trace } from './trace.js'

const SEEDS = 100
const TOKEN_BYTES = 4
t.comment(`SEED=${first}`)

t.test(`${SEEDS} scenarios hold`, (t) => {
  const report = new Report()
  for (let seed = first; seed < first + SEEDS; seed++) report.add(play(drawScenario(seed)))
  for (const { seed, family, problems } of report.failed) {
    t.fail(`seed ${seed} (${family}): npm run sim -- --seed ${seed} --trace`, { problems })
  }
  t.equal(report.held, SEEDS)
  const { deliveredCopies, provenCopies, drops, latencyMs } = report.toJSON()
  t.ok(deliveredCopies > SEEDS && provenCopies > SEEDS && (latencyMs?.p50 ?? 0) > 0)
  t.strictSame(
    Object.keys(drops).filter((code) => !(code in dropCauses) || code in neverExplained),
    [],
  )
  t.end()
})

t.test('one seed is one run, and its diagram tells what happened', (t) => {
  const scenario = drawScenario(first, 'everything')
  const [once, again] = [traced(scenario), traced(scenario)]
  t.strictSame(once, again)
  t.strictSame(once.played, play(scenario), 'whoever looks changes nothing')
  t.ok(once.lines.some((line) => line.includes('copy') && line.includes('>')))
  t.end()
})

function traced(scenario: Scenario) {
  const lines: string[] = []
  const trace = new Trace({ all: false, print: (line) => lines.push(line) })
  const played = play(scenario, { casting: { onRead: trace.onRead }, onWorld: trace.onWorld })
  return { lines, played }
}

t.test('each family has a name and a weight', (t) => {
  t.equal(new Set(families.map(({ name }) => name)).size, families.length)
  t.ok(families.every(({ weight }) => weight > 0))
  t.throws(() => drawScenario(1, 'no such family'))
  t.end()
})

/**
 * Played until it is found, which takes five to eight seeds on average. Were it fifteen, so many would still miss it no more than once
 * in a million times.
 */
const MOST_SEEDS = 200

/**
 * Plays until a problem shows, and returns it. Some of the first seeds may be left out: a world that is broken may be busy until
 * hours of its time have passed, and those are.
 */
function foundIn(family: string, casting: Staging['casting'], leftOut = 0): string {
  const from = first + leftOut
  for (let seed = from; seed < from + MOST_SEEDS; seed++) {
    const { problems } = play(drawScenario(seed, family), { ...(casting && { casting }) })
    if (problems.length > 0) return problems.join('; ')
  }
  return `nothing in ${MOST_SEEDS} seeds from ${from} on`
}

/** Tokens that anybody can make up: what proves that a copy is stored is the same for every copy. */
const credulous: Crypto = Object.assign(Object.create(crypto) as Crypto, {
  expectedTokens: (...[, , verdict, , count]: Parameters<Crypto['expectedTokens']>) =>
    new Uint8Array(TOKEN_BYTES * count).fill(verdict === 'stored' ? 0 : 1),
})

t.test('what is broken on purpose is found out:', (t) => {
  t.test('a server whose disk says that a write is durable before it is', (t) => {
    const serverDisk = { answersEarly: true, writeMs: 2_000 }
    t.match(foundIn('crashes', { serverDisk }), /missing/)
    t.end()
  })

  t.test('a device that forgets what it has handed on', (t) => {
    const deviceDisk = { loses: (key: string) => key.startsWith('handed/') }
    t.match(foundIn('crashes', { deviceDisk }), /was handed .* 2 times/)
    t.end()
  })

  t.test('a device that forgets what becomes of its groups', (t) => {
    const deviceDisk = { loses: (key: string) => key.startsWith('group/') }
    t.match(foundIn('removals', { deviceDisk }, 7), /different|believes|missing|nobody sent|known outside/)
    t.end()
  })

  t.test('a sender that believes receipts unchecked', (t) => {
    const cryptoOf = (name: string) => (name.startsWith('device') ? credulous : crypto)
    t.match(foundIn('liars', { cryptoOf }, 1), /missing/)
    t.end()
  })

  t.end()
})
