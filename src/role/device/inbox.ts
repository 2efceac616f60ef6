/**
 * The inbox: verified messages on disk until the application acknowledges them (PROTOCOL.md section 6). Bodies are handed
 * out once written and not kept in memory; after a restart the disk hands them back, in order. Count and bytes are bounded.
 */
import { bigEndian, fromBigEndian, fromUtf8, toHex, utf8 } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Group, VerifiedContent } from '../../group/group.js'
import type { InboxMessage } from '../device.js'
import type { Groups } from './groups.js'
import { type InboxRecord, inboxRecord, keys, numberIn } from './records.js'
import type { Storage } from './storage.js'

export interface InboxBounds {
  readonly messages: number
  readonly bytes: number
}

const SEQUENCE_BYTES = 6
const TIME_BYTES = 6
/** Part of the bounds that must be free before what was refused is asked for again. */
const FREE_PART = 1 / 8

export class Inbox {
  private readonly storage: Storage
  private readonly groups: Groups
  private readonly bounds: InboxBounds
  /** Bytes of each message that waits. */
  private readonly sizes = new Map<number, number>()
  private totalBytes = 0
  private nextSequence = 1
  private restored: { readonly sequence: number; readonly record: InboxRecord }[] = []

  constructor(
    storage: Storage,
    groups: Groups,
    bounds: InboxBounds = { messages: limits.inboxMessages, bytes: limits.inboxBytes },
  ) {
    this.storage = storage
    this.groups = groups
    this.bounds = bounds
  }

  /** False where the entry does not parse; its sequence is not given again all the same. */
  restore(key: string, value: Uint8Array): boolean {
    const sequence = numberIn(key)
    if (sequence !== undefined) this.nextSequence = Math.max(this.nextSequence, sequence + 1)
    const parsed = inboxRecord.parse(value)
    if (sequence === undefined || !parsed.ok) return false
    this.restored.push({ sequence, record: parsed.value })
    this.hold(sequence, value.length)
    return true
  }

  restoreSequence(value: Uint8Array): boolean {
    if (value.length !== SEQUENCE_BYTES) return false
    this.nextSequence = Math.max(this.nextSequence, fromBigEndian(value) + 1)
    return true
  }

  /** The messages of an earlier run, in order; they are handed out once. */
  takeRestored(): InboxMessage[] {
    const restored = this.restored.sort((a, b) => a.sequence - b.sequence)
    this.restored = []
    return restored.map(({ sequence, record }) => this.message(sequence, record))
  }

  get count(): number {
    return this.sizes.size
  }

  hasRoom(bodyBytes: number): boolean {
    return this.sizes.size < this.bounds.messages && this.totalBytes + bodyBytes + RECORD_BYTES <= this.bounds.bytes
  }

  /** Whether enough is free to ask CS again for what was refused, a body of `bodyBytes` among it. */
  hasRoomAgain(bodyBytes: number): boolean {
    const { messages, bytes } = this.bounds
    if (!this.hasRoom(bodyBytes)) return false
    const freeMessages = messages - this.sizes.size
    return freeMessages >= messages * FREE_PART && bytes - this.totalBytes >= bytes * FREE_PART
  }

  add(group: Group, content: VerifiedContent): InboxMessage {
    const sequence = this.nextSequence++
    const record = {
      groupId: group.id,
      group: utf8(group.name),
      sender: content.sender.id,
      messageId: content.messageId,
      to: content.kind === 'direct' ? 'one' : 'all',
      body: content.body,
    } as const
    const value = inboxRecord.encode(record)
    this.storage.put(keys.inbox(sequence), value)
    this.storage.put(keys.lastSequence, bigEndian(sequence, SEQUENCE_BYTES))
    this.hold(sequence, value.length)
    // The message outlives the datagrams that its parts are views into.
    const kept = inboxRecord.parse(value)
    return this.message(sequence, kept.ok ? kept.value : record)
  }

  /** Deletes; those deleted before are passed over. Throws `MESSAGE_UNKNOWN` for a sequence never given, and deletes nothing then. */
  acknowledge(sequences: readonly number[]): void {
    const unknown = sequences.find((each) => !Number.isSafeInteger(each) || each < 1 || each >= this.nextSequence)
    if (unknown !== undefined) {
      throw new ProtocolError(
        'MESSAGE_UNKNOWN',
        `no message ${unknown} was ever in the inbox; acknowledge by "sequence"`,
      )
    }
    for (const sequence of sequences) {
      const sizeBytes = this.sizes.get(sequence)
      if (sizeBytes === undefined) continue
      this.sizes.delete(sequence)
      this.totalBytes -= sizeBytes
      this.storage.erase(keys.inbox(sequence))
    }
  }

  private hold(sequence: number, sizeBytes: number): void {
    this.sizes.set(sequence, sizeBytes)
    this.totalBytes += sizeBytes
  }

  private message(sequence: number, record: InboxRecord): InboxMessage {
    const group = this.groups.byId(record.groupId)
    return {
      sequence,
      groupId: record.groupId,
      group: group?.name ?? fromUtf8(record.group) ?? toHex(record.groupId),
      sender: record.sender,
      senderName: group?.petnames.get(toHex(record.sender)),
      messageId: record.messageId,
      sentAt: fromBigEndian(record.messageId.subarray(0, TIME_BYTES)),
      direct: record.to === 'one',
      body: record.body,
    }
  }
}

/** Bytes of an entry beyond its body, at most. */
const RECORD_BYTES = inboxRecord.leastBytes + limits.nameBytes
