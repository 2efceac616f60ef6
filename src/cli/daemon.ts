/**
 * What `server` and `node` have in common: they open something, take commands until asked to end, and close in the
 * reverse order, whatever happened in between.
 */
import { access, constants, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ProtocolError } from '../base/errors.js'
import { replaceFile } from '../driver/files.js'
import type { ControlServer } from './control/server.js'
import { print, tell } from './output.js'
import { type Shutdown, watchShutdown } from './shutdown.js'

/** After this long without being ready, people are told what is missing. */
const PATIENCE_MS = 3000

export interface Daemon {
  readonly shutdown: Shutdown
  /** Closed last to first; a failure of one does not keep the others open. */
  defer(close: () => Promise<void>): void
  /** Resolves when the process is asked to end; rejects when one of these fails first. */
  untilStopped(ended: readonly Promise<void>[]): Promise<void>
  /** Takes commands until the end is asked for; their connections end last, which tells `stop` that all is done. */
  control(server: ControlServer): void
}

/** Runs `body` and then closes what it deferred. */
export async function runDaemon(body: (daemon: Daemon) => Promise<void>): Promise<void> {
  // Files that others of this program's packages make are the user's alone, too.
  process.umask(0o077)
  const closers: (() => Promise<void>)[] = []
  const last: (() => Promise<void>)[] = []
  const shutdown = watchShutdown()
  try {
    await body({
      shutdown,
      defer: (close) => closers.push(close),
      untilStopped: (ended) => Promise.race([shutdown.requested, ...ended]),
      control: (server) => {
        closers.push(async () => server.refuse())
        last.push(async () => server.close())
      },
    })
  } finally {
    await closeAll([...last, ...closers])
  }
}

/**
 * Says that all is ready: one line on standard output, and in `readyFile`, which is written whole. Until then it says
 * once on standard error what is waited for.
 */
export async function announce(
  line: string,
  readyFile: string | undefined,
  ready: Promise<void>,
  waitingFor: () => string,
): Promise<void> {
  const timer = setTimeout(
    () => tell(`splitcast: waiting for ${waitingFor()}; status and stop work already`),
    PATIENCE_MS,
  )
  try {
    await ready
  } finally {
    clearTimeout(timer)
  }
  await print(line)
  if (readyFile !== undefined) await replaceFile(readyFile, `${line}\n`)
}

/** A file of an earlier run must not tell a script that this one is ready. Throws DATA_UNWRITABLE where none can be written. */
export async function forgetReadyFile(readyFile: string | undefined): Promise<void> {
  if (readyFile === undefined) return
  try {
    await rm(readyFile, { force: true })
    await access(dirname(readyFile), constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ProtocolError(
      'DATA_UNWRITABLE',
      `cannot write ${readyFile} (${code}); name a file in a directory that you may write to with --ready-file`,
    )
  }
}

async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  let failure: unknown
  for (const close of closers.reverse()) {
    try {
      await close()
    } catch (error) {
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
}
