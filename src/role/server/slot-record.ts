/**
 * Which slot points were accepted, and what was answered: a copy is stored once, and its repeat gets the same answer
 * (PROTOCOL.md section 4). A point is kept under a keyed hash: the names alone, without the secret in
 * the same store, do not tell which copies recorded on the way were taken. No network of proxies takes more of a window
 * than it leaves free.
 */
import { bigEndian, fromBigEndian, toHex } from '../../base/bytes.js'
import { labels } from '../../base/labels.js'
import type { RandomBytes } from '../../base/random.js'
import { earliest, type Millis, slotWindow, startOfWindow } from '../../base/time.js'
import type { Hashing } from '../../crypto/crypto.js'
import { TOKEN_BYTES } from '../../wire/message.js'
import type { Write } from '../role.js'
import { keyParts, storeKeys } from './records.js'

const SECRET_BYTES = 32
const NAME_BYTES = 16
/** A copy accepted in window w may be made for w + 1, and is then accepted up to w + 2. */
const WINDOWS_AFTER = 2
/** Windows held at a time, those of a clock that was ahead included. */
const MOST_WINDOWS = 8
const FORGET_AT_ONCE = 4096
const FORGET_PAUSE_MS = 10

export class SlotRecord {
  private readonly crypto: Hashing
  private readonly perWindow: number
  private readonly windows = new Map<number, Map<string, number>>()
  /** How many of the window those came from in this run, by network. */
  private shares = { window: 0, taken: new Map<string, number>() }
  private secret: Uint8Array | undefined
  private forgetAt: Millis | undefined

  constructor(crypto: Hashing, perWindow: number) {
    this.crypto = crypto
    this.perWindow = perWindow
  }

  restore(key: string, value: Uint8Array): void {
    if (key === storeKeys.slotSecret && value.length === SECRET_BYTES) this.secret = value.slice()
    const parts = keyParts('slot', key)
    if (parts !== undefined && value.length === TOKEN_BYTES) {
      this.window(Number(parts[0])).set(parts[1], fromBigEndian(value))
    }
  }

  start(now: Millis, random: RandomBytes): Write[] {
    this.forgetAt = now
    if (this.secret !== undefined) return []
    this.secret = random(SECRET_BYTES)
    return [{ key: storeKeys.slotSecret, value: this.secret.slice() }]
  }

  /** The name a slot point is kept under. */
  nameOf(ephemeral: Uint8Array): string {
    const mac = this.crypto.hmac(this.secret as Uint8Array, labels.slotReplay, ephemeral)
    return toHex(mac.subarray(0, NAME_BYTES))
  }

  /** The answer given before, if any. */
  answerTo(name: string): Uint8Array | undefined {
    for (const names of this.windows.values()) {
      const token = names.get(name)
      if (token !== undefined) return bigEndian(token, TOKEN_BYTES)
    }
    return undefined
  }

  /** Whether there is room for one more copy from this network. */
  hasRoom(now: Millis, network: string): boolean {
    const window = slotWindow(now)
    const taken = this.shares.window === window ? (this.shares.taken.get(network) ?? 0) : 0
    return taken < this.perWindow - (this.windows.get(window)?.size ?? 0)
  }

  add(now: Millis, network: string, name: string, token: Uint8Array): Write {
    const window = slotWindow(now)
    if (this.shares.window !== window) this.shares = { window, taken: new Map() }
    this.shares.taken.set(network, (this.shares.taken.get(network) ?? 0) + 1)
    this.window(window).set(name, fromBigEndian(token))
    this.forgetAt = earliest(this.forgetAt, startOfWindow(window + 1))
    return { key: storeKeys.slot(window, name), value: token.slice() }
  }

  deadline(): Millis | undefined {
    return this.forgetAt
  }

  /** Forgets what can no longer be accepted, a bounded part at a time. */
  forget(now: Millis): Write[] {
    if (this.forgetAt === undefined || now < this.forgetAt) return []
    const outdated = this.outdated(slotWindow(now))
    this.forgetAt = outdated === undefined ? this.nextChange(now) : now + FORGET_PAUSE_MS
    return outdated === undefined ? [] : this.forgetPart(outdated)
  }

  private nextChange(now: Millis): Millis | undefined {
    return this.windows.size === 0 ? undefined : startOfWindow(slotWindow(now) + 1)
  }

  private forgetPart(window: number): Write[] {
    const names = this.windows.get(window) as Map<string, number>
    const writes: Write[] = []
    for (const name of names.keys()) {
      if (writes.length === FORGET_AT_ONCE) return writes
      names.delete(name)
      writes.push({ key: storeKeys.slot(window, name), value: undefined })
    }
    this.windows.delete(window)
    return writes
  }

  private outdated(current: number): number | undefined {
    const held = [...this.windows.keys()]
    const past = held.find((window) => window < current - WINDOWS_AFTER)
    if (past !== undefined || held.length <= MOST_WINDOWS) return past
    return held.reduce((a, b) => (Math.abs(a - current) > Math.abs(b - current) ? a : b))
  }

  private window(window: number): Map<string, number> {
    const held = this.windows.get(window)
    if (held !== undefined) return held
    const made = new Map<string, number>()
    this.windows.set(window, made)
    return made
  }
}
