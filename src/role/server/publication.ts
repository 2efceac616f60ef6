/**
 * The directory as it is handed out: signed anew on a change, before half its life is over and when the sealing keys
 * change, under a version that is durable before anybody sees it (PROTOCOL.md section 9.3). New versions go to all who
 * have asked, a bounded number at a time; who is known to hold an earlier one gets the difference.
 */
import { type Signature, signature } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis } from '../../base/time.js'
import type { LinkEndpoint, MessageNumber, SessionId } from '../../link/link.js'
import { encodeMessage } from '../../wire/message.js'
import { type DirectoryDraft, signDirectory } from '../directory.js'
import type { RoleContext, Self } from '../role.js'
import type { SealingKeys } from '../sealing-keys.js'
import type { Effects } from './effects.js'
import { type Entries, History } from './history.js'
import { counterRecord, storeKeys } from './records.js'

export interface PublicationOptions extends RoleContext {
  readonly self: Self
  readonly endpoint: LinkEndpoint
  readonly effects: Effects
  readonly sealingKeys: SealingKeys
  readonly proxies: (now: Millis) => Entries
  /** Entries that are gone and remembered. */
  readonly mostGone: number
}

interface Published extends DirectoryDraft {
  readonly signature: Signature
  /** The directory reply. */
  readonly reply: Uint8Array
  /** What is sent to who holds an earlier version, by that. */
  readonly messages: Map<number, Uint8Array>
}

/** A session that has asked for the directory. */
interface Reader {
  /** The version it is known to hold; 0 for none. */
  held: number
  /** On its way to it. */
  sending: { readonly number: MessageNumber; readonly version: number } | undefined
  answeredAt: Millis
}

/** A change waits for others: proxies come in groups when a network starts. */
const SETTLE_MS = 150
/** One that nobody needs before the day is over waits longer: at the start of each day all proxies have new keys. */
const RENEWAL_SETTLE_MS = 30_000
/**
 * However much changes, everybody gets no more directories than this: some in quick succession, then one in a while. One
 * proxy that announced itself ever anew would else have the server send all the time, to all.
 */
const APART_MS = 500
const QUICK_DIRECTORIES = 8
const REFILL_MS = 5_000
const PUSHES_AT_ONCE = 64
const PUSH_PAUSE_MS = 5
/** Differences kept made: nearly all who ask hold one of the last few versions. */
const KEPT_MESSAGES = 16
const SIGNATURE_BYTES = 64

export class Publication {
  private readonly options: PublicationOptions
  private version = 0
  private signedAt = Number.NEGATIVE_INFINITY
  private signAt: Millis | undefined
  /** Moves on with each directory; quick ones may run so far ahead of the clock. */
  private paidUntil: Millis = Number.NEGATIVE_INFINITY
  private published: Published | undefined
  private readonly history: History
  private readonly readers = new Map<SessionId, Reader>()
  private readonly toPush = new Set<SessionId>()
  private pushAt: Millis | undefined

