/** Choices that follow from a seed. */
import { type RandomBytes, randomBelow, shuffle } from '../../../src/base/random.js'
import { seeded } from '../../base/seeded.js'

const UINT32 = 2 ** 32

export class Draw {
  readonly bytes: RandomBytes

  constructor(seed: number) {
    this.bytes = seeded(seed)
  }

  /** A part of 1. */
  part(): number {
    return randomBelow(this.bytes, UINT32) / UINT32
  }

  chance(part: number): boolean {
    return this.part() < part
  }

  between(least: number, most: number): number {
    return least + this.part() * (most - least)
  }

  /** A whole number, both ends among them. */
  whole(least: number, most: number): number {
    return least + randomBelow(this.bytes, most - least + 1)
  }

  /** A whole number whose size is drawn evenly: as many below ten as between ten and a hundred. */
  size(least: number, most: number): number {
    return Math.round(Math.exp(this.between(Math.log(least), Math.log(most))))
  }

  pick<T>(items: readonly T[]): T {
    return items[randomBelow(this.bytes, items.length)] as T
  }

  /** So many of them, in any order. */
  some<T>(items: readonly T[], count: number): T[] {
    return shuffle(this.bytes, [...items]).slice(0, count)
  }

  weighted<T extends { readonly weight: number }>(items: readonly T[]): T {
    let left = this.part() * items.reduce((sum, { weight }) => sum + weight, 0)
    for (const item of items) {
      left -= item.weight
      if (left < 0) return item
    }
    return items.at(-1) as T
  }
}
