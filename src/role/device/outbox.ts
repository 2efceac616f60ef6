/**
 * Messages on their way, each held from the moment it is to be sent until every recipient is proven to have it or it is given
 * up (PROTOCOL.md section 7.1). All stand on disk meanwhile, so that no crash loses one. Count and bytes are bounded.
 */
import {
  concat,
  type Digest,
  digest,
  equal,
  fromHex,
  type GroupId,
  type IdentityKey,
  identityKey,
  type MessageId,
  type NodeId,
  nodeId,
  point,
  key as secretKey,
  toHex,
  wipe,
} from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import type { DecoyMode } from '../../group/decoys.js'
import type { Group, GroupSend, PaddingMode, SealingTarget } from '../../group/group.js'
import { type ContentKind, personalBody } from '../../wire/content.js'
import type { DeviceResult, Outcome, UnprovenReason, UploadReport } from '../device.js'
import type { Reference } from '../role.js'
import { type Addressee, keys, numberIn, outboxRecord } from './records.js'
import type { Storage } from './storage.js'

export type DraftTarget =
  | { readonly type: 'invitation'; readonly keys: Required<SealingTarget> }
  | { readonly type: 'personal'; readonly recipient: IdentityKey }

/** A message to be sent; the same whatever proxies it is tried with. */
export interface Draft {
  readonly groupId: GroupId
  /** What it is sealed for where that is not the group. */
  readonly target?: DraftTarget
  /** Tag of the epoch it is sealed under, where that is not the best one. */
  readonly epoch?: Digest
  /** A personal part for each recipient and the sender, by hex id. */
  readonly parts?: ReadonlyMap<string, Uint8Array>
  readonly kind: ContentKind
  readonly messageId: MessageId
  readonly body: Uint8Array
  readonly padding: PaddingMode
  /** How the number of slots is rounded, where that is not as the device does. */
  readonly decoys?: DecoyMode
  /** For one recipient, by a first proxy alone, for as long as this run lasts. */
  readonly direct?: true
  /** To nobody: nothing of it is kept on disk. */
  readonly cover?: true
}

/** What a group wants said, as a message to be sent. */
export function draftOf(group: Group, send: GroupSend, messageId: MessageId, padding: PaddingMode): Draft {
  const { kind, body, epoch, parts, personal, recipients } = send
  const [only] = recipients
  const common = { groupId: group.id, kind, messageId, padding }
  if (personal && only !== undefined) {
    const target = { type: 'personal', recipient: only.record.identityKey } as const
    return { ...common, target, body: personalBody.encode({ groupId: group.id, body }) }
  }
  return { ...common, body, ...(epoch && { epoch }), ...(parts && { parts }) }
}

/** Who waits for a message, and for what of it: that a first proxy has it, or that all is proven or given up. */
export interface Waiter {
  readonly reference: Reference
  readonly until: 'taken' | 'over'
  readonly result: (report: UploadReport, outcome: Outcome | undefined) => DeviceResult
}

export interface OpenRecipient extends Addressee {
  /** What is known of it so far. */
  reason: UnprovenReason
}

/** A message that is held. */
export interface Parcel extends Draft {
  /** Where it stands on disk. */
  readonly key: string
  /** Nobody waits for it from the beginning: it pauses where a user's message would fail. */
  readonly patient: boolean
  waiter: Waiter | undefined
  /** Recipients in the beginning, the sender not counted; those that are not proven to have it, by hex id. */
  readonly others: number
  readonly open: Map<string, OpenRecipient>
  /** What it cost, once a first proxy has it. */
  report: UploadReport | undefined
  round: number
  /** Requests of this round that are not over. */
  underWay: number
  /** Hex ids of proxies by which it went without proof. */
  readonly avoid: Set<string>
}

