/**
 * P2's and CS's work with native libsodium: native.c, compiled into a temporary directory where a C compiler and
 * libsodium's headers are there. Each measurement is a process of its own, which times itself.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { concat, type Scalar } from '../../src/base/bytes.js'
import type { SplitRequest } from '../../src/crypto/crypto.js'
import type { Contestant } from './contestant.js'

// From dist/bench/contestants: the compiler of TypeScript leaves C where it is.
const SOURCE = fileURLToPath(new URL('../../../bench/contestants/native.c', import.meta.url))
const COMPILER = process.env['CC'] ?? 'cc'
const FLAGS = ['-O3', '-march=native']
const MAX_OUTPUT_BYTES = 2 ** 26

/** What CS opens at once. */
export interface OpeningJob {
  readonly secret: Scalar
  readonly windows: readonly number[]
  /** All of one length. */
  readonly copies: readonly Uint8Array[]
}

export interface Native {
  readonly contestant: Contestant
  /** Microseconds of one multiplication with encoding: of the base point, or of any point. */
  readonly usPerMultiplication: (kind: 'base' | 'multiply', request: SplitRequest, seconds: number) => number
  /** For each copy its plaintext, 10 bytes a window, and its receipt key, all one after the other. */
  readonly open: (job: OpeningJob) => Uint8Array
  /** Microseconds of opening all copies once. */
  readonly usPerOpening: (job: OpeningJob, seconds: number) => number
}

export type NativeOutcome = { readonly native: Native } | { readonly skipped: string }

let compiled: NativeOutcome | undefined

/** Compiles the program, once a process, and removes it when the process ends. */
export function compileNative(): NativeOutcome {
  compiled ??= compile()
  return compiled
}

function compile(): NativeOutcome {
  const directory = mkdtempSync(join(tmpdir(), 'splitcast-bench-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const program = join(directory, 'native')
  const { error, status, stderr } = spawnSync(COMPILER, [...FLAGS, '-o', program, SOURCE, '-lsodium'], {
    encoding: 'utf8',
  })
  if (error !== undefined || status !== 0) {
    const reason = error?.message ?? stderr.split('\n')[0]
    return { skipped: `native libsodium is left out: no C compiler, or no headers of libsodium (${reason})` }
  }
  const output = (what: string, input: Uint8Array) => run(program, [what], input)
  const us = (what: string, input: Uint8Array, seconds: number) =>
    Number(run(program, [what, String(1000 * seconds)], input).toString()) / 1000
  const contestant = {
    name: 'native libsodium',
    build: `${COMPILER} ${FLAGS.join(' ')}`,
    split: (request: SplitRequest) => output('copies', encodeRequest(request)),
    usPerMessage: (request: SplitRequest, seconds: number) => us('split', encodeRequest(request), seconds),
  }
  const native: Native = {
    contestant,
    usPerMultiplication: (kind, request, seconds) => us(kind, encodeRequest(request), seconds),
    open: (job) => output('opened', encodeBatch(job)),
    usPerOpening: (job, seconds) => us('open', encodeBatch(job), seconds),
  }
  return { native }
}

function run(program: string, args: readonly string[], input: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync(program, args, { input, maxBuffer: MAX_OUTPUT_BYTES })
  if (status !== 0) throw new Error(`the native program failed: ${stderr}`)
  return stdout
}

function encodeRequest(request: SplitRequest): Uint8Array {
  const { ephemeral, requestKey, oneTimeBase, oneTimeKey, serverKey, slots, content } = request
  const sizes = littleEndian(slots.length / 10, content.length)
  return concat(sizes, ephemeral, requestKey, oneTimeBase, oneTimeKey, serverKey, slots, content)
}

function encodeBatch({ secret, windows, copies }: OpeningJob): Uint8Array {
  const sizes = littleEndian(copies.length, copies[0]?.length ?? 0, windows.length, ...windows)
  return concat(sizes, secret, ...copies)
}

function littleEndian(...numbers: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * numbers.length)
  for (const [i, number] of numbers.entries()) bytes.writeUInt32LE(number, 4 * i)
  return bytes
}
