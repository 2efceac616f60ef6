/**
 * A role's jobs that are under way: each goes out under a number, and what follows from its result is done when that comes.
 * How many there may be is decided by who issues them.
 */
import type { Millis } from '../base/time.js'
import type { Job, JobInput, JobOutput, JobResult } from './jobs.js'
import type { Reference } from './role.js'

type Kind = Job['type']
type JobOf<K extends Kind> = Extract<Job, { type: K }>
/** What becomes of a job of this kind. */
export type ResultOf<K extends Kind> = Extract<JobResult, { type: K | 'failed' }>

type AtDone<K extends Kind> = (now: Millis, result: ResultOf<K>) => void

export class Work {
  private readonly emit: (output: JobOutput) => void
  private readonly underWay = new Map<Reference, (now: Millis, result: JobResult) => void>()
  private lastId = 0

  constructor(emit: (output: JobOutput) => void) {
    this.emit = emit
  }

  /** Has a job done; its bytes are no longer the caller's. */
  issue<K extends Kind>(job: JobOf<K>, act: AtDone<K>): void {
    const id = ++this.lastId
    // A driver answers a job with the result of its kind.
    this.underWay.set(id, act as (now: Millis, result: JobResult) => void)
    this.emit({ type: 'job', id, job })
  }

  done(now: Millis, { id, result }: JobInput): void {
    const act = this.underWay.get(id)
    this.underWay.delete(id)
    act?.(now, result)
  }
}
