/**
 * Jobs on real threads: the same results as in place, bytes that change hands, bounds, threads that die or never come
 * up, and an end with work outstanding. SEED repeats the jobs.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ProtocolError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { systemClock } from '../../src/driver/clock.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { createLog } from '../../src/driver/log.js'
import { type PoolOptions, startPool } from '../../src/driver/pool.js'
import { type LoopInput, type LoopOutput, run } from '../../src/driver/run.js'
import { startWorkers, threadCount } from '../../src/driver/start-workers.js'
import { openStore } from '../../src/driver/store.js'
import { openUdp } from '../../src/driver/udp.js'
import type { Workers } from '../../src/driver/workers.js'
import { type Job, type JobResult, runJob } from '../../src/role/jobs.js'
import type { Machine } from '../../src/role/role.js'
import { seed } from '../base/seeded.js'
import { openedCount, sampleMessage } from './jobs.js'

t.comment(`SEED=${seed}`)

const crypto = await loadCrypto()
const log = createLog('silent')
const message = sampleMessage(20)
const fragile = new URL('./fragile-worker.js', import.meta.url)
const deadly = (): Job => message.split(0, 0)

function result(workers: Workers, job: Job): Promise<JobResult> {
  return new Promise((resolve) => workers.run(job, resolve))
}

async function pool(t: Test, options: Partial<PoolOptions> = {}): Promise<Workers> {
  const workers = await startPool({ threads: 2, log, ...options })
  t.teardown(() => workers.close())
  return workers
}

t.test('threads and the node’s own thread give what runJob gives', async (t) => {
  const jobs: (() => Job)[] = [
    () => message.openRequest(),
    () => message.split(0, 20),
    () => message.split(3, 5),
    () => message.openCopies(),
  ]
  for (const count of [0, 1, 2]) {
    const workers = await startWorkers(count, crypto, log)
    const results = await Promise.all(jobs.map((job) => result(workers, job())))
    t.strictSame(
      results,
      jobs.map((job) => runJob(crypto, job())),
      `${count} threads`,
    )
    await workers.close()
  }
})

t.test('bytes change hands: nothing of a job stays behind, keys least of all', async (t) => {
  const workers = await pool(t)
  const job = message.split(0, 20)
  if (job.type !== 'split') throw new Error('a split')
  const ended = result(workers, job)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(job.request.requestKey.length, 0)
  t.equal(job.entropy.length, 0)
  t.match(await ended, { type: 'split' })

  const own = await startWorkers(0, crypto, log)
  const inPlace = message.split(0, 20)
  if (inPlace.type !== 'split') throw new Error('a split')
  await result(own, inPlace)
  t.strictSame([inPlace.request.requestKey, inPlace.entropy], [new Uint8Array(32), new Uint8Array(32)], 'or is wiped')
})

t.test('many jobs at once: each answer goes to its own asker, none is lost', async (t) => {
  const workers = await pool(t)
  const sizes = Array.from({ length: 300 }, (_, i) => 1 + (i % 20))
  const results = await Promise.all(sizes.map((count) => result(workers, message.split(0, count))))
  const bytes = results.map((each) => (each.type === 'split' ? each.copies?.length : undefined))
  const one = (bytes[0] ?? 0) / 1
  t.ok(one > 200)
  t.strictSame(
    bytes,
    sizes.map((count) => count * one),
  )
})

t.test('threads begin at once, or for a node that may never have work with its first job', async (t) => {
  let begun = 0
  const count = () => begun++
  process.on('worker', count)
  t.teardown(() => process.off('worker', count))
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const later = await pool(t, { threads: 1, begin: 'withWork' })
  await turn()
  t.equal(begun, 0)
  t.equal(openedCount(await result(later, message.openCopies())), message.copies)
  t.equal(begun, 1)
  await pool(t, { threads: 1 })
  await turn()
  t.equal(begun, 2)
})

t.test('so many jobs may wait and no more', async (t) => {
  const workers = await pool(t)
  const few = sampleMessage(1)
  const answers = Array.from({ length: limits.jobsWaiting }, () => result(workers, few.openCopies()))
  const past = result(workers, few.openCopies())
  t.strictSame(await past, { type: 'failed' })
  t.ok((await Promise.all(answers)).every((each) => openedCount(each) === 1))
  t.equal(openedCount(await result(workers, few.openCopies())), 1, 'then there is room again')
})

t.test('without threads a job has a turn of the event loop to itself', async (t) => {
  const workers = await startWorkers(0, crypto, log)
  const order: string[] = []
  const done = [1, 2, 3].map((turn) => result(workers, message.openCopies()).then(() => order.push(`job ${turn}`)))
  const other = (turn: number) => setImmediate(() => order.push(`other ${turn}`) < 6 && other(turn + 1))
  other(1)
  await Promise.all(done)
  t.strictSame(order.slice(0, 5), ['job 1', 'other 1', 'job 2', 'other 2', 'job 3'])
  await workers.close()
})

t.test('a request given up between its slices is forgotten when nothing else is to be done', async (t) => {
  let forgotten: () => unknown = () => undefined
  const workers = await startWorkers(0, { ...crypto, forgetRequest: () => forgotten() }, log)
  t.match(await result(workers, message.split(0, 3)), { type: 'split' })
  // The wait keeps no process alive, not even this one.
  const alive = setInterval(() => undefined, 1000)
  await new Promise<void>((resolve) => {
    forgotten = resolve
  })
  clearInterval(alive)
  let atEnd = 0
  forgotten = () => atEnd++
  await workers.close()
  t.equal(atEnd, 1, 'and at the end')
})

t.test('a job that throws fails alone', async (t) => {
  for (const count of [0, 1]) {
    const workers = await startWorkers(count, crypto, log)
    const results = await Promise.all([
      result(workers, message.openCopies()),
      result(workers, message.split(19, 2)),
      result(workers, message.openCopies()),
    ])
    t.strictSame(
      results.map(({ type }) => type),
      ['openCopies', 'failed', 'openCopies'],
    )
    await workers.close()
  }
})

t.test('a thread that dies fails what it had taken, and another takes its place', async (t) => {
  const workers = await pool(t, { worker: fragile })
  await result(workers, message.openCopies())
  const dead = await result(workers, deadly())
  t.strictSame(dead, { type: 'failed' })
  const after = await Promise.all(Array.from({ length: 20 }, () => result(workers, message.openCopies())))
  t.ok(after.every((each) => openedCount(each) === message.copies))
  for (let i = 0; i < 4; i++) t.strictSame(await result(workers, deadly()), { type: 'failed' })
  t.equal(openedCount(await result(workers, message.openCopies())), message.copies)
})

t.test('threads that do not come up fail their jobs, each time', async (t) => {
  const workers = await pool(t, { worker: new URL('./broken-worker.js', import.meta.url) })
  for (let i = 0; i < 3; i++) t.strictSame(await result(workers, message.openCopies()), { type: 'failed' })
})

t.test('an end with work outstanding tells nobody any more, and does not wait for it', async (t) => {
  for (const count of [0, 2]) {
    const workers = await startWorkers(count, crypto, log)
    let told = 0
    const large = sampleMessage(100)
    for (let i = 0; i < 40; i++) workers.run(large.openCopies(), () => told++)
    await new Promise((resolve) => setImmediate(resolve))
    const before = told
    t.ok(before < 40, 'there is work outstanding')
    await workers.close()
    workers.run(large.openCopies(), () => told++)
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.equal(told, before, `${count} threads`)
  }
})

t.test('idle threads keep no process alive, and a process ends with 0', async (t) => {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const program = `
    import { startPool } from ${url('../../src/driver/pool.js')}
    import { createLog } from ${url('../../src/driver/log.js')}
    import { sampleMessage, openedCount } from ${url('./jobs.js')}
    const pool = await startPool({ threads: 2, log: createLog('warn') })
    const message = sampleMessage(3)
    pool.run(message.openCopies(), (result) => console.log(openedCount(result)))`
  const args = ['--input-type=module', '--eval', program]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 })
  t.equal(stdout, '3\n')
  t.equal(stderr, '')
})

t.test('a number of threads', (t) => {
  t.ok(threadCount(undefined) >= 1)
  t.equal(threadCount(0), 0)
  t.equal(threadCount(limits.workers), limits.workers)
  for (const wrong of [-1, 1.5, Number.NaN, limits.workers + 1]) {
    t.throws(
      () => threadCount(wrong),
      new ProtocolError('USAGE', `workers is a whole number from 0 to 64, not ${wrong}`),
    )
  }
  t.end()
})

/** Has one job done for each `stop` it is told of, and writes what came of it. */
class OneJob implements Machine<LoopInput, LoopOutput> {
  private readonly outputs: LoopOutput[] = []

  restore(): void {}
  start(): void {}
  deadline(): undefined {}

  handle(_now: number, input: LoopInput): void {
    if (input.type === 'stop') this.outputs.push({ type: 'job', id: 1, job: message.openCopies() })
    if (input.type !== 'done') return
    const value = Uint8Array.of(openedCount(input.result))
    this.outputs.push({ type: 'persist', reference: 1, writes: [{ key: 'opened', value }] })
  }

  poll(): LoopOutput | undefined {
    return this.outputs.shift()
  }
}

t.test('a node that stops lets its jobs end, and writes what follows from them', async (t) => {
  for (const count of [0, 2]) {
    const directory = await mkdtemp(join(tmpdir(), 'splitcast-'))
    t.teardown(() => rm(directory, { recursive: true }))
    const running = await run({
      machine: new OneJob(),
      socket: await openUdp(),
      store: await openStore(join(directory, 'store')),
      clock: systemClock(),
      log,
      workers: await startWorkers(count, crypto, log),
    })
    await running.stop()
    const store = await openStore(join(directory, 'store'))
    t.equal((await store.get('opened'))?.[0], message.copies, `${count} threads`)
    await store.close()
  }
})
