/**
 * How a group begins and how somebody comes into it: creation, invitation, and joining by one (PROTOCOL.md sections 8.1
 * to 8.3). Nothing here changes a group in place; each step returns the next group and what is to be sent.
 */
import { type Digest, equal, type IdentityKey, key, type NodeId, toHex, utf8 } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import { type Millis, utcDay } from '../base/time.js'
import type { Group255, Hashing, Identity, Signing } from '../crypto/crypto.js'
import { confirmation, invitation } from '../wire/content.js'
import { bestEpoch, epochByTag, firstEpoch, refreshKeys, secretOfDay, wipeDerived, withEpoch } from './epochs.js'
import type { Difference, Epoch, Group, GroupSend, Member, PendingInvitation, VerifiedInvitation } from './group.js'
import { knownById, lastDeparture, mergeRecords } from './history.js'
import { nodeIdOf } from './identity.js'
import { groupKeys } from './keys.js'
import { createRecord, emptyList, groupIdOf, listDigest, listFromRoot, memberById } from './member-list.js'
import { checkName, checkUnused, withPetname } from './names.js'
import { isCredible } from './secrets.js'

const GROUP_SECRET_BYTES = 32

export interface GroupToCreate {
  readonly identity: Identity
  readonly self: NodeId
  readonly accessCode: Uint8Array
  readonly name: string
  readonly now: Millis
}

/** A group with its creator in it; one creator's groups are told apart by `now`. Throws `NAME_INVALID`. */
export function createGroup(crypto: Hashing & Signing & Group255, random: RandomBytes, toCreate: GroupToCreate): Group {
  const { identity, self, accessCode, now } = toCreate
  const name = checkName(toCreate.name)
  const id = groupIdOf(crypto, { identityKey: identity.identityKey, since: now })
  const record = createRecord(crypto, {
    identity,
    inviter: self,
    groupId: id,
    identityKey: identity.identityKey,
    accessCode,
    role: 'creator',
    since: now,
  })
  const epoch = firstEpoch(key(random(GROUP_SECRET_BYTES)), now)
  return makeGroup(crypto, { id, name, epoch, list: listFromRoot(crypto, record) }, now)
}

export interface NewcomerToInvite {
  readonly identity: Identity
  readonly self: NodeId
  readonly newcomer: IdentityKey
  readonly accessCode: Uint8Array
  /** Local name for the newcomer. */
  readonly petname?: string
  readonly now: Millis
  readonly directoryDigest: Digest
}

export interface Invited {
  readonly group: Group
  /** Whom to address. */
  readonly newcomer: Member
  readonly body: Uint8Array
  readonly messageKind: 'invitation'
}

/**
 * The body of an invitation, and the group that waits for its confirmation; a pending invitation of the same device is
 * replaced. Throws `MEMBER_SELF`, `MEMBER_EXISTS`, `MEMBERS_FULL`, `INVITATIONS_FULL` and `NAME_INVALID`.
 */
export function inviteMember(crypto: Hashing & Signing, group: Group, invite: NewcomerToInvite): Invited {
  const { identity, self, accessCode, now } = invite
  const own = ownMember(group, self)
  const newcomer = nodeIdOf(crypto, invite.newcomer)
  const pending = livingInvitations(group, now)
  pending.delete(toHex(newcomer))
  checkInvitable(group, self, newcomer, pending.size)
  if (invite.petname !== undefined) checkUnused({ ...group, pending }, newcomer, invite.petname)

  const record = createRecord(crypto, {
    identity,
    inviter: self,
    groupId: group.id,
    identityKey: invite.newcomer,
    accessCode,
    role: 'member',
    // An inviter's record is older than those it signs, whatever the clocks say: chains of records have no loops.
    since: Math.max(now, own.record.since + 1, (lastDeparture(group.list, newcomer) ?? 0) + 1),
  })
  const { tag, statement, day, secret } = epochNow(crypto, group, now)
  const expiresAt = now + limits.invitationLifeMs
  pending.set(toHex(newcomer), { newcomer, record, expiresAt, epoch: tag })
  const petnames = withPetname({ ...group, pending }, newcomer, invite.petname)
  const body = invitation.encode({
    groupId: group.id,
    day,
    groupSecret: secret,
    statement: statement === undefined ? [] : [statement],
    name: utf8(group.name),
    inviterRecord: own.record,
    record,
    memberCount: group.list.members.size,
    listDigest: listDigest(crypto, group.list),
    directoryDigest: invite.directoryDigest,
    expiresAt,
  })
  wipeDerived(bestEpoch(group), secret)
  return { group: { ...group, pending, petnames }, newcomer: { id: newcomer, record }, body, messageKind: 'invitation' }
}

/**
 * The group that an invitation leads into, with inviter and self in it until the list arrives, and the confirmation
 * that asks the inviter for it. `petname` is a local name for the inviter. Throws `NAME_INVALID`.
 */
export function joinGroup(
  crypto: Hashing & Signing & Group255,
  from: VerifiedInvitation,
  as: { readonly name: string; readonly petname?: string; readonly now: Millis },
): { readonly group: Group; readonly send: GroupSend } {
  const { inviter, record } = from
  const list = mergeRecords(crypto, from.groupId, listFromRoot(crypto, inviter.record), [record]).list
  const joined = { id: from.groupId, name: checkName(as.name), epoch: from.epoch, list }
  const made = makeGroup(crypto, joined, as.now)
  const petnames = withPetname(made, inviter.id, as.petname)
  const group = { ...made, differs: notYetHeard(inviter.id, as.now), petnames }
  return { group, send: confirmationOf(from) }
}

