/**
 * What only endpoints and P2 read: the request body, the scrambled payload, the content and what a group says to itself
 * (PROTOCOL.md sections 5, 6 and 8).
 */
import { digest, fromUtf8, groupId, identityKey, key, messageId, nodeId, point, signature } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import { format } from './codec.js'
import {
  bytes,
  choice,
  counted,
  delimited,
  dependent,
  list,
  nested,
  rest,
  TAG_BYTES,
  unsigned,
  zeroPadding,
} from './fields.js'

/** A history is compared in parts: what concerns the members whose ids' first bytes end in the same four bits. */
export const BUCKETS = 16
export const BUCKET_BYTES = 8

/** Bytes of one recipient slot. */
export const SLOT_BYTES = 10

export const sealed = format('sealed', 'What sealing gives: PROTOCOL.md section 2, and section 3 for a payload.', [
  ['ephemeral', bytes(32, point), 'E'],
  ['ciphertext', rest(limits.messageBytes, TAG_BYTES), 'AEAD'],
])

/** Bytes that sealing adds. */
export const SEAL_BYTES = sealed.leastBytes

export const requestBody = format('request body', 'What P2 reads of a request.', [
  ['oneTimeBase', bytes(32, point), "B'"],
  ['oneTimeKey', bytes(32, point), "G'"],
  ['count', unsigned(2, { min: 1, max: limits.copies, code: 'REQUEST_COUNT' }), 'copies'],
  ['personalPartBytes', unsigned(1), 'bytes of each personal part, 0 for none'],
  ['contentBytes', unsigned(3, { max: limits.messageBytes }), 'bytes of the content'],
  ['slots', dependent(SLOT_BYTES, 'count'), 'slot_i'],
  ['personalParts', dependent('personalPartBytes', 'count'), 'part_i'],
  ['content', dependent('contentBytes'), 'sealed for the group'],
  ['paddingBytes', zeroPadding(), 'zero bytes'],
])

export const openedCopy = format('opened copy', 'copy_i: what CS reads of a copy, and stores.', [
  ['ephemeral', bytes(32), 'R_i'],
  ['slot', bytes(SLOT_BYTES), 'slot_i'],
  ['payload', rest(limits.messageBytes, SEAL_BYTES), 'payload_i: E_i and the scrambled payload'],
])

export const recipient = format('recipient', 'What a slot holds.', [
  ['id', bytes(8, nodeId), 'id of the device; zero for a decoy'],
  ['accessCode', bytes(2), 'its access code'],
])

export const scrambledPayload = format('scrambled payload', 'What T reads once a payload is descrambled.', [
  ['personalPartBytes', unsigned(1), 'bytes of the personal part'],
  ['personalPart', dependent('personalPartBytes'), 'part_i'],
  ['content', rest(limits.messageBytes), 'sealed for the group'],
])

/** What a content is for. */
export const contentKinds = {
  application: 1,
  invitation: 2,
  confirmation: 3,
  members: 4,
  rekey: 5,
  question: 6,
  answer: 7,
  direct: 8,
  earlier: 9,
} as const
export type ContentKind = keyof typeof contentKinds

export const content = format('content', 'What T reads once the content is opened.', [
  ['sender', bytes(8, nodeId), 'id of S'],
  ['signature', bytes(64, signature), 'by S: PROTOCOL.md section 6, and section 8 for an invitation'],
  [
    'messageId',
    bytes(8, messageId),
    'Unix milliseconds (6 bytes), then 2 bytes that tell apart what its sender makes in one',
  ],
  [
    'kind',
    choice(contentKinds),
    '1 application, 2 invitation, 3 confirmation, 4 members, 5 rekey, 6 question, 7 answer, 8 application to one member, 9 earlier secret',
  ],
  ['body', delimited(limits.bodyBytes), 'then one byte 0x80'],
  ['paddingBytes', zeroPadding(), 'zero bytes'],
])

export const memberRoles = { member: 1, creator: 2 } as const

export const memberRecord = format(
  'member record',
  "A member, vouched for by the inviter; a creator's is signed by itself.",
  [
    ['identityKey', bytes(32, identityKey), 'of the member'],
    ['accessCode', bytes(2), 'of the member'],
    ['role', choice(memberRoles), '1 member, 2 creator'],
    ['inviter', bytes(8, nodeId), 'id of who invited'],
    ['since', unsigned(6), 'Unix milliseconds of the invitation'],
    ['signature', bytes(64, signature), 'by the inviter, over "mr" || group id || all before'],
  ],
)

export const departure = format('departure', 'Says that a member is one no longer; signed by itself or by another.', [
  ['member', bytes(8, nodeId), 'id of who departs'],
  ['by', bytes(8, nodeId), 'id of who signs'],
  ['at', unsigned(6), 'Unix milliseconds'],
  ['signature', bytes(64, signature), 'by that member, over "dp" || group id || all before'],
])

