/**
 * Traffic through production proxies in virtual time, for who watches all their links: when each request came in, when each
 * copy left, and by which way. What belongs to what is recorded beside it, to hold guesses against.
 */
import { concat, type NodeId, nodeId, point, toHex } from '../../src/base/bytes.js'
import { type RandomBytes, randomBelow } from '../../src/base/random.js'
import { type Millis, slotWindow, utcDay } from '../../src/base/time.js'
import { assembleRequest } from '../../src/group/request.js'
import { type Job, runJob } from '../../src/role/jobs.js'
import { messageKinds } from '../../src/wire/message.js'
import { seeded } from '../base/seeded.js'
import type { Peer } from '../sim/peer.js'
import type { VirtualNode } from '../sim/virtual-network.js'
import { crypto, World } from '../sim/world.js'

export interface Traffic {
  readonly seed: number
  /** Mean of each copy's wait. */
  readonly meanWaitMs: number
  /** Requests a second at each P2, those of cover traffic among them. */
  readonly requestsPerSecond: number
  /** Requests for each P2. */
  readonly requests: number
  /** Whether every copy goes by an extra hop, or none. */
  readonly extraHop: boolean
}

/** A copy came into a proxy, with a request or alone, or left it. */
export interface Passage {
  readonly at: Millis
  readonly kind: 'in' | 'out'
  readonly proxy: string
  readonly to: 'server' | 'proxy'
  readonly copy: string
  /** The request that it came of; the observer does not know it. */
  readonly request: number
}

const PROXIES = 4
export const COPIES_A_REQUEST = 8
const CONTENT_BYTES = 150
const NAME_BYTES = 16
const KIND_BYTES = 1
/** Kind, reference and empty extension of a message *copy*. */
const COPY_HEAD_BYTES = 6
/** Of waits that are capped at ten means. */
const LONGEST_WAITS = 21
const ALWAYS = 1e6

/** Runs it; passages in the order in which they happened. */
export function run(traffic: Traffic): Passage[] {
  const { seed, meanWaitMs, extraHop } = traffic
  const log = new PassageLog(extraHop)
  const world = new World({
    ...{ seed, devices: 0, proxies: PROXIES },
    proxySettings: { meanWaitMs, extraHopBelow: extraHop ? ALWAYS : 0 },
    onRead: (name, format, field) => log.read(name, format, field),
    run: (job, node) => log.job(job, node?.name ?? ''),
  })
  log.world = world
  const random = seeded(seed + 1)
  const last = world.proxies.map((_, index) => schedule(world, random, traffic, index))
  world.network.runFor(Math.max(...last) - world.now + LONGEST_WAITS * meanWaitMs + 1_000)
  return log.passages.sort((a, b) => a.at - b.at || (a.kind === 'in' ? 0 : 1) - (b.kind === 'in' ? 0 : 1))
}

class PassageLog {
  readonly passages: Passage[] = []
  world: World | undefined
  private readonly requests = new Map<string, number>()
  /** Where each copy is, by its first bytes, and which request it came of. */
  private readonly copies = new Map<string, { readonly request: number; at: string }>()
  private readonly extraHop: boolean

  constructor(extraHop: boolean) {
    this.extraHop = extraHop
  }

  /** P2 makes copies: they are in, and wait. */
  job(job: Job, name: string) {
    const ephemeral = job.type === 'split' ? toHex(job.request.ephemeral) : ''
    const result = runJob(crypto, job)
    if (job.type !== 'split' || result.type !== 'split' || result.copies === undefined) return result
    const request = this.requests.get(ephemeral) ?? this.requests.size
    this.requests.set(ephemeral, request)
    const bytes = result.copies.length / job.count
    for (let i = 0; i < job.count; i++) {
      const copy = nameOf(result.copies.subarray(i * bytes + job.roomBytes))
      this.copies.set(copy, { request, at: name })
      this.passed('in', name, this.extraHop ? 'proxy' : 'server', copy, request, 0)
    }
    return result
  }

