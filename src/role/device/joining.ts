/**
 * Joins groups by a passphrase: it is derived once and tried on all that waits (PROTOCOL.md section 8.3). What it opens leads
 * into a group or is no good for ever; what it does not open is kept for another passphrase.
 */
import { equal, toHex, wipe } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import type { Millis } from '../../base/time.js'
import { descramble } from '../../group/content.js'
import type { Group, Opened, VerifiedInvitation } from '../../group/group.js'
import { invitationKeys, invitationPrivateKey } from '../../group/keys.js'
import { joinGroup, readInvitation, rejoinGroup } from '../../group/membership.js'
import type { DeviceResult } from '../device.js'
import type { DeviceCore } from './core.js'
import type { KeptPayload } from './kept.js'
import type { Outgoing } from './outbox.js'
import type { Receiving } from './receiving.js'

export interface Joined {
  readonly result: Extract<DeviceResult, { type: 'joined' }>
  readonly queued: readonly Outgoing[]
}

interface FoundInvitation {
  readonly entry: KeptPayload
  readonly opened: Opened<VerifiedInvitation>
}

/**
 * Joins all groups whose invitation opens; all of it in the next write, or nothing. Throws `PASSPHRASE_WRONG`, `INVITATION_NONE`,
 * `INVITATION_EXPIRED`, `GROUP_EXISTS`, `GROUPS_FULL`, `NAME_INVALID` and `SEND_QUEUE_FULL`; invitations are kept then, but for those
 * that are out of date or not valid.
 */
export function join(
  core: DeviceCore,
  receiving: Receiving,
  now: Millis,
  derived: Uint8Array,
  name: string | undefined,
): Joined {
  const found = findInvitations(core, now, derived)
  const invitations = discardUseless(core, found)
  if (invitations.length === 0) throw useless(found)
  return accept(core, receiving, now, invitations, name)
}

/** Drops what the passphrase opens, and says what it was. Throws `PASSPHRASE_WRONG`. */
export function decline(
  core: DeviceCore,
  now: Millis,
  derived: Uint8Array,
): Extract<DeviceResult, { type: 'declined' }> {
  const found = findInvitations(core, now, derived)
  const groups = found.flatMap(({ opened }) =>
    opened.ok ? [{ name: opened.value.name, inviter: opened.value.inviter.id }] : [],
  )
  for (const { entry } of found) core.unopened.remove(entry)
  return { type: 'declined', messages: found.length, groups }
}

/** Drops all that may be invitations. */
export function declineAll(core: DeviceCore): Extract<DeviceResult, { type: 'declined' }> {
  const entries = core.unopened.all()
  for (const entry of entries) core.unopened.remove(entry)
  return { type: 'declined', messages: entries.length, groups: [] }
}

interface Usable {
  readonly entry: KeptPayload
  readonly invitation: VerifiedInvitation
}

/** What the passphrase opens, good or not. Throws `PASSPHRASE_WRONG` where that is nothing. */
function findInvitations(core: DeviceCore, now: Millis, derived: Uint8Array): FoundInvitation[] {
  const { crypto, self, accessCode } = core.options
  const keys = invitationKeys(crypto, derived, self.identity.identityKey)
  if (keys === undefined) throw wrongPassphrase()
  const privateKey = invitationPrivateKey(crypto, keys.scalar, self.identity)
  const invitee = { identity: self.identity, id: self.id, accessCode }
  const found: FoundInvitation[] = []
  try {
    for (const entry of core.unopened.all()) {
      const descrambled = descramble(crypto, [privateKey], entry.payload)
      if (descrambled === undefined) continue
      const opened = readInvitation(crypto, { ...keys, privateKey }, invitee, descrambled.content, now)
      found.push({ entry, opened })
    }
  } finally {
    wipe(privateKey, keys.scalar, keys.symmetric)
  }
  if (found.length === 0) throw wrongPassphrase()
  return found
}

function wrongPassphrase(): ProtocolError {
  const message = 'the passphrase fits none of the waiting messages; they are kept for another try'
  return new ProtocolError('PASSPHRASE_WRONG', message)
}

