/** Saves message bodies as files: whole or not at all, never over one another, durable before the message is confirmed. */
import { access, constants, link, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { equal } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { makeDirectory } from '../driver/files.js'
import type { Received } from './control/protocol.js'

/** Makes the directory, so that one that cannot be made is told before a message comes. Throws `DATA_UNWRITABLE`. */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory)
    await access(directory, constants.W_OK)
  } catch (error) {
    throw unwritable(directory, error)
  }
}

/**
 * Writes the body to `directory`/MESSAGE-ID and returns that path. Where another sender's message has the same id, the
 * sender is added to the name; a message that comes again after a crash finds its file, and leaves it.
 */
export async function saveBody(
  directory: string,
  { messageId, sender }: Pick<Received, 'messageId' | 'sender'>,
  body: Uint8Array,
): Promise<string> {
  try {
    await makeDirectory(directory)
    const temporary = join(directory, `.${messageId}-${sender}-${process.pid}`)
    await writeDurably(temporary, body)
    try {
      return await place(temporary, [join(directory, messageId), join(directory, `${messageId}-${sender}`)], body)
    } finally {
      await rm(temporary, { force: true })
      await syncDirectory(directory)
    }
  } catch (error) {
    if (error instanceof ProtocolError) throw error
    throw unwritable(directory, error)
  }
}

function unwritable(directory: string, error: unknown): ProtocolError {
  const { code } = error as NodeJS.ErrnoException
  const message = `cannot save to ${directory} (${code}); name a directory that you may write to, messages stay in the inbox`
  return new ProtocolError('DATA_UNWRITABLE', message)
}

/** Gives the file the first name that is free, or that already holds the same. */
async function place(temporary: string, names: readonly string[], body: Uint8Array): Promise<string> {
  for (const name of names) {
    try {
      await link(temporary, name)
      return name
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (equal(await readFile(name), body)) return name
  }
  throw new ProtocolError(
    'DATA_UNWRITABLE',
    `${names.at(-1)} is there with another content; move it away, the message stays in the inbox`,
  )
}

async function writeDurably(file: string, body: Uint8Array): Promise<void> {
  const handle = await open(file, 'w', 0o600)
  try {
    await handle.writeFile(body)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
