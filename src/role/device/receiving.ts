/**
 * What becomes of a payload from CS: descrambled, opened, verified, handed on once; kept where it may be of use later; dropped
 * under a code otherwise (PROTOCOL.md sections 6 and 8). CS is told only once whatever had to be written is durable.
 */
import { digest, equal, type NodeId, point } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import type { Millis } from '../../base/time.js'
import {
  checkAge,
  coverPart,
  decodeParsed,
  descramble,
  encodeParsed,
  messageTime,
  type OpenedContent,
  openContent,
  openPersonalContent,
  type PersonalContent,
  verifyGroupContent,
  verifyPersonalContent,
} from '../../group/content.js'
import type { Group, GroupSend, Local, Member, VerifiedContent } from '../../group/group.js'
import { attend, dueAt, isWhole, receiveContent } from '../../group/membership.js'
import { INVITATION_PAYLOAD_BYTES } from '../../group/padding.js'
import type { FormatValue } from '../../wire/codec.js'
import type { DeviceCore } from './core.js'
import { announcedDirectory } from './directory-views.js'
import type { Kept, KeptPayload } from './kept.js'
import { draftOf, type Outgoing } from './outbox.js'
import { earlyPayload } from './records.js'

/** What became of a payload. `done` means that CS, or whoever kept it, may delete it. */
type Verdict = 'done' | 'noKey' | 'unknownSender' | 'noRoom'

/** E_i, by which an own copy is known. */
const POINT_BYTES = 32
/** Stand in an early payload for what was sealed for this device alone, under no epoch. */
const NO_POINT = point(new Uint8Array(POINT_BYTES))
const NO_EPOCH = digest(new Uint8Array(32))

export class Receiving {
  private readonly core: DeviceCore
  private readonly confirm: (number: number) => void
  /** Bytes of the largest body that stays at CS because there was no room for it here. */
  private refusedBytes: number | undefined
  private grown = false
  private hasNewKeys = false
  /** What groups answer to what was received. */
  private answers: Outgoing[] = []

  /** `confirm` tells CS that the delivery of that number may be deleted. */
  constructor(core: DeviceCore, confirm: (number: number) => void) {
    this.core = core
    this.confirm = confirm
  }

  delivery(now: Millis, number: number, payload: Uint8Array): void {
    if (this.take(now, payload)) this.core.storage.whenDurable(() => this.confirm(number))
  }

  /** Whether CS should be asked again for what was refused, as there is room for it now; true once. */
  wantsRefused(now: Millis): boolean {
    const { inbox, outbox, handedOn } = this.core
    if (this.refusedBytes === undefined || !inbox.hasRoomAgain(this.refusedBytes)) return false
    if (!outbox.hasRoom || !handedOn.makeRoom(now)) return false
    this.refusedBytes = undefined
    return true
  }

  /** Whether all that CS handed out was taken. */
  get tookAll(): boolean {
    return this.refusedBytes === undefined
  }

  /** Other keys than before may open what none opened. */
  keysChanged(): void {
    this.hasNewKeys = true
  }

  /** Takes up what lists that have grown, or keys that have come, may make of use. */
  retryWhatMayOpen(now: Millis): void {
    while (this.hasNewKeys || this.grown) {
      const all = this.hasNewKeys
      this.hasNewKeys = false
      this.grown = false
      if (all) this.retryKept(now)
      else this.retryEarly(now)
    }
  }

  /** After a key came or room was made: whatever could not be used may be of use now. */
  retryKept(now: Millis): void {
    for (const kept of [this.core.unopened, this.core.unread]) {
      for (const entry of kept.all()) this.retry(now, kept, entry)
    }
    this.retryEarly(now)
  }

  /** After a list grew: what came from unknown senders may be of use now. No list opens what no key opened. */
  retryEarly(now: Millis): void {
    const { early } = this.core
    for (let changed = true; changed; ) {
      changed = false
      for (const entry of early.all()) changed = this.retry(now, early, entry) || changed
    }
  }

  /** Sends what the groups have to say: answers, and what they have collected and is due. */
  attendDue(now: Millis): Outgoing[] {
    const { crypto, random } = this.core.options
    const directory = this.core.directory()
    const queued = this.answers
    this.answers = []
    if (directory === undefined || (this.core.groups.dueAt ?? now + 1) > now) return queued
    for (const group of this.core.groups.all()) {
      if ((dueAt(group) ?? now + 1) > now || !this.core.outbox.hasRoom) continue
      const attended = attend(crypto, random, group, this.local(), now, digest(directory.digest))
      this.core.groups.put(attended.group)
      for (const send of attended.sends) queued.push(this.store(now, group, send))
    }
    return queued
  }

