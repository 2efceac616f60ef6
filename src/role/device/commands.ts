/**
 * What a user may ask of a device, each command answered once (PROTOCOL.md sections 6 and 8). A command that needs the
 * directory waits for it a little while; one that needs a passphrase waits for its derivation.
 */
import { digest, equal, type IdentityKey, type NodeId, toHex, wipe } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis } from '../../base/time.js'
import type { Group, GroupSend } from '../../group/group.js'
import { passphraseSalt } from '../../group/keys.js'
import { createGroup, leaveGroup, ownMember, removeMembers, renameMember } from '../../group/membership.js'
import type { DeviceCommand, DeviceResult, Outcome, UploadReport } from '../device.js'
import type { Reference } from '../role.js'
import type { VerifiedDirectory } from '../server-link.js'
import type { DeviceCore } from './core.js'
import type { Cover } from './cover.js'
import { prepareInvitation, sendInvitation, uninvite } from './inviting.js'
import { decline, declineAll, join } from './joining.js'
import { addressee, type Receiving } from './receiving.js'
import type { Addressee } from './records.js'
import type { Sending } from './sending.js'

type CommandOf<T extends DeviceCommand['type']> = Extract<DeviceCommand, { type: T }>
type NeedsDirectory = CommandOf<'invite' | 'send' | 'leaveGroup' | 'removeMembers'>
/** Those that need a derivation. */
type Slow = CommandOf<'invite'> | CommandOf<'join'> | (CommandOf<'decline'> & { readonly passphrase: Uint8Array })

export class Commands {
  private readonly core: DeviceCore
  private readonly sending: Sending
  private readonly receiving: Receiving
  private readonly cover: Cover
  /** Commands that wait for a directory, in the order they came. */
  private waiting: { readonly command: NeedsDirectory; readonly until: Millis }[] = []
  /** Commands that wait for a derivation. */
  private readonly deriving = new Map<Reference, Slow>()

  constructor(core: DeviceCore, sending: Sending, receiving: Receiving, cover: Cover) {
    this.core = core
    this.sending = sending
    this.receiving = receiving
    this.cover = cover
  }

  handle(now: Millis, command: DeviceCommand): void {
    if (command.type === 'abort') this.abort(command.reference)
    else this.core.replies.begin(command.reference, () => this.begin(now, command))
  }

  derived(now: Millis, reference: Reference, derived: Uint8Array): void {
    const command = this.deriving.get(reference)
    this.deriving.delete(reference)
    if (command !== undefined) {
      this.core.replies.attempt(reference, () => {
        this.resumeDerived(now, command, derived)
      })
    }
    wipe(derived)
  }

  /** A directory came. */
  resume(now: Millis): void {
    const { waiting } = this
    this.waiting = []
    for (const { command } of waiting) {
      this.core.replies.attempt(command.reference, () => this.begin(now, command))
    }
  }

  timeout(now: Millis): void {
    const late = this.waiting.filter(({ until }) => until <= now)
    if (late.length === 0) return
    this.waiting = this.waiting.filter(({ until }) => until > now)
    for (const { command } of late) {
      const message = 'no directory has come from the server; check that it runs and can be reached, then try again'
      this.core.replies.failed(command.reference, 'DIRECTORY_MISSING', message)
    }
  }

  deadline(): Millis | undefined {
    // In the order they came, so the first is the first to be late.
    return earliest(undefined, this.waiting[0]?.until)
  }

  private begin(now: Millis, command: Exclude<DeviceCommand, { type: 'abort' }>): void {
    switch (command.type) {
      case 'createGroup':
        this.createGroup(now, command)
        return
      case 'invite':
        this.invite(now, command)
        return
      case 'uninvite':
        uninvite(this.core, this.sending, command)
        return
      case 'join':
        this.deriveToOpen(now, command)
        return
      case 'decline':
        this.decline(now, command)
        return
      case 'send':
        this.send(now, command)
        return
      case 'leaveGroup':
        this.leaveGroup(now, command)
        return
      case 'removeMembers':
        this.removeMembers(now, command)
        return
      case 'renameMember':
        this.renameMember(command)
        return
      case 'acknowledge':
        this.acknowledge(command)
        return
      default:
        command satisfies never
    }
  }

