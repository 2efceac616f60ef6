/** A group's state and the directory as developers see them: ids in hex, times as dates, and devices found by whatever a person calls them. */
import { digest, type NodeId, toHex } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import type { Crypto } from '../crypto/crypto.js'
import { fingerprintOf } from '../group/fingerprint.js'
import type { Group, PendingInvitation as Pending } from '../group/group.js'
import { nodeIdOf, readIdentityKey } from '../group/identity.js'
import { listDigest } from '../group/member-list.js'
import type { DirectoryComparison } from '../role/device/directory-views.js'
import type { VerifiedDirectory } from '../role/server-link.js'
import { parseDeviceAddress } from '../wire/text.js'
import type { DeviceInfo, MemberInfo, PendingInvitation } from './device-api.js'

/** Eldest first, so that everybody comes after who invited it. */
export function membersOf(group: Group, self: string): MemberInfo[] {
  const members = [...group.list.members].map(([id, { record }]) => ({
    id,
    name: group.petnames.get(id),
    role: record.role,
    inviter: toHex(record.inviter),
    since: new Date(record.since),
    self: id === self,
  }))
  return members.sort((a, b) => a.since.getTime() - b.since.getTime())
}

export function fingerprint(crypto: Crypto, group: Group): string {
  return fingerprintOf(listDigest(crypto, group.list))
}

/** The directory in use, and how it compares with what members announce. */
export function directoryOf(
  { version, issuedAt, validUntil, proxies, digest: digestBytes }: VerifiedDirectory,
  { same, other }: DirectoryComparison,
): NonNullable<DeviceInfo['directory']> {
  return {
    version,
    issuedAt: new Date(issuedAt),
    validUntil: new Date(validUntil),
    proxies: [...proxies.keys()],
    fingerprint: fingerprintOf(digest(digestBytes)),
    announced: { same, other: other.map(({ member, at }) => ({ id: toHex(member), at: new Date(at) })) },
  }
}

/** Eldest first. */
export function pendingOf(group: Group): PendingInvitation[] {
  const pending = [...group.pending].map(([id, { record, expiresAt }]) => ({
    id,
    name: group.petnames.get(id),
    invitedAt: new Date(record.since),
    expiresAt: new Date(expiresAt),
  }))
  return pending.sort((a, b) => a.invitedAt.getTime() - b.invitedAt.getTime())
}

/** The invited device that an address, a local name or a hex id means. Throws `INVITATION_UNKNOWN`. */
export function pendingDevice(crypto: Crypto, group: Group, device: string): NodeId {
  const pending = pendingNamed(crypto, group, device)
  if (pending !== undefined) return pending.newcomer
  throw new ProtocolError(
    'INVITATION_UNKNOWN',
    `no invitation of ${device} to ${group.name} awaits an answer; splitcast group invitations lists those that do`,
  )
}

/** The member that an address, a local name or a hex id means. Throws `MEMBER_UNKNOWN`. */
export function memberNamed(crypto: Crypto, group: Group, member: string): NodeId {
  const named = [...group.petnames].find(([id, name]) => name === member && group.list.members.has(id))?.[0]
  const found = group.list.members.get(named ?? idOf(crypto, member))
  if (found !== undefined) return found.id
  const isInvited = pendingNamed(crypto, group, member) !== undefined
  const advice = isInvited
    ? 'it is invited, which splitcast group uninvite takes back'
    : 'splitcast group members lists names and ids'
  throw new ProtocolError('MEMBER_UNKNOWN', `${member} is no member of ${group.name}; ${advice}`)
}

/** The member that an address, a local name or a hex id means, or else who is invited. Throws `MEMBER_UNKNOWN`. */
export function deviceNamed(crypto: Crypto, group: Group, device: string): NodeId {
  const newcomer = pendingNamed(crypto, group, device)?.newcomer
  const isPending = newcomer !== undefined && !group.list.members.has(toHex(newcomer))
  return isPending ? newcomer : memberNamed(crypto, group, device)
}

function pendingNamed(crypto: Crypto, group: Group, device: string): Pending | undefined {
  const named = [...group.pending].find(([id]) => group.petnames.get(id) === device)?.[1]
  return named ?? group.pending.get(idOf(crypto, device))
}

/** The hex id that an address stands for, or the text itself. */
function idOf(crypto: Crypto, device: string): string {
  if (!device.startsWith('cast1')) return device
  const identityKey = readIdentityKey(crypto, parseDeviceAddress(device).identityKey)
  return identityKey === undefined ? device : toHex(nodeIdOf(crypto, identityKey))
}
