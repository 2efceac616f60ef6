/**
 * Who departs, and what the others do: records and departures make one list in any order, a fresh secret reaches all who remain and
 * nobody else, and all end with one history, one epoch and one secret (PROTOCOL.md sections 8.1, 8.5 and 8.6).
 */
import t from 'tap'
import { compare, equal, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { randomBelow, shuffle } from '../../src/base/random.js'
import { startOfDay, utcDay } from '../../src/base/time.js'
import { openContent } from '../../src/group/content.js'
import { bestEpoch, forgetKeys, keysNeededFrom, refreshKeys, sealingKeys, secretOfDay } from '../../src/group/epochs.js'
import type { Departure, Group, MemberList, MemberRecord } from '../../src/group/group.js'
import { mergeHistory } from '../../src/group/history.js'
import { createDeparture, createRecord, listDigest, memberById } from '../../src/group/member-list.js'
import { createGroup, removeMembers } from '../../src/group/membership.js'
import { issueRekey } from '../../src/group/rekey.js'
import { isCredible } from '../../src/group/secrets.js'
import { decodeGroup, encodeGroup } from '../../src/group/storage.js'
import { seed, seeded } from '../base/seeded.js'
import { crypto, directoryDigest, makeDevice, now, openFor, present, receive, type TestDevice } from './support.js'
import { DAY_MS, digestOf, type Letter, type Node, settledWorld, stateOf, World } from './world.js'

t.comment(`seed ${seed}`)
const random = seeded()

const settled = (size: number) => settledWorld(size, random)

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
  for (let round = 0; round < 4; round++) {
    const { world, nodes } = settled(7)
    const [anna, ben, cleo, dora, ...others] = nodes as [Node, Node, Node, Node, ...Node[]]
    world.remove(anna, ben)
    world.now += randomBelow(random, 3)
    world.remove(cleo, dora)
    world.settle()
    agrees(t, world, [anna, cleo, ...others], 'two removals')
  }
  for (let round = 0; round < 4; round++) {
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
  for (let round = 0; round < 4; round++) {
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
  const { world, anna, ben, others, made } = outranked()
  for (const send of made.sends) world.post(ben, send)
  world.settle()
  agrees(t, world, [anna, ...others], 'removed')
  const lie = bestEpoch(made.group)
  t.ok(world.members.every(({ group }) => bestEpoch(present(group)).number > lie.number))
  t.end()
})

t.test('a member gives a secret to nobody while it does not know of all departures that it was made for', (t) => {
  const { world, anna, ben, cleo, eve, withheld } = halfInformed()
  const made = issueRekey(crypto, random, present(anna.group), local(anna), world.now, directoryDigest)
  anna.group = made.group
  const { tag } = bestEpoch(made.group)
  for (const send of made.sends) world.post(anna, send)
  deliverTo(world, eve)
  t.strictSame(bestEpoch(present(eve.group)).tag, tag)
  t.ok(memberById(present(eve.group).list, ben.device.id), 'it has not heard of the departure')
  const group = present(ben.group)
  const differs = { listDigest: random(16), from: eve.device.id, announcedAt: world.now, askAt: world.now, asked: 0 }
  ben.group = { ...group, differs }
  world.attend()
  t.equal(deliverTo(world, eve), 1, 'asked')
  deliverTo(world, ben)
  world.letters.push(...withheld)
  world.settle()
  t.notOk(present(ben.group).epochs.some((epoch) => equal(epoch.tag, tag)))
  agrees(t, world, [anna, cleo, eve], 'in the end')
  t.end()
})

/**
 * Anna removed Ben and then Cleo, not knowing of it, Dora; Cleo's secret ranks better. Anna knows of both, Eve of Dora's departure
 * alone, and the letters that would tell the others are withheld.
 */
function halfInformed() {
  for (;;) {
    const { world, nodes } = settled(5)
    const [anna, ben, cleo, dora, eve] = nodes as [Node, Node, Node, Node, Node]
    world.remove(anna, ben)
    const withheld = world.letters.splice(0)
    world.now += 5
    world.remove(cleo, dora)
    const tags = [cleo, anna].map(({ group }) => bestEpoch(present(group)).tag)
    if (compare(present(tags[0]), present(tags[1])) > 0) continue
    for (const node of [anna, eve]) deliverTo(world, node)
    withheld.push(...world.letters.splice(0))
    return { world, anna, ben, cleo, eve, withheld }
  }
}

function local({ device }: Node) {
  return { identity: device.identity, self: device.id }
}

/** What is under way to one node, at once; how many letters. */
function deliverTo(world: World, node: Node): number {
  const letters = world.letters.filter(({ to }) => to === node)
  world.letters = world.letters.filter(({ to }) => to !== node)
  for (const letter of letters) world.receive(letter)
  return letters.length
}

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

t.test('who was removed makes one secret more, and none on top of that', (t) => {
  const { world, anna, ben, others, made } = outranked()
  for (const send of made.sends) world.post(ben, send)
  for (const node of [anna, ...others]) deliverTo(world, node)
  const own = bestEpoch(made.group).tag
  t.ok(
    [anna, ...others].every(({ group }) => equal(bestEpoch(present(group)).tag, own)),
    'which counts for a moment',
  )
  const told = ben.group
  ben.group = made.group
  for (const { sends } of lyingRekeys(made.group, ben, anna)) for (const send of sends) world.post(ben, send)
  ben.group = told
  world.drops.length = 0
  for (const node of [anna, ...others]) deliverTo(world, node)
  t.ok([anna, ...others].every(({ group }) => equal(bestEpoch(present(group)).tag, own)))
  t.strictSame([...new Set(world.drops)], ['GROUP_SECRET'])
  world.settle()
  agrees(t, world, [anna, ...others], 'in the end')
  t.end()
})

/** Anna removed Ben, who made a secret on top of the one before that ranks better than hers. */
function outranked() {
  for (;;) {
    const { world, nodes } = settled(5)
    const [anna, ben, ...others] = nodes as [Node, Node, ...Node[]]
    const before = present(ben.group)
    world.remove(anna, ben)
    const honest = bestEpoch(present(anna.group)).tag
    const made = lyingRekeys(before, ben, anna).find(({ group }) => compare(bestEpoch(group).tag, honest) < 0)
    if (made !== undefined) return { world, anna, ben, others, made }
  }
}

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
t.test('random histories with removals, leaves, days that pass and clocks an hour off end with one state', (t) => {
  for (let history = 0; history < 3; history++) {
    const world = new World(5 + randomBelow(random, 5), random)
    const [founder] = world.nodes as [Node]
    for (const node of world.nodes) node.skewMs = randomBelow(random, limits.clockSkewMs) - limits.clockSkewMs / 2
    for (let i = 0; i < 220; i++) {
      world.step()
      const dice = randomBelow(random, 100)
      const others = world.members.filter((node) => node !== founder)
      if (dice < 2 && others.length > 2) removeSomebody(world, founder)
      if (dice === 3 && others.length > 2) world.leave(world.pick(others))
      if (dice === 4) world.now += randomBelow(random, DAY_MS)
      if (dice > 95) world.pick(world.nodes).online = randomBelow(random, 2) === 0
    }
    world.settle()
    // What was lost for good is found by what is said later: everybody speaks, and somebody comes.
    world.now += 2 * limits.clockSkewMs
    for (const node of world.members) world.say(node)
    world.settle()
    for (let i = 0; i < 2; i++) {
      const late = present(new World(1, random).nodes[0])
      late.group = undefined
      world.nodes.push(late)
      world.invite(founder, late)
      world.settle()
    }
    const membersOf = () => {
      const { list } = present(founder.group)
      return world.nodes.filter(({ device, group }) => memberById(list, device.id) && group?.list.root === undefined)
    }
    // And what is not, by what each asks another about once a day.
    world.pass(15, () => new Set(membersOf().map(stateOf)).size <= 1)
    const { list } = present(founder.group)
    const members = membersOf()
    t.comment(
      `history ${history}: ${members.length} members, ${list.departures.size} departures, epoch ${bestEpoch(present(founder.group)).number}`,
    )
    const digests = new Set(members.map(digestOf))
    t.equal(digests.size, 1, 'one history')
    const secrets = new Set(members.map(({ group }) => toHex(bestEpoch(present(group)).tag)))
    t.equal(secrets.size, 1, 'one epoch')
    // Some may hold it from the next day on, by a clock that was ahead of midnight.
    const at = world.now + limits.clockSkewMs
    t.equal(new Set(members.map((node) => toHex(secretAt(present(node.group), at)))).size, 1, 'one secret')
  }
  t.end()
})

/** Whoever it is: not the founder, by whom the outcome is judged. */
function removeSomebody(world: World, founder: Node): void {
  const remover = world.pick(world.members.filter(({ group }) => present(group).list.root === undefined))
  const list = present(remover.group).list
  const known = world.nodes.filter((node) => memberById(list, node.device.id) && node !== founder && node !== remover)
  if (known.length > 0) world.remove(remover, world.pick(known))
}

function secretAt(group: Group, at: number): Uint8Array {
  return present(sealingKeys(crypto, group, undefined, at)).secret
}

t.test('records and departures make one list in any order and any portions', (t) => {
  const [anna, ben, cleo, dora] = Array.from({ length: 4 }, () => makeDevice(random)) as [
    TestDevice,
    TestDevice,
    TestDevice,
    TestDevice,
  ]
  const group = createGroup(crypto, random, { ...anna, name: 'all', now })
  const record = (inviter: TestDevice, member: TestDevice, since: number) =>
    recordOf(group, inviter, member, now + since)
  const departure = (by: TestDevice, member: TestDevice, at: number) => departureOf(group, by, member, now + at)
  const merge = (list: MemberList, items: readonly (MemberRecord | Departure)[]) =>
    mergeHistory(crypto, group.id, list, {
      records: items.filter((each): each is MemberRecord => 'since' in each),
      departures: items.filter((each): each is Departure => 'by' in each),
    }).list
  const cases: [string, (MemberRecord | Departure)[], TestDevice[]][] = [
    ['removed', [record(anna, ben, 1), record(anna, cleo, 2), departure(cleo, ben, 9)], [anna, cleo]],
    ['invited again', [record(anna, ben, 1), departure(anna, ben, 9), record(anna, ben, 10)], [anna, ben]],
    ['not by the same millisecond', [record(anna, ben, 1), departure(anna, ben, 9), record(anna, ben, 9)], [anna]],
    [
      'an invitation by who had departed brings nobody in',
      [record(anna, ben, 1), departure(anna, ben, 5), record(ben, cleo, 6)],
      [anna],
    ],
    [
      'one from before does',
      [record(anna, ben, 1), departure(anna, ben, 5), record(ben, cleo, 4), record(cleo, dora, 7)],
      [anna, cleo, dora],
    ],
    [
      'who is removed cannot undo it by a departure of an earlier date',
      [record(anna, ben, 1), record(anna, cleo, 2), departure(anna, ben, 9), departure(ben, anna, 3)],
      [cleo],
    ],
  ]
  for (const [name, items, members] of cases) {
    for (let round = 0; round < 10; round++) {
      let { list } = group
      const waiting = shuffle(random, [...items, ...items.slice(0, 1)])
      while (waiting.length > 0) list = merge(list, waiting.splice(0, 1 + (round % 3)))
      t.strictSame([...list.members.keys()].toSorted(), members.map(({ id }) => toHex(id)).toSorted(), name)
      t.strictSame(listDigest(crypto, list), listDigest(crypto, merge(group.list, items)))
    }
  }
  const forged = { ...departure(anna, ben, 9), by: cleo.id }
  const known = merge(group.list, [record(anna, ben, 1), record(anna, cleo, 2)])
  const refused = mergeHistory(crypto, group.id, known, { records: [], departures: [forged] }).refused
  t.strictSame(refused, [{ code: 'MEMBER_DEPARTURE' }], 'signed by another than it says')
  const many = [departure(anna, ben, 9), departure(anna, cleo, 10)]
  const full = (departures: number) =>
    mergeHistory(crypto, group.id, known, { records: [], departures: many }, { members: 9, records: 9, departures })
  t.strictSame(full(2).refused, [], 'as many departures as there may be')
  t.strictSame(full(1).refused, [{ code: 'HISTORY_FULL' }], 'and one more: the latest goes')
  t.end()
})

t.test('keys move on with the day, one way', (t) => {
  const { world, nodes } = settled(3)
  const [anna, ben, cleo] = nodes as [Node, Node, Node]
  const group = present(anna.group)
  const day = utcDay(world.now)
  const secrets = [0, 1, 2].map((after) => toHex(secretAt(group, startOfDay(day + after))))
  t.equal(new Set(secrets).size, 3, 'each day has a secret of its own')
  const forgotten = forgetKeys(crypto, group, day + 1, startOfDay(day + 1), startOfDay(day + 2))
  t.strictSame(
    forgotten.live.map((keys) => keys.day),
    [day + 2, day + 1],
    'the days before are gone',
  )
  t.equal(toHex(secretAt(forgotten, startOfDay(day))), secrets[1], 'and nothing leads back to them')

  // Within an hour of midnight two clocks have two days.
  world.now = startOfDay(day + 1) - 60_000
  anna.skewMs = limits.clockSkewMs - 1
  world.say(anna)
  anna.skewMs = -limits.clockSkewMs
  world.now += 120_000
  world.say(anna)
  for (const node of [ben, cleo]) world.tick(node)
  world.settle()
  t.equal(ben.handedOn.length, 2, 'the key of tomorrow before midnight, and that of yesterday after it')
  t.end()
})

t.test('no secret of a day is left behind but those that a group holds', (t) => {
  const made: Uint8Array[] = []
  const noting = {
    ...crypto,
    hkdf: (...[secret, salt, info, lengthBytes]: Parameters<typeof crypto.hkdf>) => {
      const derived = crypto.hkdf(secret, salt, info, lengthBytes)
      if (equal(info, labels.nextDay)) made.push(derived)
      return derived
    },
  }
  const left = () => made.filter((each) => each.some((byte) => byte !== 0))
  const { world, nodes } = settled(2)
  const group = present((nodes[0] as Node).group)
  const epoch = bestEpoch(group)
  const last = secretOfDay(noting, epoch, epoch.day + 5)
  t.equal(made.length, 5)
  t.strictSame(left(), [last], 'on the way from one day to another')
  made.length = 0
  const later = refreshKeys(noting, group, world.now + 3 * DAY_MS)
  refreshKeys(noting, later, world.now + 4 * DAY_MS)
  t.equal(made.length, 4, 'a secret that is held is not made again')
  made.length = 0
  const { secret } = group.keys
  t.ok(isCredible(noting, group, { ...epoch, day: epoch.day - 2, secret }, undefined, world.now) === false)
  t.equal(made.length, 2)
  t.strictSame(left(), [], 'nor by comparing')
  t.end()
})

t.test('a key goes when its messages can no longer arrive, and by the word of two clocks', (t) => {
  const day = utcDay(now)
  const at = (after: number, hours: number) => startOfDay(day + after) + hours * 3_600_000
  const gone = (local: number, certain: number, caughtUp: boolean) => keysNeededFrom(local, certain, caughtUp) > day
  t.equal(gone(at(2, 2) - 1, at(2, 2) - 1, true), false, 'two hours after the end of the following day')
  t.equal(gone(at(2, 2), at(2, 2), true), true)
  t.equal(gone(at(2, 2), at(2, 2), false), false, 'not while older mail waits')
  t.equal(gone(at(40, 0), at(1, 2) - 1, true), false, 'not by a clock that has jumped')
  t.equal(gone(at(2, 2), at(1, 2), true), true, 'a directory of the day after will do')
  const life = limits.messageLifeMs
  t.equal(gone(at(1, 0) + life, at(1, 0) + life, false), true, 'and in any case once nothing so old is accepted')
  t.equal(gone(at(1, 0) + life, at(1, 0) + life - 1, false), false)
  t.end()
})

t.test('who was away two weeks reads what waits for it, in whatever days it was sent', (t) => {
  const { world, nodes } = settled(4)
  const [anna, ben, cleo] = nodes as [Node, Node, Node, Node]
  ben.online = false
  for (let i = 0; i < 14; i++) {
    world.say(anna)
    world.now += DAY_MS
    if (i === 5) world.remove(cleo, present(nodes[3]))
    world.attend()
  }
  world.settle()
  t.equal(ben.handedOn.length, 14)
  agrees(t, world, [anna, ben, cleo], 'after two weeks')
  t.end()
})