  constructor(options: PublicationOptions) {
    this.options = options
    this.history = new History(options.mostGone)
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

  /** What is listed has changed; `renewal` says that who holds the entry of before can go on with it today. */
  changed(now: Millis, renewal = false): void {
    const paidAt = this.paidUntil - QUICK_DIRECTORIES * REFILL_MS
    const settleMs = renewal ? RENEWAL_SETTLE_MS : SETTLE_MS
    this.signAt = earliest(this.signAt, Math.max(now + settleMs, this.signedAt + APART_MS, paidAt))
  }

  /**
   * Answers who asks with a version other than the one handed out; who holds it has nothing to learn, and who asks again
   * at once would have a megabyte for a few bytes.
   */
  answer(now: Millis, session: SessionId, heldVersion: number): DropCode | undefined {
    const reader = this.readers.get(session) ?? { held: 0, sending: undefined, answeredAt: Number.NEGATIVE_INFINITY }
    this.readers.set(session, reader)
    reader.held = heldVersion
    if (this.published === undefined || heldVersion === this.published.version) return undefined
    // One at a time: who asked for ever another and acknowledged none would have megabytes held for it.
    const isEarly = now >= reader.answeredAt && now < reader.answeredAt + APART_MS
    if (isEarly || reader.sending !== undefined) return 'DIRECTORY_AGAIN'
    reader.answeredAt = now
    this.send(now, session, reader, this.published)
    return undefined
  }

  /** A message has reached a session: if it was the directory, its end holds that now, and what came since is due. */
  delivered(now: Millis, session: SessionId, number: MessageNumber): void {
    const reader = this.readers.get(session)
    if (reader?.sending?.number !== number) return
    reader.held = reader.sending.version
    reader.sending = undefined
    if (reader.held === this.currentVersion) return
    this.toPush.add(session)
    this.pushAt ??= now
  }

  forget(session: SessionId): void {
    this.toPush.delete(session)
    this.readers.delete(session)
  }

  deadline(): Millis | undefined {
    return earliest(this.signAt, this.pushAt)
  }

  timeout(now: Millis): void {
    const clockWentBack = now < this.signedAt - limits.clockSkewMs
    if ((this.signAt !== undefined && now >= this.signAt) || clockWentBack) this.sign(now)
    if (this.pushAt !== undefined && now >= this.pushAt && this.published !== undefined) {
      this.push(now, this.published)
    }
  }

  private sign(now: Millis): void {
    const { crypto, self, effects, sealingKeys, proxies } = this.options
    const issuedAt = Math.floor(now)
    // Not below the clock: a store put back from a copy of last week must not hand out versions that were in use since.
    const before = this.version
    this.version = Math.max(before + 1, Math.floor(now / 1000))
    const version = this.version
    effects.write(now, ...sealingKeys.advance(now))
    effects.write(now, { key: storeKeys.directoryVersion, value: counterRecord.encode({ value: version }) })
    const entries = proxies(now)
    const draft = {
      version,
      issuedAt,
      validUntil: issuedAt + limits.directoryLifeMs,
      sealingKeys: sealingKeys.published(now),
      proxies: [...entries.values()],
    }
    const directory = signDirectory(crypto, self.identity, draft)
    this.signedAt = now
    // Paid for ahead of a clock that went back since, it would keep changes waiting for as long as that.
    this.paidUntil = Math.max(Math.min(this.paidUntil, now + QUICK_DIRECTORIES * REFILL_MS), now) + REFILL_MS
    this.signAt = Math.min(issuedAt + limits.directoryLifeMs / 2, sealingKeys.nextChange(now))
    const published = {
      ...draft,
      signature: signature(directory.slice(-SIGNATURE_BYTES)),
      reply: encodeMessage('directoryReply', { directory }),
      messages: new Map(),
    }
    effects.whenDurable(now, (then) => this.publish(then, before, published, entries))
  }

  private publish(now: Millis, before: number, published: Published, entries: Entries): void {
    this.history.note(before, published.version, entries)
    this.published = published
    for (const session of this.readers.keys()) this.toPush.add(session)
    this.push(now, published)
  }

  private push(now: Millis, published: Published): void {
    let pushes = 0
    for (const session of this.toPush) {
      if (pushes++ === PUSHES_AT_ONCE) break
      this.toPush.delete(session)
      const reader = this.readers.get(session)
      // One thing at a time: what is on its way comes first, and then the difference to it.
      if (reader === undefined || reader.sending !== undefined || reader.held === published.version) continue
      this.send(now, session, reader, published)
    }
    this.pushAt = this.toPush.size > 0 ? now + PUSH_PAUSE_MS : undefined
  }

  /** Who has no room for it is behind with reading, and asks by itself later. */
  private send(now: Millis, session: SessionId, reader: Reader, published: Published): void {
    const { endpoint } = this.options
    const message = this.messageFor(reader.held, published)
    if (endpoint.sendRoomBytes(session) < message.length) return
    const number = endpoint.send(now, session, message, 'bulk')
    reader.sending = number === undefined ? undefined : { number, version: published.version }
  }

  /** The difference to the version held where that is known and saves anything, else the whole directory. */
  private messageFor(held: number, published: Published): Uint8Array {
    const { messages, reply, version, issuedAt, validUntil, sealingKeys, signature: signed } = published
    const made = messages.get(held)
    if (made !== undefined) return made
    const change = held === 0 || held > version ? undefined : this.history.since(held)
    const delta =
      change &&
      encodeMessage('directoryDelta', {
        fromVersion: held,
        version,
        issuedAt,
        validUntil,
        sealingKeys,
        ...change,
        signature: signed,
      })
    const message = delta !== undefined && delta.length < reply.length ? delta : reply
    if (messages.size < KEPT_MESSAGES) messages.set(held, message)
    return message
  }
}
