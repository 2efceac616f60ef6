/** Which network a node joins: the card it is given, as text or in a file, or the one it remembers. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ProtocolError } from '../base/errors.js'
import { formatNetworkCard, parseNetworkCard } from '../wire/text.js'
import { unreadable } from './input.js'

/** Larger than any card: what is larger was given by mistake, and is not read to its end. */
const MAX_FILE_CHARACTERS = 16_384

/** Where a data directory keeps its card. */
export function networkFile(data: string): string {
  return join(data, 'network')
}

/** The card, checked. Throws NETWORK_CARD_MALFORMED, or USAGE where none was ever given or it names no file. */
export async function networkCard(given: string | undefined, data: string): Promise<string> {
  if (given !== undefined) return checked((await contentOf(given)) ?? asCard(given))
  const remembered = await contentOf(networkFile(data))
  if (remembered !== undefined) return checked(remembered)
  throw new ProtocolError(
    'USAGE',
    'which network? add --network with the card that the server printed, or a file with it',
  )
}

/** A text that does not begin as cards do, nor as the addresses that are taken for one, was meant as a file's name. */
function asCard(given: string): string {
  if (/^\s*(split)?cast1/i.test(given)) return given
  throw new ProtocolError(
    'USAGE',
    `there is no file ${given}, and it is no network card, which begins with splitcast1: check what --network is given`,
  )
}

function checked(text: string): string {
  return formatNetworkCard(parseNetworkCard(text.slice(0, MAX_FILE_CHARACTERS)))
}

async function contentOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // A card is no path, though it may be too long for one.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined
    throw unreadable(`the network card in ${file}`, error)
  }
}
