/**
 * What is said to one member alone: questions for what it holds, the parts of a history in which two differ, and the present
 * secret for who lacks it (PROTOCOL.md section 8.7). All of it is bounded and rare.
 */
import { concat, digest, equal, type NodeId, toHex } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type RandomBytes, randomBelow } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { Hashing, Signing } from '../crypto/crypto.js'
import { answer as answerFormat, BUCKET_BYTES, BUCKETS, question as questionFormat } from '../wire/content.js'
import { announce } from './announcing.js'
import { messageTime } from './content.js'
import { bestEpoch, byRank, epochOf, withEpoch } from './epochs.js'
import type { Epoch, Group, GroupSend, Local, Member, MemberList, VerifiedContent } from './group.js'
import { departedAt, type History, knownById } from './history.js'
import { announcedDigest, listDigest, memberById } from './member-list.js'
import { earlierSecrets, heldNames, isCredible, isNamed, mayGive, presentSecret } from './secrets.js'

interface Step {
  readonly group: Group
  readonly sends: readonly GroupSend[]
}

/** Somebody said what its history comes to. */
export interface Announced {
  /** As `announcedDigest` makes it. */
  readonly listDigest: Uint8Array
  readonly from: NodeId
  readonly at: Millis
}

/** Notes an announced history that is not this device's, to be asked for after a quiet time; the newest counts. */
export function noteHistory(
  crypto: Hashing,
  random: RandomBytes,
  group: Group,
  announced: Announced,
  now: Millis,
): Group {
  const own = announcedDigest(crypto, group.list)
  const held = group.differs
  const isNewer = held === undefined || announced.at >= held.announcedAt
  const newest = isNewer ? announced.listDigest : held.listDigest
  if (equal(newest, own)) return held === undefined ? group : { ...group, differs: undefined }
  const from = isNewer ? (announced.from.slice() as NodeId) : held.from
  const announcedAt = isNewer ? announced.at : held.announcedAt
  return {
    ...group,
    differs: { listDigest: newest.slice(), from, announcedAt, askAt: askAt(random, group, now), asked: 0 },
  }
}

/** Once to twice the quiet time, and longer where many might ask at once. */
function askAt(random: RandomBytes, { list }: Group, now: Millis): Millis {
  const spreadMs = limits.askQuietMs + list.members.size * limits.askMemberMs
  return now + limits.askQuietMs + randomBelow(random, spreadMs)
}

/** Asks a member, the announcer first, where the histories still differ. */
export function askIfDue(crypto: Hashing, random: RandomBytes, group: Group, { self }: Local, now: Millis): Step {
  const { differs } = group
  if (differs === undefined || now < differs.askAt) return { group, sends: [] }
  const others = [...group.list.members.values()].filter(({ id }) => !equal(id, self))
  const isOver = equal(differs.listDigest, announcedDigest(crypto, group.list)) || differs.asked >= limits.askTries
  if (isOver || others.length === 0) return { group: { ...group, differs: undefined }, sends: [] }
  const announcer = differs.asked === 0 ? memberById(group.list, differs.from) : undefined
  const whom = announcer ?? (others[randomBelow(random, others.length)] as Member)
  const next = {
    ...differs,
    asked: differs.asked + 1,
    askAt: askAt(random, group, now + limits.askQuietMs * 2 ** differs.asked),
  }
  return { group: spoken({ ...group, differs: next }, QUESTION, whom.id, now), sends: [question(crypto, group, whom)] }
}

/**
 * Asks some member about once a day, whatever comes in. What was lost so that nobody knows of it is found in this way: by who was cut
 * off, was away too long or lives on with an old disk, and by those who all hold one old secret.
 */
export function checkIfDue(crypto: Hashing, random: RandomBytes, group: Group, { self }: Local, now: Millis): Step {
  if (group.checkAt === undefined || now < group.checkAt) return { group, sends: [] }
  const next = { ...group, checkAt: now + limits.checkMs / 2 + randomBelow(random, limits.checkMs) }
  if (!isConcerned(group, self, now)) return { group: { ...group, checkAt: undefined }, sends: [] }
  const others = [...group.list.members.values()].filter(({ id }) => !equal(id, self))
  if (others.length === 0) return { group: next, sends: [] }
  const whom = others[randomBelow(random, others.length)] as Member
  return { group: spoken(next, QUESTION, whom.id, now), sends: [question(crypto, group, whom)] }
}

/** Plans the next such question where none is: after a start, or where the clock went back by more than it may be away. */
export function planCheck(random: RandomBytes, group: Group, self: NodeId, now: Millis): Group {
  const isPlanned = group.checkAt !== undefined && group.checkAt <= now + 2 * limits.checkMs
  if (isPlanned || !isConcerned(group, self, now)) return group
  return { ...group, checkAt: now + limits.checkStartMs + randomBelow(random, 2 * limits.checkStartMs) }
}

