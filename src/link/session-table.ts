/**
 * The sessions of an endpoint, found by id, by the index in a packet, or by the init that began them, and how many of
 * them there may be (PROTOCOL.md section 10.1).
 */
import type { LinkLimits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import { Deadlines } from './deadlines.js'
import type { SessionId } from './link.js'
import type { Session } from './session.js'

const INDEX_BYTES = 4

/** A session's index as it stands in packets, and as the number that it is found by. */
export interface SessionIndex {
  readonly bytes: Uint8Array
  readonly number: number
}

export class SessionTable {
  readonly deadlines = new Deadlines<Session>()
  private readonly bounds: LinkLimits
  private readonly random: RandomBytes
  private readonly byId = new Map<SessionId, Session>()
  private readonly byIndex = new Map<number, Session>()
  private readonly byInit = new Map<string, Session>()
  private halfOpen = 0
  private nextId = 0

  constructor(bounds: LinkLimits, random: RandomBytes) {
    this.bounds = bounds
    this.random = random
  }

  get(id: SessionId): Session | undefined {
    return this.byId.get(id)
  }

  /** The session that a packet names; `index` is its 4 bytes. */
  named(index: Uint8Array): Session | undefined {
    return this.byIndex.get(indexNumber(index))
  }

  begunBy(initKey: string): Session | undefined {
    return this.byInit.get(initKey)
  }

  full(): boolean {
    return this.byId.size >= this.bounds.sessions
  }

  /** Whether no stranger's session may begin. */
  closedToStrangers(): boolean {
    return this.full() || this.halfOpen >= this.bounds.halfOpenSessions
  }

  add(session: Session): void {
    this.byId.set(session.id, session)
    this.byIndex.set(session.index, session)
    if (session.initKey !== undefined) this.byInit.set(session.initKey, session)
    if (session.phase.name === 'answering') this.halfOpen++
    this.deadlines.update(session)
  }

  /** A session leaves the phase in which its initiator has proved nothing. */
  onProved(): void {
    this.halfOpen--
  }

  remove(session: Session): void {
    if (session.phase.name === 'answering') this.halfOpen--
    this.byId.delete(session.id)
    this.byIndex.delete(session.index)
    if (session.initKey !== undefined) this.byInit.delete(session.initKey)
    this.deadlines.remove(session)
  }

  freshId(): SessionId {
    return this.nextId++ as SessionId
  }

  freshIndex(): SessionIndex {
    for (;;) {
      const bytes = this.random(INDEX_BYTES)
      const number = indexNumber(bytes)
      if (!this.byIndex.has(number)) return { bytes, number }
    }
  }
}

function indexNumber(index: Uint8Array): number {
  return new DataView(index.buffer, index.byteOffset, INDEX_BYTES).getUint32(0)
}
