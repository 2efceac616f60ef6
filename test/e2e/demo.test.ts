/**
 * The demo as a stranger runs it: real processes, real UDP. Slow, so each run checks much; what it must refuse or find is
 * tested as well as what must hold.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { DemoResult } from '../../src/cli/demo/result.js'
import { cleanEnvironment } from '../environment.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** What requirement R18 allows. */
const FIXED_BYTES_ALLOWED = 352
const KEEPALIVE_BYTES = 2 * 64

/** A demo that is killed cannot clear up; its directories end with the test. */
const temporary = mkdtempSync(join(tmpdir(), 'splitcast-demo-test-'))
t.teardown(() => rmSync(temporary, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(...words: string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, 'demo', ...words], {
    env: { ...cleanEnvironment(), TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** Process ids whose parent is `pid`, from the process table. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number)
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

t.test('every member gets every message once, verified, and no role reads more than it may', async (t) => {
  const { code, stdout, stderr } = await ended(
    start('--members', '5', '--messages', '2', '--size', '200', '--padding', 'none', '--json'),
  )
  t.equal(code, 0, stderr)
  const result = JSON.parse(stdout) as DemoResult
  t.strictSame(result.faults, [])
  t.match(result, { members: 5, messages: 2, bodyBytes: 200, delivered: 8, duplicates: 0, badSignatures: 0 })
  t.equal(result.slots, 5, "the sender's own copy is a recipient too")
  t.equal(result.paddingBytes, 0)
  t.equal(
    result.fixedBytes,
    result.uploadBytes - result.bodyBytes - 10 * result.slots - result.paddingBytes - result.furtherDatagramBytes,
  )
  t.ok(result.fixedBytes <= FIXED_BYTES_ALLOWED, `${result.fixedBytes} bytes fixed`)
  t.strictSame(
    result.hops.map(({ from, to }) => `${from}>${to}`),
    ['S>P1', 'P1>P2', 'P2>CS', 'CS>T'],
  )
  for (const { from, out, in: arrived } of result.hops) {
    // A keepalive can pass between the readings of two processes.
    const lost = Math.abs(out.payloadBytes - arrived.payloadBytes)
    t.ok(
      out.payloadBytes > 0 && lost <= KEEPALIVE_BYTES,
      `from ${from}: ${out.payloadBytes} sent, ${arrived.payloadBytes} arrived`,
    )
  }
  t.strictSame(result.knowledge.p1.learnt, ['address of S', 'id of a proxy'])
  t.strictSame(result.knowledge.cs.learnt, ['id of a proxy', 'S as a recipient', 'a recipient'])
})

t.test('with a relay on every hop that loses, doubles, damages and delays, the same holds', async (t) => {
  const words = ['--loss', '0.3', '--burst', '2', '--delay', '5', '--jitter', '10', '--duplicate', '0.1']
  const { code, stdout, stderr } = await ended(
    start('--members', '3', '--size', '200', ...words, '--corrupt', '0.02', '--json'),
  )
  t.equal(code, 0, stderr)
  const { relays, sent, sentAgain, hops, ...result } = JSON.parse(stdout) as DemoResult
  t.strictSame(result.faults, [])
  t.match(result, { delivered: 2, proven: 2, duplicates: 0 })
  t.match(relays, { seed: 1, conditions: { loss: 0.3, burst: 2, delayMs: 5, jitterMs: 10 } })
  t.ok(relays !== undefined && relays.tally.lost > 0 && relays.tally.offered >= hops.length)
  t.ok(sentAgain.datagrams > 0 && sentAgain.payloadBytes < sent.payloadBytes, 'what was lost was sent again')
})

t.test('a planted leak is found, and makes the demo fail', async (t) => {
  const { code, stdout } = await ended(start('--members', '2', '--size', '10', '--plant-leak', '--json'))
  t.equal(code, 1)
  const { faults } = JSON.parse(stdout) as DemoResult
  t.equal(
    faults.length > 0 && faults.every((fault) => /^p1: node \d+ read the id of S in /.test(fault)),
    true,
    faults.join(),
  )
})

t.test('no process is left behind when it is interrupted', async (t) => {
  const demo = start('--members', '3')
  const end = ended(demo)
  let children: number[] = []
  while (children.length < 3) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    children = childrenOf(demo.pid as number)
  }
  demo.kill('SIGINT')
  const { code } = await end
  t.not(code, 0)
  t.strictSame(children.filter(isRunning), [])
})

t.test('no process is left behind when it is killed', async (t) => {
  const demo = start('--members', '3')
  const end = ended(demo)
  let children: number[] = []
  while (children.length < 3) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    children = childrenOf(demo.pid as number)
  }
  demo.kill('SIGKILL')
  await end
  const deadline = Date.now() + 60_000
  while (children.some(isRunning) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50))
  t.strictSame(children.filter(isRunning), [])
})

t.test('bad options are refused in one line', async (t) => {
  for (const [words, pattern] of [
    [['--members', '1'], /whole number from 2 to 1000/],
    [['--members', '1001'], /whole number from 2 to 1000/],
    [['--padding', 'much'], /none, classes, cell/],
    [['--file', '/nonexistent'], /cannot read \/nonexistent/],
    [['--keep', '--json'], /leave out --json/],
    [['--loss', '1'], /part of the datagrams from 0 to below 1/],
    [['--partition', '3/3'], /would let nothing pass/],
  ] as const) {
    const { code, stdout, stderr } = await ended(start(...words))
    t.equal(code, 2, words.join(' '))
    t.equal(stdout, '')
    t.match(stderr, pattern)
    t.equal(stderr.trim().split('\n').length, 1, stderr)
  }
})
