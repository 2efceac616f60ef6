/**
 * What was sent, what senders were told of it, and what was handed on: by these it is judged whether a message was lost, came twice
 * or came from nobody.
 */
import { type MessageId, toHex } from '../../../src/base/bytes.js'
import type { Millis } from '../../../src/base/time.js'
import type { InboxMessage, Outcome } from '../../../src/role/device.js'
import type { DeviceActor } from '../world.js'

export interface Sent {
  readonly from: DeviceActor
  readonly group: string
  readonly body: Uint8Array
  readonly at: Millis
  /** Hex ids. */
  readonly recipients: ReadonlySet<string>
  readonly reference: number
  /** Of its sender when it was sent. */
  readonly run: number
  messageId: string | undefined
  outcome: Outcome | undefined
}

interface HandedOn {
  readonly at: Millis
  readonly message: InboxMessage
  times: number
}

interface Belief {
  readonly outcome: Outcome
  readonly from: DeviceActor
  /** Whether that was the last word; only what a user sent has one. */
  readonly over: boolean
}

export class Ledger {
  readonly sent: Sent[] = []
  readonly problems: string[] = []
  /** Milliseconds from the command to the application, one for each copy. */
  readonly latenciesMs: number[] = []
  deliveredBytes = 0
  /** By body: it is long enough to be told from any other. */
  private readonly byBody = new Map<string, Sent>()
  private readonly byMessage = new Map<string, Sent>()
  /** Hex message id to the recipients that its sender believes have it. */
  private readonly believed = new Map<string, Belief>()
  /** By device and message. */
  private readonly handedOn = new Map<string, HandedOn>()
  /** Places in inboxes that were seen: after a restart what was not acknowledged is handed out again. */
  private readonly seen = new Set<string>()

  add(sent: Sent): void {
    this.sent.push(sent)
    this.byBody.set(toHex(sent.body), sent)
  }

  taken(sent: Sent, messageId: MessageId): void {
    sent.messageId = toHex(messageId)
    this.byMessage.set(sent.messageId, sent)
  }

  told(from: DeviceActor, outcome: Outcome, over: boolean): void {
    const id = toHex(outcome.messageId)
    this.believed.set(id, { outcome, from, over: over || this.believed.get(id)?.over === true })
    const sent = this.byMessage.get(id)
    if (over && sent !== undefined) sent.outcome = outcome
  }

  message(now: Millis, to: DeviceActor, message: InboxMessage): void {
    const place = `${to.name} ${message.sequence}`
    if (this.seen.has(place)) return
    this.seen.add(place)
    const id = toHex(message.messageId)
    const sent = this.byBody.get(toHex(message.body))
    if (sent === undefined || toHex(sent.from.self.id) !== toHex(message.sender) || sent.group !== message.group) {
      this.problems.push(`${to.name} was handed what nobody sent, in the name of ${toHex(message.sender)}`)
      return
    }
    if (!sent.recipients.has(toHex(to.self.id))) this.problems.push(`${to.name} was handed what was not for it`)
    if (!this.byMessage.has(id)) this.byMessage.set(id, sent)
    const key = `${to.name} ${toHex(message.body)}`
    const before = this.handedOn.get(key)
    if (before !== undefined) {
      before.times++
      this.problems.push(`${to.name} was handed ${id} of ${sent.from.name} ${before.times} times`)
      return
    }
    this.handedOn.set(key, { at: now, message, times: 1 })
    this.latenciesMs.push(now - sent.at)
    this.deliveredBytes += message.body.length
  }

  get delivered(): number {
    return this.handedOn.size
  }

  /** Copies that a sender believes stored and that nobody has been handed; of devices that are still there. */
  missing(
    devices: readonly DeviceActor[],
    everybody: number,
    isExcused: (sent: Sent, to: DeviceActor) => boolean,
    needsNobody: (outcome: Outcome, from: DeviceActor) => boolean,
  ): string[] {
    const missing: string[] = []
    for (const [id, { outcome, from, over }] of this.believed) {
      if (outcome.stored === 0) continue
      const sent = this.byMessage.get(id)
      if (sent === undefined) {
        // Its sender did not live to hear its id, and nobody else has seen it; or it is what a group says to itself.
        if (over && devices.length === everybody && !needsNobody(outcome, from))
          missing.push(`${id} of ${from.name} at all`)
        continue
      }
      const unproven = new Set(outcome.unproven.map((each) => toHex(each.id)))
      for (const device of devices) {
        const name = toHex(device.self.id)
        if (!sent.recipients.has(name) || unproven.has(name)) continue
        if (!this.handedOn.has(`${device.name} ${toHex(sent.body)}`) && !isExcused(sent, device))
          missing.push(`${id} of ${from.name} at ${device.name}`)
      }
    }
    return missing
  }

  /** Copies that senders believe stored. */
  get believedCopies(): number {
    let copies = 0
    for (const { outcome } of this.believed.values()) copies += outcome.stored
    return copies
  }

  /** Recipients that are not proven to have a message at its end, though they are members still. */
  get unproven(): { readonly sent: Sent; readonly names: string[] }[] {
    return this.sent.flatMap((sent) => {
      const members = sent.outcome?.unproven.filter(({ reason }) => reason !== 'departed') ?? []
      const names = members.map(({ id, reason }) => `${toHex(id)} (${reason})`)
      return names.length > 0 ? [{ sent, names }] : []
    })
  }
}