export const epochStatement = format('epoch statement', 'What its issuer says of a new group secret.', [
  ['number', unsigned(4, { min: 1 }), 'one more than that of the epoch that it follows'],
  ['parent', bytes(32, digest), 'tag of the epoch that it follows; zero for the first'],
  ['commitment', bytes(32, digest), 'H("ec" || the secret of the first day)'],
  ['day', unsigned(4), 'first day of the secret, days since the Unix epoch'],
  ['issuer', bytes(8, nodeId), 'id of who drew the secret'],
  ['departures', unsigned(2, { max: limits.historyDepartures }), 'departures that the issuer held'],
  ['departuresDigest', bytes(32, digest), 'H("de" || those, in their order)'],
  ['signature', bytes(64, signature), 'by the issuer, over "ep" || group id || all before'],
])

export const invitation = format(
  'invitation',
  'Body of a content of kind 2.',
  [
    ['groupId', bytes(8, groupId), 'of the group'],
    ['day', unsigned(4), 'day of the secret, days since the Unix epoch'],
    ['groupSecret', bytes(32, key), 's of that day'],
    ['statement', list(epochStatement, 1, 1), 'of the epoch, unless it is the first'],
    ['name', counted(1, limits.nameBytes), "the group's name at the inviter, as a suggestion; UTF-8"],
    ['inviterRecord', nested(memberRecord), 'of the inviter'],
    ['record', nested(memberRecord), 'of the newcomer, as it will be announced'],
    ['memberCount', unsigned(2, { max: limits.members }), "members of the inviter's list"],
    ['listDigest', bytes(32, digest), "digest of the inviter's list"],
    ['directoryDigest', bytes(32, digest), 'digest of the directory the inviter holds'],
    ['expiresAt', unsigned(6), 'Unix milliseconds'],
  ],
  ({ name }) => (fromUtf8(name) === undefined ? 'WIRE_VALUE' : undefined),
)

/** Stands in front of every body that is sealed for one member alone, whose key is not the group's. */
export const personalBody = format('personal body', 'Body of a content for one member alone.', [
  ['groupId', bytes(8, groupId), 'of the group'],
  ['body', rest(limits.bodyBytes), 'as in a content of the same kind for all'],
])

export const confirmation = format('confirmation', 'Body of a content of kind 3: the newcomer has joined.', [
  ['record', nested(memberRecord), 'of the newcomer, as the inviter signed it'],
])

/** What the members of the records have been told: the whole list of the digest, or not. */
export const membersPurposes = { introduction: 1, records: 2 } as const

/** Of digests that every member is sent again and again, half is enough: two that agree in it take about 2^64 tries. */
export const ANNOUNCED_DIGEST_BYTES = 16

export const members = format(
  'members',
  'Body of a content of kind 4: member records and departures, and what the history comes to.',
  [
    ['purpose', choice(membersPurposes), '1 introduction of newcomers who were sent the whole list, 2 records'],
    ['listDigest', bytes(ANNOUNCED_DIGEST_BYTES), "first half of the digest of the sender's history"],
    ['directoryDigest', bytes(ANNOUNCED_DIGEST_BYTES), 'first half of the digest of the directory the sender holds'],
    ['records', list(memberRecord, 2, limits.historyRecords), 'some or all of the history'],
    ['departures', list(departure, 2, limits.historyDepartures), 'some or all of the history'],
  ],
)

export const rekey = format(
  'group rekey',
  'Body of a content of kind 5: a new secret, in a personal part for each member.',
  [
    ['ephemeral', bytes(32, point), 'E: [e]B, one for all personal parts'],
    ['statement', nested(epochStatement), 'of the new epoch'],
    ['memberCount', unsigned(2, { max: limits.members }), "members of the sender's list"],
    ['listDigest', bytes(ANNOUNCED_DIGEST_BYTES), "first half of the digest of the sender's history"],
    ['directoryDigest', bytes(ANNOUNCED_DIGEST_BYTES), 'first half of the digest of the directory the sender holds'],
    ['departures', list(departure, 1, limits.contentDepartures), 'that the epoch before did not leave out'],
  ],
)

/** Of the tag of an epoch, where both sides hold what it names. */
export const EPOCH_NAME_BYTES = 8

export const question = format('question', 'Body of a content of kind 6: asks one member for what it holds.', [
  ['epoch', bytes(32, digest), 'tag of the best epoch of the sender'],
  ['number', unsigned(4), 'its number'],
  ['buckets', bytes(BUCKETS * BUCKET_BYTES), 'for each bucket of the history, the first 8 bytes of its digest'],
  [
    'held',
    counted(1, (limits.groupEpochs - 1) * EPOCH_NAME_BYTES),
    'first 8 bytes of the tag of each other epoch of the sender',
  ],
])

export const answer = format('answer', 'Body of a content of kind 7: the current secret, for a member that lacks it.', [
  ['day', unsigned(4), 'day of the secret, days since the Unix epoch'],
  ['groupSecret', bytes(32, key), 's of that day'],
  ['statement', list(epochStatement, 1, 1), 'of the epoch, unless it is the first'],
  ['listDigest', bytes(ANNOUNCED_DIGEST_BYTES), "first half of the digest of the sender's history"],
])

export const earlier = format(
  'earlier secret',
  'Body of a content of kind 9: a secret that was replaced, for a member that may have messages sealed under it.',
  [
    ['day', unsigned(4), 'day of the secret, days since the Unix epoch'],
    ['groupSecret', bytes(32, key), 's of that day'],
    ['statement', nested(epochStatement), 'of the epoch'],
    ['replacedAt', unsigned(6), 'Unix milliseconds when the sender first held a better one'],
  ],
)
