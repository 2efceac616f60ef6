/**
 * Whether a directory with secrets is its user's alone: what is open to others is closed where it is ours, and what belongs
 * to somebody else, or leads elsewhere, is refused with what to do. On systems without such owners nothing is checked.
 */
import { chmod, lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ProtocolError } from '../base/errors.js'
import { unwritable } from './files.js'

const OTHERS = 0o077
const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600
/** The data directory and the stores in it. */
const LEVELS = 2

/** Closes `path` and what is in it to others. Throws DATA_NOT_PRIVATE or DATA_UNWRITABLE. */
export async function makePrivate(path: string): Promise<void> {
  const user = process.geteuid?.()
  if (user === undefined) return
  try {
    // The directory itself may be reached over a link; whose it is counts where it really is.
    const { uid, mode } = await stat(path)
    refuseOwner(path, uid, user)
    if ((mode & OTHERS) !== 0) await chmod(path, DIRECTORY_MODE)
    await closeContents(path, user, LEVELS)
  } catch (error) {
    throw unwritable(path, error)
  }
}

async function closeContents(path: string, user: number, levels: number): Promise<void> {
  for (const name of await readdir(path)) {
    const inner = join(path, name)
    const found = await lstat(inner).catch((error: NodeJS.ErrnoException) => {
      // What a process that just ended takes away is no concern.
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (found === undefined) continue
    if (found.isSymbolicLink()) {
      throw new ProtocolError(
        'DATA_NOT_PRIVATE',
        `${inner} is a symbolic link; put what it leads to in its place, or link the whole data directory`,
      )
    }
    refuseOwner(inner, found.uid, user)
    if ((found.mode & OTHERS) !== 0) await chmod(inner, found.isDirectory() ? DIRECTORY_MODE : FILE_MODE)
    if (found.isDirectory() && levels > 1) await closeContents(inner, user, levels - 1)
  }
}

function refuseOwner(path: string, owner: number, user: number): void {
  if (owner === user) return
  throw new ProtocolError(
    'DATA_NOT_PRIVATE',
    `${path} belongs to user ${owner}, and this runs as user ${user}: run it as that user (sudo -u '#${owner}' splitcast ...), or give it to this one (sudo chown -R ${user} ${path})`,
  )
}
