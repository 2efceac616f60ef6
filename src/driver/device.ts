/**
 * A device to embed: its groups, invitations and messages as promises and async iterables over the device role. What is
 * slow or has effects (passphrase derivation, disk, socket) is done here; what it means is the role's.
 */
import { join } from 'node:path'
import { type IdentityKey, toHex, utf8 } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import type { Group as GroupState, PaddingMode } from '../group/group.js'
import { nodeIdOf } from '../group/identity.js'
import type { PeerAddress } from '../link/link.js'
import { createDevice } from '../role/device/device.js'
import type { DeviceInput, Device as DeviceMachine, DeviceOutput, DeviceStatus, UploadReport } from '../role/device.js'
import type { FieldObserver } from '../wire/codec.js'
import { formatDeviceAddress, parseDeviceAddress } from '../wire/text.js'
import { systemClock } from './clock.js'
import { Commands, closed } from './commands.js'
import { loadCrypto } from './crypto.js'
import { type DataDirectory, openDataDirectory } from './data-directory.js'
import { derive } from './derive.js'
import { Inbox } from './inbox.js'
import { createLog, type Log } from './log.js'
import { resolveCard, resolveEndpoint } from './network.js'
import { closeOnAbort, warnOfSmallBuffer } from './node-common.js'
import { systemRandom } from './random.js'
import { type Running, run } from './run.js'
import { Signals } from './signals.js'
import { openStore } from './store.js'
import { openUdp, type UdpSocket } from './udp.js'

export interface DeviceOptions {
  /** The server's network card. */
  readonly network: string
  /** Directory for keys, groups and inbox; made where it is missing. One process at a time. */
  readonly data: string
  /** HOST:PORT to send from; by default any free port. */
  readonly listen?: string
  /** How sizes are hidden; default `classes`. */
  readonly padding?: PaddingMode
  /** Closes the device when aborted. */
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly observe?: FieldObserver
}

export interface MemberInfo {
  /** Hex id. */
  readonly id: string
  /** Local name, where there is one. */
  readonly name: string | undefined
  readonly role: 'creator' | 'member'
  /** Hex id of who invited. */
  readonly inviter: string
  readonly self: boolean
}

/** A verified message. It stays in the inbox on disk, and is handed out again after a restart, until `ack`. */
export interface ReceivedMessage {
  readonly group: string
  readonly sender: string
  readonly senderName: string | undefined
  readonly messageId: string
  readonly sentAt: Date
  readonly body: Uint8Array
  ack(): Promise<void>
}

export interface SendOptions {
  /** Stops waiting; what was sent is not unsent. */
  readonly signal?: AbortSignal
  readonly padding?: PaddingMode
}

