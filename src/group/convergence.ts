/**
 * How all members come to hold one history and one secret, whoever invites, removes or leaves at the same time (PROTOCOL.md
 * sections 8.4 to 8.7). What there is to say is collected for a moment, so that much of it costs one message to all others.
 */
import { type Digest, equal, type NodeId, toHex } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type RandomBytes, randomBelow } from '../base/random.js'
import { earliest, type Millis } from '../base/time.js'
import type { Hashing } from '../crypto/crypto.js'
import { type FormatValue, owned } from '../wire/codec.js'
import { confirmation, departure as departureFormat, memberRecord, members as membersFormat } from '../wire/content.js'
import { announce, introducedList, ownNewcomers, recordsPerContent } from './announcing.js'
import { messageTime } from './content.js'
import { bestEpoch, refreshKeys } from './epochs.js'
import type { Departure, Group, GroupCrypto, GroupSend, Local, Member, MemberRecord, VerifiedContent } from './group.js'
import { type History, mergeHistory } from './history.js'
import { announcedDigest, memberById, membersByAge, recordSignedBy } from './member-list.js'
import { takeRekey, withList } from './rekey.js'
import { LAGGARD_ANSWERS, noteLaggard, rekeyIfDue, scheduleRekey } from './renewal.js'
import {
  answerQuestion,
  askIfDue,
  checkIfDue,
  noteHistory,
  scheduleUpdates,
  takeAnswer,
  updateIfDue,
  withUpdates,
} from './repair.js'
import { noteDepartures, takeEarlier } from './secrets.js'

/** What a content of a group led to. */
export interface Received {
  readonly group: Group
  /** Members that the list did not have before, and those that it has no longer. */
  readonly joined: readonly Member[]
  readonly gone: readonly Member[]
  /** The body of an application message, to all or directly, to be handed on. */
  readonly application?: Uint8Array
  /** What it is answered with at once. */
  readonly sends: readonly GroupSend[]
  readonly drops: readonly DropCode[]
}

/** Takes a verified content into the group. What else follows from it is sent by `attend`, once `dueAt` has come. */
export function receiveContent(
  crypto: GroupCrypto,
  random: RandomBytes,
  group: Group,
  local: Local,
  content: VerifiedContent,
  now: Millis,
): Received {
  const received = receiveKind(crypto, random, group, local, content, now)
  const changed = noteLaggard(random, received.group, content, now)
  const due = scheduleUpdates(noteDepartures(crypto, changed), now)
  return { ...received, group: scheduleRekey(random, refreshKeys(crypto, due, now), local, now) }
}

function receiveKind(
  crypto: GroupCrypto,
  random: RandomBytes,
  group: Group,
  local: Local,
  content: VerifiedContent,
  now: Millis,
): Received {
  switch (content.kind) {
    case 'application':
    case 'direct':
      return { ...nothing(group), application: content.body }
    case 'confirmation':
      return receiveConfirmation(crypto, group, local, content, now)
    case 'members':
      return receiveMembers(crypto, random, group, local, content, now)
    case 'rekey':
      return receiveRekey(crypto, random, group, local, content, now)
    case 'question': {
      const answered = answerQuestion(crypto, group, local, content, now)
      return { ...nothing(answered.group), sends: answered.sends, drops: answered.drops }
    }
    case 'answer': {
      const taken = takeAnswer(crypto, random, group, local, content, now)
      // Those whom this device brought in are behind as well, as it was.
      const isBetter = !equal(bestEpoch(taken.group).tag, bestEpoch(group).tag)
      const next = isBetter ? withUpdates(taken.group, recentNewcomers(taken.group, local.self, now), now) : taken.group
      return { ...nothing(next), drops: taken.drops }
    }
    case 'earlier': {
      const taken = takeEarlier(crypto, group, content, now)
      return { ...nothing(taken.group), drops: taken.drops }
    }
    case 'invitation':
      return dropped(group, 'MESSAGE_CONTENT')
    default:
      return content.kind satisfies never
  }
}

function receiveConfirmation(
  crypto: GroupCrypto,
  group: Group,
  { identity, self }: Local,
  content: VerifiedContent,
  now: Millis,
): Received {
  const parsed = confirmation.parse(content.body)
  if (!parsed.ok) return dropped(group, 'MESSAGE_CONTENT')
  const record = owned(memberRecord, parsed.value.record)
  const isOurs = equal(record.inviter, self) && recordSignedBy(crypto, group.id, identity.identityKey, record)
  if (!isOurs || !equal(record.identityKey, content.sender.record.identityKey)) {
    return dropped(group, 'CONFIRMATION_UNKNOWN')
  }
  const { list, added, gone, refused } = mergeHistory(crypto, group.id, group.list, {
    records: [record],
    departures: [],
  })
  const id = toHex(content.sender.id)
  const invited = group.pending.get(id)
  const pending = new Map(group.pending)
  pending.delete(id)
  // All must hear of a second record too: it may be the one that counts once they know of a departure.
  const name = toHex(record.signature)
  const isTaken = list.records.has(name) && !group.list.records.has(name)
  const drops = refused.map(({ code }) => code)
  if (!isTaken) return { ...nothing({ ...group, list, pending }), joined: added, gone, drops }
  const introducing = { ...group, list, pending, toIntroduce: [...group.toIntroduce, record] }
  // The secret of the invitation may have been replaced while it lay there.
  const isBehind = invited !== undefined && !equal(invited.epoch, bestEpoch(group).tag)
  const next = isBehind ? withUpdates(introducing, [content.sender.id], now) : introducing
  return { ...nothing(schedule(next, now)), joined: added, gone, drops }
}