  private createGroup(now: Millis, { reference, name }: CommandOf<'createGroup'>): void {
    const { crypto, random, self, accessCode } = this.core.options
    this.core.groups.checkRoom([name])
    const create = (at: Millis) =>
      createGroup(crypto, random, { identity: self.identity, self: self.id, accessCode, name, now: at })
    let group = create(now)
    // The id says who created the group and when: two of one millisecond would be one group.
    for (let at = now + 1; this.core.groups.byId(group.id) !== undefined; at++) group = create(at)
    this.core.groups.put(group)
    this.core.storage.whenDurable(() => this.core.replies.done(reference, { type: 'created', group }))
  }

  private invite(now: Millis, command: CommandOf<'invite'>): void {
    this.core.groups.named(command.group)
    checkPassphrase(command.passphrase)
    if (this.waitsForDirectory(now, command) === undefined) return
    // What would be refused after the derivation is refused before it, and nothing of this is kept.
    prepareInvitation(this.core, now, command)
    this.derive(command, command.address.identityKey)
  }

  private resumeDerived(now: Millis, command: Slow, derived: Uint8Array): void {
    switch (command.type) {
      case 'invite':
        sendInvitation(this.core, this.sending, now, command, derived)
        return
      case 'join':
        this.join(now, command, derived)
        return
      case 'decline':
        this.declined(command.reference, decline(this.core, now, derived))
        return
      default:
        command satisfies never
    }
  }

  private deriveToOpen(now: Millis, command: Exclude<Slow, { type: 'invite' }>): void {
    this.core.unopened.prune(now)
    if (this.core.unopened.count === 0) {
      throw new ProtocolError('INVITATION_NONE', 'no invitation has come yet; ask for one with the address "id" prints')
    }
    this.derive(command, this.core.options.self.identity.identityKey)
  }

  private decline(now: Millis, command: CommandOf<'decline'>): void {
    const { passphrase } = command
    if (passphrase === undefined) this.declined(command.reference, declineAll(this.core))
    else this.deriveToOpen(now, { ...command, passphrase })
  }

  private declined(reference: Reference, result: Extract<DeviceResult, { type: 'declined' }>): void {
    this.core.storage.whenDurable(() => this.core.replies.done(reference, result))
  }

  private join(now: Millis, { reference, name }: CommandOf<'join'>, derived: Uint8Array): void {
    const { result, queued } = join(this.core, this.receiving, now, derived, name)
    this.sending.enqueue(...queued)
    this.receiving.retryKept(now)
    this.core.storage.whenDurable(() => this.core.replies.done(reference, result))
  }

  private send(now: Millis, command: CommandOf<'send'>): void {
    const { padding } = this.core.options
    const group = this.core.groups.named(command.group)
    ownMember(group, this.core.options.self.id)
    checkBody(group, command.body)
    if (this.waitsForDirectory(now, command) === undefined) return
    const draft = {
      groupId: group.id,
      kind: command.direct === undefined ? 'application' : 'direct',
      messageId: this.core.messageIds.next(now),
      body: command.body,
      padding: command.padding ?? padding,
      ...(command.decoys !== undefined && { decoys: command.decoys }),
      ...(command.direct !== undefined && { direct: true as const }),
    } as const
    const { reference, until = 'taken' } = command
    const recipients = recipientsOf(group, command.direct?.to, this.core.options.self.id)
    if (command.direct === undefined) this.cover.note(recipients.length, command.body.length)
    const result = (report: UploadReport, outcome: Outcome | undefined) => ({ type: 'sent', report, outcome }) as const
    this.sending.enqueue(this.core.outbox.add(draft, recipients, { reference, until, result }))
  }

  private leaveGroup(now: Millis, command: CommandOf<'leaveGroup'>): void {
    const group = this.core.groups.named(command.group)
    const directory = this.waitsForDirectory(now, command)
    if (directory === undefined) return
    this.checkOutbox()
    const { crypto } = this.core.options
    const left = leaveGroup(crypto, group, this.receiving.local(), now, digest(directory.digest))
    this.finish(now, command.reference, left, { type: 'left' })
  }

