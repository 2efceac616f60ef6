/**
 * What survives a crash: an ordered key-value store on disk. Writes that wait while one is being synced go out together in
 * the next, so that a burst costs few syncs; each is answered when it is durable, in order. A store from which writes are
 * missing, or in which an entry was changed, is refused: going on would break promises that were made to others.
 */
import { ClassicLevel } from 'classic-level'
import { ProtocolError } from '../base/errors.js'
import type { Write } from '../role/role.js'
import { bareEntries, checkedEntries, type Entry, type EntryFormat } from './entries.js'
import { Erasures, notedNames } from './erasure.js'
import { batchNumbers, examine, Journal, type Level, type Operation } from './journal.js'

export interface Store {
  /** Throws DATA_DAMAGED for an entry that was changed on the disk. */
  get(key: string): Promise<Uint8Array | undefined>
  /** Everything as it was at the call, in the order of the keys. Throws DATA_DAMAGED. */
  entries(): AsyncIterable<readonly [key: string, value: Uint8Array]>
  /** Resolves once the writes are on disk. All of one call or none. */
  write(writes: readonly Write[]): Promise<void>
  close(): Promise<void>
}

/** A store that this process holds, to be changed as a whole. */
export interface HeldStore extends Store {
  /** About the bytes of all entries on the disk, as far as they stand in tables. */
  approximateBytes(): Promise<number>
  /** From now on entries stand in this form; those that stand in others are brought into it, and wiped where they stood. */
  reform(format: EntryFormat): Promise<void>
  /** Whether the end of the log could not be read: what a power cut leaves of a write that nobody was answered for. */
  readonly tornEnd: boolean
}

export interface StoreOptions {
  /** How entries stand; by default with a check and not sealed. */
  readonly format?: EntryFormat
  /** Whether all entries stand in that form, and others were put there by somebody else; by default they are brought into it. */
  readonly settled?: boolean
  /** Asked once no other process can hold the store, before anything is read. */
  readonly whenHeld?: () => Promise<void>
}

/**
 * Opens or makes the store in `directory`; DATA_LOCKED where another process holds it, DATA_DAMAGED where it cannot be read
 * or writes are missing.
 */
export async function openStore(directory: string, options: StoreOptions = {}): Promise<HeldStore> {
  const level = await openLevel(directory)
  try {
    await options.whenHeld?.()
    const numbers = await batchNumbers(level)
    const { lost, tornEnd } = await examine(directory, numbers)
    if (lost !== undefined) throw damaged(directory, lost)
    const { format = checkedEntries, settled = false } = options
    const erasures = new Erasures(level, await notedNames(level))
    const store = new BatchingStore(level, directory, new Journal(directory, numbers), erasures, tornEnd, format)
    if (!settled) await store.reform(format)
    if (await store.hasOthers()) throw damaged(directory, settled ? FOREIGN : OTHER_PASSPHRASE)
    await erasures.finish()
    return store
  } catch (error) {
    await level.close()
    throw readError(directory, error)
  }
}

/** What repairing a store came to. */
export interface StoreRepair {
  readonly kept: number
  readonly dropped: number
  readonly lost: string | undefined
}

/** Makes a damaged store one that opens again, with the entries that are whole; what is lost stays lost. */
export async function repairStore(
  directory: string,
  { format, settled, whenHeld }: StoreOptions,
): Promise<StoreRepair> {
  const level = await openLevel(directory)
  try {
    await whenHeld?.()
    const numbers = await batchNumbers(level)
    const { lost } = await examine(directory, numbers)
    const dropped: Operation[] = []
    let kept = 0
    for (const form of new Set([bareEntries, checkedEntries, format ?? checkedEntries])) {
      for await (const [name, stored] of level.iterator({ gte: form.from, lt: form.to })) {
        const foreign = settled === true && form !== format
        if (foreign || form.decode(name, stored) === undefined) dropped.push({ type: 'del', key: name })
        else kept++
      }
    }
    const journal = new Journal(directory, numbers)
    await level.batch([...dropped, ...journal.next()], { sync: true })
    journal.written()
    journal.close()
    return { kept, dropped: dropped.length, lost }
  } finally {
    await level.close()
  }
}

