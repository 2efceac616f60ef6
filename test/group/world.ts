/**
 * A group of devices and a network between them that delivers contents in any order, some twice, some only after days, all in the
 * end. Every content is sealed and opened as between real devices; time is counted, not spent.
 */
import { concat, equal, toHex } from '../../src/base/bytes.js'
import { type RandomBytes, randomBelow } from '../../src/base/random.js'
import type { Millis } from '../../src/base/time.js'
import { newMessageId } from '../../src/group/content.js'
import { bestEpoch, refreshKeys, sealingKeys } from '../../src/group/epochs.js'
import type { Group, GroupSend } from '../../src/group/group.js'
import { listDigest, memberById } from '../../src/group/member-list.js'
import { attend, createGroup, dueAt, joinGroup, leaveGroup, removeMembers } from '../../src/group/membership.js'
import { decodeGroup, encodeGroup } from '../../src/group/storage.js'
import {
  crypto,
  directoryDigest,
  invite,
  makeDevice,
  openFor,
  present,
  receive,
  sealFor,
  sealPersonalFor,
  now as start,
  type TestDevice,
  tryPassphrase,
} from './support.js'

export interface Node {
  readonly device: TestDevice
  group: Group | undefined
  /** What does not open, or is from somebody who is not in the list yet. */
  held: Letter[]
  readonly handedOn: string[]
  /** Messages taken, by id and sender. */
  readonly taken: Set<string>
  /** What its clock shows more than the true time. */
  skewMs: number
  /** Whether anything reaches it. */
  online: boolean
}

export interface Letter {
  readonly to: Node
  readonly content: Uint8Array
  readonly part?: Uint8Array | undefined
}

export class World {
  now: Millis = start
  readonly nodes: Node[]
  letters: Letter[] = []
  readonly drops: string[] = []
  multicasts = 0
  membersCopies = 0
  applicationCopies = 0

  private readonly random: RandomBytes

  constructor(size: number, random: RandomBytes) {
    this.random = random
    this.nodes = Array.from({ length: size }, () => ({
      device: makeDevice(random),
      group: undefined,
      held: [],
      handedOn: [],
      taken: new Set(),
      skewMs: 0,
      online: true,
    }))
    const founder = present(this.nodes[0])
    founder.group = createGroup(crypto, random, { ...founder.device, name: 'all', now: this.now })
  }

  /** Those who hold the group and take themselves for members. */
  get members(): Node[] {
    return this.nodes.filter(({ group, device }) => group && !group.left && memberById(group.list, device.id))
  }

  clockOf({ skewMs }: Node): Millis {
    return this.now + skewMs
  }

  step(): void {
    this.now += randomBelow(this.random, 800)
    const dice = randomBelow(this.random, 100)
    if (dice < 12) this.inviteSomebody()
    else if (dice < 18) this.say()
    else if (dice < 70) this.deliverOne()
    this.attend()
  }

  /** Until nothing is under way and nothing is due. */
  settle(): void {
    for (const node of this.nodes) node.online = true
    for (let quiet = false; !quiet; ) {
      while (this.letters.length > 0) this.deliverOne()
      const due = this.nodes.flatMap(({ group, skewMs }) => {
        // What each asks once a day has no end.
        const at = group && dueAt({ ...group, checkAt: undefined })
        return at === undefined ? [] : [at - skewMs]
      })
      if (due.length > 0) this.now = Math.max(this.now, Math.min(...due) + 1_000)
      this.attend()
      quiet = due.length === 0 && this.letters.length === 0
    }
  }

  /** Days in which devices speak by themselves alone, until it is enough; at most so many. */
  pass(days: number, isEnough: () => boolean): void {
    for (let quarter = 0; quarter < days * 4 && !isEnough(); quarter++) {
      this.now += DAY_MS / 4
      this.attend()
      this.settle()
    }
  }

  inviteSomebody(): void {
    const inviter = this.pick(this.members)
    const group = present(inviter.group)
    const known = ({ device }: Node) => memberById(group.list, device.id) !== undefined
    const newcomers = this.nodes.filter((node) => !known(node) && node.group === undefined)
    if (newcomers.length > 0) this.invite(inviter, this.pick(newcomers))
  }

  invite(inviter: Node, newcomer: Node): void {
    const messageId = newMessageId(this.random, this.clockOf(inviter))
    const group = this.tick(inviter)
    const invited = invite(
      group,
      inviter.device,
      newcomer.device,
      this.random,
      undefined,
      { messageId },
      this.clockOf(inviter),
    )
    inviter.group = invited.group
    this.letters.push({ to: newcomer, content: invited.content })
  }

  remove(remover: Node, ...removed: readonly Node[]): void {
    const ids = removed.map(({ device }) => device.id)
    const at = this.clockOf(remover)
    const done = removeMembers(crypto, this.random, this.tick(remover), remover.device, ids, at, directoryDigest)
    remover.group = done.group
    for (const send of done.sends) this.post(remover, send)
  }

  leave(node: Node): void {
    const left = leaveGroup(crypto, this.tick(node), node.device, this.clockOf(node), directoryDigest)
    node.group = left.group
    for (const send of left.sends) this.post(node, send)
  }

