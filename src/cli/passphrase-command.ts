/** `splitcast passphrase`: a fresh passphrase, for scripts that invite. */
import type { Command } from 'commander'
import { print } from './output.js'
import { generatePassphrase } from './passphrase.js'

export function addPassphrase(program: Command): void {
  program
    .command('passphrase')
    .description('print a new passphrase of six random words')
    .addHelpText('after', '\nExample:\n  (umask 077; splitcast passphrase > secret.txt)')
    .action(() => print(generatePassphrase()))
}
