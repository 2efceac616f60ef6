/** `splitcast repair`: makes a damaged data directory one that a node starts on again, with what is left of it. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { openExisting, STORES } from '../driver/data-directory.js'
import { repairStore } from '../driver/store.js'
import { askDataPassphrase, type DataPassphraseOption, dataPassphraseOption } from './data-passphrase.js'
import { dataOf, dataOption } from './options.js'
import { counted, print } from './output.js'

interface Options extends DataPassphraseOption {
  readonly data?: string
}

export function addRepair(program: Command): void {
  dataPassphraseOption(dataOption(program.command('repair')))
    .description('go on with what is left of a damaged data directory, where there is no backup to restore')
    .addHelpText(
      'after',
      `
No node may run on the directory. Copy it first: what is damaged is dropped.
Messages may be missing afterwards, or come a second time, and groups may have
to invite this device again.

Example:
  splitcast repair --data ~/cast`,
    )
    .action(repair)
}

async function repair(options: Options): Promise<void> {
  const data = dataOf(options)
  const directory = await openExisting(data, () => askDataPassphrase(options, data))
  for (const name of STORES) {
    const path = join(data, name)
    if ((await stat(path).catch(() => undefined)) === undefined) continue
    const { kept, dropped, lost } = await repairStore(path, directory.storeOptions(name))
    const entries = counted(kept, 'entry', 'entries')
    const damage = [...(dropped > 0 ? [`${dropped} damaged and dropped`] : []), ...(lost === undefined ? [] : [lost])]
    await print(`${path}: ${entries}, ${damage.join('; ') || 'all whole'}`)
  }
}
