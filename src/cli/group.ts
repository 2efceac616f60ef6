/** `splitcast group`: creating and showing groups; inviting and joining have files of their own. */
import type { Command } from 'commander'
import { addInvite } from './invite.js'
import { addJoin } from './join.js'
import { dataOption } from './options.js'
import { columns, membersText, print, printable, printJson } from './output.js'
import { withNode } from './run-client.js'

interface Options {
  readonly data?: string
  readonly json?: boolean
}

export function addGroup(program: Command): void {
  const group = program.command('group').description('create groups, invite to them, join them and show them')
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
    .option('--json', 'print [{name, members}]')
    .addHelpText('after', '\nExample:\n  splitcast group list')
    .action(list)
  dataOption(group.command('members'))
    .description('list the members of a group')
    .argument('<name>', 'the group')
    .option('--json', 'print [{id, name, role, inviter, self}]')
    .addHelpText('after', '\nExample:\n  splitcast group members friends')
    .action(members)
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
  else await print(columns(groups.map(({ name, members }) => [printable(name), membersText(members)])))
}

async function members(group: string, options: Options): Promise<void> {
  const reply = await withNode(options, (node) => node.call('members', { group }))
  if (options.json) return await printJson(reply.members)
  const rows = reply.members.map(({ id, name, role, inviter, self }) => [
    id,
    self ? 'this device' : printable(name ?? '-'),
    role === 'creator' ? 'created the group' : `invited by ${inviter}`,
  ])
  await print(columns(rows))
}
