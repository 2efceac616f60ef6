#!/usr/bin/env node
/** The `splitcast` command: runs the command asked for, and ends with the exit code of docs/OPERATING.md. */
import { reportError, survivePipeErrors } from './output.js'
import { buildProgram } from './program.js'

survivePipeErrors()
try {
  await buildProgram().parseAsync()
} catch (error) {
  process.exitCode = reportError(error, process.argv.includes('--debug'))
}
// Output has been handed over by now; idle workers and signal handlers need not be waited for.
process.exit()
