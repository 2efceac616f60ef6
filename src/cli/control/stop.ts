/**
 * Ending a process on request: its pid comes first, and then nothing, for the stream's end is the sign that the process
 * is gone. A server takes this, its status and a backup, nothing else.
 */
import type { BackupPiece } from '../../driver/backup.js'
import type { ServerNode } from '../../driver/server.js'
import type { StreamItem } from './protocol.js'
import type { Handlers } from './server.js'
import { serverStatus } from './status.js'

export async function* stopStream(stop: () => void, signal: AbortSignal): AsyncGenerator<StreamItem<'stop'>> {
  yield { pid: process.pid }
  stop()
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** A backup as its control socket tells it. */
export async function* backupItems(pieces: AsyncIterable<BackupPiece>): AsyncGenerator<StreamItem<'backup'>> {
  for await (const { bytes, ...progress } of pieces) {
    yield { dataBase64: Buffer.from(bytes).toString('base64'), ...progress }
  }
}

export function serverHandlers(server: ServerNode, stop: () => void): Handlers {
  return {
    calls: { status: async () => serverStatus(server) },
    streams: {
      backup: ({ passphrase }) => backupItems(server.backup({ passphrase: passphrase ?? undefined })),
      stop: (_, signal) => stopStream(stop, signal),
    },
  }
}
