/**
 * Copies that wait for their time, those of all requests in one heap: they leave in the order of their due times, and
 * equal ones in random order, so that nothing of the order in which they were made is left (PROTOCOL.md section 5).
 */
import { type RandomBytes, randomBelow } from '../../base/random.js'
import type { Millis } from '../../base/time.js'

/** A copy sealed for CS, on its way there. */
export interface SealedCopy {
  readonly sealed: Uint8Array
  /** When it becomes worthless. */
  readonly heldUntil: Millis
}

interface Entry {
  readonly due: Millis
  readonly tie: number
  readonly copy: SealedCopy
}

export class WaitingCopies {
  private readonly random: RandomBytes
  /** A binary heap: no entry stands before one that it comes after. */
  private readonly heap: Entry[] = []

  constructor(random: RandomBytes) {
    this.random = random
  }

  get size(): number {
    return this.heap.length
  }

  nextDue(): Millis | undefined {
    return this.heap[0]?.due
  }

  add(due: Millis, copy: SealedCopy): void {
    const entry = { due, tie: randomBelow(this.random, 2 ** 32), copy }
    let at = this.heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = this.heap[parent] as Entry
      if (!comesBefore(entry, above)) break
      this.heap[at] = above
      at = parent
    }
    this.heap[at] = entry
  }

  peek(): SealedCopy | undefined {
    return this.heap[0]?.copy
  }

  /** Removes the copy that is due first. */
  take(): SealedCopy | undefined {
    const first = this.heap[0]
    const last = this.heap.pop()
    if (first === undefined || last === undefined) return undefined
    if (this.heap.length > 0) this.sink(last)
    return first.copy
  }

  private sink(entry: Entry): void {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const right = this.heap[child + 1]
      if (right !== undefined && comesBefore(right, this.heap[child] as Entry)) child++
      const below = this.heap[child]
      if (below === undefined || !comesBefore(below, entry)) break
      this.heap[at] = below
      at = child
    }
    this.heap[at] = entry
  }
}

function comesBefore(a: Entry, b: Entry): boolean {
  return a.due === b.due ? a.tie < b.tie : a.due < b.due
}
