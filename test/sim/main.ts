/**
 * `npm run sim`: plays scenarios, each from its seed, and says how many held. `--seed` plays one, `--trace` draws it.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { SingleBar } from 'cli-progress'
import { Command } from 'commander'
import { ProtocolError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { wholeNumber } from '../../src/cli/options.js'
import { print, reportError, survivePipeErrors, tell } from '../../src/cli/output.js'
import { commanderOutput } from '../../src/cli/program.js'
import { awayForADay } from './away.js'
import { Report } from './report.js'
import { drawScenario, families } from './scenario/families.js'
import { type Played, play } from './scenario/run.js'
import { Trace } from './trace.js'
import type { Order } from './worker.js'

const MOST_SEEDS = 1_000_000
const MOST_SEED = 2 ** 31 - 1
const MOST_JOBS = 64
/** A mailbox holds as many, and a few that the group says to itself. */
const MOST_AWAY = limits.mailboxCopies - 100

interface Options {
  readonly seed?: number
  readonly seeds?: number
  readonly from?: number
  readonly jobs: number
  readonly family?: string
  readonly trace?: boolean | 'all'
  readonly away?: number
  readonly json?: boolean
}

const program = new Command('sim')
  .exitOverride()
  .configureOutput(commanderOutput)
  .allowExcessArguments(false)
  .description('play whole networks in virtual time, each from its seed; exits with 0 only if every one of them held')
  .option('--seed <seed>', 'play this one', wholeNumber('--seed', 0, MOST_SEED))
  .option('--seeds <count>', 'play so many (default: 100)', wholeNumber('--seeds', 1, MOST_SEEDS))
  .option('--from <seed>', 'the first of them (default: 1)', wholeNumber('--from', 0, MOST_SEED))
  .option(
    '--jobs <n>',
    'threads that play; one for each core unless told',
    wholeNumber('--jobs', 1, MOST_JOBS),
    Math.min(availableParallelism(), MOST_JOBS),
  )
  .option('--family <name>', `only scenarios of one family: ${families.map(({ name }) => name).join(', ')}`)
  .option('--trace [all]', 'draw what happens; "all" draws acknowledgements, too')
  .option(
    '--away <messages>',
    'a device is away for a day while so many are sent to it (with --seed)',
    wholeNumber('--away', 1, MOST_AWAY),
  )
  .option('--json', 'print the report as one JSON object')
  .action(async (options: Options) => {
    check(options)
    if (options.away !== undefined) return playAway(options.away, options)
    const report = options.seed === undefined ? await playMany(options) : playOne(options.seed, options)
    for (const { seed, family, problems } of report.failed) {
      tell(`seed ${seed} (${family}) failed; npm run sim -- --seed ${seed}${only(options)} --trace draws it`)
      for (const problem of problems) tell(`  ${problem}`)
    }
    await print(options.json ? JSON.stringify(report) : report.text())
    process.exitCode = report.held === report.seeds ? 0 : 1
  })

function check({ seed, seeds, from, family, trace, away }: Options): void {
  const usage = (message: string) => new ProtocolError('USAGE', message)
  if (away !== undefined && (seeds ?? from ?? family ?? trace) !== undefined) throw usage('--away takes --seed alone')
  if (seed !== undefined && (seeds ?? from) !== undefined) throw usage('give --seed, or --seeds and --from, not both')
  if (trace !== undefined && seed === undefined) throw usage('--trace draws one scenario: name it with --seed')
  if (typeof trace === 'string' && trace !== 'all') throw usage(`--trace takes "all" or nothing, not "${trace}"`)
  if ((from ?? 1) + (seeds ?? 100) - 1 > MOST_SEED) throw usage(`seeds go up to ${MOST_SEED}`)
  if (family === undefined || families.some(({ name }) => name === family)) return
  throw usage(`no family is called "${family}"; there are ${families.map(({ name }) => name).join(', ')}`)
}

async function playAway(messages: number, { seed = 1, json = false }: Options): Promise<void> {
  const played = awayForADay(seed, messages)
  const { problems, mostUnconfirmed, handingOverMs } = played
  for (const problem of problems) tell(problem)
  const text = [
    `${messages} messages sent over a day to a device that was away`,
    `handed over in ${(handingOverMs / 1000).toFixed(1)} s of virtual time, at most ${mostUnconfirmed} at once`,
    problems.length === 0 ? 'each was proven stored and handed on once' : 'failed: see above',
  ].join('\n')
  await print(json ? JSON.stringify({ seed, messages, ...played }) : text)
  process.exitCode = problems.length === 0 ? 0 : 1
}

function only({ family }: Options): string {
  return family === undefined ? '' : ` --family '${family}'`
}

function playOne(seed: number, { family, trace, json = false }: Options): Report {
  const report = new Report()
  const scenario = drawScenario(seed, family)
  if (trace === undefined) report.add(play(scenario))
  else {
    const write = json ? process.stderr : process.stdout
    const diagram = new Trace({ all: trace === 'all', print: (line) => write.write(`${line}\n`) })
    report.add(play(scenario, { casting: { onRead: diagram.onRead }, onWorld: diagram.onWorld }))
  }
  return report
}

async function playMany({ seeds = 100, from = 1, jobs, family, json = false }: Options): Promise<Report> {
  const report = new Report()
  const bar = startBar(seeds, json)
  let next = from
  const nextOrder = (): Order | undefined => (next < from + seeds ? { seed: next++, family } : undefined)
  const played = (each: Played) => {
    report.add(each)
    bar?.update(report.seeds, { failed: report.failed.length })
  }
  await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, () => worker(nextOrder, played)))
  bar?.stop()
  report.failed.sort((a, b) => a.seed - b.seed)
  return report
}

function worker(nextOrder: () => Order | undefined, played: (each: Played) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./worker.js', import.meta.url))
    const order = () => {
      const next = nextOrder()
      if (next === undefined) void thread.terminate()
      else thread.postMessage(next)
    }
    thread.on('message', (each: Played) => {
      played(each)
      order()
    })
    thread.on('error', reject)
    thread.on('exit', () => resolve())
    order()
  })
}

/** Only where somebody watches. */
function startBar(seeds: number, json: boolean): SingleBar | undefined {
  if (json || !process.stderr.isTTY) return undefined
  const format = '[{bar}] {value}/{total} seeds, {failed} failed, {eta_formatted} to go'
  const bar = new SingleBar({ format, stream: process.stderr, barsize: 30 })
  bar.start(seeds, 0, { failed: 0 })
  return bar
}

survivePipeErrors()
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = reportError(error, !(error instanceof ProtocolError))
}
