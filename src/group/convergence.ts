/**
 * How the lists of all members become one list, whoever invites whom at the same time (PROTOCOL.md section 8.4). What
 * there is to say is collected for a moment, so that many newcomers cost one message to all others.
 */
import { compare, type Digest, equal, type NodeId, toHex } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { Hashing, Signing } from '../crypto/crypto.js'
import type { FormatValue } from '../wire/codec.js'
import { confirmation, memberRecord, members as membersFormat, type membersPurposes } from '../wire/content.js'
import type { Group, GroupSend, Member, MemberList, MemberRecord, VerifiedContent } from './group.js'
import { ownMember } from './joining.js'
import { listDigest, memberById, membersByAge, mergeRecords, recordSignedBy } from './member-list.js'
import { CONTENT_OVERHEAD_BYTES, MEMBERS_OVERHEAD_BYTES, OPENED_COPY_OVERHEAD_BYTES } from './sizes.js'

const RECORD_BYTES = memberRecord.fixedBytes as number

/** What a content of a group led to. */
export interface Received {
  readonly group: Group
  /** Members that the list did not have before. */
  readonly joined: readonly Member[]
  /** The body of an application message, to be handed on. */
  readonly application?: Uint8Array
  readonly drops: readonly DropCode[]
}

/** Takes a verified content into the group. What follows from it is sent by `introduce`, once `introduceAt` has come. */
export function receiveContent(
  crypto: Hashing & Signing,
  group: Group,
  self: NodeId,
  content: VerifiedContent,
  now: Millis,
): Received {
  switch (content.kind) {
    case 'application':
      return { group, joined: [], application: content.body, drops: [] }
    case 'confirmation':
      return receiveConfirmation(crypto, group, self, content, now)
    case 'members':
      return receiveMembers(crypto, group, self, content, now)
    case 'invitation':
      return dropped(group, 'MESSAGE_CONTENT')
    default:
      return content.kind satisfies never
  }
}

function receiveConfirmation(
  crypto: Hashing & Signing,
  group: Group,
  self: NodeId,
  content: VerifiedContent,
  now: Millis,
): Received {
  const parsed = confirmation.parse(content.body)
  if (!parsed.ok) return dropped(group, 'MESSAGE_CONTENT')
  const { record } = parsed.value
  const ownKey = ownMember(group, self).record.identityKey
  const isOurs = equal(record.inviter, self) && recordSignedBy(crypto, group.id, ownKey, record)
  if (!isOurs || !equal(record.identityKey, content.sender.record.identityKey)) {
    return dropped(group, 'CONFIRMATION_UNKNOWN')
  }
  const { list, added, refused } = mergeRecords(crypto, group.id, group.list, [record])
  const pending = new Map(group.pending)
  pending.delete(toHex(content.sender.id))
  const isTaken = list.members.get(toHex(content.sender.id))?.record === record
  const next = { ...group, list, pending }
  return {
    group: isTaken ? schedule({ ...next, toIntroduce: [...group.toIntroduce, record] }, now) : next,
    joined: added,
    drops: refused.map(({ code }) => code),
  }
}

function receiveMembers(
  crypto: Hashing & Signing,
  group: Group,
  self: NodeId,
  content: VerifiedContent,
  now: Millis,
): Received {
  // Each record costs two verifications: past what one content may hold, nothing is looked at.
  if (content.body.length > limits.membersContentBytes) return dropped(group, 'MESSAGE_CONTENT')
  const parsed = membersFormat.parse(content.body)
  if (!parsed.ok) return dropped(group, 'MESSAGE_CONTENT')
  const { list, added, refused } = mergeRecords(crypto, group.id, group.list, parsed.value.records)
  const next = { ...group, list }
  const drops = refused.map(({ code }) => code)
  const told = withToTell(crypto, next, self, parsed.value, added)
  const isScheduled = told === next && next.introduceAt !== undefined
  return { group: isScheduled ? next : schedule(told, now), joined: added, drops }
}

/** Notes which of the members just learnt of may not have heard of those that this device introduced. */
function withToTell(
  crypto: Hashing,
  group: Group,
  self: NodeId,
  announcement: FormatValue<typeof membersFormat>,
  added: readonly Member[],
): Group {
  const learnt = added.filter(({ id }) => !equal(id, self))
  if (learnt.length === 0 || ownNewcomers(group, self).length === 0) return group
  const { purpose, listDigest: announced, records } = announcement
  // Newcomers that were sent a list equal to this device's have heard of its newcomers.
  const isInformed = purpose === 'introduction' && equal(announced, listDigest(crypto, introducedList(group)))
  const named = new Set(isInformed ? records.map(({ identityKey }) => toHex(identityKey)) : [])
  const uninformed = learnt.filter(({ record }) => !named.has(toHex(record.identityKey))).map(({ id }) => id)
  // An elder's records can push younger members out and in again: each is named once, and while it is a member, so that
  // what is stored stays bounded whatever a member sends.
  const byId = new Map([...group.toTell, ...uninformed].map((id) => [toHex(id), id]))
  return { ...group, toTell: [...byId].filter(([id]) => group.list.members.has(id)).map(([, id]) => id) }
}

