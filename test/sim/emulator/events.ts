/** What is to happen, in order of time; of two things at one time the one that was planned first comes first. */
import TinyQueue from 'tinyqueue'
import type { Millis } from '../../../src/base/time.js'

interface Event {
  readonly at: Millis
  readonly order: number
  readonly act: () => void
}

export class Events {
  private readonly queue = new TinyQueue<Event>([], (a, b) => a.at - b.at || a.order - b.order)
  private order = 0

  get next(): Millis | undefined {
    return this.queue.peek()?.at
  }

  add(at: Millis, act: () => void): void {
    this.queue.push({ at, order: this.order++, act })
  }

  /** What is due first, if it is due. */
  take(now: Millis): (() => void) | undefined {
    return (this.next ?? Number.POSITIVE_INFINITY) <= now ? this.queue.pop()?.act : undefined
  }
}