function receiveMembers(
  crypto: GroupCrypto,
  random: RandomBytes,
  group: Group,
  local: Local,
  content: VerifiedContent,
  now: Millis,
): Received {
  // Each record costs two verifications: past what one content may hold, nothing is looked at.
  if (content.body.length > limits.membersContentBytes) return dropped(group, 'MESSAGE_CONTENT')
  const parsed = membersFormat.parse(content.body)
  if (!parsed.ok) return dropped(group, 'MESSAGE_CONTENT')
  const { records, departures, purpose } = parsed.value
  const merged = takeHistory(crypto, group, content, { records, departures }, now)
  const { added } = merged
  let next = withToTell(crypto, merged.group, local.self, parsed.value, added)
  const hasNews = next.toTell !== merged.group.toTell || (added.length > 0 && next.introduceAt === undefined)
  if (hasNews) next = schedule(next, now)
  // Who issued the present secret answers for those whom it did not know of, and whose inviter had not heard of it.
  const best = bestEpoch(next)
  const isIssuer = best.statement !== undefined && equal(best.statement.issuer, local.self)
  const isBehind = content.epoch !== undefined && !equal(content.epoch, best.tag)
  if (isIssuer && isBehind && purpose === 'introduction')
    next = withUpdates(
      next,
      added.map(({ id }) => id),
      now,
    )
  const announced = { listDigest: parsed.value.listDigest, from: content.sender.id, at: messageTime(content.messageId) }
  // What came in answer to a question says nothing of others.
  if (content.epoch !== undefined) next = noteHistory(crypto, random, next, announced, now)
  return { ...nothing(next), joined: added, gone: merged.gone, drops: merged.drops }
}

function receiveRekey(
  crypto: GroupCrypto,
  random: RandomBytes,
  group: Group,
  local: Local,
  content: VerifiedContent,
  now: Millis,
): Received {
  const taken = takeRekey(crypto, group, local, content, now)
  if (!taken.ok) return dropped(group, taken.code)
  const { departures } = taken
  const merged = takeHistory(crypto, taken.group, content, { records: [], departures }, now)
  const announced = { listDigest: taken.listDigest, from: content.sender.id, at: messageTime(content.messageId) }
  let next = noteHistory(crypto, random, merged.group, announced, now)
  // Whoever makes a secret on top of an elder one than the best has missed what came in between.
  const best = bestEpoch(next)
  const isBehind = taken.number < best.number && randomBelow(random, next.list.members.size + 1) < LAGGARD_ANSWERS
  if (isBehind) next = withUpdates(next, [content.sender.id], now)
  // Its issuer may not have known of those whom this device has just brought in.
  if (next.differs !== undefined) next = withUpdates(next, recentNewcomers(next, local.self, now), now)
  return { ...nothing(next), gone: merged.gone, drops: merged.drops }
}

interface TakenHistory {
  readonly group: Group
  readonly added: readonly Member[]
  readonly gone: readonly Member[]
  readonly drops: readonly DropCode[]
}

/** Of who has departed, only what takes members away counts: it could name newcomers of its own making. */
function takeHistory(
  crypto: GroupCrypto,
  group: Group,
  content: VerifiedContent,
  { records, departures }: History,
  now: Millis,
): TakenHistory {
  const isMember = memberById(group.list, content.sender.id) !== undefined
  const isDated = ({ at }: Departure) => at <= now + limits.clockSkewMs
  // What is kept must not keep alive all of the content that it came in.
  const news = {
    records: isMember ? records.map((each) => owned(memberRecord, each)) : [],
    departures: departures.filter(isDated).map((each) => owned(departureFormat, each)),
  }
  const { list, added, gone, refused } = mergeHistory(crypto, group.id, group.list, news)
  const drops = refused.map(({ code }) => code)
  const late = departures.length - news.departures.length
  return {
    group: withList(group, list),
    added,
    gone,
    drops: [...drops, ...new Array<DropCode>(late).fill('MEMBER_DEPARTURE')],
  }
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
  const isInformed = purpose === 'introduction' && equal(announced, announcedDigest(crypto, introducedList(group)))
  const named = new Set(isInformed ? records.map(({ identityKey }) => toHex(identityKey)) : [])
  const uninformed = learnt.filter(({ record }) => !named.has(toHex(record.identityKey))).map(({ id }) => id)
  if (uninformed.length === 0) return group
  // Each is named once, and while it is a member, so that what is stored stays bounded whatever a member sends.
  const byId = new Map([...group.toTell, ...uninformed].map((id) => [toHex(id), id]))
  return { ...group, toTell: [...byId].filter(([id]) => group.list.members.has(id)).map(([, id]) => id) }
}

