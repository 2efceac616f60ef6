/**
 * Groups that are made before a world begins: what the production functions of src/group make of a creation and of records signed
 * one after the other, as the entries that a device finds on its disk.
 */
import type { RandomBytes } from '../../src/base/random.js'
import { randomBelow } from '../../src/base/random.js'
import type { Millis } from '../../src/base/time.js'
import type { MemberRecord } from '../../src/group/group.js'
import { mergeRecords } from '../../src/group/history.js'
import { createRecord } from '../../src/group/member-list.js'
import { createGroup } from '../../src/group/membership.js'
import { encodeGroup } from '../../src/group/storage.js'
import { keys } from '../../src/role/device/records.js'
import { crypto, type DevicePerson } from './actors.js'

export interface MadeGroup {
  readonly name: string
  /** Devices by their place, the creator first; none has two places. */
  readonly members: readonly number[]
}

/** How long ago groups were made: longer than any clock is wrong. */
const AGE_MS = 2 * 3_600_000

/** The entries of a group, alike on the disk of each member. Each member was invited by one of those before it. */
export function groupEntries(
  random: RandomBytes,
  now: Millis,
  name: string,
  members: readonly DevicePerson[],
): ReadonlyMap<string, Uint8Array> {
  const [creator, ...others] = members as [DevicePerson, ...DevicePerson[]]
  // One creator's groups are told apart by when they were made.
  const madeAt = now - AGE_MS - randomBelow(random, AGE_MS)
  const group = createGroup(crypto, random, { ...signer(creator), name, now: madeAt })
  const records = others.map((member, index): MemberRecord => {
    const inviter = members[randomBelow(random, index + 1)] as DevicePerson
    return createRecord(crypto, {
      identity: inviter.self.identity,
      inviter: inviter.self.id,
      groupId: group.id,
      identityKey: member.self.identity.identityKey,
      accessCode: member.address.accessCode,
      role: 'member',
      since: madeAt + 1_000 * (index + 1),
    })
  })
  const { list } = mergeRecords(crypto, group.id, group.list, records)
  if (list.members.size !== members.length) throw new Error(`${list.members.size} of ${members.length} are members`)
  return new Map([[keys.group(group.id), encodeGroup({ ...group, list })]])
}

function signer({ self, address }: DevicePerson) {
  return { identity: self.identity, self: self.id, accessCode: address.accessCode }
}
