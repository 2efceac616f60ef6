/**
 * The thread that pool.ts starts: its own instance of the core, one task at a time, in the order they come. Slices of a
 * request go to several threads, and only one of them makes the last: the others forget the request when they have been idle.
 */
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina'
import { limits } from '../base/limits.js'
import { createWorkerCrypto, type WasmModule } from '../crypto/create-worker.js'
import { type Job, runJob } from '../role/jobs.js'
import type { Outcome } from './pool.js'
import { buffersOf } from './transfer.js'

const crypto = await createWorkerCrypto(workerData as WasmModule)
const idle = setTimeout(() => crypto.forgetRequest(), limits.preparedIdleMs).unref()

/** Does the jobs of a task. */
export default function work(jobs: readonly Job[]): unknown {
  const outcomes = jobs.map(attempt)
  idle.refresh()
  return move({ [valueSymbol]: outcomes, [transferableSymbol]: buffersOf(outcomes) })
}

/** One that fails leaves the others be. */
function attempt(job: Job): Outcome {
  try {
    return { result: runJob(crypto, job) }
  } catch (error) {
    return { error: String(error) }
  }
}
