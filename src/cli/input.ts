/** Files and standard input as commands read them: whole, but never more than they may hold. */
import { open } from 'node:fs/promises'
import { fromUtf8 } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'

/** What stands for standard input. */
export const STDIN = '-'

const READ_BYTES = 1 << 16

/** At most `maxBytes` bytes of a file, or of standard input for `-`; `tooLarge` makes the error for more. */
export async function readInput(source: string, maxBytes: number, tooLarge: () => ProtocolError): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let lengthBytes = 0
  try {
    for await (const chunk of source === STDIN ? process.stdin : fileChunks(source)) {
      lengthBytes += (chunk as Uint8Array).length
      if (lengthBytes > maxBytes) throw tooLarge()
      chunks.push(chunk as Uint8Array)
    }
  } catch (error) {
    if (error instanceof ProtocolError) throw error
    throw unreadable(source === STDIN ? 'standard input' : source, error)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** Text in UTF-8. */
export async function readTextInput(source: string, maxBytes: number): Promise<string> {
  const tooLarge = () => new ProtocolError('USAGE', `${source} has more than ${maxBytes} bytes; name a smaller file`)
  const text = fromUtf8(await readInput(source, maxBytes, tooLarge))
  if (text === undefined) throw new ProtocolError('USAGE', `${source} is not text in UTF-8`)
  return text
}

/** What a file system said of a file that was named, as an error for people. */
export function unreadable(what: string, error: unknown): ProtocolError {
  const { code, message } = error as NodeJS.ErrnoException
  const hint = hints[code ?? ''] ?? 'name a file that you may read'
  return new ProtocolError('USAGE', `cannot read ${what} (${code ?? message}); ${hint}`)
}

const hints: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file: check its name',
  EISDIR: 'it is a directory: name a file in it',
}

async function* fileChunks(file: string): AsyncGenerator<Uint8Array> {
  const handle = await open(file)
  try {
    yield* handle.createReadStream({ highWaterMark: READ_BYTES, autoClose: false })
  } finally {
    await handle.close()
  }
}
