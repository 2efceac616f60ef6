/**
 * What the tests of the server stand it among: devices and proxies that are bare endpoints in the test's hand, and copies as a
 * source and a second proxy make them (PROTOCOL.md sections 4, 5 and 7).
 */
import type { ServerLimits } from '../../src/base/bounds.js'
import { concat, type NodeId, type Point, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { slotWindow, utcDay } from '../../src/base/time.js'
import type { Identity, Verdict } from '../../src/crypto/crypto.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { nodeIdOf } from '../../src/group/identity.js'
import type { PeerAddress, SessionId } from '../../src/link/link.js'
import { type ProxyEntry, signProxyEntry, verifyDirectory } from '../../src/role/directory.js'
import { mergeDelta } from '../../src/role/directory-delta.js'
import { createSealingKeys } from '../../src/role/sealing-keys.js'
import { createServer } from '../../src/role/server/server.js'
import type { Server } from '../../src/role/server.js'
import type { VerifiedDirectory } from '../../src/role/server-link.js'
import { directory as directoryFormat } from '../../src/wire/directory.js'
import {
  encodeMessage,
  type MessageKind,
  type MessageOf,
  type ProxyVouching,
  type RoleName,
  roles,
} from '../../src/wire/message.js'
import { present } from '../base/present.js'
import { seed, seeded } from '../base/seeded.js'
import { Peer } from '../sim/peer.js'
import { calm, VirtualNetwork, type VirtualNode } from '../sim/virtual-network.js'

export { present }

export const crypto = await loadCrypto()
export const random = seeded(seed)

export const serverAddress: PeerAddress = { host: '192.0.2.1', port: 7000 }
export const serverIdentity = crypto.identity(random(32))

type Field = readonly [format: string, field: string, value: Uint8Array]

export interface WorldOptions {
  readonly admitted?: 'open' | ReadonlySet<string>
  readonly bounds?: Partial<ServerLimits>
  /** What the server finds on its disk. */
  readonly store?: ReadonlyMap<string, Uint8Array>
}

/** A server on a network of its own. */
export class World {
  readonly network = new VirtualNetwork(seed, calm)
  readonly server: VirtualNode<Server>
  /** Each field the server read. */
  readonly read: Field[] = []
  private hosts = 0

  constructor({ admitted = 'open', bounds = {}, store }: WorldOptions = {}) {
    const self = { identity: serverIdentity, id: nodeIdOf(crypto, serverIdentity.identityKey) }
    const observe = (format: string, field: string, value: Uint8Array) => this.read.push([format, field, value.slice()])
    const make = () => createServer({ crypto, random: seeded(seed + 1), observe, self, admitted }, bounds)
    this.server = this.network.add({ name: 'server', address: serverAddress, make })
    if (store === undefined) return
    this.network.crash(this.server)
    for (const [key, value] of store) this.server.store.set(key, value)
    this.network.restart(this.server)
  }

  node(identity = crypto.identity(random(32)), accessCode = random(2), network = '198.51.100'): Client {
    const address = { host: `${network}.${++this.hosts}`, port: 7001 }
    const make = () => new Peer({}, crypto, random)
    const node = this.network.add({ name: `node ${this.hosts}`, address, make })
    return new Client(this, node, identity, accessCode)
  }

  /** A device that has proved who it is. */
  device(identity?: Identity, accessCode?: Uint8Array): Client {
    const device = this.node(identity, accessCode)
    device.enter('device')
    return device
  }

  /** A proxy that has proved who it is and holds the directory. */
  proxy(identity?: Identity, network?: string): Client {
    const proxy = this.node(identity, new Uint8Array(2), network)
    proxy.enter('proxy')
    proxy.learn()
    return proxy
  }

  /** A proxy that has announced itself and is listed. */
  listedProxy(identity?: Identity): Client {
    const proxy = this.proxy(identity)
    proxy.announce()
    this.until(() => proxy.directory().proxies.has(proxy.hex), 'the proxy to be listed')
    return proxy
  }

  until(done: () => boolean, what: string, limitMs = 5_000): void {
    if (!this.network.runUntil(done, limitMs)) throw new Error(`waited in vain for ${what}`)
  }

  /** Runs on, a second unless told otherwise, and tells how the counts of drops changed. */
  drops(act: () => void, runMs = 1_000): Record<string, number> {
    const before = new Map(this.server.drops)
    act()
    this.network.runFor(runMs)
    const changed = [...this.server.drops].map(([code, count]) => [code, count - (before.get(code) ?? 0)] as const)
    return Object.fromEntries(changed.filter(([, count]) => count > 0))
  }

  /** A power cut and a new start from what was durable; every link is gone. */
  reboot(): void {
    this.network.crash(this.server)
    this.network.restart(this.server)
    this.network.runFor(50)
  }

  /** Keys under which something is stored. */
  stored(prefix: string): string[] {
    return [...this.server.store.keys()].filter((key) => key.startsWith(prefix))
  }
}

/** A device or proxy in the test's hand. */
export class Client {
  readonly world: World
  readonly node: VirtualNode<Peer>
  readonly identity: Identity
  readonly id: NodeId
  readonly hex: string
  accessCode: Uint8Array
  session: SessionId | undefined
  private references = 0

  constructor(world: World, node: VirtualNode<Peer>, identity: Identity, accessCode: Uint8Array) {
    this.world = world
    this.node = node
    this.identity = identity
    this.id = nodeIdOf(crypto, identity.identityKey)
    this.hex = toHex(this.id)
    this.accessCode = accessCode
  }

  get peer(): Peer {
    return this.node.machine
  }

  /** 10 bytes: what a slot says to name this device. */
  get recipient(): Uint8Array {
    return concat(this.id, this.accessCode)
  }

  connect(): SessionId {
    const { network } = this.world
    const linkKey = present(crypto.linkPublicKey(serverIdentity.identityKey))
    const session = this.peer.endpoint.connect(network.now, linkKey, serverAddress)
    this.session = session
    network.input(this.node, { type: 'timeout' })
    this.world.until(() => this.peer.endpoint.handshakeHash(session) !== undefined, 'a handshake')
    return session
  }

  /** Connects, proves and waits until the server has heard it. */
  enter(role: RoleName): void {
    const session = this.connect()
    this.send('identityProof', this.proof(role))
    this.world.until(
      () => this.peer.events.some((event) => event.type === 'delivered' && event.session === session),
      'proof',
    )
  }

  proof(role: RoleName, changes: { readonly handshakeHash?: Uint8Array; readonly signedRole?: RoleName } = {}) {
    const { identityKey } = this.identity
    const handshakeHash = changes.handshakeHash ?? present(this.peer.endpoint.handshakeHash(present(this.session)))
    const roleByte = Uint8Array.of(roles[changes.signedRole ?? role])
    const signed = [labels.identityProof, handshakeHash, roleByte, identityKey, this.accessCode]
    return { role, identityKey, accessCode: this.accessCode, signature: crypto.sign(this.identity, ...signed) }
  }

  send<K extends MessageKind>(kind: K, value: MessageOf<K>['value']): void {
    const { network } = this.world
    this.peer.endpoint.send(network.now, present(this.session), encodeMessage(kind, value))
    network.input(this.node, { type: 'timeout' })
  }

  /** Says goodbye, or just loses the link without the server hearing of it. */
  leave(how: 'goodbye' | 'silently'): void {
    const { network } = this.world
    if (how === 'silently') this.node.machine = this.node.options.make()
    else this.peer.endpoint.close(network.now, present(this.session), 'goingAway')
    network.input(this.node, { type: 'timeout' })
    network.runFor(50)
  }

  /** Whether the server closed this client's last session, and why. */
  closedBy(): string | undefined {
    const closed = this.peer.events.findLast((event) => event.type === 'closed')
    return closed?.type === 'closed' ? closed.reason : undefined
  }

  learn(version = 0): void {
    this.send('directoryRequest', { version })
    this.world.until(() => this.directories > 0, 'a directory')
  }

  /** How many directories came, whole or as differences. */
  get directories(): number {
    return this.peer.of('directoryReply').length + this.peer.of('directoryDelta').length
  }

  /** What came of the directories received; it must hold now. */
  directory(): VerifiedDirectory {
    let held: VerifiedDirectory | undefined
    for (const { message } of this.peer.received) {
      if (message.kind === 'directoryReply') held = this.verified(message.value.directory)
      else if (message.kind === 'directoryDelta')
        held = this.verified(present(mergeDelta(crypto, present(held), message.value)))
    }
    return this.verified(present(held).encoded, this.world.network.now)
  }

  private verified(encoded: Uint8Array, now?: number): VerifiedDirectory {
    const parsed = directoryFormat.parse(encoded)
    const at = now ?? (parsed.ok ? parsed.value.issuedAt : 0)
    const verified = verifyDirectory(crypto, serverIdentity.identityKey, encoded, at, 0)
    if (!verified.ok) throw new Error(`a directory that does not verify: ${verified.code}`)
    return verified.directory
  }

  entry({ identity = this.identity, now = this.world.network.now, port = this.node.address.port } = {}): ProxyEntry {
    const keys = createSealingKeys(crypto, random)
    keys.advance(now)
    return signProxyEntry(crypto, identity, {
      issuedAt: now,
      sealingKeys: keys.published(now),
      addresses: [{ ...this.node.address, port }],
    })
  }

  announce(entry = this.entry(), vouching: ProxyVouching = 'operator'): void {
    this.send('proxyAnnouncement', { vouching, entry })
  }

  /** Sends copies as they are and returns their references. */
  submit(sealed: readonly Uint8Array[]): number[] {
    return sealed.map((each) => {
      const reference = this.references++
      this.send('copy', { reference, extension: new Uint8Array(0), sealed: each })
      return reference
    })
  }

  /** Sends copies and waits for the token of each, hexadecimal. */
  deliver(sealed: readonly Uint8Array[]): string[] {
    const references = this.submit(sealed)
    this.world.until(() => references.every((reference) => this.token(reference) !== undefined), 'answers', 30_000)
    return references.map((reference) => present(this.token(reference)))
  }

  token(reference: number): string | undefined {
    const answers = this.peer.of('copyAnswers').flatMap((message) => message.answers)
    const answer = answers.find((each) => each.reference === reference)
    return answer && toHex(answer.token)
  }

  /** How the payload of each delivery begins, hexadecimal, in the order in which they came. */
  get points(): string[] {
    return this.peer.of('delivery').map(({ payload }) => toHex(payload.subarray(0, POINT_BYTES)))
  }

  /** Numbers of the deliveries, in the order in which they came. */
  get numbers(): number[] {
    return this.peer.of('delivery').map(({ number }) => number)
  }

  confirm(numbers: readonly number[]): void {
    this.send('deliveryConfirmation', { numbers: numbers.map((number) => ({ number })) })
  }
}

/** One message's copies as P2 sends them, and what S knows of them. */
export interface Message {
  readonly sealed: readonly Uint8Array[]
  /** How the payload of each copy begins, hexadecimal. */
  readonly points: readonly string[]
  /** The token of each copy, hexadecimal. */
  tokens(verdict: Verdict): string[]
}

export interface MessageOptions {
  /** 10 bytes each. */
  readonly recipients: readonly Uint8Array[]
  /** C, that of today unless told otherwise. */
  readonly serverKey: Point
  readonly window: number
  readonly contentBytes?: number
}

const POINT_BYTES = 32
const COPY_HEAD_BYTES = 42
/** E_i, tag, and the length of the personal part. */
const PAYLOAD_OVERHEAD_BYTES = 49
const SEAL_BYTES = 48

export function makeMessage({ recipients, serverKey, window, contentBytes = 100 }: MessageOptions): Message {
  const copyBytes = COPY_HEAD_BYTES + PAYLOAD_OVERHEAD_BYTES + contentBytes
  const anyPoint = () => crypto.publicPoint(crypto.reduce(random(64)))
  const keys = { splitterKey: anyPoint(), serverKey, groupKey: anyPoint() }
  const plan = { ...keys, window, copyBytes, recipients: concat(...recipients), entropy: random(128) }
  const slots = present(crypto.makeSlots(plan))
  const none = { personalPartBytes: 0, personalParts: new Uint8Array(0) }
  const request = { ...slots, ...none, serverKey, content: random(contentBytes) }
  const { copies, split } = present(crypto.prepareSplit(request, random(32)))
  const sealed = parts(split(0, copies), copyBytes + SEAL_BYTES)
  const tokensOf = (verdict: Verdict) => crypto.expectedTokens(request, slots.receiptKeys, verdict, 0, copies)
  const points = parts(crypto.payloadPoints(request, 0, copies), POINT_BYTES)
  return { sealed, points: points.map(toHex), tokens: (verdict) => parts(tokensOf(verdict), 4).map(toHex) }
}

/** A message to devices, made now under the C of today that `reader` was handed. */
export function messageTo(reader: Client, recipients: readonly Uint8Array[], contentBytes?: number): Message {
  const { now } = reader.world.network
  const serverKey = present(reader.directory().serverSealingKeys.get(utcDay(now)))
  return makeMessage({ recipients, serverKey, window: slotWindow(now), ...(contentBytes && { contentBytes }) })
}

function parts(joined: Uint8Array, partBytes: number): Uint8Array[] {
  return Array.from({ length: joined.length / partBytes }, (_, i) => joined.slice(i * partBytes, (i + 1) * partBytes))
}

/** A server with one listed proxy and one connected device. */
export function network(options?: ConstructorParameters<typeof World>[0]) {
  const world = new World(options)
  const proxy = world.listedProxy()
  const device = world.device()
  return { world, proxy, device }
}

/** Confirms whatever comes, as a device does once it has written it. */
export function confirming(device: Client): Client {
  device.peer.onMessage = (_now, { message }) => {
    if (message.kind === 'delivery') device.confirm([message.value.number])
  }
  return device
}
