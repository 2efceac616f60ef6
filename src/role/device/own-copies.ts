/**
 * The points by which a device knows its own copies when they come back (PROTOCOL.md section 6). Those of invitations are
 * stored, because nothing else tells such a copy from an invitation for this device; other copies name their sender.
 */
import { toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import { keys, numberIn } from './records.js'
import type { Storage } from './storage.js'

export class OwnCopies {
  private readonly storage: Storage
  private readonly limit: number
  /** Key of the stored entry, or `undefined` for one in memory only; in the order they were added. */
  private readonly points = new Map<string, string | undefined>()

  constructor(storage: Storage, limit: number = limits.ownCopies) {
    this.storage = storage
    this.limit = limit
  }

  /** False where the key is none of these. */
  restore(key: string): boolean {
    const ownPoint = key.split('/')[2] ?? ''
    if (numberIn(key) === undefined || !/^[0-9a-f]{64}$/.test(ownPoint)) return false
    this.points.set(ownPoint, key)
    return true
  }

  add(now: Millis, ownPoint: Uint8Array, stored: boolean): void {
    const text = toHex(ownPoint)
    const key = stored ? keys.ownCopy(now, text) : undefined
    if (key !== undefined) this.storage.put(key, new Uint8Array(0))
    this.points.set(text, key)
    const oldest = this.points.keys().next().value
    if (this.points.size > this.limit && oldest !== undefined) this.forget(oldest)
  }

  has(ownPoint: Uint8Array): boolean {
    return this.points.has(toHex(ownPoint))
  }

  /** Forgets the stored ones that CS no longer keeps a copy of. */
  prune(now: Millis): void {
    for (const [ownPoint, key] of this.points) {
      if (key !== undefined && (numberIn(key) as number) + limits.messageLifeMs <= now) this.forget(ownPoint)
    }
  }

  private forget(ownPoint: string): void {
    const key = this.points.get(ownPoint)
    if (key !== undefined) this.storage.delete(key)
    this.points.delete(ownPoint)
  }
}
