/**
 * Copies as they come in: gathered for a turn of the event loop, opened in batches as jobs, judged, stored, and answered
 * once durable (PROTOCOL.md sections 4, 5, 7 and 9.5). Every copy is answered, also junk and decoys, so a proxy learns
 * nothing from being answered. No network of proxies takes all of the room. Batches may overtake each other: a copy is judged, alone and whole, when it is open.
 */
import type { ServerLimits } from '../../base/bounds.js'
import { concat, wipe } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { type Millis, slotWindow } from '../../base/time.js'
import type { Verdict } from '../../crypto/crypto.js'
import type { LinkEndpoint, MessageNumber, SessionId } from '../../link/link.js'
import { Queue } from '../../link/queue.js'
import { encodeMessage, type MessageOf, TOKEN_BYTES } from '../../wire/message.js'
import { type OpenedCopies, type OpenedCopyWithToken, openedCopies } from '../jobs.js'
import type { RoleContext } from '../role.js'
import type { SealingKeys } from '../sealing-keys.js'
import { SharedRoom } from '../shared-room.js'
import type { Work } from '../work.js'
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
  readonly work: Work
  readonly sealingKeys: SealingKeys
  readonly devices: Devices
  readonly slots: SlotRecord
  readonly mailboxes: Mailboxes
  readonly deliveries: Deliveries
  /** Jobs that are done at one time. */
  readonly threads?: number
}

/** Where a copy came from, for the answer. */
interface Origin {
  readonly from: Proven
  readonly number: MessageNumber
  readonly reference: number
  readonly bytes: number
}

interface Gathered {
  readonly origin: Origin
  readonly sealed: Uint8Array
}

/** Where the copies come from that are being opened together. */
type Batch = readonly Origin[]

type Answer = MessageOf<'copyAnswers'>['value']['answers'][number]

/** For each thread a batch under way and one ready: what comes meanwhile makes the next one larger, which opens cheaper. */
const BATCHES_A_THREAD = 2
const dropOf = { decoy: 'COPY_DECOY', wrongCode: 'ACCESS_CODE', unknown: 'COPY_RECIPIENT' } as const

export class Intake {
  private readonly options: IntakeOptions
  private readonly gathered = new Queue<Gathered>()
  private gatheredBytes = 0
  private gatheredAt: Millis | undefined
  private batchesUnderWay = 0
  /** Of copies taken in and not yet durable. */
  private readonly room: SharedRoom
  private storedCopies = 0

  constructor(options: IntakeOptions) {
    this.options = options
    this.room = new SharedRoom(options.bounds.intakeCopies, options.bounds.intakeBytes)
  }

  /** Copies stored in this run. */
  get accepted(): number {
    return this.storedCopies
  }

  /** Takes a copy in; past what can wait for threads and disk, the proxy is told to try later. */
  take(now: Millis, from: Proven, number: MessageNumber, copy: MessageOf<'copy'>['value']): DropCode | undefined {
    const bytes = copy.sealed.length
    if (!this.room.take(from.network, bytes)) {
      this.putOff(now, from, number)
      return 'COPY_FULL'
    }
    this.gathered.push({ origin: { from, number, reference: copy.reference, bytes }, sealed: concat(copy.sealed) })
    this.gatheredBytes += bytes
    this.gatheredAt ??= now
    if (this.hasThread() && this.isBatch()) this.openNext(now)
    return undefined
  }

  /** At once where something is gathered and a thread is free: by then the event loop has handed over what had come. */
  deadline(): Millis | undefined {
    return this.hasThread() ? this.gatheredAt : undefined
  }

  timeout(now: Millis): void {
    while (this.gathered.length > 0 && this.hasThread()) this.openNext(now)
  }

  /** Hands out all that is gathered, for the end. */
  openAll(now: Millis): void {
    while (this.gathered.length > 0) this.openNext(now)
  }

  private hasThread(): boolean {
    return this.batchesUnderWay < BATCHES_A_THREAD * (this.options.threads ?? 1)
  }

  private isBatch(): boolean {
    return this.gathered.length >= limits.openStepCopies || this.gatheredBytes >= limits.openStepBytes
  }

  /** Has the oldest copies opened, under each sealing key and in each window that could fit. */
  private openNext(now: Millis): void {
    const { sealingKeys, work } = this.options
    const gathered = this.nextGathered()
    const sealed = concat(...gathered.map((each) => each.sealed))
    const lengths = gathered.map((each) => each.sealed.length)
    const secrets = concat(...sealingKeys.secrets(now).map(({ secret }) => secret))
    const window = slotWindow(now)
    const windows = [window, window - 1, window + 1]
    // While the job is under way nothing is held but what the answers need.
    const batch = gathered.map(({ origin }) => origin)
    this.batchesUnderWay++
    work.issue({ type: 'openCopies', secrets, windows, sealed, lengths }, (then, result) => {
      this.batchesUnderWay--
      if (result.type === 'failed') this.failed(then, batch)
      else this.judgeAll(then, batch, result, windows.length)
    })
  }

