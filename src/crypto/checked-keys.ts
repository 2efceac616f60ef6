/**
 * Remembers identity keys that were found good, with the point each stands for: whoever belongs to a large group reads
 * the same keys over and over, and the check costs a scalar multiplication. Public values only; bounded, oldest out first.
 */
import { type Point, point, toHex } from '../base/bytes.js'

export class CheckedKeys {
  private readonly points = new Map<string, Point>()
  private readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** What `check` gives for this key, now or when it was last asked; a key that failed is checked again each time. */
  pointOf(encoded: Uint8Array, check: (encoded: Uint8Array) => Point | undefined): Point | undefined {
    const name = toHex(encoded)
    const known = this.points.get(name) ?? this.learn(name, check(encoded))
    return known && point(known.slice())
  }

  get size(): number {
    return this.points.size
  }

  private learn(name: string, found: Point | undefined): Point | undefined {
    if (found === undefined) return undefined
    const [oldest] = this.points.keys()
    if (this.points.size >= this.capacity && oldest !== undefined) this.points.delete(oldest)
    this.points.set(name, found)
    return found
  }
}
