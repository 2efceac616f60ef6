/**
 * A network that exists in memory: it carries datagrams between machines over virtual time, harms them as its conditions
 * and its seed say, keeps what each machine persists, and can stop a machine, crash it and start it again from
 * that. Two runs with one seed and the same machines are the same run.
 */
import type { Millis } from '../../src/base/time.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import type { PeerAddress } from '../../src/link/link.js'
import { type Job, type JobInput, type JobOutput, type JobResult, runJob } from '../../src/role/jobs.js'
import type { RoleInput, RoleOutput } from '../../src/role/role.js'
import { seeded } from '../base/seeded.js'
import { type Conditions, calm, type LossReason, lossReasons, rough, Weather } from './emulator/conditions.js'
import { Events } from './emulator/events.js'
import { type AnyMachine, type NodeOptions, VirtualNode } from './emulator/node.js'

export { type Conditions, calm, rough, VirtualNode }

/** Noon of 2026-03-10, so that a run crosses no midnight unless it wants to. */
export const START: Millis = Date.UTC(2026, 2, 10, 12, 0, 1)

/** Called with every datagram as it leaves a node, under the addresses that are seen outside. */
export type Tap = (from: PeerAddress, to: PeerAddress, bytes: Uint8Array) => void

/** What happens in a network, for who draws it. */
export type NetworkEvent =
  /** A node has taken a datagram, and done all that it does about it. */
  | { readonly type: 'arrived'; readonly node: VirtualNode; readonly from: PeerAddress; readonly bytes: Uint8Array }
  | {
      readonly type: 'lost'
      readonly from: PeerAddress
      readonly to: PeerAddress
      readonly bytes: Uint8Array
      readonly reason: LossReason
    }
  | { readonly type: 'drop'; readonly node: VirtualNode; readonly code: string }
  | { readonly type: 'state'; readonly node: VirtualNode; readonly what: string }

/** Every datagram is in exactly one of these: `sent + doubled` is the sum of the others. */
export interface DatagramCounts {
  sent: number
  doubled: number
  corrupted: number
  delivered: number
  underWay: number
  readonly lost: Record<LossReason, number>
}

const crypto = await loadCrypto()

/** What a socket holds while its process stands still. */
const SOCKET_BUFFER_BYTES = 4 * 2 ** 20
/** A machine that wants to be called again so often at one and the same time will never rest. */
const SPIN_TIMEOUTS = 2_000

export class VirtualNetwork {
  now: Millis
  conditions: Conditions
  /** How long a write takes to become durable, and a read to be answered. */
  storeMs = 2
  /** How long a job takes: jobs of different lengths overtake each other. */
  jobMs: (job: Job) => number = () => 0
  /** What becomes of a job of a node, for tests of those that fail and of nodes that do what they must not. */
  run: (job: Job, node?: VirtualNode) => JobResult = (job) => runJob(crypto, job)
  /** Whether nothing gets from one node to the other. */
  cut: (from: VirtualNode, to: VirtualNode) => boolean = () => false
  readonly nodes: VirtualNode[] = []
  readonly taps: Tap[] = []
  readonly watchers: ((event: NetworkEvent) => void)[] = []
  readonly counts = noDatagrams()
  private readonly weather: Weather
  private readonly events = new Events()
  private readonly byAddress = new Map<string, VirtualNode>()
  private nextNatPort = 40_000
  private spinning = { node: undefined as VirtualNode | undefined, at: 0, times: 0 }

  constructor(seed: number, conditions: Conditions, start: Millis = START) {
    this.weather = new Weather(seeded(seed))
    this.conditions = conditions
    this.now = start
  }

  /** Adds a node and starts its machine. */
  add<M extends AnyMachine>(options: NodeOptions<M>): VirtualNode<M> {
    const node = new VirtualNode(options)
    this.nodes.push(node)
    if (node.natHost === undefined) this.byAddress.set(text(node.address), node)
    else this.rebind(node)
    this.start(node)
    return node
  }

  /** Gives a node behind a NAT a new port there: its old mapping has expired. */
  rebind(node: VirtualNode): void {
    if (node.natHost === undefined) return
    this.byAddress.delete(text({ host: node.natHost, port: node.natPort }))
    node.natPort = this.nextNatPort++
    node.natOpen.clear()
    this.byAddress.set(text({ host: node.natHost, port: node.natPort }), node)
  }