  private nextGathered(): Gathered[] {
    const taken: Gathered[] = []
    let bytes = 0
    for (let next = this.gathered.peek(); next !== undefined; next = this.gathered.peek()) {
      const full = taken.length === limits.openStepCopies || bytes + next.sealed.length > limits.openStepBytes
      if (full && taken.length > 0) break
      bytes += next.sealed.length
      taken.push(next)
      this.gathered.shift()
    }
    this.gatheredBytes -= bytes
    if (this.gathered.length === 0) this.gatheredAt = undefined
    return taken
  }

  /** Judges a batch that was opened; its answers follow once that is durable. */
  private judgeAll(now: Millis, batch: Batch, result: OpenedCopies, windows: number): void {
    const opened = openedCopies(result, windows)
    const answers = new Map<SessionId, Answer[]>()
    for (const [index, { from, reference }] of batch.entries()) {
      const token = this.judge(now, from, opened[index])
      const ofSession = answers.get(from.session) ?? []
      ofSession.push({ reference, token })
      answers.set(from.session, ofSession)
    }
    wipe(result.records)
    this.options.effects.whenDurable(now, (then) => {
      this.release(batch)
      // An answer that a link has no room for is lost: the sender takes the copy for unanswered and sends again.
      for (const [session, list] of answers) {
        this.options.endpoint.send(then, session, encodeMessage('copyAnswers', { answers: list }), 'receipt')
      }
    })
  }

  /** What was not opened was not judged either: it is offered again. */
  private failed(now: Millis, batch: Batch): void {
    this.options.effects.drop('JOB_FAILED')
    this.release(batch)
    for (const { from, number } of batch) this.putOff(now, from, number)
  }

  private putOff(now: Millis, from: Proven, number: MessageNumber): void {
    this.options.endpoint.send(now, from.session, encodeMessage('busy', { message: number }), 'receipt')
  }

  private release(batch: Batch): void {
    for (const { from, bytes } of batch) this.room.give(from.network, bytes)
  }

  /** The 4 bytes to answer with. */
  private judge(now: Millis, from: Proven, opened: OpenedCopyWithToken | undefined): Uint8Array {
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
      return given
    }
    if (!slots.hasRoom(now, from.network)) return this.answer(opened, 'refused', 'COPY_FULL')
    const token = this.store(now, from, opened)
    effects.write(now, slots.add(now, from.network, name, token))
    return token
  }

  private store(now: Millis, from: Proven, opened: OpenedCopyWithToken): Uint8Array {
    const { effects, devices, mailboxes, deliveries, observe } = this.options
    const found: Found = devices.find(opened.recipients)
    if (found.type !== 'device')
      return this.answer(opened, found.type === 'decoy' ? 'stored' : 'refused', dropOf[found.type])
    observe?.('copy opened', 'recipient', found.recipient)
    const mail = mailboxes.accept(now, found.id, from.id, opened.payload.length)
    if (mail === undefined) return this.answer(opened, 'refused', 'MAILBOX_FULL')
    const value = mailRecord.encode({ arrivedAt: mail.arrivedAt, payload: opened.payload })
    effects.write(now, { key: storeKeys.mail(mail.owner, mail.number), value })
    // The end of the record: what was opened stands in the memory of its whole batch.
    deliveries.hold(mail, value.subarray(value.length - opened.payload.length))
    effects.whenDurable(now, (then) => {
      mail.durable = true
      deliveries.ready(then, mail)
    })
    this.storedCopies++
    return this.answer(opened, 'stored')
  }

  private answer(opened: OpenedCopyWithToken, verdict: Verdict, code?: DropCode): Uint8Array {
    if (code !== undefined) this.options.effects.drop(code)
    if (verdict === 'stored') return opened.storedToken.slice()
    return this.options.crypto.receiptToken(opened.receiptKey, verdict, opened.copy)
  }

  /** What the server reads in a copy once it is open, and the link it came by. */
  private report(from: Proven, opened: OpenedCopyWithToken): void {
    const { observe } = this.options
    observe?.('copy opened', 'source', from.idBytes)
    observe?.('copy opened', 'ephemeral', opened.ephemeral)
    observe?.('copy opened', 'payload', opened.payload)
  }
}
