/**
 * `npm run audit -- [--json] [--quick] [--seed N]`: an adversary's view of the product, as a table. Ends with 0 only if the
 * product keeps every claim and everything that is broken on purpose is caught.
 */
import { Command } from 'commander'
import { wholeNumber } from '../../src/cli/options.js'
import { reportError } from '../../src/cli/output.js'
import { commanderOutput } from '../../src/cli/program.js'
import { freshSeed } from '../base/seeded.js'
import { audit, type Extent } from './audit.js'
import { passes, type Row } from './row.js'

interface Options {
  readonly json?: true
  readonly quick?: true
  readonly seed: number
}

const LINE_WIDTH = 110
const MOST_SEED = 2 ** 32 - 1

const program = new Command('audit')
  .exitOverride()
  .allowExcessArguments(false)
  .configureOutput(commanderOutput)
  .description('checks who can learn what, with an adversary’s eyes and keys')
  .option('--json', 'print one JSON object')
  .option('--quick', 'fewer samples: what npm test runs')
  .option('--seed <number>', 'repeat a run', wholeNumber('--seed', 0, MOST_SEED), freshSeed())
  .action(({ json, quick, seed }: Options) => {
    const extent: Extent = quick ? 'short' : 'full'
    if (!json) process.stdout.write(`SEED=${seed}, ${extent}\n`)
    const rows = audit(seed, extent).flatMap((part) => {
      const made = part.rows()
      if (!json) for (const row of made) process.stdout.write(rowText(row))
      return made
    })
    const failed = rows.filter((row) => !passes(row))
    if (json) process.stdout.write(`${JSON.stringify({ seed, extent, ok: failed.length === 0, rows })}\n`)
    else process.stdout.write(`\n${rows.length - failed.length} of ${rows.length} rows hold and catch what is broken\n`)
    if (failed.length > 0) process.exitCode = 1
  })

try {
  program.parse()
} catch (error) {
  process.exitCode = reportError(error, false)
}

function rowText(row: Row): string {
  const mark = passes(row) ? 'ok  ' : 'FAIL'
  const lines = [
    `\n${mark}  ${row.part}: ${wrapped(row.claim, 6)}`,
    `      ${row.holds ? 'measured' : 'BROKEN'}: ${wrapped(row.measured, 6)}`,
    ...row.variants.map(
      ({ name, caught, measured }) => `      ${caught ? 'caught' : 'MISSED'}: ${wrapped(`${name} (${measured})`, 8)}`,
    ),
  ]
  return `${lines.join('\n')}\n`
}

/** Text in lines, those after the first indented. */
function wrapped(text: string, indent: number): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.length - 1
    if ((lines[last] as string).length + word.length > LINE_WIDTH - indent) lines.push(word)
    else lines[last] = lines[last] === '' ? word : `${lines[last]} ${word}`
  }
  return lines.join(`\n${' '.repeat(indent)}`)
}
