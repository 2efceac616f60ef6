/**
 * From send to delivery through a network of real processes: without mixing, and with the setting under which Rollercoaster
 * was published, an exponential wait of 333 ms on average at each hop that mixes, which here are P1 and P2. Members are in
 * the group from the start, and share few processes; messages come so slowly that none waits for another.
 */
import { loadCrypto } from '../src/driver/crypto.js'
import { type Carried, carry } from './network/carry.js'
import { type Mixing, openNetwork, withProcesses } from './network/network.js'
import type { BenchOptions, BenchReport, LatencyRow } from './subject.js'
import { columns } from './text.js'

const MEMBERS = [8, 32, 128, 256]
const BODY_BYTES = 200
const RECEIVERS = 2
const DEFAULT_WAIT_MS = 50
/** What a slow machine still carries without a queue. */
const COPIES_PER_SECOND = 250
const LEAST_GAP_MS = 20
const SAMPLES = 2000
const WARM_UP = { messages: 4, gapMs: 50 }
/** What was published for Rollercoaster: median and 99th part of the time to one of 128 members. */
const PUBLISHED = { members: 128, p50Ms: 7100, p99Ms: 12_700 }

const mixings: Readonly<Record<LatencyRow['mixing'], Mixing>> = {
  off: { meanForwardWaitMs: 0, meanWaitMs: 0 },
  rollercoaster: { meanForwardWaitMs: 333, meanWaitMs: 333 },
}

interface Row extends LatencyRow {
  readonly messages: number
  readonly copies: number
}

export async function latency({ quick }: BenchOptions): Promise<BenchReport> {
  const results: Row[] = []
  for (const mixing of quick ? (['off'] as const) : (['off', 'rollercoaster'] as const)) {
    for (const members of quick ? MEMBERS.slice(0, 1) : MEMBERS) {
      results.push(await measure(members, mixing, messagesOf(members, mixing, quick)))
    }
  }
  const direct = await directBesideUsual(quick)
  const lines = results.map((row) => [
    ...[`${row.members} members, mixing ${row.mixing}`, `${row.messages}`, `${row.copies}`],
    ...[row.p50Ms, row.p90Ms, row.p99Ms, row.lastMemberMs].map((ms) => ms.toFixed(0)),
  ])
  const head = ['milliseconds', 'messages', 'copies', 'p50', 'p90', 'p99', 'last member']
  return { results, text: columns([head, ...lines]), notes: [...notesOf(results), direct] }
}

/**
 * The time to one member directly and the usual way, in turn in one network of two, with the default wait: that of P2 in one case and
 * of P1 in the other.
 */
function directBesideUsual(quick: boolean): Promise<string> {
  return withProcesses(async (processes) => {
    const options = { meanForwardWaitMs: 0, meanWaitMs: DEFAULT_WAIT_MS, members: 2, workers: 0, receivers: 1 }
    const network = await openNetwork(await loadCrypto(), processes, options)
    const to = await (network.receivers[0] as (typeof network.receivers)[number]).call('memberId', {})
    const load = { bodyBytes: BODY_BYTES, others: 1, messages: 20, gapMs: 50 }
    await carry(network, { ...load, ...WARM_UP })
    const times: Record<'usual' | 'direct', number[]> = { usual: [], direct: [] }
    for (let round = 0; round < (quick ? 1 : 10); round++) {
      for (const way of ['usual', 'direct'] as const) {
        const { samplesMs } = summary(await carry(network, { ...load, ...(way === 'direct' && { to }) }))
        times[way].push(...samplesMs)
      }
    }
    const [usual, direct] = [times.usual, times.direct].map((all) =>
      at(
        all.sort((a, b) => a - b),
        0.5,
      ),
    ) as [number, number]
    return (
      `to one member, mean wait ${DEFAULT_WAIT_MS} ms: median ${usual.toFixed(0)} ms by two proxies, ${direct.toFixed(0)} ms directly; ` +
      `${(usual / direct).toFixed(2)} times as long`
    )
  })
}

/** The wait at P1 is one for all copies of a message: only many messages tell its distribution. */
function messagesOf(members: number, mixing: LatencyRow['mixing'], quick: boolean): number {
  if (quick) return 10
  if (mixing === 'off') return members > 100 ? 30 : 100
  return members > 100 ? 150 : 400
}

function measure(members: number, mixing: LatencyRow['mixing'], messages: number): Promise<Row> {
  return withProcesses(async (processes) => {
    const options = { ...mixings[mixing], members, workers: 0, receivers: RECEIVERS }
    const network = await openNetwork(await loadCrypto(), processes, options)
    const others = members - 1
    const load = { bodyBytes: BODY_BYTES, others }
    await carry(network, { ...load, ...WARM_UP })
    const gapMs = Math.max(LEAST_GAP_MS, Math.ceil((1000 * members) / COPIES_PER_SECOND))
    const carried = await carry(network, { ...load, messages, gapMs })
    return { members, mixing, messages, copies: messages * others, ...summary(carried) }
  })
}

function summary({ sent, delivered }: Carried): Omit<Row, 'members' | 'mixing' | 'messages' | 'copies'> {
  const sentAt = new Map(sent.map(({ messageId, at }) => [messageId, at]))
  const last = new Map<string, number>()
  const all = delivered.map(({ messageId, at }) => {
    const ms = at - (sentAt.get(messageId) ?? Number.NaN)
    last.set(messageId, Math.max(ms, last.get(messageId) ?? 0))
    return ms
  })
  all.sort((a, b) => a - b)
  const step = Math.max(1, all.length / SAMPLES)
  const samplesMs = Array.from({ length: Math.floor(all.length / step) }, (_, i) => all[Math.floor(i * step)] as number)
  const lastMs = [...last.values()].sort((a, b) => a - b)
  return { p50Ms: at(all, 0.5), p90Ms: at(all, 0.9), p99Ms: at(all, 0.99), lastMemberMs: at(lastMs, 0.5), samplesMs }
}

function at(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] as number
}

function notesOf(rows: readonly Row[]): string[] {
  const mixed = rows.filter(({ mixing }) => mixing === 'rollercoaster')
  const spread = (values: readonly number[]) => ((Math.max(...values) / Math.min(...values) - 1) * 100).toFixed(0)
  const notes: string[] = []
  if (mixed.length > 1) {
    const medians = spread(mixed.map(({ p50Ms }) => p50Ms))
    notes.push(
      `with mixing, medians differ by ${medians} %, 99th parts by ${spread(mixed.map(({ p99Ms }) => p99Ms))} %`,
    )
  }
  const alike = mixed.find(({ members }) => members === PUBLISHED.members)
  if (alike !== undefined) {
    const factors = [PUBLISHED.p50Ms / alike.p50Ms, PUBLISHED.p99Ms / alike.p99Ms].map((factor) => factor.toFixed(1))
    notes.push(
      `Rollercoaster's simulation gives 7.1 s and 12.7 s for 128 members: ${factors[0]} and ${factors[1]} times as long`,
    )
  }
  return notes
}
