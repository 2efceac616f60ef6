/**
 * Cover traffic (PROTOCOL.md section 7.2): messages to nobody, at random times, made, sent, asked for and sent again like any other, so
 * that neither proxy nor who watches the sender's links tells when it really speaks. Only CS sees that their slots are decoys.
 * Nothing of it is written down, and no more than a few are held.
 */
import { groupId, nodeId } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { exponentialMs, RandomNumbers, randomBelow } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import type { CoverStatus } from '../device.js'
import type { DeviceCore } from './core.js'
import type { Outgoing } from './outbox.js'

/** What cover imitates: the recipients of a message, its sender among them, and its body. */
interface Shape {
  readonly recipients: number
  readonly bodyBytes: number
}

const ID_BYTES = 8
const ACCESS_CODE_BYTES = 2
/** Of a message to a group, where none was sent in this run: it is in the smallest class whatever it is. */
const USUAL_BODY_BYTES = 64

export class Cover {
  private readonly core: DeviceCore
  private readonly meanMs: number
  private readonly numbers: RandomNumbers
  /** The latest messages of this run. */
  private readonly shapes: Shape[] = []
  private dueAt: Millis | undefined
  private made = 0
  private skipped = 0

  /** `meanMs` between two; 0 for none at all. */
  constructor(core: DeviceCore, meanMs: number) {
    this.core = core
    this.meanMs = meanMs
    this.numbers = new RandomNumbers(core.options.random)
  }

  start(now: Millis): void {
    if (this.meanMs > 0) this.dueAt = now + exponentialMs(this.numbers, this.meanMs)
  }

  /** A message was really sent: cover is to look like it. */
  note(recipients: number, bodyBytes: number): void {
    this.shapes.push({ recipients, bodyBytes })
    if (this.shapes.length > limits.coverShapes) this.shapes.shift()
  }

  /** The messages whose time has come. */
  take(now: Millis): Outgoing[] {
    const { dueAt } = this
    if (dueAt === undefined || dueAt > now) return []
    this.dueAt = now + exponentialMs(this.numbers, this.meanMs)
    const shape = this.shape()
    const { outbox, directory, connected } = this.core
    if (shape === undefined || directory() === undefined || !connected() || outbox.covers >= limits.coverMessages) {
      this.skipped++
      return []
    }
    this.made++
    return [this.message(now, shape)]
  }

  deadline(): Millis | undefined {
    return this.dueAt
  }

  status(): CoverStatus | undefined {
    return this.meanMs === 0 ? undefined : { meanMs: this.meanMs, made: this.made, skipped: this.skipped }
  }

  /** That of a message sent lately, or else of one to some group; none where nothing could be sent really either. */
  private shape(): Shape | undefined {
    const { random } = this.core.options
    if (this.shapes.length > 0) return this.shapes[randomBelow(random, this.shapes.length)]
    const groups = this.core.groups.all().filter(({ list }) => list.members.size > 1)
    const group = groups.length === 0 ? undefined : groups[randomBelow(random, groups.length)]
    return group && { recipients: group.list.members.size, bodyBytes: USUAL_BODY_BYTES }
  }

  private message(now: Millis, { recipients, bodyBytes }: Shape): Outgoing {
    const { random, padding } = this.core.options
    const nobody = Array.from({ length: recipients - 1 }, () => ({
      id: nodeId(random(ID_BYTES)),
      accessCode: new Uint8Array(ACCESS_CODE_BYTES),
    }))
    const draft = {
      groupId: groupId(random(ID_BYTES)),
      kind: 'application',
      messageId: this.core.messageIds.next(now),
      body: new Uint8Array(bodyBytes),
      padding,
      cover: true,
    } as const
    return this.core.outbox.addCover(draft, nobody)
  }
}
