/**
 * Plays a scenario: makes its world, does in it what is to be done when it is to be done, heals everything, waits until nothing
 * is under way, and says what did not hold. The same scenario plays the same way each time.
 */
import { toHex, utf8 } from '../../../src/base/bytes.js'
import type { Millis } from '../../../src/base/time.js'
import type { DeviceOutput, Outcome } from '../../../src/role/device.js'
import type { Casting } from '../actors.js'
import { type DatagramCounts, noDatagrams, type VirtualNode } from '../virtual-network.js'
import { type DeviceActor, World } from '../world.js'
import { bounds, conservation, Idleness, watchSizes } from './checks.js'
import { Draw } from './draw.js'
import { unexplained } from './drop-causes.js'
import { disagreementsIn, excusedByDeparture, needsNobody } from './group-checks.js'
import { Ledger, type Sent } from './ledger.js'
import { type Action, causesOf, type Scenario } from './scenario.js'

export interface Played {
  readonly seed: number
  readonly family: string
  /** What did not hold; nothing where all is well. */
  readonly problems: readonly string[]
  readonly latenciesMs: readonly number[]
  /** Copies that senders believe stored, and that were handed on. */
  readonly provenCopies: number
  readonly deliveredCopies: number
  readonly deliveredBytes: number
  /** How long the world was there, and until all that was begun in it was over. */
  readonly virtualMs: number
  readonly activeMs: number
  readonly datagrams: DatagramCounts
  readonly drops: Readonly<Record<string, number>>
}

/** What is put in the place of parts, to see that it is found out, and who watches. */
export interface Staging {
  readonly casting?: Partial<Casting>
  readonly onWorld?: (world: World) => void
}

const STEP_MS = 1_000
/**
 * What a group says to itself, and what a restart found unproven, is tried ten times: each may wait ten minutes after a refusal, and ten
 * for proof.
 */
const OVER_WITHIN_MS = 4 * 3_600_000
const QUIET_MS = 60_000
/** In some runs the last of what is kept for a while is waited for, too. */
const LONG_QUIET_MS = 35 * 60_000
const LONG_QUIET_ONE_IN = 16
const SEED_OF_CONDUCT = 0x7e11
const PASSPHRASE = utf8('eight words would be better than these')

