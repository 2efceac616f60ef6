/**
 * Copies a second in a network of real processes over loopback UDP: P2 alone, and end to end. CPU time a copy is counted by
 * role, beside what P2's copy cannot cost less than: its cryptography, sealing its packets, handing its datagrams to the kernel.
 */
import { loadCrypto } from '../src/driver/crypto.js'
import { type Allocation, type Alone, allocation, splitMemory, splitterAlone } from './network/alone.js'
import { carry, metersOf, type RoleName } from './network/carry.js'
import type { SplitMemory } from './network/floors.js'
import { openNetwork, withProcesses } from './network/network.js'
import type { BenchOptions, BenchReport, ThroughputRow } from './subject.js'
import { columns } from './text.js'

/** What a member's copy of a message of 200 bytes, and one of 1,024, come to without padding. */
const CONTENTS = [320, 1144]
const WORKERS = [0, 1, 2]
const MEMBERS = 64
const QUICK_MEMBERS = 16
const BODY_BYTES = 200
const MEAN_WAIT_MS = 50
const WARM_UP_MESSAGES = 4
const ROUNDS = { warmUps: 2, rounds: 3, requests: 48 }
/** Few enough that nothing is collected within one. */
const ALLOCATION_ROUNDS = { warmUps: 2, requests: 16 }
const QUICK_ROUNDS = { warmUps: 1, rounds: 2, requests: 16 }

interface AloneRow extends ThroughputRow, Omit<Alone, 'cpuUs' | 'wallUs'>, Partial<Allocation> {
  readonly contentBytes: number
  /** CPU time over cryptography, sealing and sends. */
  readonly ratio: number
  /** Of the rate at which cryptography and sends alone would fill one core. */
  readonly fractionOfLimit: number
}

interface RoleRow extends ThroughputRow {
  readonly members: number
  readonly bodyBytes: number
}

export async function throughput({ quick }: BenchOptions): Promise<BenchReport> {
  const alone: AloneRow[] = []
  const roles: RoleRow[] = []
  for (const workers of quick ? [0] : WORKERS) {
    // What a copy costs follows from its length without threads as with them.
    for (const contentBytes of quick || workers > 0 ? CONTENTS.slice(0, 1) : CONTENTS) {
      const options = { contentBytes, workers, ...(quick ? QUICK_ROUNDS : ROUNDS) }
      const measured = aloneRow(contentBytes, workers, await splitterAlone(options))
      alone.push(
        quick || workers > 0 ? measured : { ...measured, ...(await allocation({ ...options, ...ALLOCATION_ROUNDS })) },
      )
    }
    if (workers < 2) roles.push(...(await endToEnd(quick ? QUICK_MEMBERS : MEMBERS, quick ? 6 : 30, workers)))
  }
  const memory = quick ? undefined : await splitMemory(4096, CONTENTS[1] as number)
  const text = [aloneText(alone), rolesText(roles), ...(memory === undefined ? [] : [memoryText(memory)])]
  return { results: [...alone, ...roles, ...(memory === undefined ? [] : [memory])], text: text.join('\n\n') }
}

function aloneRow(contentBytes: number, workers: number, { cpuUs, wallUs, ...measured }: Alone): AloneRow {
  const { floors, datagramsPerCopy } = measured
  const limitUs = floors.cryptoUs + datagramsPerCopy * floors.lookupSendUs
  return {
    ...{ role: 'P2 alone', workers, contentBytes, copiesPerSecond: 1e6 / wallUs, usPerCopyCpu: cpuUs, ...measured },
    ratio: cpuUs / (limitUs + datagramsPerCopy * floors.sealUs),
    fractionOfLimit: limitUs / wallUs,
  }
}

function endToEnd(members: number, messages: number, workers: number): Promise<RoleRow[]> {
  return withProcesses(async (processes) => {
    const size = { members, receivers: 1 }
    const waits = { meanWaitMs: MEAN_WAIT_MS, meanForwardWaitMs: 0 }
    const network = await openNetwork(await loadCrypto(), processes, { ...size, ...waits, workers })
    const load = { bodyBytes: BODY_BYTES, gapMs: 0, others: members - 1 }
    await carry(network, { ...load, messages: WARM_UP_MESSAGES })
    const before = await metersOf(network)
    const { sent, delivered } = await carry(network, { ...load, messages })
    const after = await metersOf(network)
    const lastMs = delivered.reduce((last, { at }) => Math.max(last, at), 0)
    const wallMs = lastMs - sent.reduce((first, { at }) => Math.min(first, at), lastMs)
    const common = { workers, copiesPerSecond: (delivered.length * 1000) / wallMs }
    return (Object.keys(after) as RoleName[]).map((role) => ({
      ...{ role: `end to end: ${role}`, ...common, members, bodyBytes: BODY_BYTES },
      usPerCopyCpu: (after[role].cpuUs - before[role].cpuUs) / delivered.length,
    }))
  })
}

function aloneText(rows: readonly AloneRow[]): string {
  const lines = rows.map(({ floors, ...row }) => [
    ...[`P2 alone, content ${row.contentBytes}`, `${row.workers}`, row.copiesPerSecond.toFixed(0)],
    ...[row.usPerCopyCpu.toFixed(1), floors.cryptoUs.toFixed(1), floors.sealUs.toFixed(1)],
    ...[floors.connectedSendUs.toFixed(1), floors.lookupSendUs.toFixed(1), row.datagramsPerCopy.toFixed(2)],
    ...[row.receivedPerCopy.toFixed(2), row.ratio.toFixed(2), row.fractionOfLimit.toFixed(2)],
    ...[row.heapBytesPerCopy?.toFixed(0) ?? '', row.outsideBytesPerCopy?.toFixed(0) ?? ''],
  ])
  const head = ['us of CPU time', 'workers', 'copies/s', 'a copy', 'crypto', 'seal', 'send, connected', 'send', 'sent']
  return columns([[...head, 'received', 'ratio', 'of limit', 'heap bytes', 'outside'], ...lines])
}

function rolesText(rows: readonly RoleRow[]): string {
  const lines = rows.map(({ role, workers, copiesPerSecond, usPerCopyCpu }) => [
    ...[role, `${workers}`, copiesPerSecond.toFixed(0), usPerCopyCpu.toFixed(1)],
  ])
  return columns([['', 'workers', 'copies/s', 'CPU us a copy'], ...lines])
}

function memoryText({ copies, outputBytes, ...grew }: SplitMemory): string {
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(2)} MiB`
  const { heapGrewBytes, outsideGrewBytes, residentGrewBytes } = grew
  const parts = `heap ${mib(heapGrewBytes)}, byte strings ${mib(outsideGrewBytes)}, resident ${mib(residentGrewBytes)}`
  return `splitting ${copies} copies, ${mib(outputBytes)} of output, memory grew: ${parts}`
}
