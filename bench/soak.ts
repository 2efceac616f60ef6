/**
 * A server and two proxies under attack for as long as one likes, while a pair of devices goes on exchanging messages: all of
 * these have to arrive, and memory has to level off.
 */
import { randomBytes } from 'node:crypto'
import { loadCrypto } from '../src/driver/crypto.js'
import type { Memory } from './network/calls.js'
import { type Host, type Network, openNetwork, withProcesses } from './network/network.js'
import { median } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const MINUTES = 20
const QUICK_MINUTES = 1
const PACKETS_PER_SECOND = 3000
const MESSAGE_EVERY_MS = 1000
const SAMPLES = 40
const BODY_BYTES = 200
/** Four rounds of sending are over by then. */
const PATIENCE_MS = 5 * 60_000
const POLL_MS = 100
const MIB = 2 ** 20
/** What the last quarter may have over the second: noise of collections, and tables that fill for half an hour. */
const MOST_GROWTH = 1.15
const MOST_GROWTH_BYTES = 12 * MIB
/** In less time the second quarter still sees the rooms of sessions and requests fill, which says nothing. */
const JUDGED_MINUTES = 10

/** Of one process at one moment, after garbage was collected. */
interface Sample extends Memory {
  readonly role: string
  readonly minute: number
}

export interface SoakRow {
  readonly minutes: number
  readonly samples: readonly Sample[]
  readonly attacked: Readonly<Record<string, number>>
  readonly drops: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly messages: Messages
}

interface Messages {
  readonly sent: number
  /** Not taken by any first proxy, as the sender was told. */
  readonly refused: number
  readonly lost: number
  readonly medianMs: number
  readonly slowestMs: number
}

export async function soak({ quick, minutes = quick ? QUICK_MINUTES : MINUTES }: BenchOptions): Promise<BenchReport> {
  const row = await withProcesses(async (processes): Promise<SoakRow> => {
    const size = { members: 2, receivers: 1, workers: 0, execArgv: ['--expose-gc'] }
    const network = await openNetwork(await loadCrypto(), processes, { ...size, meanWaitMs: 20, meanForwardWaitMs: 0 })
    const attacker = processes.fork('the attacker')
    const under = attacked(network)
    await attacker.call('attack', { network: network.card, packetsPerSecond: PACKETS_PER_SECOND })
    const [messages, samples] = await Promise.all([exchange(network, minutes), watch(under, minutes)])
    const drops = await Promise.all(under.map(async ([role, host]) => [role, await host.call('drops', {})] as const))
    return {
      minutes,
      samples,
      messages,
      attacked: await attacker.call('attacked', {}),
      drops: Object.fromEntries(drops),
    }
  })
  const problem = problemOf(row)
  return { results: [row], text: textOf(row), ...(problem !== undefined && { problem }) }
}

function attacked({ server, proxies }: Network): (readonly [role: string, host: Host])[] {
  return [['server', server], ...proxies.map((proxy, index) => [`proxy ${index + 1}`, proxy] as const)]
}

async function watch(hosts: readonly (readonly [string, Host])[], minutes: number): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let number = 1; number <= SAMPLES; number++) {
    await pause((minutes * 60_000) / SAMPLES)
    const minute = (minutes * number) / SAMPLES
    for (const [role, host] of hosts) samples.push({ role, minute, ...(await host.call('memory', { collect: true })) })
  }
  return samples
}

/** One message after the other, and what became of them. */
async function exchange({ sender, receivers: [receiver] }: Network, minutes: number): Promise<Messages> {
  const sentAt = new Map<string, number>()
  const waits: number[] = []
  let refused = 0
  const hear = async () => {
    for (const { messageId, at } of (await receiver?.call('deliveries', {})) ?? []) {
      waits.push(at - (sentAt.get(messageId) ?? at))
      sentAt.delete(messageId)
    }
  }
  let sent = 0
  for (const end = Date.now() + minutes * 60_000; Date.now() < end; sent++) {
    await sender.call('send', { body: randomBytes(BODY_BYTES) }).then(
      ({ messageId, at }) => sentAt.set(messageId, at),
      () => refused++,
    )
    await pause(MESSAGE_EVERY_MS)
    await hear()
  }
  for (const end = Date.now() + PATIENCE_MS; sentAt.size > 0 && Date.now() < end; await hear()) await pause(POLL_MS)
  return { sent, refused, lost: sentAt.size, medianMs: median(waits), slowestMs: Math.max(...waits) }
}

function problemOf({ minutes, samples, messages }: SoakRow): string | undefined {
  if (messages.lost > 0) return `${messages.lost} messages were lost`
  return minutes < JUDGED_MINUTES ? undefined : growthIn(samples)
}

function growthIn(samples: readonly Sample[]): string | undefined {
  for (const role of new Set(samples.map((sample) => sample.role))) {
    const own = samples.filter((sample) => sample.role === role)
    // Byte strings come and go with what is held for sessions of the moment; the resident memory shows what they add up to.
    for (const part of ['residentBytes', 'heapBytes'] as const) {
      const quarter = (number: number) =>
        median(own.slice((own.length * number) / 4, (own.length * (number + 1)) / 4).map((sample) => sample[part]))
      const [early, late] = [quarter(1), quarter(3)]
      if (late > early * MOST_GROWTH + MOST_GROWTH_BYTES)
        return `${part} of ${role} grew from ${inMib(early)} to ${inMib(late)} MiB`
    }
  }
  return undefined
}

function textOf({ minutes, samples, attacked, drops, messages }: SoakRow): string {
  const shown = samples.filter((_, index) => Math.floor(index / 3) % 4 === 1 || index >= samples.length - 3)
  const lines = shown.map(({ role, minute, residentBytes, heapBytes, outsideBytes }) => [
    ...[role, minute.toFixed(1), inMib(residentBytes), inMib(heapBytes), inMib(outsideBytes)],
  ])
  const { sent, refused, lost, medianMs, slowestMs } = messages
  return [
    `${minutes} minutes; packets sent: ${listed(attacked)}`,
    columns([['MiB', 'minute', 'resident', 'heap', 'byte strings'], ...lines]),
    ...Object.entries(drops).map(([role, counts]) => `drops of ${role}: ${listed(counts)}`),
    ...(minutes < JUDGED_MINUTES ? [`memory is judged in runs of ${JUDGED_MINUTES} minutes and more`] : []),
    `messages: ${sent} sent, ${refused} refused, ${lost} lost; delivered after ${medianMs.toFixed(0)} ms (median), ${slowestMs.toFixed(0)} ms (slowest)`,
  ].join('\n')
}

function listed(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a)
  return sorted.map(([name, count]) => `${count} ${name}`).join(', ')
}

function inMib(bytes: number): string {
  return (bytes / MIB).toFixed(1)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
