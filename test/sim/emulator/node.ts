/**
 * A machine with what surrounds it on one computer: an address, perhaps behind a NAT, a clock that may be wrong, a disk, and
 * counts of what it dropped and said. `VirtualNetwork` moves it.
 */
import type { Millis } from '../../../src/base/time.js'
import type { PeerAddress } from '../../../src/link/link.js'
import type { Job, JobResult } from '../../../src/role/jobs.js'
import type { Machine, Write } from '../../../src/role/role.js'

export type AnyMachine = Machine<never, { readonly type: string }>

/** How a disk is worse than it should be; nothing of it is so unless a test plants it. */
export interface BrokenDisk {
  /** Says that a write is durable before it is. */
  readonly answersEarly?: boolean
  /** How long a write takes to be durable, where it is not what the network says. */
  readonly writeMs?: number
  /** Keys whose writes are forgotten. */
  readonly loses?: (key: string) => boolean
}

export interface NodeOptions<M> {
  readonly name: string
  readonly address: PeerAddress
  /** Behind a NAT: others see this host, and a port of the NAT's choosing. */
  readonly natHost?: string
  readonly make: () => M
  /** Outputs that a network does not know are the test's. */
  readonly onOutput?: (output: { readonly type: string }) => void
  /** What it finds on its disk when it is first started. */
  readonly store?: ReadonlyMap<string, Uint8Array>
  readonly disk?: BrokenDisk
  /** How far its clock is ahead of the network's. */
  readonly skewMs?: Millis
  /** Does its jobs, where that is not the network's to do. */
  readonly runJob?: (job: Job) => JobResult
}

export class VirtualNode<M extends AnyMachine = AnyMachine> {
  readonly name: string
  readonly address: PeerAddress
  readonly drops = new Map<string, number>()
  readonly notices: string[] = []
  readonly store: Map<string, Uint8Array>
  readonly skewMs: Millis
  machine: M
  up = true
  /** Writes fail, all of them: the driver ends a node whose store does that. */
  diskFull = false
  /** Counts starts, so that what an earlier run waits for does not reach a later one. */
  run = 0
  /** Times that its deadline came. */
  timeouts = 0
  /** Inputs that wait while it stands still. */
  paused: unknown[] | undefined
  pausedBytes = 0
  /** Writes under way, oldest first. */
  readonly writing: (readonly Write[])[] = []
  /** When the network will tell it that its deadline has come. */
  wakeAt: Millis | undefined
  readonly options: NodeOptions<M>
  /** Ports of the NAT by what is behind them, and the hosts that were sent to through it. */
  natPort = 0
  readonly natOpen = new Set<string>()

  constructor(options: NodeOptions<M>) {
    this.options = options
    this.name = options.name
    this.address = options.address
    this.store = new Map(options.store)
    this.skewMs = options.skewMs ?? 0
    this.machine = options.make()
  }

  get natHost(): string | undefined {
    return this.options.natHost
  }

  /** As others see it. */
  get outerAddress(): PeerAddress {
    return this.natHost === undefined ? this.address : { host: this.natHost, port: this.natPort }
  }

  dropped(code: string): number {
    return this.drops.get(code) ?? 0
  }

  apply(writes: readonly Write[]): void {
    for (const { key, value } of writes) {
      if (this.options.disk?.loses?.(key)) continue
      if (value === undefined) this.store.delete(key)
      else this.store.set(key, value.slice())
    }
  }
}
