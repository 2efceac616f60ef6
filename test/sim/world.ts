/**
 * A whole network in memory: one server, some proxies and devices, each the real machine over real links, and what a
 * test wants of them: groups that are made, messages that are sent, who got what. Everything follows from the seed.
 */
import { equal, type NodeId, toHex, utf8 } from '../../src/base/bytes.js'
import type { Millis } from '../../src/base/time.js'
import type { Crypto, Identity } from '../../src/crypto/crypto.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import type { Group, PaddingMode } from '../../src/group/group.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { listDigest } from '../../src/group/member-list.js'
import type { PeerAddress } from '../../src/link/link.js'
import { createDevice } from '../../src/role/device/device.js'
import type {
  Device,
  DeviceAddress,
  DeviceCommand,
  DeviceOptions,
  DeviceOutput,
  DeviceResult,
  InboxMessage,
} from '../../src/role/device.js'
import { createProxy } from '../../src/role/proxy/proxy.js'
import type { ProxyOptions, Proxy as ProxyRole } from '../../src/role/proxy.js'
import type { Self } from '../../src/role/role.js'
import { createServer } from '../../src/role/server/server.js'
import type { Server } from '../../src/role/server.js'
import { seeded } from '../base/seeded.js'
import { Peer } from './peer.js'
import { type Conditions, calm, VirtualNetwork, type VirtualNode } from './virtual-network.js'

export const crypto = await loadCrypto()

const SERVER_ADDRESS: PeerAddress = { host: '192.0.2.1', port: 7000 }
const MEAN_WAIT_MS = 50
/** Passphrases are not what is tested here. */
const CHEAP = { passes: 1, memoryBytes: 8192 }
const DERIVE_MS = 40

export interface WorldOptions {
  readonly seed: number
  readonly proxies?: number
  readonly devices?: number
  readonly conditions?: Conditions
  readonly padding?: PaddingMode
  /** Hosts of the proxies; by default each in a network of its own. */
  readonly proxyHosts?: readonly string[]
  /** The proxy, by its place, that runs beside each device. */
  readonly ownProxy?: number
  /** What a node, by its name, computes with; by default the product's own. */
  readonly cryptoOf?: (name: string) => Crypto
  /** Settings of all proxies and all devices, in place of the usual ones. */
  readonly proxySettings?: Partial<ProxyOptions>
  readonly deviceSettings?: Partial<DeviceOptions>
}

/** A field as a node read it. */
export interface Read {
  readonly format: string
  readonly field: string
  readonly value: Uint8Array
}

export interface Actor<M extends Device | ProxyRole | Server> {
  readonly name: string
  readonly self: Self
  readonly node: VirtualNode<M>
  readonly read: Read[]
}

export interface DeviceActor extends Actor<Device> {
  readonly address: DeviceAddress
  /** Messages as they were handed on, those of earlier runs that came again left out. */
  readonly inbox: InboxMessage[]
  /** How often one was handed on that had been handed on before in the same run. */
  repeated: number
  readonly answers: Map<number, DeviceAnswer>
}

type DeviceAnswer = Extract<DeviceOutput, { type: 'done' | 'failed' }>
type WithoutReference<T> = T extends unknown ? Omit<T, 'reference'> : never

export class World {
  readonly network: VirtualNetwork
  readonly server: Actor<Server>
  readonly proxies: Actor<ProxyRole>[] = []
  readonly devices: DeviceActor[] = []
  private readonly options: WorldOptions
  private reference = 0
  /** The run in which each message was last handed on. */
  private readonly handedOn = new Map<string, number>()

  constructor(options: WorldOptions) {
    this.options = options
    this.network = new VirtualNetwork(options.seed, options.conditions ?? calm)
    this.server = this.addServer()
    for (let i = 0; i < (options.proxyHosts?.length ?? options.proxies ?? 4); i++) this.proxies.push(this.addProxy(i))
    this.runUntil('all proxies are listed', () => this.proxies.every(({ node }) => node.machine.status().listed))
    for (let i = 0; i < (options.devices ?? 8); i++) this.devices.push(this.addDevice(i))
    this.runUntil('all devices hold the whole directory', () =>
      this.devices.every(({ node }) => this.proxies.length === (node.machine.status().directory?.proxies.size ?? -1)),
    )
  }

