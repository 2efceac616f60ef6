/**
 * A network that exists in memory: it carries datagrams between machines over virtual time, loses, delays, doubles and
 * reorders them as its seed says, keeps what each machine persists, and can crash a machine and start it again from
 * that. Two runs with one seed and the same machines are the same run.
 */
import type { RandomBytes } from '../../src/base/random.js'
import { randomBelow } from '../../src/base/random.js'
import { earliest, type Millis } from '../../src/base/time.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import type { PeerAddress } from '../../src/link/link.js'
import { type Job, type JobInput, type JobOutput, type JobResult, runJob } from '../../src/role/jobs.js'
import type { Machine, RoleInput, RoleOutput } from '../../src/role/role.js'
import { seeded } from '../base/seeded.js'

/** Noon of 2026-03-10, so that a run crosses no midnight unless it wants to. */
export const START: Millis = Date.UTC(2026, 2, 10, 12, 0, 1)

export interface Conditions {
  /** Parts of 1. */
  readonly loss: number
  readonly duplication: number
  /** Each datagram takes the delay, and up to the jitter more: it overtakes others. */
  readonly delayMs: number
  readonly jitterMs: number
}

export const calm: Conditions = { loss: 0, duplication: 0, delayMs: 5, jitterMs: 0 }
export const rough: Conditions = { loss: 0.1, duplication: 0.05, delayMs: 10, jitterMs: 30 }

/** Called with every datagram as it leaves a node, under the addresses that are seen outside. */
export type Tap = (from: PeerAddress, to: PeerAddress, bytes: Uint8Array) => void

const crypto = await loadCrypto()

type AnyMachine = Machine<never, { readonly type: string }>
/** Outputs that a network does not know are the test's. */
type OutputHandler = (output: { readonly type: string }) => void

interface NodeOptions<M> {
  readonly name: string
  readonly address: PeerAddress
  /** Behind a NAT: others see this host, and a port of the NAT's choosing. */
  readonly natHost?: string
  readonly make: () => M
  readonly onOutput?: OutputHandler
}

export class VirtualNode<M extends AnyMachine = AnyMachine> {
  readonly name: string
  readonly address: PeerAddress
  readonly drops = new Map<string, number>()
  readonly notices: string[] = []
  readonly store = new Map<string, Uint8Array>()
  machine: M
  up = true
  /** Writes fail, all of them: the driver ends a node whose store does that. */
  diskFull = false
  /** Counts starts, so that what an earlier run waits for does not reach a later one. */
  run = 0
  readonly make: () => M
  readonly onOutput: OutputHandler
  readonly natHost: string | undefined
  /** Ports of the NAT by what is behind them, and the hosts that were sent to through it. */
  natPort = 0
  readonly natOpen = new Set<string>()

  constructor(options: NodeOptions<M>) {
    this.name = options.name
    this.address = options.address
    this.natHost = options.natHost
    this.make = options.make
    this.onOutput = options.onOutput ?? (() => {})
    this.machine = options.make()
  }

  dropped(code: string): number {
    return this.drops.get(code) ?? 0
  }
}

interface Event {
  readonly at: Millis
  readonly order: number
  readonly act: () => void
}

export class VirtualNetwork {
  now: Millis = START
  conditions: Conditions
  /** How long a write takes to become durable, and a read to be answered. */
  storeMs = 2
  /** How long a job takes: jobs of different lengths overtake each other. */
  jobMs: (job: Job) => number = () => 0
  /** What becomes of a job of a node, for tests of those that fail and of nodes that do what they must not. */
  run: (job: Job, node?: VirtualNode) => JobResult = (job) => runJob(crypto, job)
  readonly nodes: VirtualNode[] = []
  readonly taps: Tap[] = []
  datagrams = 0
  private readonly random: RandomBytes
  private readonly byAddress = new Map<string, VirtualNode>()
  private events: Event[] = []
  private order = 0
  private nextNatPort = 40_000

