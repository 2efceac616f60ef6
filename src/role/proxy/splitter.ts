/**
 * Requests that were accepted, from the moment their record goes to disk to their last copy. No copy is made before the
 * record is durable, and a large request is split in steps, in turn with others, so that the node stays responsive
 * (PROTOCOL.md section 5).
 */
import { limits } from '../../base/limits.js'
import type { Split } from '../../crypto/crypto.js'
import type { Reference } from '../role.js'

interface Splitting {
  readonly split: Split
  next: number
}

export class Splitter {
  private readonly unrecorded = new Map<Reference, Split>()
  private readonly ready: Splitting[] = []

  /** Whether a step can be done now. */
  get pending(): boolean {
    return this.ready.length > 0
  }

  /** Holds a request until the record written under `reference` is durable. */
  accept(reference: Reference, split: Split): void {
    this.unrecorded.set(reference, split)
  }

  recorded(reference: Reference): void {
    const split = this.unrecorded.get(reference)
    if (split === undefined) return
    this.unrecorded.delete(reference)
    this.ready.push({ split, next: 0 })
  }

  /** Makes the next copies of the request whose turn it is. */
  step(): Uint8Array[] {
    const splitting = this.ready.shift()
    if (splitting === undefined) return []
    const { split, next } = splitting
    const { copies, sealedCopyBytes } = split
    const fitting = Math.max(1, Math.floor(limits.splitStepBytes / sealedCopyBytes))
    const count = Math.min(limits.splitStepCopies, fitting, copies - next)
    const made = split.split(next, count)
    splitting.next += count
    if (splitting.next < copies) this.ready.push(splitting)
    else split.wipe()
    // Each on its own: a view would keep the whole step alive until its last copy has gone.
    return Array.from({ length: count }, (_, i) => made.slice(i * sealedCopyBytes, (i + 1) * sealedCopyBytes))
  }
}
