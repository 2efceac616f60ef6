/**
 * Who is in a world: the production machines of server, proxies and devices as nodes of a virtual network, each with the
 * randomness, identity and address that follow from the seed, and with what a test wants to see of them.
 */
import type { ProxyLimits, ServerLimits } from '../../src/base/bounds.js'
import type { NodeId } from '../../src/base/bytes.js'
import type { RandomBytes } from '../../src/base/random.js'
import type { Millis } from '../../src/base/time.js'
import type { Crypto, Identity } from '../../src/crypto/crypto.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import type { PaddingMode } from '../../src/group/group.js'
import { nodeIdOf } from '../../src/group/identity.js'
import type { createEndpoint } from '../../src/link/endpoint.js'
import type { PeerAddress } from '../../src/link/link.js'
import type { DeviceBounds } from '../../src/role/device/core.js'
import { createDevice } from '../../src/role/device/device.js'
import type { Device, DeviceAddress, DeviceOptions, DeviceOutput, InboxMessage } from '../../src/role/device.js'
import { createProxy } from '../../src/role/proxy/proxy.js'
import type { ProxyOptions, Proxy as ProxyRole } from '../../src/role/proxy.js'
import type { Self, ServerContact } from '../../src/role/role.js'
import { createServer } from '../../src/role/server/server.js'
import type { Server } from '../../src/role/server.js'
import { seeded } from '../base/seeded.js'
import type { BrokenDisk } from './emulator/node.js'
import { type Habits, liar } from './liar.js'
import type { VirtualNetwork, VirtualNode } from './virtual-network.js'

export const crypto = await loadCrypto()

export const SERVER_ADDRESS: PeerAddress = { host: '192.0.2.1', port: 7000 }
const MEAN_WAIT_MS = 50

/** A field as a node read it. */
export interface Read {
  readonly format: string
  readonly field: string
  readonly value: Uint8Array
}

/** What is known of a node before it runs. */
export interface Person {
  readonly name: string
  readonly self: Self
  readonly random: RandomBytes
}

