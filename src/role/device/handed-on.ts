/**
 * Remembers which messages were handed on, so that none is handed on twice, across restarts too (PROTOCOL.md section 6).
 * The record is bounded: what falls out of it raises a floor, and messages dated before the floor are refused.
 */
import { bigEndian, fromBigEndian, type GroupId, type MessageId, type NodeId } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import { keys } from './records.js'
import type { Storage } from './storage.js'

/** What is forgotten together: short, so that a floor raised over it leaves later messages alone. */
const WINDOW_MS = 60_000
const TIME_BYTES = 6
const KEY_PATTERN = /^handed\/[0-9a-f]{48}$/

export class HandedOn {
  private readonly storage: Storage
  private readonly limit: number
  /** Keys by the minute their message is dated. */
  private readonly windows = new Map<number, Set<string>>()
  private count = 0
  private floor: Millis = 0

  constructor(storage: Storage, limit: number = limits.handedOnIds) {
    this.storage = storage
    this.limit = limit
  }

  /** False where the key is none of this record's. */
  restore(key: string): boolean {
    if (!KEY_PATTERN.test(key)) return false
    this.remember(key)
    return true
  }

  restoreFloor(value: Uint8Array): boolean {
    if (value.length !== TIME_BYTES) return false
    this.floor = fromBigEndian(value)
    return true
  }

  /** Whether the record reaches back to the day the message is dated. */
  covers(message: MessageId): boolean {
    return fromBigEndian(message.subarray(0, TIME_BYTES)) >= this.floor
  }

  has(message: MessageId, group: GroupId, sender: NodeId): boolean {
    const key = keys.handed(message, group, sender)
    return this.windows.get(windowOf(key))?.has(key) ?? false
  }

  /** Makes room by forgetting the oldest minute; false where messages may still arrive from it. */
  makeRoom(now: Millis): boolean {
    if (this.count < this.limit) return true
    const oldest = Math.min(...this.windows.keys())
    if ((oldest + 1) * WINDOW_MS > now - limits.clockSkewMs) return false
    this.forget(oldest)
    return true
  }

  add(message: MessageId, group: GroupId, sender: NodeId): void {
    const key = keys.handed(message, group, sender)
    this.remember(key)
    this.storage.put(key, new Uint8Array(0))
  }

  /** Forgets what is too old to be accepted again anyway. */
  prune(now: Millis): void {
    for (const window of [...this.windows.keys()]) {
      if ((window + 1) * WINDOW_MS <= now - limits.messageLifeMs) this.forget(window)
    }
  }

  private remember(key: string): void {
    const window = windowOf(key)
    const held = this.windows.get(window) ?? new Set()
    if (!held.has(key)) this.count++
    held.add(key)
    this.windows.set(window, held)
  }

  private forget(window: number): void {
    const held = this.windows.get(window) ?? new Set()
    for (const key of held) this.storage.delete(key)
    this.count -= held.size
    this.windows.delete(window)
    // Also where the window was merely old: a clock set back must not let its messages in again.
    this.floor = Math.max(this.floor, (window + 1) * WINDOW_MS)
    this.storage.put(keys.floor, bigEndian(this.floor, TIME_BYTES))
  }
}

/** The message id stands first in the key, its milliseconds first in the id. */
function windowOf(key: string): number {
  const start = 'handed/'.length
  return Math.floor(Number.parseInt(key.slice(start, start + 2 * TIME_BYTES), 16) / WINDOW_MS)
}
