/**
 * The directory as it is handed out: signed anew on a change, before half its life is over and when the sealing keys
 * change, under a version that is durable before anybody sees it (PROTOCOL.md section 9.3). New versions go to all
 * proven sessions, a bounded number at a time.
 */
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis } from '../../base/time.js'
import type { LinkEndpoint, SessionId } from '../../link/link.js'
import { encodeMessage } from '../../wire/message.js'
import { type ProxyEntry, signDirectory } from '../directory.js'
import type { RoleContext, Self } from '../role.js'
import type { SealingKeys } from '../sealing-keys.js'
import type { Effects } from './effects.js'
import { counterRecord, storeKeys } from './records.js'

export interface PublicationOptions extends RoleContext {
  readonly self: Self
  readonly endpoint: LinkEndpoint
  readonly effects: Effects
  readonly sealingKeys: SealingKeys
  readonly proxies: (now: Millis) => readonly ProxyEntry[]
  /** Who is sent each new directory. */
  readonly readers: () => Iterable<SessionId>
}

interface Published {
  readonly version: number
  /** The directory reply. */
  readonly reply: Uint8Array
}

/** A change waits for others: proxies come in groups when a network starts. */
const SETTLE_MS = 150
/**
 * However much changes, everybody gets no more directories than this: some in quick succession, then one in a while. One
 * proxy that announced itself ever anew would else have the server send all the time, to all.
 */
const APART_MS = 500
const QUICK_DIRECTORIES = 8
const REFILL_MS = 5_000
const PUSHES_AT_ONCE = 64
const PUSH_PAUSE_MS = 5

export class Publication {
  private readonly options: PublicationOptions
  private version = 0
  private signedAt = Number.NEGATIVE_INFINITY
  private signAt: Millis | undefined
  /** Moves on with each directory; quick ones may run so far ahead of the clock. */
  private paidUntil: Millis = Number.NEGATIVE_INFINITY
  private published: Published | undefined
  /** When each session was last answered. */
  private readonly answeredAt = new Map<SessionId, Millis>()
  private readonly toPush = new Set<SessionId>()
  private pushAt: Millis | undefined

  constructor(options: PublicationOptions) {
    this.options = options
  }

  /** Version last handed out; 0 before the first. */
  get currentVersion(): number {
    return this.published?.version ?? 0
  }

  restore(key: string, value: Uint8Array): void {
    const parsed = counterRecord.parse(value)
    if (key === storeKeys.directoryVersion && parsed.ok) this.version = parsed.value.value
  }

  start(now: Millis): void {
    this.sign(now)
  }

  /** What is listed has changed. */
  changed(now: Millis): void {
    const paidAt = this.paidUntil - QUICK_DIRECTORIES * REFILL_MS
    this.signAt = earliest(this.signAt, Math.max(now + SETTLE_MS, this.signedAt + APART_MS, paidAt))
  }

  /**
   * Answers who asks with a version other than the one handed out; who holds it has nothing to learn, and who asks again
   * at once would have a megabyte for a few bytes.
   */
  answer(now: Millis, session: SessionId, heldVersion: number): DropCode | undefined {
    if (this.published === undefined || heldVersion === this.published.version) return undefined
    const answeredAt = this.answeredAt.get(session) ?? Number.NEGATIVE_INFINITY
    if (now >= answeredAt && now < answeredAt + APART_MS) return 'DIRECTORY_AGAIN'
    this.answeredAt.set(session, now)
    this.options.endpoint.send(now, session, this.published.reply, 'bulk')
    return undefined
  }

  forget(session: SessionId): void {
    this.toPush.delete(session)
    this.answeredAt.delete(session)
  }

  deadline(): Millis | undefined {
    return earliest(this.signAt, this.pushAt)
  }

  timeout(now: Millis): void {
    const clockWentBack = now < this.signedAt - limits.clockSkewMs
    if ((this.signAt !== undefined && now >= this.signAt) || clockWentBack) this.sign(now)
    if (this.pushAt !== undefined && now >= this.pushAt) this.push(now)
  }

  private sign(now: Millis): void {
    const { crypto, self, effects, sealingKeys, proxies } = this.options
    const issuedAt = Math.floor(now)
    // Not below the clock: a store put back from a copy of last week must not hand out versions that were in use since.
    this.version = Math.max(this.version + 1, Math.floor(now / 1000))
    const version = this.version
    effects.write(now, ...sealingKeys.advance(now))
    effects.write(now, { key: storeKeys.directoryVersion, value: counterRecord.encode({ value: version }) })
    const directory = signDirectory(crypto, self.identity, {
      version,
      issuedAt,
      validUntil: issuedAt + limits.directoryLifeMs,
      sealingKeys: sealingKeys.published(now),
      proxies: proxies(now),
    })
    this.signedAt = now
    // Paid for ahead of a clock that went back since, it would keep changes waiting for as long as that.
    this.paidUntil = Math.max(Math.min(this.paidUntil, now + QUICK_DIRECTORIES * REFILL_MS), now) + REFILL_MS
    this.signAt = Math.min(issuedAt + limits.directoryLifeMs / 2, sealingKeys.nextChange(now))
    const reply = encodeMessage('directoryReply', { directory })
    effects.whenDurable(now, (then) => this.publish(then, { version, reply }))
  }

  private publish(now: Millis, published: Published): void {
    this.published = published
    for (const session of this.options.readers()) this.toPush.add(session)
    this.push(now)
  }

  private push(now: Millis): void {
    let pushes = 0
    for (const session of this.toPush) {
      if (pushes++ === PUSHES_AT_ONCE) break
      this.toPush.delete(session)
      this.pushTo(now, session)
    }
    this.pushAt = this.toPush.size > 0 ? now + PUSH_PAUSE_MS : undefined
  }

  /** Who has no room for it is behind with reading, and asks by itself later. */
  private pushTo(now: Millis, session: SessionId): void {
    const { endpoint } = this.options
    const { reply } = this.published as Published
    if (endpoint.sendRoomBytes(session) >= reply.length) endpoint.send(now, session, reply, 'bulk')
  }
}
