/**
 * Tool setting, no part of the product: what `npm test` runs. Builds what is stale (which is the type check),
 * lints, looks for unused code and dependencies, runs the tests, and ends with `N passed, N failed`.
 * The counts are tap's own, read from the results it writes; every other check that fails adds one failure,
 * and so do a tap that died and a tap that ran nothing. Arguments are handed to tap, e.g. a test file in dist/test.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const resultsFile = join(root, 'dist', 'results.tap')

function main() {
  if (!build()) return report({ passed: 0, failed: 1 })
  const lint = runTool('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.'])
  const unused = runTool('knip/bin/knip.js', ['--no-progress'])
  const tests = runTests()
  const failedChecks = Object.entries({ lint, 'unused code': unused }).filter(([, ok]) => !ok)
  // Said again at the end, where it is looked for.
  for (const [name] of failedChecks) console.log(`failed: ${name} (see above)`)
  report({ passed: tests.passed, failed: tests.failed + failedChecks.length })
}

function runTests() {
  rmSync(resultsFile, { force: true })
  // Off a terminal tap's progress display would be noise: then only failures, and afterwards a line a file.
  const reporter = process.stdout.isTTY ? 'terse' : 'min'
  const args = [`--reporter=${reporter}`, `--output-file=${resultsFile}`, ...process.argv.slice(2)]
  const ok = runTool('tap/dist/esm/run.mjs', args)
  if (reporter === 'min') printFiles(resultsFile)
  const { passed, failed } = countsIn(resultsFile)
  // A run that says it failed without naming a failure (it crashed), and a run of nothing, are failures too.
  const unexplained = failed === 0 && (!ok || passed === 0)
  if (unexplained) console.error('tap failed, or ran no test')
  return { passed, failed: failed + (unexplained ? 1 : 0) }
}

function printFiles(file) {
  if (!existsSync(file)) return
  const lines = readFileSync(file, 'utf8').match(/^(not )?ok \d+ - .*$/gm) ?? []
  console.log(`\n${lines.join('\n')}`)
}

/** Reads tap's closing comment, `# { total: 12, pass: 11, fail: 1 }`, which counts assertions over all files. */
function countsIn(file) {
  if (!existsSync(file)) return { passed: 0, failed: 0 }
  const summary =
    readFileSync(file, 'utf8')
      .match(/^# \{ total: .*\}$/gm)
      ?.at(-1) ?? ''
  const count = (name) => Number(summary.match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail') }
}

function runTool(module, args) {
  const { status, error } = spawnSync(process.execPath, [join(root, 'node_modules', module), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (error) console.error(error.message)
  return status === 0
}

function report({ passed, failed }) {
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}

main()
