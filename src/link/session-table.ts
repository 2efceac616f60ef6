/**
 * The sessions of an endpoint, found by id, by the index in a packet, or by the init that began them, and how many of
 * them there may be (PROTOCOL.md section 10.1).
 */
import type { LinkLimits } from '../base/bounds.js'
import { uint32 } from '../base/bytes.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import { Deadlines } from './deadlines.js'
import type { SessionId } from './link.js'
import type { Session } from './session.js'
import { drawIndex, type SessionIndex } from './session-index.js'
import { Shares, type Source } from './sources.js'

export class SessionTable {
  readonly deadlines = new Deadlines<Session>()
  private readonly bounds: LinkLimits
  private readonly random: RandomBytes
  private readonly byId = new Map<SessionId, Session>()
  private readonly byIndex = new Map<number, Session>()
  /** By the index that the peer named; of two that name the same, the earlier: who saw it on somebody else's link is the later. */
  private readonly byPeerIndex = new Map<number, Session>()
  private readonly byInit = new Map<string, Session>()
  /** Sessions that others began, by where they were begun from. */
  private readonly shares: Shares
  private halfOpen = 0
  private nextId = 0

  constructor(bounds: LinkLimits, random: RandomBytes) {
    this.bounds = bounds
    this.random = random
    this.shares = new Shares(bounds.addressSessions, bounds.networkSessions)
  }

  get(id: SessionId): Session | undefined {
    return this.byId.get(id)
  }

  /** The session that a packet names; `index` is its 4 bytes. */
  named(index: Uint8Array): Session | undefined {
    return this.byIndex.get(uint32(index))
  }

  /** The session that a reset names. */
  resettable(peerIndex: Uint8Array): Session | undefined {
    return this.byPeerIndex.get(uint32(peerIndex))
  }

  setPeerIndex(session: Session, peerIndex: number): void {
    this.dropPeerIndex(session)
    session.peerIndex = peerIndex
    if (!this.byPeerIndex.has(peerIndex)) this.byPeerIndex.set(peerIndex, session)
  }

  private dropPeerIndex(session: Session): void {
    const { peerIndex } = session
    if (peerIndex !== undefined && this.byPeerIndex.get(peerIndex) === session) this.byPeerIndex.delete(peerIndex)
  }

  begunBy(initKey: string): Session | undefined {
    return this.byInit.get(initKey)
  }

  full(): boolean {
    return this.byId.size >= this.bounds.sessions
  }

  /** Sessions whose initiator has proved nothing. */
  get halfOpenCount(): number {
    return this.halfOpen
  }

  halfOpenFull(): boolean {
    return this.halfOpen >= this.bounds.halfOpenSessions
  }

  /** Whether a source may have one more session. Only proved ones count: who forges a source takes nothing of its share. */
  shareAllows(source: Source): boolean {
    return this.shares.allows(source)
  }

  add(session: Session): void {
    this.byId.set(session.id, session)
    for (const index of session.indexes) this.byIndex.set(index, session)
    if (session.initKey !== undefined) this.byInit.set(session.initKey, session)
    if (session.phase.name === 'answering') this.halfOpen++
    this.deadlines.update(session)
  }

  /** A session leaves the phase in which its initiator has proved nothing, and counts for its source from now on. */
  onProved(session: Session, source: Source): void {
    this.halfOpen--
    session.source = source
    this.shares.add(source)
  }

  remove(session: Session): void {
    if (session.phase.name === 'answering') this.halfOpen--
    if (session.source !== undefined) this.shares.remove(session.source)
    this.byId.delete(session.id)
    this.dropPeerIndex(session)
    for (const index of session.indexes) this.byIndex.delete(index)
    if (session.initKey !== undefined) this.byInit.delete(session.initKey)
    this.deadlines.remove(session)
  }

  /** One more index for a session: its next keys go by it. */
  addIndex(now: Millis, session: Session): SessionIndex {
    const index = this.freshIndex(now)
    session.indexes.add(index.number)
    this.byIndex.set(index.number, session)
    return index
  }

  dropIndex(session: Session, index: number): void {
    session.indexes.delete(index)
    this.byIndex.delete(index)
  }

  freshId(): SessionId {
    return this.nextId++ as SessionId
  }

  freshIndex(now: Millis): SessionIndex {
    for (;;) {
      const index = drawIndex(now, this.random)
      if (!this.byIndex.has(index.number)) return index
    }
  }
}
