/**
 * Tool setting, no part of the product: brings dist/ up to date.
 * Two steps, each skipped when nothing it reads has changed: assembly/ -> dist/*.wasm with asc,
 * and src/, test/, bench/ -> dist/ with tsc. Staleness is decided by content, so a checkout or a touch
 * costs nothing. Everything is written to stderr: stdout belongs to the command that asked for the build.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { products } from './products.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
const fieldBuilds = ['fused', 'integer']

const steps = [
  {
    name: 'wasm',
    reads: ['assembly', 'asconfig.json', 'package-lock.json', '.tools/build.mjs', '.tools/products.mjs'],
    // Two builds of the same sources, one for each kind of field arithmetic. The debug builds keep their assertions, so
    // the tests run the core with every bound checked, and add probes through which they reach its single parts.
    writes: fieldBuilds.flatMap((build) => [`splitcast.${build}.wasm`, `splitcast.${build}.debug.wasm`]),
    run: () => {
      for (const [name, text] of Object.entries(products())) {
        writeFileSync(join(root, 'assembly', 'curve', `${name}-products.ts`), text)
      }
      return fieldBuilds.every(
        (build) =>
          runTool('assemblyscript/bin/asc.js', ['--target', build]) &&
          runTool('assemblyscript/bin/asc.js', ['assembly/probes.ts', '--target', `${build}-debug`]),
      )
    },
  },
  {
    name: 'typescript',
    reads: ['src', 'test', 'bench', 'tsconfig.json', 'package-lock.json', 'package.json', '.tools/build.mjs'],
    writes: [],
    run: () => runTool('typescript/bin/tsc', ['-p', '.', '--pretty', String(process.stderr.isTTY === true)]),
  },
]

/** Brings dist/ up to date and returns whether every step succeeded. */
export function build() {
  mkdirSync(dist, { recursive: true })
  const unlock = lock(join(dist, '.lock'))
  try {
    // Every step runs, so that a fault in one half of the project does not hide those of the other.
    const results = steps.map(bringUpToDate)
    makeCommandsExecutable()
    return results.every((ok) => ok)
  } finally {
    unlock()
  }
}

/** Two builds at once could leave old output behind a new stamp: the second waits for the first. */
function lock(path) {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      return () => rmSync(path, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      if (isAbandoned(path)) rmSync(path, { force: true })
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
  }
}

/** Whether the process that wrote the lock is gone. An empty lock is one that is just being written. */
function isAbandoned(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    if (pid > 0) process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

/** npx links to the command once and sets its mode then; a compiler that writes the file anew would lose it. */
function makeCommandsExecutable() {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const path of Object.values(bin)) {
    if (existsSync(join(root, path))) chmodSync(join(root, path), 0o755)
  }
}

function bringUpToDate(step) {
  const stamp = join(dist, `.${step.name}.stamp`)
  const sources = step.reads.flatMap((path) => filesUnder(join(root, path))).filter((path) => !isWritten(path))
  const digest = digestOf(sources)
  const complete = step.writes.every((name) => existsSync(join(dist, name)))
  if (complete && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return true

  const startedMs = performance.now()
  rmSync(stamp, { force: true })
  if (step.name === 'typescript') removeOrphans()
  if (!step.run()) return false
  writeFileSync(stamp, digest)
  console.error(`built ${step.name} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  return true
}

/** Whether a source is itself written by the build. */
function isWritten(path) {
  return path.endsWith('-products.ts')
}

function runTool(module, args) {
  // Both of the tool's outputs go to our stderr (file descriptor 2).
  const { status, error } = spawnSync(process.execPath, [join(root, 'node_modules', module), ...args], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (error) console.error(error.message)
  return status === 0
}

/** Deletes compiled files whose source is gone: tap would still run a test that was removed. */
function removeOrphans() {
  for (const part of ['src', 'test', 'bench']) {
    for (const file of filesUnder(join(dist, part))) {
      const source = relative(dist, file).replace(/\.(d\.ts|js\.map|js)$/, '.ts')
      const json = relative(dist, file).endsWith('.json')
      if (!existsSync(join(root, json ? relative(dist, file) : source))) rmSync(file)
    }
  }
}

function filesUnder(path) {
  if (!existsSync(path)) return []
  const entries = statEntries(path)
  return entries === undefined ? [path] : entries.flatMap((name) => filesUnder(join(path, name)))
}

function statEntries(path) {
  try {
    return readdirSync(path).sort()
  } catch (error) {
    if (error.code === 'ENOTDIR') return undefined
    throw error
  }
}

function digestOf(files) {
  const hash = createHash('sha256')
  for (const file of files) {
    const content = readFileSync(file)
    hash.update(`${relative(root, file)}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = build() ? 0 : 1
}
