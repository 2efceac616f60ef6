/**
 * What survives a crash: an ordered key-value store on disk. Writes that wait while one is being synced go out together in
 * the next, so that a burst costs few syncs; each is answered when it is durable, in order.
 */
import { ClassicLevel } from 'classic-level'
import { ProtocolError } from '../base/errors.js'
import type { Write } from '../role/role.js'

export interface Store {
  get(key: string): Promise<Uint8Array | undefined>
  /** Everything, in the order of the keys. */
  entries(): AsyncIterable<readonly [key: string, value: Uint8Array]>
  /** Resolves once the writes are on disk. All of one call or none. */
  write(writes: readonly Write[]): Promise<void>
  close(): Promise<void>
}

/** Opens or makes the store in `directory`; DATA_LOCKED where another process holds it, DATA_DAMAGED where it cannot be read. */
export async function openStore(directory: string): Promise<Store> {
  const level = new ClassicLevel<string, Uint8Array>(directory, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await level.open()
  } catch (error) {
    throw openError(error as Error & { cause?: NodeJS.ErrnoException }, directory)
  }
  return new BatchingStore(level)
}

function openError(error: Error & { cause?: NodeJS.ErrnoException }, directory: string): ProtocolError {
  if (error.cause?.code === 'LEVEL_LOCKED') {
    return new ProtocolError(
      'DATA_LOCKED',
      `${directory} is in use by another splitcast process; stop that one first (splitcast stop)`,
    )
  }
  const reason = error.cause?.message ?? error.message
  return new ProtocolError('DATA_DAMAGED', `cannot open the store in ${directory}: ${reason}`, { cause: error })
}

type Waiting = {
  readonly writes: readonly Write[]
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

class BatchingStore implements Store {
  private readonly level: ClassicLevel<string, Uint8Array>
  private waiting: Waiting[] = []
  private syncing: Promise<void> | undefined

  constructor(level: ClassicLevel<string, Uint8Array>) {
    this.level = level
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await this.level.get(key)
  }

  entries(): AsyncIterable<readonly [string, Uint8Array]> {
    return this.level.iterator()
  }

  write(writes: readonly Write[]): Promise<void> {
    return new Promise((done, failed) => {
      this.waiting.push({ writes, done, failed })
      this.syncing ??= this.sync()
    })
  }

  async close(): Promise<void> {
    await this.syncing
    await this.level.close()
  }

  private async sync(): Promise<void> {
    while (this.waiting.length > 0) {
      const together = this.waiting
      this.waiting = []
      try {
        await this.level.batch(
          together.flatMap(({ writes }) => writes.map(operation)),
          { sync: true },
        )
        for (const { writes } of together) await this.erase(writes)
        for (const { done } of together) done()
      } catch (error) {
        for (const { failed } of together) failed(error)
      }
    }
    this.syncing = undefined
  }

  /** LevelDB keeps what was deleted until it compacts the files it stands in, which may be never. */
  private async erase(writes: readonly Write[]): Promise<void> {
    for (const { key, erase } of writes) if (erase) await this.level.compactRange(key, key)
  }
}

function operation({ key, value }: Write) {
  return value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value }
}
