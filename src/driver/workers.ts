/**
 * Where the jobs of a node are done: on its own thread, one a turn of the event loop so that datagrams get their turns in
 * between, or on threads of their own (pool.ts).
 */
import type { Crypto } from '../crypto/crypto.js'
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
  let waiting: NodeJS.Immediate[] = []

  function perform(job: Job): JobResult {
    try {
      return runJob(crypto, job)
    } catch (error) {
      log.error({ job: job.type, error: String(error) }, 'a job failed')
      return { type: 'failed' }
    }
  }

  return {
    threads: 1,
    run(job, done) {
      waiting.push(
        setImmediate(() => {
          waiting.shift()
          done(perform(job))
        }),
      )
    },
    async close() {
      for (const immediate of waiting) clearImmediate(immediate)
      waiting = []
    },
  }
}
