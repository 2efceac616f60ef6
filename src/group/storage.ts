/**
 * A group as a device stores it: a format of its own, declared like those of the wire, with a version in front. What
 * is read back was verified before it was written, so nothing but its form is checked.
 */
import { fromHex, groupId, key, nodeId, toHex, utf8 } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { Group255, Hashing } from '../crypto/crypto.js'
import { format } from '../wire/codec.js'
import { memberRecord } from '../wire/content.js'
import { bytes, counted, list, nested, unsigned } from '../wire/fields.js'
import type { Group, Member, MemberRecord } from './group.js'
import { nodeIdOf } from './identity.js'
import { groupKeys } from './keys.js'
import { readName } from './names.js'

const VERSION = 1

const storedId = format('stored id', 'A member.', [['id', bytes(8, nodeId), 'id']])

const storedPetname = format('stored petname', 'A local name.', [
  ['id', bytes(8, nodeId), 'id'],
  ['name', counted(1, limits.nameBytes), 'UTF-8'],
])

const storedInvitation = format('stored invitation', 'An invitation without an answer yet.', [
  ['record', nested(memberRecord), 'of the newcomer'],
  ['expiresAt', unsigned(6), 'Unix milliseconds'],
])

const storedGroup = format('stored group', 'A group at one of its members.', [
  ['version', unsigned(1, { min: VERSION, max: VERSION }), '1'],
  ['id', bytes(8, groupId), 'of the group'],
  ['secret', bytes(32, key), 's'],
  ['name', counted(1, limits.nameBytes), 'UTF-8'],
  ['root', list(storedId, 1, 1), 'whose record is taken on trust'],
  ['records', list(memberRecord, 2, limits.members), 'of the members'],
  ['orphans', list(memberRecord, 2, limits.members), 'records of unknown inviters'],
  ['pending', list(storedInvitation, 2, limits.pendingInvitations), 'invitations'],
  ['petnames', list(storedPetname, 2, limits.members + limits.pendingInvitations), 'local names'],
  ['toIntroduce', list(memberRecord, 2, limits.members), 'newcomers'],
  ['toTell', list(storedId, 2, limits.members), 'members to be told of earlier newcomers'],
  ['introduceAt', unsigned(6), 'Unix milliseconds, 0 for not at all'],
  ['introduceBy', unsigned(6), 'Unix milliseconds, 0 for not at all'],
])

type StoredGroup = typeof storedGroup extends { encode(value: infer T): Uint8Array } ? T : never

/** Bytes to store, secrets among them. */
export function encodeGroup(group: Group): Uint8Array {
  return storedGroup.encode({
    version: VERSION,
    id: group.id,
    secret: group.keys.secret,
    name: utf8(group.name),
    root: [...group.list.members].filter(([id]) => id === group.list.root).map(([, member]) => member),
    records: [...group.list.members.values()].map(({ record }) => record),
    orphans: group.list.orphans,
    pending: [...group.pending.values()],
    petnames: [...group.petnames].map(([id, name]) => ({ id: nodeId(fromHex(id)), name: utf8(name) })),
    toIntroduce: group.toIntroduce,
    toTell: group.toTell.map((id) => ({ id })),
    introduceAt: group.introduceAt ?? 0,
    introduceBy: group.introduceBy ?? 0,
  })
}

/** The group that `encodeGroup` wrote, or `undefined` where the bytes are none of this version, whole and well-formed. */
export function decodeGroup(crypto: Hashing & Group255, stored: Uint8Array): Group | undefined {
  const parsed = storedGroup.parse(new Uint8Array(stored))
  if (!parsed.ok) return undefined
  const name = readName(parsed.value.name)
  const petnames = readPetnames(parsed.value)
  if (name === undefined || petnames === undefined) return undefined
  const { id, secret, root, records, orphans, toIntroduce, toTell } = parsed.value
  return {
    id,
    name,
    keys: groupKeys(crypto, secret),
    list: { members: membersOf(crypto, records), root: root[0] && toHex(root[0].id), orphans },
    pending: readPending(crypto, parsed.value),
    petnames,
    toIntroduce,
    toTell: toTell.map((each) => each.id),
    introduceAt: time(parsed.value.introduceAt),
    introduceBy: time(parsed.value.introduceBy),
  }
}

function membersOf(crypto: Hashing, records: readonly MemberRecord[]): Map<string, Member> {
  return new Map(
    records.map((record) => {
      const id = nodeIdOf(crypto, record.identityKey)
      return [toHex(id), { id, record }]
    }),
  )
}

function readPending(crypto: Hashing, stored: StoredGroup): Group['pending'] {
  return new Map(
    stored.pending.map(({ record, expiresAt }) => {
      const newcomer = nodeIdOf(crypto, record.identityKey)
      return [toHex(newcomer), { newcomer, record, expiresAt }]
    }),
  )
}

function readPetnames(stored: StoredGroup): Map<string, string> | undefined {
  const petnames = new Map<string, string>()
  for (const { id, name } of stored.petnames) {
    const text = readName(name)
    if (text === undefined) return undefined
    petnames.set(toHex(id), text)
  }
  return petnames
}

function time(stored: number): Millis | undefined {
  return stored === 0 ? undefined : stored
}
