/**
 * The device role behind the interface that developers embed: commands become promises, outputs become iterables. What is
 * slow (passphrase derivation) is done here; what it means is the role's.
 */
import { toHex, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import type { Crypto } from '../crypto/crypto.js'
import { bestEpoch } from '../group/epochs.js'
import type { Group as GroupState } from '../group/group.js'
import { passphraseBytes } from '../group/keys.js'
import { listDigest } from '../group/member-list.js'
import type { PeerAddress } from '../link/link.js'
import type { DeviceInput, Device as DeviceMachine, DeviceOutput, Outcome } from '../role/device.js'
import { parseDeviceAddress } from '../wire/text.js'
import { Commands, closed } from './commands.js'
import { derive } from './derive.js'
import type {
  Declined,
  Device,
  DeviceInfo,
  Group,
  Invitation,
  MemberInfo,
  SendOptions,
  SendReport,
} from './device-api.js'
import {
  deviceNamed,
  directoryOf,
  fingerprint,
  memberNamed,
  membersOf,
  pendingDevice,
  pendingOf,
} from './group-views.js'
import { Inbox, type ReceivedMessage } from './inbox.js'
import { checkSend } from './options.js'
import { Outcomes, outcomeOf, type SendOutcome } from './outcomes.js'
import type { Running } from './run.js'
import { Signals } from './signals.js'
import { checkStrength } from './strength.js'

/** The device behind `Device`; apart from it only for this program's own commands. */
export class DeviceNode implements Device {
  readonly id: string
  readonly address: string
  readonly localAddress: PeerAddress
  private readonly crypto: Crypto
  private readonly machine: DeviceMachine
  private readonly commands = new Commands((command) => this.running.handle(command))
  private readonly inbox = new Inbox((sequence) => this.acknowledge(sequence))
  private readonly unopened = new Signals()
  private readonly changes = new Signals()
  private readonly results = new Outcomes()
  private running!: Running<DeviceInput>
  backup!: Device['backup']
  sealed = false

  constructor(crypto: Crypto, machine: DeviceMachine, address: string, localAddress: PeerAddress) {
    this.crypto = crypto
    this.machine = machine
    this.address = address
    this.localAddress = localAddress
    this.id = toHex(machine.status().id)
  }

  attach(running: Running<DeviceInput>, { backup, sealed }: Pick<DeviceNode, 'backup' | 'sealed'>): void {
    this.running = running
    this.backup = backup
    this.sealed = sealed
    const release = () => {
      this.commands.failAll()
      this.inbox.close()
      this.unopened.close()
      this.changes.close()
      this.results.close()
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
      { type: 'join', passphrase: passphraseBytes(passphrase), ...(options.as !== undefined && { name: options.as }) },
      options.signal,
    )
    return groups.map(({ name }) => this.handleOf(name))
  }

  async decline({ passphrase, signal }: { passphrase?: string; signal?: AbortSignal } = {}): Promise<Declined> {
    const opening = passphrase === undefined ? {} : { passphrase: passphraseBytes(passphrase) }
    const { messages, groups } = await this.commands.issue('declined', { type: 'decline', ...opening }, signal)
    return { messages, invitations: groups.map(({ name, inviter }) => ({ name, inviter: toHex(inviter) })) }
  }

  messages({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<ReceivedMessage, void, undefined> {
    return this.inbox.read(undefined, signal)
  }

  outcomes({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<SendOutcome, void, undefined> {
    return this.results.read(signal)
  }

  async ready({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    for (;;) {
      const { connected, directory } = this.machine.status()
      if (connected && directory !== undefined) return
      if (this.changes.isClosed) throw closed()
      await this.changes.changed(signal)
    }
  }

  status(): DeviceInfo {
    const { id: _, directory, directories, firstProxies, groups, silentGroups, ...rest } = this.machine.status()
    return {
      ...rest,
      directory: directory && directoryOf(directory, directories),
      firstProxies: firstProxies?.map(({ id, endsAt, state }) => ({ id: toHex(id), until: new Date(endsAt), state })),
      groups: groups.map(({ id, name, list, epochs }) => {
        const silentSince = silentGroups.get(toHex(id))
        return {
          name,
          members: list.members.size,
          departures: list.departures.size,
          epoch: bestEpoch({ epochs }).number,
          listDigest: toHex(listDigest(this.crypto, list)),
          ...(silentSince !== undefined && { unheardSince: new Date(silentSince) }),
        }
      }),
      sealed: this.sealed,
      drops: this.running.drops(),
      sendErrors: this.running.sendErrors(),
    }
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
        void this.derive(output)
        return
      case 'message':
        this.inbox.add(output.message)
        return
      case 'unopened':
        this.unopened.notify()
        return
      case 'connection':
      case 'invitationOver':
      case 'memberJoined':
      case 'memberLeft':
        this.changes.notify()
        return
      case 'progress':
        if (output.reference !== undefined) this.commands.progress(output.reference, output.outcome)
        return
      case 'outcome':
        this.results.add(outcomeOf(output.outcome))
        return
      case 'transmit':
      case 'persist':
      case 'load':
      case 'drop':
      case 'rebind':
      case 'notice':
        return
      default:
        output satisfies never
    }
  }

  private async derive({ reference, passphrase, salt }: Extract<DeviceOutput, { type: 'derive' }>): Promise<void> {
    const deriving = derive(passphrase, salt)
    // The thread has a copy of its own by now.
    wipe(passphrase)
    let derived: Uint8Array | undefined
    try {
      derived = await deriving
      this.running.handle({ type: 'derived', reference, derived })
    } catch (error) {
      // The thread failed, or the device was closed meanwhile, and has answered the command.
      if (!(error instanceof ProtocolError)) throw error
      this.commands.failed(reference, error.code, error.message)
    } finally {
      if (derived !== undefined) wipe(derived)
    }
  }

  private async acknowledge(sequence: number): Promise<void> {
    await this.commands.issue('acknowledged', { type: 'acknowledge', sequences: [sequence] })
  }

  private handleOf(name: string): Group {
    return {
      name,
      members: () => this.members(name),
      unheardSince: () => {
        const since = this.machine.status().silentGroups.get(toHex(this.stateOf(name).id))
        return since === undefined ? undefined : new Date(since)
      },
      fingerprint: () => fingerprint(this.crypto, this.stateOf(name)),
      invitations: () => pendingOf(this.stateOf(name)),
      rename: (device, as, options) => this.rename(name, device, as, options?.signal),
      remove: (members, options) => this.remove(name, members, options?.signal),
      leave: async ({ signal } = {}) => {
        await this.commands.issue('left', { type: 'leaveGroup', group: name }, signal)
      },
      uninvite: (device, options) => this.uninvite(name, device, options?.signal),
      invite: async (address, { passphrase, as, signal }) => {
        const parsed = parseDeviceAddress(address)
        await checkStrength(passphrase, as === undefined ? [name] : [name, as])
        const { newcomer } = await this.commands.issue(
          'invited',
          {
            type: 'invite',
            group: name,
            address: parsed,
            passphrase: passphraseBytes(passphrase),
            ...(as !== undefined && { petname: as }),
          },
          signal,
        )
        const id = toHex(newcomer)
        return { id, joined: (options) => this.memberJoined(name, id, options?.signal) }
      },
      send: (body, options) => this.send(name, body, options),
      messages: ({ signal } = {}) => this.inbox.read(name, signal),
    }
  }

  private async rename(group: string, device: string, name: string, signal: AbortSignal | undefined): Promise<string> {
    const member = deviceNamed(this.crypto, this.stateOf(group), device)
    await this.commands.issue('renamed', { type: 'renameMember', group, member, name }, signal)
    return toHex(member)
  }

  private async remove(group: string, devices: readonly string[], signal: AbortSignal | undefined): Promise<string[]> {
    const state = this.stateOf(group)
    // One that is named twice is one.
    const members = new Map(
      devices.map((device) => memberNamed(this.crypto, state, device)).map((id) => [toHex(id), id]),
    )
    await this.commands.issue('removed', { type: 'removeMembers', group, members: [...members.values()] }, signal)
    return [...members.keys()]
  }

  private async uninvite(group: string, device: string, signal: AbortSignal | undefined): Promise<string> {
    const newcomer = pendingDevice(this.crypto, this.stateOf(group), device)
    await this.commands.issue('uninvited', { type: 'uninvite', group, newcomer }, signal)
    return toHex(newcomer)
  }

  private async send(group: string, body: Uint8Array, options: SendOptions = {}): Promise<SendReport> {
    checkSend(body, options)
    const { signal, padding, decoys, direct, wait = true, onProgress } = options
    const until = wait ? 'over' : 'taken'
    const command = {
      ...({ type: 'send', group, body, until } as const),
      ...(padding !== undefined && { padding }),
      ...(decoys !== undefined && { decoys }),
      ...(direct !== undefined && { direct: { to: memberNamed(this.crypto, this.stateOf(group), direct.to) } }),
    }
    const progress = onProgress && ((outcome: Outcome) => onProgress(outcomeOf(outcome)))
    const { report, outcome } = await this.commands.issue('sent', command, signal, progress)
    return { ...report, outcome: outcome && outcomeOf(outcome) }
  }

  private async memberJoined(group: string, id: string, signal: AbortSignal | undefined): Promise<MemberInfo> {
    for (;;) {
      const member = this.members(group).find((each) => each.id === id)
      if (member !== undefined) return member
      if (this.changes.isClosed) throw closed()
      if (!this.stateOf(group).pending.has(id)) {
        throw new ProtocolError('INVITATION_EXPIRED', 'the invitation has run out or was taken back; invite again')
      }
      await this.changes.changed(signal)
    }
  }

  /** With the group's secrets, for the demo, which proves that nobody else read them. */
  groupState(name: string): GroupState | undefined {
    return this.machine.group(name)
  }

  private members(name: string): MemberInfo[] {
    return membersOf(this.stateOf(name), this.id)
  }

  private stateOf(name: string): GroupState {
    const group = this.machine.group(name)
    if (group !== undefined) return group
    throw new ProtocolError('GROUP_UNKNOWN', `there is no group ${name} here; see splitcast group list`)
  }
}
