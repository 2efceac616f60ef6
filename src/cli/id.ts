/** `splitcast id`: who this node is, whether or not it runs; makes its keys where there are none. */
import type { Command } from 'commander'
import { toHex } from '../base/bytes.js'
import { askDataPassphrase, type DataPassphraseOption, dataPassphraseOption } from './data-passphrase.js'
import { dataOf, dataOption } from './options.js'
import { print, printJson } from './output.js'

interface Options extends DataPassphraseOption {
  readonly data?: string
  readonly json?: boolean
}

export function addId(program: Command): void {
  dataPassphraseOption(dataOption(program.command('id')))
    .description('show the address by which others invite this device; makes its keys where there are none')
    .option('--json', 'print {address, id, proxyId}, the ids in hex')
    .addHelpText(
      'after',
      `
An invitation reaches only a device whose node has connected to the server once:
start the node before others invite it. If it never connected when it was
invited, have it invited again.

Example:
  splitcast id --data ~/cast`,
    )
    .action(showId)
}

async function showId(options: Options): Promise<void> {
  const { openDataDirectory } = await import('../driver/data-directory.js')
  const { deviceAddressOf } = await import('../driver/device.js')
  const { loadCrypto } = await import('../driver/crypto.js')
  const { nodeIdOf } = await import('../group/identity.js')

  const data = dataOf(options)
  const directory = await openDataDirectory(data, 'node', () => askDataPassphrase(options, data))
  const crypto = await loadCrypto()
  const { identityKey } = crypto.identity(directory.identity.seed)
  const address = deviceAddressOf(directory, identityKey)
  if (!options.json) return await print(address)
  const proxyKey = crypto.identity(directory.identity.proxySeed).identityKey
  await printJson({
    address,
    id: toHex(nodeIdOf(crypto, identityKey)),
    proxyId: toHex(nodeIdOf(crypto, proxyKey)),
  })
}
