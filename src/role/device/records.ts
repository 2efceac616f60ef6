/**
 * What a device keeps on its disk: the keys of its entries and the formats of their values. None of it travels; the
 * formats are declared like those of the wire, so that a damaged entry is refused whole.
 */
import {
  digest,
  type GroupId,
  groupId,
  type MessageId,
  messageId,
  type NodeId,
  nodeId,
  point,
  toHex,
} from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { type FormatValue, format } from '../../wire/codec.js'
import { ANNOUNCED_DIGEST_BYTES, contentKinds } from '../../wire/content.js'
import { bytes, choice, counted, list, rest, unsigned } from '../../wire/fields.js'

/** Version of all that stands here. */
export const STORED_VERSION = 3

const addressed = { all: 1, one: 2 } as const

export const inboxRecord = format('inbox record', 'A message until the application acknowledges it.', [
  ['groupId', bytes(8, groupId), 'of the group'],
  ['group', counted(1, limits.nameBytes), 'its local name when the message came'],
  ['sender', bytes(8, nodeId), 'of the message'],
  ['messageId', bytes(8, messageId), 'of the message'],
  ['to', choice(addressed), 'whether it went to this device alone'],
  ['body', rest(limits.messageBytes), 'of the message'],
])
export type InboxRecord = FormatValue<typeof inboxRecord>

const TARGET_BYTES = 64
const TAG_BYTES = 32

const addressee = format('addressee', 'A recipient.', [
  ['id', bytes(8, nodeId), 'of the device'],
  ['accessCode', bytes(2), 'of the device'],
])
export type Addressee = FormatValue<typeof addressee>

const storedPart = format('stored part', 'A personal part.', [
  ['id', bytes(8, nodeId), 'of its recipient'],
  ['part', counted(1, limits.personalPartBytes), 'for it alone'],
])

export const outboxRecord = format('outbox record', 'A message until every recipient is proven to have it.', [
  ['groupId', bytes(8, groupId), 'of the group'],
  ['kind', choice(contentKinds), 'of the content'],
  ['messageId', bytes(8, messageId), 'of the message'],
  ['others', unsigned(2, { max: limits.copies }), 'recipients in the beginning, the sender not counted'],
  ['open', list(addressee, 2, limits.copies), 'those that are not proven to have it'],
  [
    'target',
    counted(1, TARGET_BYTES),
    'empty for a group; of an invitation point and symmetric key, of what is for one member alone its identity key',
  ],
  ['epoch', counted(1, TAG_BYTES), 'tag of the epoch it is sealed under, empty for the best'],
  ['parts', list(storedPart, 2, limits.copies), 'personal parts of the sender and of those that are open'],
  ['body', rest(limits.messageBytes), 'of the content'],
])

export const keptRecord = format('kept record', 'A payload kept for another try.', [
  ['receivedAt', unsigned(6), 'Unix milliseconds'],
  ['payload', rest(limits.messageBytes), 'as CS delivered it'],
])

export const earlyPayload = format('early payload', 'An opened content from somebody who is not in the list yet.', [
  ['groupId', bytes(8, groupId), 'of the group'],
  ['publicPoint', bytes(32, point), 'G of the day it was sealed under; zero for what was sealed for this device alone'],
  ['epoch', bytes(32, digest), 'tag of the epoch'],
  ['personalPart', counted(1, limits.personalPartBytes), 'that came beside it'],
  ['content', rest(limits.messageBytes), 'as it opened'],
])

const guardRecord = format('guard record', 'A first proxy that the device keeps to.', [
  ['id', bytes(8, nodeId), 'of the proxy'],
  ['drawnAt', unsigned(6), 'Unix milliseconds'],
  ['endsAt', unsigned(6), 'Unix milliseconds'],
  ['missingSince', unsigned(6), 'Unix milliseconds; 0 while it is listed'],
  ['failingSince', unsigned(6), 'Unix milliseconds; 0 where it works'],
  ['failures', unsigned(1), 'in a row'],
])

export const guardsRecord = format('guards record', 'The first proxies that the device keeps to.', [
  ['guards', list(guardRecord, 1, limits.guards), 'in the order in which they were drawn'],
])

const directoryDigest = format('directory digest', 'A directory that the device was given.', [
  ['digest', bytes(ANNOUNCED_DIGEST_BYTES), 'first half of its digest'],
])

export const directoriesRecord = format('directories record', 'The latest directories that the device was given.', [
  ['directories', list(directoryDigest, 2, limits.directoriesRemembered), 'eldest first'],
])

export const heardRecord = format('heard record', 'When another member of a group was last heard from.', [
  ['at', unsigned(6), 'Unix milliseconds'],
])

const NUMBER_DIGITS = 16

export const keys = {
  version: 'device/format',
  /** Sequence of the newest inbox entry there ever was: a number is never given twice. */
  lastSequence: 'device/sequence',
  /** Messages from before this moment are refused, as the record of those handed on reaches no further back. */
  floor: 'device/floor',
  directory: 'directory',
  guards: 'device/guards',
  directories: 'device/directories',
  group: (id: GroupId) => `group/${toHex(id)}`,
  heard: (id: GroupId) => `heard/${toHex(id)}`,
  inbox: (sequence: number) => `inbox/${padded(sequence)}`,
  outbox: (number: number) => `sending/${padded(number)}`,
  /** The message id comes first, so the entries stand in the order of time. */
  handed: (message: MessageId, group: GroupId, sender: NodeId) =>
    `handed/${toHex(message)}${toHex(group)}${toHex(sender)}`,
  ownCopy: (at: number, ownPoint: string) => `own/${padded(at)}/${ownPoint}`,
} as const

/** A number as part of a key, so that keys stand in the order of numbers. */
export function padded(number: number): string {
  return `${number}`.padStart(NUMBER_DIGITS, '0')
}

/** The number after the first slash of a key, or `undefined` where none stands there. */
export function numberIn(key: string): number | undefined {
  const digits = key.split('/')[1] ?? ''
  return /^\d{16}$/.test(digits) && Number.isSafeInteger(Number(digits)) ? Number(digits) : undefined
}
