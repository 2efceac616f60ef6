/**
 * Which session is due next: a binary heap that knows where each session stands in it, so that an earlier deadline
 * moves its session up and no stale entries pile up. A later deadline is only noticed when the old one comes: most
 * deadlines move back with every packet, and that must cost nothing.
 */
import type { Millis } from '../base/time.js'

/** What the heap orders. The heap alone writes `heapIndex` and `heapAt`; `heapIndex` is -1 outside of it. */
export interface Timed {
  heapIndex: number
  heapAt: Millis
  deadline(): Millis | undefined
}

export class Deadlines<T extends Timed> {
  private heap: T[] = []

  /** When the next session may be due; never later than when it is. */
  next(): Millis | undefined {
    return this.heap[0]?.heapAt
  }

  /** Takes note of an item's deadline after it may have changed. */
  update(item: T): void {
    const at = item.deadline()
    if (at === undefined) {
      this.remove(item)
    } else if (item.heapIndex < 0) {
      item.heapAt = at
      this.place(item, this.heap.length)
      this.moveUp(item)
    } else if (at < item.heapAt) {
      item.heapAt = at
      this.moveUp(item)
    }
  }

  remove(item: T): void {
    const index = item.heapIndex
    if (index < 0) return
    item.heapIndex = -1
    const last = this.heap.pop() as T
    if (last === item) return
    this.place(last, index)
    this.moveUp(last)
    this.moveDown(last)
  }

  /** Takes out every item that is due; the caller serves each and hands it to `update` again. */
  takeDue(now: Millis): T[] {
    const due: T[] = []
    for (let top = this.heap[0]; top !== undefined && top.heapAt <= now; top = this.heap[0]) {
      const at = top.deadline()
      if (at !== undefined && at > now) {
        top.heapAt = at
        this.moveDown(top)
        continue
      }
      this.remove(top)
      if (at !== undefined) due.push(top)
    }
    return due
  }

  private place(item: T, index: number): void {
    this.heap[index] = item
    item.heapIndex = index
  }

  private moveUp(item: T): void {
    let index = item.heapIndex
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.heap[parentIndex] as T
      if (parent.heapAt <= item.heapAt) break
      this.place(parent, index)
      index = parentIndex
    }
    this.place(item, index)
  }

  private moveDown(item: T): void {
    let index = item.heapIndex
    for (;;) {
      let childIndex = 2 * index + 1
      let child = this.heap[childIndex]
      if (child === undefined) break
      const right = this.heap[childIndex + 1]
      if (right !== undefined && right.heapAt < child.heapAt) {
        child = right
        childIndex++
      }
      if (child.heapAt >= item.heapAt) break
      this.place(child, index)
      index = childIndex
    }
    this.place(item, index)
  }
}
