/**
 * Where the jobs of a node are done: on its own thread, one a turn of the event loop so that datagrams get their turns in
 * between, or on threads of their own (pool.ts). Which of the two, start-workers.ts decides.
 */
import { limits } from '../base/limits.js'
import type { Crypto } from '../crypto/crypto.js'
import { Queue } from '../link/queue.js'
import { type Job, type JobResult, runJob } from '../role/jobs.js'
import type { Log } from './log.js'

export interface Workers {
  /** Jobs done at one time. */
  readonly threads: number
  /** Does a job and says what came of it on a later turn: once, in any order, `failed` for what could not be done. */
  run(job: Job, done: (result: JobResult) => void): void
  /** Gives up what is not done: nobody is told of it any more. Resolves when all threads are gone. */
  close(): Promise<void>
}

/** Workers that have no threads. */
export function ownThread(crypto: Crypto, log: Log): Workers {
  const waiting = new Queue<{ readonly job: Job; readonly done: (result: JobResult) => void }>()
  let turn: NodeJS.Immediate | undefined
  let closed = false
  // A request that was given up between its slices would else stay prepared until the next.
  const idle = setTimeout(() => crypto.forgetRequest(), limits.preparedIdleMs).unref()

  function perform(job: Job): JobResult {
    try {
      return runJob(crypto, job)
    } catch (error) {
      log.error({ job: job.type, error: String(error) }, 'a job failed')
      return { type: 'failed' }
    }
  }

  /** One at a time: all immediates that stand when a turn begins run in that turn. */
  function next(): void {
    const first = waiting.shift()
    turn = waiting.length > 0 ? setImmediate(next) : undefined
    first?.done(perform(first.job))
    idle.refresh()
  }

  return {
    threads: 1,
    run(job, done) {
      if (closed) return
      waiting.push({ job, done })
      turn ??= setImmediate(next)
    },
    async close() {
      closed = true
      clearImmediate(turn)
      clearTimeout(idle)
      crypto.forgetRequest()
    },
  }
}
