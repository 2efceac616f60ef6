/**
 * Copies on their way to connected devices: only durable ones, in the order of the mailbox, as many unconfirmed as limits
 * allow (PROTOCOL.md section 9.5). What is not confirmed on one link goes out again on the next.
 */
import type { ServerLimits } from '../../base/bounds.js'
import type { Millis } from '../../base/time.js'
import type { LinkEndpoint, SessionId } from '../../link/link.js'
import { Queue } from '../../link/queue.js'
import { encodeMessage } from '../../wire/message.js'
import type { Effects } from './effects.js'
import type { Mail, Mailboxes } from './mailboxes.js'
import { mailRecord, storeKeys } from './records.js'

/** A copy taken up for delivery; it waits for its payload from the disk, and for those before it. */
interface Staged {
  readonly mail: Mail
  payload: Uint8Array | undefined
}

/** One connected device. */
interface Channel {
  readonly owner: string
  readonly session: SessionId
  readonly waiting: Queue<Mail>
  readonly staged: Queue<Staged>
  /** Taken up and not confirmed. */
  readonly inFlight: Set<number>
  inFlightBytes: number
  /** What waited when the link came up and is not confirmed; `undefined` once the device has been told that all is. */
  backlog: Set<number> | undefined
}

/** Kind and number before the payload. */
const DELIVERY_HEAD_BYTES = 7

export class Deliveries {
  private readonly bounds: ServerLimits
  private readonly endpoint: LinkEndpoint
  private readonly effects: Effects
  private readonly mailboxes: Mailboxes
  private readonly channels = new Map<string, Channel>()
  /** Payloads of fresh copies for connected devices; what is not here is loaded. */
  private readonly fresh = new Map<Mail, Uint8Array>()
  private freshBytes = 0
  /** Taken up for all channels and not confirmed: what links hold in memory is part of it. */
  private inFlightBytes = 0
  private confirmedCopies = 0

  constructor(bounds: ServerLimits, endpoint: LinkEndpoint, effects: Effects, mailboxes: Mailboxes) {
    this.bounds = bounds
    this.endpoint = endpoint
    this.effects = effects
    this.mailboxes = mailboxes
  }

  get confirmed(): number {
    return this.confirmedCopies
  }

  /** A device is there: everything it has not confirmed goes out. */
  open(now: Millis, owner: string, session: SessionId): void {
    const channel: Channel = {
      owner,
      session,
      waiting: new Queue(),
      staged: new Queue(),
      inFlight: new Set(),
      inFlightBytes: 0,
      backlog: new Set(),
    }
    this.close(owner)
    this.channels.set(owner, channel)
    for (const mail of this.mailboxes.waiting(owner)) {
      channel.waiting.push(mail)
      channel.backlog?.add(mail.number)
    }
    this.pump(now, channel)
  }

  close(owner: string): void {
    this.inFlightBytes -= this.channels.get(owner)?.inFlightBytes ?? 0
    this.channels.delete(owner)
  }

  /** Keeps the payload of a copy that is about to become durable, if it can be sent right after. */
  hold(mail: Mail, payload: Uint8Array): void {
    if (!this.channels.has(mail.owner)) return
    this.fresh.set(mail, payload)
    this.freshBytes += payload.length
    for (const oldest of this.fresh.keys()) {
      if (this.freshBytes <= this.bounds.deliveryCacheBytes) break
      this.takeFresh(oldest)
    }
  }

  /** A copy became durable. */
  ready(now: Millis, mail: Mail): void {
    const channel = this.channels.get(mail.owner)
    if (channel === undefined) return
    channel.waiting.push(mail)
    this.pump(now, channel)
  }

  /** The device wrote these to its own disk. */
  confirm(now: Millis, owner: string, numbers: readonly number[]): void {
    for (const number of numbers) {
      if (this.remove(now, owner, number)) this.confirmedCopies++
    }
    this.resume(now, owner)
  }

  /** A copy is past its life. */
  expire(now: Millis, { owner, number }: Mail): void {
    this.remove(now, owner, number)
    this.resume(now, owner)
  }

