/**
 * A world as a diagram: a column for each node, virtual time downwards, an arrow for each datagram with what was read in it, and
 * a cross where one was lost, with the reason. Datagrams that bring nothing but acknowledgements are left out, unless all are asked for.
 */
import { headByte } from '../../src/wire/datagram.js'
import type { LossReason } from './emulator/conditions.js'
import { type NetworkEvent, text, type VirtualNetwork, type VirtualNode } from './virtual-network.js'
import type { DeviceActor, World } from './world.js'

const COLUMN = 7
const TIME = 11
/** Parts of messages, told with the message that they stand in. */
const PARTS: ReadonlySet<string> = new Set([
  ...['sealing key', 'network address', 'delivery number', 'copy answer', 'proxy entry', 'directory'],
  ...['forward link', 'request link', 'copy link', 'device link', 'proxy link', 'copy opened', 'request body'],
])

/** What is read when work is done, and not when a datagram comes; told at the first of its fields. */
const WORK: ReadonlyMap<string, string> = new Map([
  ['copy opened.source', 'opens a copy'],
  ['request body.oneTimeBase', 'opens a request'],
])

const kinds = new Map(
  (['handshakeInit', 'handshakeResponse', 'cookieReply', 'packet', 'statelessReset'] as const).map(
    (kind) => [headByte(kind), kind] as const,
  ),
)

export interface TraceOptions {
  /** Every datagram. */
  readonly all: boolean
  readonly print: (line: string) => void
}

export class Trace {
  private readonly options: TraceOptions
  private network: VirtualNetwork | undefined
  private began = 0
  /** What each node has read, and dropped, since its last datagram. */
  private readonly read = new Map<string, Set<string>>()
  private readonly drops = new Map<string, string[]>()

  constructor(options: TraceOptions) {
    this.options = options
  }

  /** To be told of each field that a node reads. */
  readonly onRead = (name: string, format: string, field: string): void => {
    const work = WORK.get(`${format}.${field}`)
    const node = this.nodes.find((each) => each.name === name)
    if (work !== undefined && node !== undefined) this.mark(node, work)
    if (PARTS.has(format)) return
    const read = this.read.get(name) ?? new Set()
    this.read.set(name, read.add(format))
  }

  readonly onWorld = (world: World): void => {
    const { network } = world
    this.network = network
    this.began = network.now
    for (const { name } of network.nodes) this.read.delete(name)
    network.watchers.push((event) => this.event(event))
    world.watchers.push((actor, output) => this.said(actor, output))
    this.heading()
  }

  private heading(): void {
    const names = this.nodes.map(({ name }) => name.replace('device ', 'dev').replace('proxy ', 'prox').padEnd(COLUMN))
    this.options.print(`${'seconds'.padEnd(TIME)}${names.join('')}`.trimEnd())
  }

  private event(event: NetworkEvent): void {
    switch (event.type) {
      case 'arrived':
        this.arrived(event.node, event)
        return
      case 'lost':
        this.lost(event)
        return
      case 'drop':
        this.drops.set(event.node.name, [...(this.drops.get(event.node.name) ?? []), event.code])
        return
      case 'state':
        this.mark(event.node, event.what)
        return
      default:
        event satisfies never
    }
  }

  private arrived(node: VirtualNode, { from, bytes }: NetworkEvent & { type: 'arrived' }): void {
    const read = [...(this.read.get(node.name) ?? [])]
    const drops = this.drops.get(node.name) ?? []
    this.read.delete(node.name)
    this.drops.delete(node.name)
    const kind = kindOf(bytes)
    if (!this.options.all && kind === 'packet' && read.length + drops.length === 0) return
    const what = read.length > 0 ? read.join(', ') : kind
    const dropped = drops.length > 0 ? `, dropped: ${drops.join(' ')}` : ''
    const sender = this.network?.nodeAt(from)
    this.line(this.arrow(sender, node, '>'), `${what} (${bytes.length} bytes)${dropped}`, from, sender)
  }

  private lost({ from, to, bytes, reason }: { readonly reason: LossReason } & NetworkEvent & { type: 'lost' }): void {
    const kind = kindOf(bytes)
    const sender = this.network?.nodeAt(from)
    this.line(
      this.arrow(sender, this.network?.nodeAt(to), 'x'),
      `lost (${reason}): ${kind} (${bytes.length} bytes)`,
      from,
      sender,
    )
  }

  private said(actor: DeviceActor, output: { readonly type: string }): void {
    if (output.type === 'message') this.mark(actor.node, 'is handed a message')
    else if (output.type !== 'connection' && output.type !== 'drop') this.mark(actor.node, `says: ${output.type}`)
  }

  private mark(node: VirtualNode, what: string): void {
    this.line(this.row(this.column(node), this.column(node), '*', '*'), `${node.name} ${what}`)
  }

  private line(row: string, what: string, from?: { host: string; port: number }, sender?: VirtualNode): void {
    const seconds = (((this.network?.now ?? 0) - this.began) / 1000).toFixed(3).padStart(TIME - 3)
    const stranger = from !== undefined && sender === undefined ? ` from ${text(from)}` : ''
    this.options.print(`${seconds}   ${row} ${what}${stranger}`)
  }

  private arrow(from: VirtualNode | undefined, to: VirtualNode | undefined, head: '>' | 'x'): string {
    const begin = from === undefined ? undefined : this.column(from)
    const end = to === undefined ? undefined : this.column(to)
    return this.row(begin ?? end ?? 0, end ?? begin ?? 0, 'o', head)
  }

  /** Lines of life, and an arrow from one column to another. */
  private row(from: number, to: number, tail: string, head: string): string {
    const cells: string[] = Array.from<string>({ length: this.nodes.length * COLUMN }).map((_, i) =>
      i % COLUMN === 0 ? '|' : ' ',
    )
    const [begin, end] = [from * COLUMN, to * COLUMN]
    for (let i = Math.min(begin, end) + 1; i < Math.max(begin, end); i++) cells[i] = '-'
    cells[begin] = tail
    cells[end] = head === '>' && end < begin ? '<' : head
    return cells.join('')
  }

  private column(node: VirtualNode): number {
    return Math.max(0, this.nodes.indexOf(node))
  }

  private get nodes(): readonly VirtualNode[] {
    return this.network?.nodes ?? []
  }
}

function kindOf(bytes: Uint8Array): string {
  return kinds.get(bytes[0] ?? 0) ?? 'nothing known'
}
