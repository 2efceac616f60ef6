/**
 * What scenarios there are, and how often each is drawn. A family is a function that changes a plan: another one is a row in
 * `families` and a function here. "everything" takes several of the others at once.
 */
import type { PaddingMode } from '../../../src/group/group.js'
import { type Conditions, calm } from '../emulator/conditions.js'
import type { MadeGroup } from '../groups.js'
import type { Habits } from '../liar.js'
import { START } from '../virtual-network.js'
import { Draw } from './draw.js'
import type { Action, Scenario } from './scenario.js'

interface Plan {
  proxies: number
  devices: number
  groups: MadeGroup[]
  conditions: Conditions
  actions: Action[]
  world: { -readonly [Option in keyof Scenario['world']]?: Scenario['world'][Option] }
  start: number
  provesAll: boolean
}

interface Family {
  readonly name: string
  readonly weight: number
  readonly change: (draw: Draw, plan: Plan) => void
}

/** In which everything is begun that a scenario has; most of it is over soon after. */
const ACTS_MS = 30_000
const DAY_MS = 86_400_000
const SEED_OF_PLANS = 0x51a7

export const families: readonly Family[] = [
  { name: 'calm', weight: 6, change: () => undefined },
  { name: 'loss', weight: 14, change: loss },
  { name: 'slow', weight: 8, change: slow },
  { name: 'noise', weight: 10, change: noise },
  { name: 'partitions', weight: 8, change: partitions },
  { name: 'black holes', weight: 4, change: blackHoles },
  { name: 'pauses', weight: 8, change: pauses },
  { name: 'crashes', weight: 16, change: crashes },
  { name: 'wiped proxies', weight: 5, change: wipedProxies },
  { name: 'full disk', weight: 3, change: fullDisk },
  { name: 'rebinding', weight: 4, change: rebinding },
  { name: 'clocks', weight: 5, change: clocks },
  { name: 'wrong clocks', weight: 3, change: wrongClocks },
  { name: 'midnight', weight: 4, change: midnight },
  { name: 'liars', weight: 12, change: liars },
  { name: 'small rooms', weight: 4, change: smallRooms },
  { name: 'joining', weight: 4, change: joining },
  { name: 'leaving', weight: 2, change: leaving },
  { name: 'removals', weight: 10, change: removals },
  { name: 'days away', weight: 0.1, change: daysAway },
  { name: 'modes', weight: 8, change: modes },
  { name: 'everything', weight: 10, change: everything },
]

/** The scenario of a seed; of one family, where that is named. */
export function drawScenario(seed: number, only?: string): Scenario {
  const draw = new Draw(seed + SEED_OF_PLANS)
  const drawn = draw.weighted(families)
  const family = only === undefined ? drawn : families.find(({ name }) => name === only)
  if (family === undefined) throw new Error(`no family of scenarios is called ${only}`)
  const plan = usual(draw)
  family.change(draw, plan)
  const { proxies, devices, groups, start, conditions, actions, provesAll } = plan
  return {
    seed,
    family: family.name,
    world: { seed, proxies, devices, groups, start, padding: padding(draw), ...plan.world },
    conditions,
    storeMs: draw.size(1, 50),
    jobMs: draw.chance(0.5) ? 0 : draw.size(1, 40),
    actions: actions.sort((a, b) => a.atMs - b.atMs),
    provesAll,
  }
}

function usual(draw: Draw): Plan {
  const devices = draw.whole(3, 7)
  const everybody = Array.from({ length: devices }, (_, i) => i)
  const groups: MadeGroup[] = [{ name: 'all', members: everybody }]
  if (draw.chance(0.3)) groups.push({ name: 'some', members: draw.some(everybody, draw.whole(2, devices)) })
  const sends = Array.from({ length: draw.whole(2, 6) }, () => send(draw, groups))
  return {
    proxies: draw.whole(4, 6),
    devices,
    groups,
    conditions: { ...calm, delayMs: draw.size(1, 30), jitterMs: draw.chance(0.5) ? draw.size(1, 10) : 0 },
    actions: sends,
    world: {},
    start: draw.chance(0.2) ? START - draw.whole(0, 120_000) : START + draw.whole(0, 3_600_000),
    provesAll: true,
  }
}

