/**
 * What was lost so that nobody knows of it is found all the same: each member asks some other about once a day, and so who missed a new
 * secret, was away too long or lives on with an old disk comes to hold what the others do (PROTOCOL.md section 8.7).
 */
import t from 'tap'
import { concat, digest, key, nodeId, signature, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { newMessageId } from '../../src/group/content.js'
import { bestEpoch, withEpoch } from '../../src/group/epochs.js'
import type { Group } from '../../src/group/group.js'
import { memberById } from '../../src/group/member-list.js'
import { attend, planCheck } from '../../src/group/membership.js'
import { answerQuestion } from '../../src/group/repair.js'
import { earlierSecrets, isNamed, mayGive, noteDepartures, takeEarlier } from '../../src/group/secrets.js'
import { decodeGroup, encodeGroup } from '../../src/group/storage.js'
import { BUCKET_BYTES, BUCKETS, earlier, question } from '../../src/wire/content.js'
import { seed, seeded } from '../base/seeded.js'
import { crypto, directoryDigest, present } from './support.js'
import { DAY_MS, digestOf, type Node, settledWorld, World } from './world.js'

t.comment(`seed ${seed}`)
const random = seeded()

const settled = (size: number) => settledWorld(size, random)

/** What is under way to these is lost for good. */
function lose(world: World, ...nodes: readonly Node[]): void {
  world.letters = world.letters.filter(({ to }) => !nodes.includes(to))
}

/** Days in which nobody says anything, until all hold one state; at most so many. */
function pass(world: World, days: number): void {
  world.pass(days, () => world.states().size <= 1)
}

/** Who was removed is asked too, by who does not know of it, and asks for a while. */
function dropsOfMembers({ drops }: World): string[] {
  return drops.filter((code) => code !== 'MESSAGE_SENDER' && code !== 'MESSAGE_DEPARTED')
}

t.test('who missed a new secret and says nothing finds out by itself', (t) => {
  const { world, nodes } = settled(4)
  const [anna, ben, cleo] = nodes as [Node, Node, Node, Node]
  world.remove(anna, ben)
  lose(world, cleo)
  world.settle()
  t.equal(bestEpoch(present(cleo.group)).number, 0, 'it is behind, and nobody knows')
  pass(world, 15)
  t.equal(world.states().size, 1)
  t.equal(bestEpoch(present(cleo.group)).number, 1)
  t.strictSame(dropsOfMembers(world), [])
  t.end()
})

t.test('of halves that hold different secrets and hear nothing of each other, all come to hold one', (t) => {
  const { world, nodes } = settled(6)
  const [anna, ben, cleo, dora, eve, finn] = nodes as [Node, Node, Node, Node, Node, Node]
  world.remove(anna, ben)
  lose(world, cleo, dora, eve)
  world.settle()
  world.remove(cleo, ben)
  lose(world, anna, finn)
  world.settle()
  t.ok(world.states().size > 1)
  for (let day = 0; day < 15; day++) {
    for (const node of [anna, finn, cleo, dora, eve]) world.say(node)
    pass(world, 1)
  }
  t.equal(world.states().size, 1)
  t.end()
})

t.test('a device with an old disk learns of newcomers, departures and a secret made by who it never heard of', (t) => {
  const { world, nodes } = settled(4)
  const [anna, ben, cleo] = nodes as [Node, Node, Node, Node]
  const backup = encodeGroup(present(cleo.group))
  const late = present(new World(1, random).nodes[0])
  late.group = undefined
  world.nodes.push(late)
  world.invite(anna, late)
  world.settle()
  world.now += 20 * DAY_MS
  world.remove(late, ben)
  lose(world, cleo)
  world.settle()
  const restored = planCheck(random, present(decodeGroup(crypto, backup)), cleo.device.id, world.now)
  cleo.group = restored
  t.ok(present(restored.checkAt) <= world.now + 3 * limits.checkStartMs, 'it asks soon after its start')
  pass(world, 15)
  t.ok(memberById(present(cleo.group).list, late.device.id))
  t.notOk(memberById(present(cleo.group).list, ben.device.id))
  t.equal(world.states().size, 1)
  t.strictSame(dropsOfMembers(world), [])
  t.end()
})

t.test(
  'who was removed by one that had been removed before, which nobody else heard, is out for all or for none',
  (t) => {
    const { world, nodes } = settled(5)
    const [anna, ben, cleo] = nodes as [Node, Node, Node, Node, Node]
    world.remove(anna, ben)
    lose(world, ben, cleo)
    world.settle()
    world.now += DAY_MS
    world.remove(ben, cleo)
    world.letters = world.letters.filter(({ to }) => to === cleo)
    while (world.letters.length > 0) world.deliverOne()
    const isIn = (at: Node) => memberById(present(at.group).list, cleo.device.id) !== undefined
    t.ok(isIn(anna), 'the others have not heard of it')
    t.notOk(isIn(cleo))
    const others = nodes.filter((node) => node !== ben && node !== cleo)
    const differ = () => others.some((node) => isIn(node) !== isIn(cleo))
    world.pass(15, () => !differ())
    t.notOk(differ())
    t.equal(new Set(others.map(digestOf)).size, 1)
    t.end()
  },
)

t.test('a member asks about once a day, who is alone or out does not, and a clock that went back does no harm', (t) => {
  const { nodes } = settled(3)
  const [anna, ben] = nodes as [Node, Node, Node]
  const local = { identity: anna.device.identity, self: anna.device.id }
  const questionsIn = (start: typeof anna.group, days: number) => {
    let group = planCheck(random, { ...present(start), differs: undefined, checkAt: undefined }, local.self, from)
    const asked = new Set<string>()
    let questions = 0
    for (let now = from; now < from + days * DAY_MS; now += 10 * 60_000) {
      const done = attend(crypto, random, group, local, now, directoryDigest)
      group = planCheck(random, done.group, local.self, now)
      questions += done.sends.length
      for (const { recipients } of done.sends) for (const { id } of recipients) asked.add(toHex(id))
    }
    return { questions, asked: asked.size }
  }
  const from = Date.UTC(2026, 6, 1)
  const { questions, asked } = questionsIn(anna.group, 30)
  t.ok(questions >= 20 && questions <= 61, `${questions} questions in 30 days`)
  t.equal(asked, 2, 'one member or the other')
  const alone = {
    ...present(anna.group),
    list: {
      ...present(anna.group).list,
      members: new Map([[toHex(local.self), present(memberById(present(anna.group).list, local.self))]]),
    },
  }
  t.equal(questionsIn(alone, 10).questions, 0)
  const out = {
    ...present(anna.group),
    list: {
      ...present(anna.group).list,
      members: new Map([[toHex(ben.device.id), present(memberById(present(anna.group).list, ben.device.id))]]),
    },
  }
  t.equal(questionsIn(out, 10).questions, 0)
  const ahead = { ...present(anna.group), checkAt: from + 400 * DAY_MS }
  t.ok(present(planCheck(random, ahead, local.self, from).checkAt) <= from + 3 * limits.checkStartMs)
  t.end()
})

/** Anna removes ben, which cleo misses, says something, and removes dora: what cleo lacks has been replaced. */
function replaced() {
  const { world, nodes } = settled(5)
  const [anna, ben, cleo, dora] = nodes as [Node, Node, Node, Node, Node]
  world.remove(anna, ben)
  lose(world, cleo)
  world.settle()
  world.say(anna)
  world.settle()
  t.equal(cleo.handedOn.length, 0)
  world.remove(anna, dora)
  world.settle()
  return { world, anna, cleo }
}

t.test('with the present secret come those that were replaced meanwhile: what was sealed under them opens', (t) => {
  const { world, anna, cleo } = replaced()
  world.pass(15, () => cleo.handedOn.length > 0)
  t.equal(world.states().size, 1)
  t.equal(cleo.handedOn.length, 1)
  const [, lacked] = present(anna.group).epochs
  const [, brought] = present(cleo.group).epochs
  t.equal(toHex(present(brought).tag), toHex(present(lacked).tag))
  t.strictSame(dropsOfMembers(world), [])
  t.end()
})

t.test('earlier secrets are given', (t) => {
  const { world, anna, cleo } = replaced()
  const group = present(anna.group)
  const member = present(memberById(group.list, cleo.device.id))
  const [, lacked] = group.epochs
  const { tag, replacedAt } = present(lacked)
  const given = (from: Group, to = member, names: Uint8Array = new Uint8Array(0)) =>
    earlierSecrets(crypto, from, to, world.now, (epoch) => isNamed(names, bestEpoch(from).tag, epoch)).length
  t.equal(given(group), 1, 'to who lacks one; the first, which has no statement, is not')
  t.equal(given(group, member, concat(random(8), tag.subarray(0, 8))), 0, 'not to who named it')
  const { record } = member
  t.equal(given(group, { ...member, record: { ...record, since: present(replacedAt) } }), 0, 'not to who came after')
  t.equal(
    given(group, { ...member, record: { ...record, since: present(replacedAt) - 1 } }),
    1,
    'but to who came before',
  )
  const unsure = { ...group, epochs: group.epochs.map((each) => ({ ...each, departuresKnown: false })) }
  t.equal(given(unsure), 0, 'not by who may not know for whose departure it was made')
  t.equal(mayGive(unsure), false)
  const sure = noteDepartures(crypto, unsure)
  t.ok(mayGive(sure), 'who knows the departures of the best knows it of that')
  t.equal(given(sure), 0, 'and not of one before')
  t.end()
})

t.test('a member is answered once a minute, and so many in all', (t) => {
  const { world, nodes } = settled(limits.answersPerPause + 2)
  const [anna, ...others] = nodes as [Node, ...Node[]]
  let group = present(anna.group)
  const local = { identity: anna.device.identity, self: anna.device.id }
  const { tag: epoch, number } = bestEpoch(group)
  const body = question.encode({
    epoch,
    number,
    buckets: new Uint8Array(BUCKETS * BUCKET_BYTES),
    held: new Uint8Array(0),
  })
  const ask = ({ device }: Node, at = world.now) => {
    const content = { kind: 'question', messageId: newMessageId(random, at), epoch: undefined, body } as const
    const sender = present(memberById(group.list, device.id))
    const personalPart = new Uint8Array(0)
    const answer = answerQuestion(crypto, group, local, { ...content, sender, personalPart }, at)
    group = answer.group
    return answer.drops
  }
  const last = present(others.pop())
  for (const each of others) t.strictSame(ask(each), [], 'as many as are answered')
  t.strictSame(ask(last), ['ASK_RATE'], 'one more')
  t.strictSame(ask(last, world.now + limits.answerPauseMs), [], 'a minute later')
  t.strictSame(ask(last, world.now + 2 * limits.answerPauseMs - 1), ['ASK_RATE'], 'the same again')
  t.strictSame(ask(last, world.now + 2 * limits.answerPauseMs), [])
  t.end()
})

t.test('as many secrets are held as there may be, and past that the eldest goes', (t) => {
  const { world, nodes } = settled(2)
  const group = present((nodes[0] as Node).group)
  const first = bestEpoch(group)
  const later = (number: number) => ({ ...first, number, tag: digest(random(32)), secret: key(random(32)) })
  const numbers = (held: Group) => held.epochs.map(({ number }) => number).sort((a, b) => a - b)
  let held = group
  for (let number = 1; number < limits.groupEpochs; number++) held = withEpoch(held, later(number), world.now)
  t.strictSame(
    numbers(held),
    Array.from({ length: limits.groupEpochs }, (_, number) => number),
  )
  held = withEpoch(held, later(limits.groupEpochs), world.now)
  t.strictSame(
    numbers(held),
    Array.from({ length: limits.groupEpochs }, (_, number) => number + 1),
  )
  t.strictSame(numbers(withEpoch(held, first, world.now)), numbers(held), 'and does not come back')
  t.end()
})

function parsedEarlier(body: Uint8Array) {
  const parsed = earlier.parse(body)
  if (!parsed.ok) throw new Error(parsed.code)
  return parsed.value
}

t.test('earlier secrets are taken', (t) => {
  const { world, anna, cleo } = replaced()
  const given = present(anna.group)
  const [send] = earlierSecrets(crypto, given, present(memberById(given.list, cleo.device.id)), world.now, () => false)
  const { body } = present(send)
  const value = parsedEarlier(body)
  const group = { ...given, epochs: given.epochs.filter(({ number }) => number !== 1) }
  const sender = present(memberById(group.list, anna.device.id))
  const take = (changed: Partial<typeof value>, at = world.now) =>
    takeEarlier(
      crypto,
      group,
      {
        ...{ sender, kind: 'earlier', messageId: newMessageId(random, at), epoch: undefined },
        body: earlier.encode({ ...value, ...changed }),
        personalPart: new Uint8Array(0),
      },
      at,
    )
  const epochsAfter = (taken: ReturnType<typeof take>) => taken.group.epochs.length - group.epochs.length
  t.equal(epochsAfter(take({})), 1)
  t.equal(take({}).group.epochs[1]?.replacedAt, value.replacedAt, 'kept no longer than by who gave it')
  t.strictSame(take({ groupSecret: key(random(32)) }).drops, ['GROUP_SECRET'], 'not another than the statement says')
  t.equal(epochsAfter(take({ statement: { ...value.statement, issuer: nodeId(random(8)) } })), 0, 'not of a stranger')
  const signed = { ...value.statement, signature: signature(random(64)) }
  t.strictSame(take({ statement: signed }).drops, ['GROUP_SECRET'], 'not of a statement that nobody signed')
  t.equal(epochsAfter(take({ replacedAt: world.now - limits.messageLifeMs })), 0, 'not past its time')
  t.equal(epochsAfter(take({ replacedAt: world.now - limits.messageLifeMs + 1 })), 1, 'until then')
  const ahead = take({ replacedAt: world.now + 100 * DAY_MS }).group.epochs
  t.ok(
    ahead.every((each) => (each.replacedAt ?? 0) <= world.now),
    'nor kept for longer by a wrong date',
  )
  t.strictSame(
    takeEarlier(
      crypto,
      group,
      {
        sender,
        kind: 'earlier',
        messageId: newMessageId(random, world.now),
        epoch: undefined,
        body: random(20),
        personalPart: new Uint8Array(0),
      },
      world.now,
    ).drops,
    ['MESSAGE_CONTENT'],
  )
  t.end()
})
