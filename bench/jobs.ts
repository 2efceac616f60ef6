/**
 * What worker threads bring: jobs a second on the node's own thread and on one and two others, and the processor time of a
 * job over all threads. The jobs are those of proxies and of the server; more is always waiting.
 */
import { loadCrypto } from '../src/driver/crypto.js'
import { createLog } from '../src/driver/log.js'
import { startWorkers } from '../src/driver/start-workers.js'
import type { Workers } from '../src/driver/workers.js'
import type { Job } from '../src/role/jobs.js'
import { sampleMessage } from '../test/driver/jobs.js'
import { median, significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

export interface JobsRow {
  readonly job: string
  readonly workers: number
  readonly perSecond: number
  /** Processor time of a job, over all threads. */
  readonly usPerJobCpu: number
}

interface Slice {
  readonly perSecond: number
  readonly usPerJobCpu: number
}

const BODY_BYTES = 1024
const REQUEST_COPIES = 16
const BATCH_COPIES = 32
const WAITING_JOBS = 64
const THREADS = [0, 1, 2] as const

export async function jobs({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  const pools = await Promise.all(THREADS.map((count) => startWorkers(count, crypto, createLog('error'))))
  const request = sampleMessage(REQUEST_COPIES, BODY_BYTES)
  const batch = sampleMessage(BATCH_COPIES, BODY_BYTES)
  const kinds: readonly [string, () => Job][] = [
    [`split into ${REQUEST_COPIES}`, () => request.split(0, REQUEST_COPIES)],
    [`open ${BATCH_COPIES} copies`, () => batch.openCopies()],
  ]
  const results: JobsRow[] = []
  for (const [job, make] of kinds) {
    const slices = await alternating(pools, make, quick ? 3 : 9)
    for (const [index, ofPool] of slices.entries()) {
      const perSecond = significant(median(ofPool.map((slice) => slice.perSecond)))
      const usPerJobCpu = significant(median(ofPool.map((slice) => slice.usPerJobCpu)))
      results.push({ job, workers: THREADS[index] ?? 0, perSecond, usPerJobCpu })
    }
  }
  await Promise.all(pools.map((pool) => pool.close()))
  const lines = results.map(({ job, workers, perSecond, usPerJobCpu }) => [
    ...[job, String(workers), String(perSecond), String(usPerJobCpu)],
  ])
  return { results, text: columns([['job', 'workers', 'a second', 'CPU us a job'], ...lines]) }
}

/** In turn, so that what disturbs one disturbs all; the first round warms up. */
async function alternating(pools: readonly Workers[], make: () => Job, rounds: number): Promise<Slice[][]> {
  const slices: Slice[][] = pools.map(() => [])
  for (let round = 0; round <= rounds; round++) {
    for (const [index, pool] of pools.entries()) {
      const slice = await run(pool, make, round === 0 ? 100 : 200)
      if (round > 0) slices[index]?.push(slice)
    }
  }
  return slices
}

/** Keeps so many jobs waiting for a while, then lets them end. */
async function run(pool: Workers, make: () => Job, durationMs: number): Promise<Slice> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  let done = 0
  await new Promise<void>((resolve) => {
    let underWay = 0
    function fill(): void {
      while (underWay < WAITING_JOBS && performance.now() - start < durationMs) {
        underWay++
        pool.run(make(), ended)
      }
      if (underWay === 0) resolve()
    }
    function ended(): void {
      underWay--
      done++
      fill()
    }
    fill()
  })
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: (1000 * done) / (performance.now() - start), usPerJobCpu: (user + system) / done }
}
