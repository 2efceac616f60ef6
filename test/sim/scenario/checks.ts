/**
 * What holds in every world at every time, whatever happens in it: bounds, conservation of datagrams, timers. Each check is a sentence
 * for each way in which it fails.
 */
import { limits } from '../../../src/base/limits.js'
import type { VirtualNetwork } from '../virtual-network.js'
import type { World } from '../world.js'

/** Keys of a store that are bounded in number, by how they begin; each bound is that of one node. */
const STORED: readonly (readonly [prefix: string, most: number])[] = [
  ['handed/', limits.handedOnIds],
  ['inbox/', limits.inboxMessages],
  ['sending/', limits.outgoingMessages],
  ['own/', limits.ownCopies],
  ['unopened/', limits.unopenedMessages],
  ['early/', limits.earlyMessages],
  ['group/', limits.groups],
  ['proxy/', limits.proxies],
  ['device/', limits.devices],
]

/** Sent is delivered and lost, each once, and what is still under way. */
export function conservation({ counts }: VirtualNetwork): string[] {
  const { sent, doubled, delivered, underWay, lost } = counts
  const gone = Object.values(lost).reduce((sum, each) => sum + each, 0)
  if (sent + doubled === delivered + gone + underWay) return []
  return [`${sent} sent and ${doubled} doubled, but ${delivered} delivered, ${gone} lost, ${underWay} under way`]
}

/** Looks at every datagram that leaves. */
export function watchSizes(network: VirtualNetwork, problems: string[]): void {
  network.taps.push((from, _to, bytes) => {
    if (bytes.length > 0 && bytes.length <= limits.datagramMaxBytes) return
    problems.push(`a datagram of ${bytes.length} bytes from ${from.host}`)
  })
}

export function bounds(world: World, mailboxCopies: number = limits.mailboxCopies): string[] {
  const problems: string[] = []
  const atMost = (what: string, value: number, most: number) => {
    if (value > most) problems.push(`${what}: ${value}, and at most ${most} is allowed`)
  }
  const { storedCopies, devicesConnected } = world.server.node.machine.status()
  atMost('copies at the server', storedCopies, mailboxCopies * world.devices.length)
  atMost('devices connected', devicesConnected, world.devices.length)
  for (const { name, node } of world.proxies) {
    atMost(`copies waiting at ${name}`, node.machine.status().waitingCopies, limits.waitingCopies)
  }
  for (const { name, node } of world.devices) {
    const { inboxMessages, unopened, outgoingMessages, unprovenMessages } = node.machine.status()
    atMost(`inbox of ${name}`, inboxMessages, limits.inboxMessages)
    atMost(`unopened at ${name}`, unopened, limits.unopenedMessages)
    atMost(`outbox of ${name}`, outgoingMessages + unprovenMessages, limits.outgoingMessages)
  }
  for (const { name, store } of world.network.nodes) {
    for (const [prefix, most] of STORED) atMost(`${prefix} on the disk of ${name}`, countOf(store, prefix), most)
  }
  return problems
}

/** Timers that a node needs while nothing is asked of it, for each other node: keepalives, what is lost of them, keys, upkeep. */
const IDLE_TIMEOUTS_A_MINUTE = 20

export class Idleness {
  private readonly world: World
  private readonly before: Map<string, number>
  private readonly since: number

  constructor(world: World) {
    this.world = world
    this.since = world.now
    this.before = new Map(world.network.nodes.map(({ name, timeouts }) => [name, timeouts]))
  }

  /** Nodes whose timers fire more often than an idle node's have to. */
  problems(): string[] {
    const minutes = (this.world.now - this.since) / 60_000
    return this.world.network.nodes.flatMap(({ name, timeouts }) => {
      const fired = timeouts - (this.before.get(name) ?? 0)
      return fired > IDLE_TIMEOUTS_A_MINUTE * minutes * this.world.network.nodes.length
        ? [`${name} has timers that fire ${fired} times in ${minutes} min`]
        : []
    })
  }
}

function countOf(store: ReadonlyMap<string, unknown>, prefix: string): number {
  let count = 0
  for (const key of store.keys()) if (key.startsWith(prefix)) count++
  return count
}