  /**
   * Ends a machine as a power cut does: what is not durable is gone. Of the writes under way, the first `durable` have reached
   * the disk, though nobody was told.
   */
  crash(node: VirtualNode, durable = 0): void {
    for (const writes of node.writing.splice(0).slice(0, durable)) node.apply(writes)
    node.up = false
    node.paused = undefined
    node.pausedBytes = 0
    node.wakeAt = undefined
    node.run++
    this.tell({ type: 'state', node, what: 'crashes' })
  }

  /** Starts a crashed machine again from what it had persisted. */
  restart(node: VirtualNode): void {
    this.tell({ type: 'state', node, what: 'starts' })
    node.machine = node.options.make()
    node.up = true
    this.start(node)
  }

  /** A node stands still: its socket collects datagrams, its timers do not fire, its disk's answers wait. */
  pause(node: VirtualNode, forMs: number): void {
    if (!node.up || node.paused !== undefined) return
    node.paused = []
    this.tell({ type: 'state', node, what: `stands still for ${forMs} ms` })
    const { run } = node
    this.at(this.now + forMs, () => {
      if (node.run === run) this.resume(node)
    })
  }

  input(node: VirtualNode, input: unknown): void {
    if (node.paused !== undefined) {
      node.paused.push(input)
      return
    }
    node.machine.handle(this.now + node.skewMs, input as never)
    this.drain(node)
    this.setTimer(node)
  }

  /** Puts a datagram on the wire as if `from` had sent it. */
  inject(from: PeerAddress, to: PeerAddress, bytes: Uint8Array): void {
    this.counts.sent++
    this.carry(from, to, bytes.slice(), this.now + this.conditions.delayMs)
  }

