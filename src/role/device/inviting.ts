/**
 * Invitations that this device makes: sent, taken back, and forgotten once nobody can answer any more (PROTOCOL.md section
 * 8.2). What a confirmation is known by stands on disk before the invitation leaves.
 */
import { digest, equal, toHex, wipe } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import type { Millis } from '../../base/time.js'
import { readIdentityKey } from '../../group/identity.js'
import { invitationKeys } from '../../group/keys.js'
import { cancelInvitation, expireInvitations, type Invited, inviteMember } from '../../group/membership.js'
import type { DeviceCommand } from '../device.js'
import type { DeviceCore } from './core.js'
import type { Outgoing } from './outbox.js'
import { addressee } from './receiving.js'
import type { Sending } from './sending.js'

type CommandOf<T extends DeviceCommand['type']> = Extract<DeviceCommand, { type: T }>

/** The invitation as it would be sent now; nothing is kept of it. Throws what `inviteMember` does, and `DIRECTORY_MISSING`. */
export function prepareInvitation(core: DeviceCore, now: Millis, command: CommandOf<'invite'>): Invited {
  const { crypto, self } = core.options
  const { address, petname } = command
  const newcomer = readIdentityKey(crypto, address.identityKey)
  const directory = core.directory()
  if (newcomer === undefined) throw identityRefused()
  if (directory === undefined) {
    throw new ProtocolError('DIRECTORY_MISSING', 'the directory has run out; check that the server can be reached')
  }
  return inviteMember(crypto, core.groups.named(command.group), {
    identity: self.identity,
    self: self.id,
    newcomer,
    accessCode: address.accessCode,
    ...(petname !== undefined && { petname }),
    now,
    directoryDigest: digest(directory.digest),
  })
}

/** Sends the invitation under what the passphrase gave; answered once a first proxy has it. */
export function sendInvitation(
  core: DeviceCore,
  sending: Sending,
  now: Millis,
  command: CommandOf<'invite'>,
  derived: Uint8Array,
): void {
  const { crypto, padding } = core.options
  const { group, newcomer, body, messageKind } = prepareInvitation(core, now, command)
  const keys = invitationKeys(crypto, derived, command.address.identityKey)
  if (keys === undefined) throw identityRefused()
  const { scalar, ...sealing } = keys
  wipe(scalar)
  const draft = {
    groupId: group.id,
    target: { type: 'invitation', keys: sealing } as const,
    kind: messageKind,
    messageId: core.messageIds.next(now),
    body,
    padding,
  }
  const { reference } = command
  const invited = { type: 'invited', newcomer: newcomer.id } as const
  const waiter = { reference, until: 'taken', result: () => invited } as const
  const outgoing = withRoom(sealing.symmetric, () => core.outbox.add(draft, [addressee(newcomer)], waiter))
  core.groups.put(group)
  // A confirmation is known only by the invitation on record: that comes first.
  core.storage.whenDurable(() => sending.enqueue(outgoing))
}

/** Wipes a key of a message that finds no room; the outbox wipes it otherwise. */
function withRoom(key: Uint8Array, add: () => Outgoing): Outgoing {
  try {
    return add()
  } catch (error) {
    wipe(key)
    throw error
  }
}

/** Takes an invitation back; what of it has not left stays here. Throws `GROUP_UNKNOWN` and `INVITATION_UNKNOWN`. */
export function uninvite(core: DeviceCore, sending: Sending, command: CommandOf<'uninvite'>): void {
  const { reference, newcomer } = command
  const group = core.groups.named(command.group)
  core.groups.put(cancelInvitation(group, newcomer))
  for (const parcel of core.outbox.all()) {
    const isIt =
      parcel.target?.type === 'invitation' && equal(parcel.groupId, group.id) && parcel.open.has(toHex(newcomer))
    if (isIt) sending.withdraw(parcel)
  }
  core.storage.whenDurable(() => {
    core.replies.done(reference, { type: 'uninvited', newcomer })
    core.say({ type: 'invitationOver', group: group.name, newcomer })
  })
}

/** Forgets invitations that nobody can answer any more. */
export function expire(core: DeviceCore, now: Millis): void {
  for (const group of core.groups.all()) {
    const next = expireInvitations(group, now)
    if (next === group) continue
    core.groups.put(next)
    const gone = [...group.pending].filter(([id]) => !next.pending.has(id)).map(([, { newcomer }]) => newcomer)
    core.storage.whenDurable(() => {
      for (const newcomer of gone) core.say({ type: 'invitationOver', group: group.name, newcomer })
    })
  }
}

function identityRefused(): ProtocolError {
  return new ProtocolError('IDENTITY_REFUSED', 'the key in this address is none that can be used; ask for it again')
}
