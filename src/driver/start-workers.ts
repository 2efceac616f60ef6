/** How many threads a node has for its jobs, and their start (workers.ts, pool.ts). */
import { availableParallelism } from 'node:os'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Crypto } from '../crypto/crypto.js'
import type { Log } from './log.js'
import { ownThread, type Workers } from './workers.js'

/**
 * How many threads a node has: what was asked for, by default the cores less the one that its own thread keeps busy.
 * Throws `USAGE` for what is no number of threads.
 */
export function threadCount(asked: number | undefined): number {
  if (asked === undefined) return Math.min(Math.max(1, availableParallelism() - 1), limits.workers)
  if (Number.isInteger(asked) && asked >= 0 && asked <= limits.workers) return asked
  throw new ProtocolError('USAGE', `workers is a whole number from 0 to ${limits.workers}, not ${asked}`)
}

/**
 * Starts so many threads, none for 0: the first one now, or where `begin` is `withWork`, for a node that may never have any,
 * with the first job.
 */
export async function startWorkers(
  count: number,
  crypto: Crypto,
  log: Log,
  begin: 'now' | 'withWork' = 'now',
): Promise<Workers> {
  if (count === 0) return ownThread(crypto, log)
  // Loaded by those who need it.
  const { startPool } = await import('./pool.js')
  return await startPool({ threads: count, log, begin })
}
