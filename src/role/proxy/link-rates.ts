/**
 * A rate for each incoming link, of copies to be made or of receipts asked for (PROTOCOL.md section 11), so that nobody takes
 * all of this proxy's work away from others. What is past it is refused before anything is kept of it.
 */
import type { Millis } from '../../base/time.js'
import type { SessionId } from '../../link/link.js'

interface Account {
  left: number
  filledAt: Millis
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

  /** Whether the link may have any more now. */
  allows(now: Millis, session: SessionId): boolean {
    return this.account(now, session).left >= 1
  }

  /** Takes so many from what the link may have; whether there were as many. */
  take(now: Millis, session: SessionId, count: number): boolean {
    const account = this.account(now, session)
    if (account.left < count) return false
    account.left -= count
    return true
  }

  /** The link is gone. */
  forget(session: SessionId): void {
    this.accounts.delete(session)
  }

  private account(now: Millis, session: SessionId): Account {
    const account = this.accounts.get(session) ?? { left: this.burst, filledAt: now }
    this.accounts.set(session, account)
    if (now <= account.filledAt) return account
    account.left = Math.min(this.burst, account.left + (now - account.filledAt) * this.perMs)
    account.filledAt = now
    return account
  }
}
