/** How far a long piece of work has come, on a terminal; nothing where nobody watches. */
import { SingleBar } from 'cli-progress'

export interface ByteBar {
  update(doneBytes: number, totalBytes: number): void
  /** Clears it away. */
  end(): void
}

/** A bar that appears once there is enough to do that somebody may wonder. */
export function byteBar(what: string): ByteBar {
  if (!process.stderr.isTTY) return { update: () => undefined, end: () => undefined }
  let bar: SingleBar | undefined
  return {
    update(doneBytes, totalBytes) {
      if (totalBytes < WORTH_BYTES) return
      if (bar === undefined) {
        bar = new SingleBar({
          format: `${what} [{bar}] {value} of {total} MiB`,
          stream: process.stderr,
          barsize: 30,
          clearOnComplete: true,
          gracefulExit: false,
        })
        bar.start(mebibytes(totalBytes), 0)
      }
      bar.setTotal(mebibytes(totalBytes))
      bar.update(mebibytes(doneBytes))
    },
    end() {
      bar?.stop()
      bar = undefined
    },
  }
}

const WORTH_BYTES = 8 * 2 ** 20

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
