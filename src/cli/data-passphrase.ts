/**
 * The passphrase of a data directory, for the commands that open one: from a file that is named, or that the service
 * manager provides, or asked for on a terminal; and only where the directory has one.
 */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import { inspectDataDirectory } from '../driver/data-directory.js'
import { nonEmpty } from './options.js'
import { hasTerminal, knownPassphrase } from './passphrase.js'

export interface DataPassphraseOption {
  readonly dataPassphraseFile?: string
}

/** The name of a credential as systemd's LoadCredential= and SetCredential= hand it over. */
const CREDENTIAL = 'splitcast-passphrase'

/** What every command takes that opens a data directory. */
export function dataPassphraseOption(command: Command): Command {
  return command.option(
    '--data-passphrase-file <file>',
    'passphrase of the data directory, where it has one: the first line of a file (default: $SPLITCAST_PASSPHRASE_FILE, a credential of systemd, or asked for)',
    nonEmpty,
  )
}

/** The passphrase of the directory; `undefined` where it has none. PASSPHRASE_NEEDED where there is nobody to ask. */
export async function dataPassphrase(options: DataPassphraseOption, data: string): Promise<string | undefined> {
  const found = await inspectDataDirectory(data)
  return found?.sealed ? await askDataPassphrase(options, data) : undefined
}

/** The same where it is known that there is one. */
export async function askDataPassphrase(options: DataPassphraseOption, data: string): Promise<string> {
  const file = options.dataPassphraseFile ?? (await providedFile())
  if (file === undefined && !hasTerminal()) {
    throw new ProtocolError(
      'PASSPHRASE_NEEDED',
      `the data in ${data} is under a passphrase, and there is no terminal to ask for it: write it to a file and add --data-passphrase-file FILE`,
    )
  }
  return await knownPassphrase(file, `Passphrase of the data in ${data}`)
}

async function providedFile(): Promise<string | undefined> {
  const { SPLITCAST_PASSPHRASE_FILE: named, CREDENTIALS_DIRECTORY: credentials } = process.env
  if (named) return named
  if (!credentials) return undefined
  const file = join(credentials, CREDENTIAL)
  return await access(file).then(
    () => file,
    () => undefined,
  )
}