function send(draw: Draw, groups: readonly MadeGroup[]): Action & { readonly type: 'send' } {
  const { name, members } = draw.pick(groups)
  const bodyBytes = draw.chance(0.07) ? draw.size(2_000, 40_000) : draw.size(16, 2_000)
  const until = draw.chance(0.5) ? 'taken' : 'over'
  const atMs = draw.whole(0, ACTS_MS)
  return { type: 'send', atMs, device: draw.pick(members), group: name, bodyBytes, padding: padding(draw), until }
}

function padding(draw: Draw): PaddingMode {
  return draw.pick(['none', 'classes', 'classes', 'cell'])
}

function loss(draw: Draw, plan: Plan): void {
  const bursts = { begin: draw.between(0.01, 0.1), end: draw.between(0.2, 0.6), loss: draw.between(0.5, 1) }
  plan.conditions = draw.chance(0.5)
    ? { ...plan.conditions, loss: draw.between(0.01, 0.3) }
    : { ...plan.conditions, loss: draw.between(0, 0.05), bursts }
}

function slow(draw: Draw, plan: Plan): void {
  const bottleneck = { bytesPerSecond: draw.size(20_000, 1_000_000), queueBytes: draw.size(16_000, 256_000) }
  plan.conditions = {
    ...plan.conditions,
    delayMs: draw.size(50, 750),
    jitterMs: draw.size(1, 200),
    ...(draw.chance(0.6) && { bottleneck }),
  }
}

function noise(draw: Draw, plan: Plan): void {
  plan.conditions = {
    ...plan.conditions,
    duplication: draw.between(0, 0.2),
    corruption: draw.chance(0.7) ? draw.between(0.005, 0.15) : 0,
    reordering: draw.between(0, 0.5),
    reorderMs: draw.size(10, 800),
  }
}

function partitions(draw: Draw, plan: Plan): void {
  for (let i = draw.whole(1, 3); i > 0; i--) {
    const nodes = draw.some(namesOf(plan), draw.whole(1, plan.devices + plan.proxies))
    plan.actions.push({ type: 'partition', atMs: at(draw), nodes, forMs: draw.size(500, 60_000) })
  }
}

function blackHoles(draw: Draw, plan: Plan): void {
  const conditions = { ...plan.conditions, loss: 1 }
  for (let atMs = draw.whole(0, 7_000); atMs < ACTS_MS; atMs += 7_000) {
    plan.actions.push({ type: 'weather', atMs, conditions, forMs: 5_000 })
  }
}

function pauses(draw: Draw, plan: Plan): void {
  for (let i = draw.whole(1, 4); i > 0; i--) {
    const forMs = draw.size(50, 40_000)
    plan.actions.push({ type: 'pause', atMs: at(draw), node: draw.pick(namesOf(plan)), forMs })
  }
}

function crashes(draw: Draw, plan: Plan): void {
  for (let i = draw.whole(1, 6); i > 0; i--) plan.actions.push(crash(draw, draw.pick(namesOf(plan))))
  // Soon after something was sent is where it hurts.
  for (const action of plan.actions.filter(({ type }) => type === 'send')) {
    if (!draw.chance(0.4)) continue
    plan.actions.push({ ...crash(draw, draw.pick(namesOf(plan))), atMs: action.atMs + draw.size(1, 3_000) })
  }
}

function crash(draw: Draw, node: string): Action & { readonly type: 'crash' } {
  const downMs = draw.size(10, 40_000)
  return { type: 'crash', atMs: at(draw), node, downMs, durable: draw.part(), wiped: false }
}

/** A proxy keeps its identity elsewhere; the day's sealing keys and what it split are gone with its disk. */
function wipedProxies(draw: Draw, plan: Plan): void {
  for (const proxy of draw.some(proxyNames(plan), draw.whole(1, 2))) {
    plan.actions.push({ ...crash(draw, proxy), wiped: true })
  }
}

