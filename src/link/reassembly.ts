/**
 * Messages on their way in: the parts of those that have half arrived, and the numbers of those that are complete.
 * What has been accepted is never thrown away while the session lives, because it has been or will be acknowledged,
 * and an acknowledgement is a promise; what there is no room for is refused instead, and its packet stays unacknowledged
 * so that the sender tries again (PROTOCOL.md section 10.5).
 */
import type { LinkLimits } from '../base/bounds.js'
import { equal } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import { RangeSet } from './ranges.js'
import type { Held, ReassemblyRoom, Tenant } from './reassembly-room.js'
import type { Source } from './sources.js'

/** A part of a message, or all of it. */
export interface Part {
  readonly message: number
  readonly totalBytes: number
  readonly offset: number
  readonly data: Uint8Array
}

export type Accepted =
  /** Taken, and nothing to hand on: more parts are missing, or all of it was here before. */
  | { readonly type: 'held' }
  | { readonly type: 'complete'; readonly message: Uint8Array }
  | { readonly type: 'refused'; readonly code: DropCode }

interface HalfArrived extends Held {
  readonly bytes: Uint8Array
  readonly arrived: RangeSet
  missingBytes: number
}

const HELD: Accepted = { type: 'held' }

export class Reassembly implements Tenant {
  readonly source: Source | undefined
  private readonly bounds: LinkLimits
  private readonly room: ReassemblyRoom
  private readonly onEvicted: () => void
  private readonly halfArrived = new Map<number, HalfArrived>()
  private readonly complete = new RangeSet()
  private heldBytes = 0
  private now: Millis = 0

  /** `onEvicted` has to end the session: what was acknowledged of a message that had to go is not there any more. */
  constructor(bounds: LinkLimits, room: ReassemblyRoom, source: Source | undefined, onEvicted: () => void) {
    this.bounds = bounds
    this.room = room
    this.source = source
    this.onEvicted = onEvicted
  }

  accept(now: Millis, part: Part): Accepted {
    this.now = now
    if (this.complete.has(part.message)) return HELD
    const started = this.halfArrived.get(part.message)
    if (started !== undefined) return this.add(started, part)
    if (!this.mayComplete(part.message)) return refused('LINK_REASSEMBLY_FULL')
    if (part.data.length === part.totalBytes) {
      if (!this.addRange(this.complete, part.message, part.message)) return refused('LINK_REASSEMBLY_FULL')
      // A copy, for the packet's buffer is not the message's to keep.
      return { type: 'complete', message: part.data.slice() }
    }
    const begun = this.begin(part)
    return begun === undefined ? refused('LINK_REASSEMBLY_FULL') : this.add(begun, part)
  }

  /** Gives the room of everything half-arrived back. */
  clear(): void {
    this.room.release(this, this.heldBytes)
    this.heldBytes = 0
    for (const held of this.halfArrived.values()) this.room.leave(held)
    this.halfArrived.clear()
  }

  evict(): void {
    this.onEvicted()
  }

  /** Each gap in the numbers completed costs memory: so many and no more. The lowest missing one is always taken. */
  private mayComplete(message: number): boolean {
    return this.complete.count < this.bounds.reassemblySessionMessages || !this.complete.wouldSplit(message, message)
  }

  private begin({ message, totalBytes }: Part): HalfArrived | undefined {
    if (this.halfArrived.size >= this.bounds.reassemblySessionMessages) return undefined
    if (!this.reserve(totalBytes + limits.reassemblyMessageChargeBytes)) return undefined
    const begun = {
      tenant: this,
      begunAt: this.now,
      bytes: new Uint8Array(totalBytes),
      arrived: new RangeSet(),
      missingBytes: totalBytes,
    }
    this.halfArrived.set(message, begun)
    this.room.enter(begun)
    return begun
  }

  private add(held: HalfArrived, { message, totalBytes, offset, data }: Part): Accepted {
    if (totalBytes !== held.bytes.length) return refused('LINK_FRAGMENT_OVERLAP')
    const last = offset + data.length - 1
    let knownBytes = 0
    for (const range of held.arrived.overlapping(offset, last)) {
      const low = Math.max(range.low, offset)
      const high = Math.min(range.high, last)
      knownBytes += high - low + 1
      const again = data.subarray(low - offset, high - offset + 1)
      if (!equal(again, held.bytes.subarray(low, high + 1))) return refused('LINK_FRAGMENT_OVERLAP')
    }
    if (knownBytes === data.length) return HELD
    if (held.arrived.count >= this.bounds.reassemblyParts && held.arrived.wouldSplit(offset, last)) {
      return refused('LINK_REASSEMBLY_FULL')
    }
    if (!this.addRange(held.arrived, offset, last)) return refused('LINK_REASSEMBLY_FULL')
    held.bytes.set(data, offset)
    held.missingBytes -= data.length - knownBytes
    return held.missingBytes > 0 ? HELD : this.finish(message, held)
  }

  /** One that began with room to complete completes, so the gaps may be twice their bound and no more. */
  private finish(message: number, held: HalfArrived): Accepted {
    this.halfArrived.delete(message)
    this.room.leave(held)
    this.release(held.bytes.length + limits.reassemblyMessageChargeBytes)
    this.addRange(this.complete, message, message)
    return { type: 'complete', message: held.bytes }
  }

  /** Each range after the first is charged: one byte here and there would else occupy many times what it counts. */
  private addRange(ranges: RangeSet, low: number, high: number): boolean {
    const isCharged = ranges.count > 0 && ranges.wouldSplit(low, high)
    if (isCharged && !this.reserve(limits.reassemblyPartChargeBytes)) return false
    const before = Math.max(1, ranges.count)
    ranges.add(low, high)
    if (ranges.count < before) this.release((before - ranges.count) * limits.reassemblyPartChargeBytes)
    return true
  }

  private reserve(bytes: number): boolean {
    if (this.heldBytes + bytes > this.bounds.reassemblySessionBytes || !this.room.reserve(this.now, this, bytes))
      return false
    this.heldBytes += bytes
    return true
  }

  private release(bytes: number): void {
    this.heldBytes -= bytes
    this.room.release(this, bytes)
  }
}

function refused(code: DropCode): Accepted {
  return { type: 'refused', code }
}
