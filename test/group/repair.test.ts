/**
 * What was lost so that nobody knows of it is found all the same: each member asks some other about once a day, and so who missed a new
 * secret, was away too long or lives on with an old disk comes to hold what the others do (PROTOCOL.md section 8.7).
 */
import t from 'tap'
import { toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { bestEpoch } from '../../src/group/epochs.js'
import { memberById } from '../../src/group/member-list.js'
import { attend, planCheck } from '../../src/group/membership.js'
import { decodeGroup, encodeGroup } from '../../src/group/storage.js'
import { seed, seeded } from '../base/seeded.js'
import { crypto, directoryDigest, present } from './support.js'
import { DAY_MS, type Node, World } from './world.js'

t.comment(`seed ${seed}`)
const random = seeded()

function settled(size: number): { world: World; nodes: Node[] } {
  const world = new World(size, random)
  const [founder, ...others] = world.nodes as [Node, ...Node[]]
  for (const other of others) world.invite(founder, other)
  world.settle()
  return { world, nodes: world.nodes }
}

/** What is under way to these is lost for good. */
function lose(world: World, ...nodes: readonly Node[]): void {
  world.letters = world.letters.filter(({ to }) => !nodes.includes(to))
}

/** Days in which nobody says anything, until all hold one state; at most so many. */
function pass(world: World, days: number): void {
  for (let quarter = 0; quarter < days * 4 && world.states().size > 1; quarter++) {
    world.now += DAY_MS / 4
    world.attend()
    world.settle()
  }
}

/** Who was removed is asked too, by who does not know of it, and does not answer. */
function dropsOfMembers({ drops }: World): string[] {
  return drops.filter((code) => code !== 'MESSAGE_SENDER')
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
