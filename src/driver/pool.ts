/**
 * Worker threads for the jobs of a node. piscina starts, balances, replaces and ends the threads; here jobs that wait are
 * gathered into tasks, so that a message between threads is paid for by many, and their bytes change hands without being
 * copied. A job whose thread died is failed, not repeated: its bytes went with it, and its role knows what to do.
 */
import { Piscina } from 'piscina'
import { limits } from '../base/limits.js'
import type { WasmModule } from '../crypto/create-worker.js'
import { Queue } from '../link/queue.js'
import type { Job, JobResult } from '../role/jobs.js'
import { loadModule } from './crypto.js'
import type { Log } from './log.js'
import { buffersOf } from './transfer.js'
import type { Workers } from './workers.js'

/** What a thread says of each job of a task, in their order. */
export type Outcome = { readonly result: JobResult } | { readonly error: string }

export interface PoolOptions {
  /** The most threads; the first is started now or with the first job, others as there is work, and end again when there is none. */
  readonly threads: number
  readonly begin?: 'now' | 'withWork'
  readonly log: Log
  /** The module that threads run, for tests of threads that die. */
  readonly worker?: URL
}

interface Waiting {
  readonly job: Job
  readonly done: (result: JobResult) => void
}

const WORKER_URL = new URL('./pool-worker.js', import.meta.url)
/** One under way and one ready, so that no thread waits for this one. */
const TASKS_A_THREAD = 2
/** What makes a task worth its message and still lets other work get its turn. */
const TASK_COPIES = 64
const BYTES_LIKE_A_COPY = 8192
/** Unsealing a request costs about as much as making so many copies. */
const REQUEST_LIKE_COPIES = 4
const IDLE_MS = 30_000
const FAILED: JobResult = { type: 'failed' }

export async function startPool({ threads, log, begin, worker = WORKER_URL }: PoolOptions): Promise<Workers> {
  const pool = new Pool(threads, log, { worker, compiled: await loadModule() })
  if (begin !== 'withWork') pool.start()
  return pool
}

class Pool implements Workers {
  readonly threads: number
  private readonly log: Log
  private readonly module: { readonly worker: URL; readonly compiled: WasmModule }
  private piscina: Piscina | undefined
  private readonly waiting = new Queue<Waiting>()
  private waitingCost = 0
  private tasks = 0
  private scheduled = false
  private closed = false

  constructor(threads: number, log: Log, module: Pool['module']) {
    this.threads = threads
    this.log = log
    this.module = module
  }

  /** The first thread; without effect where there is one. */
  start(): void {
    this.piscina ??= this.makePool()
  }

  run(job: Job, done: (result: JobResult) => void): void {
    if (this.closed) return
    if (this.waiting.length >= limits.jobsWaiting) {
      queueMicrotask(() => this.fail([{ job, done }], 'too many jobs wait'))
      return
    }
    this.waiting.push({ job, done })
    this.waitingCost += costOf(job)
    if (this.scheduled) return
    this.scheduled = true
    // The rest of this turn's jobs come first.
    queueMicrotask(() => {
      this.scheduled = false
      this.handOut()
    })
  }

  async close(): Promise<void> {
    this.closed = true
    this.waiting.clear()
    await this.piscina?.destroy()
  }

  private makePool(): Piscina {
    const piscina = new Piscina({
      filename: this.module.worker.href,
      workerData: this.module.compiled,
      // Options of this process are not the threads': some (--eval) would even keep them from starting.
      execArgv: [],
      minThreads: 1,
      maxThreads: this.threads,
      concurrentTasksPerWorker: TASKS_A_THREAD,
      idleTimeout: IDLE_MS,
      // Threads that wait in Atomics.wait cost more here than they save.
      atomics: 'disabled',
      recordTiming: false,
    })
    // A thread that ended without a task. Where it did not even come up, piscina starts no other, and tasks would wait
    // for ever: then the next one has a new start made for it.
    piscina.on('error', (error) => {
      this.log.error({ error: String(error) }, 'a worker thread ended')
      if (piscina.threads.length > 0 || piscina !== this.piscina) return
      this.piscina = undefined
      void piscina.destroy()
    })
    return piscina
  }

  private handOut(): void {
    for (let free = TASKS_A_THREAD * this.threads - this.tasks; free > 0 && this.waiting.length > 0; free--) {
      void this.send(this.nextTask(free))
    }
  }

  /** A share of what waits, so that all threads get some; at least one. */
  private nextTask(free: number): Waiting[] {
    const share = Math.min(TASK_COPIES, this.waitingCost / free)
    const task: Waiting[] = []
    let cost = 0
    do {
      const next = this.waiting.shift()
      if (next === undefined) break
      task.push(next)
      cost += costOf(next.job)
    } while (cost < share)
    this.waitingCost -= cost
    return task
  }

  private async send(task: Waiting[]): Promise<void> {
    const jobs = task.map(({ job }) => job)
    this.tasks++
    try {
      this.piscina ??= this.makePool()
      const outcomes: Outcome[] = await this.piscina.run(jobs, { transferList: buffersOf(jobs) })
      this.tasks--
      this.finish(task, outcomes)
    } catch (error) {
      this.tasks--
      this.fail(task, String(error))
    }
    if (!this.closed) this.handOut()
  }

  private finish(task: readonly Waiting[], outcomes: readonly Outcome[]): void {
    for (const [index, waiting] of task.entries()) {
      const outcome = outcomes[index] ?? { error: 'no outcome' }
      if ('error' in outcome) this.fail([waiting], outcome.error)
      else if (!this.closed) waiting.done(outcome.result)
    }
  }

  private fail(task: readonly Waiting[], error: string): void {
    if (this.closed) return
    for (const { job, done } of task) {
      this.log.error({ job: job.type, error }, 'a job failed')
      done(FAILED)
    }
  }
}

function costOf(job: Job): number {
  switch (job.type) {
    case 'openRequest':
      return REQUEST_LIKE_COPIES + Math.floor(job.sealed.length / BYTES_LIKE_A_COPY)
    case 'split':
      return job.count * (1 + Math.floor(job.request.content.length / BYTES_LIKE_A_COPY))
    case 'openCopies':
      return job.lengths.length + Math.floor(job.sealed.length / BYTES_LIKE_A_COPY)
    default:
      return job satisfies never
  }
}
