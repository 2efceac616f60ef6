/**
 * Byte strings that come twice. Each piece belongs to a thread: one object on its way, which may look like itself wherever it is
 * seen. A string of 16 bytes in two threads is a link between two objects, and the fault that is looked for.
 */

export const STRING_BYTES = 16

export interface Repeat {
  readonly first: string
  readonly second: string
  readonly bytes: Uint8Array
}

interface Place {
  readonly thread: string
  readonly bytes: Uint8Array
  readonly at: number
}

/** Two hashes of 16 bytes, taken as one number of 53 bits; what is equal under it is compared. */
const FACTORS = [0x01000193, 0x85ebca6b] as const
const HIGH_BITS = 2 ** 21

export class Strings {
  readonly repeats: Repeat[] = []
  /** Strings looked at. */
  examined = 0
  private readonly seen = new Map<number, Place>()

  /** Compares with all that was seen in other threads. */
  add(thread: string, bytes: Uint8Array): void {
    for (let at = 0; at + STRING_BYTES <= bytes.length; at++) this.window({ thread, bytes, at })
  }

  private window(place: Place): void {
    const { thread, bytes, at } = place
    this.examined++
    const name = nameOf(bytes, at)
    const before = this.seen.get(name)
    if (before === undefined) this.seen.set(name, place)
    else if (before.thread !== thread && isEqual(before, place)) {
      const found = bytes.slice(at, at + STRING_BYTES)
      this.repeats.push({ first: before.thread, second: thread, bytes: found })
    }
  }
}

function nameOf(bytes: Uint8Array, at: number): number {
  let low = 0x811c9dc5
  let high = 0
  for (let i = at; i < at + STRING_BYTES; i++) {
    const byte = bytes[i] as number
    low = Math.imul(low ^ byte, FACTORS[0])
    high = Math.imul(high + byte + 1, FACTORS[1]) ^ (high >>> 13)
  }
  return (low >>> 0) + ((high >>> 11) % HIGH_BITS) * 2 ** 32
}

function isEqual(a: Place, b: Place): boolean {
  for (let i = 0; i < STRING_BYTES; i++) if (a.bytes[a.at + i] !== b.bytes[b.at + i]) return false
  return true
}