  /** Puts what a group says to itself into the outbox, with the next write. */
  store(now: Millis, group: Group, send: GroupSend): Outgoing {
    const { padding } = this.core.options
    const draft = draftOf(group, send, this.core.messageIds.next(now), padding)
    return this.core.outbox.addPatient(draft, send.recipients.map(addressee))
  }

  /** This device, as its groups know it. */
  local(): Local {
    const { identity, id } = this.core.options.self
    return { identity, self: id }
  }

  /** Whether the payload has been dealt with, or stays at CS. */
  private take(now: Millis, payload: Uint8Array): boolean {
    const verdict = this.open(now, payload)
    switch (verdict) {
      case 'done':
        return true
      case 'noRoom':
        this.core.drop('INBOX_FULL')
        return false
      case 'unknownSender':
        // Counted as ignored at once; should the introduction still come, it is taken up again.
        this.core.drop('MESSAGE_SENDER')
        return true
      case 'noKey':
        this.keepUnopened(now, payload)
        return true
      default:
        return verdict satisfies never
    }
  }

  private keepUnopened(now: Millis, payload: Uint8Array): void {
    const { unopened, unread, storage } = this.core
    // What is larger than any invitation does not push one out.
    const kept = payload.length <= INVITATION_PAYLOAD_BYTES ? unopened : unread
    const { state, lost } = kept.keep(now, payload)
    for (let i = 0; i < lost; i++) this.core.drop('MESSAGE_UNOPENED')
    if (kept !== unopened || state !== 'kept') return
    storage.whenDurable(() => this.core.say({ type: 'unopened', waiting: unopened.count }))
  }

  /** True where the entry could be used after all, so that what it brought may help others. */
  private retry(now: Millis, kept: Kept, entry: KeptPayload): boolean {
    const verdict = kept === this.core.early ? this.openEarly(now, entry.payload) : this.open(now, entry.payload)
    if (verdict === 'done') kept.remove(entry)
    // What opened and cannot be used yet stands among those now.
    if (verdict === 'unknownSender' && kept !== this.core.early) kept.remove(entry)
    return verdict === 'done'
  }

  private open(now: Millis, payload: Uint8Array): Verdict {
    const { options, groups, ownCopies } = this.core
    if (ownCopies.has(payload.subarray(0, POINT_BYTES))) return this.dropped('MESSAGE_OWN_COPY')
    const trials = groups.privateKeys
    const opened = descramble(options.crypto, [...trials, options.self.identity.secretScalar], payload)
    if (opened === undefined) return 'noKey'
    if (opened.index === trials.length) return this.openPersonal(now, opened.content)
    const { group, keys } = groups.at(opened.index)
    const parsed = openContent(options.crypto, keys, opened.content)
    if (parsed === undefined) return this.dropped('MESSAGE_CONTENT')
    const personalPart = coverPart(options.crypto, keys, opened.content, options.self.id, opened.personalPart)
    return this.judge(now, group, { parsed, publicPoint: keys.publicPoint, epoch: keys.epoch.tag }, personalPart, true)
  }

  /** Of a group's content, who sent it. One from nobody who is known yet is kept opened, so that its key need not be. */
  private judge(now: Millis, group: Group, opened: OpenedContent, personalPart: Uint8Array, isNew: boolean): Verdict {
    const verified = verifyGroupContent(this.core.options.crypto, group, opened, personalPart)
    if (verified.ok) return this.verified(now, group, verified.value)
    if (verified.code !== 'MESSAGE_SENDER') return this.dropped(verified.code)
    const { publicPoint, epoch, parsed } = opened
    if (isNew)
      this.keepEarly(now, { groupId: group.id, publicPoint, epoch, personalPart, content: encodeParsed(parsed) })
    return 'unknownSender'
  }

  private openPersonal(now: Millis, content: Uint8Array): Verdict {
    const { crypto, self } = this.core.options
    const personal = openPersonalContent(crypto, self.identity, content)
    if (personal === undefined) return this.dropped('MESSAGE_CONTENT')
    return this.judgePersonal(now, personal, true)
  }

