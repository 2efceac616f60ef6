/**
 * The requests that were split, remembered for as long as they could be accepted again: splitting one twice would mark
 * its recipients (PROTOCOL.md section 5). A request belongs to one slot window, under which it is forgotten as a whole; of
 * the room of a window nobody takes more than is left free.
 */
import { toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { type Millis, slotWindow, startOfWindow } from '../../base/time.js'
import type { Hashing } from '../../crypto/crypto.js'
import type { Write } from '../role.js'

const PREFIX = 'seen'
const HASH_BYTES = 16

interface Window {
  readonly names: Set<string>
  /** How many of them came in this run, by the network they came from. */
  readonly taken: Map<string, number>
}

export class RequestReplays {
  private readonly crypto: Hashing
  private readonly byWindow = new Map<number, Window>()

  constructor(crypto: Hashing) {
    this.crypto = crypto
  }

  /** Takes back what `remember` wrote; other keys are ignored. */
  restore(key: string): void {
    const [, window, name] = /^seen\/(\d{1,10})\/([0-9a-f]{32})$/.exec(key) ?? []
    if (window !== undefined && name !== undefined) this.window(Number(window)).names.add(name)
  }

  has(ephemeral: Uint8Array): boolean {
    const name = this.nameOf(ephemeral)
    for (const { names } of this.byWindow.values()) if (names.has(name)) return true
    return false
  }

  /** What must be durable before anything of the request goes out; `undefined` where its window has no room for one from this network. */
  remember(window: number, network: string, ephemeral: Uint8Array): Write | undefined {
    const { names, taken } = this.window(window)
    const own = taken.get(network) ?? 0
    if (own >= limits.requestReplays - names.size) return undefined
    taken.set(network, own + 1)
    const name = this.nameOf(ephemeral)
    names.add(name)
    return { key: `${PREFIX}/${window}/${name}`, value: new Uint8Array(0) }
  }

  /** Forgets the windows whose requests are refused by now for their age. */
  expire(now: Millis): Write[] {
    const writes: Write[] = []
    const oldest = slotWindow(now) - 1
    for (const [window, { names }] of this.byWindow) {
      if (window >= oldest) continue
      for (const name of names) writes.push({ key: `${PREFIX}/${window}/${name}`, value: undefined })
      this.byWindow.delete(window)
    }
    return writes
  }

  /** When `expire` has something to do; `undefined` while nothing is remembered. */
  nextExpiry(): Millis | undefined {
    let oldest: number | undefined
    for (const window of this.byWindow.keys()) oldest = Math.min(window, oldest ?? window)
    return oldest === undefined ? undefined : startOfWindow(oldest + 2)
  }

  private window(window: number): Window {
    const held = this.byWindow.get(window) ?? { names: new Set(), taken: new Map() }
    this.byWindow.set(window, held)
    return held
  }

  private nameOf(ephemeral: Uint8Array): string {
    return toHex(this.crypto.hash(ephemeral).subarray(0, HASH_BYTES))
  }
}
