/** `npm run bench -- SUBJECT [--json] [--quick]`: runs one subject and prints what it measured. */
import { cpus } from 'node:os'
import { Command } from 'commander'
import { ProtocolError } from '../src/base/errors.js'
import { reportError } from '../src/cli/output.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { link } from './link.js'
import { open } from './open.js'
import { overhead } from './overhead.js'
import { primitives } from './primitives.js'
import { slots } from './slots.js'
import { split } from './split.js'
import type { BenchOptions, BenchReport } from './subject.js'

const subjects: Readonly<Record<string, (options: BenchOptions) => Promise<BenchReport>>> = {
  overhead,
  split,
  primitives,
  open,
  slots,
  link,
}

const program = new Command('bench')
  .exitOverride()
  .argument('<subject>', Object.keys(subjects).join(' or '))
  .option('--json', 'print one JSON object on standard output')
  .option('--quick', 'fewer rows, shorter measurements')
  .action(async (name: string, { json, quick = false }: { json?: true; quick?: boolean }) => {
    const subject = subjects[name]
    if (subject === undefined)
      throw new ProtocolError('USAGE', `there is no subject ${name}; choose ${Object.keys(subjects).join(' or ')}`)
    const { results, text } = await subject({ quick })
    const machine = cpus()[0]?.model ?? 'unknown'
    const where = { machine, node: process.version, v8: process.versions.v8, fieldBuild: (await loadCrypto()).build }
    if (json) process.stdout.write(`${JSON.stringify({ ...where, results })}\n`)
    else
      process.stdout.write(
        `${text}\n\n${where.machine}, Node ${where.node}, V8 ${where.v8}, core ${where.fieldBuild}\n`,
      )
  })

try {
  await program.parseAsync()
} catch (error) {
  // What was typed wrongly needs one line; where a measurement failed, the trace is of use.
  process.exitCode = reportError(error, !(error instanceof ProtocolError))
}