/** Never throws: what is thrown in a world is one of its problems. */
export function play(scenario: Scenario, staging: Staging = {}): Played {
  const problems: string[] = []
  let conduct: Conduct | undefined
  try {
    const world = new World({ ...scenario.world, keepsReads: false, ...staging.casting })
    staging.onWorld?.(world)
    conduct = new Conduct(scenario, world, problems)
    conduct.play()
  } catch (error) {
    problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return resultOf(scenario, problems, conduct)
}

class Conduct {
  readonly world: World
  readonly ledger = new Ledger()
  readonly began: Millis
  overAt: Millis | undefined
  private readonly scenario: Scenario
  private readonly problems: string[]
  private readonly draw: Draw
  private readonly left = new Set<string>()
  private readonly joining = new Map<string, number>()
  private healAt: Millis

  constructor(scenario: Scenario, world: World, problems: string[]) {
    const { seed, storeMs, jobMs } = scenario
    this.scenario = scenario
    this.world = world
    this.problems = problems
    this.draw = new Draw(seed + SEED_OF_CONDUCT)
    this.began = world.now
    this.healAt = world.now
    world.network.conditions = scenario.conditions
    world.network.storeMs = storeMs
    world.network.jobMs = () => (jobMs === 0 ? 0 : this.draw.whole(0, jobMs))
    watchSizes(world.network, problems)
    world.watchers.push((actor, output) => this.fromDevice(actor, output))
  }

  play(): void {
    const { world, scenario } = this
    for (const action of scenario.actions) this.plan(action)
    while (world.now < this.healAt) {
      world.network.runFor(STEP_MS)
      this.check()
    }
    this.heal()
    const until = world.now + OVER_WITHIN_MS
    while (!this.isOver() && world.now < until) {
      world.network.runFor(STEP_MS)
      this.check()
    }
    if (!this.isOver())
      this.problems.push(`not over after ${OVER_WITHIN_MS / 60_000} minutes: ${this.unfinished().join('; ')}`)
    this.overAt = world.now
    world.network.runFor(QUIET_MS)
    this.checkQuiet()
    this.judge()
  }

  private plan(action: Action): void {
    const at = this.began + action.atMs
    const lastsMs = 'forMs' in action ? action.forMs : 'downMs' in action ? action.downMs : 0
    this.healAt = Math.max(this.healAt, at + lastsMs)
    this.world.network.at(at, () => this.act(action))
  }

  private act(action: Action): void {
    const { network } = this.world
    const later = (ms: number, then: () => void) => network.at(this.world.now + ms, then)
    switch (action.type) {
      case 'send':
        this.send(action)
        return
      case 'crash':
        this.crash(this.nodeOf(action.node), action)
        return
      case 'leave':
        this.left.add(action.node)
        network.crash(this.nodeOf(action.node))
        return
      case 'pause':
        network.pause(this.nodeOf(action.node), action.forMs)
        return
      case 'partition': {
        const inside = new Set(action.nodes)
        const before = network.cut
        network.cut = (from, to) => before(from, to) || inside.has(from.name) !== inside.has(to.name)
        later(action.forMs, () => {
          network.cut = before
        })
        return
      }
      case 'weather':
        network.conditions = action.conditions
        later(action.forMs, () => {
          network.conditions = this.scenario.conditions
        })
        return
      case 'rebind':
        network.rebind(this.nodeOf(action.node))
        return
      case 'diskFull':
        this.diskFull(action.forMs)
        return
      case 'invite':
        this.invite(action)
        return
      case 'remove':
        this.remove(action)
        return
      case 'depart':
        this.depart(action)
        return
      default:
        action satisfies never
    }
  }

  private send({ device, group, direct, decoys, ...of }: Action & { readonly type: 'send' }): void {
    const { bodyBytes, padding, until } = of
    const from = this.world.device(device)
    const held = from.node.up ? from.node.machine.group(group) : undefined
    if (held === undefined) return
    const own = toHex(from.self.id)
    const body = this.draw.bytes(bodyBytes)
    const to = direct === undefined ? undefined : this.world.device(direct).self.id
    const others = [...held.list.members.keys()].filter((id) => id !== own)
    const recipients = new Set(to === undefined ? others : [toHex(to)])
    const known = { from, group, body, at: this.world.now, recipients, run: from.node.run }
    // What it answers may come before the command has returned.
    const sent = { ...known, reference: this.world.nextReference, messageId: undefined, outcome: undefined }
    this.ledger.add(sent)
    this.world.command(from, {
      ...{ type: 'send', group, body, padding, until },
      ...(decoys !== undefined && { decoys }),
      ...(to !== undefined && { direct: { to } }),
    })
  }

  private crash(node: VirtualNode, { downMs, durable, wiped }: Action & { readonly type: 'crash' }): void {
    const { network } = this.world
    if (!node.up) return
    network.crash(node, Math.round(durable * node.writing.length))
    if (wiped) node.store.clear()
    network.at(this.world.now + downMs, () => this.restart(node))
  }

  private restart(node: VirtualNode): void {
    if (!node.up && !node.diskFull && !this.left.has(node.name)) this.world.network.restart(node)
  }

  private diskFull(forMs: number): void {
    const { node } = this.world.server
    node.diskFull = true
    this.world.network.at(this.world.now + forMs, () => {
      node.diskFull = false
      this.restart(node)
    })
  }

  private invite({ by, newcomer, group }: Action & { readonly type: 'invite' }): void {
    const inviter = this.world.device(by)
    const invited = this.world.device(newcomer)
    if (!inviter.node.up) return
    const reference = this.world.command(inviter, {
      ...{ type: 'invite', group, address: invited.address, passphrase: PASSPHRASE },
    })
    this.joining.set(invited.name, reference)
  }

  /** Those whom the remover does not know to be gone already. */
  private remove({ by, members, group }: Action & { readonly type: 'remove' }): void {
    const remover = this.world.device(by)
    const held = remover.node.up ? remover.node.machine.group(group) : undefined
    const ids = members.map((place) => this.world.device(place).self.id)
    const present = ids.filter((id) => held?.list.members.has(toHex(id)))
    if (present.length > 0) this.world.command(remover, { type: 'removeMembers', group, members: present })
  }

  private depart({ device, group }: Action & { readonly type: 'depart' }): void {
    const leaver = this.world.device(device)
    if (leaver.node.up) this.world.command(leaver, { type: 'leaveGroup', group })
  }

  private heal(): void {
    const { network } = this.world
    network.cut = () => false
    network.conditions = this.scenario.conditions
    for (const node of network.nodes) this.restart(node)
  }

  private fromDevice(actor: DeviceActor, output: DeviceOutput): void {
    const { ledger, world } = this
    switch (output.type) {
      case 'done': {
        const { result } = output
        const sent = ledger.sent.find(({ reference }) => reference === output.reference)
        if (result.type === 'sent' && sent !== undefined) {
          ledger.taken(sent, result.report.messageId)
          if (result.outcome !== undefined) ledger.told(actor, result.outcome, true)
        }
        return
      }
      case 'progress':
      case 'outcome':
        ledger.told(actor, output.outcome, output.type === 'outcome')
        return
      case 'message':
        ledger.message(world.now, actor, output.message)
        this.acknowledge(actor, output.message.sequence)
        return
      case 'unopened':
        this.join(actor)
        return
      default:
    }
  }

  /** As an application does: it keeps the message, a little later it says so. */
  private acknowledge(actor: DeviceActor, sequence: number): void {
    const { node } = actor
    const { run } = node
    this.world.network.at(this.world.now + this.draw.size(1, 3_000), () => {
      if (node.run === run && node.up) this.world.command(actor, { type: 'acknowledge', sequences: [sequence] })
    })
  }

  private join(actor: DeviceActor): void {
    const { node } = actor
    const { run } = node
    if (!this.joining.has(actor.name)) return
    this.world.network.at(this.world.now + this.draw.size(1, 5_000), () => {
      if (node.run !== run || !node.up || node.machine.group('all') !== undefined) return
      this.world.command(actor, { type: 'join', passphrase: PASSPHRASE, name: 'all' })
    })
  }

  private nodeOf(name: string): VirtualNode {
    const node = this.world.network.nodes.find((each) => each.name === name)
    if (node === undefined) throw new Error(`no node is called ${name}`)
    return node
  }

  private get present(): DeviceActor[] {
    return this.world.devices.filter(({ name }) => !this.left.has(name))
  }

  private disagreements(): string[] {
    return (this.scenario.world.groups ?? []).flatMap(({ name }) => disagreementsIn(name, this.present))
  }

  private isOver(): boolean {
    return this.unfinished().length === 0
  }

  private unfinished(): string[] {
    const { world, ledger } = this
    const isForNobody = ({ groupId }: Outcome, from: DeviceActor) => needsNobody(this.present, groupId, from)
    const isExcused = (sent: Sent, to: DeviceActor) => excusedByDeparture(this.present, sent, to)
    const missing = ledger
      .missing(this.present, world.devices.length, isExcused, isForNobody)
      .map((what) => `missing: ${what}`)
    if (this.scenario.provesAll) missing.push(...this.disagreements())
    for (const { name, node } of this.present) {
      const { connected, outgoingMessages, unprovenMessages } = node.machine.status()
      if (!connected) missing.push(`${name} is not connected`)
      if (outgoingMessages + unprovenMessages > 0) missing.push(`${name} has messages to send`)
    }
    if (this.left.size === 0 && world.server.node.machine.status().storedCopies > 0)
      missing.push('copies at the server')
    return missing
  }

  private check(): void {
    const { world, problems } = this
    problems.push(...bounds(world, world.options.serverBounds?.mailboxCopies))
    if (problems.length > 0) throw new Error('a bound does not hold')
  }

  private checkQuiet(): void {
    const { world, scenario, problems } = this
    const long = scenario.seed % LONG_QUIET_ONE_IN === 0
    if (long) world.network.runFor(LONG_QUIET_MS)
    // Where messages to nobody go all the time, nobody is idle.
    if (scenario.world.deviceSettings?.coverMeanMs !== undefined) return
    const idleness = new Idleness(world)
    world.network.runFor(QUIET_MS)
    problems.push(...idleness.problems())
  }

  private judge(): void {
    const { world, ledger, problems, scenario } = this
    const newest = world.server.node.machine.status().directoryVersion
    for (const { name, node } of [...world.proxies, ...this.present]) {
      const { directory } = node.machine.status()
      if (directory?.version !== newest) problems.push(`${name} holds directory ${directory?.version}, not ${newest}`)
    }
    problems.push(...ledger.problems)
    problems.push(...conservation(world.network))
    for (const { name, repeated } of world.devices) {
      if (repeated > 0) problems.push(`${name} was handed ${repeated} messages again in one run`)
    }
    const drops = dropsOf(world)
    for (const code of unexplained(drops, causesOf(scenario))) {
      problems.push(`${drops.get(code)} drops that nothing here explains: ${code}`)
    }
    if (!scenario.provesAll) return
    problems.push(...this.disagreements())
    for (const { sent, names } of ledger.unproven) {
      problems.push(`${sent.messageId} of ${sent.from.name} is not proven at ${names.join(', ')}, though all is well`)
    }
  }
}

function dropsOf(world: World): Map<string, number> {
  const drops = new Map<string, number>()
  for (const node of world.network.nodes) {
    for (const [code, times] of node.drops) drops.set(code, (drops.get(code) ?? 0) + times)
  }
  return drops
}

function resultOf({ seed, family }: Scenario, problems: readonly string[], conduct: Conduct | undefined): Played {
  const { world, ledger, began } = conduct ?? {}
  return {
    seed,
    family,
    problems,
    latenciesMs: ledger?.latenciesMs ?? [],
    provenCopies: ledger?.believedCopies ?? 0,
    deliveredCopies: ledger?.delivered ?? 0,
    deliveredBytes: ledger?.deliveredBytes ?? 0,
    virtualMs: world === undefined ? 0 : world.now - (began ?? 0),
    activeMs: world === undefined ? 0 : (conduct?.overAt ?? world.now) - (began ?? 0),
    datagrams: world?.network.counts ?? noDatagrams(),
    drops: world === undefined ? {} : Object.fromEntries(dropsOf(world)),
  }
}
