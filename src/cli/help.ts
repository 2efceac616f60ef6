/** `help` beside the commands: the help of the one that is named, or a word that there is none of that name. */
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'

/** In the place of commander's own, which shows the help of the whole for a name that it does not know. */
export function addHelp(parent: Command): void {
  parent
    .command('help')
    .description('show help for a command')
    .argument('[command...]', 'its name')
    .addHelpText('after', `\nExample:\n  ${exampleOf(parent)}`)
    .action((names: readonly string[]) => commandOf(parent, names).help())
}

function exampleOf(parent: Command): string {
  return parent.parent === null ? 'splitcast help group join' : `splitcast ${parent.name()} help`
}

function commandOf(parent: Command, names: readonly string[]): Command {
  let found = parent
  for (const [index, name] of names.entries()) {
    const next = found.commands.find((command) => command.name() === name)
    if (next === undefined) throw unknownCommand(found, names.slice(0, index + 1))
    found = next
  }
  return found
}

function unknownCommand(parent: Command, names: readonly string[]): ProtocolError {
  const known = parent.commands.map((command) => command.name()).filter((name) => name !== 'help')
  const there = known.length === 0 ? 'it has no commands of its own' : `there are ${known.join(', ')}`
  return new ProtocolError('USAGE', `there is no command ${JSON.stringify(names.join(' '))}; ${there}`)
}