export interface Group {
  readonly name: string
  /** Everybody in it, oneself included. */
  members(): MemberInfo[]
  /** Invites the device at `address`; the passphrase goes to its owner by another way. Resolves once a first proxy holds it. */
  invite(
    address: string,
    options: { readonly passphrase: string; readonly as?: string; readonly signal?: AbortSignal },
  ): Promise<Invited>
  /** Sends one message to all members; resolves once a first proxy holds it, with what it cost. */
  send(body: Uint8Array, options?: SendOptions): Promise<UploadReport>
  /** Messages of this group from others, oldest first. Each iterator sees every message that nobody acknowledged yet. */
  messages(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<ReceivedMessage>
}

/** An invitation on its way. */
export interface Invited {
  /** Hex id of who is invited. */
  readonly id: string
  /** Resolves once the invited device is a member, which can take as long as its owner does. */
  joined(options?: { readonly signal?: AbortSignal }): Promise<MemberInfo>
}

export interface Invitation {
  /** Messages waiting that no key opens; at least one may be an invitation. */
  readonly waiting: number
  /** Tries a passphrase on all of them; PASSPHRASE_WRONG where it fits none, and they are kept. */
  join(passphrase: string, options?: { readonly as?: string; readonly signal?: AbortSignal }): Promise<Group[]>
}

export interface Device extends AsyncDisposable {
  /** Hex id. */
  readonly id: string
  /** What others need to invite this device. */
  readonly address: string
  readonly localAddress: PeerAddress
  readonly groups: {
    create(name: string): Promise<Group>
    /** The group of that local name, or `undefined`. */
    get(name: string): Group | undefined
    list(): Group[]
  }
  /** Yields while messages wait that no key opens, and again when more come. */
  invitations(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<Invitation>
  /** Tries a passphrase on what waits, without waiting for more. */
  join(passphrase: string, options?: { readonly as?: string; readonly signal?: AbortSignal }): Promise<Group[]>
  /** Messages of all groups. */
  messages(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<ReceivedMessage>
  /** Resolves when the server link is up and a directory is there. */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>
  status(): DeviceStatus & { readonly drops: Readonly<Record<string, number>> }
  /** Resolves when the device has stopped; rejects when its store failed. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** Opens a device. Errors have a `code`: see docs/OPERATING.md. */
export async function openDevice(options: DeviceOptions): Promise<Device> {
  const log = options.log ?? createLog('silent')
  const crypto = await loadCrypto()
  const server = await resolveCard(options.network)
  const directory = await openDataDirectory(options.data, 'node')
  const identity = crypto.identity(directory.identity.seed)
  const proxyIdentity = crypto.identity(directory.identity.proxySeed)
  const store = await openStore(join(directory.path, 'store'))
  let socket: UdpSocket | undefined
  try {
    socket = await openUdp(options.listen === undefined ? undefined : await resolveEndpoint(options.listen))
    warnOfSmallBuffer(log, socket)
    const machine = createDevice({
      crypto,
      random: systemRandom(),
      self: { identity, id: nodeIdOf(crypto, identity.identityKey) },
      accessCode: directory.identity.accessCode,
      server,
      ownProxy: nodeIdOf(crypto, proxyIdentity.identityKey),
      padding: options.padding ?? 'classes',
      ...(options.observe && { observe: options.observe }),
    })
    const node = new DeviceNode(machine, deviceAddressOf(directory, identity.identityKey), socket.address)
    node.attach(
      await run<DeviceInput, DeviceOutput>({
        machine,
        socket,
        store,
        clock: systemClock(),
        log,
        onOutput: (output) => node.output(output),
      }),
    )
    closeOnAbort(options.signal, () => node.close())
    return node
  } catch (error) {
    await socket?.close()
    await store.close()
    throw error
  }
}

/** The text by which a device is invited. */
export function deviceAddressOf(directory: DataDirectory, identityKey: IdentityKey): string {
  return formatDeviceAddress({ identityKey, accessCode: directory.identity.accessCode })
}

/** The device behind `Device`; apart from it only for this program's own commands. */
export class DeviceNode implements Device {
  readonly id: string
  readonly address: string
  readonly localAddress: PeerAddress
  private readonly machine: DeviceMachine
  private readonly commands = new Commands((command) => this.running.handle(command))
  private readonly inbox = new Inbox((sequence) => this.acknowledge(sequence))
  private readonly unopened = new Signals()
  private readonly changes = new Signals()
  private running!: Running<DeviceInput>

  constructor(machine: DeviceMachine, address: string, localAddress: PeerAddress) {
    this.machine = machine
    this.address = address
    this.localAddress = localAddress
    this.id = toHex(machine.status().id)
  }

  attach(running: Running<DeviceInput>): void {
    this.running = running
    const release = () => {
      this.commands.failAll()
      this.inbox.close()
      this.unopened.close()
      this.changes.close()
    }
    running.ended.then(release, release)
  }

  readonly groups = {
    create: async (name: string): Promise<Group> => {
      await this.commands.issue('created', { type: 'createGroup', name })
      return this.handleOf(name)
    },
    get: (name: string): Group | undefined =>
      this.machine.group(name) === undefined ? undefined : this.handleOf(name),
    list: (): Group[] => this.machine.status().groups.map(({ name }) => this.handleOf(name)),
  }

  async *invitations({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Invitation, void, undefined> {
    while (!this.unopened.isClosed) {
      const waiting = this.machine.status().unopened
      if (waiting > 0) yield { waiting, join: (passphrase, options) => this.join(passphrase, options) }
      await this.unopened.changed(signal)
    }
  }

  async join(passphrase: string, options: { as?: string; signal?: AbortSignal } = {}): Promise<Group[]> {
    const { groups } = await this.commands.issue(
      'joined',
      { type: 'join', passphrase: utf8(passphrase), ...(options.as !== undefined && { name: options.as }) },
      options.signal,
    )
    return groups.map(({ name }) => this.handleOf(name))
  }

  messages({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<ReceivedMessage, void, undefined> {
    return this.inbox.read(undefined, signal)
  }

  async ready({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    for (;;) {
      const { connected, directory } = this.machine.status()
      if (connected && directory !== undefined) return
      if (this.changes.isClosed) throw closed()
      await this.changes.changed(signal)
    }
  }

  status(): DeviceStatus & { readonly drops: Readonly<Record<string, number>> } {
    return { ...this.machine.status(), drops: this.running.drops() }
  }

  get ended(): Promise<void> {
    return this.running.ended
  }

  close(): Promise<void> {
    return this.running.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  output(output: DeviceOutput): void {
    switch (output.type) {
      case 'done':
        this.commands.done(output.reference, output.result)
        return
      case 'failed':
        this.commands.failed(output.reference, output.code, output.message)
        return
      case 'derive':
        this.derive(output)
        return
      case 'message':
        this.inbox.add(output.message)
        return
      case 'unopened':
        this.unopened.notify()
        return
      case 'connection':
      case 'memberJoined':
        this.changes.notify()
        return
      case 'transmit':
      case 'persist':
      case 'load':
      case 'drop':
      case 'notice':
        return
      default:
        output satisfies never
    }
  }

  private derive({ reference, passphrase, salt }: Extract<DeviceOutput, { type: 'derive' }>): void {
    derive(passphrase, salt).then(
      (derived) => this.running.handle({ type: 'derived', reference, derived }),
      (error: Error) => this.commands.failed(reference, 'CLOSED', error.message),
    )
  }

  private async acknowledge(sequence: number): Promise<void> {
    await this.commands.issue('acknowledged', { type: 'acknowledge', sequences: [sequence] })
  }

  private handleOf(name: string): Group {
    return {
      name,
      members: () => this.members(name),
      invite: async (address, { passphrase, as, signal }) => {
        const parsed = parseDeviceAddress(address)
        const { newcomer } = await this.commands.issue(
          'invited',
          {
            type: 'invite',
            group: name,
            address: parsed,
            passphrase: utf8(passphrase),
            ...(as !== undefined && { petname: as }),
          },
          signal,
        )
        const id = toHex(newcomer)
        return { id, joined: (options) => this.memberJoined(name, id, options?.signal) }
      },
      send: async (body, { signal, padding } = {}) => {
        const command = { type: 'send', group: name, body, ...(padding !== undefined && { padding }) } as const
        return (await this.commands.issue('sent', command, signal)).report
      },
      messages: ({ signal } = {}) => this.inbox.read(name, signal),
    }
  }

  private async memberJoined(group: string, id: string, signal: AbortSignal | undefined): Promise<MemberInfo> {
    for (;;) {
      const member = this.members(group).find((each) => each.id === id)
      if (member !== undefined) return member
      if (this.changes.isClosed) throw closed()
      await this.changes.changed(signal)
    }
  }

  /** With the group's secrets, for the demo, which proves that nobody else read them. */
  groupState(name: string): GroupState | undefined {
    return this.machine.group(name)
  }

  private members(name: string): MemberInfo[] {
    const group = this.machine.group(name)
    if (group === undefined)
      throw new ProtocolError('GROUP_UNKNOWN', `there is no group ${name} here; see splitcast group list`)
    return membersOf(group, this.id)
  }
}

function membersOf(group: GroupState, self: string): MemberInfo[] {
  return [...group.list.members].map(([id, { record }]) => ({
    id,
    name: group.petnames.get(id),
    role: record.role,
    inviter: toHex(record.inviter),
    self: id === self,
  }))
}
