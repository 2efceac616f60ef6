/** `splitcast group`: creating and listing groups; what else there is has files of its own. */
import type { Command } from 'commander'
import type { CallReply } from './control/protocol.js'
import { addDepartures } from './departures.js'
import { addHelp } from './help.js'
import { addInvitations } from './invitations.js'
import { addInvite } from './invite.js'
import { addJoin } from './join.js'
import { addMembers } from './members.js'
import { dataOption } from './options.js'
import { columns, membersText, print, printable, printJson } from './output.js'
import { withNode } from './run-client.js'

interface Options {
  readonly data?: string
  readonly json?: boolean
}

export function addGroup(program: Command): void {
  const group = program.command('group').description('create groups, invite to them, join them, and see who is in them')
  group.addHelpText('after', '\nExample:\n  splitcast group create friends')
  dataOption(group.command('create'))
    .description('create a group with this device as its first member')
    .argument('<name>', 'what this device calls the group; others may call it otherwise')
    .option('--json', 'print {name, members}')
    .addHelpText('after', '\nExample:\n  splitcast group create friends')
    .action(create)
  addInvite(group)
  addJoin(group)
  dataOption(group.command('list'))
    .description('list the groups of this device')
    .option(
      '--json',
      'print [{name, members, removed, unheardSince}], the last two only where there is something to say',
    )
    .addHelpText('after', '\nExample:\n  splitcast group list')
    .action(list)
  addMembers(group)
  addInvitations(group)
  addDepartures(group)
  addHelp(group)
}

async function create(name: string, options: Options): Promise<void> {
  const group = await withNode(options, (node) => node.call('createGroup', { name }))
  if (options.json) await printJson(group)
  else await print(`created ${printable(group.name)}`)
}

async function list(options: Options): Promise<void> {
  const { groups } = await withNode(options, (node) => node.call('groups', {}))
  if (options.json) await printJson(groups)
  else if (groups.length === 0) await print('no groups')
  else await print(columns(groups.map(row)))
}

function row({ name, members, removed, unheardSince }: CallReply<'groups'>['groups'][number]): string[] {
  const silent = unheardSince === undefined ? '' : `nothing from the others since ${unheardSince.slice(0, 10)}`
  return [printable(name), membersText(members), removed ? 'this device was removed' : silent]
}
