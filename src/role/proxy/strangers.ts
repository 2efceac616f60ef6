/**
 * What comes from who proved nothing, senders and other proxies alike: messages to pass on (P1, P3), requests to split (P2) and
 * questions for receipts (PROTOCOL.md sections 5, 7 and 12). Each finds its part; of refusals only want of room is told.
 */
import { toHex, utf8 } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import type { Millis } from '../../base/time.js'
import { receiptBytes } from '../../group/sizes.js'
import type { LinkEndpoint, MessageNumber, SessionId } from '../../link/link.js'
import type { FieldObserver } from '../../wire/codec.js'
import { encodeMessage, type Message, type MessageOf, messageKinds } from '../../wire/message.js'
import type { VerifiedDirectory } from '../server-link.js'
import type { LinkRates } from './link-rates.js'
import type { NextHops } from './next-hops.js'
import type { Passing } from './passing.js'
import type { Requests } from './requests.js'
import { type Tickets, ticketOf } from './tickets.js'

const TOLD: ReadonlySet<DropCode> = new Set([
  'REQUEST_FULL',
  'REQUEST_RATE',
  'FORWARD_FULL',
  'FORWARD_RATE',
  'JOB_FAILED',
])

/** A message as it came, and on what. */
export interface Incoming {
  readonly session: SessionId
  readonly number: MessageNumber
}

interface Parts {
  readonly endpoint: LinkEndpoint
  readonly observe: FieldObserver | undefined
  /** In hex. */
  readonly ids: { readonly own: string; readonly server: string }
  readonly directory: () => VerifiedDirectory | undefined
  readonly requests: Requests
  readonly passing: Passing
  readonly nextHops: NextHops
  readonly tickets: Tickets
  readonly askRates: LinkRates
  /** Says that a session brings what neighbours bring, not senders. */
  readonly isNeighbour: (session: SessionId) => void
  readonly drop: (code: DropCode) => void
}

export class Strangers {
  private readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  /** A session is over. */
  forget(session: SessionId): void {
    this.parts.askRates.forget(session)
    this.parts.tickets.closed(session)
  }

  take(now: Millis, incoming: Incoming, message: Message): void {
    if (message.kind === 'forward') {
      this.refuse(now, incoming, this.forward(now, incoming, message.value))
    } else if (message.kind === 'request') {
      // Senders bring no requests to be split; until the first one, nothing tells proxies from senders.
      this.parts.isNeighbour(incoming.session)
      this.observeSource('request link', incoming)
      this.parts.requests.take(now, incoming.session, message.value, (then, code) => this.refuse(then, incoming, code))
    } else if (message.kind === 'receiptRequest') this.asked(now, incoming.session, message.value)
    else this.parts.drop('ROLE_UNEXPECTED')
  }

  /** Tokens of a request, or random bytes: the answer is of the length that was asked for, whatever there is. */
  private asked(now: Millis, session: SessionId, { ticket, tokenBytes }: MessageOf<'receiptRequest'>['value']): void {
    if (!this.parts.askRates.take(now, session, 1)) {
      this.parts.drop('RECEIPT_RATE')
      return
    }
    const tokens = this.parts.tickets.answer(ticket, tokenBytes)
    const number = this.parts.endpoint.send(now, session, encodeMessage('receiptReply', { ticket, tokens }), 'receipt')
    if (number === undefined) this.parts.drop('RECEIPT_RATE')
  }

  /** Of what lies inside, the kind is read and the bytes by which its receipts are known: it is passed on as it came. */
  private forward(
    now: Millis,
    incoming: Incoming,
    { nextHop, message }: MessageOf<'forward'>['value'],
  ): DropCode | undefined {
    const { ids } = this.parts
    const id = toHex(nextHop)
    this.observeSource(id === ids.server ? 'copy link' : 'forward link', incoming)
    if (id === ids.own) return 'FORWARD_SELF'
    if (id === ids.server) {
      this.parts.isNeighbour(incoming.session)
      return this.parts.passing.take(now, incoming.session, message)
    }
    const proxy = this.parts.directory()?.proxies.get(id)
    if (proxy === undefined) return 'FORWARD_UNKNOWN'
    if (message[0] !== messageKinds.request) return 'FORWARD_KIND'
    if (!this.parts.nextHops.forwardToProxy(now, proxy, message)) return 'FORWARD_FULL'
    const ticket = ticketOf(message)
    this.parts.observe?.('forward link', 'ticket', ticket)
    this.parts.tickets.expect(now, incoming.session, id, ticket, receiptBytes(message.length))
    return undefined
  }

  /** Only want of room or of a thread is told, so that the sender tries elsewhere; about anything else a peer learns nothing. */
  private refuse(now: Millis, { session, number }: Incoming, code: DropCode | undefined): void {
    if (code === undefined) return
    this.parts.drop(code)
    if (!TOLD.has(code)) return
    this.parts.endpoint.send(now, session, encodeMessage('busy', { message: number }), 'receipt')
  }

  private observeSource(format: string, { session }: Incoming): void {
    const address = this.parts.endpoint.peer(session)?.address
    if (address !== undefined) this.parts.observe?.(format, 'source', utf8(`${address.host}:${address.port}`))
  }
}
