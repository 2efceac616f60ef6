/**
 * A whole network in memory: one server, some proxies and devices, each the real machine over real links, and what a
 * test wants of them: groups that are made, messages that are sent, who got what. Everything follows from the seed.
 */
import { equal, toHex, utf8 } from '../../src/base/bytes.js'
import type { Millis } from '../../src/base/time.js'
import type { Group } from '../../src/group/group.js'
import { listDigest } from '../../src/group/member-list.js'
import type { DeviceCommand, DeviceOutput, DeviceResult, InboxMessage } from '../../src/role/device.js'
import type { Proxy as ProxyRole } from '../../src/role/proxy.js'
import type { Server } from '../../src/role/server.js'
import { seeded } from '../base/seeded.js'
import {
  type Actor,
  addDevice,
  addProxy,
  addServer,
  type Casting,
  contactOf,
  crypto,
  type DeviceActor,
  type DeviceAnswer,
  type DevicePerson,
  devicePerson,
  proxyPerson,
  type Read,
  serverPerson,
} from './actors.js'
import { groupEntries, type MadeGroup } from './groups.js'
import { Peer } from './peer.js'
import { type Conditions, calm, START, type Tap, VirtualNetwork, type VirtualNode } from './virtual-network.js'

export { type Actor, crypto, type DeviceActor, type Read }

/** Passphrases are not what is tested here. */
const CHEAP = { passes: 1, memoryBytes: 8192 }
const DERIVE_MS = 40

export interface WorldOptions extends Casting {
  readonly proxies?: number
  readonly devices?: number
  readonly conditions?: Conditions
  /** The proxy, by its place, that runs beside each device. */
  readonly ownProxy?: number
  /** Groups that are there from the beginning. */
  readonly groups?: readonly MadeGroup[]
  /** When it begins. */
  readonly start?: Millis
  /** Sees every datagram from the first on. */
  readonly tap?: Tap
  /** Does the jobs of all nodes, in place of what does them usually. */
  readonly run?: VirtualNetwork['run']
}

type WithoutReference<T> = T extends unknown ? Omit<T, 'reference'> : never

export class World {
  readonly network: VirtualNetwork
  readonly server: Actor<Server>
  readonly proxies: Actor<ProxyRole>[] = []
  readonly devices: DeviceActor[] = []
  /** Told of whatever a device says to its user, before anything is done about it. */
  readonly watchers: ((actor: DeviceActor, output: DeviceOutput) => void)[] = []
  readonly options: WorldOptions
  private reference = 0
  /** The run in which each message was last handed on. */
  private readonly handedOn = new Map<string, number>()

  constructor(options: WorldOptions) {
    const { seed, conditions = calm, start = START } = options
    this.options = options
    this.network = new VirtualNetwork(seed, conditions, start)
    if (options.tap !== undefined) this.network.taps.push(options.tap)
    if (options.run !== undefined) this.network.run = options.run
    const server = serverPerson(options)
    this.server = addServer(this.network, options, server)
    const contact = contactOf(server)
    for (let i = 0; i < (options.proxyHosts?.length ?? options.proxies ?? 4); i++) {
      this.proxies.push(addProxy(this.network, options, proxyPerson(options, i), i, contact))
    }
    this.runUntil('all proxies are listed', () => this.proxies.every(({ node }) => node.machine.status().listed))
    const people = Array.from({ length: options.devices ?? 8 }, (_, i) => devicePerson(options, i))
    const stores = this.stores(people)
    const own = options.ownProxy === undefined ? undefined : this.proxies[options.ownProxy]
    for (const [index, each] of people.entries()) {
      const surroundings = {
        server: contact,
        store: stores[index] ?? new Map(),
        onOutput: (actor: DeviceActor, output: DeviceOutput) => this.fromDevice(actor, output),
        ...(own && { ownProxy: own.self.id }),
      }
      this.devices.push(addDevice(this.network, options, each, index, surroundings))
    }
    this.runUntil('all devices hold the whole directory', () =>
      this.devices.every(({ node }) => this.proxies.length === (node.machine.status().directory?.proxies.size ?? -1)),
    )
  }

  get now(): Millis {
    return this.network.now
  }

  /** What the next command will be answered under. */
  get nextReference(): number {
    return this.reference
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

  /** What each device finds on its disk: the groups that were made for it. */
  private stores(people: readonly DevicePerson[]): Map<string, Uint8Array>[] {
    const random = seeded(this.options.seed + 2)
    const stores = people.map(() => new Map<string, Uint8Array>())
    for (const [place, { name, members }] of (this.options.groups ?? []).entries()) {
      const chosen = members.map((index) => people[index] as DevicePerson)
      // Groups that one device makes are told apart by the millisecond.
      const entries = groupEntries(random, this.now + place, name, chosen)
      for (const index of members) for (const [key, value] of entries) stores[index]?.set(key, value)
    }
    return stores
  }

  private fromDevice(actor: DeviceActor, output: DeviceOutput): void {
    for (const watcher of this.watchers) watcher(actor, output)
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