/**
 * Whether this device is a member, or has departed lately by its own list: who removed it may have been removed before, which all others
 * know. They answer none that departed.
 */
function isConcerned({ list }: Group, self: NodeId, now: Millis): boolean {
  const at = departedAt(list, self)
  return memberById(list, self) !== undefined || (at !== undefined && at + limits.messageLifeMs > now)
}

function question(crypto: Hashing, group: Group, whom: Member): GroupSend {
  const { tag, number } = bestEpoch(group)
  const body = questionFormat.encode({
    epoch: tag,
    number,
    buckets: concat(...buckets(crypto, group.list)),
    held: heldNames(group),
  })
  return { kind: 'question', body, recipients: [whom], personal: true }
}

/**
 * Answers a member with what it lacks: the present secret, and the parts of the history that differ. Where this device
 * may lack something itself, it asks back. `ASK_RATE` past the rate.
 */
export function answerQuestion(
  crypto: Hashing & Signing,
  group: Group,
  { self }: Local,
  { sender, body }: VerifiedContent,
  now: Millis,
): Step & { readonly drops: readonly DropCode[] } {
  const parsed = questionFormat.parse(body)
  if (!parsed.ok) return { group, sends: [], drops: ['MESSAGE_CONTENT'] }
  const member = memberById(group.list, sender.id)
  if (member === undefined) return { group, sends: [], drops: ['MESSAGE_SENDER'] }
  if (!mayAnswer(group, sender.id, now)) return { group, sends: [], drops: ['ASK_RATE'] }
  const best = bestEpoch(group)
  const rank = byRank(best, { ...best, number: parsed.value.number, tag: parsed.value.epoch })
  const differing = differingBuckets(crypto, group.list, parsed.value.buckets)
  // Who has departed, as far as it knows, gives no secrets.
  const isIn = memberById(group.list, self) !== undefined
  const isBehind = isIn && rank < 0
  const sends = isBehind && mayGive(group) ? [presentSecret(crypto, group, member, now)] : []
  if (differing.size > 0) {
    const say = announce(crypto, group.list, NO_DIRECTORY)
    for (const send of say('records', historyIn(group.list, differing), [member])) {
      sends.push({ ...send, personal: true })
    }
  }
  if (isIn) {
    const isHeld = (epoch: Epoch) => isNamed(parsed.value.held, parsed.value.epoch, epoch)
    sends.push(...earlierSecrets(crypto, group, member, now, isHeld))
  }
  const waiting = isBehind && !mayGive(group) ? withUpdates(group, [sender.id], now) : group
  const next = spoken(waiting, ANSWER, sender.id, now)
  const mayLack = rank > 0 || differing.size > 0
  if (!mayLack || spokeAt(group, QUESTION, sender.id, now)) return { group: next, sends, drops: [] }
  return {
    group: spoken(next, QUESTION, sender.id, now),
    sends: [...sends, question(crypto, group, member)],
    drops: [],
  }
}

/** Members who may lack the present secret: it is brought to each in person, soon. */
export function withUpdates(group: Group, ids: readonly NodeId[], now: Millis): Group {
  const byId = new Map([...group.toUpdate, ...ids].map((id) => [toHex(id), id.slice() as NodeId]))
  const members = [...byId].filter(([id]) => group.list.members.has(id)).map(([, id]) => id)
  if (members.length === 0) return group
  const updateAt = group.updateAt ?? now + limits.introduceQuietMs
  return { ...group, toUpdate: members.slice(0, limits.updates), updateAt }
}

/** What waited until this device knew of all departures that the secret was made for waits no longer. */
export function scheduleUpdates(group: Group, now: Millis): Group {
  const waits = group.toUpdate.length > 0 && group.updateAt === undefined
  return waits && mayGive(group) ? { ...group, updateAt: now + limits.introduceQuietMs } : group
}

export function updateIfDue(crypto: Hashing, group: Group, now: Millis): Step {
  if (group.updateAt === undefined || now < group.updateAt) return { group, sends: [] }
  if (!mayGive(group)) return { group: { ...group, updateAt: undefined }, sends: [] }
  // Who was told a moment ago is told again only later: it may have been of another secret.
  const later = group.toUpdate.filter((id) => spokeAt(group, ANSWER, id, now))
  const due = group.toUpdate.filter((id) => !later.includes(id))
  const members = due.flatMap((id) => memberById(group.list, id) ?? [])
  const told = members.reduce((next, { id }) => spoken(next, ANSWER, id, now), group)
  const isOld = ({ replacedAt = 0 }: Epoch) => replacedAt + limits.clockSkewMs <= now
  const sends = members.flatMap((member) => [
    presentSecret(crypto, group, member, now),
    ...earlierSecrets(crypto, group, member, now, isOld),
  ])
  const updateAt = later.length > 0 ? now + limits.answerPauseMs : undefined
  return { group: { ...told, toUpdate: later, updateAt }, sends }
}

