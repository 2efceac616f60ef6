/**
 * What the device role has written to its inbox and nobody has acknowledged, for any number of readers: each reader sees
 * every message that is still there when its turn comes, in order; the first acknowledgement takes it away from all.
 */
import { toHex } from '../base/bytes.js'
import type { InboxMessage } from '../role/device.js'
import { Signals } from './signals.js'

/** A verified message. It stays in the inbox on disk, and is handed out again after a restart, until `ack`. */
export interface ReceivedMessage {
  readonly group: string
  readonly sender: string
  readonly senderName: string | undefined
  readonly messageId: string
  readonly sentAt: Date
  /** Whether the sender says that it went to this device alone. */
  readonly direct: boolean
  readonly body: Uint8Array
  ack(): Promise<void>
}

export class Inbox {
  private readonly messages = new Map<number, InboxMessage>()
  private readonly signals = new Signals()
  private readonly acknowledge: (sequence: number) => Promise<void>

  constructor(acknowledge: (sequence: number) => Promise<void>) {
    this.acknowledge = acknowledge
  }

  add(message: InboxMessage): void {
    this.messages.set(message.sequence, message)
    this.signals.notify()
  }

  close(): void {
    this.signals.close()
  }

  async *read(
    group: string | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ReceivedMessage, void, undefined> {
    let cursor = -1
    while (!this.signals.isClosed) {
      const message = this.after(cursor, group)
      if (message === undefined) {
        // The wait is entered in the same turn as the look, so nothing slips between them.
        await this.signals.changed(signal)
        continue
      }
      cursor = message.sequence
      yield this.received(message)
    }
  }

  /** Messages are added in the order of their sequence, so the first one past the cursor is the next. */
  private after(cursor: number, group: string | undefined): InboxMessage | undefined {
    for (const message of this.messages.values()) {
      if (message.sequence > cursor && (group === undefined || message.group === group)) return message
    }
    return undefined
  }

  private received(message: InboxMessage): ReceivedMessage {
    return {
      group: message.group,
      sender: toHex(message.sender),
      senderName: message.senderName,
      messageId: toHex(message.messageId),
      sentAt: new Date(message.sentAt),
      direct: message.direct,
      body: message.body,
      ack: async () => {
        if (!this.messages.has(message.sequence)) return
        await this.acknowledge(message.sequence)
        this.messages.delete(message.sequence)
      },
    }
  }
}
