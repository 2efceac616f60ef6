/**
 * `npm run bench -- [SUBJECT...] [--json] [--quick]`: runs subjects, all where none is named, and prints what they
 * measured. `report` makes a page of it, `compare` holds ratios against the baseline.
 */
import { Command } from 'commander'
import { ProtocolError } from '../src/base/errors.js'
import { reportError } from '../src/cli/output.js'
import { runSubject, subjectNames } from './subjects.js'

interface RunOptions {
  readonly json?: boolean
  readonly quick?: boolean
}

const program = new Command('bench')
  .exitOverride()
  .enablePositionalOptions()
  .argument('[subjects...]', `${subjectNames.join(', ')}; all of them where none is named`)
  .option('--json', 'print one JSON object a subject on standard output, each on a line')
  .option('--quick', 'fewer rows, shorter measurements')
  .action(async (names: string[], { json = false, quick = false }: RunOptions) => {
    for (const name of names.length === 0 ? subjectNames : names) {
      const { text, problem, ...run } = await runSubject(name, { quick })
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

try {
  await program.parseAsync()
} catch (error) {
  // What was typed wrongly needs one line; where a measurement failed, the trace is of use.
  process.exitCode = reportError(error, !(error instanceof ProtocolError))
}