  private removeMembers(now: Millis, command: CommandOf<'removeMembers'>): void {
    const group = this.core.groups.named(command.group)
    const directory = this.waitsForDirectory(now, command)
    if (directory === undefined) return
    this.checkOutbox()
    const { crypto, random } = this.core.options
    const { members } = command
    const local = this.receiving.local()
    const removed = removeMembers(crypto, random, group, local, members, now, digest(directory.digest))
    this.finish(now, command.reference, removed, { type: 'removed', members })
  }

  private renameMember({ reference, group, member, name }: CommandOf<'renameMember'>): void {
    const { id } = this.core.options.self
    this.core.groups.put(renameMember(this.core.groups.named(group), id, member, name))
    this.core.storage.whenDurable(() => this.core.replies.done(reference, { type: 'renamed', member }))
  }

  private checkOutbox(): void {
    if (this.core.outbox.hasRoom) return
    throw new ProtocolError('SEND_QUEUE_FULL', 'too much is waiting to be sent; try again when some of it has arrived')
  }

  /** The group's next state and what tells the others of it, in one write. */
  private finish(
    now: Millis,
    reference: Reference,
    { group, sends }: { readonly group: Group; readonly sends: readonly GroupSend[] },
    result: DeviceResult,
  ): void {
    this.core.groups.put(group)
    this.sending.enqueue(...sends.map((send) => this.receiving.store(now, group, send)))
    this.receiving.keysChanged()
    this.core.storage.whenDurable(() => this.core.replies.done(reference, result))
  }

  private acknowledge({ reference, sequences }: CommandOf<'acknowledge'>): void {
    this.core.inbox.acknowledge(sequences)
    this.core.storage.whenDurable(() => this.core.replies.done(reference, { type: 'acknowledged' }))
  }

  private abort(reference: Reference): void {
    this.waiting = this.waiting.filter(({ command }) => command.reference !== reference)
    this.deriving.delete(reference)
    const parcel = this.core.outbox.find(reference)
    if (parcel !== undefined) this.sending.abort(parcel)
    this.core.replies.failed(reference, 'ABORTED', 'given up; what was sent until then is not unsent')
  }

  /** The directory, or `undefined` where the command waits for one. */
  private waitsForDirectory(now: Millis, command: NeedsDirectory): VerifiedDirectory | undefined {
    const directory = this.core.directory()
    if (directory === undefined) this.waiting.push({ command, until: now + limits.directoryWaitMs })
    return directory
  }

  private derive(command: Slow, target: IdentityKey): void {
    const { crypto, server } = this.core.options
    const { reference, passphrase } = command
    this.deriving.set(reference, command)
    this.core.say({ type: 'derive', reference, passphrase, salt: passphraseSalt(crypto, target, server.identityKey) })
  }
}

function checkPassphrase(passphrase: Uint8Array): void {
  const { passphraseMinBytes, passphraseMaxBytes } = limits
  if (passphrase.length >= passphraseMinBytes && passphrase.length <= passphraseMaxBytes) return
  throw new ProtocolError(
    'PASSPHRASE_WEAK',
    `a passphrase has ${passphraseMinBytes} to ${passphraseMaxBytes} bytes; take six words or more, chosen at random`,
  )
}

/** Everybody, or one other. */
function recipientsOf(group: Group, to: NodeId | undefined, self: NodeId): Addressee[] {
  if (to === undefined) return [...group.list.members.values()].map(addressee)
  if (equal(to, self)) {
    throw new ProtocolError('MEMBER_SELF', 'a direct message goes to somebody else; name another member with --to')
  }
  const member = group.list.members.get(toHex(to))
  if (member !== undefined) return [addressee(member)]
  throw new ProtocolError(
    'MEMBER_UNKNOWN',
    `${toHex(to)} is no member of "${group.name}"; splitcast group members lists them`,
  )
}

function checkBody(group: Group, body: Uint8Array): void {
  if (body.length > limits.bodyBytes) {
    const message = `${body.length} bytes are too many for one message; send at most ${limits.bodyBytes} at a time`
    throw new ProtocolError('BODY_TOO_LARGE', message)
  }
  if (group.list.members.size > 1) return
  throw new ProtocolError('GROUP_EMPTY', `nobody else is in "${group.name}" yet; invite somebody first`)
}