function fullDisk(draw: Draw, plan: Plan): void {
  plan.actions.push({ type: 'diskFull', atMs: at(draw), forMs: draw.size(500, 40_000) })
}

function rebinding(draw: Draw, plan: Plan): void {
  for (let i = draw.whole(1, 8); i > 0; i--) {
    plan.actions.push({ type: 'rebind', atMs: at(draw), node: draw.pick(deviceNames(plan)) })
  }
}

/** Within a slot window of each other, and of what is under way. */
function clocks(draw: Draw, plan: Plan): void {
  plan.world.skewsMs = new Map(namesOf(plan).map((name) => [name, draw.whole(-270_000, 270_000)]))
}

/** As far apart as the protocol has a rule for: what was promised holds, but not everything arrives. */
function wrongClocks(draw: Draw, plan: Plan): void {
  const wrong = draw.some(namesOf(plan), draw.whole(1, 3))
  const sign = draw.pick([-1, 1])
  plan.world.skewsMs = new Map(wrong.map((name) => [name, sign * draw.whole(600_000, 3_300_000)]))
  plan.provesAll = false
}

/** Sealing keys change, and slot windows do. */
function midnight(draw: Draw, plan: Plan): void {
  plan.start = Date.UTC(2026, 2, 11) - draw.whole(0, 60_000)
  if (draw.chance(0.5)) loss(draw, plan)
}

function liars(draw: Draw, plan: Plan): void {
  const habit = () => (draw.chance(0.5) ? draw.between(0.1, 1) : 0)
  const habits = (): Habits => ({
    drop: habit(),
    replay: habit(),
    corrupt: habit() / 2,
    swap: habit(),
    invent: habit(),
    feign: habit() / 2,
  })
  const places = Array.from({ length: plan.proxies }, (_, i) => i)
  plan.world.liars = new Map(draw.some(places, draw.whole(1, 2)).map((place) => [place, habits()]))
  plan.provesAll = false
}

function smallRooms(draw: Draw, plan: Plan): void {
  plan.world.serverBounds = { mailboxCopies: draw.whole(8, 24), intakeCopies: draw.whole(4, 16) }
  plan.world.proxyBounds = { tickets: draw.whole(1, 4), openingRequests: draw.whole(1, 2) }
  plan.world.deviceBounds = { inbox: { messages: draw.whole(2, 4), bytes: 200_000 } }
  for (let i = draw.whole(4, 20); i > 0; i--) plan.actions.push(send(draw, plan.groups))
  plan.actions.push({ ...crash(draw, draw.pick(deviceNames(plan))), atMs: 0, downMs: ACTS_MS })
  plan.provesAll = false
}

function joining(draw: Draw, plan: Plan): void {
  const newcomers = draw.whole(1, 2)
  const inviters = [0, 1, 2].filter((place) => !departing(plan).has(place))
  for (let i = 0; i < newcomers && inviters.length > 0; i++) {
    const newcomer = plan.devices++
    plan.actions.push({ type: 'invite', atMs: at(draw), by: draw.pick(inviters), newcomer, group: 'all' })
  }
  if (draw.chance(0.5)) loss(draw, plan)
}

/** For good: not one who invites, since a newcomer that nobody else has heard of then has to be invited again. */
function leaving(draw: Draw, plan: Plan): void {
  const places = Array.from({ length: plan.devices }, (_, place) => place).filter((place) => !inviting(plan).has(place))
  if (places.length > 0) plan.actions.push({ type: 'leave', atMs: at(draw), node: `device ${draw.pick(places)}` })
}

