/** Files that are replaced whole: after a crash there is the old one or the new one, durable, and its user's alone. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { toHex } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'

/** Writes a file so that after a crash it is the old one or the new one, whole; readable by its user alone. */
export async function replaceFile(file: string, content: FileContent): Promise<void> {
  let temporary: string | undefined
  try {
    temporary = await writeBeside(file, content)
    await rename(temporary, file)
    await syncDirectory(dirname(file))
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true })
    throw unwritable(file, error)
  }
}

/** Writes a file that is not there yet; false, and nothing is changed, where it is. */
export async function createFile(file: string, content: FileContent): Promise<boolean> {
  try {
    const temporary = await writeBeside(file, content)
    try {
      await link(temporary, file)
      await syncDirectory(dirname(file))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    } finally {
      await rm(temporary, { force: true })
    }
  } catch (error) {
    throw unwritable(file, error)
  }
}

/** A file's content, whole or as it comes. */
type FileContent = string | AsyncIterable<Uint8Array>

/** A durable file of a name of its own beside `file`; returns its path. */
async function writeBeside(file: string, content: FileContent): Promise<string> {
  const temporary = `${file}.${toHex(randomBytes(4))}.new`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    if (typeof content === 'string') await handle.writeFile(content)
    else for await (const chunk of content) await handle.writeFile(chunk)
    await handle.sync()
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  } finally {
    await handle.close()
  }
  return temporary
}

/**
 * Makes a directory, and those above it, for its user alone; one that is there is left as it is. Not by mkdir's own
 * `recursive`, which never ends where a file system takes no new names and says ENOENT, as /proc does.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    await makeDirectory(dirname(path))
    await mkdir(path, { mode: 0o700 }).catch(async (again: NodeJS.ErrnoException) => {
      // Another process may be making the same.
      if (again.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw again
    })
  }
}

/** A new name is durable once its directory is. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What a file system said, as an error for people; errors of this program's own stay as they are. */
export function unwritable(path: string, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error
  const { code } = error as NodeJS.ErrnoException
  return new ProtocolError(
    'DATA_UNWRITABLE',
    `cannot write ${path} (${code}); check that the path is right, that you may write there, and that there is room`,
    { cause: error },
  )
}
