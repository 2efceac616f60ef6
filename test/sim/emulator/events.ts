/** What is to happen, in order of time; of two things at one time the one that was planned first comes first. A binary heap. */
import type { Millis } from '../../../src/base/time.js'

interface Event {
  readonly at: Millis
  readonly order: number
  readonly act: () => void
}

export class Events {
  private readonly heap: Event[] = []
  private order = 0

  get next(): Millis | undefined {
    return this.heap[0]?.at
  }

  add(at: Millis, act: () => void): void {
    const event = { at, order: this.order++, act }
    const { heap } = this
    let place = heap.push(event) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = heap[parent] as Event
      if (!before(event, above)) break
      heap[place] = above
      place = parent
    }
    heap[place] = event
  }

  /** What is due first, if it is due. */
  take(now: Millis): (() => void) | undefined {
    const { heap } = this
    const first = heap[0]
    if (first === undefined || first.at > now) return undefined
    const last = heap.pop() as Event
    if (heap.length > 0) this.sink(last)
    return first.act
  }

  private sink(event: Event): void {
    const { heap } = this
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && before(right, heap[child] as Event)) child++
      const below = heap[child] as Event
      if (!before(below, event)) break
      heap[place] = below
      place = child
    }
    heap[place] = event
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
