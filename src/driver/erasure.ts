/**
 * Makes LevelDB drop what was deleted: it keeps old values until it rewrites the tables they stand in, which may be never
 * (PROTOCOL.md section 9.4). What is to go is noted in the store by the write that deletes it, so that a crash only delays it;
 * passes over the tables are spaced, so that they take a small part of the disk's time however much is deleted.
 */
import type { Level, Operation } from './journal.js'

/** Below all names of entries, behind it the name of what is to go. */
const PREFIX = '\u0000erase/'
const PREFIX_END = '\u0000erase0'
/** A pass is followed by a pause so many times as long. */
const PAUSE_PARTS = 20
const FAILED_PAUSE_MS = 10_000
/** Above so many names, one pass over all tables between the first and the last is cheaper than one for each. */
const SINGLE_NAMES = 8

export class Erasures {
  private readonly level: Level
  /** What is deleted and not yet known to be gone. */
  private waiting = new Set<string>()
  /** What is gone, and still noted. */
  private gone: string[] = []
  private pass: Promise<void> | undefined
  private pause: NodeJS.Timeout | undefined
  private readonly reads = new Set<Promise<unknown>>()
  private snapshots = 0
  private closed = false

  /** `noted` is what `notedNames` found. */
  constructor(level: Level, noted: readonly string[]) {
    this.level = level
    this.waiting = new Set(noted)
  }

  /** What goes with a batch that deletes or replaces these. */
  notes(names: readonly string[]): Operation[] {
    const done = this.gone.filter((name) => !this.waiting.has(name) && !names.includes(name))
    this.gone = []
    return [
      ...done.map((name): Operation => ({ type: 'del', key: PREFIX + name })),
      ...names.map((name): Operation => ({ type: 'put', key: PREFIX + name, value: NO_VALUE })),
    ]
  }

  /** That batch is durable: what it deleted is dropped now, or after the pause behind the last pass. */
  add(names: readonly string[]): void {
    for (const name of names) this.waiting.add(name)
    if (this.pause === undefined) this.begin()
  }

  /** Resolves when what waits is dropped, without a pause; what a snapshot holds stays noted. */
  async finish(): Promise<void> {
    await this.pass
    this.endPause()
    this.begin()
    await this.pass
    this.endPause()
  }

  /** The same, for the last time. */
  async close(): Promise<void> {
    await this.finish()
    this.closed = true
  }

  /** A table is kept on the disk while it is read. */
  async reading<T>(read: Promise<T>): Promise<T> {
    this.reads.add(read)
    try {
      return await read
    } finally {
      this.reads.delete(read)
    }
  }

  /** While there is a snapshot LevelDB keeps what stands in it. Returns what is to be called when it is no longer there. */
  snapshot(): () => void {
    this.snapshots++
    return () => {
      this.snapshots--
      if (this.pause === undefined) this.begin()
    }
  }

  private begin(): void {
    if (this.closed || this.waiting.size === 0 || this.snapshots > 0 || this.pass !== undefined) return
    const begun = performance.now()
    const names = [...this.waiting].sort()
    this.waiting.clear()
    this.pass = this.drop(names)
      // Where the disk fails, writes do too, and end the node; the notes stay.
      .catch(() => false)
      .then((gone) => this.rest(names, gone, performance.now() - begun))
  }

  private rest(names: readonly string[], gone: boolean, tookMs: number): void {
    if (gone) this.gone.push(...names)
    else for (const name of names) this.waiting.add(name)
    this.pass = undefined
    const pauseMs = gone ? PAUSE_PARTS * tookMs : FAILED_PAUSE_MS
    this.pause = setTimeout(() => {
      this.pause = undefined
      this.begin()
    }, pauseMs).unref()
  }

  private endPause(): void {
    clearTimeout(this.pause)
    this.pause = undefined
  }

  /** False where a snapshot may still hold them. */
  private async drop(names: readonly string[]): Promise<boolean> {
    const [first, last] = [names[0] as string, names.at(-1) as string]
    const ranges = names.length > SINGLE_NAMES ? [[first, last] as const] : names.map((name) => [name, name] as const)
    // A value and its deletion may come into one table, which is rewritten only where a later one covers its place.
    for (const covered of [false, true]) {
      if (covered)
        await this.level.batch(
          ranges.flatMap(([from, to]) => around(from, to)),
          { sync: true },
        )
      for (const [from, to] of ranges) await this.level.compactRange(from, to)
    }
    // Tables that were read meanwhile go with the next that is written.
    if (this.reads.size > 0) {
      await Promise.allSettled(this.reads)
      await this.level.compactRange(first, first)
    }
    return this.snapshots === 0
  }
}

/** What an earlier run had not dropped for certain. */
export async function notedNames(level: Level): Promise<string[]> {
  const keys = await level.keys({ gte: PREFIX, lt: PREFIX_END }).all()
  return keys.map((key) => key.slice(PREFIX.length))
}

const NO_VALUE = new Uint8Array(0)

/** Deletions of names next to these that no entry has. */
function around(from: string, to: string): Operation[] {
  return [
    { type: 'del', key: from.slice(0, -1) },
    { type: 'del', key: `${to}\u0000` },
  ]
}