/**
 * Takes a secret on a member's word, if its statement is signed by a member and it contradicts nothing that is held. From its own
 * inviter, by whose word it came, a device takes one of an issuer that it does not know yet.
 */
export function takeAnswer(
  crypto: Hashing & Signing,
  random: RandomBytes,
  group: Group,
  { self }: Local,
  content: VerifiedContent,
  now: Millis,
): { readonly group: Group; readonly drops: readonly DropCode[] } {
  const parsed = answerFormat.parse(content.body)
  if (!parsed.ok) return { group, drops: ['MESSAGE_CONTENT'] }
  const { day, groupSecret, statement, listDigest: theirs } = parsed.value
  const epoch = epochOf(crypto, statement[0], day, groupSecret)
  const own = memberById(group.list, self)
  const isFromInviter = own !== undefined && equal(own.record.inviter, content.sender.id)
  const issuer = epoch.statement && knownById(group.list, epoch.statement.issuer)
  // Its issuer came while this device was behind, and the records are still under way: it is asked for once they may have come.
  if (epoch.statement !== undefined && issuer === undefined && !isFromInviter)
    return { group: checkedSoon(random, group, now), drops: [] }
  if (!isCredible(crypto, group, epoch, issuer, now)) return { group, drops: ['GROUP_SECRET'] }
  const best = bestEpoch(group)
  const announced = { listDigest: theirs, from: content.sender.id, at: messageTime(content.messageId) }
  // An answer to a question is followed by what it lacks: to note it as news would make questions without end.
  const isAsked = spokeAt(group, QUESTION, content.sender.id, now)
  const next = isAsked ? group : noteHistory(crypto, random, group, announced, now)
  // Who told it is behind itself: nothing is learnt from it, and it is told in turn.
  if (byRank(best, epoch) < 0) return { group: withUpdates(next, [content.sender.id], now), drops: [] }
  return { group: withEpoch(next, epoch, now), drops: [] }
}

function checkedSoon(random: RandomBytes, group: Group, now: Millis): Group {
  const soon = now + limits.answerPauseMs + randomBelow(random, limits.answerPauseMs)
  return { ...group, checkAt: Math.min(group.checkAt ?? soon, soon) }
}

/** The first 8 bytes of the digest of each bucket. */
function buckets(crypto: Hashing, list: Pick<MemberList, 'records' | 'departures'>): Uint8Array[] {
  return Array.from({ length: BUCKETS }, (_, bucket) => {
    const { records, departures } = historyIn(list, new Set([bucket]))
    const members = records.map((record): [string, Member] => [
      toHex(record.signature),
      list.records.get(toHex(record.signature)) as Member,
    ])
    const named = departures.map((each): [string, typeof each] => [toHex(each.signature), each])
    const bucketDigest = listDigest(crypto, { records: new Map(members), departures: new Map(named) })
    return bucketDigest.subarray(0, BUCKET_BYTES)
  })
}

function differingBuckets(crypto: Hashing, list: MemberList, theirs: Uint8Array): Set<number> {
  const differing = new Set<number>()
  for (const [bucket, own] of buckets(crypto, list).entries()) {
    if (!equal(own, theirs.subarray(bucket * BUCKET_BYTES, (bucket + 1) * BUCKET_BYTES))) differing.add(bucket)
  }
  return differing
}

/** What concerns members whose ids begin so. */
function historyIn(list: Pick<MemberList, 'records' | 'departures'>, buckets: ReadonlySet<number>): History {
  const isIn = (id: NodeId) => buckets.has((id[0] as number) % BUCKETS)
  return {
    records: [...list.records.values()].filter(({ id }) => isIn(id)).map(({ record }) => record),
    departures: [...list.departures.values()].filter(({ member }) => isIn(member)),
  }
}

const ANSWER = 'answer'
const QUESTION = 'question'
const NO_DIRECTORY = digest(new Uint8Array(32))

function mayAnswer(group: Group, id: NodeId, now: Millis): boolean {
  const recent = [...group.answered].filter(([, at]) => at > now - limits.answerPauseMs && at <= now)
  const answers = recent.filter(([name]) => name.startsWith(ANSWER))
  return answers.length < limits.answersPerPause && !spokeAt(group, ANSWER, id, now)
}

function spokeAt(group: Group, what: string, id: NodeId, now: Millis): boolean {
  const at = group.answered.get(`${what}/${toHex(id)}`)
  return at !== undefined && at > now - limits.answerPauseMs && at <= now
}

function spoken(group: Group, what: string, id: NodeId, now: Millis): Group {
  const recent = [...group.answered].filter(([, at]) => at > now - limits.answerPauseMs && at <= now)
  return { ...group, answered: new Map(recent).set(`${what}/${toHex(id)}`, now) }
}