/**
 * Sends what has been collected, if it is due: the newcomers' records to all others, the whole list to the newcomers, and
 * this device's earlier newcomers to members that may not have heard of them. Store the group together with the sends.
 */
export function introduce(
  crypto: Hashing,
  group: Group,
  self: NodeId,
  now: Millis,
  directoryDigest: Digest,
): { readonly group: Group; readonly sends: readonly GroupSend[] } {
  if (group.introduceAt === undefined || now < group.introduceAt) return { group, sends: [] }
  const batch = recordsPerContent(group.list.members.size)
  const newcomers = group.toIntroduce.slice(0, batch)
  const rest = group.toIntroduce.slice(batch)
  const earlier = ownNewcomers(group, self)
  const announced = introducedList({ ...group, toIntroduce: rest })
  const announce = announcer(crypto, announced, directoryDigest)

  const newKeys = new Set(newcomers.map(({ identityKey }) => toHex(identityKey)))
  const isNew = ({ record }: Member) => newKeys.has(toHex(record.identityKey))
  const all = membersByAge(announced).filter(({ id }) => !equal(id, self))
  const others = all.filter((member) => !isNew(member))
  const uninformedIds = new Set(group.toTell.map(toHex))
  const uninformed = others.filter(({ id }) => uninformedIds.has(toHex(id)))
  const sends = [
    ...announce('introduction', newcomers, others),
    ...announce('records', recordsOf(membersByAge(announced)), all.filter(isNew)),
    ...announce('records', recordsOf(earlier), uninformed),
  ]
  const dueAt = rest.length > 0 ? now : undefined
  return { group: { ...group, toIntroduce: rest, toTell: [], introduceAt: dueAt, introduceBy: dueAt }, sends }
}

/** Makes the contents that bring these records to these members: none for nobody, several for many records. */
function announcer(crypto: Hashing, list: Pick<MemberList, 'members'>, directoryDigest: Digest) {
  const digest = listDigest(crypto, list)
  return (purpose: keyof typeof membersPurposes, records: readonly MemberRecord[], recipients: readonly Member[]) => {
    const sends: GroupSend[] = []
    const perContent = recordsPerContent(recipients.length)
    for (let from = 0; recipients.length > 0 && from < records.length; from += perContent) {
      const body = membersFormat.encode({
        purpose,
        memberCount: list.members.size,
        listDigest: digest,
        directoryDigest,
        records: records.slice(from, from + perContent),
      })
      sends.push({ kind: 'members', body, recipients })
    }
    return sends
  }
}

/** Records that one content may have, so that copies to all recipients stay within limits under any padding. */
function recordsPerContent(recipients: number): number {
  const copyBytes = Math.floor(limits.splitTotalBytes / (recipients + 1)) - OPENED_COPY_OVERHEAD_BYTES
  // Padding at most doubles a content.
  const contentBytes = Math.min(limits.membersContentBytes, Math.floor(copyBytes / 2))
  return Math.floor((contentBytes - CONTENT_OVERHEAD_BYTES - MEMBERS_OVERHEAD_BYTES) / RECORD_BYTES)
}

/** Members that this device invited and has introduced. */
function ownNewcomers(group: Group, self: NodeId): Member[] {
  const { members } = introducedList(group)
  return [...members.values()].filter(({ id, record }) => equal(record.inviter, self) && !equal(id, self))
}

/** The list without newcomers that are still to be introduced. */
function introducedList(group: Group): Pick<MemberList, 'members'> {
  const waiting = group.toIntroduce
  if (waiting.length === 0) return group.list
  const members = [...group.list.members].filter(
    ([, { record }]) => !waiting.some((other) => compare(other.signature, record.signature) === 0),
  )
  return { members: new Map(members) }
}

/**
 * Sets when `introduce` is due, if there is something to say: after a quiet moment, but not put off for ever, and at once
 * when newcomers fill a content. A device that has not got the list itself waits for it: its newcomers could not trace
 * its own record back to the creator.
 */
function schedule(group: Group, now: Millis): Group {
  const isQuiet = group.toIntroduce.length === 0 && group.toTell.length === 0
  if (isQuiet || !isTraceable(group.list)) return group
  const introduceBy = group.introduceBy ?? now + limits.introduceWaitMs
  const isFull = group.toIntroduce.length >= recordsPerContent(group.list.members.size)
  const introduceAt = isFull ? now : Math.min(now + limits.introduceQuietMs, introduceBy)
  return { ...group, introduceBy, introduceAt }
}

/** Whether every record's inviter is in the list: all but the root's have been checked for that. */
function isTraceable(list: MemberList): boolean {
  const root = list.root === undefined ? undefined : list.members.get(list.root)
  return root !== undefined && memberById(list, root.record.inviter) !== undefined
}

function recordsOf(members: readonly Member[]): MemberRecord[] {
  return members.map(({ record }) => record)
}

function dropped(group: Group, code: DropCode): Received {
  return { group, joined: [], drops: [code] }
}
