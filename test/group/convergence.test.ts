/**
 * Whoever invites whom at the same time, and in whatever order messages arrive: all members end with one list, and
 * nobody floods the others on the way (PROTOCOL.md section 8.4). Histories are drawn from a seed, which is printed.
 */
import t from 'tap'
import { digest, type NodeId, signature, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { randomBelow } from '../../src/base/random.js'
import type { Millis } from '../../src/base/time.js'
import { newMessageId } from '../../src/group/content.js'
import type { Group, GroupSend, Member, VerifiedContent } from '../../src/group/group.js'
import { mergeRecords } from '../../src/group/history.js'
import { announcedDigest, createRecord, listDigest, memberById } from '../../src/group/member-list.js'
import { createGroup, introduce, joinGroup } from '../../src/group/membership.js'
import { memberRecord, members as membersFormat } from '../../src/wire/content.js'
import { seed, seeded } from '../base/seeded.js'
import {
  crypto,
  directoryDigest,
  foundGroup,
  invite,
  makeDevice,
  openFor,
  present,
  receive,
  sealPersonalFor,
  now as start,
  type TestDevice,
  taken,
  tryPassphrase,
} from './support.js'
import { digestOf, type Node, World } from './world.js'

t.comment(`seed ${seed}`)
const random = seeded()
/** What comes beside a content of the group's first epoch. */
const unaccompanied = { personalPart: new Uint8Array(0), epoch: digest(new Uint8Array(32)) }

t.test('random histories end with one list', (t) => {
  for (let history = 0; history < 8; history++) {
    const world = new World(4 + randomBelow(random, 7), random)
    for (let i = 0; i < 250; i++) world.step()
    world.settle()
    const { members } = world
    t.equal(new Set(members.map(digestOf)).size, 1, `history ${history}: ${members.length} members, one digest`)
    const expected = members.map(({ device }) => toHex(device.id)).toSorted()
    t.strictSame([...present(members[0]?.group).list.members.keys()].toSorted(), expected, 'all that joined are in it')
    t.equal(
      members.flatMap(({ held }) => held).filter(({ content }) => !isInvitation(members, content)).length,
      0,
      'nothing is still held',
    )
    t.equal(members.flatMap(({ handedOn }) => handedOn).length, world.applicationCopies, 'and nothing said was lost')
    t.strictSame(world.drops, [])
    const inviters = new Set(
      members.map(({ group, device }) => toHex(present(memberById(present(group).list, device.id)).record.inviter)),
    )
    const perNewcomer = world.membersCopies / Math.max(1, members.length - 1)
    t.ok(perNewcomer <= (inviters.size + 1) * members.length, `${perNewcomer.toFixed(1)} copies a newcomer`)
  }
  t.end()
})

/** A second invitation stays held: it opens with a passphrase only. */
function isInvitation(members: readonly Node[], content: Uint8Array): boolean {
  return members.every(({ group, device }) => !openFor(present(group), device, content).ok)
}

t.test('two that invite at the same moment, and newcomers that never met', (t) => {
  const world = new World(6, random)
  const [a, b, c, d, e] = world.nodes as [Node, Node, Node, Node, Node]
  world.invite(a, b)
  world.settle()
  world.invite(a, c)
  world.invite(b, d)
  world.invite(b, e)
  world.settle()
  t.equal(new Set(world.members.map(digestOf)).size, 1)
  t.equal(present(e.group).list.members.size, 5)
  t.end()
})

t.test('newcomers that invite before they have the list themselves', (t) => {
  const world = new World(5, random)
  const [a, b, c, d, e] = world.nodes as [Node, Node, Node, Node, Node]
  const chain = [a, b, c, d, e]
  for (const [i, newcomer] of chain.slice(1).entries()) {
    world.invite(present(chain[i]), newcomer)
    const invitation = present(world.letters.pop())
    world.receive(invitation)
  }
  world.settle()
  t.equal(new Set(world.members.map(digestOf)).size, 1)
  t.equal(present(e.group).list.members.size, 5)
  t.end()
})

t.test('one device invited by two at once ends with the earlier record everywhere', (t) => {
  const world = new World(3, random)
  const [a, b, c] = world.nodes as [Node, Node, Node]
  world.invite(a, b)
  world.settle()
  world.invite(b, c)
  world.now += 5
  world.invite(a, c)
  const seconds = world.letters.map(({ content }) => tryPassphrase(c.device, content, undefined, world.now))
  world.settle()
  // It answers the other one as well, as a device might that was restored from an old disk.
  for (const read of seconds) {
    if (!read.ok) throw new Error(read.code)
    world.post(c, joinGroup(crypto, read.value, { name: 'all', now: world.now }).send)
    world.settle()
  }
  t.equal(new Set(world.members.map(digestOf)).size, 1)
  const records = world.members.map(({ group }) => memberById(present(group).list, c.device.id)?.record.inviter)
  t.strictSame(
    records,
    [1, 2, 3].map(() => present(seconds[0]?.ok ? earlier(seconds) : undefined)),
  )
  t.end()
})

function earlier(read: readonly ReturnType<typeof tryPassphrase>[]): NodeId {
  const records = read.flatMap((each) => (each.ok ? [each.value.record] : []))
  return present(records.toSorted((x, y) => x.since - y.since || Buffer.compare(x.signature, y.signature))[0]).inviter
}

t.test('one inviter tells each newcomer and all others once', (t) => {
  const world = new World(9, random)
  const founder = present(world.nodes[0])
  for (const newcomer of world.nodes.slice(1)) world.invite(founder, newcomer)
  world.settle()
  t.equal(new Set(world.members.map(digestOf)).size, 1)
  t.equal(world.members.length, 9)
  t.ok(world.multicasts <= 8 + 2 * 8, `${world.multicasts} messages: a confirmation each, at most two a batch`)
  t.end()
})

t.test('newcomers are introduced after a quiet moment, together, but not put off for ever', (t) => {
  const devices = Array.from({ length: 3 }, () => makeDevice(random))
  const self = present(devices[0]).id
  let group = foundGroup(devices.slice(0, 2), random)
  const due = start + limits.introduceQuietMs
  t.equal(group.introduceAt, due)
  t.strictSame(introduce(crypto, group, self, due - 1, directoryDigest), { group, sends: [] }, 'a millisecond early')

  const { group: after, sends } = introduce(crypto, group, self, due, directoryDigest)
  t.strictSame({ ...after, toIntroduce: [], introduceAt: undefined }, after, 'done')
  t.strictSame(
    sends.map(({ recipients }) => recipients.map(({ id }) => id)),
    [[devices[1]?.id]],
    'the list to the newcomer',
  )
  const parsed = membersFormat.parse(present(sends[0]).body)
  if (!parsed.ok) throw new Error(parsed.code)
  t.match(parsed.value, { purpose: 'records', directoryDigest: directoryDigest.subarray(0, 16) })
  t.strictSame(parsed.value.listDigest, listDigest(crypto, after.list).subarray(0, 16))

  // Somebody confirms every 900 ms: no moment is quiet, and still the first is introduced in time.
  group = foundGroup(devices.slice(0, 1), random)
  for (let at = start; at < start + limits.introduceWaitMs; at += 900) {
    group = confirmAt(group, present(devices[0]), makeDevice(random), at)
    t.equal(group.introduceAt, Math.min(at + limits.introduceQuietMs, start + limits.introduceWaitMs))
  }
  t.equal(group.introduceBy, start + limits.introduceWaitMs)
  t.end()
})

function confirmAt(group: Group, inviter: TestDevice, newcomer: TestDevice, at: Millis): Group {
  const invited = invite(group, inviter, newcomer, random)
  const read = tryPassphrase(newcomer, invited.content)
  if (!read.ok) throw new Error(read.code)
  const { body } = joinGroup(crypto, read.value, { name: 'all', now: at }).send
  const content = sealPersonalFor(group, newcomer, inviter, random, { kind: 'confirmation', body })
  return receive(invited.group, inviter, taken(openFor(invited.group, inviter, content)), at).group
}

/** A group of `size` whose creator has signed all records; real signatures, made quickly. */
function largeGroup(size: number): { group: Group; founder: TestDevice } {
  const founder = makeDevice(random)
  const group = createGroup(crypto, random, { ...founder, name: 'many', now: start })
  const records = Array.from({ length: size - 1 }, (_, i) => {
    const { identityKey } = crypto.identity(random(32))
    const common = { identity: founder.identity, inviter: founder.id, groupId: group.id, role: 'member' as const }
    return createRecord(crypto, { ...common, identityKey, accessCode: random(2), since: start + 1 + i })
  })
  return { group: { ...group, list: mergeRecords(crypto, group.id, group.list, records).list }, founder }
}

t.test('a large list travels in parts that fit, and many newcomers in batches', (t) => {
  const { group, founder } = largeGroup(620)
  const newcomers = [...group.list.members.values()].map(({ record }) => record).slice(20)
  const waiting: Group = { ...group, toIntroduce: newcomers, introduceAt: start, introduceBy: start }
  const sends: GroupSend[] = []
  let next = waiting
  let batches = 0
  for (; next.introduceAt !== undefined; batches++) {
    const step = introduce(crypto, next, founder.id, start, directoryDigest)
    next = step.group
    sends.push(...step.sends)
  }
  t.equal(batches, 3)
  t.strictSame(next.toIntroduce, [])
  const largest = Math.max(...sends.map(({ body }) => body.length))
  t.ok(largest <= limits.membersContentBytes - 130, `${largest} bytes: content and all, the largest is one class`)
  t.ok(sends.every(({ body, recipients }) => 2 * body.length * (recipients.length + 1) <= limits.splitTotalBytes))

  const told = new Map<string, Set<string>>()
  for (const { body, recipients } of sends) {
    const parsed = membersFormat.parse(body)
    if (!parsed.ok) throw new Error(parsed.code)
    const names = parsed.value.records.map(({ signature }) => toHex(signature))
    for (const { id } of recipients) told.set(toHex(id), new Set([...(told.get(toHex(id)) ?? []), ...names]))
  }
  const all = [...group.list.members.values()]
  const newKeys = new Set(newcomers.map(({ signature }) => toHex(signature)))
  const isComplete = ({ id, record }: Member) =>
    told.get(toHex(id))?.size === (newKeys.has(toHex(record.signature)) ? all.length : newcomers.length)
  t.strictSame(
    all.filter((each) => toHex(each.id) !== toHex(founder.id)).filter((each) => !isComplete(each)),
    [],
  )
  t.end()
})

t.test('more records than one content may hold are not looked at', (t) => {
  const { group, founder } = largeGroup(2)
  const sender = present(memberById(group.list, founder.id))
  const recordBytes = memberRecord.fixedBytes as number
  const headBytes = membersFormat.leastBytes
  const most = Math.floor((limits.membersContentBytes - headBytes) / recordBytes)
  const stranger = makeDevice(random).identity.identityKey
  const record = { ...sender.record, identityKey: stranger, role: 'member' as const }
  const dropsOf = (count: number) => {
    // Each differs from the others, and no signature fits.
    const records = Array.from({ length: count }, (_, i) => {
      return { ...record, since: record.since + 1 + i, signature: signature(random(64)) }
    })
    const body = membersFormat.encode({
      purpose: 'records',
      listDigest: new Uint8Array(16),
      directoryDigest: new Uint8Array(16),
      records,
      departures: [],
    })
    const messageId = newMessageId(random, start)
    const content: VerifiedContent = { sender, messageId, kind: 'members', body, ...unaccompanied }
    return receive(group, founder, content, start).drops
  }
  t.strictSame(dropsOf(most), new Array(most).fill('MEMBER_RECORD'), 'each is judged at the limit')
  t.strictSame(dropsOf(most + 1), ['MESSAGE_CONTENT'], 'and none past it')
  t.end()
})

t.test('records sent to as many members as a group may have stay within what one request may split into', (t) => {
  const { group, founder } = largeGroup(2)
  const [, only] = [...group.list.members.values()] as [Member, Member]
  const crowd = new Map(group.list.members)
  for (let i = 0; crowd.size < limits.members; i++) crowd.set(`${i}`.padStart(16, '0'), { ...only, id: makeId(i) })
  const full: Group = {
    ...group,
    list: { ...group.list, members: crowd },
    toIntroduce: [],
    toTell: [...crowd.values()].map(({ id }) => id),
    introduceAt: start,
  }
  const { sends } = introduce(crypto, full, founder.id, start, directoryDigest)
  t.ok(sends.length > 1)
  // Twice a body is more than what any padding makes of it.
  t.ok(sends.every(({ body, recipients }) => 2 * body.length * (recipients.length + 1) <= limits.splitTotalBytes))
  t.end()
})

function makeId(i: number): NodeId {
  const id = new Uint8Array(8)
  new DataView(id.buffer).setUint32(4, i + 1)
  return id as NodeId
}

t.test('who has heard the same list is not told again; who has not is told once', (t) => {
  const world = new World(4, random)
  const [a, b, c, d] = world.nodes as [Node, Node, Node, Node]
  world.invite(a, b)
  world.settle()
  world.invite(b, c)
  world.settle()
  const before = world.multicasts
  world.invite(a, d)
  world.settle()
  t.equal(world.multicasts - before, 3, 'confirmation, introduction and list: b has nothing to add')

  const content = (purpose: 'introduction' | 'records', listDigest: Uint8Array): VerifiedContent => ({
    ...unaccompanied,
    sender: present(memberById(present(b.group).list, a.device.id)),
    messageId: newMessageId(random, world.now),
    kind: 'members',
    body: membersFormat.encode({
      purpose,
      listDigest,
      directoryDigest: new Uint8Array(16),
      records: [present(memberById(present(d.group).list, d.device.id)).record],
      departures: [],
    }),
  })
  const withoutD: Group = {
    ...present(b.group),
    list: {
      ...present(b.group).list,
      members: new Map([...present(b.group).list.members].filter(([id]) => id !== toHex(d.device.id))),
      records: new Map([...present(b.group).list.records].filter(([, { id }]) => toHex(id) !== toHex(d.device.id))),
    },
  }
  const same = announcedDigest(crypto, present(b.group).list)
  const toTell = (received: VerifiedContent) => receive(withoutD, b.device, received, world.now).group.toTell.map(toHex)
  t.strictSame(toTell(content('introduction', same)), [])
  t.strictSame(
    toTell(content('introduction', new Uint8Array(16))),
    [toHex(d.device.id)],
    'introduced with another list',
  )
  t.strictSame(toTell(content('records', same)), [toHex(d.device.id)], 'heard of by the way')
  const crowded = { ...withoutD, toTell: [c.device.id, makeDevice(random).id, c.device.id] }
  t.strictSame(
    receive(crowded, b.device, content('records', same), world.now).group.toTell.map(toHex),
    [toHex(c.device.id), toHex(d.device.id)],
    'nobody twice, and nobody who is no member any more',
  )
  const knowing = receive(present(b.group), b.device, content('records', same), world.now)
  t.equal(knowing.group, b.group, 'a known member is told nothing')
  const cut = { ...content('records', same), body: content('records', same).body.subarray(1) }
  t.strictSame(receive(withoutD, b.device, cut, world.now).drops, ['MESSAGE_CONTENT'])
  t.end()
})
