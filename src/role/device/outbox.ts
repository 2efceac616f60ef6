/**
 * Messages on their way to a first proxy. What a group says to itself (confirmations, introductions) also stands on disk
 * until a first proxy has it, so that no crash leaves a group half told (PROTOCOL.md section 8). Count and bytes are bounded.
 */
import type { GroupId, MessageId } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import type { PaddingMode, SealingTarget } from '../../group/group.js'
import type { ContentKind } from '../../wire/content.js'
import type { DeviceResult, UploadReport } from '../device.js'
import type { Reference } from '../role.js'
import { type Addressee, keys, numberIn, outboxRecord } from './records.js'
import type { Storage } from './storage.js'

/** A message to be sent; the same whatever proxies it is tried with. */
export interface Draft {
  readonly groupId: GroupId
  /** What it is sealed for where that is an invitation, not the group. */
  readonly invitation?: SealingTarget
  readonly kind: ContentKind
  readonly messageId: MessageId
  readonly body: Uint8Array
  /** The sender among them. */
  readonly recipients: readonly Addressee[]
  readonly padding: PaddingMode
}

export interface Outgoing extends Draft {
  /** Whom to tell; nobody waits for what a group says to itself. */
  readonly command?: { readonly reference: Reference; readonly result: (report: UploadReport) => DeviceResult }
  /** Where it stands on disk. */
  readonly key?: string
  /** First proxies that were tried since the last pause; hex ids of those that failed. */
  tries: number
  readonly failed: Set<string>
  /** Pauses so far, and when the present one ends. */
  pauses: number
  notBefore: Millis
}

export interface OutboxBounds {
  readonly messages: number
  readonly bytes: number
}

export class Outbox {
  private readonly storage: Storage
  private readonly bounds: OutboxBounds
  private readonly held = new Set<Outgoing>()
  private heldBytes = 0
  private nextNumber = 0

  constructor(
    storage: Storage,
    bounds: OutboxBounds = { messages: limits.outgoingMessages, bytes: limits.outgoingBytes },
  ) {
    this.storage = storage
    this.bounds = bounds
  }

  /** `undefined` where the entry does not parse; its number is not given again all the same. */
  restore(key: string, value: Uint8Array, padding: PaddingMode): Outgoing | undefined {
    const number = numberIn(key)
    if (number !== undefined) this.nextNumber = Math.max(this.nextNumber, number + 1)
    const parsed = outboxRecord.parse(value.slice())
    if (number === undefined || !parsed.ok) return undefined
    return this.hold({ ...fresh({ ...parsed.value, padding }), key })
  }

  get count(): number {
    return this.held.size
  }

  /** Whether there is room for what a group says to itself; one answer to one message may pass the bound by a little. */
  get hasRoom(): boolean {
    return this.held.size < this.bounds.messages && this.heldBytes < this.bounds.bytes
  }

  /** For a user's message. Throws `SEND_QUEUE_FULL`. */
  add(draft: Draft, command: NonNullable<Outgoing['command']>): Outgoing {
    const { messages, bytes } = this.bounds
    if (this.held.size >= messages || this.heldBytes + sizeBytes(draft) > bytes) {
      throw new ProtocolError('SEND_QUEUE_FULL', 'too much is waiting to be sent; try again when some of it has left')
    }
    return this.hold({ ...fresh(draft), command })
  }

  /** For what a group says to itself: stands on disk with the change that made it. */
  addStored(draft: Draft): Outgoing {
    const key = keys.outbox(this.nextNumber++)
    this.storage.put(key, outboxRecord.encode(draft))
    return this.hold({ ...fresh(draft), key })
  }

  remove(outgoing: Outgoing): void {
    if (!this.held.delete(outgoing)) return
    this.heldBytes -= sizeBytes(outgoing)
    if (outgoing.key !== undefined) this.storage.delete(outgoing.key)
  }

  /** Takes back one that was removed because a first proxy had it, and that proxy then refused it. */
  takeBack(outgoing: Outgoing): void {
    if (outgoing.key !== undefined) this.storage.put(outgoing.key, outboxRecord.encode(outgoing))
    this.hold(outgoing)
  }

  find(reference: Reference): Outgoing | undefined {
    for (const each of this.held) if (each.command?.reference === reference) return each
    return undefined
  }

  has(outgoing: Outgoing): boolean {
    return this.held.has(outgoing)
  }

  private hold(outgoing: Outgoing): Outgoing {
    this.held.add(outgoing)
    this.heldBytes += sizeBytes(outgoing)
    return outgoing
  }
}

function fresh(draft: Draft): Outgoing {
  return { ...draft, tries: 0, failed: new Set(), pauses: 0, notBefore: 0 }
}

const ADDRESSEE_BYTES = 10

function sizeBytes({ body, recipients }: Draft): number {
  return body.length + ADDRESSEE_BYTES * recipients.length
}
