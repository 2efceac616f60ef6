/**
 * What the device tests stand devices among: a server that is a bare endpoint in the test's hand, first proxies that do
 * at once what P1, P2 and CS do together (open, split, open the copies, deliver), over real links and real cryptography.
 */
import { type NodeId, nodeId, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { type Millis, slotWindow, utcDay } from '../../src/base/time.js'
import type { Identity, Verdict } from '../../src/crypto/crypto.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { newMessageId, sealContent } from '../../src/group/content.js'
import type { Group, SealingTarget } from '../../src/group/group.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { receiptBytes } from '../../src/group/sizes.js'
import type { PeerAddress, SessionId } from '../../src/link/link.js'
import type { DeviceBounds } from '../../src/role/device/core.js'
import { createDevice } from '../../src/role/device/device.js'
import type {
  DeviceCommand,
  DeviceOptions,
  DeviceOutput,
  Device as DeviceRole,
  InboxMessage,
} from '../../src/role/device.js'
import { type DirectoryDraft, signDirectory, signProxyEntry } from '../../src/role/directory.js'
import { runJob } from '../../src/role/jobs.js'
import { openingJob, readRequest } from '../../src/role/proxy/open-request.js'
import { createSealingKeys, type SealingKeys } from '../../src/role/sealing-keys.js'
import type { ContentKind } from '../../src/wire/content.js'
import { encodeMessage, type MessageOf, parseMessage } from '../../src/wire/message.js'
import { seed, seeded } from '../base/seeded.js'
import { Peer, type Received } from '../sim/peer.js'
import { calm, VirtualNetwork, type VirtualNode } from '../sim/virtual-network.js'

export const crypto = await loadCrypto()
export const random = seeded(seed)

const SERVER: PeerAddress = { host: '192.0.2.1', port: 7000 }
/** The least that Argon2id takes; what it derives is used like any other. */
export const CHEAP = { passes: 1, memoryBytes: 8192 }
const DERIVE_MS = 50

/** A command without its reference. */
export type Order = DeviceCommand extends infer C
  ? C extends { reference: number }
    ? Omit<C, 'reference'>
    : never
  : never
type Answer = Extract<DeviceOutput, { type: 'done' | 'failed' }>

export interface TestProxy {
  readonly id: NodeId
  readonly identity: Identity
  readonly keys: SealingKeys
  readonly address: PeerAddress
  readonly node: VirtualNode<Peer>
  behaviour: 'carries' | 'busy' | 'swallows'
  /** As P2: whether it makes the copy at this place of a request; what it leaves out gets random bytes for a token. */
  splits: (place: number) => boolean
  /** As P2: whether it puts other bytes in the place of personal parts. */
  garbles: boolean
  forwards: number
  /** Requests that it split as P2. */
  splitRequests: number
}

export class TestDevice {
  readonly lab: Lab
  readonly identity = crypto.identity(random(32))
  readonly id = nodeIdOf(crypto, this.identity.identityKey)
  readonly accessCode = random(2)
  readonly outputs: DeviceOutput[] = []
  readonly read: (readonly [format: string, field: string, value: string])[] = []
  readonly node: VirtualNode<DeviceRole>
  private references = 0

  constructor(lab: Lab, name: string, options: Partial<DeviceOptions>, bounds: DeviceBounds) {
    this.lab = lab
    const host = `10.0.0.${lab.devices.length + 1}`
    this.node = lab.network.add({
      name,
      address: { host, port: 9000 },
      make: () => createDevice({ ...this.options(), ...options }, bounds),
      onOutput: (output) => this.output(output as DeviceOutput),
    })
    lab.devices.push(this)
  }

  /** Gives a command and waits for its answer. */
  answer(order: Order, limitMs = 60_000): Answer {
    const reference = this.order(order)
    this.lab.network.runUntil(() => this.answerTo(reference) !== undefined, limitMs)
    const answer = this.answerTo(reference)
    if (answer === undefined) throw new Error(`${order.type} was not answered`)
    return answer
  }

  /** Gives a command. */
  order(order: Order): number {
    const reference = ++this.references
    this.lab.network.input(this.node, { ...order, reference })
    return reference
  }

  answerTo(reference: number): Answer | undefined {
    return this.outputs.find(
      (each): each is Answer => (each.type === 'done' || each.type === 'failed') && each.reference === reference,
    )
  }

  /** The code of a command that fails; throws where it does not. */
  refusal(order: Order, limitMs?: number): string {
    const answer = this.answer(order, limitMs)
    return answer.type === 'failed' ? answer.code : 'none'
  }

  get messages(): InboxMessage[] {
    return this.outputs.flatMap((each) => (each.type === 'message' ? [each.message] : []))
  }

  texts(): string[] {
    return this.messages.map(({ body }) => new TextDecoder().decode(body))
  }

  group(name: string): Group {
    const group = this.node.machine.group(name)
    if (group === undefined) throw new Error(`no group ${name}`)
    return group
  }

  get address() {
    return { version: 1, identityKey: this.identity.identityKey, accessCode: this.accessCode }
  }

  private options(): DeviceOptions {
    return {
      crypto,
      random,
      self: { identity: this.identity, id: this.id },
      accessCode: this.accessCode,
      server: { identityKey: this.lab.serverIdentity.identityKey, addresses: [SERVER] },
      padding: 'none',
      observe: (format, field, value) => this.read.push([format, field, toHex(value)]),
    }
  }

  private output(output: DeviceOutput): void {
    this.outputs.push(output)
    if (output.type !== 'derive') return
    const { reference, passphrase, salt } = output
    const { network } = this.lab
    network.at(network.now + DERIVE_MS, () => {
      const derived = crypto.argon2id(passphrase, salt, CHEAP)
      if (this.node.up) network.input(this.node, { type: 'derived', reference, derived })
    })
  }
}

export interface LabOptions {
  /** Where proxies listen. */
  readonly proxyHosts?: readonly string[]
}

export class Lab {
  readonly network = new VirtualNetwork(seed, calm)
  readonly serverIdentity = crypto.identity(random(32))
  readonly serverKeys = createSealingKeys(crypto, random)
  readonly server: VirtualNode<Peer>
  readonly proxies: TestProxy[]
  readonly devices: TestDevice[] = []
  /** What stands in each mailbox, by hex id and number. */
  readonly mailboxes = new Map<string, Map<number, Uint8Array>>()
  /** Personal parts, as a P2 reads them, of each request that brought some. */
  readonly personalParts: Uint8Array[] = []
  /** Numbers that devices confirmed. */
  readonly confirmed: number[] = []
  /** What is answered to a directory request; `undefined` for no answer. */
  directory: (now: Millis) => Uint8Array | undefined = (now) => this.signedDirectory({ issuedAt: now })
  /** Whether the server hands out what stands in mailboxes; what it held back goes out on the next session. */
  delivers = true
  /** What CS does with a copy for a device. */
  judges: (id: NodeId) => Verdict = () => 'stored'
  /** What first proxies have for who asks, by hex ticket. */
  readonly receipts = new Map<string, Uint8Array>()
  private version = 1
  private number = 1
  private readonly sessions = new Map<string, SessionId>()

  constructor({ proxyHosts = ['198.51.100.1', '203.0.113.1', '100.64.0.1'] }: LabOptions = {}) {
    const { linkSecret } = this.serverIdentity
    this.server = this.network.add({
      name: 'server',
      address: SERVER,
      make: () => new Peer({ linkSecret }, crypto, random),
    })
    this.server.machine.onMessage = (now, received) => this.atServer(now, received)
    this.proxies = proxyHosts.map((host) => this.makeProxy(host))
  }

  device(name: string, options: Partial<DeviceOptions> = {}, bounds: DeviceBounds = {}): TestDevice {
    return new TestDevice(this, name, options, bounds)
  }

  /** A directory of the next version that lists all proxies, signed by the server; `changes` are signed too. */
  signedDirectory(changes: Partial<DirectoryDraft> = {}): Uint8Array {
    const { now } = this.network
    this.serverKeys.advance(now)
    const proxies = this.proxies.map(({ identity, keys, address }) => {
      keys.advance(now)
      return signProxyEntry(crypto, identity, { issuedAt: now, sealingKeys: keys.published(now), addresses: [address] })
    })
    return signDirectory(crypto, this.serverIdentity, {
      version: this.version++,
      issuedAt: now,
      validUntil: now + limits.directoryLifeMs,
      sealingKeys: this.serverKeys.published(now),
      proxies,
      ...changes,
    })
  }

  /** Hands a payload to a device as CS does; returns the delivery's number. */
  deliver(id: NodeId, payload: Uint8Array): number {
    const number = this.number++
    const mailbox = this.mailboxOf(toHex(id))
    mailbox.set(number, payload)
    this.network.at(this.network.now, () => this.sendDelivery(toHex(id), number))
    return number
  }

  /** Says anything to a device on its link to the server. */
  say(id: NodeId, message: Uint8Array): void {
    const session = this.sessions.get(toHex(id))
    if (session === undefined) throw new Error('the device is not connected')
    this.server.machine.endpoint.send(this.network.now, session, message)
    this.network.input(this.server, { type: 'timeout' })
  }

  /** A group of these devices: the first creates it and invites the others, and all hold the same list. */
  makeGroup(name: string, creator: TestDevice, ...others: readonly TestDevice[]): Group {
    creator.answer({ type: 'createGroup', name })
    for (const other of others) {
      const passphrase = utf8(`the passphrase of ${toHex(other.id)}`)
      const invited = creator.answer({ type: 'invite', group: name, address: other.address, passphrase })
      this.network.runUntil(() => other.node.machine.status().unopened > 0, 5_000)
      const joined = other.answer({ type: 'join', passphrase })
      if (invited.type !== 'done' || joined.type !== 'done') throw new Error(JSON.stringify([invited, joined]))
    }
    const all = [creator, ...others]
    const complete = () => all.every((each) => each.group(name).list.members.size === all.length)
    if (!this.network.runUntil(complete, 60_000)) throw new Error('the lists did not converge')
    // Until everybody has been introduced, and all of it is written, confirmed and proven.
    this.network.runFor(3_000)
    const proven = () => all.every(({ node }) => node.machine.status().unprovenMessages === 0)
    if (!this.network.runUntil(proven, 60_000)) throw new Error('something was not proven')
    return creator.group(name)
  }

  /** A content for a group as any holder of its keys might make it, scrambled as P2 does for one copy. */
  forge(group: Group, from: Pick<TestDevice, 'identity' | 'id'>, changes: Partial<Forgery> = {}): Uint8Array {
    const content = sealContent(crypto, random, {
      identity: from.identity,
      sender: changes.sender ?? from.id,
      signedFor: { type: 'group', id: group.id, keys: group.keys },
      messageId: newMessageId(random, changes.sentAt ?? this.network.now),
      kind: changes.kind ?? 'application',
      body: changes.body ?? utf8('forged'),
      paddingBytes: 0,
    })
    return this.scramble(group, changes.spoil?.(content) ?? content)
  }

  scramble({ keys }: { readonly keys: SealingTarget }, content: Uint8Array): Uint8Array {
    const { publicPoint } = keys
    const context = { label: utf8('splitcast/sc'), associated: new Uint8Array(0) }
    const payload = crypto.seal(publicPoint, context, Uint8Array.of(0, ...content), random(64))
    if (payload === undefined) throw new Error('the keys of a group decode')
    return payload
  }

  /** Lets time pass while everybody is away but the server and the proxies, then starts the device again. */
  absence(device: TestDevice, durationMs: number): void {
    for (const { node } of this.devices) this.network.crash(node)
    this.network.runFor(1_000)
    this.network.now += durationMs
    device.outputs.length = 0
    this.network.restart(device.node)
    this.network.runFor(1_000)
  }

  private makeProxy(host: string): TestProxy {
    const identity = crypto.identity(random(32))
    const address = { host, port: 8000 }
    const { identityKey, linkSecret } = identity
    const node = this.network.add({
      name: host,
      address,
      make: () => new Peer({ linkSecret }, crypto, random),
    })
    const keys = createSealingKeys(crypto, random)
    const id = nodeIdOf(crypto, identityKey)
    const proxy: TestProxy = {
      id,
      identity,
      keys,
      address,
      node,
      behaviour: 'carries',
      splits: () => true,
      garbles: false,
      forwards: 0,
      splitRequests: 0,
    }
    node.machine.onMessage = (now, received) => this.atProxy(now, proxy, received)
    return proxy
  }

  private atServer(now: Millis, { session, message }: Received): void {
    const { endpoint } = this.server.machine
    if (message.kind === 'identityProof') {
      const id = toHex(nodeIdOf(crypto, message.value.identityKey))
      this.sessions.set(id, session)
      for (const number of this.mailboxOf(id).keys()) this.network.at(now, () => this.sendDelivery(id, number))
    }
    if (message.kind === 'directoryRequest') {
      const directory = this.directory(now)
      if (directory !== undefined) endpoint.send(now, session, encodeMessage('directoryReply', { directory }))
    }
    if (message.kind === 'deliveryConfirmation') {
      for (const { number } of message.value.numbers) {
        this.confirmed.push(number)
        for (const mailbox of this.mailboxes.values()) mailbox.delete(number)
      }
    }
  }

  private atProxy(now: Millis, proxy: TestProxy, { session, number, message }: Received): void {
    const { endpoint } = proxy.node.machine
    if (message.kind === 'receiptRequest') {
      const { ticket, tokenBytes } = message.value
      const tokens = this.receipts.get(toHex(ticket)) ?? random(tokenBytes)
      endpoint.send(now, session, encodeMessage('receiptReply', { ticket, tokens }))
      return
    }
    if (message.kind !== 'forward') throw new Error(`a device said ${message.kind} to a proxy`)
    proxy.forwards++
    if (proxy.behaviour === 'carries') this.carry(now, message.value)
    if (proxy.behaviour !== 'busy') return
    endpoint.send(now, session, encodeMessage('busy', { message: number }))
  }

  /** P2 and CS in one. */
  private carry(now: Millis, { nextHop, message }: MessageOf<'forward'>['value']): void {
    const second = this.proxies.find(({ id }) => toHex(id) === toHex(nextHop))
    const parsed = parseMessage(message)
    if (second === undefined || !parsed.ok || parsed.value.kind !== 'request') throw new Error('a forward of a request')
    const published = this.serverKeys.published(now)
    const serverKeys = new Map(published.map(({ day, key }) => [day, key]))
    const request = parsed.value.value
    const result = runJob(crypto, openingJob({ secrets: second.keys.secrets(now), serverKeys }, now, request))
    if (result.type !== 'openRequest' || result.unsealed === undefined) throw new Error('a request that opens')
    const opened = readRequest(request.ephemeral, result.unsealed)
    if (!opened.ok) throw new Error(opened.code)
    const { personalParts: parts } = opened.request.split
    if (parts.length > 0) this.personalParts.push(parts.slice())
    const personalParts = second.garbles ? random(parts.length) : parts
    const split = crypto.prepareSplit({ ...opened.request.split, personalParts }, random(32))
    const secret = this.serverKeys.secrets(now).find(({ day }) => day === utcDay(now))?.secret
    if (split === undefined || secret === undefined) throw new Error('a request that can be split today')
    second.splitRequests++
    const tokens = random(receiptBytes(message.length))
    this.receipts.set(toHex(request.ephemeral.subarray(0, 16)), tokens)
    for (let i = 0; i < split.copies; i++) {
      const copy = crypto.openCopies(secret, [slotWindow(now)], [split.split(i, 1)])[0]
      const recipient = copy?.recipients[0]
      if (copy === undefined || recipient === undefined) throw new Error('a copy that opens')
      if (!second.splits(i)) continue
      const id = nodeId(recipient.slice(0, 8))
      const verdict = this.judges(id)
      tokens.set(crypto.receiptToken(copy.receiptKey, verdict, copy.copy), 4 * i)
      if (verdict === 'stored') this.deliver(id, copy.payload.slice())
    }
  }

  private sendDelivery(id: string, number: number): void {
    const payload = this.mailboxOf(id).get(number)
    const session = this.sessions.get(id)
    if (payload === undefined || session === undefined || !this.delivers) return
    const message = encodeMessage('delivery', { number, payload })
    this.server.machine.endpoint.send(this.network.now, session, message)
    this.network.input(this.server, { type: 'timeout' })
  }

  private mailboxOf(id: string): Map<number, Uint8Array> {
    const mailbox = this.mailboxes.get(id) ?? new Map()
    this.mailboxes.set(id, mailbox)
    return mailbox
  }
}

export interface Forgery {
  readonly sender: NodeId
  readonly sentAt: Millis
  readonly kind: ContentKind
  readonly body: Uint8Array
  readonly spoil: (content: Uint8Array) => Uint8Array
}