export interface DevicePerson extends Person {
  readonly address: DeviceAddress
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

export type DeviceAnswer = Extract<DeviceOutput, { type: 'done' | 'failed' }>

/** What a test may make different about the actors of a world; all of it by seams that the production code has. */
export interface Casting {
  readonly seed: number
  readonly padding?: PaddingMode
  /** Hosts of the proxies; by default each in a network of its own. */
  readonly proxyHosts?: readonly string[]
  /** Proxies that lie, by their place. */
  readonly liars?: ReadonlyMap<number, Habits>
  /** How far a node's clock is ahead, by its name. */
  readonly skewsMs?: ReadonlyMap<string, Millis>
  readonly serverBounds?: Partial<ServerLimits>
  readonly proxyBounds?: Partial<ProxyLimits>
  readonly deviceBounds?: DeviceBounds
  /** What the server speaks through, where that is not the usual thing. */
  readonly serverEndpoint?: typeof createEndpoint
  readonly serverDisk?: BrokenDisk
  readonly deviceDisk?: BrokenDisk
  /** What a node, by its name, computes with; by default the product's own. */
  readonly cryptoOf?: (name: string) => Crypto
  /** Settings of all proxies and all devices, in place of the usual ones. */
  readonly proxySettings?: Partial<ProxyOptions>
  readonly deviceSettings?: Partial<DeviceOptions>
  /** False where nobody looks at what the nodes read: it costs a copy of every field. */
  readonly keepsReads?: boolean
  /** Is told of every field as it is read, and by whom. */
  readonly onRead?: (name: string, format: string, field: string) => void
}

export function serverPerson({ seed }: Casting): Person {
  return person('server', seeded(seed + 1))
}

export function proxyPerson({ seed }: Casting, index: number): Person {
  return person(`proxy ${index}`, seeded(seed + 100 + index))
}

export function devicePerson({ seed }: Casting, index: number): DevicePerson {
  const { name, self, random } = person(`device ${index}`, seeded(seed + 1_000 + index))
  return { name, self, random, address: { version: 1, identityKey: self.identity.identityKey, accessCode: random(2) } }
}

export function addServer(network: VirtualNetwork, casting: Casting, { name, self, random }: Person): Actor<Server> {
  const read: Read[] = []
  const options = { ...core(casting, name), random, self, admitted: 'open', ...observing(casting, name, read) } as const
  const make = () => createServer(options, casting.serverBounds, casting.serverEndpoint)
  const disk = casting.serverDisk && { disk: casting.serverDisk }
  const node = network.add({ name, address: SERVER_ADDRESS, make, ...disk, ...skewOf(casting, name) })
  return { name, self, read, node }
}

export function addProxy(
  network: VirtualNetwork,
  casting: Casting,
  { name, self, random }: Person,
  index: number,
  server: ServerContact,
): Actor<ProxyRole> {
  const read: Read[] = []
  const host = casting.proxyHosts?.[index] ?? `198.${51 + index}.100.1`
  const address = { host, port: 7001 }
  const base = { ...core(casting, name), random, self, server, advertised: [address], meanWaitMs: MEAN_WAIT_MS }
  const options = { ...base, ...observing(casting, name, read), ...casting.proxySettings }
  const habits = casting.liars?.get(index)
  const lying = habits && liar(habits, seeded(casting.seed + 500 + index), (job) => network.run(job))
  const make = () => createProxy(options, casting.proxyBounds, lying?.makeEndpoint)
  const runJob = lying && { runJob: lying.runJob }
  const node = network.add({ name, address, make, ...runJob, ...skewOf(casting, name) })
  return { name, self, read, node }
}

export interface DeviceSurroundings {
  readonly server: ServerContact
  readonly ownProxy?: NodeId
  /** What it finds on its disk. */
  readonly store: ReadonlyMap<string, Uint8Array>
  readonly onOutput: (actor: DeviceActor, output: DeviceOutput) => void
}

export function addDevice(
  network: VirtualNetwork,
  casting: Casting,
  person: DevicePerson,
  index: number,
  { server, ownProxy, store, onOutput }: DeviceSurroundings,
): DeviceActor {
  const { name, self, random, address } = person
  const read: Read[] = []
  const options = {
    ...core(casting, name),
    random,
    self,
    accessCode: address.accessCode,
    server,
    padding: casting.padding ?? 'classes',
    ...observing(casting, name, read),
    ...(ownProxy && { ownProxy }),
    ...casting.deviceSettings,
  }
  const told: { actor?: DeviceActor; readonly early: DeviceOutput[] } = { early: [] }
  const node = network.add({
    name,
    address: { host: '10.0.0.2', port: 5000 },
    natHost: `203.0.${113 + (index >> 8)}.${(index & 255) + 1}`,
    make: () => createDevice(options, casting.deviceBounds),
    store,
    onOutput: (output) => {
      if (told.actor === undefined) told.early.push(output as DeviceOutput)
      else onOutput(told.actor, output as DeviceOutput)
    },
    ...(casting.deviceDisk && { disk: casting.deviceDisk }),
    ...skewOf(casting, name),
  })
  const actor: DeviceActor = { name, self, read, address, inbox: [], repeated: 0, answers: new Map(), node }
  told.actor = actor
  for (const output of told.early) onOutput(actor, output)
  return actor
}

export function contactOf({ self }: Person): ServerContact {
  return { identityKey: self.identity.identityKey, addresses: [SERVER_ADDRESS] }
}

function person(name: string, random: RandomBytes): Person {
  const identity: Identity = crypto.identity(random(32))
  return { name, random, self: { identity, id: nodeIdOf(crypto, identity.identityKey) as NodeId } }
}

function core({ cryptoOf }: Casting, name: string): { readonly crypto: Crypto } {
  return { crypto: cryptoOf?.(name) ?? crypto }
}

function skewOf({ skewsMs }: Casting, name: string): { readonly skewMs?: Millis } {
  const skewMs = skewsMs?.get(name)
  return skewMs === undefined ? {} : { skewMs }
}

function observing({ keepsReads = true, onRead }: Casting, name: string, read: Read[]) {
  if (!keepsReads && onRead === undefined) return {}
  return {
    observe: (format: string, field: string, value: Uint8Array) => {
      if (keepsReads) read.push({ format, field, value: value.slice() })
      onRead?.(name, format, field)
    },
  }
}
