/**
 * What a command says: results on standard output, everything else on standard error, one line an error. A reader that
 * has gone away (a closed pipe) ends a command quietly; a message is acknowledged only once its line has left.
 */
import { CommanderError } from 'commander'
import { ProtocolError } from '../base/errors.js'
import { type ExitCode, exitCodes, exitOf } from './exit-codes.js'

/** Writes a line to standard output; resolves once it has been handed over, rejects with EPIPE where nobody reads. */
export function print(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()))
  })
}

export function printJson(value: unknown): Promise<void> {
  return print(JSON.stringify(value))
}

/** Writes a line to standard error, for people. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Failures of the streams themselves reach `print`; without a listener they would also end the process with a trace. */
export function survivePipeErrors(): void {
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
}

/** Says what went wrong, in one line, and returns the exit code for it. */
export function reportError(error: unknown, debug: boolean): ExitCode {
  if (isClosedPipe(error)) return exitCodes.ok
  // Commander has already said what was wrong, or has printed the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (debug) tell(error instanceof Error ? (error.stack ?? error.message) : String(error))
  else tell(errorLine(error))
  return error instanceof ProtocolError ? exitCodes[exitOf[error.code]] : exitCodes.failure
}

/** `splitcast: what to do about it [CODE]`. */
export function errorLine(error: unknown): string {
  const message = printable(error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ')
  const code = error instanceof ProtocolError ? ` [${error.code}]` : ''
  return `splitcast: ${message}${code}`
}

/** Text from others with everything that a terminal would obey written out, line ends and tabs apart. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) =>
    character === '\n' || character === '\t' ? character : `\\u{${(character.codePointAt(0) as number).toString(16)}}`,
  )
}

/** Rows as lines, columns aligned. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length)
  }
  const line = (row: readonly string[]) => row.map((cell, index) => cell.padEnd(widths[index] as number)).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}

export function membersText(count: number): string {
  return counted(count, 'member')
}

/** `1 datagram`, `2 datagrams`; `many` where the plural is no mere s. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

function isClosedPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE'
}
