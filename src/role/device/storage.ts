/**
 * What a device asks of its disk. All that one input changes goes out as one write, so a crash leaves all of it or
 * nothing; what must not happen before it is durable (handing on, confirming to CS) waits here (PROTOCOL.md section 6).
 */
import type { Millis } from '../../base/time.js'
import type { DeviceOutput } from '../device.js'
import type { Reference, Write } from '../role.js'

/** Called once what it waits for is durable. */
export type Afterwards = (now: Millis) => void

export class Storage {
  private readonly say: (output: DeviceOutput) => void
  private staged = new Map<string, Omit<Write, 'key'>>()
  private stagedAfter: Afterwards[] = []
  private readonly pending: { readonly reference: Reference; durable: boolean; readonly after: Afterwards[] }[] = []
  private nextReference: Reference = 1

  constructor(say: (output: DeviceOutput) => void) {
    this.say = say
  }

  /** Writes with the rest of this input; of two values under one key the later counts. */
  put(key: string, value: Uint8Array): void {
    this.stage(key, value, false)
  }

  /** For what says little: it may be found in the store's files until these are rewritten, which may be never. */
  delete(key: string): void {
    this.stage(key, undefined, false)
  }

  /** The same for content and secrets, which leave the files for good. */
  erase(key: string): void {
    this.stage(key, undefined, true)
  }

  /** The same, with another value in the place of the secret. */
  replaceSecret(key: string, value: Uint8Array): void {
    this.stage(key, value, true)
  }

  private stage(key: string, value: Uint8Array | undefined, erases: boolean): void {
    const erase = erases || this.staged.get(key)?.erase === true
    this.staged.set(key, erase ? { value, erase } : { value })
  }

  /** Runs once everything put or deleted so far is durable. */
  whenDurable(after: Afterwards): void {
    this.stagedAfter.push(after)
  }

  /** Hands out what the input changed; what waited for nothing runs at once. */
  flush(now: Millis): void {
    if (this.staged.size > 0) {
      const reference = this.nextReference++
      const writes = [...this.staged].map(([key, write]) => ({ key, ...write }))
      this.pending.push({ reference, durable: false, after: this.stagedAfter })
      this.staged = new Map()
      this.stagedAfter = []
      this.say({ type: 'persist', reference, writes })
      return
    }
    const after = this.stagedAfter
    this.stagedAfter = []
    const last = this.pending.at(-1)
    if (last === undefined) for (const each of after) each(now)
    else last.after.push(...after)
  }

  /** What waits for a write also waits for all writes before it, in whatever order the disk answers. */
  persisted(now: Millis, reference: Reference): void {
    const written = this.pending.find((each) => each.reference === reference)
    if (written !== undefined) written.durable = true
    while (this.pending[0]?.durable) for (const each of this.pending.shift()?.after ?? []) each(now)
  }
}
