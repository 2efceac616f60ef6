/** Deliveries to come, the earliest first, and the one timer that waits for it. */
import TinyQueue from 'tinyqueue'

interface Entry {
  readonly at: number
  /** Keeps those of one moment in the order in which they came. */
  readonly order: number
  readonly act: () => void
}

export class Schedule {
  private readonly queue = new TinyQueue<Entry>([], (a, b) => a.at - b.at || a.order - b.order)
  private order = 0
  private timer: NodeJS.Timeout | undefined
  private armedFor = Number.POSITIVE_INFINITY

  /** Acts at once where the moment has come, else from the timer. */
  at(at: number, act: () => void): void {
    if (this.queue.length === 0 && at <= performance.now()) {
      act()
      return
    }
    this.queue.push({ at, order: this.order++, act })
    this.arm()
  }

  clear(): void {
    clearTimeout(this.timer)
    while (this.queue.pop() !== undefined);
  }

  private arm(): void {
    const next = this.queue.peek()?.at ?? Number.POSITIVE_INFINITY
    if (next >= this.armedFor) return
    clearTimeout(this.timer)
    this.armedFor = next
    this.timer = setTimeout(() => this.run(), Math.max(0, next - performance.now()))
  }

  private run(): void {
    this.armedFor = Number.POSITIVE_INFINITY
    const now = performance.now()
    while ((this.queue.peek()?.at ?? Number.POSITIVE_INFINITY) <= now) this.queue.pop()?.act()
    this.arm()
  }
}
