/**
 * Sets of whole numbers kept as ranges: packet numbers received, messages completed, bytes of a message that have
 * arrived. Adding at the upper end, which is what a link in order does, costs nothing; elsewhere a binary search.
 */

/** `low` to `high`, both included. */
export interface Range {
  low: number
  high: number
}

export class RangeSet {
  /** Ascending, never touching each other. */
  private ranges: Range[] = []

  get count(): number {
    return this.ranges.length
  }

  get highest(): number | undefined {
    return this.ranges.at(-1)?.high
  }

  has(number: number): boolean {
    const at = this.firstEndingFrom(number)
    const range = this.ranges[at]
    return range !== undefined && range.low <= number
  }

  /** Whether adding `low` to `high` would make one more range of its own. */
  wouldSplit(low: number, high: number): boolean {
    const range = this.ranges[this.firstEndingFrom(low - 1)]
    return range === undefined || range.low > high + 1
  }

  /** Adds `low` to `high`, joining what touches. */
  add(low: number, high: number): void {
    const from = this.firstEndingFrom(low - 1)
    const first = this.ranges[from]
    if (first === undefined) {
      this.ranges.push({ low, high })
      return
    }
    if (first.low > high + 1) {
      this.ranges.splice(from, 0, { low, high })
      return
    }
    first.low = Math.min(first.low, low)
    first.high = Math.max(first.high, high)
    let to = from + 1
    for (let next = this.ranges[to]; next !== undefined && next.low <= first.high + 1; next = this.ranges[to]) {
      first.high = Math.max(first.high, next.high)
      to++
    }
    if (to > from + 1) this.ranges.splice(from + 1, to - from - 1)
  }

  /** Forgets the lowest range. */
  dropLowest(): void {
    this.ranges.shift()
  }

  /** Forgets everything up to `number`. */
  dropThrough(number: number): void {
    while (this.ranges.length > 0 && (this.ranges[0] as Range).high <= number) this.ranges.shift()
    const lowest = this.ranges[0]
    if (lowest !== undefined && lowest.low <= number) lowest.low = number + 1
  }

  /** The ranges that share a number with `low` to `high`, ascending. */
  *overlapping(low: number, high: number): Generator<Readonly<Range>> {
    for (let at = this.firstEndingFrom(low); at < this.ranges.length; at++) {
      const range = this.ranges[at] as Range
      if (range.low > high) return
      yield range
    }
  }

  /** All ranges, highest first. */
  descending(): Range[] {
    return this.ranges.toReversed()
  }

  /** Index of the first range whose end is at or above `number`. */
  private firstEndingFrom(number: number): number {
    let low = 0
    let high = this.ranges.length
    const last = this.ranges[high - 1]
    if (last !== undefined && number > last.high) return high
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.ranges[middle] as Range).high < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
