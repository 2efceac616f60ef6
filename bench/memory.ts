/**
 * What a server holds for devices that are connected and quiet: memory of its process with so many links, after garbage was
 * collected, over that of the same process without any.
 */
import { join } from 'node:path'
import type { Memory } from './network/calls.js'
import { type Host, withProcesses } from './network/network.js'
import { median } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const LINKS = 1000
const QUICK_LINKS = 100
const ROUNDS = 3
const MIB = 2 ** 20
/** What 1,000 idle links may add to the resident memory. */
const MOST_BYTES = 100 * MIB
/** Acknowledgements have been sent by then, and buffers of the handshakes are garbage. */
const QUIET_MS = 3000

export interface MemoryRow extends Memory {
  readonly links: number
  /** Of the process, over that without links: the median over the rounds. */
  readonly residentBytes: number
}

export async function memory({ quick }: BenchOptions): Promise<BenchReport> {
  const links = quick ? QUICK_LINKS : LINKS
  const rounds: Memory[] = []
  for (let round = 0; round < (quick ? 1 : ROUNDS); round++) rounds.push(await grown(links))
  const middle = (part: keyof Memory) => median(rounds.map((row) => row[part]))
  const row: MemoryRow = {
    ...{ links, residentBytes: middle('residentBytes') },
    ...{ heapBytes: middle('heapBytes'), outsideBytes: middle('outsideBytes') },
  }
  const mib = (bytes: number) => (bytes / MIB).toFixed(1)
  const line = [`${links} idle links`, mib(row.residentBytes), mib(row.heapBytes), mib(row.outsideBytes)]
  const text = columns([
    ['MiB over an empty server', 'resident', 'heap', 'byte strings'],
    [...line],
    [
      'KiB a link',
      ...[row.residentBytes, row.heapBytes, row.outsideBytes].map((all) => (all / links / 1024).toFixed(1)),
    ],
  ])
  const problem = `${links} idle links occupy ${mib(row.residentBytes)} MiB, more than ${mib(MOST_BYTES)}`
  return { results: [row], text, ...(row.residentBytes > MOST_BYTES && { problem }) }
}

function grown(links: number): Promise<Memory> {
  return withProcesses(async (processes) => {
    const server = processes.fork('the server', ['--expose-gc'])
    const data = join(processes.directory, 'server')
    const { card } = await server.call('openServer', { data, listen: '127.0.0.1:0', workers: 0 })
    const before = await settled(server)
    await processes.fork('the devices').call('openIdleDevices', { network: card, count: links })
    const after = await settled(server)
    const connected = await server.call('devicesConnected', {})
    if (connected !== links) throw new Error(`the server has ${connected} devices connected, not ${links}`)
    const grown = (part: keyof Memory) => after[part] - before[part]
    return {
      residentBytes: grown('residentBytes'),
      heapBytes: grown('heapBytes'),
      outsideBytes: grown('outsideBytes'),
    }
  })
}

async function settled(server: Host): Promise<Memory> {
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  await server.call('memory', { collect: true })
  return server.call('memory', { collect: true })
}
