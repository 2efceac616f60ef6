/**
 * Copies as they come in: gathered for a tick, opened in one batch under each sealing key that could fit, judged,
 * stored, and answered once durable (PROTOCOL.md sections 4, 5, 7 and 9.5). Every copy is answered, also junk and
 * decoys, so a proxy learns nothing from being answered.
 */
import { wipe } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import type { ServerLimits } from '../../base/limits.js'
import { type Millis, slotWindow } from '../../base/time.js'
import type { OpenedCopy, Verdict } from '../../crypto/crypto.js'
import type { LinkEndpoint, MessageNumber, SessionId } from '../../link/link.js'
import { encodeMessage, type MessageOf } from '../../wire/message.js'
import type { RoleContext } from '../role.js'
import type { SealingKeys } from '../sealing-keys.js'
import type { Deliveries } from './deliveries.js'
import type { Devices, Found } from './devices.js'
import type { Effects } from './effects.js'
import type { Mailboxes } from './mailboxes.js'
import { mailRecord, storeKeys } from './records.js'
import type { Proven } from './sessions.js'
import type { SlotRecord } from './slot-record.js'

export interface IntakeOptions extends RoleContext {
  readonly bounds: ServerLimits
  readonly endpoint: LinkEndpoint
  readonly effects: Effects
  readonly sealingKeys: SealingKeys
  readonly devices: Devices
  readonly slots: SlotRecord
  readonly mailboxes: Mailboxes
  readonly deliveries: Deliveries
}

interface Gathered {
  readonly from: Proven
  readonly reference: number
  readonly sealed: Uint8Array
}

type Answer = MessageOf<'copyAnswers'>['value']['answers'][number]

const BATCH_COPIES = 64
const BATCH_BYTES = 4 * 1024 * 1024
const TOKEN_BYTES = 4
const dropOf = { decoy: 'COPY_DECOY', wrongCode: 'ACCESS_CODE', unknown: 'COPY_RECIPIENT' } as const

export class Intake {
  private readonly options: IntakeOptions
  private gathered: Gathered[] = []
  private gatheredBytes = 0
  /** Copies and bytes taken in and not yet durable. */
  private pendingCopies = 0
  private pendingBytes = 0
  private storedCopies = 0

  constructor(options: IntakeOptions) {
    this.options = options
  }

  /** Copies stored in this run. */
  get accepted(): number {
    return this.storedCopies
  }

  /** Takes a copy in; past what can wait for the disk, the proxy is told to try later. */
  take(now: Millis, from: Proven, number: MessageNumber, copy: MessageOf<'copy'>['value']): DropCode | undefined {
    const { bounds, effects, endpoint } = this.options
    const bytes = copy.sealed.length
    if (this.pendingCopies >= bounds.intakeCopies || this.pendingBytes + bytes > bounds.intakeBytes) {
      endpoint.send(now, from.session, encodeMessage('busy', { message: number }))
      return 'COPY_FULL'
    }
    this.pendingCopies++
    this.pendingBytes += bytes
    this.gathered.push({ from, reference: copy.reference, sealed: copy.sealed.slice() })
    this.gatheredBytes += bytes
    effects.gatherUntil(now)
    if (this.gathered.length >= BATCH_COPIES || this.gatheredBytes >= BATCH_BYTES) this.judgeGathered(now)
    return undefined
  }

  /** Opens and judges what was gathered; answers follow once that is durable. */
  judgeGathered(now: Millis): void {
    if (this.gathered.length === 0) return
    const batch = this.gathered
    const batchBytes = this.gatheredBytes
    this.gathered = []
    this.gatheredBytes = 0
    const opened = this.open(now, batch)
    const answers = new Map<SessionId, Answer[]>()
    for (const [index, { from, reference }] of batch.entries()) {
      const token = this.judge(now, from, opened[index])
      const ofSession = answers.get(from.session) ?? []
      ofSession.push({ reference, token })
      answers.set(from.session, ofSession)
    }
    this.options.effects.whenDurable(now, (then) => {
      this.pendingCopies -= batch.length
      this.pendingBytes -= batchBytes
      // An answer that a link has no room for is lost: the sender takes the copy for unanswered and sends again.
      for (const [session, list] of answers) {
        this.options.endpoint.send(then, session, encodeMessage('copyAnswers', { answers: list }))
      }
    })
  }

  /** One call a sealing key: what the first does not open is tried with the next. */
  private open(now: Millis, batch: readonly Gathered[]): (OpenedCopy | undefined)[] {
    const { crypto, sealingKeys } = this.options
    const window = slotWindow(now)
    const opened: (OpenedCopy | undefined)[] = new Array(batch.length).fill(undefined)
    let closed = batch.map((_, index) => index)
    for (const { secret } of sealingKeys.secrets(now)) {
      if (closed.length === 0) break
      const sealed = closed.map((index) => (batch[index] as Gathered).sealed)
      const copies = crypto.openCopies(secret, [window, window - 1, window + 1], sealed)
      for (const [position, index] of closed.entries()) opened[index] = copies[position]
      closed = closed.filter((index) => opened[index] === undefined)
    }
    return opened
  }

  /** The 4 bytes to answer with. */
  private judge(now: Millis, from: Proven, opened: OpenedCopy | undefined): Uint8Array {
    const { effects, random, slots } = this.options
    if (opened === undefined) {
      effects.drop('COPY_OPEN')
      return random(TOKEN_BYTES)
    }
    this.report(from, opened)
    const name = slots.nameOf(opened.ephemeral)
    const given = slots.answerTo(name)
    if (given !== undefined) {
      effects.drop('COPY_REPLAY')
      wipe(opened.receiptKey)
      return given
    }
    if (!slots.hasRoom(now)) return this.answer(opened, 'refused', 'COPY_FULL')
    const token = this.store(now, from, opened)
    effects.write(now, slots.add(now, name, token))
    return token
  }

  private store(now: Millis, from: Proven, opened: OpenedCopy): Uint8Array {
    const { effects, devices, mailboxes, deliveries, observe } = this.options
    const found: Found = devices.find(opened.recipients)
    if (found.type !== 'device')
      return this.answer(opened, found.type === 'decoy' ? 'stored' : 'refused', dropOf[found.type])
    observe?.('copy opened', 'recipient', found.recipient)
    const mail = mailboxes.accept(now, found.id, from.id, opened.payload.length)
    if (mail === undefined) return this.answer(opened, 'refused', 'MAILBOX_FULL')
    const value = mailRecord.encode({ arrivedAt: mail.arrivedAt, payload: opened.payload })
    effects.write(now, { key: storeKeys.mail(mail.owner, mail.number), value })
    // The end of the record: what was opened may stand in memory that is used again.
    deliveries.hold(mail, value.subarray(value.length - opened.payload.length))
    effects.whenDurable(now, (then) => {
      mail.durable = true
      deliveries.ready(then, mail)
    })
    this.storedCopies++
    return this.answer(opened, 'stored')
  }

  private answer(opened: OpenedCopy, verdict: Verdict, code?: DropCode): Uint8Array {
    if (code !== undefined) this.options.effects.drop(code)
    const token = this.options.crypto.receiptToken(opened.receiptKey, verdict, opened.copy)
    wipe(opened.receiptKey)
    return token
  }

  /** What the server reads in a copy once it is open, and the link it came by. */
  private report(from: Proven, opened: OpenedCopy): void {
    const { observe } = this.options
    observe?.('copy opened', 'source', from.idBytes)
    observe?.('copy opened', 'ephemeral', opened.ephemeral)
    observe?.('copy opened', 'payload', opened.payload)
  }
}
