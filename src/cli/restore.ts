/** `splitcast restore`: makes a data directory of a backup. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { dataOf, dataOption, nonEmpty } from './options.js'
import { print, tell } from './output.js'
import { knownPassphrase } from './passphrase.js'
import { byteBar } from './progress.js'

interface Options {
  readonly data?: string
  readonly passphraseFile?: string
}

export function addRestore(program: Command): void {
  dataOption(program.command('restore'))
    .argument('<file>', 'a backup that splitcast backup made', nonEmpty)
    .description('make a new data directory of a backup')
    .option('--passphrase-file <file>', 'passphrase of the backup: the first line of a file', nonEmpty)
    .addHelpText(
      'after',
      `
The directory must be empty or not there yet; nothing is in it before all of the
backup is found whole. The node that the backup is of may never run again: two
of one identity take each other's messages.

Example:
  splitcast restore cast.backup --data ~/cast`,
    )
    .action(restore)
}

async function restore(file: string, options: Options): Promise<void> {
  const data = dataOf(options)
  const { restoreBackup } = await import('../driver/backup.js')
  const { size } = await stat(file).catch(() => ({ size: 0 }))
  const ask = () => knownPassphrase(options.passphraseFile, `Passphrase of the backup ${file}`)
  const bar = byteBar('restore')
  try {
    const { kind, madeAt, sealed } = await restoreBackup(file, data, ask, (readBytes) => bar.update(readBytes, size))
    bar.end()
    await print(`${data} is the ${kind} of ${madeAt}${sealed ? ', under the passphrase of the backup' : ''}`)
    tell(`splitcast: never start the original again; what it took in since ${madeAt} is not here`)
  } finally {
    bar.end()
  }
}
