/**
 * `splitcast group invitations`, `uninvite` and `decline`: what waits for an answer on either side, and how it is given up.
 */
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import { dataOption, nonEmpty } from './options.js'
import { columns, counted, print, printable, printJson } from './output.js'
import { passphraseFromFile } from './passphrase.js'
import { withNode } from './run-client.js'

interface Options {
  readonly data?: string
  readonly json?: boolean
}

const HOUR_MS = 3_600_000
const HOURS_A_DAY = 24

export function addInvitations(group: Command): void {
  dataOption(group.command('invitations'))
    .description('list invitations made here that await an answer')
    .argument('[name]', 'the group (default: all)')
    .option('--json', 'print [{group, id, name, invitedAt, expiresAt}]')
    .addHelpText(
      'after',
      `
One that has run out stays here for some days: an answer given in time may still
be under way. To invite a device again, for instance under another passphrase,
invite it: the new invitation replaces the old one.

Example:
  splitcast group invitations friends`,
    )
    .action(invitations)
  dataOption(group.command('uninvite'))
    .description('take an invitation back before it is answered')
    .argument('<name>', 'the group')
    .argument('<device>', 'its address, what it is called here, or its id')
    .option('--json', 'print {id}')
    .addHelpText(
      'after',
      `
Whoever opens the invitation afterwards is let in by nobody and gets no
messages. What a device has opened already it may have read: if that was the
wrong one, it is safer to begin a new group.

Example:
  splitcast group uninvite friends bob`,
    )
    .action(uninvite)
  dataOption(group.command('decline'))
    .description('drop invitations to this device')
    .option('--passphrase-file <file>', 'drop what the passphrase in the first line of a file opens', nonEmpty)
    .option('--all', 'drop everything that no key opens and that may be an invitation')
    .option('--json', 'print {messages, invitations: [{name, inviter}]}')
    .addHelpText(
      'after',
      `
Nobody is told. The one who invited sees that the invitation runs out, and may
invite again.

Examples:
  splitcast group decline --passphrase-file secret.txt
  splitcast group decline --all`,
    )
    .action(decline)
}

async function invitations(group: string | undefined, options: Options): Promise<void> {
  const request = group === undefined ? {} : { group }
  const reply = await withNode(options, (node) => node.call('pending', request))
  if (options.json) return await printJson(reply.invitations)
  if (reply.invitations.length === 0) return await print('no invitation awaits an answer')
  const now = Date.now()
  const rows = reply.invitations.map(({ group: into, id, name, invitedAt, expiresAt }) => [
    printable(into),
    id,
    printable(name ?? '-'),
    `invited ${lapse(now - Date.parse(invitedAt))} ago`,
    Date.parse(expiresAt) > now ? `runs out in ${lapse(Date.parse(expiresAt) - now)}` : 'has run out',
  ])
  await print(columns(rows))
}

async function uninvite(group: string, device: string, options: Options): Promise<void> {
  const reply = await withNode(options, (node) => node.call('uninvite', { group, device }))
  if (options.json) await printJson(reply)
  else await print(`took the invitation of ${printable(device)} back`)
}

interface DeclineOptions extends Options {
  readonly passphraseFile?: string
  readonly all?: boolean
}

async function decline({ passphraseFile, all, ...options }: DeclineOptions): Promise<void> {
  if ((passphraseFile === undefined) === (all !== true)) {
    throw new ProtocolError('USAGE', 'say what to drop: --passphrase-file FILE for one passphrase, or --all')
  }
  const request = passphraseFile === undefined ? {} : { passphrase: await passphraseFromFile(passphraseFile) }
  const reply = await withNode(options, (node) => node.call('decline', request))
  if (options.json) return await printJson(reply)
  for (const { name, inviter } of reply.invitations) {
    await print(`declined the invitation to ${printable(name)} by ${inviter}`)
  }
  await print(
    reply.messages === 0 ? 'nothing was waiting' : `dropped ${counted(reply.messages, 'message')}; nobody is told`,
  )
}

/** A time to the nearest day, or hour where there are few, or as less than one. */
function lapse(ms: number): string {
  if (ms < HOUR_MS) return 'less than an hour'
  const hours = Math.round(ms / HOUR_MS)
  if (hours < 2 * HOURS_A_DAY) return counted(hours, 'hour')
  return counted(Math.round(hours / HOURS_A_DAY), 'day')
}
