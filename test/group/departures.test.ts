/**
 * Who departs, and what the others do: records and departures make one list in any order, a fresh secret reaches all who remain and
 * nobody else, and all end with one history, one epoch and one secret (PROTOCOL.md sections 8.1, 8.5 and 8.6).
 */
import t from 'tap'
import { compare, toHex } from '../../src/base/bytes.js'
import { randomBelow } from '../../src/base/random.js'
import { openContent } from '../../src/group/content.js'
import { bestEpoch, refreshKeys } from '../../src/group/epochs.js'
import type { Departure, Group, MemberRecord } from '../../src/group/group.js'
import { mergeHistory } from '../../src/group/history.js'
import { createDeparture, createRecord } from '../../src/group/member-list.js'
import { createGroup, removeMembers } from '../../src/group/membership.js'
import { issueRekey } from '../../src/group/rekey.js'
import { decodeGroup, encodeGroup } from '../../src/group/storage.js'
import { seed, seeded } from '../base/seeded.js'
import { crypto, directoryDigest, makeDevice, now, openFor, present, receive, type TestDevice } from './support.js'
import { DAY_MS, type Letter, type Node, World } from './world.js'

t.comment(`seed ${seed}`)
const random = seeded()

/** A group whose members the first has invited; all hold the same. */
function settled(size: number): { world: World; nodes: Node[] } {
  const world = new World(size, random)
  const [founder, ...others] = world.nodes as [Node, ...Node[]]
  for (const other of others) world.invite(founder, other)
  world.settle()
  return { world, nodes: world.nodes }
}

function agrees(t: Pick<Tap, 'equal' | 'strictSame'>, world: World, members: readonly Node[], message: string): void {
  t.equal(world.states().size, 1, `${message}: one history, one epoch, one secret`)
  const held = [...present(members[0]?.group).list.members.keys()].toSorted()
  t.strictSame(held, members.map(({ device }) => toHex(device.id)).toSorted(), `${message}: and those members`)
  const dirty = members.filter(({ group }) => present(group).list.departures.size !== covered(present(group)))
  t.strictSame(dirty, [], `${message}: whose secret no one knows that departed`)
}

function covered(group: Group): number {
  return bestEpoch(group).statement?.departures ?? 0
}

type Tap = typeof t

t.test('who is removed reads nothing sent after, with all that it holds and all copies of it', (t) => {
  const { world, nodes } = settled(6)
  const [anna, ben, cleo, ...others] = nodes as [Node, Node, Node, ...Node[]]
  const heard: Letter[] = []
  world.remove(anna, ben)
  heard.push(...world.letters)
  world.settle()
  agrees(t, world, [anna, cleo, ...others], 'removed')
  world.now += 5_000
  world.say(cleo)
  heard.push(...world.letters)
  world.settle()
  // Even the copies of all others, read with everything that stands on its disk.
  const store = refreshKeys(
    crypto,
    present(decodeGroup(crypto, encodeGroup(present(ben.group)))),
    world.now + 3 * DAY_MS,
  )
  const later = heard.filter(({ part, to }) => part === undefined && to !== ben)
  t.ok(later.length > 3)
  t.strictSame(
    later.filter(({ content }) => store.live.some((keys) => openContent(crypto, keys, content))),
    [],
  )
  for (const { content, part } of heard) {
    if (part === undefined) continue
    // The message that brings the new secret is under the old one; no part of it opens for who was removed.
    const opened = openFor(store, ben.device, content, part)
    if (!opened.ok) throw new Error(opened.code)
    t.strictSame(receive(store, ben.device, opened.value, world.now).drops, ['GROUP_SECRET'])
  }
  t.throws(() => world.remove(ben, cleo), { code: 'GROUP_UNKNOWN' }, 'nor does it remove anybody, having been told')
  t.end()
})

t.test('removing one of many takes one message, and few bytes', (t) => {
  const { group, founder } = largeGroup(200)
  const [gone] = [...group.list.members.values()].slice(-1)
  const { sends } = removeMembers(crypto, random, group, founder, [present(gone).id], now + 1000, directoryDigest)
  t.equal(sends.length, 2, 'and one to who is removed')
  const [send] = sends
  t.equal(send?.recipients.length, 198)
  t.ok([...present(send?.parts).values()].every((part) => part.length === 48))
  t.ok(present(send).body.length <= 400, `${present(send).body.length} bytes of body, however large the group`)
  t.end()
})

/** A group of `size` whose creator has signed all records. */
function largeGroup(size: number): { group: Group; founder: TestDevice } {
  const founder = makeDevice(random)
  const group = createGroup(crypto, random, { ...founder, name: 'many', now })
  const records = Array.from({ length: size - 1 }, (_, i) => recordOf(group, founder, makeDevice(random), now + 1 + i))
  return {
    group: { ...group, list: mergeHistory(crypto, group.id, group.list, { records, departures: [] }).list },
    founder,
  }
}

