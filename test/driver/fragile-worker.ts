/** The real worker, made to die: of a split of no copies, with everything else of its task. */
import work from '../../src/driver/pool-worker.js'
import type { Job } from '../../src/role/jobs.js'

export default function fragile(jobs: readonly Job[]): unknown {
  if (jobs.some((job) => job.type === 'split' && job.count === 0)) process.exit(7)
  return work(jobs)
}
