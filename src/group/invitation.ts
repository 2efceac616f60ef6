/**
 * Reads an invitation that opened under a passphrase, and believes nothing that it cannot check (PROTOCOL.md section 8.3).
 * Only the inviter's own place in the group is taken on its word: whoever knows the passphrase vouches for it.
 */
import { equal, type NodeId, type Scalar } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import { type Millis, utcDay } from '../base/time.js'
import type { Hashing, Identity, Sealing, Signing } from '../crypto/crypto.js'
import { invitation } from '../wire/content.js'
import { checkAge, messageTime, openContent, type ParsedContent, signedBy } from './content.js'
import { epochOf, fitsStatement } from './epochs.js'
import type { MemberRecord, Opened, SealingTarget, VerifiedInvitation } from './group.js'
import { nodeIdOf, readIdentityKey } from './identity.js'
import { groupIdOf, recordSignedBy } from './member-list.js'
import { readName } from './names.js'

/** `invitationKeys` of the passphrase, with the private key p + d. */
export interface InvitationOpeningKeys extends Required<SealingTarget> {
  readonly privateKey: Scalar
}

/** The invited device. */
export interface Invitee {
  readonly identity: Identity
  readonly id: NodeId
  readonly accessCode: Uint8Array
}

/**
 * Opens and verifies the content of an invitation. `MESSAGE_CONTENT` where it is none under these keys,
 * `MESSAGE_SIGNATURE` and `MEMBER_RECORD` where it is not what its inviter signed for this device, `INVITATION_EXPIRED`
 * and `MESSAGE_AGE` where it comes too late or from a clock ahead, `GROUP_SECRET` where secret and statement do not fit.
 */
export function readInvitation(
  crypto: Hashing & Signing & Sealing,
  keys: InvitationOpeningKeys,
  self: Invitee,
  content: Uint8Array,
  now: Millis,
): Opened<VerifiedInvitation> {
  const opened = openContent(crypto, keys, content)
  if (opened === undefined || opened.kind !== 'invitation') return { ok: false, code: 'MESSAGE_CONTENT' }
  const parsed = invitation.parse(opened.body)
  if (!parsed.ok) return { ok: false, code: 'MESSAGE_CONTENT' }
  const { groupId, groupSecret, inviterRecord, record, memberCount, expiresAt, day, statement } = parsed.value
  const name = readName(parsed.value.name)
  if (name === undefined) return { ok: false, code: 'MESSAGE_CONTENT' }

  const inviterKey = readIdentityKey(crypto, inviterRecord.identityKey)
  if (inviterKey === undefined) return { ok: false, code: 'MEMBER_RECORD' }
  const inviter = { id: nodeIdOf(crypto, inviterKey), record: inviterRecord }
  const isFromInviter = equal(inviter.id, opened.sender)
  if (!isFromInviter || !signedBy(crypto, inviter, { type: 'invitation', keys }, opened)) {
    return { ok: false, code: 'MESSAGE_SIGNATURE' }
  }
  const signedRecord = (each: MemberRecord) => recordSignedBy(crypto, groupId, inviterKey, each)
  if (!signedRecord(record)) return { ok: false, code: 'MEMBER_RECORD' }
  if (inviterRecord.role === 'creator') {
    // A creator's record is signed by itself, which can be checked at once; another's only with its own inviter's key.
    const isCreator = equal(groupIdOf(crypto, inviterRecord), groupId) && equal(inviterRecord.inviter, inviter.id)
    if (!isCreator || !signedRecord(inviterRecord)) return { ok: false, code: 'MEMBER_RECORD' }
  }
  if (!fitsInvitee(self, inviter.id, inviterRecord, record, now)) return { ok: false, code: 'MEMBER_RECORD' }
  const late = checkLife(opened, expiresAt, now)
  if (late !== undefined) return { ok: false, code: late }
  const epoch = epochOf(crypto, statement[0], day, groupSecret)
  if (day > utcDay(now + limits.clockSkewMs)) return { ok: false, code: 'MESSAGE_AGE' }
  if (!fitsStatement(crypto, epoch, now)) return { ok: false, code: 'GROUP_SECRET' }
  const { directoryDigest } = parsed.value
  const value = { groupId, epoch, name, inviter, record, inviterKey, memberCount, directoryDigest, expiresAt }
  return { ok: true, value }
}

function fitsInvitee(
  self: Invitee,
  inviter: NodeId,
  inviterRecord: MemberRecord,
  record: MemberRecord,
  now: Millis,
): boolean {
  const isOwn = equal(record.identityKey, self.identity.identityKey) && equal(record.accessCode, self.accessCode)
  const isOrdered = record.since > inviterRecord.since && record.since <= now + limits.clockSkewMs
  return isOwn && isOrdered && record.role === 'member' && equal(record.inviter, inviter)
}

function checkLife(content: ParsedContent, expiresAt: Millis, now: Millis) {
  const lastMoment = Math.min(expiresAt, messageTime(content.messageId) + limits.invitationLifeMs)
  return now > lastMoment ? 'INVITATION_EXPIRED' : checkAge(content.messageId, now)
}
