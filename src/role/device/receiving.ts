/**
 * What becomes of a payload from CS: descrambled, opened, verified, handed on once; kept where it may be of use later; dropped
 * under a code otherwise (PROTOCOL.md sections 6 and 8). CS is told only once whatever had to be written is durable.
 */
import { digest, equal, type NodeId } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import type { Millis } from '../../base/time.js'
import { checkAge, descramble, newMessageId, openGroupContent } from '../../group/content.js'
import type { Group, GroupSend, Member, VerifiedContent } from '../../group/group.js'
import { introduce, receiveContent } from '../../group/membership.js'
import { INVITATION_PAYLOAD_BYTES } from '../../group/padding.js'
import type { DeviceCore } from './core.js'
import type { Kept, KeptPayload } from './kept.js'
import type { Outgoing } from './outbox.js'

/** What became of a payload. `done` means that CS, or whoever kept it, may delete it. */
type Verdict = 'done' | 'noKey' | 'unknownSender' | 'noRoom'

/** E_i, by which an own copy is known. */
const POINT_BYTES = 32

export class Receiving {
  private readonly core: DeviceCore
  private readonly confirm: (number: number) => void
  /** Bytes of the largest body that stays at CS because there was no room for it here. */
  private refusedBytes: number | undefined
  private grown = false

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

  /** Whether a list has grown since this was last asked. */
  takeGrown(): boolean {
    const { grown } = this
    this.grown = false
    return grown
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

  /** Sends what the groups have collected to say. */
  introduceDue(now: Millis): Outgoing[] {
    const { crypto, self } = this.core.options
    const directory = this.core.directory()
    const queued: Outgoing[] = []
    if (directory === undefined || (this.core.groups.introduceAt ?? now + 1) > now) return queued
    for (const group of this.core.groups.all()) {
      if (group.introduceAt === undefined || group.introduceAt > now || !this.core.outbox.hasRoom) continue
      const introduced = introduce(crypto, group, self.id, now, digest(directory.digest))
      this.core.groups.put(introduced.group)
      for (const send of introduced.sends) queued.push(this.store(now, group, send))
    }
    return queued
  }

  /** Puts what a group says to itself into the outbox, with the next write. */
  store(now: Millis, group: Group, { kind, body, recipients }: GroupSend): Outgoing {
    const { random, padding } = this.core.options
    const draft = { groupId: group.id, kind, messageId: newMessageId(random, now), body, padding }
    return this.core.outbox.addPatient(draft, recipients.map(addressee))
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
        this.core.early.keep(now, payload)
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
    const verdict = this.open(now, entry.payload)
    if (verdict === 'done') kept.remove(entry)
    if (verdict === 'unknownSender' && kept !== this.core.early) {
      if (this.core.early.keep(now, entry.payload).state !== 'refused') kept.remove(entry)
    }
    return verdict === 'done'
  }

  private open(now: Millis, payload: Uint8Array): Verdict {
    const { options, groups, ownCopies } = this.core
    if (ownCopies.has(payload.subarray(0, POINT_BYTES))) return this.dropped('MESSAGE_OWN_COPY')
    const opened = descramble(options.crypto, groups.privateKeys, payload)
    if (opened === undefined) return 'noKey'
    const group = groups.at(opened.index)
    const verified = openGroupContent(options.crypto, group, opened.content)
    if (verified.ok) return this.verified(now, group, verified.value)
    return verified.code === 'MESSAGE_SENDER' ? 'unknownSender' : this.dropped(verified.code)
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
    this.observe(group, content)
    handedOn.add(messageId, group.id, sender.id)
    this.handOn(now, group, content)
    return 'done'
  }

  private handOn(now: Millis, group: Group, content: VerifiedContent): void {
    const { crypto, self } = this.core.options
    const received = receiveContent(crypto, group, self.id, content, now)
    for (const code of received.drops) this.core.drop(code)
    if (received.group !== group) this.core.groups.put(received.group)
    if (received.application !== undefined) {
      const message = this.core.inbox.add(group, content)
      this.core.storage.whenDurable(() => this.core.say({ type: 'message', message }))
    }
    const joined = received.joined.filter(({ id }) => !equal(id, self.id))
    for (const { id } of joined) this.sayJoined(group, id)
    if (joined.length > 0) this.grown = true
  }

  private sayJoined(group: Group, id: NodeId): void {
    const member = id.slice() as NodeId
    this.core.storage.whenDurable(() => this.core.say({ type: 'memberJoined', group: group.name, member }))
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
