/**
 * What waits for its random time, copies of all requests in one heap or messages for next hops: they leave in the order of
 * their due times, and equal ones in random order, so that nothing of the order in which they came is left (PROTOCOL.md section 5).
 */
import type { RandomNumbers } from '../../base/random.js'
import type { Millis } from '../../base/time.js'

export class Waiting<T> {
  private readonly numbers: RandomNumbers
  /**
   * A binary heap, no entry before one that it comes after: due times, ties and items beside each other, since thousands
   * wait long, and objects for them are what garbage collection would spend its time on.
   */
  private readonly dues: Millis[] = []
  private readonly ties: number[] = []
  private readonly items: T[] = []

  constructor(numbers: RandomNumbers) {
    this.numbers = numbers
  }

  get size(): number {
    return this.items.length
  }

  nextDue(): Millis | undefined {
    return this.dues[0]
  }

  add(due: Millis, item: T): void {
    const tie = this.numbers.uint32()
    let at = this.items.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.comesBefore(due, tie, parent)) break
      this.move(parent, at)
      at = parent
    }
    this.place(at, due, tie, item)
  }

  peek(): T | undefined {
    return this.items[0]
  }

  /** Removes what is due first. */
  take(): T | undefined {
    const first = this.items[0]
    const due = this.dues.pop()
    const tie = this.ties.pop()
    const last = this.items.pop()
    if (due === undefined || tie === undefined || this.items.length === 0) return first
    this.sink(due, tie, last as T)
    return first
  }

  private sink(due: Millis, tie: number, item: T): void {
    const { length } = this.items
    let at = 0
    for (let child = 1; child < length; child = 2 * at + 1) {
      const right = child + 1
      const least = right < length && this.comesBefore(this.dues[right] as number, this.ties[right] as number, child)
      const below = least ? right : child
      if (this.comesBefore(due, tie, below)) break
      this.move(below, at)
      at = below
    }
    this.place(at, due, tie, item)
  }

  private comesBefore(due: Millis, tie: number, other: number): boolean {
    const otherDue = this.dues[other] as number
    return due === otherDue ? tie < (this.ties[other] as number) : due < otherDue
  }

  private move(from: number, to: number): void {
    this.place(to, this.dues[from] as number, this.ties[from] as number, this.items[from] as T)
  }

  private place(at: number, due: Millis, tie: number, item: T): void {
    this.dues[at] = due
    this.ties[at] = tie
    this.items[at] = item
  }
}
