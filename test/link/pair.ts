/**
 * Endpoints on a virtual network with a virtual clock: every datagram may be lost, delayed past others, or doubled, as a
 * seed decides. What a test sees is what each endpoint put out, in order.
 */
import type { LinkLimits } from '../../src/base/bounds.js'
import { key, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import type { Millis } from '../../src/base/time.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { EndpointOptions, LinkEndpoint, LinkOutput, PeerAddress, SessionId } from '../../src/link/link.js'
import { seeded } from '../base/seeded.js'
import { crypto } from './support.js'

export interface Conditions {
  /** Probabilities of a datagram to be lost, and to arrive twice. */
  readonly loss: number
  readonly doubling: number
  /** One-way delay, and what may come on top of it: with jitter, later datagrams overtake earlier ones. */
  readonly delayMs: number
  readonly jitterMs: number
  /** Probability of a datagram to be altered on its way. */
  readonly corruption?: number
  /** So many datagrams in a row are lost or altered together. */
  readonly burst?: number
  /** A bottleneck towards each host, and the bytes that wait in front of it; what does not fit is lost. */
  readonly bytesPerMs?: number
  readonly queueBytes?: number
}

export const PERFECT: Conditions = { loss: 0, doubling: 0, delayMs: 10, jitterMs: 0 }

type Output<Type extends LinkOutput['type']> = Extract<LinkOutput, { readonly type: Type }>

/** One endpoint with its address and what it has put out so far, datagrams apart. */
export class Node {
  readonly endpoint: LinkEndpoint
  readonly outputs: LinkOutput[] = []
  address: PeerAddress
  rebinds = 0

  constructor(endpoint: LinkEndpoint, address: PeerAddress) {
    this.endpoint = endpoint
    this.address = address
  }

  all<Type extends LinkOutput['type']>(type: Type): Output<Type>[] {
    return this.outputs.filter((output): output is Output<Type> => output.type === type)
  }

  drops(): string[] {
    return this.all('drop').map(({ code }) => code)
  }
}

interface UnderWay {
  readonly at: Millis
  readonly order: number
  readonly from: PeerAddress
  readonly to: PeerAddress
  readonly bytes: Uint8Array
}

export class Network {
  now: Millis = 1_700_000_000_000
  conditions: Conditions
  /** Every datagram handed to the network, lost ones included. */
  readonly sent: { readonly from: PeerAddress; readonly to: PeerAddress; readonly bytes: Uint8Array }[] = []
  /** Loses what it returns true for, whatever the conditions say. */
  lose: (from: PeerAddress, to: PeerAddress, bytes: Uint8Array) => boolean = () => false
  private readonly nodes: Node[] = []
  private readonly chance: () => number
  private underWay: UnderWay[] = []
  private order = 0
  private readonly bursts = new Map<string, { readonly harm: 'lost' | 'altered'; left: number }>()
  private readonly freeAt = new Map<string, Millis>()

  constructor(seed: number, conditions: Conditions = PERFECT) {
    const random = seeded(seed)
    this.chance = () => new DataView(random(4).buffer).getUint32(0) / 2 ** 32
    this.conditions = conditions
  }

  /** Without stateless resets unless the bounds allow some: a peer made of frames alone would have to take the tokens. */
  add(options: EndpointOptions, bounds: Partial<LinkLimits> = {}, random = seeded(1000 + this.nodes.length)): Node {
    const host = `192.0.2.${this.nodes.length + 1}`
    const endpoint = createEndpoint(options, crypto, random, { resetsPerSecond: 0, ...bounds })
    const node = new Node(endpoint, { host, port: 4000 })
    this.nodes.push(node)
    return node
  }

  /** Takes what a node has to put out. */
  drain(node: Node): void {
    for (let output = node.endpoint.poll(); output !== undefined; output = node.endpoint.poll()) {
      if (output.type === 'transmit') this.transmit(node.address, output.to, output.bytes)
      else if (output.type === 'rebind') this.rebind(node)
      else node.outputs.push(output)
    }
  }

  /** Gives a node another port: its own doing, or that of a translation on its way. */
  rebind(node: Node): void {
    node.address = { ...node.address, port: node.address.port + 1 }
    node.rebinds++
  }

  private transmit(from: PeerAddress, to: PeerAddress, bytes: Uint8Array): void {
    this.sent.push({ from, to, bytes })
    if (this.lose(from, to, bytes)) return
    const harm = this.harm(`${from.host} ${to.host}`)
    if (harm === 'lost') return
    const { delayMs, jitterMs, doubling } = this.conditions
    const queuedMs = this.queueFor(to.host, bytes.length)
    if (queuedMs === undefined) return
    const copies = this.chance() < doubling ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const at = this.now + queuedMs + delayMs + this.chance() * jitterMs
      this.insert({ at, order: this.order++, from, to, bytes: harm === 'altered' ? this.altered(bytes) : bytes })
    }
  }

  /** Bursts are of one direction. */
  private harm(direction: string): 'lost' | 'altered' | undefined {
    const { loss, corruption = 0, burst = 1 } = this.conditions
    const running = this.bursts.get(direction)
    if (running !== undefined && running.left > 0) {
      running.left--
      return running.harm
    }
    // A burst starts so seldom that the part of datagrams harmed is still what was asked for.
    const starts = (part: number) => this.chance() < part / (burst - part * (burst - 1))
    const harm = starts(loss) ? 'lost' : starts(corruption) ? 'altered' : undefined
    if (harm !== undefined) this.bursts.set(direction, { harm, left: burst - 1 })
    return harm
  }

  private altered(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice()
    const at = Math.floor(this.chance() * copy.length)
    copy[at] = (copy[at] as number) ^ (1 + Math.floor(this.chance() * 255))
    return copy
  }

  /** How long a datagram waits for the bottleneck and in it; `undefined` where its queue is full. */
  private queueFor(host: string, bytes: number): number | undefined {
    const { bytesPerMs, queueBytes = 0 } = this.conditions
    if (bytesPerMs === undefined) return 0
    const freeAt = Math.max(this.freeAt.get(host) ?? 0, this.now)
    if ((freeAt - this.now) * bytesPerMs > queueBytes) return undefined
    this.freeAt.set(host, freeAt + bytes / bytesPerMs)
    return freeAt + bytes / bytesPerMs - this.now
  }

  private insert(datagram: UnderWay): void {
    let index = this.underWay.length
    while (index > 0 && (this.underWay[index - 1] as UnderWay).at > datagram.at) index--
    this.underWay.splice(index, 0, datagram)
  }

  /** Hands a datagram over at once. */
  deliver(to: Node, from: PeerAddress, bytes: Uint8Array): void {
    to.endpoint.datagram(this.now, from, bytes)
    this.drain(to)
  }

  /** Lets time pass, until `until` holds or `forMs` is over. Returns whether it held. */
  run(forMs: number, until: () => boolean = () => false): boolean {
    const end = this.now + forMs
    for (const node of this.nodes) this.drain(node)
    while (!until()) {
      const next = Math.min(this.underWay[0]?.at ?? end, ...this.nodes.map((n) => n.endpoint.deadline() ?? end))
      if (next >= end && this.now >= end) return false
      this.now = Math.max(this.now, Math.min(next, end))
      this.step()
    }
    return true
  }

  private step(): void {
    let arrived = 0
    while ((this.underWay[arrived]?.at ?? Number.POSITIVE_INFINITY) <= this.now) arrived++
    for (const datagram of this.underWay.splice(0, arrived)) {
      const { host, port } = datagram.to
      const to = this.nodes.find(({ address }) => address.host === host && address.port === port)
      if (to !== undefined) this.deliver(to, datagram.from, datagram.bytes)
    }
    for (const node of this.nodes) {
      if ((node.endpoint.deadline() ?? Number.POSITIVE_INFINITY) > this.now) continue
      node.endpoint.timeout(this.now)
      this.drain(node)
    }
  }
}

