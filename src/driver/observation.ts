/**
 * Writes what a process reads from the network to a file, for tests of who learns what (PROTOCOL.md section 12): one JSON
 * line a field, with a digest in the place of its value, each different one once. Nothing here runs unless asked for.
 */
import { createHash } from 'node:crypto'
import { appendFile } from 'node:fs/promises'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { FieldObserver } from '../wire/codec.js'

const FLUSH_MS = 1000
const FLUSH_CHARACTERS = 1 << 20
const DIGEST_BYTES = 16

export interface Observation {
  /** For `observe` of openServer, openProxy or openDevice. */
  observer(role: 'server' | 'proxy' | 'device'): FieldObserver
  /** Writes what is left; rejects where the file took not all. */
  close(): Promise<void>
}

/** Appends to `file`, at least once a second while there is something new. Remembers `limit` lines. */
export function openObservation(file: string, limit: number = limits.observations): Observation {
  const seen = new Set<string>()
  let pending = ''
  let written: Promise<void> = Promise.resolve()

  function flush(): Promise<void> {
    if (pending !== '') {
      const text = pending
      pending = ''
      written = written.then(() => appendFile(file, text))
      // Kept for `close` to report; until then a failure is nobody's yet.
      written.catch(() => undefined)
    }
    return written
  }

  const timer = setInterval(flush, FLUSH_MS).unref()

  return {
    observer: (role) => (format, field, value) => {
      const digest = createHash('sha256')
        .update(value)
        .digest('hex')
        .slice(0, 2 * DIGEST_BYTES)
      const line = `${JSON.stringify({ role, format, field, digest })}\n`
      if (seen.has(line)) return
      remember(seen, line, limit)
      pending += line
      if (pending.length >= FLUSH_CHARACTERS) void flush()
    },
    async close() {
      clearInterval(timer)
      try {
        await flush()
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        throw new ProtocolError('DATA_UNWRITABLE', `cannot write observations to ${file} (${code})`, { cause: error })
      }
    },
  }
}

/** Forgets the oldest at the limit: a line may then be written twice, which says nothing new. */
function remember(seen: Set<string>, line: string, limit: number): void {
  for (const oldest of seen) {
    if (seen.size < limit) break
    seen.delete(oldest)
  }
  seen.add(line)
}