async function openLevel(directory: string): Promise<Level> {
  const level: Level = new ClassicLevel(directory, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await level.open()
    return level
  } catch (error) {
    throw openError(error as Error & { cause?: NodeJS.ErrnoException }, directory)
  }
}

function openError(error: Error & { cause?: NodeJS.ErrnoException }, directory: string): ProtocolError {
  if (error.cause?.code === 'LEVEL_LOCKED') {
    return new ProtocolError(
      'DATA_LOCKED',
      `${directory} is in use by another splitcast process; stop that one first (splitcast stop)`,
    )
  }
  return damaged(directory, `it cannot be opened: ${error.cause?.message ?? error.message}`)
}

/** What LevelDB says of bytes that it cannot read. */
function readError(directory: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'LEVEL_CORRUPTION') return damaged(directory, message)
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') return stopped()
  return error
}

function stopped(): ProtocolError {
  return new ProtocolError('CLOSED', 'the node has stopped')
}

function damaged(directory: string, how: string): ProtocolError {
  return new ProtocolError(
    'DATA_DAMAGED',
    `the store in ${directory} is damaged: ${how}; restore a backup (splitcast restore), or go on with what is left (splitcast repair)`,
  )
}

type Waiting = {
  readonly writes: readonly Write[]
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

/** Entries that are brought into another form at once, and their bytes. */
const REFORM_ENTRIES = 1000
const REFORM_BYTES = 4 * 2 ** 20
/** Values up to here are kept while an unordered store is brought into order; longer ones are read again. */
const KEPT_VALUE_BYTES = 256

class BatchingStore implements HeldStore {
  readonly tornEnd: boolean
  private readonly level: Level
  private readonly directory: string
  private readonly journal: Journal
  private readonly erasures: Erasures
  private format: EntryFormat
  private waiting: Waiting[] = []
  private syncing: Promise<void> | undefined

  constructor(
    level: Level,
    directory: string,
    journal: Journal,
    erasures: Erasures,
    tornEnd: boolean,
    format: EntryFormat,
  ) {
    this.format = format
    this.erasures = erasures
    this.level = level
    this.directory = directory
    this.journal = journal
    this.tornEnd = tornEnd
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const name = this.format.nameOf(key)
    const stored = await this.erasures.reading(this.level.get(name)).catch((error: unknown) => {
      throw readError(this.directory, error)
    })
    return stored && this.decoded(name, stored).value
  }

  async *entries(): AsyncGenerator<readonly [string, Uint8Array], void, undefined> {
    const { level, format } = this
    const snapshot = level.snapshot()
    const over = this.erasures.snapshot()
    try {
      const range = { gte: format.from, lt: format.to, snapshot }
      if (format.ordered) {
        for await (const [name, stored] of level.iterator(range)) yield pair(this.decoded(name, stored))
        return
      }
      const found: { key: string; value: Uint8Array | undefined }[] = []
      for await (const [name, stored] of level.iterator(range)) {
        const { key, value } = this.decoded(name, stored)
        found.push({ key, value: value.length <= KEPT_VALUE_BYTES ? value : undefined })
      }
      found.sort((a, b) => (a.key < b.key ? -1 : 1))
      for (const { key, value } of found) {
        const name = format.nameOf(key)
        yield [key, value ?? this.decoded(name, (await level.get(name, { snapshot })) as Uint8Array).value]
      }
    } catch (error) {
      throw readError(this.directory, error)
    } finally {
      await snapshot.close()
      over()
    }
  }

  approximateBytes(): Promise<number> {
    return this.level.approximateSize(this.format.from, this.format.to)
  }

  write(writes: readonly Write[]): Promise<void> {
    return new Promise((done, failed) => {
      this.waiting.push({ writes, done, failed })
      this.syncing ??= this.sync()
    })
  }

  async reform(format: EntryFormat): Promise<void> {
    const others = [bareEntries, checkedEntries, this.format].filter((other) => other.from !== format.from)
    let moved = 0
    for (const other of new Set(others)) moved += await this.move(other, format)
    this.format = format
    if (moved > 0) await this.forget()
  }

  /** Whether there are entries in a form that this store cannot read. */
  async hasOthers(): Promise<boolean> {
    const { from, to } = this.format
    const [below] = await this.level.keys({ gte: checkedEntries.from, lt: from, limit: 1 }).all()
    const [above] = await this.level.keys({ gte: to, limit: 1 }).all()
    return below !== undefined || above !== undefined
  }

  async close(): Promise<void> {
    await this.syncing
    await this.erasures.close()
    this.journal.close()
    await this.level.close()
  }

  /** A crash on the way leaves some entries in each form, and the next run goes on. */
  private async move(from: EntryFormat, to: EntryFormat): Promise<number> {
    let moved = 0
    let operations: Operation[] = []
    let bytes = 0
    for await (const [name, stored] of this.level.iterator({ gte: from.from, lt: from.to })) {
      const entry = from.decode(name, stored)
      if (entry === undefined) throw damaged(this.directory, CHANGED)
      operations.push({ type: 'del', key: name })
      operations.push({ type: 'put', key: to.nameOf(entry.key), value: to.encode(entry) })
      bytes += stored.length
      moved++
      if (operations.length < 2 * REFORM_ENTRIES && bytes < REFORM_BYTES) continue
      await this.commit(operations)
      operations = []
      bytes = 0
    }
    if (operations.length > 0) await this.commit(operations)
    return moved
  }

  /** Has LevelDB write its tables anew without what was deleted, then its lists of tables and its logs, which name keys. */
  private async forget(): Promise<void> {
    await this.level.batch(
      [
        { type: 'del', key: FIRST_NAME },
        { type: 'del', key: LAST_NAME },
      ],
      { sync: true },
    )
    await this.level.compactRange(FIRST_NAME, LAST_NAME)
    for (let opening = 0; opening < 2; opening++) {
      await this.level.close()
      await this.level.open()
    }
  }

  private async commit(operations: readonly Operation[]): Promise<void> {
    await this.level.batch([...operations, ...this.journal.next()], { sync: true })
    this.journal.written()
  }

  private async sync(): Promise<void> {
    while (this.waiting.length > 0) {
      const together = this.waiting
      this.waiting = []
      try {
        const writes = together.flatMap((each) => each.writes)
        const erased = [...new Set(writes.filter(({ erase }) => erase).map(({ key }) => this.format.nameOf(key)))]
        await this.commit([...writes.map((write) => this.operation(write)), ...this.erasures.notes(erased)])
        this.erasures.add(erased)
        for (const { done } of together) done()
      } catch (error) {
        for (const { failed } of together) failed(error)
      }
    }
    this.syncing = undefined
  }

  private operation({ key, value }: Write): Operation {
    const name = this.format.nameOf(key)
    if (value === undefined) return { type: 'del', key: name }
    return { type: 'put', key: name, value: this.format.encode({ key, value }) }
  }

  private decoded(name: string, stored: Uint8Array): Entry {
    const entry = this.format.decode(name, stored)
    if (entry === undefined) throw damaged(this.directory, CHANGED)
    return entry
  }
}

/** No entry's, below and above all that are. */
const FIRST_NAME = '\u0000'
const LAST_NAME = '\u007f'
const CHANGED = 'an entry was changed on the disk'
const FOREIGN = 'it holds entries that are not under its passphrase'
const OTHER_PASSPHRASE = 'it holds entries under a passphrase that is not its own'

function pair({ key, value }: Entry): readonly [string, Uint8Array] {
  return [key, value]
}