/** One request for some recipients of a message, on its way to a first proxy. */
export interface Outgoing {
  readonly parcel: Parcel
  /** The sender among them, where the message is not sent directly. */
  readonly recipients: readonly Addressee[]
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

const POINT_BYTES = 32
const IDENTITY_KEY_BYTES = 32
const NOTHING = new Uint8Array(0)
const NO_KEY = ''

export class Outbox {
  private readonly storage: Storage
  private readonly self: Addressee
  private readonly bounds: OutboxBounds
  private readonly held = new Set<Parcel>()
  private heldBytes = 0
  private nextNumber = 0

  /** `self` is the sender. */
  constructor(
    storage: Storage,
    self: Addressee,
    bounds: OutboxBounds = { messages: limits.outgoingMessages, bytes: limits.outgoingBytes },
  ) {
    this.storage = storage
    this.self = self
    this.bounds = bounds
  }

  /** `undefined` where the entry does not parse; its number is not given again all the same. */
  restore(key: string, value: Uint8Array, padding: PaddingMode): Outgoing | undefined {
    const number = numberIn(key)
    if (number !== undefined) this.nextNumber = Math.max(this.nextNumber, number + 1)
    const parsed = outboxRecord.parse(value.slice())
    if (number === undefined || !parsed.ok) return undefined
    const { groupId, kind, messageId, others, open, body } = parsed.value
    const target = targetOf(parsed.value.target)
    const epoch = parsed.value.epoch.length === 0 ? undefined : digest(parsed.value.epoch)
    const stored = parsed.value.parts.map(({ id, part }): [string, Uint8Array] => [toHex(id), part])
    const parts = stored.length === 0 ? undefined : new Map(stored)
    const draft: Draft = {
      ...{ groupId, kind, messageId, body, padding },
      ...(target && { target }),
      ...(epoch && { epoch }),
      ...(parts && { parts }),
    }
    return this.hold(draft, open, { key, patient: true, others, waiter: undefined })
  }

  /** Messages that are held, cover not counted. */
  get count(): number {
    return this.held.size - this.covers
  }

  get covers(): number {
    let count = 0
    for (const { cover } of this.held) if (cover) count++
    return count
  }

  /** Messages that no first proxy has. */
  get untaken(): number {
    let count = 0
    for (const { report, cover } of this.held) if (report === undefined && !cover) count++
    return count
  }

  /** Whether there is room for what a group says to itself; one answer to one message may pass the bound by a little. */
  get hasRoom(): boolean {
    return this.held.size < this.bounds.messages && this.heldBytes < this.bounds.bytes
  }

  /** For a user's message: its first request. Throws `SEND_QUEUE_FULL`. */
  add(draft: Draft, recipients: readonly Addressee[], waiter: Waiter): Outgoing {
    const { messages, bytes } = this.bounds
    const others = this.without(recipients)
    if (this.held.size >= messages || this.heldBytes + sizeBytes(draft, others.length) > bytes) {
      throw new ProtocolError(
        'SEND_QUEUE_FULL',
        'too much is waiting to be sent; try again when some of it has arrived',
      )
    }
    return this.store(draft, others, waiter)
  }

  /** For what a group says to itself: its first request. */
  addPatient(draft: Draft, recipients: readonly Addressee[]): Outgoing {
    return this.store(draft, this.without(recipients), undefined)
  }

  /** For a message to nobody, which is held in memory alone. */
  addCover(draft: Draft & { readonly cover: true }, nobody: readonly Addressee[]): Outgoing {
    return this.hold(draft, nobody, { key: NO_KEY, patient: false, others: nobody.length, waiter: undefined })
  }

  /** A request for some of the recipients that are open, and the sender, not to be tried before a moment. */
  requestFor(parcel: Parcel, recipients: Iterable<Addressee>, notBefore: Millis): Outgoing {
    const failed = new Set(parcel.avoid)
    // A copy of its own would be another message by the same way.
    const to = parcel.direct ? [...recipients] : [...recipients, this.self]
    return { parcel, recipients: to, tries: 0, failed, pauses: 0, notBefore }
  }

