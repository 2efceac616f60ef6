/**
 * A first-in, first-out queue whose ends cost the same at any length; an array's `shift` does not. A ring, so that one that
 * fills and empties all the time allocates nothing. Owns no protocol knowledge.
 */

/** Places that an empty queue keeps. */
const KEPT_PLACES = 1024
const FIRST_PLACES = 8

export class Queue<T> {
  /** None, or a power of two of them. */
  private places: (T | undefined)[] = []
  private head = 0
  private count = 0

  get length(): number {
    return this.count
  }

  push(item: T): void {
    if (this.count === this.places.length) this.grow()
    this.places[(this.head + this.count) & (this.places.length - 1)] = item
    this.count++
  }

  peek(): T | undefined {
    return this.at(0)
  }

  /** The item `index` places behind the head. */
  at(index: number): T | undefined {
    return index < this.count ? this.places[(this.head + index) & (this.places.length - 1)] : undefined
  }

  shift(): T | undefined {
    if (this.count === 0) return undefined
    const item = this.places[this.head]
    this.places[this.head] = undefined
    this.head = (this.head + 1) & (this.places.length - 1)
    this.count--
    if (this.count === 0 && this.places.length > KEPT_PLACES) this.clear()
    return item
  }

  clear(): void {
    this.places = []
    this.head = 0
    this.count = 0
  }

  private grow(): void {
    const { length } = this.places
    const grown: (T | undefined)[] = new Array(Math.max(FIRST_PLACES, 2 * length)).fill(undefined)
    for (let i = 0; i < length; i++) grown[i] = this.at(i)
    this.places = grown
    this.head = 0
  }
}
