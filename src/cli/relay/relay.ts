/**
 * A UDP relay in front of one node: what comes to its front is handed on to the node from a socket of its own for each
 * client, as a NAT would, and answers go back the same way; both directions are disturbed as the conditions say.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { RandomNumbers } from '../../base/random.js'
import { openUdp, type UdpSocket } from '../../driver/udp.js'
import type { PeerAddress } from '../../link/link.js'
import { addTallies, type Conditions, type Tally } from './conditions.js'
import { Impairment } from './impairment.js'
import { Schedule } from './schedule.js'

/** Clients at one time, and after how long without a datagram one is forgotten: longer than sessions live. */
const MAX_FLOWS = 8192
const FLOW_IDLE_MS = 180_000
const SWEEP_MS = 30_000

/** A client, and the address under which the node sees it. */
export interface FlowAddresses {
  readonly client: PeerAddress
  readonly seenAs: PeerAddress
}

interface Flow {
  readonly client: PeerAddress
  readonly socket: UdpSocket
  readonly toNode: Impairment
  readonly toClient: Impairment
  usedAt: number
}

/** Opens a relay whose front is bound at `front`, port 0 for a free one. It loses everything until it is told its node. */
export async function openRelay(front: PeerAddress, conditions: Conditions, seed: number): Promise<Relay> {
  return new Relay(await openUdp(front), conditions, seed)
}

export class Relay {
  private readonly front: UdpSocket
  private conditions: Conditions
  private readonly seed: number
  private opened = 0
  private readonly schedule = new Schedule()
  private readonly flows = new Map<string, Promise<Flow | undefined>>()
  private readonly open = new Map<string, Flow>()
  private readonly past: Tally[] = []
  private readonly sweeper: NodeJS.Timeout
  private node: PeerAddress | undefined

  constructor(front: UdpSocket, conditions: Conditions, seed: number) {
    this.front = front
    this.conditions = conditions
    this.seed = seed
    front.onDatagram((from, bytes) => this.fromClient(from, bytes))
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref()
  }

  /** What others take for the node's address. */
  get address(): PeerAddress {
    return this.front.address
  }

  aim(node: PeerAddress): void {
    this.node = node
  }

  /** Disturbs differently from now on. */
  change(conditions: Conditions): void {
    this.conditions = conditions
    for (const { toNode, toClient } of this.open.values()) {
      toNode.conditions = conditions
      toClient.conditions = conditions
    }
  }

  /** The address under which the node will see this client. */
  async seenAs(client: PeerAddress): Promise<PeerAddress | undefined> {
    return (await this.flowOf(client))?.socket.address
  }

  addresses(): readonly FlowAddresses[] {
    return [...this.open.values()].map(({ client, socket }) => ({ client, seenAs: socket.address }))
  }

  tally(): Tally {
    const open = [...this.open.values()]
    const tallies = open.flatMap(({ toNode, toClient }) => [toNode.tally(), toClient.tally()])
    const all = addTallies([...this.past, ...tallies])
    const unsent = open.reduce((sum, { socket }) => sum + socket.sendErrors(), this.front.sendErrors())
    return { ...all, passed: all.passed - unsent, overflowed: all.overflowed + unsent }
  }

  async close(): Promise<void> {
    clearInterval(this.sweeper)
    this.schedule.clear()
    const flows = await Promise.all(this.flows.values())
    await Promise.all([this.front.close(), ...flows.map((flow) => flow?.socket.close())])
  }

  private fromClient(client: PeerAddress, bytes: Uint8Array): void {
    const flow = this.open.get(keyOf(client))
    if (flow !== undefined) this.toNode(flow, bytes)
    else void this.flowOf(client).then((opened) => opened && this.toNode(opened, bytes))
  }

  private toNode(flow: Flow, bytes: Uint8Array): void {
    const { node } = this
    flow.usedAt = performance.now()
    if (node === undefined) return
    for (const passing of flow.toNode.offer(flow.usedAt, bytes)) {
      this.schedule.at(passing.at, () => flow.socket.send(node, passing.bytes))
    }
  }

  private toClient(flow: Flow, from: PeerAddress, bytes: Uint8Array): void {
    // As behind a NAT, only the node that was sent to gets answers through.
    if (from.port !== this.node?.port || from.host !== this.node.host) return
    flow.usedAt = performance.now()
    for (const passing of flow.toClient.offer(flow.usedAt, bytes)) {
      this.schedule.at(passing.at, () => this.front.send(flow.client, passing.bytes))
    }
  }

  private flowOf(client: PeerAddress): Promise<Flow | undefined> {
    const key = keyOf(client)
    const known = this.flows.get(key)
    if (known !== undefined) return known
    if (this.flows.size >= MAX_FLOWS) return Promise.resolve(undefined)
    const opening = this.begin(key, client).catch(() => {
      this.flows.delete(key)
      return undefined
    })
    this.flows.set(key, opening)
    return opening
  }

  private async begin(key: string, client: PeerAddress): Promise<Flow> {
    const name = `${this.seed} ${this.opened++}`
    const socket = await openUdp({ host: this.address.host, port: 0 })
    const flow: Flow = {
      client,
      socket,
      toNode: new Impairment(this.conditions, fractions(`${name} to the node`)),
      toClient: new Impairment(this.conditions, fractions(`${name} to the client`)),
      usedAt: performance.now(),
    }
    socket.onDatagram((from, bytes) => this.toClient(flow, from, bytes))
    this.open.set(key, flow)
    return flow
  }

  private sweep(): void {
    const before = performance.now() - FLOW_IDLE_MS
    for (const [key, { usedAt, socket, toNode, toClient }] of this.open) {
      if (usedAt > before) continue
      this.open.delete(key)
      this.flows.delete(key)
      this.past.push(addTallies([...this.past.splice(0), toNode.tally(), toClient.tally()]))
      void socket.close()
    }
  }
}

function keyOf({ host, port }: PeerAddress): string {
  return `${host} ${port}`
}

/** The keystream of ChaCha20 under a key made of the seed, as numbers from 0 to below 1. */
function fractions(seed: string): () => number {
  const stream = createCipheriv('chacha20', createHash('sha256').update(seed).digest(), new Uint8Array(16))
  const numbers = new RandomNumbers((lengthBytes) => stream.update(new Uint8Array(lengthBytes)))
  return () => numbers.uint32() / 2 ** 32
}