  say(node: Node = this.pick(this.members)): void {
    const recipients = [...present(node.group).list.members.values()].filter(({ id }) => !equal(id, node.device.id))
    this.applicationCopies += this.post(node, { kind: 'application', body: this.random(8), recipients })
  }

  attend(): void {
    for (const node of this.nodes) {
      if (node.group === undefined || node.group.left) continue
      const at = this.clockOf(node)
      const done = attend(crypto, this.random, this.tick(node), node.device, at, directoryDigest)
      const { differs, answered, checkAt } = done.group
      // Through the disk, as in a restart, but for what one forgets.
      node.group = { ...present(decodeGroup(crypto, encodeGroup(done.group))), differs, answered, checkAt }
      this.tick(node)
      for (const send of done.sends) this.membersCopies += this.post(node, send)
    }
  }

  post(from: Node, send: GroupSend): number {
    this.multicasts++
    const { kind, body, parts, epoch } = send
    const group = present(from.group)
    const messageId = newMessageId(this.random, this.clockOf(from))
    let copies = 0
    for (const node of this.nodes) {
      if (!send.recipients.some(({ id }) => equal(id, node.device.id))) continue
      const keys = present(sealingKeys(crypto, group, epoch, this.clockOf(from)))
      const signedFor = { type: 'group', id: group.id, keys } as const
      const content = send.personal
        ? sealPersonalFor(group, from.device, node.device, this.random, send, { messageId })
        : sealFor(group, from.device, this.random, { kind, body, messageId, signedFor })
      this.letters.push({ to: node, content, part: parts?.get(toHex(node.device.id)) })
      copies++
    }
    return copies
  }

  deliverOne(): void {
    if (this.letters.length === 0) return
    const place = randomBelow(this.random, this.letters.length)
    const fate = randomBelow(this.random, 10)
    const letter = present(this.letters[place])
    // Lost, and sent again later: the letter stays where it is.
    if (fate === 0 || !letter.to.online) return
    // Arrives, and arrives again later.
    if (fate !== 1) this.letters.splice(place, 1)
    this.receive(letter, fate === 1)
  }

  receive(letter: Letter, again = false): void {
    const { to: node, content, part } = letter
    if (node.group === undefined) {
      this.join(node, letter)
      return
    }
    const group = this.tick(node)
    if (group.left) return
    const opened = openFor(group, node.device, content, part)
    if (!opened.ok) {
      const isEarly = opened.code === 'MESSAGE_SENDER' || opened.code === 'MESSAGE_CONTENT'
      if (isEarly && !again) node.held.push(letter)
      else if (!isEarly && !again) this.drops.push(opened.code)
      return
    }
    // A device takes each message once, too.
    const name = toHex(concat(opened.value.messageId, opened.value.sender.id))
    if (node.taken.has(name)) return
    node.taken.add(name)
    const received = receive(group, node.device, opened.value, this.clockOf(node))
    node.group = received.group
    // Questions that come too often, or twice, are left unanswered.
    this.drops.push(...received.drops.filter((code) => code !== 'ASK_RATE'))
    for (const send of received.sends) this.post(node, send)
    if (received.application !== undefined) node.handedOn.push(toHex(received.application))
    const hasKeys = received.group.live.length !== group.live.length
    if (received.joined.length === 0 && !hasKeys) return
    const held = node.held
    node.held = []
    for (const each of held) this.receive(each)
  }

  /** Takes an invitation; whatever else comes before it is kept for later, as a device does. */
  join(node: Node, letter: Letter): void {
    const read = tryPassphrase(node.device, letter.content, undefined, this.clockOf(node))
    if (!read.ok) {
      node.held.push(letter)
      return
    }
    const { group, send } = joinGroup(crypto, read.value, { name: 'all', now: this.clockOf(node) })
    node.group = group
    this.post(node, send)
    const held = node.held
    node.held = []
    for (const each of held) this.receive(each)
  }

  /** Keys as its clock has it. */
  tick(node: Node): Group {
    node.group = refreshKeys(crypto, present(node.group), this.clockOf(node))
    return node.group
  }

  pick<T>(from: readonly T[]): T {
    return present(from[randomBelow(this.random, from.length)])
  }

  /** What the members of one view all hold, as text: history, epoch and today's secret. */
  states(): Set<string> {
    return new Set(this.members.map((node) => stateOf(node)))
  }
}

/** A group whose members the first has invited; all hold the same. */
export function settledWorld(size: number, random: RandomBytes): { world: World; nodes: Node[] } {
  const world = new World(size, random)
  const [founder, ...others] = world.nodes as [Node, ...Node[]]
  for (const other of others) world.invite(founder, other)
  world.settle()
  return { world, nodes: world.nodes }
}

/** The digest of the history that a member holds, in hex. */
export function digestOf(node: Node): string {
  return toHex(listDigest(crypto, present(node.group).list))
}

/** History, epoch and present secret of a member. */
export function stateOf(node: Node): string {
  const group = present(node.group)
  const { number, tag } = bestEpoch(group)
  return `${digestOf(node)} ${number} ${toHex(tag)} ${toHex(group.keys.secret)}`
}

export const DAY_MS = 24 * 60 * 60_000