  get now(): Millis {
    return this.network.now
  }

  device(index: number): DeviceActor {
    const device = this.devices[index]
    if (device === undefined) throw new Error(`no device ${index}`)
    return device
  }

  /** Runs until it holds, or throws; names the seed. */
  runUntil(what: string, done: () => boolean, limitMs = 120_000): void {
    if (this.network.runUntil(done, limitMs)) return
    throw new Error(`not within ${limitMs} ms: ${what} (SEED=${this.options.seed})`)
  }

  /** Gives a command; the answer is there once `answerOf` says so. */
  command(device: DeviceActor, command: WithoutReference<DeviceCommand>): number {
    const reference = this.reference++
    this.network.input(device.node, { ...command, reference })
    return reference
  }

  /** The result of a command; throws where it failed. */
  do(device: DeviceActor, command: WithoutReference<DeviceCommand>): DeviceResult {
    return this.result(device, this.command(device, command))
  }

  result(device: DeviceActor, reference: number): DeviceResult {
    const answer = this.answer(device, reference)
    if (answer.type === 'done') return answer.result
    throw new Error(`${device.name}: ${answer.code} ${answer.message} (SEED=${this.options.seed})`)
  }

  /** Waits for the answer to a command. */
  answer(device: DeviceActor, reference: number): DeviceAnswer {
    this.runUntil(`${device.name} answers`, () => device.answers.has(reference))
    return device.answers.get(reference) as DeviceAnswer
  }

  /** Makes a group of the first `members` devices; all join at the same time. */
  makeGroup(name: string, members: number): void {
    const [creator, ...others] = this.devices.slice(0, members) as [DeviceActor, ...DeviceActor[]]
    this.do(creator, { type: 'createGroup', name })
    const passphrase = (device: DeviceActor) => utf8(`a passphrase for ${device.name} alone`)
    const invited = others.map((each) =>
      this.command(creator, { type: 'invite', group: name, address: each.address, passphrase: passphrase(each) }),
    )
    for (const reference of invited) this.result(creator, reference)
    this.runUntil('invitations arrive', () => others.every(({ node }) => node.machine.status().unopened > 0))
    const joined = others.map(
      (each) => [each, this.command(each, { type: 'join', passphrase: passphrase(each), name })] as const,
    )
    for (const [each, reference] of joined) this.result(each, reference)
    this.runUntil('lists agree', () => this.listsAgree(name, members))
  }

  /** Whether the first `members` devices hold one and the same list of as many. */
  listsAgree(name: string, members: number): boolean {
    const groups = this.devices.slice(0, members).map(({ node }) => node.machine.group(name))
    const digests = new Set(groups.map((group) => (group === undefined ? '' : toHex(listDigest(crypto, group.list)))))
    return digests.size === 1 && groups.every((group) => group?.list.members.size === members)
  }

  group(device: DeviceActor, name: string): Group {
    const group = device.node.machine.group(name)
    if (group === undefined) throw new Error(`${device.name} has no group ${name}`)
    return group
  }

  send(device: DeviceActor, group: string, body: Uint8Array): DeviceResult {
    return this.do(device, { type: 'send', group, body })
  }

  /** How often a device was handed a body. */
  got(device: DeviceActor, body: Uint8Array): number {
    return device.inbox.filter((message) => equal(message.body, body)).length
  }

  /** Crashes a node for a while and starts it again from its disk. */
  restart(actor: Actor<Server> | Actor<ProxyRole> | DeviceActor, downMs = 1_000): void {
    this.crash(actor)
    this.network.runFor(downMs)
    this.network.restart(actor.node)
  }

  crash(actor: Actor<Server> | Actor<ProxyRole> | DeviceActor): void {
    this.network.crash(actor.node)
  }

