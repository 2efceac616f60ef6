/** `splitcast passphrase`: a fresh passphrase, for scripts; and the one that guards a data directory. */
import type { Command } from 'commander'
import { askDataPassphrase, type DataPassphraseOption, dataPassphraseOption } from './data-passphrase.js'
import { dataOf, dataOption, nonEmpty } from './options.js'
import { print, tell } from './output.js'
import { generatePassphrase, newPassphrase } from './passphrase.js'

interface Options extends DataPassphraseOption {
  readonly data?: string
  readonly passphraseFile?: string
}

export function addPassphrase(program: Command): void {
  const passphrase = program
    .command('passphrase')
    .description('print a new passphrase of six random words; or guard the data directory by one')
    .addHelpText('after', '\nExample:\n  (umask 077; splitcast passphrase > secret.txt)')
    .action(() => print(generatePassphrase()))
  newOption(dataOption(passphrase.command('set')))
    .description('put keys, groups and messages of a data directory that has no passphrase under one')
    .addHelpText('after', `${STOP_FIRST}\n\nExample:\n  splitcast passphrase set --data ~/cast`)
    .action(set)
  newOption(dataPassphraseOption(dataOption(passphrase.command('change'))))
    .description('give a data directory another passphrase')
    .addHelpText('after', `${STOP_FIRST}\n\nExample:\n  splitcast passphrase change --data ~/cast`)
    .action(change)
  dataPassphraseOption(dataOption(passphrase.command('remove')))
    .description('take the passphrase of a data directory away')
    .addHelpText('after', `${STOP_FIRST}\n\nExample:\n  splitcast passphrase remove --data ~/cast`)
    .action(remove)
}

const STOP_FIRST = '\nNo node may run on the directory meanwhile. A passphrase that is lost cannot be\nrecovered.'

function newOption(command: Command): Command {
  return command.option('--passphrase-file <file>', 'the new passphrase: the first line of a file', nonEmpty)
}

async function set(options: Options): Promise<void> {
  const data = dataOf(options)
  const { setDataPassphrase } = await import('../driver/data-passphrase.js')
  await setDataPassphrase(data, () => newPassphrase(options.passphraseFile, `New passphrase of ${data}`))
  tell(`splitcast: ${data} is under this passphrase now; without it nobody can open it again`)
}

async function change(options: Options): Promise<void> {
  const data = dataOf(options)
  const { changeDataPassphrase } = await import('../driver/data-passphrase.js')
  const before = () => askDataPassphrase(options, data)
  await changeDataPassphrase(data, before, () => newPassphrase(options.passphraseFile, `New passphrase of ${data}`))
  tell(`splitcast: ${data} is under the new passphrase now; the old one opens nothing but older copies of it`)
}

async function remove(options: Options): Promise<void> {
  const data = dataOf(options)
  const { removeDataPassphrase } = await import('../driver/data-passphrase.js')
  await removeDataPassphrase(data, () => askDataPassphrase(options, data))
  tell(`splitcast: ${data} has no passphrase any more; whoever reads its files is this node`)
}
