/**
 * A group as a device stores it: a format of its own, declared like those of the wire, with a version in front. What
 * is read back was verified before it was written, so nothing but its form is checked.
 */
import { digest, fromHex, groupId, key, nodeId, toHex, utf8 } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { Group255, Hashing } from '../crypto/crypto.js'
import { format } from '../wire/codec.js'
import { departure, epochStatement, memberRecord } from '../wire/content.js'
import { bytes, choice, counted, list, nested, unsigned } from '../wire/fields.js'
import { epochOf } from './epochs.js'
import type { Epoch, Group } from './group.js'
import { restoredList } from './history.js'
import { nodeIdOf } from './identity.js'
import { groupKeys } from './keys.js'
import { readName } from './names.js'

const VERSION = 3

const storedId = format('stored id', 'A member.', [['id', bytes(8, nodeId), 'id']])

const storedEpoch = format('stored epoch', 'A secret of a group.', [
  ['day', unsigned(4), 'of the secret'],
  ['secret', bytes(32, key), 's of that day'],
  ['statement', list(epochStatement, 1, 1), 'unless it is the first'],
  ['replacedAt', unsigned(6), 'Unix milliseconds, 0 for not at all'],
  ['departuresKnown', choice({ no: 0, yes: 1 }), '1 where the departures that the statement counts have been known'],
])

const storedPetname = format('stored petname', 'A local name.', [
  ['id', bytes(8, nodeId), 'id'],
  ['name', counted(1, limits.nameBytes), 'UTF-8'],
])

const storedInvitation = format('stored invitation', 'An invitation without an answer yet.', [
  ['record', nested(memberRecord), 'of the newcomer'],
  ['epoch', bytes(32, digest), 'tag of the epoch whose secret it carries'],
  ['expiresAt', unsigned(6), 'Unix milliseconds'],
])

const storedGroup = format('stored group', 'A group at one of its members.', [
  ['version', unsigned(1, { min: VERSION, max: VERSION }), '3'],
  ['id', bytes(8, groupId), 'of the group'],
  ['left', choice({ no: 0, yes: 1 }), '1 where this device has left it'],
  ['epochs', list(storedEpoch, 1, limits.groupEpochs, 1), 'the best first'],
  ['name', counted(1, limits.nameBytes), 'UTF-8'],
  ['root', list(storedId, 1, 1), 'whose record is taken on trust'],
  ['records', list(memberRecord, 2, limits.historyRecords), 'that count, by age'],
  ['departures', list(departure, 2, limits.historyDepartures), 'that count'],
  ['orphans', list(memberRecord, 2, limits.historyRecords), 'records of unknown inviters'],
  ['strays', list(departure, 2, limits.historyDepartures), 'departures of or by members unknown'],
  ['pending', list(storedInvitation, 2, limits.pendingInvitations), 'invitations'],
  ['petnames', list(storedPetname, 2, limits.petnames), 'local names'],
  ['toIntroduce', list(memberRecord, 2, limits.members), 'newcomers'],
  ['toTell', list(storedId, 2, limits.members), 'members to be told of earlier newcomers'],
  ['introduceAt', unsigned(6), 'Unix milliseconds, 0 for not at all'],
  ['introduceBy', unsigned(6), 'Unix milliseconds, 0 for not at all'],
  ['rekeyAt', unsigned(6), 'Unix milliseconds, 0 for not at all'],
  ['toUpdate', list(storedId, 2, limits.updates), 'members to be brought the present secret'],
  ['updateAt', unsigned(6), 'Unix milliseconds, 0 for not at all'],
])

type StoredGroup = typeof storedGroup extends { encode(value: infer T): Uint8Array } ? T : never

/** Bytes to store, secrets among them. */
export function encodeGroup(group: Group): Uint8Array {
  return storedGroup.encode({
    version: VERSION,
    id: group.id,
    left: group.left ? 'yes' : 'no',
    epochs: group.epochs.map(({ day, secret, statement, replacedAt, departuresKnown }) => ({
      day,
      secret,
      statement: statement === undefined ? [] : [statement],
      replacedAt: replacedAt ?? 0,
      departuresKnown: departuresKnown ? 'yes' : 'no',
    })),
    name: utf8(group.name),
    root: group.list.root === undefined ? [] : [{ id: nodeId(fromHex(group.list.root)) }],
    records: [...group.list.records.values()].map(({ record }) => record),
    departures: [...group.list.departures.values()],
    orphans: group.list.orphans,
    strays: group.list.strays,
    pending: [...group.pending.values()],
    petnames: [...group.petnames].map(([id, name]) => ({ id: nodeId(fromHex(id)), name: utf8(name) })),
    toIntroduce: group.toIntroduce,
    toTell: group.toTell.map((id) => ({ id })),
    introduceAt: group.introduceAt ?? 0,
    introduceBy: group.introduceBy ?? 0,
    rekeyAt: group.rekeyAt ?? 0,
    toUpdate: group.toUpdate.map((id) => ({ id })),
    updateAt: group.updateAt ?? 0,
  })
}

/**
 * The group that `encodeGroup` wrote, or `undefined` where the bytes are none of this version, whole and well-formed. Its keys are
 * those of the day of each secret: `refreshKeys` makes those of today.
 */
export function decodeGroup(crypto: Hashing & Group255, stored: Uint8Array): Group | undefined {
  const parsed = storedGroup.parse(new Uint8Array(stored))
  if (!parsed.ok) return undefined
  const name = readName(parsed.value.name)
  const petnames = readPetnames(parsed.value)
  if (name === undefined || petnames === undefined) return undefined
  const { id, left, root, toIntroduce, toTell, toUpdate } = parsed.value
  const epochs = parsed.value.epochs.map(({ statement, day, secret, replacedAt, departuresKnown }) => ({
    ...epochOf(crypto, statement[0], day, secret),
    replacedAt: time(replacedAt),
    departuresKnown: departuresKnown === 'yes',
  }))
  return {
    id,
    name,
    epochs,
    keys: groupKeys(crypto, (epochs[0] as Epoch).secret),
    live: [],
    list: listOf(crypto, parsed.value, root[0] && toHex(root[0].id)),
    pending: readPending(crypto, parsed.value),
    petnames,
    toIntroduce,
    toTell: toTell.map((each) => each.id),
    introduceAt: time(parsed.value.introduceAt),
    introduceBy: time(parsed.value.introduceBy),
    rekeyAt: time(parsed.value.rekeyAt),
    toUpdate: toUpdate.map((each) => each.id),
    updateAt: time(parsed.value.updateAt),
    differs: undefined,
    checkAt: undefined,
    answered: new Map(),
    left: left === 'yes',
  }
}

function listOf(crypto: Hashing, { records, departures, orphans, strays }: StoredGroup, root: string | undefined) {
  const counted = records.map((record) => ({ id: nodeIdOf(crypto, record.identityKey), record }))
  return restoredList(counted, departures, { root, orphans, strays })
}

function readPending(crypto: Hashing, stored: StoredGroup): Group['pending'] {
  return new Map(
    stored.pending.map(({ record, epoch, expiresAt }) => {
      const newcomer = nodeIdOf(crypto, record.identityKey)
      return [toHex(newcomer), { newcomer, epoch, record, expiresAt }]
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
