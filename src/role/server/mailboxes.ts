/**
 * What waits for whom, as an index over the copies on disk: quotas, order and age (PROTOCOL.md section 9.5). A full
 * mailbox refuses and never evicts, so nobody can push out what others sent; one proxy link fills an eighth at most.
 */
import type { ServerLimits } from '../../base/bounds.js'
import { earliest, type Millis } from '../../base/time.js'
import type { Write } from '../role.js'
import { counterRecord, keyParts, mailRecord, storeKeys } from './records.js'

/** One copy on disk, or on its way there. */
export interface Mail {
  /** Hex id of the device it is for. */
  readonly owner: string
  readonly number: number
  readonly arrivedAt: Millis
  readonly payloadBytes: number
  /** Hex id of the proxy it came from; forgotten in a restart. */
  readonly source: string | undefined
  /** Set once it is durable; only then is it delivered. */
  durable: boolean
}

interface Filling {
  copies: number
  bytes: number
}

interface Mailbox extends Filling {
  readonly mails: Map<number, Mail>
  readonly bySource: Map<string, Filling>
  /** Copies numbered in this run. */
  numbered: number
}

/** The part of a mailbox that one proxy may fill. */
const SOURCE_SHARE = 8
/**
 * Numbers are run x 2^28 + count: none is used twice, restarts included, so a confirmation that comes late deletes
 * nothing new; and a device learns nothing of what others get.
 */
const NUMBERS_PER_RUN = 2 ** 28
const LAST_RUN = 2 ** 20 - 1
const HOUR_MS = 3_600_000
const EXPIRE_AT_ONCE = 4096
const EXPIRE_PAUSE_MS = 10

export class Mailboxes {
  private readonly bounds: ServerLimits
  private readonly boxes = new Map<string, Mailbox>()
  /** By hour of arrival, so that nothing is searched for what has grown old. */
  private readonly byHour = new Map<number, Set<Mail>>()
  private readonly total: Filling = { copies: 0, bytes: 0 }
  private run = 0
  private expireAt: Millis | undefined

  constructor(bounds: ServerLimits) {
    this.bounds = bounds
  }

  get storedCopies(): number {
    return this.total.copies
  }

  restore(key: string, value: Uint8Array): void {
    if (key === storeKeys.mailRun) this.restoreRun(value)
    const parts = keyParts('mail', key)
    if (parts === undefined) return
    const parsed = mailRecord.parse(value)
    if (!parsed.ok) return
    const { arrivedAt, payload } = parsed.value
    const [owner, number] = [parts[0], Number(parts[1])]
    this.keep({ owner, number, arrivedAt, payloadBytes: payload.length, source: undefined, durable: true })
  }

  start(now: Millis): Write[] {
    this.run = Math.min(this.run + 1, LAST_RUN)
    this.expireAt = now
    return [{ key: storeKeys.mailRun, value: counterRecord.encode({ value: this.run }) }]
  }

  /** Takes a copy in, or returns `undefined` where the mailbox, its proxy's share of it or the store has no room. */
  accept(now: Millis, owner: string, source: string, payloadBytes: number): Mail | undefined {
    const box = this.box(owner)
    if (!this.hasRoom(box, source, payloadBytes)) return undefined
    const number = this.run * NUMBERS_PER_RUN + box.numbered++
    const mail = { owner, number, arrivedAt: Math.floor(now), payloadBytes, source, durable: false }
    this.keep(mail)
    return mail
  }

  has({ owner, number }: Mail): boolean {
    return this.boxes.get(owner)?.mails.has(number) ?? false
  }

  /** Deletes a durable copy; `undefined` where there is none of that number. */
  remove(owner: string, number: number): { readonly mail: Mail; readonly write: Write } | undefined {
    const box = this.boxes.get(owner)
    const mail = box?.mails.get(number)
    if (box === undefined || mail === undefined || !mail.durable) return undefined
    box.mails.delete(number)
    this.byHour.get(hourOf(mail.arrivedAt))?.delete(mail)
    for (const filling of this.fillings(box, mail.source)) {
      filling.copies--
      filling.bytes -= mail.payloadBytes
    }
    if (mail.source !== undefined && box.bySource.get(mail.source)?.copies === 0) box.bySource.delete(mail.source)
    return { mail, write: { key: storeKeys.mail(owner, number), value: undefined } }
  }

