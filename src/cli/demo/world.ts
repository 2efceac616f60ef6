/**
 * The demo's network: which processes there are, how they come up, and how the group comes to be. Server, each proxy and
 * the sender have a process of their own; devices share some where there are many.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromHex, toHex } from '../../base/bytes.js'
import type { CallOf } from '../hosting/calls.js'
import { Child, HostedFailure } from '../hosting/child.js'
import type { Call, Learnt, NodeStatus, Received, Results } from './host-protocol.js'
import type { DemoOptions } from './options.js'
import { Relays } from './relays.js'

export const PROXIES = 4
export const GROUP = 'demo'
const SERVER_HOST = '127.0.0.1'
/** Of its own, so that the sender's datagrams are known by it whatever its port. */
const SENDER_HOST = '127.0.0.2'
/** Up to this many members every device has its own process. */
const OWN_PROCESS_MEMBERS = 16
const SHARED_PROCESSES = 4
/** Invitations and joins under way at one time. */
const CONCURRENT = 32
const POLL_MS = 100
const DROPS_MS = 3000
/** Without any progress for this long, the demo gives up; where relays disturb it, a message may need its third round. */
export const PATIENCE_MS = 60_000
const DISTURBED_PATIENCE_MS = 240_000

const PROGRAM = new URL('./host.js', import.meta.url)

type Host = Child<Call, Results, Received>

interface Placed {
  readonly node: number
  readonly child: Host
  readonly data: string
}

export interface PlacedProxy extends Placed {
  readonly id: string
  readonly localAddress: string
}

export interface Member extends Placed {
  readonly id: string
  readonly address: string
  readonly localAddress: string
}

export type Progress = (phase: string, done: number, total: number) => void

export class World {
  readonly options: DemoOptions
  readonly children: Host[] = []
  server: Placed | undefined
  readonly proxies: PlacedProxy[] = []
  readonly members: Member[] = []
  relays: Relays | undefined
  card = ''
  private directory: string | undefined
  private nodes = 0
  private readonly onReceived: (received: Received) => void

  constructor(options: DemoOptions, onReceived: (received: Received) => void) {
    this.options = options
    this.onReceived = onReceived
  }

  get sender(): Member {
    return this.members[0] as Member
  }

  /** Server, proxies and devices, until the sender knows all proxies. */
  async start(progress: Progress): Promise<void> {
    this.directory = await mkdtemp(join(tmpdir(), 'splitcast-demo-'))
    if (this.options.disturbance !== undefined) this.relays = new Relays(this.options.disturbance)
    await this.startServer()
    await Promise.all(Array.from({ length: PROXIES }, (_, index) => this.startProxy(index)))
    await this.startDevices(progress)
    await this.until('the sender to learn of the proxies', async () => {
      const listed = await this.sender.child.call('directoryProxies', { node: this.sender.node })
      return listed >= PROXIES ? 'done' : listed
    })
  }

  /** One group on the first device, and everybody else in it. */
  async formGroup(progress: Progress): Promise<void> {
    const { child, node } = this.sender
    const passphrase = toHex(randomBytes(16))
    await child.call('createGroup', { node, name: GROUP })
    const others = this.members.slice(1)
    let joined = 0
    progress('joining', joined, others.length)
    const joining = others.map(async (member) => {
      await member.child.call('join', { node: member.node, passphrase })
      progress('joining', ++joined, others.length)
    })
    const inviting = inParallel(others, CONCURRENT, ({ address }) =>
      child.call('invite', { node, group: GROUP, address, passphrase }),
    )
    const everybodyIn = this.until('everybody to join', async () => (joined === others.length ? 'done' : joined))
    await Promise.all([inviting, everybodyIn, ...joining])
    await this.agree(progress)
    await this.until('the announcements to be proven', async () => {
      const waiting = await Promise.all(this.members.map(({ child, node }) => child.call('underWay', { node })))
      const messages = waiting.reduce((sum, count) => sum + count, 0)
      return messages === 0 ? 'done' : messages
    })
  }

  /** Until every member's list holds every member. */
  private async agree(progress: Progress): Promise<void> {
    const complete = new Set<number>()
    await this.until('the member lists to agree', async () => {
      const open = this.members.filter(({ node }) => !complete.has(node))
      const counts = await Promise.all(open.map(({ child, node }) => child.call('memberCount', { node, group: GROUP })))
      for (const [index, member] of open.entries()) if (counts[index] === this.members.length) complete.add(member.node)
      progress('member lists', complete.size, this.members.length)
      return complete.size === this.members.length ? 'done' : counts.reduce((sum, count) => sum + count, complete.size)
    })
  }

