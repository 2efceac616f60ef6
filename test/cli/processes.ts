/** The built command as real processes: run to its end, or started and left running until the test is over. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { cleanEnvironment } from '../environment.js'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** Nothing outlives a test that has gone wrong. */
const TIMEOUT_MS = 600_000
const left = new Set<ChildProcess>()

t.teardown(async () => {
  for (const child of left) child.kill('SIGKILL')
})

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string | Uint8Array
  readonly env?: NodeJS.ProcessEnv
  /** The network namespace to run in. */
  readonly namespace?: string
  /** After which it is killed. */
  readonly timeoutMs?: number
}

/** A directory of the test's own, short enough for a socket in it. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cast-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Runs the command to its end. */
export async function splitcast(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return await start(args, options).result
}

/** Runs the command, which must succeed, and returns what it printed, without the last line end. */
export async function printed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await splitcast(args)
  if (code !== 0) throw new Error(`splitcast ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout.replace(/\n$/, '')
}

export interface Started {
  readonly child: ChildProcess
  /** Resolves with the first line on standard output; rejects when the process ends without one. */
  readonly line: Promise<string>
  readonly result: Promise<Result>
  /** What has come on standard error so far. */
  stderr(): string
}

/** Starts the command and lets it run. */
export function start(
  args: readonly string[],
  { input = '', env = {}, namespace, timeoutMs = TIMEOUT_MS }: RunOptions = {},
): Started {
  const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]
  const [program, ...words] = [...inside, process.execPath, main, ...args] as [string, ...string[]]
  const child = spawn(program, words, {
    env: { ...cleanEnvironment(), ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  left.add(child)
  let stdout = ''
  let stderr = ''
  let first: (line: string) => void
  let none: (error: Error) => void
  const line = new Promise<string>((resolve, reject) => {
    first = resolve
    none = reject
  })
  line.catch(() => undefined)
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    const end = stdout.indexOf('\n')
    if (end >= 0) first(stdout.slice(0, end))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const result = new Promise<Result>((resolve) => {
    child.once('close', (code) => {
      left.delete(child)
      none(new Error(`splitcast ${args.join(' ')} ended with ${code}: ${stderr}`))
      resolve({ code, stdout, stderr })
    })
  })
  return { child, line, result, stderr: () => stderr }
}

/** Looks again and again until `look` returns something. How fast it has to be is not what is tested: fails after a minute. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const until = Date.now() + 60_000; Date.now() < until; ) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${what} did not happen within a minute`)
}
