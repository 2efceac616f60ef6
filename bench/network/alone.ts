/**
 * P2 in a process of its own between a feeder and a CS that only answers: rounds of work and rounds of floors alternate, so
 * that a slow moment of the machine hits both, and medians count. A round is as long as it takes for its beginning and its
 * end, when few copies share a turn of the event loop, to count for little.
 */
import { join } from 'node:path'
import { limits } from '../../src/base/limits.js'
import type { Floors, SplitMemory } from './floors.js'
import { type Host, type Processes, withProcesses } from './network.js'

export interface AloneOptions {
  readonly contentBytes: number
  readonly rounds: number
  /** Rounds before them, until compilers have done what they do. */
  readonly warmUps: number
  /** A round's, of 256 copies each. */
  readonly requests: number
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
const MEAN_WAIT_MS = 10
/** Head, index, number and tag of a packet; kind, number and length of a message in it; kind, reference and extension of a copy. */
const DATAGRAM_BYTES = 25
const COPY_FRAME_BYTES = 5 + 6
/** R_i, slot, E_i, length of the personal part, two tags and E. */
const COPY_BEYOND_CONTENT_BYTES = 91 + 48
/** So large that nothing is collected while allocations are counted. */
const NO_COLLECTION = ['--expose-gc', '--max-semi-space-size=256', '--min-semi-space-size=256']

/** A round without its floors. */
interface Work extends Omit<Alone, 'floors'> {
  /** The part of the time for which what is around P2 kept a core busy. */
  readonly neighbourPart: number
}

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
    await makeRequests(pair, options)
    for (let round = 0; round < options.warmUps + options.rounds; round++) {
      const work = await roundOf(pair, options)
      const shape = {
        copies: COPIES,
        contentBytes: options.contentBytes,
        datagramBytes: datagramBytesOf(options, work),
      }
      const unhindered = await bare.call('floors', { shape, port })
      // Two cores can be the two threads of one, and halve each other's speed: what P2 had at times, floors have as well.
      const next = makeRequests(pair, options)
      const hindered = await bare.call('floors', { shape, port })
      await next
      const floors = between(unhindered, hindered, work.neighbourPart)
      if (round >= options.warmUps) measured.push({ ...work, floors })
    }
    return medians(measured)
  })
}

/** Counted apart, since a heap that is never collected is another heap. */
export function allocation(options: AloneOptions): Promise<Allocation> {
  return withProcesses(async (processes) => {
    const pair = await openPair(processes, options.workers, NO_COLLECTION)
    for (let round = 0; round < options.warmUps; round++) {
      await makeRequests(pair, options)
      await roundOf(pair, options)
    }
    await makeRequests(pair, options)
    const before = await pair.splitter.call('memory', { collect: true })
    await roundOf(pair, options)
    const after = await pair.splitter.call('memory', { collect: false })
    return {
      heapBytesPerCopy: (after.heapBytes - before.heapBytes) / (options.requests * COPIES),
      outsideBytesPerCopy: (after.outsideBytes - before.outsideBytes) / (options.requests * COPIES),
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

function makeRequests({ around }: Pair, { requests, contentBytes }: AloneOptions): Promise<unknown> {
  return around.call('makeRequests', { requests, copies: COPIES, contentBytes })
}

/** P2 takes, splits and sends what was made, until all of it is answered. */
async function roundOf({ around, splitter }: Pair, { requests }: AloneOptions): Promise<Work> {
  const copies = requests * COPIES
  const neighbourBefore = await around.call('meter', {})
  const before = await splitter.call('answered', { moreCopies: 0 })
  const [after] = await Promise.all([splitter.call('answered', { moreCopies: copies }), around.call('feed', {})])
  const neighbour = await around.call('meter', {})
  return {
    neighbourPart: (neighbour.cpuUs - neighbourBefore.cpuUs) / (neighbour.wallUs - neighbourBefore.wallUs),
    cpuUs: (after.meter.cpuUs - before.meter.cpuUs) / copies,
    wallUs: (after.meter.wallUs - before.meter.wallUs) / copies,
    datagramsPerCopy: (after.sentDatagrams - before.sentDatagrams) / copies,
    receivedPerCopy: (after.receivedDatagrams - before.receivedDatagrams) / copies,
  }
}

/** An average datagram that carries copies: acknowledgements are among those counted, and few. */
function datagramBytesOf({ contentBytes }: AloneOptions, { datagramsPerCopy }: Work): number {
  const copyBytes = contentBytes + COPY_BEYOND_CONTENT_BYTES + COPY_FRAME_BYTES
  return Math.min(limits.datagramMaxBytes, Math.round(copyBytes / datagramsPerCopy) + DATAGRAM_BYTES)
}

function between(unhindered: Floors, hindered: Floors, part: number): Floors {
  const of = (read: (floors: Floors) => number) => read(unhindered) + part * (read(hindered) - read(unhindered))
  return {
    cryptoUs: of(({ cryptoUs }) => cryptoUs),
    sealUs: of(({ sealUs }) => sealUs),
    connectedSendUs: of(({ connectedSendUs }) => connectedSendUs),
    lookupSendUs: of(({ lookupSendUs }) => lookupSendUs),
  }
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
