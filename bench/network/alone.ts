/**
 * P2 in a process of its own between a feeder and a CS that only answers: rounds of work and rounds of floors alternate, so
 * that a slow moment of the machine hits both, and medians count.
 */
import { join } from 'node:path'
import type { SplitMemory } from './calls.js'
import type { Floors } from './floors.js'
import { type Host, type Processes, withProcesses } from './network.js'

export interface AloneOptions {
  readonly contentBytes: number
  readonly rounds: number
  readonly workers: number
}

export interface Alone {
  /** CPU time of P2 and wall clock, a copy. */
  readonly cpuUs: number
  readonly wallUs: number
  readonly datagramsPerCopy: number
  readonly receivedPerCopy: number
  readonly floors: Floors
}

/** Bytes that P2 allocates for a copy: on the heap, and of byte strings beside it. */
export interface Allocation {
  readonly heapBytesPerCopy: number
  readonly outsideBytesPerCopy: number
}

const COPIES = 256
const REQUESTS = 16
const MEAN_WAIT_MS = 50
/** Head, index, number and tag of a packet; kind, number and length of a message in it; kind, reference and extension of a copy. */
const DATAGRAM_BYTES = 25
const COPY_FRAME_BYTES = 5 + 6
/** R_i, slot, E_i, length of the personal part, two tags and E. */
const COPY_BEYOND_CONTENT_BYTES = 91 + 48
const LARGEST_DATAGRAM_BYTES = 1200
/** So large that nothing is collected while allocations are counted. */
const NO_COLLECTION = ['--expose-gc', '--max-semi-space-size=256', '--min-semi-space-size=256']

interface Pair {
  readonly around: Host
  readonly splitter: Host
}

export function splitterAlone(options: AloneOptions): Promise<Alone> {
  return withProcesses(async (processes) => {
    const pair = await openPair(processes, options.workers)
    const bare = processes.fork('the floors')
    const { port } = await pair.around.call('openDrain', {})
    const measured: Alone[] = []
    const { contentBytes } = options
    await makeRequests(pair, contentBytes)
    // The first round warms up.
    for (let round = 0; round <= options.rounds; round++) {
      const work = await roundOf(pair)
      const shape = { copies: COPIES, contentBytes, datagramBytes: datagramBytesOf(options, work) }
      // Beside a neighbour at work, as P2 is: two cores can be the two threads of one, and halve each other's speed.
      const next = makeRequests(pair, contentBytes)
      const floors = await bare.call('floors', { shape, port })
      await next
      if (round > 0) measured.push({ ...work, floors })
    }
    return medians(measured)
  })
}

/** Counted apart, since a heap that is never collected is another heap. */
export function allocation({ contentBytes, workers }: AloneOptions): Promise<Allocation> {
  return withProcesses(async (processes) => {
    const pair = await openPair(processes, workers, NO_COLLECTION)
    await makeRequests(pair, contentBytes)
    await roundOf(pair)
    await makeRequests(pair, contentBytes)
    const before = await pair.splitter.call('memory', { collect: true })
    await roundOf(pair)
    const after = await pair.splitter.call('memory', { collect: false })
    return {
      heapBytesPerCopy: (after.heapBytes - before.heapBytes) / (REQUESTS * COPIES),
      outsideBytesPerCopy: (after.outsideBytes - before.outsideBytes) / (REQUESTS * COPIES),
    }
  })
}

export function splitMemory(copies: number, contentBytes: number): Promise<SplitMemory> {
  return withProcesses((processes) =>
    processes.fork('the split', ['--expose-gc']).call('splitMemory', { copies, contentBytes }),
  )
}

async function openPair(processes: Processes, workers: number, execArgv: readonly string[] = []): Promise<Pair> {
  const around = processes.fork('what is around the proxy')
  const splitter = processes.fork('the proxy', execArgv)
  const { card } = await around.call('openSink', {})
  await splitter.call('openProxy', {
    ...{ data: join(processes.directory, 'proxy'), network: card, listen: '127.0.0.1:0' },
    ...{ meanWaitMs: MEAN_WAIT_MS, meanForwardWaitMs: 0, workers },
  })
  return { around, splitter }
}

function makeRequests({ around }: Pair, contentBytes: number): Promise<unknown> {
  return around.call('makeRequests', { requests: REQUESTS, copies: COPIES, contentBytes })
}

/** P2 takes, splits and sends what was made, until all of it is answered. */
async function roundOf({ around, splitter }: Pair): Promise<Omit<Alone, 'floors'>> {
  const copies = REQUESTS * COPIES
  const before = await splitter.call('answered', { moreCopies: 0 })
  const [after] = await Promise.all([splitter.call('answered', { moreCopies: copies }), around.call('feed', {})])
  return {
    cpuUs: (after.meter.cpuUs - before.meter.cpuUs) / copies,
    wallUs: (after.meter.wallUs - before.meter.wallUs) / copies,
    datagramsPerCopy: (after.sentDatagrams - before.sentDatagrams) / copies,
    receivedPerCopy: (after.receivedDatagrams - before.receivedDatagrams) / copies,
  }
}

/** An average datagram that carries copies: acknowledgements are among those counted, and few. */
function datagramBytesOf({ contentBytes }: AloneOptions, { datagramsPerCopy }: Omit<Alone, 'floors'>): number {
  const copyBytes = contentBytes + COPY_BEYOND_CONTENT_BYTES + COPY_FRAME_BYTES
  return Math.min(LARGEST_DATAGRAM_BYTES, Math.round(copyBytes / datagramsPerCopy) + DATAGRAM_BYTES)
}

function medians(measured: readonly Alone[]): Alone {
  const of = (read: (alone: Alone) => number) => {
    const sorted = measured.map(read).sort((a, b) => a - b)
    return sorted[sorted.length >> 1] as number
  }
  return {
    cpuUs: of(({ cpuUs }) => cpuUs),
    wallUs: of(({ wallUs }) => wallUs),
    datagramsPerCopy: of(({ datagramsPerCopy }) => datagramsPerCopy),
    receivedPerCopy: of(({ receivedPerCopy }) => receivedPerCopy),
    floors: {
      cryptoUs: of(({ floors }) => floors.cryptoUs),
      sealUs: of(({ floors }) => floors.sealUs),
      connectedSendUs: of(({ floors }) => floors.connectedSendUs),
      lookupSendUs: of(({ floors }) => floors.lookupSendUs),
    },
  }
}
