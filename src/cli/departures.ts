/** `splitcast group leave` and `group remove`: ends a membership, once the person at the terminal has confirmed it. */
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import { heldUp } from './held-up.js'
import { dataOption } from './options.js'
import { counted, membersText, print, printable, printJson } from './output.js'
import { sizeTerminal } from './passphrase.js'
import { withNode } from './run-client.js'

interface Options {
  readonly data?: string
  readonly yes?: boolean
  readonly json?: boolean
}

export function addDepartures(group: Command): void {
  dataOption(group.command('leave'))
    .description('leave a group: this device reads no more of it, and the others are told')
    .argument('<name>', 'the group')
    .option('--yes', 'do not ask whether that is meant')
    .option('--json', 'print {name}')
    .addHelpText(
      'after',
      `
A group from which this device was removed goes from its list in the same way.
Messages that are in the inbox stay. To come back, be invited again. The others
make a fresh key, so that this device could read nothing that they send from
then on.

Example:
  splitcast group leave friends`,
    )
    .action(leave)
  dataOption(group.command('remove'))
    .description('remove members from a group, and give those who remain a fresh key')
    .argument('<name>', 'the group')
    .argument('<device...>', 'addresses, what devices are called here, or ids')
    .option('--yes', 'do not ask whether that is meant')
    .option('--json', 'print {name, removed, members}')
    .addHelpText(
      'after',
      `
Who is removed reads nothing that is sent with the fresh key. What was sent
before, or is sent by a member before it has heard of the removal, may still be
read. A removed device may be invited again.

Examples:
  splitcast group remove friends bob
  splitcast group remove friends cast1... 0123456789abcdef --yes`,
    )
    .action(remove)
}

async function leave(group: string, options: Options): Promise<void> {
  const { members, later } = await withNode(options, async (node, signal) => {
    const reply = await node.call('members', { group })
    await confirmed(`Leave ${printable(group)}?`, options, signal)
    await node.call('leave', { group })
    return { ...reply, later: await heldUp(node) }
  })
  if (options.json) await printJson({ name: group })
  else if (!members.some(({ self }) => self)) await print(`${printable(group)} is gone: this device had been removed`)
  else if (members.length === 1) await print(`left ${printable(group)}; nobody else was in it, so it is over`)
  else await print(`left ${printable(group)}; the others are ${later === undefined ? 'being told' : `told ${later}`}`)
}

async function remove(group: string, devices: readonly string[], options: Options): Promise<void> {
  const { later, ...reply } = await withNode(options, async (node, signal) => {
    await node.call('members', { group })
    await confirmed(`Remove ${devices.map(printable).join(', ')} from ${printable(group)}?`, options, signal)
    const removed = await node.call('remove', { group, devices: [...devices] })
    return { ...removed, later: await heldUp(node) }
  })
  if (options.json) return await printJson({ name: group, ...reply })
  await print(
    `removed ${counted(reply.removed.length, 'device')} from ${printable(group)}: ${reply.removed.join(', ')}`,
  )
  if (reply.members === 1) await print('nobody but this device is left')
  else {
    const way = later === undefined ? 'is on its way to the others' : `goes to the others ${later}`
    await print(`a fresh key ${way}: ${membersText(reply.members)} with this device`)
  }
}

/** Throws `ABORTED` where the answer is no, and `USAGE` where nobody can be asked. */
async function confirmed(question: string, { yes }: Options, signal: AbortSignal): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new ProtocolError('USAGE', 'there is no terminal to ask whether that is meant; add --yes')
  }
  sizeTerminal(process.stderr)
  const prompts = await import('@clack/prompts')
  const answer = await prompts.confirm({ message: question, initialValue: false, output: process.stderr, signal })
  if (answer !== true) throw new ProtocolError('ABORTED', 'nothing was done')
}