/** When `attend` next has something to do. */
export function dueAt({ introduceAt, rekeyAt, updateAt, differs, checkAt, left }: Group): Millis | undefined {
  if (left) return undefined
  return [introduceAt, rekeyAt, updateAt, differs?.askAt, checkAt].reduce(earliest, undefined)
}

/** Sends what has been collected, as far as it is due. Store the group together with the sends. */
export function attend(
  crypto: GroupCrypto,
  random: RandomBytes,
  group: Group,
  local: Local,
  now: Millis,
  directoryDigest: Digest,
): { readonly group: Group; readonly sends: readonly GroupSend[] } {
  const due = dueAt(group)
  if (due === undefined || now < due) return { group, sends: [] }
  let next = group
  const sends: GroupSend[] = []
  const asking = [() => askIfDue(crypto, random, next, local, now), () => checkIfDue(crypto, random, next, local, now)]
  const speaking = [
    () => introduce(crypto, next, local.self, now, directoryDigest),
    () => rekeyIfDue(crypto, random, next, local, now, directoryDigest),
    () => updateIfDue(crypto, next, now),
  ]
  // Who was removed has nothing to say any more. It asks, at most, whether it was: others may know better.
  const isIn = memberById(group.list, local.self) !== undefined
  if (!isIn) next = quiet(group)
  for (const step of isIn ? [...speaking, ...asking] : asking) {
    const done = step()
    next = done.group
    sends.push(...done.sends)
  }
  return { group: scheduleUpdates(noteDepartures(crypto, next), now), sends }
}

function quiet(group: Group): Group {
  const nobody = { toIntroduce: [], toTell: [], toUpdate: [] }
  const never = { introduceAt: undefined, introduceBy: undefined, rekeyAt: undefined, updateAt: undefined }
  return { ...group, ...nobody, ...never }
}

/**
 * The newcomers' records to all others, the whole history to the newcomers, and this device's earlier newcomers to members
 * that may not have heard of them.
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
  const announced = introducedList({ ...group, toIntroduce: rest })
  const newKeys = new Set(newcomers.map(({ identityKey }) => toHex(identityKey)))
  const isNew = ({ record }: Member) => newKeys.has(toHex(record.identityKey))
  const all = membersByAge(announced).filter(({ id }) => !equal(id, self))
  const others = all.filter((member) => !isNew(member))
  const uninformedIds = new Set(group.toTell.map(toHex))
  const uninformed = others.filter(({ id }) => uninformedIds.has(toHex(id)))
  const earlier = ownNewcomers(group, self).map(({ record }) => record)
  const whole = {
    records: [...announced.records.values()].map(({ record }) => record),
    departures: [...announced.departures.values()],
  }
  const say = announce(crypto, announced, directoryDigest)
  const sends = [
    ...say('introduction', { records: newcomers, departures: [] }, others),
    ...say('records', whole, all.filter(isNew)),
    ...say('records', { records: earlier, departures: [] }, uninformed),
  ]
  const next = rest.length > 0 ? now : undefined
  return { group: { ...group, toIntroduce: rest, toTell: [], introduceAt: next, introduceBy: next }, sends }
}

/**
 * Sets when `introduce` is due, if there is something to say: after a quiet moment, but not put off for ever, and at once
 * when newcomers fill a content. A device that has not got the list itself waits for it: its newcomers could not trace
 * its own record back to the creator.
 */
function schedule(group: Group, now: Millis): Group {
  const isQuiet = group.toIntroduce.length === 0 && group.toTell.length === 0
  if (isQuiet || group.list.root !== undefined) return group
  const introduceBy = group.introduceBy ?? now + limits.introduceWaitMs
  const isFull = group.toIntroduce.length >= recordsPerContent(group.list.members.size)
  const introduceAt = isFull ? now : Math.min(now + limits.introduceQuietMs, introduceBy)
  return { ...group, introduceBy, introduceAt }
}

/** The youngest of those that this device brought in and whose mail may still lie unread. */
function recentNewcomers(group: Group, self: NodeId, now: Millis): NodeId[] {
  const isRecent = ({ since, inviter }: MemberRecord) => equal(inviter, self) && since + limits.messageLifeMs > now
  const recent = [...group.list.members.values()].filter(({ id, record }) => isRecent(record) && !equal(id, self))
  return recent.slice(-limits.updates).map(({ id }) => id)
}

function nothing(group: Group): Received {
  return { group, joined: [], gone: [], sends: [], drops: [] }
}

function dropped(group: Group, code: DropCode): Received {
  return { ...nothing(group), drops: [code] }
}