  /** A stranger with a socket of its own. */
  addPeer(host: string): VirtualNode<Peer> {
    const random = seeded(this.options.seed + 10_000 + this.network.nodes.length)
    return this.network.add({
      name: `peer ${host}`,
      address: { host, port: 9000 },
      make: () => new Peer({}, crypto, random),
    })
  }

  private cryptoOf(name: string): Crypto {
    return this.options.cryptoOf?.(name) ?? crypto
  }

  private self(random: (bytes: number) => Uint8Array): Self {
    const identity: Identity = crypto.identity(random(32))
    return { identity, id: nodeIdOf(crypto, identity.identityKey) as NodeId }
  }

  private addServer(): Actor<Server> {
    const random = seeded(this.options.seed + 1)
    const self = this.self(random)
    const read: Read[] = []
    const make = () =>
      createServer({ crypto: this.cryptoOf('server'), random, self, admitted: 'open', observe: into(read) })
    return { name: 'server', self, read, node: this.network.add({ name: 'server', address: SERVER_ADDRESS, make }) }
  }

  private contact() {
    return { identityKey: this.server.self.identity.identityKey, addresses: [SERVER_ADDRESS] }
  }

  private addProxy(index: number): Actor<ProxyRole> {
    const random = seeded(this.options.seed + 100 + index)
    const self = this.self(random)
    const read: Read[] = []
    const name = `proxy ${index}`
    const host = this.options.proxyHosts?.[index] ?? `198.${51 + index}.100.1`
    const address = { host, port: 7001 }
    const server = this.contact()
    const make = () =>
      createProxy({
        crypto: this.cryptoOf(name),
        random,
        self,
        server,
        advertised: [address],
        meanWaitMs: MEAN_WAIT_MS,
        observe: into(read),
        ...this.options.proxySettings,
      })
    return { name, self, read, node: this.network.add({ name, address, make }) }
  }

  private addDevice(index: number): DeviceActor {
    const random = seeded(this.options.seed + 1_000 + index)
    const self = this.self(random)
    const accessCode = random(2)
    const read: Read[] = []
    const name = `device ${index}`
    const own = this.options.ownProxy === undefined ? undefined : this.proxies[this.options.ownProxy]
    const make = () =>
      createDevice({
        crypto: this.cryptoOf(name),
        random,
        self,
        accessCode,
        server: this.contact(),
        padding: this.options.padding ?? 'classes',
        observe: into(read),
        ...(own && { ownProxy: own.self.id }),
        ...this.options.deviceSettings,
      })
    const actor: DeviceActor = {
      name,
      self,
      read,
      address: { version: 1, identityKey: self.identity.identityKey, accessCode },
      inbox: [],
      repeated: 0,
      answers: new Map(),
      node: this.network.add({
        name,
        address: { host: '10.0.0.2', port: 5000 },
        natHost: `203.0.113.${index + 1}`,
        make,
        onOutput: (output) => this.fromDevice(actor, output as DeviceOutput),
      }),
    }
    return actor
  }

  private fromDevice(actor: DeviceActor, output: DeviceOutput): void {
    if (output.type === 'done' || output.type === 'failed') actor.answers.set(output.reference, output)
    else if (output.type === 'derive') {
      const derived = crypto.argon2id(output.passphrase, output.salt, CHEAP)
      const input = { type: 'derived', reference: output.reference, derived }
      this.network.at(this.now + DERIVE_MS, () => this.network.input(actor.node, input))
    } else if (output.type === 'message') this.handOn(actor, output.message)
  }

  /** What was not acknowledged comes again after a restart, under the same number; in one run it must not. */
  private handOn(actor: DeviceActor, message: InboxMessage): void {
    const name = `${actor.name} ${message.sequence} ${toHex(message.sender)} ${toHex(message.messageId)}`
    const run = this.handedOn.get(name)
    this.handedOn.set(name, actor.node.run)
    if (run === undefined) actor.inbox.push(message)
    else if (run === actor.node.run) actor.repeated++
  }
}

function into(read: Read[]) {
  return (format: string, field: string, value: Uint8Array) => {
    read.push({ format, field, value: value.slice() })
  }
}
