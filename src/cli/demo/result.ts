/** What a run of the demo came to: the numbers, hop by hop, and whether everything held. */
import type { LinkCounters, Traffic } from '../../link/link.js'
import type { UploadReport } from '../../role/device.js'
import type { Tally } from '../relay/conditions.js'
import type { Learnt, NodeStatus } from './host-protocol.js'
import type { Knowledge } from './knowledge.js'
import type { Disturbance } from './relays.js'
import type { World } from './world.js'

export interface Hop {
  readonly from: string
  readonly to: string
  /** As the near end sent it, acknowledgements and retransmissions included. */
  readonly out: Traffic
  /** As the far end received it. */
  readonly in: Traffic
  /** Milliseconds after the first message was sent, when the far end read the first and the last of it. */
  readonly firstMs: number | undefined
  readonly lastMs: number | undefined
}

export interface DemoResult {
  /** The whole group, the sender among them. */
  readonly members: number
  readonly messages: number
  readonly bodyBytes: number
  /** Messages handed to other members' applications. */
  readonly delivered: number
  /** Copies for others that the sender knows to be stored, by receipts. */
  readonly proven: number
  readonly duplicates: number
  readonly badSignatures: number
  /** UDP payload bytes of the datagrams S sends to P1 for one message, handshake, acknowledgements and retransmissions apart. */
  readonly uploadBytes: number
  readonly slots: number
  readonly paddingBytes: number
  readonly furtherDatagramBytes: number
  /** uploadBytes - bodyBytes - 10 x slots - paddingBytes - furtherDatagramBytes. */
  readonly fixedBytes: number
  readonly datagrams: number
  readonly copyBytes: number
  readonly deliveryBytes: number
  readonly hops: readonly Hop[]
  /** Of all nodes, from the first message until all were proven: everything, and the packets sent again among it. */
  readonly sent: Traffic
  readonly sentAgain: Traffic
  /** What all nodes dropped meanwhile, by code. */
  readonly drops: Readonly<Record<string, number>>
  /** What the relays did meanwhile, where there were any. */
  readonly relays: (Disturbance & { readonly tally: Tally }) | undefined
  readonly knowledge: Knowledge
  readonly setupMs: number
  /** Until the last delivery, and until the sender had proof of all. */
  readonly elapsedMs: number
  readonly provenMs: number
  /** Empty where everything held. */
  readonly faults: readonly string[]
}

type Statuses = ReadonlyMap<number, NodeStatus>

interface Side {
  readonly nodes: readonly number[]
  readonly link: string
}

/** The five stretches of the way, from counters before and after. */
export function hopsOf(
  world: World,
  before: Statuses,
  after: Statuses,
  learnt: readonly Learnt[],
  sentAt: number,
): Hop[] {
  const devices = world.members.map(({ node }) => node)
  const proxies = world.proxies.map(({ node }) => node)
  const server = world.server === undefined ? [] : [world.server.node]
  const traffic = (side: Side, way: 'sent' | 'received') => difference(side, before, after, way)
  const hop = (from: string, to: string, near: Side, far: Side, format: string): Hop => ({
    from,
    to,
    out: traffic(near, 'sent'),
    in: traffic(far, 'received'),
    ...span(learnt, format, sentAt),
  })
  return [
    hop('S', 'P1', { nodes: [world.sender.node], link: 'proxies' }, { nodes: proxies, link: 'senders' }, 'forward'),
    hop('P1', 'P2', { nodes: proxies, link: 'toProxies' }, { nodes: proxies, link: 'fromProxies' }, 'request'),
    hop('P2', 'CS', { nodes: proxies, link: 'server' }, { nodes: server, link: 'proxies' }, 'copy opened'),
    hop('CS', 'T', { nodes: server, link: 'devices' }, { nodes: devices, link: 'server' }, 'message opened'),
  ]
}

/** What all nodes sent on all their links between two readings. */
export function allSent(before: Statuses, after: Statuses, part: 'sent' | 'sentRetransmitted'): Traffic {
  const total = (statuses: Statuses) =>
    [...statuses.values()].flatMap(({ links }) => Object.values(links).map((counters: LinkCounters) => counters[part]))
  const sum = (statuses: Statuses, of: keyof Traffic) => total(statuses).reduce((all, traffic) => all + traffic[of], 0)
  const grown = (of: keyof Traffic) => sum(after, of) - sum(before, of)
  return { datagrams: grown('datagrams'), payloadBytes: grown('payloadBytes') }
}

/** What all nodes dropped between two readings. */
export function allDrops(before: Statuses, after: Statuses): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const [node, { drops }] of after) {
    for (const [code, count] of Object.entries(drops)) {
      const grown = count - (before.get(node)?.drops[code] ?? 0)
      if (grown > 0) counts[code] = (counts[code] ?? 0) + grown
    }
  }
  return counts
}

/** What relays did between two readings. */
export function tallyBetween(before: Tally, after: Tally): Tally {
  const entries = Object.entries(after).map(([part, count]) => [part, count - before[part as keyof Tally]])
  return Object.fromEntries(entries) as Tally
}

function difference({ nodes, link }: Side, before: Statuses, after: Statuses, way: 'sent' | 'received'): Traffic {
  let datagrams = 0
  let payloadBytes = 0
  for (const node of nodes) {
    const then = before.get(node)?.links[link]?.[way] ?? NOTHING
    const now = after.get(node)?.links[link]?.[way] ?? NOTHING
    datagrams += now.datagrams - then.datagrams
    payloadBytes += now.payloadBytes - then.payloadBytes
  }
  return { datagrams, payloadBytes }
}

const NOTHING: Traffic = { datagrams: 0, payloadBytes: 0 }

function span(learnt: readonly Learnt[], format: string, sentAt: number): Pick<Hop, 'firstMs' | 'lastMs'> {
  const times = learnt.flatMap((report) => report.times[format] ?? [])
  if (times.length === 0) return { firstMs: undefined, lastMs: undefined }
  return {
    firstMs: Math.min(...times.map(({ firstAt }) => firstAt)) - sentAt,
    lastMs: Math.max(...times.map(({ lastAt }) => lastAt)) - sentAt,
  }
}

/** Drops that mean a message did not hold what it claims, over all devices. */
export function badSignatures(world: World, before: Statuses, after: Statuses): number {
  const count = (statuses: Statuses) =>
    world.members.reduce((sum, { node }) => sum + (statuses.get(node)?.drops['MESSAGE_SIGNATURE'] ?? 0), 0)
  return count(after) - count(before)
}

/** The largest of each cost over several messages: what was promised must hold for all. */
export function worstCost(reports: readonly UploadReport[]): UploadReport {
  return reports.reduce((worst, report) => (report.uploadBytes > worst.uploadBytes ? report : worst))
}
