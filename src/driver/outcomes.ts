/**
 * What became of messages, for any number of readers: each reader sees what comes from when it began. The latest are kept for
 * readers that lag; what a reader does not come round to in time it misses.
 */
import { toHex } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { Outcome, UnprovenReason } from '../role/device.js'
import { Signals } from './signals.js'

/** Who of a message's recipients is proven to have it; oneself is not counted. */
export interface SendOutcome {
  /** Hex. */
  readonly messageId: string
  /** Others that the message was for. */
  readonly recipients: number
  /** Of those, the ones whose copy the server is proven to have written to its disk. */
  readonly stored: number
  /** The others: hex id, local name where there is one, and whether the server refused the copy or there is no proof. */
  readonly unproven: readonly {
    readonly id: string
    readonly name: string | undefined
    readonly reason: UnprovenReason
  }[]
}

export class Outcomes {
  private readonly signals = new Signals()
  private readonly latest: SendOutcome[] = []
  private dropped = 0

  add(outcome: SendOutcome): void {
    this.latest.push(outcome)
    if (this.latest.length > limits.outcomes) {
      this.latest.shift()
      this.dropped++
    }
    this.signals.notify()
  }

  close(): void {
    this.signals.close()
  }

  /** Begins at once, not at the first `next`. */
  read(signal: AbortSignal | undefined): AsyncGenerator<SendOutcome, void, undefined> {
    return this.from(this.dropped + this.latest.length, signal)
  }

  private async *from(begin: number, signal: AbortSignal | undefined): AsyncGenerator<SendOutcome, void, undefined> {
    let cursor = begin
    while (!this.signals.isClosed) {
      cursor = Math.max(cursor, this.dropped)
      const outcome = this.latest[cursor - this.dropped]
      if (outcome === undefined) {
        // The wait is entered in the same turn as the look, so nothing slips between them.
        await this.signals.changed(signal)
        continue
      }
      cursor++
      yield outcome
    }
  }
}

export function outcomeOf({ messageId, recipients, stored, unproven }: Outcome): SendOutcome {
  return {
    messageId: toHex(messageId),
    recipients,
    stored,
    unproven: unproven.map(({ id, name, reason }) => ({ id: toHex(id), name, reason })),
  }
}
