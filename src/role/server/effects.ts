/**
 * The server's way to the outside: outputs in order, writes gathered into one synced batch a tick, and what is to be done once
 * a batch is durable. Batches become durable in the order in which they were made, so whatever waits for its own
 * batch also waits for all that was decided before it (PROTOCOL.md section 9.5).
 */
import type { DropCode } from '../../base/errors.js'
import type { Millis } from '../../base/time.js'
import { Queue } from '../../link/queue.js'
import type { JobOutput } from '../jobs.js'
import type { Reference, RoleOutput, Write } from '../role.js'

/** How long writes are gathered: the time a copy waits for company, and no more than a disk takes to sync. */
const GATHER_MS = 2

type AtDurable = (now: Millis) => void
type AtLoaded = (now: Millis, value: Uint8Array | undefined) => void

export class Effects {
  private readonly outputs = new Queue<RoleOutput | JobOutput>()
  private readonly persisting = new Map<Reference, readonly AtDurable[]>()
  private readonly loading = new Map<Reference, AtLoaded>()
  private writes: Write[] = []
  private waiting: AtDurable[] = []
  private dueAt: Millis | undefined
  private lastReference = 0

  emit(output: RoleOutput | JobOutput): void {
    this.outputs.push(output)
  }

  poll(): RoleOutput | JobOutput | undefined {
    return this.outputs.shift()
  }

  drop(code: DropCode): void {
    this.emit({ type: 'drop', code })
  }

  notice(level: 'info' | 'warn', event: string, detail: Readonly<Record<string, string | number>>): void {
    this.emit({ type: 'notice', level, event, detail })
  }

  /** Adds to the batch being gathered. */
  write(now: Millis, ...writes: readonly Write[]): void {
    for (const write of writes) this.writes.push(write)
    if (writes.length > 0) this.gatherUntil(now)
  }

  /** Runs once the batch being gathered is durable, and with it everything before. */
  whenDurable(now: Millis, act: AtDurable): void {
    this.waiting.push(act)
    this.gatherUntil(now)
  }

  /** When the batch is to be committed; `undefined` where nothing is gathered. */
  deadline(): Millis | undefined {
    return this.dueAt
  }

  commit(): void {
    if (this.dueAt === undefined) return
    const reference = ++this.lastReference
    this.persisting.set(reference, this.waiting)
    this.emit({ type: 'persist', reference, writes: this.writes })
    this.writes = []
    this.waiting = []
    this.dueAt = undefined
  }

  persisted(now: Millis, reference: Reference): void {
    const acts = this.persisting.get(reference)
    this.persisting.delete(reference)
    for (const act of acts ?? []) act(now)
  }

  load(key: string, act: AtLoaded): void {
    const reference = ++this.lastReference
    this.loading.set(reference, act)
    this.emit({ type: 'load', reference, key })
  }

  loaded(now: Millis, reference: Reference, value: Uint8Array | undefined): void {
    const act = this.loading.get(reference)
    this.loading.delete(reference)
    act?.(now, value)
  }

  /** Starts the wait for a commit where none is under way. */
  private gatherUntil(now: Millis): void {
    this.dueAt ??= now + GATHER_MS
  }
}