  /** Runs until the condition holds; false where it does not within `limitMs` of virtual time. */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const end = this.now + limitMs
    // A test may have called a machine directly.
    for (const node of this.nodes) this.setTimer(node)
    while (!done()) {
      const { next } = this.events
      if (next === undefined || next > end) {
        this.now = end
        return done()
      }
      // Clocks tell whole milliseconds; a deadline between two is met at the second.
      this.now = Math.max(this.now, Math.ceil(next))
      for (let act = this.events.take(this.now); act !== undefined; act = this.events.take(this.now)) act()
    }
    return true
  }

  runFor(durationMs: number): void {
    this.runUntil(() => false, durationMs)
  }

  /** Calls back at a moment of virtual time. */
  at(at: Millis, act: () => void): void {
    this.events.add(at, act)
  }

  /** The node that an address leads to. */
  nodeAt(address: PeerAddress): VirtualNode | undefined {
    return this.byAddress.get(text(address))
  }

  tell(event: NetworkEvent): void {
    for (const watcher of this.watchers) watcher(event)
  }

  private start(node: VirtualNode): void {
    for (const [key, value] of [...node.store].sort(([a], [b]) => (a < b ? -1 : 1))) node.machine.restore(key, value)
    node.machine.start(this.now + node.skewMs)
    this.drain(node)
    this.setTimer(node)
  }

  private resume(node: VirtualNode): void {
    const waiting = node.paused ?? []
    node.paused = undefined
    node.pausedBytes = 0
    this.tell({ type: 'state', node, what: 'goes on' })
    const { run } = node
    for (const input of waiting) if (node.run === run && node.up) this.input(node, input)
    this.setTimer(node)
  }

  private setTimer(node: VirtualNode): void {
    if (!node.up || node.paused !== undefined) return
    const deadline = node.machine.deadline()
    const at = deadline === undefined ? undefined : Math.max(this.now, Math.ceil(deadline) - node.skewMs)
    if (at === node.wakeAt) return
    node.wakeAt = at
    if (at === undefined) return
    const { run } = node
    this.at(at, () => {
      if (node.wakeAt !== at || node.run !== run || node.paused !== undefined) return
      node.wakeAt = undefined
      this.countTimeout(node)
      this.input(node, { type: 'timeout' })
    })
  }

  private countTimeout(node: VirtualNode): void {
    node.timeouts++
    const { spinning } = this
    if (spinning.node !== node || spinning.at !== this.now) this.spinning = { node, at: this.now, times: 1 }
    else if (++spinning.times > SPIN_TIMEOUTS) throw new Error(`${node.name} spins: its deadline has always come`)
  }

  private drain(node: VirtualNode): void {
    for (let output = node.machine.poll(); output !== undefined; output = node.machine.poll()) {
      this.output(node, output as RoleOutput | JobOutput)
    }
  }

  private output(node: VirtualNode, output: RoleOutput | JobOutput): void {
    switch (output.type) {
      case 'transmit':
        this.transmit(node, output.to, output.bytes)
        return
      case 'persist':
        this.persist(node, output)
        return
      case 'load':
        this.later(node, this.storeMs, () => ({
          type: 'loaded',
          reference: output.reference,
          value: node.store.get(output.key)?.slice(),
        }))
        return
      case 'job': {
        const run = node.options.runJob ?? ((job: Job) => this.run(job, node))
        this.later(node, this.jobMs(output.job), () => ({ type: 'done', id: output.id, result: run(output.job) }))
        return
      }
      case 'rebind':
        this.rebind(node)
        return
      case 'drop':
        node.drops.set(output.code, node.dropped(output.code) + 1)
        this.tell({ type: 'drop', node, code: output.code })
        return
      case 'notice':
        node.notices.push(output.event)
        return
      default:
        node.options.onOutput?.(output)
    }
  }

  private persist(node: VirtualNode, { reference, writes }: RoleOutput & { type: 'persist' }): void {
    if (node.diskFull) {
      this.crash(node)
      return
    }
    const { answersEarly = false, writeMs = this.storeMs } = node.options.disk ?? {}
    node.writing.push(writes)
    this.later(node, writeMs, () => {
      node.writing.splice(node.writing.indexOf(writes), 1)
      node.apply(writes)
      return answersEarly ? undefined : { type: 'persisted', reference }
    })
    if (answersEarly) this.later(node, 0, () => ({ type: 'persisted', reference }))
  }

  /** Answers in the order it was asked in, and only the run that asked. */
  private later(node: VirtualNode, afterMs: number, answer: () => RoleInput | JobInput | undefined): void {
    const { run } = node
    this.at(this.now + afterMs, () => {
      if (node.run !== run) return
      const input = answer()
      if (input !== undefined) this.input(node, input)
    })
  }

  private transmit(node: VirtualNode, to: PeerAddress, bytes: Uint8Array): void {
    const from = node.outerAddress
    const fromText = text(from)
    const toText = text(to)
    if (node.natHost !== undefined) node.natOpen.add(toText)
    this.counts.sent++
    for (const tap of this.taps) tap(from, to, bytes)
    const target = this.byAddress.get(toText)
    if (target !== undefined && this.cut(node, target)) {
      this.lose(from, to, bytes, 'partition')
      return
    }
    const fate = this.weather.fate(this.now, this.conditions, fromText, toText, bytes)
    if (fate.type === 'lost') {
      this.lose(from, to, bytes, fate.reason)
      return
    }
    this.counts.doubled += fate.copies.length - 1
    for (const { at, bytes: arriving, corrupted } of fate.copies) {
      if (corrupted) this.counts.corrupted++
      this.carry(from, to, arriving, at)
    }
  }

  private carry(from: PeerAddress, to: PeerAddress, bytes: Uint8Array, at: Millis): void {
    this.counts.underWay++
    this.at(at, () => {
      this.counts.underWay--
      this.arrive(from, to, bytes)
    })
  }

  private arrive(from: PeerAddress, to: PeerAddress, bytes: Uint8Array): void {
    const node = this.byAddress.get(text(to))
    const reason = this.refusal(node, from, bytes)
    if (node === undefined || reason !== undefined) {
      this.lose(from, to, bytes, reason ?? 'no such address')
      return
    }
    this.counts.delivered++
    if (node.paused !== undefined) node.pausedBytes += bytes.length
    this.input(node, { type: 'datagram', from, bytes })
    this.tell({ type: 'arrived', node, from, bytes })
  }

  private refusal(node: VirtualNode | undefined, from: PeerAddress, bytes: Uint8Array): LossReason | undefined {
    if (node === undefined) return 'no such address'
    if (!node.up) return 'node down'
    if (node.natHost !== undefined && !node.natOpen.has(text(from))) return 'not translated'
    if (node.pausedBytes + bytes.length > SOCKET_BUFFER_BYTES) return 'socket buffer full'
    return undefined
  }

  private lose(from: PeerAddress, to: PeerAddress, bytes: Uint8Array, reason: LossReason): void {
    this.counts.lost[reason]++
    this.tell({ type: 'lost', from, to, bytes, reason })
  }
}

export function noDatagrams(): DatagramCounts {
  const lost = Object.fromEntries(lossReasons.map((reason) => [reason, 0])) as Record<LossReason, number>
  return { sent: 0, doubled: 0, corrupted: 0, delivered: 0, underWay: 0, lost }
}

/** An address as a map key and for people. */
export function text({ host, port }: PeerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
