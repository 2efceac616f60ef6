/** `splitcast group join`: tries a passphrase on what waits, and can wait for something to come. */
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import type { ControlClient } from './control/client.js'
import { heldUp } from './held-up.js'
import { dataOption, nonEmpty, secondsToMs } from './options.js'
import { membersText, print, printable, printJson, tell } from './output.js'
import { passphraseToJoin } from './passphrase.js'
import { withNode } from './run-client.js'
import { patienceOf } from './shutdown.js'

interface Options {
  readonly data?: string
  readonly as?: string
  readonly passphraseFile?: string
  readonly wait?: boolean
  readonly timeout?: number
  readonly json?: boolean
}

export function addJoin(group: Command): void {
  dataOption(group.command('join'))
    .description('join the groups that this device is invited to under a passphrase')
    .option('--as <name>', 'what this device calls the group (default: as its inviter does)', nonEmpty)
    .option('--passphrase-file <file>', 'take the passphrase from the first line of a file', nonEmpty)
    .option('--wait', 'wait for an invitation where none is there')
    .option('--timeout <seconds>', 'with --wait: give up after this long', secondsToMs('--timeout'))
    .option('--json', 'print [{name, members}]')
    .addHelpText(
      'after',
      `
What waits is messages that no key of this device opens; an invitation is one
that the passphrase opens. A wrong passphrase changes nothing: try again with
the right one.

Example:
  splitcast group join --wait --passphrase-file secret.txt`,
    )
    .action(join)
}

async function join(options: Options): Promise<void> {
  if (options.timeout !== undefined && !options.wait) {
    throw new ProtocolError('USAGE', '--timeout is how long to wait: add --wait')
  }
  const passphraseOf = await passphraseToJoin(options.passphraseFile)
  const { groups, later } = await withNode(
    options,
    async (node, signal) => {
      await showWaiting(node, options.wait === true)
      const joined = await joinAs(node, await passphraseOf(signal), options.as)
      return { groups: joined, later: await heldUp(node) }
    },
    patienceOf(options.timeout),
  )
  if (options.json) await printJson(groups)
  else for (const { name, members } of groups) await print(`joined ${printable(name)}: ${membersText(members)}`)
  if (later !== undefined) tell(`splitcast: so far only this device knows; the others are told ${later}`)
}

async function joinAs(node: ControlClient, passphrase: string, as: string | undefined) {
  try {
    return (await node.call('join', { passphrase, ...(as !== undefined && { as }) })).groups
  } catch (error) {
    // Only a name that is taken has this remedy; the same code also tells of an invitation that contradicts a group.
    const nameTaken =
      error instanceof ProtocolError && error.code === 'GROUP_EXISTS' && error.message.endsWith('choose another name')
    throw nameTaken ? new ProtocolError(error.code, `${error.message} with --as`) : error
  }
}

/** Says how many messages may be invitations; fails or waits where there are none. */
async function showWaiting(node: ControlClient, wait: boolean): Promise<void> {
  const status = await node.call('status', {})
  let waiting = status.kind === 'node' ? status.unopened : 0
  if (waiting === 0 && !wait) {
    throw new ProtocolError('INVITATION_NONE', 'no invitation has arrived; try again later, or add --wait')
  }
  if (waiting === 0) waiting = await firstWaiting(node)
  tell(waiting === 1 ? '1 message waits that may be an invitation' : `${waiting} messages wait that may be invitations`)
}

async function firstWaiting(node: ControlClient): Promise<number> {
  for await (const { waiting } of node.stream('invitations', {})) return waiting
  throw new ProtocolError('CLOSED', 'the node has stopped')
}