  private judgePersonal(now: Millis, personal: PersonalContent, isNew: boolean): Verdict {
    const { crypto, self } = this.core.options
    const group = this.core.groups.byId(personal.groupId)
    // Anybody can seal for a device's point: nothing is kept of whom no group here could know.
    if (group === undefined) return this.dropped('MESSAGE_SENDER')
    const verified = verifyPersonalContent(crypto, group, self.identity.identityKey, personal)
    if (verified.ok) return this.verified(now, group, verified.value)
    const mayBecomeKnown = verified.code === 'MESSAGE_SENDER' && group.list.root !== undefined
    if (!mayBecomeKnown) return this.dropped(verified.code)
    const none = { publicPoint: NO_POINT, epoch: NO_EPOCH, personalPart: new Uint8Array(0) }
    if (isNew) this.keepEarly(now, { groupId: group.id, ...none, content: encodeParsed(personal.content) })
    return 'unknownSender'
  }

  private keepEarly(now: Millis, payload: FormatValue<typeof earlyPayload>): void {
    this.core.early.keep(now, earlyPayload.encode(payload))
  }

  private openEarly(now: Millis, kept: Uint8Array): Verdict {
    const early = earlyPayload.parse(kept)
    const content = early.ok ? decodeParsed(early.value.content) : undefined
    if (!early.ok || content === undefined) return this.dropped('MESSAGE_CONTENT')
    const { groupId, publicPoint, epoch, personalPart } = early.value
    if (equal(publicPoint, NO_POINT)) return this.judgePersonal(now, { groupId, content }, false)
    const group = this.core.groups.byId(groupId)
    if (group === undefined) return this.dropped('MESSAGE_SENDER')
    return this.judge(now, group, { parsed: content, publicPoint, epoch }, personalPart, false)
  }

  private verified(now: Millis, group: Group, content: VerifiedContent): Verdict {
    const { handedOn, inbox, outbox, options } = this.core
    const { messageId, sender } = content
    if (equal(sender.id, options.self.id)) return this.dropped('MESSAGE_OWN_COPY')
    if (checkAge(messageId, now) !== undefined) return this.dropped('MESSAGE_AGE')
    if (handedOn.has(messageId, group.id, sender.id)) return this.dropped('MESSAGE_REPLAY')
    if (!handedOn.covers(messageId)) return this.dropped('MESSAGE_AGE')
    if (!inbox.hasRoom(content.body.length) || !outbox.hasRoom || !handedOn.makeRoom(now)) {
      this.refusedBytes = Math.max(this.refusedBytes ?? 0, content.body.length)
      return 'noRoom'
    }
    if (!isWhole(options.crypto, this.local(), content)) return this.dropped('GROUP_SECRET')
    this.observe(group, content)
    handedOn.add(messageId, group.id, sender.id)
    this.core.heard.note(now, group.id, messageTime(messageId))
    const directory = announcedDirectory(content)
    if (directory !== undefined) this.core.directories.announced(now, sender.id, directory, messageTime(messageId))
    this.handOn(now, group, content)
    return 'done'
  }

  private handOn(now: Millis, group: Group, content: VerifiedContent): void {
    const { crypto, random, self } = this.core.options
    const received = receiveContent(crypto, random, group, this.local(), content, now)
    for (const code of received.drops) this.core.drop(code)
    if (received.group !== group) this.core.groups.put(received.group)
    for (const send of received.sends) this.answers.push(this.store(now, received.group, send))
    if (received.application !== undefined) {
      const message = this.core.inbox.add(group, content)
      this.core.storage.whenDurable(() => this.core.say({ type: 'message', message }))
    }
    const joined = received.joined.filter(({ id }) => !equal(id, self.id))
    for (const { id } of joined) this.sayOf(group, 'memberJoined', id)
    for (const { id } of received.gone) this.sayOf(group, 'memberLeft', id)
    if (joined.length > 0) this.grown = true
    if (received.group.live.some((keys) => !group.live.includes(keys))) this.hasNewKeys = true
  }

  private sayOf(group: Group, type: 'memberJoined' | 'memberLeft', id: NodeId): void {
    const member = id.slice() as NodeId
    this.core.storage.whenDurable(() => this.core.say({ type, group: group.name, member }))
  }

  private dropped(code: DropCode): Verdict {
    this.core.drop(code)
    return 'done'
  }

  private observe(group: Group, { sender, messageId, body }: VerifiedContent): void {
    const { observe } = this.core.options
    observe?.('message opened', 'groupId', group.id)
    observe?.('message opened', 'sender', sender.id)
    observe?.('message opened', 'messageId', messageId)
    observe?.('message opened', 'body', body)
  }
}

export function addressee({ id, record }: Member): { readonly id: NodeId; readonly accessCode: Uint8Array } {
  return { id, accessCode: record.accessCode }
}
