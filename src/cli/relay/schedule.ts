/** Deliveries to come, the earliest first (a binary heap), and the one timer that waits for it. */

interface Entry {
  readonly at: number
  /** Keeps those of one moment in the order in which they came. */
  readonly order: number
  readonly act: () => void
}

export class Schedule {
  private readonly heap: Entry[] = []
  private order = 0
  private timer: NodeJS.Timeout | undefined
  private armedFor = Number.POSITIVE_INFINITY

  /** Acts at once where the moment has come, else from the timer. */
  at(at: number, act: () => void): void {
    if (this.heap.length === 0 && at <= performance.now()) {
      act()
      return
    }
    this.push({ at, order: this.order++, act })
    this.arm()
  }

  clear(): void {
    clearTimeout(this.timer)
    this.heap.length = 0
  }

  private arm(): void {
    const next = this.heap[0]?.at ?? Number.POSITIVE_INFINITY
    if (next >= this.armedFor) return
    clearTimeout(this.timer)
    this.armedFor = next
    this.timer = setTimeout(() => this.run(), Math.max(0, next - performance.now()))
  }

  private run(): void {
    this.armedFor = Number.POSITIVE_INFINITY
    const now = performance.now()
    for (let top = this.heap[0]; top !== undefined && top.at <= now; top = this.heap[0]) {
      this.pop()
      top.act()
    }
    this.arm()
  }

  private push(entry: Entry): void {
    const { heap } = this
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent] as Entry)) break
      heap[at] = heap[parent] as Entry
      at = parent
    }
    heap[at] = entry
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop() as Entry
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const right = heap[child + 1]
      if (right !== undefined && isBefore(right, heap[child] as Entry)) child++
      const next = heap[child]
      if (next === undefined || !isBefore(next, last)) break
      heap[at] = next
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
