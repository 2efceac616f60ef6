/**
 * Who is at the other end of each link: nobody known until an identity proof fits the link's own handshake, then a
 * device or a proxy (PROTOCOL.md section 9.1). An identity has one session: a newer one takes the older one's place.
 */
import type { IdentityKey, NodeId } from '../../base/bytes.js'
import type { Millis } from '../../base/time.js'
import type { SessionId } from '../../link/link.js'
import { Queue } from '../../link/queue.js'
import type { MessageOf, RoleName } from '../../wire/message.js'

export type IdentityProof = MessageOf<'identityProof'>['value']

/** A session whose other end is known. */
export interface Proven {
  readonly phase: 'proven'
  readonly session: SessionId
  readonly role: RoleName
  /** Hex id. */
  readonly id: string
  readonly idBytes: NodeId
  readonly identityKey: IdentityKey
  /** Where the session was begun from. */
  readonly host: string
  /** The network of that host (/24 of IPv4, /48 of IPv6): identities cost nothing, so shares are given to these. */
  readonly network: string
}

export type Session = { readonly phase: 'unproven'; readonly session: SessionId; readonly host: string } | Proven

interface Stranger {
  readonly session: SessionId
  readonly until: Millis
}

/** A stranger's session says who it is within this time or is closed: sessions are what an endpoint has a limit of. */
const PROOF_WITHIN_MS = 10_000

export class Sessions {
  private readonly sessions = new Map<SessionId, Session>()
  private readonly byId = new Map<string, Proven>()
  private readonly strangers = new Queue<Stranger>()

  accept(now: Millis, session: SessionId, host: string): void {
    this.sessions.set(session, { phase: 'unproven', session, host })
    this.strangers.push({ session, until: now + PROOF_WITHIN_MS })
  }

  get(session: SessionId): Session | undefined {
    return this.sessions.get(session)
  }

  /** The session of an identity. */
  of(id: string): Proven | undefined {
    return this.byId.get(id)
  }

  /** Takes note of a proof; returns the session it replaces. */
  prove(proven: Proven): Proven | undefined {
    const older = this.byId.get(proven.id)
    this.sessions.set(proven.session, proven)
    this.byId.set(proven.id, proven)
    return older === undefined || older.session === proven.session ? undefined : older
  }

  /** Forgets a session; returns who was there, unless that identity is at another session by now. */
  remove(session: SessionId): Proven | undefined {
    const gone = this.sessions.get(session)
    this.sessions.delete(session)
    if (gone?.phase !== 'proven' || this.byId.get(gone.id) !== gone) return undefined
    this.byId.delete(gone.id)
    return gone
  }

  proven(): IterableIterator<Proven> {
    return this.byId.values()
  }

  /** When the next stranger's time is up. */
  deadline(): Millis | undefined {
    return this.nextStranger()?.until
  }

  /** Sessions that never said who they are, and had the time to. */
  overdue(now: Millis): SessionId[] {
    const overdue: SessionId[] = []
    for (let next = this.nextStranger(); next !== undefined && next.until <= now; next = this.nextStranger()) {
      overdue.push(next.session)
      this.strangers.shift()
    }
    return overdue
  }

  /** Skips those that are known by now, or gone. */
  private nextStranger(): Stranger | undefined {
    for (let next = this.strangers.peek(); next !== undefined; next = this.strangers.peek()) {
      if (this.sessions.get(next.session)?.phase === 'unproven') return next
      this.strangers.shift()
    }
    return undefined
  }
}