  /** Deletes a copy here and on disk; false where there is none of that number. */
  private remove(now: Millis, owner: string, number: number): boolean {
    const removed = this.mailboxes.remove(owner, number)
    if (removed === undefined) return false
    this.effects.write(now, removed.write)
    this.takeFresh(removed.mail)
    const channel = this.channels.get(owner)
    if (channel?.inFlight.delete(number)) this.charge(channel, -removed.mail.payloadBytes)
    channel?.backlog?.delete(number)
    return true
  }

  /** The link has room again, or the device has confirmed. */
  resume(now: Millis, owner: string): void {
    const channel = this.channels.get(owner)
    if (channel !== undefined) this.pump(now, channel)
  }

  /** The device may then forget keys that only older messages could need. */
  private tellEmpty(now: Millis, channel: Channel): void {
    if (channel.backlog === undefined || channel.backlog.size > 0) return
    if (this.endpoint.send(now, channel.session, encodeMessage('mailboxEmpty', {})) === undefined) return
    channel.backlog = undefined
  }

  private pump(now: Millis, channel: Channel): void {
    this.tellEmpty(now, channel)
    for (let next = channel.waiting.peek(); next !== undefined; next = channel.waiting.peek()) {
      const wanted = this.mailboxes.has(next)
      if (wanted && !this.hasRoom(channel, next)) break
      channel.waiting.shift()
      if (wanted) this.stage(channel, next)
    }
    for (let head = channel.staged.peek(); head !== undefined; head = channel.staged.peek()) {
      if (this.mailboxes.has(head.mail) && !this.sent(now, channel, head)) return
      channel.staged.shift()
    }
  }

  private stage(channel: Channel, mail: Mail): void {
    channel.inFlight.add(mail.number)
    this.charge(channel, mail.payloadBytes)
    const staged: Staged = { mail, payload: this.takeFresh(mail) }
    channel.staged.push(staged)
    if (staged.payload !== undefined) return
    this.effects.load(storeKeys.mail(mail.owner, mail.number), (now, value) => {
      staged.payload = this.payloadOf(now, mail, value)
      if (this.channels.get(mail.owner) === channel) this.pump(now, channel)
    })
  }

  /** False where it has to wait: for the disk, or for room on the link. */
  private sent(now: Millis, { session }: Channel, { mail, payload }: Staged): boolean {
    if (payload === undefined) return false
    if (this.endpoint.sendRoomBytes(session) < DELIVERY_HEAD_BYTES + payload.length) return false
    this.endpoint.send(now, session, encodeMessage('delivery', { number: mail.number, payload }))
    return true
  }

  /** A copy that the disk does not give back is lost; its number must not hold up those behind it. */
  private payloadOf(now: Millis, mail: Mail, value: Uint8Array | undefined): Uint8Array | undefined {
    const parsed = value === undefined ? undefined : mailRecord.parse(value)
    if (parsed?.ok) return parsed.value.payload
    if (this.remove(now, mail.owner, mail.number)) {
      this.effects.notice('warn', 'copy missing on disk', { recipient: mail.owner, number: mail.number })
    }
    return undefined
  }

  private takeFresh(mail: Mail): Uint8Array | undefined {
    const payload = this.fresh.get(mail)
    if (payload === undefined) return undefined
    this.fresh.delete(mail)
    this.freshBytes -= payload.length
    return payload
  }

  private charge(channel: Channel, bytes: number): void {
    channel.inFlightBytes += bytes
    this.inFlightBytes += bytes
  }

  /**
   * One copy always fits, so that a large one is not stuck. Where devices that take what they get and confirm nothing have used up what
   * there is for all, each has an equal part.
   */
  private hasRoom({ inFlight, inFlightBytes }: Channel, { payloadBytes }: Mail): boolean {
    const { deliveriesInFlight, deliveryInFlightBytes, deliveriesTotalBytes } = this.bounds
    if (inFlight.size === 0) return true
    const isScarce = this.inFlightBytes + payloadBytes > deliveriesTotalBytes
    const partBytes = isScarce ? deliveriesTotalBytes / this.channels.size : deliveryInFlightBytes
    const bytesFit = inFlightBytes + payloadBytes <= Math.min(partBytes, deliveryInFlightBytes)
    return inFlight.size < deliveriesInFlight && bytesFit
  }
}