/**
 * The group held here under what an invitation into it brings: another record of this device, where it had been removed, and the
 * present secret. `undefined` where it contradicts what is held, or its inviter is no member here.
 */
export function rejoinGroup(
  crypto: Hashing & Signing & Group255,
  held: Group,
  from: VerifiedInvitation,
  now: Millis,
): { readonly group: Group; readonly send: GroupSend } | undefined {
  const { inviter, record, epoch } = from
  const same = epochByTag(held, epoch.tag)
  if (same === undefined && memberById(held.list, inviter.id) === undefined) return undefined
  const issuer = epoch.statement && knownById(held.list, epoch.statement.issuer)
  if (!isCredible(crypto, held, epoch, issuer, now)) return undefined
  const { list } = mergeRecords(crypto, held.id, held.list, [record])
  const group = refreshKeys(crypto, withEpoch({ ...held, list }, epoch, now), now)
  return { group, send: confirmationOf(from) }
}

/** The inviter is asked for the list if it does not come by itself. */
function notYetHeard(from: NodeId, now: Millis): Difference {
  return { listDigest: new Uint8Array(0), from, announcedAt: 0, askAt: now + 2 * limits.askQuietMs, asked: 0 }
}

function confirmationOf({ record, inviter }: VerifiedInvitation): GroupSend {
  return { kind: 'confirmation', body: confirmation.encode({ record }), recipients: [inviter], personal: true }
}

/** The best epoch with the secret of today: who is invited reads nothing of the days before. */
function epochNow(crypto: Hashing, group: Group, now: Millis): Epoch {
  const epoch = bestEpoch(group)
  const day = Math.max(epoch.day, utcDay(now))
  return { ...epoch, day, secret: secretOfDay(crypto, epoch, day) }
}

function makeGroup(
  crypto: Hashing & Group255,
  { epoch, ...fields }: Pick<Group, 'id' | 'name' | 'list'> & { readonly epoch: Epoch },
  now: Millis,
): Group {
  const keys = groupKeys(crypto, epoch.secret)
  const checkAt = now + limits.checkMs
  return refreshKeys(crypto, { ...quietGroup, ...fields, epochs: [epoch], keys, live: [], checkAt }, now)
}

/** This device's own entry in a group that it is in. */
export function ownMember(group: Group, self: NodeId): Member {
  const own = memberById(group.list, self)
  if (own === undefined)
    throw new ProtocolError(
      'GROUP_UNKNOWN',
      `this device is no member of "${group.name}" any more; ask to be invited again`,
    )
  return own
}

const quietGroup = {
  list: emptyList(),
  pending: new Map<string, PendingInvitation>(),
  petnames: new Map<string, string>(),
  toIntroduce: [],
  toTell: [],
  introduceAt: undefined,
  introduceBy: undefined,
  rekeyAt: undefined,
  toUpdate: [],
  updateAt: undefined,
  differs: undefined,
  checkAt: undefined,
  answered: new Map<string, Millis>(),
  left: false,
}

/** The group without the invitation of a device, which then counts for nothing. Throws `INVITATION_UNKNOWN`. */
export function cancelInvitation(group: Group, newcomer: NodeId): Group {
  const id = toHex(newcomer)
  if (group.pending.has(id)) return withPending(group, new Map([...group.pending].filter(([other]) => other !== id)))
  throw new ProtocolError(
    'INVITATION_UNKNOWN',
    `no invitation of that device to ${group.name} awaits an answer; "group invitations" lists those that do`,
  )
}

/** The group without invitations that nobody can confirm any more; the same one where there are none. */
export function expireInvitations(group: Group, now: Millis): Group {
  const living = livingInvitations(group, now)
  return living.size === group.pending.size ? group : withPending(group, living)
}

/** With these invitations alone. Names of those who never came go with theirs, so that names stay bounded. */
function withPending(group: Group, pending: ReadonlyMap<string, PendingInvitation>): Group {
  const isKnown = (id: string) => group.list.members.has(id) || pending.has(id) || !group.pending.has(id)
  return { ...group, pending, petnames: new Map([...group.petnames].filter(([id]) => isKnown(id))) }
}

/** Pending invitations that may still be confirmed: the newcomer's last-minute answer travels for a message's life. */
function livingInvitations(group: Group, now: Millis): Map<string, PendingInvitation> {
  return new Map([...group.pending].filter(([, { expiresAt }]) => now <= expiresAt + limits.messageLifeMs))
}

function checkInvitable(group: Group, self: NodeId, newcomer: NodeId, pendingInvitations: number): void {
  if (equal(newcomer, self)) {
    throw new ProtocolError('MEMBER_SELF', "this is this device's own address; ask the other device for its address")
  }
  if (memberById(group.list, newcomer) !== undefined) {
    throw new ProtocolError('MEMBER_EXISTS', `that device is in ${group.name} already; nothing needs to be done`)
  }
  if (group.list.members.size + pendingInvitations >= limits.members) {
    throw new ProtocolError(
      'MEMBERS_FULL',
      `${group.name} has ${limits.members} members and invitations; create another`,
    )
  }
  if (pendingInvitations >= limits.pendingInvitations) {
    throw new ProtocolError(
      'INVITATIONS_FULL',
      'too many invitations await an answer; wait until some are taken or expire',
    )
  }
}