function useless(found: readonly FoundInvitation[]): ProtocolError {
  const isLate = found.some(({ opened }) => !opened.ok && opened.code === 'INVITATION_EXPIRED')
  return isLate
    ? new ProtocolError('INVITATION_EXPIRED', 'the invitation has run out, and is dropped; ask for another one')
    : new ProtocolError('INVITATION_NONE', 'what the passphrase opens is no valid invitation; ask for another one')
}

/** What the passphrase opened and what is wrong in itself stays wrong: it makes way. */
function discardUseless(core: DeviceCore, found: readonly FoundInvitation[]): Usable[] {
  const usable: Usable[] = []
  for (const { entry, opened } of found) {
    if (opened.ok) usable.push({ entry, invitation: opened.value })
    else {
      core.drop(opened.code)
      core.unopened.remove(entry)
    }
  }
  return usable
}

function accept(
  core: DeviceCore,
  receiving: Receiving,
  now: Millis,
  invitations: readonly Usable[],
  name: string | undefined,
): Joined {
  const { crypto } = core.options
  const byGroup = new Map(
    consistent(core, now, invitations).map(({ invitation }) => [toHex(invitation.groupId), invitation]),
  )
  const fresh = [...byGroup.values()].filter(({ groupId }) => core.groups.byId(groupId) === undefined)
  const names = fresh.map((invitation, index) => localName(invitation, name, index))
  core.groups.checkRoom(names)
  if (!core.outbox.hasRoom) {
    throw new ProtocolError('SEND_QUEUE_FULL', 'too much is waiting to be sent; join when some of it has left')
  }
  const results: Extract<DeviceResult, { type: 'joined' }>['groups'][number][] = []
  const queued: Outgoing[] = []
  for (const invitation of byGroup.values()) {
    const held = core.groups.byId(invitation.groupId)
    const as = held?.name ?? (names[fresh.indexOf(invitation)] as string)
    // Invited again, although a member: the inviter has missed the confirmation, or this device was removed and may come back.
    const joined =
      held === undefined ? joinGroup(crypto, invitation, { name: as, now }) : rejoinGroup(crypto, held, invitation, now)
    if (joined !== undefined) {
      core.groups.put(joined.group)
      core.directories.announced(now, invitation.inviter.id, invitation.directoryDigest, invitation.record.since)
      receiving.keysChanged()
      if (held === undefined || isFromMember(held, invitation)) {
        queued.push(receiving.store(now, joined.group, joined.send))
      }
    }
    const memberCount = held?.list.members.size ?? invitation.memberCount + 1
    results.push({ name: as, inviter: invitation.inviter.id, memberCount })
    for (const each of invitations) if (isSameGroup(each.invitation, invitation)) core.unopened.remove(each.entry)
  }
  return { result: { type: 'joined', groups: results }, queued }
}

/**
 * Those that no group held here contradicts. Whoever knows a group's id can invite under it with other keys: the keys held
 * stay, and the invitation is kept, because it may be the true one.
 */
function consistent(core: DeviceCore, now: Millis, invitations: readonly Usable[]): Usable[] {
  const fitting = invitations.filter(({ invitation }) => {
    const held = core.groups.byId(invitation.groupId)
    return held === undefined || rejoinGroup(core.options.crypto, held, invitation, now) !== undefined
  })
  if (fitting.length > 0) return fitting
  const message =
    'the invitation names a group that is here already, under other keys; one of its inviters is not honest'
  throw new ProtocolError('GROUP_EXISTS', message)
}

function isSameGroup(a: VerifiedInvitation, b: VerifiedInvitation): boolean {
  return equal(a.groupId, b.groupId) && equal(a.epoch.tag, b.epoch.tag) && equal(a.epoch.secret, b.epoch.secret)
}

/** The name asked for; where one passphrase opens several groups, the further ones get a number. */
function localName(invitation: VerifiedInvitation, name: string | undefined, index: number): string {
  if (name === undefined) return invitation.name
  return index === 0 ? name : `${name}-${index + 1}`
}

function isFromMember(group: Group, { inviter }: VerifiedInvitation): boolean {
  return group.list.members.has(toHex(inviter.id))
}