  /** The durable copies of a mailbox, in its order. */
  waiting(owner: string): Mail[] {
    const mails = [...(this.boxes.get(owner)?.mails.values() ?? [])]
    return mails.filter(({ durable }) => durable).sort((a, b) => a.number - b.number)
  }

  deadline(): Millis | undefined {
    return this.expireAt
  }

  /** Copies past their life, a bounded part at a time; the caller removes them. */
  expired(now: Millis): Mail[] {
    if (this.expireAt === undefined || now < this.expireAt) return []
    const old: Mail[] = []
    for (const [hour, mails] of this.byHour) {
      if (now < this.expiryOf(hour)) continue
      for (const mail of mails) if (old.length < EXPIRE_AT_ONCE && mail.durable) old.push(mail)
      if (mails.size === 0) this.byHour.delete(hour)
    }
    const next = this.nextExpiry()
    this.expireAt = next === undefined ? undefined : Math.max(next, now + EXPIRE_PAUSE_MS)
    return old
  }

  private nextExpiry(): Millis | undefined {
    let next: Millis | undefined
    for (const hour of this.byHour.keys()) next = earliest(next, this.expiryOf(hour))
    return next
  }

  private expiryOf(hour: number): Millis {
    return (hour + 1) * HOUR_MS + this.bounds.mailboxLifeMs
  }

  private restoreRun(value: Uint8Array): void {
    const parsed = counterRecord.parse(value)
    if (parsed.ok) this.run = parsed.value.value
  }

  private hasRoom(box: Mailbox, source: string, payloadBytes: number): boolean {
    const { mailboxCopies, mailboxBytes, storedCopies, storedBytes } = this.bounds
    const share = box.bySource.get(source) ?? { copies: 0, bytes: 0 }
    return (
      fits(box, payloadBytes, mailboxCopies, mailboxBytes) &&
      fits(share, payloadBytes, mailboxCopies / SOURCE_SHARE, mailboxBytes / SOURCE_SHARE) &&
      fits(this.total, payloadBytes, storedCopies, storedBytes) &&
      box.numbered < NUMBERS_PER_RUN
    )
  }

  private keep(mail: Mail): void {
    const box = this.box(mail.owner)
    if (mail.source !== undefined && !box.bySource.has(mail.source)) {
      box.bySource.set(mail.source, { copies: 0, bytes: 0 })
    }
    box.mails.set(mail.number, mail)
    for (const filling of this.fillings(box, mail.source)) {
      filling.copies++
      filling.bytes += mail.payloadBytes
    }
    const hour = hourOf(mail.arrivedAt)
    const mails = this.byHour.get(hour) ?? new Set()
    this.byHour.set(hour, mails.add(mail))
    this.expireAt = earliest(this.expireAt, this.expiryOf(hour))
  }

  private fillings(box: Mailbox, source: string | undefined): Filling[] {
    const share = source === undefined ? undefined : box.bySource.get(source)
    return share === undefined ? [this.total, box] : [this.total, box, share]
  }

  private box(owner: string): Mailbox {
    const held = this.boxes.get(owner)
    if (held !== undefined) return held
    const made: Mailbox = { mails: new Map(), bySource: new Map(), copies: 0, bytes: 0, numbered: 0 }
    this.boxes.set(owner, made)
    return made
  }
}

function fits(filling: Filling, bytes: number, mostCopies: number, mostBytes: number): boolean {
  return filling.copies + 1 <= mostCopies && filling.bytes + bytes <= mostBytes
}

function hourOf(at: Millis): number {
  return Math.floor(at / HOUR_MS)
}
