/** All commands together, and what they have in common: help, and errors in one line that ends with a code. */
import { Command, type OutputConfiguration } from 'commander'
import { addBackup } from './backup.js'
import { demoCommand } from './demo/command.js'
import { addDoctor } from './doctor.js'
import { exitCodes, exitMeanings } from './exit-codes.js'
import { addGroup } from './group.js'
import { addHelp } from './help.js'
import { addId } from './id.js'
import { addListen } from './listen.js'
import { addNode } from './node.js'
import { addPassphrase } from './passphrase-command.js'
import { addRepair } from './repair.js'
import { addRestore } from './restore.js'
import { addSend } from './send.js'
import { addServer } from './server.js'
import { addStatus } from './status.js'
import { addStop } from './stop.js'
import { ownVersion } from './version.js'

/** The command, ready to parse; it throws where commander would end the process. */
export function buildProgram(): Command {
  const program = new Command('splitcast')
    .description('Multicast of one short upload to a whole group, over proxies that do not learn who talks to whom')
    .version(ownVersion(), '--version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .exitOverride()
    .configureOutput(commanderOutput)
  addServer(program)
  addNode(program)
  addId(program)
  addStatus(program)
  addStop(program)
  addGroup(program)
  addSend(program)
  addListen(program)
  addPassphrase(program)
  addDoctor(program)
  addBackup(program)
  addRestore(program)
  addRepair(program)
  program.addCommand(demoCommand().copyInheritedSettings(program))
  addHelp(program)
  program.addHelpText('after', () => `\nExit codes:\n${exitCodeLines()}\n\nEvery command has a --help with an example.`)
  return program
}

/** Commander's own complaints, in the form that all errors of this program have. */
export const commanderOutput: OutputConfiguration = {
  outputError: (text, write) => write(commanderLine(text)),
}

function exitCodeLines(): string {
  return Object.entries(exitCodes)
    .map(([name, code]) => `  ${String(code).padStart(3)}  ${folded(exitMeanings[name as keyof typeof exitCodes])}`)
    .join('\n')
}

/** In lines that fit a terminal of 80 columns behind the code. */
function folded(meaning: string): string {
  return meaning.replace(/(.{1,73})(?: |$)/g, '$1\n       ').trim()
}

function commanderLine(text: string): string {
  const complaint = text
    .replace(/^error: /, '')
    .trim()
    .replace(/\.$/, '')
    .replaceAll('\n', ' ')
    .replace(/^too many arguments for ('.*')\. Expected 0 arguments.*$/, '$1 takes options, but no arguments')
    .replace(
      /^too many arguments for ('.*')\. Expected .*$/,
      'too many arguments for $1; put what has spaces in it in quotes',
    )
  return `splitcast: ${complaint}; --help shows what to write [USAGE]\n`
}
