/** `splitcast doctor` on directories good and bad, and beside a running network; it reports, and leaves all as it was. */
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import t from 'tap'
import type { Finding } from '../../src/cli/doctor/finding.js'
import { hasRelaxedSimd } from '../../src/crypto/wasm-features.js'
import { openDataDirectory } from '../../src/driver/data-directory.js'
import { splitcast, start, temporaryDirectory } from './processes.js'

const root = await temporaryDirectory()
const at = (name: string) => join(root, name)

async function doctor(path: string) {
  const { code, stdout, stderr } = await splitcast(['doctor', '--json', '--data', path])
  if (stderr !== '') throw new Error(stderr)
  const diagnosis = JSON.parse(stdout)
  // How much this machine's kernel buffers and how full its disk is, is not for these tests.
  const findings: Finding[] = diagnosis.findings.filter(({ text }: Finding) => !/buffer|MiB are free/.test(text))
  return { code, diagnosis, findings }
}

const problems = (findings: readonly Finding[]) => findings.filter(({ level }) => level === 'problem')

t.test('a machine that can run nodes, and a directory that is not there yet', async (t) => {
  const { code, diagnosis, findings } = await doctor(at('deep/new'))
  t.equal(code, 0)
  t.strictSame(problems(findings), [])
  const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'))
  t.match(diagnosis, {
    version,
    node: process.version,
    v8: process.versions.v8,
    core: { build: /^(fused|integer)$/, buildReason: /./, relaxedSimd: Boolean },
  })
  t.ok(diagnosis.workers >= 1 && diagnosis.workers <= Math.max(1, diagnosis.cores - 1))
  t.ok(diagnosis.core.splitUsPerCopy > 0)
  t.equal(diagnosis.udp.ipv4, true)
  t.equal(diagnosis.udp.wantedBufferBytes, 4 * 2 ** 20)
  t.ok(diagnosis.udp.receiveBufferBytes > 0 && diagnosis.udp.sendBufferBytes > 0)
  t.match(diagnosis.data, { path: at('deep/new'), exists: false, kind: null, private: null, writable: true })
  t.ok(Math.abs(Date.parse(diagnosis.data.now) - Date.now()) < 60_000)
  t.strictSame(await readdir(root), [], 'nothing was made')
})

t.test('the same for people', async (t) => {
  const { code, stdout } = await splitcast(['doctor', '--data', at('none')])
  t.equal(code, 0)
  for (const name of ['splitcast', 'node', 'machine', 'cores', 'core', 'speed', 'UDP', 'buffers', 'data', 'clock']) {
    t.match(stdout, new RegExp(`^${name} `, 'm'))
  }
  t.match(stdout, /\n\n(all is well|(warning: .*\n?)+)\n?$/)
})

t.test('what a start would refuse is a problem, and is left as it is', async (t) => {
  await mkdir(at('home'))
  await writeFile(at('home/letter.txt'), 'dear')
  await mkdir(at('keyless/store'), { recursive: true })
  await openDataDirectory(at('damaged'), 'node')
  await writeFile(at('damaged/identity.json'), '{')
  await writeFile(at('file'), '')
  const reasons = {
    home: /holds other things/,
    keyless: /lost its keys/,
    damaged: /damaged; put it back/,
    file: /ENOTDIR/,
    'file/below': /ENOTDIR/,
    ['x'.repeat(120)]: /control socket's path/,
  }
  const results = await Promise.all(Object.keys(reasons).map((name) => doctor(at(name))))
  for (const [index, reason] of Object.values(reasons).entries()) {
    const { code, findings } = results[index] as (typeof results)[number]
    t.equal(code, 1)
    t.equal(problems(findings).length, 1)
    t.match(problems(findings)[0]?.text, reason)
  }
  t.equal(await readFile(at('damaged/identity.json'), 'utf8'), '{')
  const human = await splitcast(['doctor', '--data', at('home')])
  t.equal(human.code, 1)
  t.match(human.stdout, /^problem: .*holds other things/m)
})

t.test('a directory that others can read, and files from the future, are warned of', async (t) => {
  await openDataDirectory(at('open'), 'node')
  await chmod(at('open'), 0o755)
  const late = Date.now() / 1000 + 86_400
  await utimes(at('open/identity.json'), late, late)
  const { code, findings, diagnosis } = await doctor(at('open'))
  t.equal(code, 0)
  t.strictSame(
    findings.map(({ level }) => level),
    ['warning', 'warning'],
  )
  t.match(findings[0]?.text, /chmod 700/)
  t.match(findings[1]?.text, /clock/)
  t.match(diagnosis.data, { kind: 'node', private: false, running: false })
  t.equal((await stat(at('open'))).mode & 0o777, 0o755, 'left as it was')
})

t.test('beside what runs', async (t) => {
  const server = start(['server', '--listen', '127.0.0.1:0', '--data', at('server')])
  const card = await server.line
  const node = start(['node', '--network', card, '--data', at('node')])
  await node.line
  const [ofServer, ofNode] = await Promise.all([doctor(at('server')), doctor(at('node'))])
  t.match(ofServer, { code: 0, findings: [], diagnosis: { data: { kind: 'server', running: true, private: true } } })
  t.match(ofNode, { code: 0, findings: [], diagnosis: { data: { kind: 'node', running: true } } })
  t.ok(Date.parse(ofNode.diagnosis.data.directoryValidUntil) > Date.now())

  server.child.kill('SIGKILL')
  node.child.kill('SIGSTOP')
  const { code, findings } = await doctor(at('node'))
  t.equal(code, 0)
  t.match(findings, [{ level: 'warning', text: /does not answer/ }])
  node.child.kill('SIGKILL')
})

t.test('relaxed SIMD is seen where it is, on Node 20 behind its flag', (t) => {
  if (Number.parseInt(process.versions.node, 10) < 22) {
    t.equal(hasRelaxedSimd(), false)
    setFlagsFromString('--experimental-wasm-relaxed-simd')
  }
  t.equal(hasRelaxedSimd(), true)
  t.end()
})
