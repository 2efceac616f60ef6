/**
 * P1's part in receipts: the tokens that P2 handed back for each request, kept until S asks for them at a time of its own
 * choosing (PROTOCOL.md section 7). A request is known by bytes of its R, which P1, P2 and S hold anyway. Count, bytes and time are
 * bounded. What one link brings takes up no more than it leaves free, or its oldest makes way: so it pushes out
 * its own before that of others. Of a link that is gone only that is kept which of them came by one.
 */
import type { ProxyLimits } from '../../base/bounds.js'
import { toHex } from '../../base/bytes.js'
import type { RandomBytes } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import type { SessionId } from '../../link/link.js'
import { TICKET_BYTES } from '../../wire/message.js'

type TicketBounds = Pick<ProxyLimits, 'tickets' | 'ticketBytes' | 'ticketLifeMs'>

/** What one link brought. */
interface Share {
  /** Hex tickets, oldest first. */
  readonly tickets: Set<string>
  /** Of the tokens held. */
  bytes: number
}

interface Ticket {
  readonly share: Share
  /** Who the message went to, the hex id of P2 or a name for CS: nobody else may answer for it. */
  readonly second: string
  readonly tokenBytes: number
  tokens: Uint8Array | undefined
  /** Place of those tokens among what was said on the link. */
  place: number
  readonly until: Millis
}

/** R follows the kind. */
const EPHEMERAL_AT = 1

/** By what the receipts of a request are known: 16 bytes of the link message. */
export function ticketOf(request: Uint8Array): Uint8Array {
  return request.subarray(EPHEMERAL_AT, EPHEMERAL_AT + TICKET_BYTES)
}

/** The same for a sealed copy that was sent directly. A copy of the bytes. */
export function ticketOfCopy(sealed: Uint8Array): Uint8Array {
  return sealed.slice(0, TICKET_BYTES)
}

export class Tickets {
  private readonly random: RandomBytes
  private readonly bounds: TicketBounds
  /** By hex ticket, oldest first; all live equally long. */
  private readonly tickets = new Map<string, Ticket>()
  /** Of links that are up. */
  private readonly shares = new Map<SessionId, Share>()
  private heldBytes = 0

  constructor(random: RandomBytes, bounds: TicketBounds) {
    this.random = random
    this.bounds = bounds
  }

  get count(): number {
    return this.tickets.size
  }

  /** Makes ready for so many bytes of tokens from where a message of this link goes; a ticket that is known stays as it is. */
  expect(now: Millis, session: SessionId, second: string, ticket: Uint8Array, tokenBytes: number): void {
    const name = toHex(ticket)
    if (this.tickets.has(name)) return
    const share = this.shareOf(session)
    const { tickets: most, ticketLifeMs } = this.bounds
    while (share.tickets.size > 0 && share.tickets.size >= most - this.tickets.size) this.forgetOldest(share.tickets)
    if (this.tickets.size >= most) this.forgetOldest(this.tickets.keys())
    share.tickets.add(name)
    this.tickets.set(name, { share, second, tokenBytes, tokens: undefined, place: -1, until: now + ticketLifeMs })
  }

  /** A link is gone. */
  closed(session: SessionId): void {
    this.shares.delete(session)
  }

  /**
   * Keeps what P2 hands back, the latest; false for what is not expected from it. `place` is the number of the link message, since a
   * link may bring the earlier of two, which has fewer tokens, after the later. All for one ticket come on one link.
   */
  keep(second: string, ticket: Uint8Array, tokens: Uint8Array, place = 0): boolean {
    const name = toHex(ticket)
    const held = this.tickets.get(name)
    if (held === undefined || held.second !== second || held.tokenBytes !== tokens.length) return false
    if (place < held.place) return true
    held.place = place
    const { share } = held
    this.countBytes(share, tokens.length - (held.tokens?.length ?? 0))
    held.tokens = tokens.slice()
    const { ticketBytes } = this.bounds
    while (share.tickets.size > 1 && share.bytes > ticketBytes - this.heldBytes) this.forgetOldest(share.tickets)
    while (this.heldBytes > ticketBytes) this.forgetOldest(this.tickets.keys())
    return true
  }

  /** What S gets: as many bytes as it asks for, whether there are tokens or not. */
  answer(ticket: Uint8Array, tokenBytes: number): Uint8Array {
    const tokens = this.tickets.get(toHex(ticket))?.tokens
    return tokens?.length === tokenBytes ? tokens : this.random(tokenBytes)
  }

  timeout(now: Millis): void {
    while ((this.deadline() ?? Number.POSITIVE_INFINITY) <= now) this.forgetOldest(this.tickets.keys())
  }

  deadline(): Millis | undefined {
    return this.tickets.values().next().value?.until
  }

  private shareOf(session: SessionId): Share {
    const share = this.shares.get(session) ?? { tickets: new Set(), bytes: 0 }
    this.shares.set(session, share)
    return share
  }

  private countBytes(share: Share, bytes: number): void {
    share.bytes += bytes
    this.heldBytes += bytes
  }

  private forgetOldest(among: Iterable<string>): void {
    const [name] = among
    const ticket = name === undefined ? undefined : this.tickets.get(name)
    if (name === undefined || ticket === undefined) return
    this.tickets.delete(name)
    ticket.share.tickets.delete(name)
    this.countBytes(ticket.share, -(ticket.tokens?.length ?? 0))
  }
}
