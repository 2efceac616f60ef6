/**
 * A group of devices and a network between them that delivers contents in any order, some twice, all in the end. Every
 * content is sealed and opened as between real devices; time is counted, not spent.
 */
import { toHex } from '../../src/base/bytes.js'
import { type RandomBytes, randomBelow } from '../../src/base/random.js'
import type { Millis } from '../../src/base/time.js'
import { newMessageId, openGroupContent } from '../../src/group/content.js'
import type { Group, GroupSend } from '../../src/group/group.js'
import { listDigest, memberById } from '../../src/group/member-list.js'
import { createGroup, introduce, joinGroup, receiveContent } from '../../src/group/membership.js'
import { decodeGroup, encodeGroup } from '../../src/group/storage.js'
import {
  crypto,
  directoryDigest,
  invite,
  makeDevice,
  present,
  sealFor,
  now as start,
  type TestDevice,
  tryPassphrase,
} from './support.js'

export interface Node {
  readonly device: TestDevice
  group: Group | undefined
  /** Contents from members that are not in the list yet. */
  held: Uint8Array[]
  readonly handedOn: string[]
}

interface Letter {
  readonly to: Node
  readonly content: Uint8Array
}

export class World {
  now: Millis = start
  readonly nodes: Node[]
  readonly letters: Letter[] = []
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
    }))
    const founder = present(this.nodes[0])
    founder.group = createGroup(crypto, random, { ...founder.device, name: 'all', now: this.now })
  }

  get members(): Node[] {
    return this.nodes.filter(({ group }) => group !== undefined)
  }

  step(): void {
    this.now += randomBelow(this.random, 800)
    const dice = randomBelow(this.random, 100)
    if (dice < 12) this.inviteSomebody()
    else if (dice < 18) this.say()
    else if (dice < 70) this.deliverOne()
    for (const node of this.members) this.introduceIfDue(node)
  }

  /** Until nothing is under way and nothing is due. */
  settle(): void {
    for (let quiet = false; !quiet; ) {
      while (this.letters.length > 0) this.deliverOne()
      const due = this.members.flatMap(({ group }) => group?.introduceAt ?? [])
      if (due.length > 0) this.now = Math.max(this.now, ...due)
      for (const node of this.members) this.introduceIfDue(node)
      quiet = due.length === 0 && this.letters.length === 0
    }
  }

  inviteSomebody(): void {
    const inviter = this.pick(this.members)
    const group = present(inviter.group)
    const known = ({ device }: Node) => memberById(group.list, device.id) !== undefined
    const newcomers = this.nodes.filter((node) => !known(node))
    if (newcomers.length > 0) this.invite(inviter, this.pick(newcomers))
  }

  invite(inviter: Node, newcomer: Node): void {
    const messageId = newMessageId(this.random, this.now)
    const invited = invite(present(inviter.group), inviter.device, newcomer.device, this.random, undefined, {
      messageId,
    })
    inviter.group = invited.group
    this.letters.push({ to: newcomer, content: invited.content })
  }

  say(): void {
    const node = this.pick(this.members)
    const recipients = [...present(node.group).list.members.values()].filter(({ id }) => id !== node.device.id)
    this.applicationCopies += this.post(node, { kind: 'application', body: this.random(8), recipients })
  }

  introduceIfDue(node: Node): void {
    const { group, sends } = introduce(crypto, present(node.group), node.device.id, this.now, directoryDigest)
    node.group = present(decodeGroup(crypto, encodeGroup(group)))
    for (const send of sends) this.membersCopies += this.post(node, send)
  }

  post(from: Node, send: GroupSend): number {
    this.multicasts++
    const { kind, body } = send
    const messageId = newMessageId(this.random, this.now)
    const content = sealFor(present(from.group), from.device, this.random, { kind, body, messageId })
    let copies = 0
    for (const node of this.nodes) {
      if (!send.recipients.some(({ id }) => toHex(id) === toHex(node.device.id))) continue
      this.letters.push({ to: node, content })
      copies++
    }
    return copies
  }

  deliverOne(): void {
    if (this.letters.length === 0) return
    const place = randomBelow(this.random, this.letters.length)
    const fate = randomBelow(this.random, 10)
    // Lost, and sent again later: the letter stays where it is.
    if (fate === 0) return
    const letter = present(this.letters[place])
    // Arrives, and arrives again later.
    if (fate !== 1) this.letters.splice(place, 1)
    this.receive(letter.to, letter.content, fate === 1)
  }

  receive(node: Node, content: Uint8Array, again = false): void {
    if (node.group === undefined) {
      this.join(node, content)
      return
    }
    const opened = openGroupContent(crypto, node.group, content)
    if (!opened.ok) {
      if (opened.code === 'MESSAGE_SENDER' && !again) node.held.push(content)
      else if (opened.code !== 'MESSAGE_CONTENT' && !again) this.drops.push(opened.code)
      return
    }
    const received = receiveContent(crypto, node.group, node.device.id, opened.value, this.now)
    node.group = received.group
    this.drops.push(...received.drops)
    if (received.application !== undefined && !again) node.handedOn.push(toHex(received.application))
    if (received.joined.length === 0) return
    const held = node.held
    node.held = []
    for (const each of held) this.receive(node, each)
  }

  /** Takes an invitation; whatever else comes before it is kept for later, as a device does. */
  join(node: Node, content: Uint8Array): void {
    const read = tryPassphrase(node.device, content, undefined, this.now)
    if (!read.ok) {
      node.held.push(content)
      return
    }
    const { group, send } = joinGroup(crypto, read.value, { name: 'all', now: this.now })
    node.group = group
    this.post(node, send)
  }

  private pick<T>(from: readonly T[]): T {
    return present(from[randomBelow(this.random, from.length)])
  }
}

/** The digest of the list that a member holds, in hex. */
export function digestOf(node: Node): string {
  return toHex(listDigest(crypto, present(node.group).list))
}
