/**
 * `npm run bench -- [SUBJECT...] [--json] [--quick]`: runs subjects, all where none is named, and prints what they
 * measured. `report` makes a page of it, `compare` holds ratios against the baseline.
 */
import { Command } from 'commander'
import { ProtocolError } from '../src/base/errors.js'
import { wholeNumber } from '../src/cli/options.js'
import { reportError, survivePipeErrors } from '../src/cli/output.js'
import { commanderOutput } from '../src/cli/program.js'
import { type CompareOptions, compare } from './compare.js'
import { type ReportOptions, report } from './report.js'
import { checkSubject, runSubject, subjectNames, usualSubjects } from './subjects.js'

interface RunOptions {
  readonly json?: boolean
  readonly quick?: boolean
  readonly minutes?: number
}

const program = new Command('bench')
  .exitOverride()
  .configureOutput(commanderOutput)
  .enablePositionalOptions()
  .description('measure subjects, and print what was found')
  .argument('[subjects...]', `${subjectNames.join(', ')}; where none is named, all but groups, timing and soak`)
  .option('--json', 'print one JSON object a subject on standard output, each on a line')
  .option('--quick', 'fewer rows, shorter measurements')
  .option('--minutes <n>', 'for how long soak goes on', wholeNumber('--minutes', 1, 10_080))
  .action(async (names: string[], { json = false, quick = false, minutes }: RunOptions) => {
    for (const name of names) checkSubject(name)
    for (const name of names.length === 0 ? usualSubjects : names) {
      const { text, problem, ...run } = await runSubject(name, { quick, ...(minutes !== undefined && { minutes }) })
      const { notes, machine, node, v8, fieldBuild } = run
      if (json) process.stdout.write(`${JSON.stringify(run)}\n`)
      else {
        const where = `${name}: ${machine}, Node ${node}, V8 ${v8}, core ${fieldBuild}`
        process.stdout.write(`${[text, ...notes.map((note) => `(${note})`), '', where].join('\n')}\n\n`)
      }
      if (problem === undefined) continue
      process.stderr.write(`${name}: ${problem}\n`)
      process.exitCode = 1
    }
  })

program
  .command('report')
  .description('write one HTML page with tables and plots')
  .option('--from <file...>', 'use runs kept with --json instead of measuring')
  .option('--out <file>', 'where to', 'bench-report.html')
  .option('--quick', 'fewer rows, shorter measurements')
  .action((options: ReportOptions) => report(options))

program
  .command('compare')
  .description('fail where a ratio of bench/baseline.json got worse')
  .option('--update', 'measure and write the baseline for this version of Node')
  .action(async (options: CompareOptions) => {
    if (!(await compare(options))) process.exitCode = 1
  })

survivePipeErrors()
try {
  await program.parseAsync()
} catch (error) {
  // What was typed wrongly needs one line; where a measurement failed, the trace is of use.
  process.exitCode = reportError(error, !(error instanceof ProtocolError))
}