  /** Repeats `look` until it says `done`; fails when what it returns does not change for too long. */
  async until(what: string, look: () => Promise<number | 'done'>): Promise<void> {
    const patienceMs = this.relays === undefined ? PATIENCE_MS : DISTURBED_PATIENCE_MS
    let last: number | undefined
    let changedAt = Date.now()
    for (;;) {
      const seen = await look()
      if (seen === 'done') return
      if (seen !== last) changedAt = Date.now()
      last = seen
      if (Date.now() - changedAt > patienceMs)
        throw new HostedFailure(`waited ${patienceMs / 1000} s in vain for ${what}`)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** All proxies claim to have read the sender's id; which of them is P1 is chance. */
  async plantLeak(): Promise<void> {
    const value = fromHex(this.sender.id)
    await Promise.all(this.proxies.map(({ child, node }) => child.call('plant', { node, value })))
  }

  /** Lets the commands of whoever runs the demo talk to the devices. */
  async handOver(): Promise<void> {
    await Promise.all(this.members.map(({ child, node }) => child.call('handOver', { node })))
  }

  /** Every address under which others may see a node that listens at this one. */
  async seenAs(localAddress: string): Promise<readonly string[]> {
    const host = localAddress.slice(0, localAddress.lastIndexOf(':'))
    return [localAddress, ...((await this.relays?.seenAs(host)) ?? [])]
  }

  async forget(): Promise<void> {
    await Promise.all(this.everybody().map(({ child, node }) => child.call('forget', { node })))
  }

  learnt(): Promise<Learnt[]> {
    return Promise.all(this.everybody().map(({ child, node }) => child.call('learnt', { node })))
  }

  async statuses(): Promise<ReadonlyMap<number, NodeStatus>> {
    const entries = this.everybody().map(
      async ({ child, node }) => [node, await child.call('status', { node })] as const,
    )
    return new Map(await Promise.all(entries))
  }

  /** What the nodes that still answer have dropped, by code: where a run fails, this tells where to look. */
  async drops(): Promise<string> {
    const patience = new Promise<PromiseSettledResult<NodeStatus>[]>((resolve) => setTimeout(resolve, DROPS_MS, []))
    const answers = Promise.allSettled(this.everybody().map(({ child, node }) => child.call('status', { node })))
    const counts = new Map<string, number>()
    for (const answer of await Promise.race([answers, patience])) {
      if (answer.status === 'rejected') continue
      for (const [code, count] of Object.entries(answer.value.drops)) counts.set(code, (counts.get(code) ?? 0) + count)
    }
    return [...counts].map(([code, count]) => `${code} ${count}`).join(', ') || 'nothing'
  }

  /** Ends every process and removes what they wrote; never throws. */
  async end(): Promise<void> {
    await Promise.allSettled([...this.children.map((child) => child.end()), this.relays?.end()])
    if (this.directory !== undefined) await rm(this.directory, { recursive: true, force: true }).catch(() => undefined)
  }

  private everybody(): readonly Pick<Placed, 'node' | 'child'>[] {
    return [...(this.server === undefined ? [] : [this.server]), ...this.proxies, ...this.members]
  }

  private async startServer(): Promise<void> {
    this.server = this.place('the server')
    const { server } = this
    const listen = `${SERVER_HOST}:0`
    const { card } = await this.reached(SERVER_HOST, (advertise) =>
      this.open(server, 'openServer', { listen, ...advertise }),
    )
    this.card = card
  }

  private async startProxy(index: number): Promise<void> {
    const placed = this.place(`proxy ${index + 1}`)
    const host = `127.0.0.${11 + index}`
    const options = { network: this.card, listen: `${host}:0` }
    const opened = await this.reached(host, (advertise) => this.open(placed, 'openProxy', { ...options, ...advertise }))
    this.proxies.push({ ...placed, ...opened })
  }

  private async startDevices(progress: Progress): Promise<void> {
    const { members } = this.options
    const shared =
      members > OWN_PROCESS_MEMBERS
        ? Array.from({ length: SHARED_PROCESSES }, (_, index) => this.child(`devices ${index + 1}`))
        : []
    const places = Array.from({ length: members }, (_, index) => {
      const host = index === 0 ? undefined : shared[index % SHARED_PROCESSES]
      return this.place(index === 0 ? 'the sender' : `device ${index + 1}`, host)
    })
    progress('devices', 0, members)
    await inParallel(places, CONCURRENT, async (placed) => {
      const opened = await this.open(placed, 'openDevice', {
        network: this.card,
        listen: `${placed === places[0] ? SENDER_HOST : SERVER_HOST}:0`,
        padding: this.options.padding,
      })
      this.members.push({ ...placed, ...opened })
      progress('devices', this.members.length, members)
    })
    this.members.sort((a, b) => a.node - b.node)
  }

  /** Opens a node that others reach, behind a relay where there are any. */
  private reached<T extends { readonly localAddress: string }>(
    host: string,
    open: (options: { readonly advertise?: string }) => Promise<T>,
  ): Promise<T> {
    return this.relays === undefined ? open({}) : this.relays.before(host, (advertise) => open({ advertise }))
  }

  private open<N extends Call['call']>(
    placed: Placed,
    call: N,
    parameters: Omit<CallOf<Call, N>, 'call' | 'node' | 'data'>,
  ): Promise<Results[N]> {
    const { child, node, data } = placed
    return child.call(call, { ...parameters, node, data } as unknown as Omit<CallOf<Call, N>, 'call'>)
  }

  private place(label: string, host?: Host): Placed {
    const node = this.nodes++
    return { node, child: host ?? this.child(label), data: join(this.directory as string, String(node)) }
  }

  private child(label: string): Host {
    const child: Host = new Child({ label, program: PROGRAM, onEvent: this.onReceived })
    this.children.push(child)
    return child
  }
}

/** Runs `work` over all items, at most `width` at a time; the first failure ends it. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = items.values()
  const lane = async () => {
    for (const item of rest) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane))
}