function recordOf(group: Group, inviter: TestDevice, member: TestDevice, since: number): MemberRecord {
  return createRecord(crypto, {
    identity: inviter.identity,
    inviter: inviter.id,
    groupId: group.id,
    identityKey: member.identity.identityKey,
    accessCode: member.accessCode,
    role: 'member',
    since,
  })
}

function departureOf(group: Group, by: TestDevice, member: TestDevice, at: number): Departure {
  return createDeparture(crypto, { identity: by.identity, by: by.id, groupId: group.id, member: member.id, at })
}

t.test('after a leave, one of those who remain makes a new secret, and the others leave it at that', (t) => {
  const { world, nodes } = settled(5)
  const [anna, ben, ...others] = nodes as [Node, Node, ...Node[]]
  world.leave(ben)
  t.ok(present(ben.group).left)
  world.settle()
  agrees(t, world, [anna, ...others], 'left')
  t.equal(bestEpoch(present(anna.group)).number, 1, 'one new secret, not one from each')
  t.end()
})

t.test('two removals at once, a removal against an add, and two who remove each other', (t) => {
  for (let round = 0; round < 6; round++) {
    const { world, nodes } = settled(7)
    const [anna, ben, cleo, dora, ...others] = nodes as [Node, Node, Node, Node, ...Node[]]
    world.remove(anna, ben)
    world.now += randomBelow(random, 3)
    world.remove(cleo, dora)
    world.settle()
    agrees(t, world, [anna, cleo, ...others], 'two removals')
  }
  for (let round = 0; round < 6; round++) {
    const { world, nodes } = settled(5)
    const [anna, ben, cleo, ...others] = nodes as [Node, Node, Node, ...Node[]]
    const late = new World(1, random).nodes[0] as Node
    late.group = undefined
    world.nodes.push(late)
    world.invite(cleo, late)
    if (round % 2 === 0) world.receive(present(world.letters.pop()))
    world.remove(anna, ben)
    world.settle()
    agrees(t, world, [anna, cleo, ...others, late], 'a removal and an add')
  }
  for (let round = 0; round < 6; round++) {
    const { world, nodes } = settled(6)
    const [anna, ben, ...others] = nodes as [Node, Node, ...Node[]]
    const [first, second] = round % 2 === 0 ? [anna, ben] : [ben, anna]
    world.remove(first, second)
    world.now += 1 + randomBelow(random, 600_000)
    world.remove(second, first)
    world.settle()
    agrees(t, world, others, 'mutual removal: both are out')
  }
  t.end()
})

t.test('a secret made by who was removed is replaced at once, however many departures it says it knew of', (t) => {
  const { world, nodes } = settled(5)
  const [anna, ben, ...others] = nodes as [Node, Node, ...Node[]]
  const before = present(ben.group)
  world.remove(anna, ben)
  const honest = bestEpoch(present(anna.group)).tag
  const made = lyingRekeys(before, ben, anna).find(({ group }) => compare(bestEpoch(group).tag, honest) < 0)
  for (const send of present(made).sends) world.post(ben, send)
  world.settle()
  agrees(t, world, [anna, ...others], 'removed')
  const lie = bestEpoch(present(made).group)
  t.ok(world.members.every(({ group }) => bestEpoch(present(group)).number > lie.number))
  t.end()
})

t.test('who was removed cannot build on a secret that it does not hold', (t) => {
  const { world, nodes } = settled(4)
  const [anna, ben] = nodes as [Node, Node, ...Node[]]
  const before = present(ben.group)
  world.remove(anna, ben)
  const next = bestEpoch(present(anna.group))
  world.settle()
  world.drops.length = 0
  // Somebody showed it the statement of the new epoch, whose secret it does not know.
  const shown = { ...before, epochs: [{ ...next, secret: bestEpoch(before).secret }, ...before.epochs] }
  const [made] = lyingRekeys(shown, ben, anna)
  const told = ben.group
  ben.group = before
  for (const send of present(made).sends) world.post(ben, { ...send, epoch: bestEpoch(before).tag })
  ben.group = told
  world.settle()
  t.ok(world.drops.includes('GROUP_SECRET'))
  t.ok(world.members.every(({ group }) => bestEpoch(present(group)).number === next.number))
  t.end()
})

/** New secrets on top of a group's best epoch by one that knows of no departure and says it knows of several. */
function lyingRekeys(group: Group, liar: Node, other: Node) {
  const { id } = liar.device
  const departures = [1, 2, 3].map((wait) => departureOf(group, liar.device, other.device, now + wait))
  const list = { ...group.list, departures: new Map(departures.map((each) => [toHex(each.signature), each])) }
  const local = { identity: liar.device.identity, self: id }
  return Array.from({ length: 24 }, () =>
    issueRekey(crypto, random, { ...group, list }, local, now + 10, directoryDigest, []),
  )
}
