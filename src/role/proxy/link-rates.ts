/**
 * A rate for each incoming link, of copies to be made or of receipts asked for (PROTOCOL.md section 7.1), so that nobody takes
 * all of this proxy's work away from others. What is past it is refused before anything is kept of it.
 */
import type { Millis } from '../../base/time.js'
import type { SessionId } from '../../link/link.js'

interface Account {
  left: number
  filledAt: Millis
}

/** The rate of one link, for who holds it: it goes on counting where the link is gone meanwhile. */
export interface LinkRate {
  /** Whether there is any more now. */
  allows(now: Millis): boolean
  /** Takes so many from what there is; whether there were as many. */
  take(now: Millis, count: number): boolean
}

export class LinkRates {
  private readonly perMs: number
  private readonly burst: number
  /** Of links that have been heard of and are not gone. */
  private readonly accounts = new Map<SessionId, Account>()

  constructor(perSecond: number, burst: number) {
    this.perMs = perSecond / 1000
    this.burst = burst
  }

  /** Links that are remembered. */
  get count(): number {
    return this.accounts.size
  }

  /** Takes so many from what the link, which must be up, may have; whether there were as many. */
  take(now: Millis, session: SessionId, count: number): boolean {
    return this.of(now, session).take(now, count)
  }

  /** The rate of a link that is up: to be asked for now by whoever takes from it later, since nobody forgets one that is gone. */
  of(now: Millis, session: SessionId): LinkRate {
    const account = this.accounts.get(session) ?? { left: this.burst, filledAt: now }
    this.accounts.set(session, account)
    return {
      allows: (then) => this.filled(then, account).left >= 1,
      take: (then, count) => {
        if (this.filled(then, account).left < count) return false
        account.left -= count
        return true
      },
    }
  }

  /** The link is gone. */
  forget(session: SessionId): void {
    this.accounts.delete(session)
  }

  private filled(now: Millis, account: Account): Account {
    if (now <= account.filledAt) return account
    account.left = Math.min(this.burst, account.left + (now - account.filledAt) * this.perMs)
    account.filledAt = now
    return account
  }
}
