/**
 * What a stranger installs: the packed tarball, in an empty project, without dev dependencies. It must hold what it
 * needs and nothing of the tests, resolve its own .wasm, run its command and offer its exports with types.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { publint } from 'publint'
import t from 'tap'
import { cleanEnvironment } from './environment.js'

const run = promisify(execFile)
const projectRoot = fileURLToPath(new URL('../../', import.meta.url))
const attw = join(projectRoot, 'node_modules/@arethetypeswrong/cli/dist/index.js')
// The runner's own hooks must not reach the installed program.
const env = cleanEnvironment()

const consumer = await mkdtemp(join(tmpdir(), 'splitcast-package-'))
t.teardown(() => rm(consumer, { recursive: true, force: true }))

type Packed = { readonly filename: string; readonly files: readonly { readonly path: string }[] }
const [packed] = JSON.parse(
  // Without scripts: the build is up to date, and a second one beside running tests could disturb them.
  (await inProject('npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', consumer)).stdout,
) as [Packed]
const tarball = join(consumer, packed.filename)

t.test('the tarball holds the program and nothing of its tests', (t) => {
  const paths = packed.files.map((file) => file.path)
  const foreign = paths.filter(
    (path) => !/^(dist\/(src\/.*\.(js|d\.ts)|splitcast\.(fused|integer)\.wasm)$|docs\/|[^/]*$)/.test(path),
  )
  t.strictSame(foreign, [])
  t.strictSame(paths.filter((path) => !path.includes('/')).sort(), ['LICENSE', 'README.md', 'package.json'])
  for (const path of [
    'dist/splitcast.fused.wasm',
    'dist/splitcast.integer.wasm',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/src/cli/main.js',
  ]) {
    t.ok(paths.includes(path), path)
  }
  t.end()
})

t.test('installed elsewhere without dev dependencies', async (t) => {
  await writeFile(join(consumer, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  await inConsumer('npm', 'install', '--prefix', consumer, '--omit=dev', ...quiet, tarball)
  const installed = join(consumer, 'node_modules/splitcast')

  t.test('it has no dev dependency beside it', (t) => {
    for (const name of ['typescript', 'tap', 'assemblyscript']) {
      t.notOk(existsSync(join(consumer, 'node_modules', name)), name)
    }
    t.end()
  })

  t.test('its exports can be imported', async (t) => {
    const script = `import { openDevice } from 'splitcast'; console.log(typeof openDevice)`
    const { stdout } = await inConsumer(process.execPath, '--input-type=module', '--eval', script)
    t.equal(stdout.trim(), 'function')
  })

  t.test('its command explains itself', async (t) => {
    const { stdout, stderr } = await inConsumer('npx', 'splitcast', '--help')
    t.match(stdout, /Usage: splitcast/)
    t.match(stdout, /\bsend\b/)
    t.notMatch(stderr, /Warning/, 'no warning of Node')
  })

  t.test('its command makes an identity, and shows the same one again', async (t) => {
    const command = join(consumer, 'node_modules/.bin/splitcast')
    const data = join(consumer, 'data')
    const first = await inConsumer(command, 'id', '--data', data)
    t.match(first.stdout, /\S/)
    t.ok((await stat(data)).isDirectory())
    t.equal((await inConsumer(command, 'id', '--data', data)).stdout, first.stdout)
  })

  t.test('its package.json and types are sound', async (t) => {
    const { messages } = await publint({ pkgDir: installed, pack: false, strict: true })
    t.strictSame(messages, [])
    await t.resolves(inConsumer(process.execPath, attw, tarball, '--profile', 'esm-only', '--no-color'))
  })
})

function inProject(command: string, ...args: string[]) {
  return run(command, args, { cwd: projectRoot, env })
}

function inConsumer(command: string, ...args: string[]) {
  return run(command, args, { cwd: consumer, env })
}
