/**
 * P1's part in receipts: the tokens that P2 handed back for each request, kept until S asks for them at a time of its own
 * choosing (PROTOCOL.md section 7). A request is known by bytes of its R, which P1, P2 and S hold anyway; where it came from
 * is not kept. Count, bytes and time are bounded; the oldest makes way.
 */

import { toHex } from '../../base/bytes.js'
import type { RandomBytes } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import { TICKET_BYTES } from '../../wire/message.js'

export interface TicketBounds {
  readonly tickets: number
  readonly ticketBytes: number
  readonly ticketLifeMs: number
}

interface Ticket {
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
  private heldBytes = 0

  constructor(random: RandomBytes, bounds: TicketBounds) {
    this.random = random
    this.bounds = bounds
  }

  get count(): number {
    return this.tickets.size
  }

  /** Makes ready for so many bytes of tokens from where a message goes; a ticket that is known stays as it is. */
  expect(now: Millis, second: string, ticket: Uint8Array, tokenBytes: number): void {
    const name = toHex(ticket)
    if (this.tickets.has(name)) return
    if (this.tickets.size >= this.bounds.tickets) this.forgetOldest()
    const until = now + this.bounds.ticketLifeMs
    this.tickets.set(name, { second, tokenBytes, tokens: undefined, place: -1, until })
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
    this.heldBytes += tokens.length - (held.tokens?.length ?? 0)
    held.tokens = tokens.slice()
    while (this.heldBytes > this.bounds.ticketBytes) this.forgetOldest()
    return true
  }

  /** What S gets: as many bytes as it asks for, whether there are tokens or not. */
  answer(ticket: Uint8Array, tokenBytes: number): Uint8Array {
    const tokens = this.tickets.get(toHex(ticket))?.tokens
    return tokens?.length === tokenBytes ? tokens : this.random(tokenBytes)
  }

  timeout(now: Millis): void {
    while ((this.deadline() ?? Number.POSITIVE_INFINITY) <= now) this.forgetOldest()
  }

  deadline(): Millis | undefined {
    return this.tickets.values().next().value?.until
  }

  private forgetOldest(): void {
    const [oldest] = this.tickets
    if (oldest === undefined) return
    this.tickets.delete(oldest[0])
    this.heldBytes -= oldest[1].tokens?.length ?? 0
  }
}