  /** A copy arrives: it left the node before one way ago. */
  read(name: string, format: string, field: string): void {
    const { world } = this
    if (world === undefined) return
    if (name === 'server' && format === 'copy' && field === 'sealed') {
      this.moved(name, nameOf(world.server.read.at(-1)?.value))
    } else if (format === 'forward' && field === 'message') {
      const message = world.proxies.find((each) => each.name === name)?.read.at(-1)?.value
      if (message?.[0] === messageKinds.copy) this.moved(name, nameOf(message.subarray(COPY_HEAD_BYTES)))
    }
  }

  private moved(to: string, name: string): void {
    const copy = this.copies.get(name)
    // Copies go again where an answer is late: the first time is what counts.
    if (copy === undefined || copy.at === 'server' || copy.at === to) return
    const delayMs = this.world?.network.conditions.delayMs ?? 0
    this.passed('out', copy.at, to === 'server' ? 'server' : 'proxy', name, copy.request, delayMs)
    copy.at = to
    if (to !== 'server') this.passed('in', to, 'server', name, copy.request, 0)
  }

  private passed(
    kind: Passage['kind'],
    proxy: string,
    to: Passage['to'],
    copy: string,
    request: number,
    ago: number,
  ): void {
    this.passages.push({ at: (this.world?.now ?? 0) - ago, kind, proxy, to, copy, request })
  }
}

function nameOf(sealed: Uint8Array | undefined): string {
  return toHex((sealed ?? new Uint8Array(0)).subarray(0, NAME_BYTES))
}

/** Requests for one P2 by a P1 that is nobody else's, at exponential intervals; when the last comes. */
function schedule(world: World, random: RandomBytes, traffic: Traffic, index: number): Millis {
  const proxy = world.proxies[index] as World['proxies'][number]
  const linkKey = crypto.linkPublicKey(proxy.self.identity.identityKey)
  if (linkKey === undefined) throw new Error('a proxy has a link key')
  const peer = world.addPeer(`203.0.113.${index + 1}`)
  const session = peer.machine.endpoint.connect(world.now, linkKey, proxy.node.address)
  world.network.input(peer, { type: 'timeout' })
  let at = world.now + 1_000
  for (let i = 0; i < traffic.requests; i++) {
    at += (-Math.log((randomBelow(random, 2 ** 32) + 1) / 2 ** 32) * 1_000) / traffic.requestsPerSecond
    world.network.at(at, () => send(world, peer, session, request(world, random, proxy.self.id)))
  }
  return at
}

function send(
  world: World,
  peer: VirtualNode<Peer>,
  session: Parameters<Peer['endpoint']['send']>[1],
  message: Uint8Array,
): void {
  peer.machine.endpoint.send(world.now, session, message)
  world.network.input(peer, { type: 'timeout' })
}

/** A request to devices that CS does not know: to proxies it is like any other. */
function request(world: World, random: RandomBytes, splitter: NodeId): Uint8Array {
  const directory = world.proxies[0]?.node.machine.status().directory
  const day = utcDay(world.now)
  const splitterKey = directory?.proxies.get(toHex(splitter))?.sealingKeys.get(day)
  const serverKey = directory?.serverSealingKeys.get(day)
  if (splitterKey === undefined || serverKey === undefined) throw new Error('a directory')
  const recipients = Array.from({ length: COPIES_A_REQUEST }, () => ({ id: nodeId(random(8)), accessCode: random(2) }))
  const made = assembleRequest(crypto, random, {
    ...{ splitterKey, serverKey, groupKey: point(concat(serverKey)), window: slotWindow(world.now), recipients },
    ...{ self: recipients[0]?.id ?? splitter, content: random(CONTENT_BYTES), mode: 'none' },
  })
  if (made === undefined || made.message.length < KIND_BYTES) throw new Error('keys that decode')
  return made.message
}
