/**
 * `splitcast group members`: who invited whom, as a tree, and twelve words by which two people see that they have the same
 * list. `splitcast group rename`: what they are called on this device.
 */
import type { Command } from 'commander'
import type { CallReply } from './control/protocol.js'
import { dataOption } from './options.js'
import { columns, membersText, print, printable, printJson } from './output.js'
import { withNode } from './run-client.js'

export type MemberReply = CallReply<'members'>['members'][number]

interface Options {
  readonly data?: string
  readonly json?: boolean
}

/** Deeper ones stand under one another: lines stay short. */
const INDENTED_LEVELS = 16

export function addMembers(group: Command): void {
  dataOption(group.command('members'))
    .description('show who is in a group and who invited whom')
    .argument('<name>', 'the group')
    .option('--json', 'print {fingerprint, members: [{id, name, role, inviter, since, self}], unheardSince}')
    .addHelpText(
      'after',
      `
Each member stands below the one who invited it. The words at the end stand for
the whole list: read them to another member, over a way that you trust. If
theirs are the same, you both have the same list.

Members ask each other about once a day whether they lack anything. Where nobody
else has been heard from for a week, it says since when ("unheardSince"): either
the others are all away, or this device was removed while it was away itself.

Example:
  splitcast group members friends`,
    )
    .action(members)
  dataOption(group.command('rename'))
    .description('call a member otherwise on this device')
    .argument('<name>', 'the group')
    .argument('<who>', 'its address, what it is called here so far, or its id')
    .argument('<as>', 'what this device calls it from now on')
    .option('--json', 'print {id, name}')
    .addHelpText(
      'after',
      `
Names of members are this device's own: nobody else is told. Who is invited and
has not answered can be renamed as well.

Examples:
  splitcast group rename friends 0123456789abcdef bob
  splitcast group rename friends bob 'bob of berlin'`,
    )
    .action(rename)
}

async function members(group: string, options: Options): Promise<void> {
  const reply = await withNode(options, (node) => node.call('members', { group }))
  if (options.json) return await printJson(reply)
  await print(`${printable(group)}: ${membersText(reply.members.length)}`)
  await print(memberTree(reply.members))
  if (reply.unheardSince !== undefined) await print(silenceText(group, reply.unheardSince))
  await print(`fingerprint: ${reply.fingerprint}`)
}

/** What it means that nobody has been heard from, and what to do. */
export function silenceText(group: string, since: string): string {
  return [
    `nothing has come from any other member since ${since.slice(0, 10)}: they may all be away, or this`,
    'device was removed while it was away itself. Ask one of them. If it was removed,',
    `"splitcast group leave ${printable(group)}" ends it here, and it can be invited again`,
  ].join('\n')
}

async function rename(group: string, device: string, name: string, options: Options): Promise<void> {
  const { id } = await withNode(options, (node) => node.call('rename', { group, device, as: name }))
  if (options.json) await printJson({ id, name })
  else await print(`${id} is called ${printable(name)} in ${printable(group)} from now on`)
}

/** One line a member: each below its inviter, indented, those of one inviter in the order in which they came. */
export function memberTree(members: readonly MemberReply[]): string {
  const known = new Set(members.map(({ id }) => id))
  const invitedBy = new Map<string, MemberReply[]>()
  const roots: MemberReply[] = []
  for (const member of members) {
    const isRoot = member.inviter === member.id || !known.has(member.inviter)
    const siblings = isRoot ? roots : (invitedBy.get(member.inviter) ?? [])
    siblings.push(member)
    if (!isRoot) invitedBy.set(member.inviter, siblings)
  }
  const rows: string[][] = []
  const waiting = roots.map((member) => ({ member, level: 0 })).reverse()
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { member, level } = next
    rows.push(row(member, level, known))
    const children = (invitedBy.get(member.id) ?? []).map((child) => ({ member: child, level: level + 1 }))
    waiting.push(...children.reverse())
  }
  return columns(rows)
}

function row({ id, name, role, inviter, since, self }: MemberReply, level: number, known: ReadonlySet<string>) {
  const called = self ? 'this device' : printable(name ?? '-')
  const unknownInviter = role !== 'creator' && !known.has(inviter) ? `invited by ${inviter}` : ''
  return [
    `${'  '.repeat(Math.min(level, INDENTED_LEVELS))}${called}`,
    id,
    since.slice(0, 10),
    role === 'creator' ? 'created the group' : unknownInviter,
  ]
}
