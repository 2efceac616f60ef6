/**
 * What holds of a group once all is well again: who is in it is the same for all of them, and so is its secret, which nobody has
 * who departed (PROTOCOL.md sections 8.4 and 8.6).
 */
import { equal, fromHex, type GroupId, messageId, toHex } from '../../../src/base/bytes.js'
import { messageTime } from '../../../src/group/content.js'
import { bestEpoch, secretOfDay } from '../../../src/group/epochs.js'
import type { Group } from '../../../src/group/group.js'
import { listDigest } from '../../../src/group/member-list.js'
import { crypto, type DeviceActor } from '../actors.js'
import type { Sent } from './ledger.js'

interface Holder {
  readonly device: DeviceActor
  readonly group: Group
}

/**
 * Of the devices that hold the group, those that are in their own list: they hold one history and one best epoch with one secret, made
 * with every departure known; whoever is not in that list, having held the group, has no such epoch.
 */
export function disagreementsIn(name: string, devices: readonly DeviceActor[]): string[] {
  const holders = devices.flatMap((device): Holder[] => {
    const group = device.node.up ? device.node.machine.group(name) : undefined
    return group === undefined ? [] : [{ device, group }]
  })
  const members = holders.filter(isMember)
  const [first] = members
  if (first === undefined) return []
  const problems: string[] = []
  if (new Set(members.map(({ group }) => toHex(listDigest(crypto, group.list)))).size > 1)
    problems.push(`members of "${name}" hold different histories`)
  const outsiders = devices.filter(({ self }) => !first.group.list.members.has(toHex(self.id)))
  for (const { device } of members) {
    if (outsiders.includes(device)) problems.push(`${device.name} believes itself in "${name}"`)
  }
  if (new Set(members.map(({ group }) => secretOf(group))).size > 1)
    problems.push(`members of "${name}" hold different secrets`)
  const { tag, statement } = bestEpoch(first.group)
  const { members: present, departures } = first.group.list
  const isMadeInside = statement === undefined || present.has(toHex(statement.issuer))
  if (!isMadeInside || (statement?.departures ?? 0) < departures.size)
    problems.push(`the secret of "${name}" is known outside`)
  for (const { device, group } of holders) {
    if (outsiders.includes(device) && group.epochs.some((epoch) => toHex(epoch.tag) === toHex(tag)))
      problems.push(`${device.name} has departed from "${name}" and holds its secret`)
  }
  return problems
}

/**
 * A copy that need not be handed on though it is stored: its recipient has departed from the group in the meantime, or its sender had
 * departed, by the recipient's history, before the message was sent.
 */
export function excusedByDeparture(devices: readonly DeviceActor[], sent: Sent, to: DeviceActor): boolean {
  if (!devices.includes(to) || !to.node.up) return false
  const held = to.node.machine.group(sent.group)
  if (held === undefined || !isMember({ device: to, group: held })) return true
  const sender = toHex(sent.from.self.id)
  const at = sent.messageId === undefined ? sent.at : messageTime(messageId(fromHex(sent.messageId)))
  return [...held.list.departures.values()].some((each) => toHex(each.member) === sender && each.at <= at)
}

/** Whether nobody need have been handed a message that nothing but its group is known of: its sender is out, or nobody else is in. */
export function needsNobody(devices: readonly DeviceActor[], groupId: GroupId, from: DeviceActor): boolean {
  const sender = toHex(from.self.id)
  const others = devices.filter((device) => device !== from && device.node.up)
  // Whoever has left holds the group no longer, whether the sender has heard of it or not.
  const isMemberOf = ({ node, self }: DeviceActor) =>
    node.machine.status().groups.some(({ id, list }) => equal(id, groupId) && list.members.has(toHex(self.id)))
  if (!others.some(isMemberOf)) return true
  const held = devices.flatMap(({ node }) => (node.up ? node.machine.status().groups : []))
  return held.some(({ id, list }) => {
    const isOut = [...list.departures.values()].some(({ member }) => toHex(member) === sender)
    return equal(id, groupId) && (isOut || (list.departures.size > 0 && list.members.size < 2))
  })
}

function isMember({ device, group }: Holder): boolean {
  return group.list.members.has(toHex(device.self.id))
}

/** Tag of the best epoch, and its secret on a day that all have by now. */
function secretOf(group: Group): string {
  const epoch = bestEpoch(group)
  const lastDay = Math.max(...group.live.map(({ day }) => day), epoch.day)
  return `${toHex(epoch.tag)} ${toHex(secretOfDay(crypto, epoch, lastDay))}`
}