  constructor(seed: number, conditions: Conditions) {
    this.random = seeded(seed)
    this.conditions = conditions
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

  /** Ends a machine as a power cut does: what is not durable is gone. */
  crash(node: VirtualNode): void {
    node.up = false
    node.run++
  }

  /** Starts a crashed machine again from what it had persisted. */
  restart(node: VirtualNode): void {
    node.machine = node.make()
    node.up = true
    this.start(node)
  }

  input(node: VirtualNode, input: unknown): void {
    node.machine.handle(this.now, input as never)
    this.drain(node)
  }

  /** Puts a datagram on the wire as if `from` had sent it. */
  inject(from: PeerAddress, to: PeerAddress, bytes: Uint8Array): void {
    const copy = bytes.slice()
    this.at(this.now + this.conditions.delayMs, () => this.arrive(from, to, copy))
  }

  /** Runs until the condition holds; false where it does not within `limitMs` of virtual time. */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const end = this.now + limitMs
    while (!done()) {
      const next = this.nextMoment()
      if (next === undefined || next > end) {
        this.now = end
        return done()
      }
      // Clocks tell whole milliseconds; a deadline between two is met at the second.
      this.now = Math.max(this.now, Math.ceil(next))
      this.step()
    }
    return true
  }

  runFor(durationMs: number): void {
    this.runUntil(() => false, durationMs)
  }

  /** Calls back at a moment of virtual time. */
  at(at: Millis, act: () => void): void {
    const event = { at, order: this.order++, act }
    let index = this.events.length
    while (index > 0 && (this.events[index - 1] as Event).at <= at) index--
    this.events.splice(index, 0, event)
  }

  private start(node: VirtualNode): void {
    for (const [key, value] of [...node.store].sort(([a], [b]) => (a < b ? -1 : 1))) node.machine.restore(key, value)
    node.machine.start(this.now)
    this.drain(node)
  }

  private nextMoment(): Millis | undefined {
    let next = this.events.at(-1)?.at
    for (const node of this.nodes) if (node.up) next = earliest(next, node.machine.deadline())
    return next
  }

  private step(): void {
    while ((this.events.at(-1)?.at ?? Number.POSITIVE_INFINITY) <= this.now) this.events.pop()?.act()
    for (const node of this.nodes) {
      if (node.up && (node.machine.deadline() ?? Number.POSITIVE_INFINITY) <= this.now) {
        this.input(node, { type: 'timeout' })
      }
    }
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
        if (node.diskFull) {
          this.crash(node)
          return
        }
        this.later(node, this.storeMs, () => {
          for (const { key, value } of output.writes) {
            if (value === undefined) node.store.delete(key)
            else node.store.set(key, value.slice())
          }
          return { type: 'persisted', reference: output.reference }
        })
        return
      case 'load':
        this.later(node, this.storeMs, () => ({
          type: 'loaded',
          reference: output.reference,
          value: node.store.get(output.key)?.slice(),
        }))
        return
      case 'job':
        this.later(node, this.jobMs(output.job), () => ({
          type: 'done',
          id: output.id,
          result: this.run(output.job, node),
        }))
        return
      case 'rebind':
        this.rebind(node)
        return
      case 'drop':
        node.drops.set(output.code, node.dropped(output.code) + 1)
        return
      case 'notice':
        node.notices.push(output.event)
        return
      default:
        node.onOutput(output)
    }
  }

  /** Answers in the order it was asked in, and only the run that asked. */
  private later(node: VirtualNode, afterMs: number, answer: () => RoleInput | JobInput): void {
    const { run } = node
    this.at(this.now + afterMs, () => {
      if (node.run === run) this.input(node, answer())
    })
  }

  private transmit(node: VirtualNode, to: PeerAddress, bytes: Uint8Array): void {
    const from = node.natHost === undefined ? node.address : { host: node.natHost, port: node.natPort }
    if (node.natHost !== undefined) node.natOpen.add(text(to))
    this.datagrams++
    for (const tap of this.taps) tap(from, to, bytes)
    const { loss, duplication, delayMs, jitterMs } = this.conditions
    const copy = bytes.slice()
    const copies = this.chance(duplication) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      if (this.chance(loss)) continue
      this.at(this.now + delayMs + this.fraction() * jitterMs, () => this.arrive(from, to, copy))
    }
  }

  private arrive(from: PeerAddress, to: PeerAddress, bytes: Uint8Array): void {
    const node = this.byAddress.get(text(to))
    if (node === undefined || !node.up) return
    if (node.natHost !== undefined && !node.natOpen.has(text(from))) return
    this.input(node, { type: 'datagram', from, bytes: bytes.slice() })
  }

  private chance(part: number): boolean {
    return part > 0 && this.fraction() < part
  }

  private fraction(): number {
    return randomBelow(this.random, 2 ** 32) / 2 ** 32
  }
}

/** An address as a map key and for people. */
export function text({ host, port }: PeerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
