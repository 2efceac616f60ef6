/**
 * What waits for its random time, copies of all requests in one heap or messages for next hops: they leave in the order of
 * their due times, and equal ones in random order, so that nothing of the order in which they came is left (PROTOCOL.md section 5).
 */
import type { RandomNumbers } from '../../base/random.js'
import type { Millis } from '../../base/time.js'

interface Entry<T> {
  readonly due: Millis
  readonly tie: number
  readonly item: T
}

export class Waiting<T> {
  private readonly numbers: RandomNumbers
  /** A binary heap: no entry stands before one that it comes after. */
  private readonly heap: Entry<T>[] = []

  constructor(numbers: RandomNumbers) {
    this.numbers = numbers
  }

  get size(): number {
    return this.heap.length
  }

  nextDue(): Millis | undefined {
    return this.heap[0]?.due
  }

  add(due: Millis, item: T): void {
    const entry = { due, tie: this.numbers.uint32(), item }
    let at = this.heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = this.heap[parent] as Entry<T>
      if (!comesBefore(entry, above)) break
      this.heap[at] = above
      at = parent
    }
    this.heap[at] = entry
  }

  peek(): T | undefined {
    return this.heap[0]?.item
  }

  /** Removes what is due first. */
  take(): T | undefined {
    const first = this.heap[0]
    const last = this.heap.pop()
    if (first === undefined || last === undefined) return undefined
    if (this.heap.length > 0) this.sink(last)
    return first.item
  }

  private sink(entry: Entry<T>): void {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const right = this.heap[child + 1]
      if (right !== undefined && comesBefore(right, this.heap[child] as Entry<T>)) child++
      const below = this.heap[child]
      if (below === undefined || !comesBefore(below, entry)) break
      this.heap[at] = below
      at = child
    }
    this.heap[at] = entry
  }
}

function comesBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.due === b.due ? a.tie < b.tie : a.due < b.due
}
