/**
 * P2's work with native libsodium: native.c, compiled into a temporary directory where a C compiler and libsodium's
 * headers are there. Each measurement is a process of its own, which times itself.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { concat } from '../../src/base/bytes.js'
import type { SplitRequest } from '../../src/crypto/crypto.js'
import type { Contestant } from './contestant.js'

// From dist/bench/contestants: the compiler of TypeScript leaves C where it is.
const SOURCE = fileURLToPath(new URL('../../../bench/contestants/native.c', import.meta.url))
const COMPILER = process.env['CC'] ?? 'cc'
const FLAGS = ['-O3', '-march=native']
const ROUND_MS = 150

export interface Native {
  readonly contestant: Contestant
  /** Microseconds of one multiplication with encoding: of the base point, or of any point. */
  readonly usPerMultiplication: (kind: 'base' | 'multiply', request: SplitRequest) => number
}

export type NativeOutcome = { readonly native: Native } | { readonly skipped: string }

/** Compiles the program and removes it when this process ends. */
export function compileNative(): NativeOutcome {
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
  const usPer = (what: string, request: SplitRequest) =>
    Number(run(program, [what, String(ROUND_MS)], request).toString()) / 1000
  const contestant = {
    name: 'native libsodium',
    build: `${COMPILER} ${FLAGS.join(' ')}`,
    split: (request: SplitRequest) => run(program, ['copies'], request),
    usPerMessage: (request: SplitRequest) => usPer('split', request),
  }
  return { native: { contestant, usPerMultiplication: usPer } }
}

function run(program: string, args: readonly string[], request: SplitRequest): Buffer {
  const { status, stdout, stderr } = spawnSync(program, args, { input: encode(request), maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`the native program failed: ${stderr}`)
  return stdout
}

function encode(request: SplitRequest): Uint8Array {
  const { ephemeral, requestKey, oneTimeBase, oneTimeKey, serverKey, slots, content } = request
  const sizes = Buffer.alloc(8)
  sizes.writeUInt32LE(slots.length / 10)
  sizes.writeUInt32LE(content.length, 4)
  return concat(sizes, ephemeral, requestKey, oneTimeBase, oneTimeKey, serverKey, slots, content)
}