export interface Pair {
  readonly network: Network
  readonly client: Node
  readonly server: Node
  readonly clientSession: SessionId
  readonly serverSession: SessionId
}

/** A client with an open session at a server, over a perfect path unless another is given. */
export function connectedPair(
  seed: number,
  bounds: { client?: Partial<LinkLimits>; server?: Partial<LinkLimits> } = {},
  conditions = PERFECT,
  congestion: 'bbr' | 'newReno' = 'bbr',
): Pair {
  const network = new Network(seed, conditions)
  const { resetsPerSecond } = limits
  const client = network.add({ congestion }, { resetsPerSecond, ...bounds.client })
  const server = network.add({ linkSecret: SERVER_SECRET, congestion }, { resetsPerSecond, ...bounds.server })
  const clientSession = client.endpoint.connect(network.now, SERVER_KEY, server.address)
  if (!network.run(5000, () => server.all('accepted').length > 0)) throw new Error('the pair did not connect')
  network.run(200 + 2 * conditions.delayMs)
  const serverSession = (server.all('accepted')[0] as Output<'accepted'>).session
  return { network, client, server, clientSession, serverSession }
}

/** A client that has begun with a server, nothing delivered yet. */
export function begun(seed: number, serverOptions: EndpointOptions = { linkSecret: SERVER_SECRET }) {
  const network = new Network(seed)
  const client = network.add({})
  const server = network.add(serverOptions)
  const session = client.endpoint.connect(network.now, SERVER_KEY, server.address)
  network.drain(client)
  return { network, client, server, session }
}

/** What a node said of sessions that ended, without what they cost. */
export function closings(node: Node) {
  return node.all('closed').map(({ session, reason, undelivered }) => ({ session, reason, undelivered }))
}

export const SERVER_SECRET = key(crypto.hash(utf8('server')))
export const SERVER_KEY = crypto.x25519Public(SERVER_SECRET)
