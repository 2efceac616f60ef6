/**
 * Turns records and departures into contents for members: none for nobody, several for many, each so small that all its copies stay
 * within limits under any padding (PROTOCOL.md section 8.4).
 */
import { type Digest, equal, type NodeId, toHex } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { Hashing } from '../crypto/crypto.js'
import {
  ANNOUNCED_DIGEST_BYTES,
  memberRecord,
  members as membersFormat,
  type membersPurposes,
} from '../wire/content.js'
import type { Group, GroupSend, Member, MemberList } from './group.js'
import type { History } from './history.js'
import { announcedDigest } from './member-list.js'
import { CONTENT_OVERHEAD_BYTES, MEMBERS_OVERHEAD_BYTES, OPENED_COPY_OVERHEAD_BYTES } from './sizes.js'

/** A departure takes less. */
const RECORD_BYTES = memberRecord.fixedBytes as number

type Announced = Pick<MemberList, 'members' | 'records' | 'departures'>

/** Makes the contents that bring a history, or some of it, to these members. */
export function announce(crypto: Hashing, list: Announced, directoryDigest: Digest) {
  const digest = announcedDigest(crypto, list)
  return (purpose: keyof typeof membersPurposes, history: History, recipients: readonly Member[]): GroupSend[] => {
    if (recipients.length === 0) return []
    return parts(history, recordsPerContent(recipients.length)).map((part) => ({
      kind: 'members',
      body: membersFormat.encode({
        purpose,
        listDigest: digest,
        directoryDigest: directoryDigest.subarray(0, ANNOUNCED_DIGEST_BYTES),
        ...part,
      }),
      recipients,
    }))
  }
}

function parts({ records, departures }: History, most: number): History[] {
  const made: History[] = []
  const total = records.length + departures.length
  for (let from = 0; from < total; from += most) {
    const fromDeparture = Math.max(0, from - records.length)
    const untilDeparture = Math.max(0, from + most - records.length)
    made.push({
      records: records.slice(from, from + most),
      departures: departures.slice(fromDeparture, untilDeparture),
    })
  }
  return made
}

/** Records that one content may have, so that copies to all recipients stay within limits under any padding. */
export function recordsPerContent(recipients: number): number {
  const copyBytes = Math.floor(limits.splitTotalBytes / (recipients + 1)) - OPENED_COPY_OVERHEAD_BYTES
  // Padding at most doubles a content.
  const contentBytes = Math.min(limits.membersContentBytes, Math.floor(copyBytes / 2))
  return Math.floor((contentBytes - CONTENT_OVERHEAD_BYTES - MEMBERS_OVERHEAD_BYTES) / RECORD_BYTES)
}

/** Members that this device invited and has introduced, the eldest first. */
export function ownNewcomers(group: Group, self: NodeId): Member[] {
  const { members } = introducedList(group)
  return [...members.values()].filter(({ id, record }) => equal(record.inviter, self) && !equal(id, self))
}

/** The list without newcomers that are still to be introduced. */
export function introducedList(group: Group): Announced {
  const { list, toIntroduce } = group
  if (toIntroduce.length === 0) return list
  const waiting = new Set(toIntroduce.map(({ signature }) => toHex(signature)))
  const isIntroduced = ([, { record }]: readonly [string, Member]) => !waiting.has(toHex(record.signature))
  return {
    members: new Map([...list.members].filter(isIntroduced)),
    records: new Map([...list.records].filter(isIntroduced)),
    departures: list.departures,
  }
}