  /** Writes down who is left. */
  update(parcel: Parcel): void {
    if (!parcel.cover) this.storage.put(parcel.key, encode(parcel, this.self.id))
  }

  remove(parcel: Parcel): void {
    if (!this.held.delete(parcel)) return
    this.heldBytes -= sizeBytes(parcel, parcel.others)
    if (parcel.target?.type === 'invitation') wipe(parcel.target.keys.symmetric)
    if (parcel.cover) return
    // Who takes the device later reads the disk with its identity key, which opens its own part of a rekey.
    this.storage.erase(parcel.key)
  }

  find(reference: Reference): Parcel | undefined {
    for (const each of this.held) if (each.waiter?.reference === reference) return each
    return undefined
  }

  all(): readonly Parcel[] {
    return [...this.held]
  }

  /** Whether anything of a group is held. */
  hasOf(groupId: GroupId): boolean {
    for (const each of this.held) if (equal(each.groupId, groupId)) return true
    return false
  }

  has(parcel: Parcel): boolean {
    return this.held.has(parcel)
  }

  /** The sender's own copy is part of each request, and nobody waits for proof of it. */
  private without(recipients: readonly Addressee[]): Addressee[] {
    return recipients.filter(({ id }) => !equal(id, this.self.id))
  }

  private store(draft: Draft, others: readonly Addressee[], waiter: Waiter | undefined): Outgoing {
    const key = keys.outbox(this.nextNumber++)
    const patient = waiter === undefined
    const outgoing = this.hold(draft, others, { key, patient, others: others.length, waiter })
    this.update(outgoing.parcel)
    return outgoing
  }

  private hold(
    draft: Draft,
    open: readonly Addressee[],
    rest: Pick<Parcel, 'key' | 'patient' | 'others' | 'waiter'>,
  ): Outgoing {
    const parcel: Parcel = {
      ...draft,
      ...rest,
      open: new Map(open.map((each) => [toHex(each.id), { ...each, reason: 'noProof' }])),
      report: undefined,
      round: 0,
      underWay: 1,
      avoid: new Set(),
    }
    this.held.add(parcel)
    this.heldBytes += sizeBytes(parcel, parcel.others)
    return this.requestFor(parcel, parcel.open.values(), 0)
  }
}

function encode(parcel: Parcel, self: NodeId): Uint8Array {
  const { target, epoch = NOTHING, parts = new Map<string, Uint8Array>(), open } = parcel
  const needed = [...parts].filter(([id]) => open.has(id) || id === toHex(self))
  return outboxRecord.encode({
    ...parcel,
    target: encodeTarget(target),
    epoch,
    parts: needed.map(([id, part]) => ({ id: nodeId(fromHex(id)), part })),
    open: [...open.values()],
  })
}

function encodeTarget(target: DraftTarget | undefined): Uint8Array {
  if (target === undefined) return NOTHING
  return target.type === 'personal' ? target.recipient : concat(target.keys.publicPoint, target.keys.symmetric)
}

function targetOf(target: Uint8Array): DraftTarget | undefined {
  if (target.length === 0) return undefined
  if (target.length === IDENTITY_KEY_BYTES) return { type: 'personal', recipient: identityKey(target) }
  if (target.length !== 2 * POINT_BYTES) return undefined
  const keys = {
    publicPoint: point(target.subarray(0, POINT_BYTES)),
    symmetric: secretKey(target.subarray(POINT_BYTES)),
  }
  return { type: 'invitation', keys }
}

/** A recipient as it stands here, and with it the key and the tokens by which its receipt is checked. */
const RECIPIENT_BYTES = 64

function sizeBytes({ body, parts }: Draft, recipients: number): number {
  return body.length + (RECIPIENT_BYTES + (parts === undefined ? 0 : limits.personalPartBytes)) * recipients
}
