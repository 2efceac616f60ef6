/**
 * `npm run audit -- [--json] [--quick] [--seed N]`: an adversary's view of the product, as a table. Ends with 0 only if the
 * product keeps every claim and everything that is broken on purpose is caught.
 */
import { Command, InvalidArgumentError } from 'commander'
import { reportError } from '../../src/cli/output.js'
import { seed as freshSeed } from '../base/seeded.js'
import { audit, type Extent } from './audit.js'
import { passes, type Row } from './row.js'

interface Options {
  readonly json?: true
  readonly quick?: true
  readonly seed: number
}

const LINE_WIDTH = 110

const program = new Command('audit')
  .exitOverride()
  .description('checks who can learn what, with an adversary’s eyes and keys')
  .option('--json', 'print one JSON object')
  .option('--quick', 'fewer samples: what npm test runs')
  .option('--seed <number>', 'repeat a run', wholeNumber, freshSeed)
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
  process.exitCode = reportError(error, true)
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

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, such as 42, is needed')
  return value
}