/** At least one member stays, and nobody who has invited goes: those brought in by who is gone are not let in. */
function removals(draw: Draw, plan: Plan): void {
  const inviters = inviting(plan)
  for (const { name: group, members } of plan.groups) {
    const open = draw.some(
      members.filter((place) => !inviters.has(place)),
      members.length,
    )
    const going = open.slice(0, draw.whole(1, Math.max(1, Math.min(3, open.length - 1))))
    const staying = members.filter((place) => !going.includes(place))
    if (staying.length === 0) continue
    const atMs = at(draw)
    for (const place of going) {
      // At one time or one after the other; also by who is removed itself.
      const when = draw.chance(0.5) ? atMs + draw.whole(0, 500) : at(draw)
      const by = draw.pick(draw.chance(0.25) ? members.filter((each) => each !== place) : staying)
      if (draw.chance(0.4)) plan.actions.push({ type: 'depart', atMs: when, device: place, group })
      else plan.actions.push({ type: 'remove', atMs: when, by, members: [place], group })
    }
    if (draw.chance(0.3)) plan.actions.push({ type: 'remove', atMs, by: draw.pick(staying), members: going, group })
    for (let i = draw.whole(2, 8); i > 0; i--) {
      plan.actions.push({ ...send(draw, plan.groups), atMs: atMs + draw.size(1, 20_000) })
    }
  }
  if (draw.chance(0.4)) loss(draw, plan)
  if (draw.chance(0.4)) crashes(draw, plan)
}

/** Who invites, and who is invited. */
function inviting({ actions }: Plan): ReadonlySet<number> {
  return new Set(actions.flatMap((each) => (each.type === 'invite' ? [each.by, each.newcomer] : [])))
}

/** Who leaves a group or is removed from it, or goes for good. */
function departing({ actions }: Plan): ReadonlySet<number> {
  const places = actions.flatMap((each) => {
    if (each.type === 'remove') return each.members
    if (each.type === 'leave') return [Number(each.node.split(' ')[1])]
    return each.type === 'depart' ? [each.device] : []
  })
  return new Set(places)
}

/** Keys have moved on, and messages of before wait, when a device comes back; while it was away others may have gone. */
function daysAway(draw: Draw, plan: Plan): void {
  plan.start = Date.UTC(2026, 2, 11) - draw.whole(0, 60_000)
  for (const device of draw.some(deviceNames(plan), draw.whole(1, 2))) {
    const downMs = DAY_MS * draw.whole(1, 2) + draw.whole(-60_000, 3_600_000)
    plan.actions.push({ ...crash(draw, device), atMs: draw.whole(0, 5_000), downMs })
  }
  if (draw.chance(0.3)) removals(draw, plan)
  for (let i = draw.whole(1, 4); i > 0; i--) {
    plan.actions.push({ ...send(draw, plan.groups), atMs: draw.whole(0, DAY_MS) })
  }
}

/** Ways of sending that hide more or cost less, among the usual one. */
function modes(draw: Draw, plan: Plan): void {
  const waits = { meanWaitMs: draw.size(20, 500), extraHopBelow: draw.chance(0.7) ? draw.size(1, 100) : 0 }
  plan.world.proxySettings = waits
  plan.world.deviceSettings = {
    firstProxies: draw.whole(0, 3),
    decoys: draw.pick(['none', 'power']),
    ...(draw.chance(0.5) && { coverMeanMs: draw.size(5_000, 120_000) }),
  }
  for (let i = draw.whole(2, 8); i > 0; i--) {
    const usual = send(draw, plan.groups)
    const others = plan.groups.find(({ name }) => name === usual.group)?.members.filter((each) => each !== usual.device)
    if (others === undefined || others.length === 0) continue
    plan.actions.push(
      draw.chance(0.5)
        ? { ...usual, direct: draw.pick(others) }
        : { ...usual, decoys: draw.pick(['none', 'power'] as const) },
    )
  }
  if (draw.chance(0.4)) loss(draw, plan)
  if (draw.chance(0.3)) crashes(draw, plan)
}

function everything(draw: Draw, plan: Plan): void {
  const others = families.filter(({ change }) => change !== everything && change !== daysAway)
  for (const { change } of draw.some(others, draw.whole(2, 4))) change(draw, plan)
}

function at(draw: Draw): number {
  return draw.whole(0, ACTS_MS)
}

function proxyNames({ proxies }: Plan): string[] {
  return Array.from({ length: proxies }, (_, i) => `proxy ${i}`)
}

function deviceNames({ devices }: Plan): string[] {
  return Array.from({ length: devices }, (_, i) => `device ${i}`)
}

function namesOf(plan: Plan): string[] {
  return ['server', ...proxyNames(plan), ...deviceNames(plan)]
}
