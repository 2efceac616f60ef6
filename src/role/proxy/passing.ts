/**
 * What P3 does, and P1 for a message that is sent directly: it takes a sealed copy from a stranger, mixes it with its own, and gives
 * back what CS answers (PROTOCOL.md sections 5 and 5.1). To another proxy it says the answer on the link, under the reference that
 * the copy came with; a sender asks for it at a time of its own, as for the receipts of a request.
 */
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { RandomBytes } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import { receiptBytes } from '../../group/sizes.js'
import type { LinkEndpoint, SessionId } from '../../link/link.js'
import type { FieldObserver } from '../../wire/codec.js'
import { encodeMessage, type MessageOf, parseMessage } from '../../wire/message.js'
import type { Copies } from './copies.js'
import type { LinkRates } from './link-rates.js'
import { type Tickets, ticketOfCopy } from './tickets.js'

export interface PassingOptions {
  readonly random: RandomBytes
  readonly endpoint: LinkEndpoint
  readonly copies: Copies
  readonly tickets: Tickets
  /** Copies a second. */
  readonly rates: LinkRates
  readonly observe?: FieldObserver
}

type Answer = MessageOf<'copyAnswers'>['value']['answers'][number]

/** By this reference a sender says that it will ask. */
const ASKED_FOR = 0
const SERVER = 'server'

export class Passing {
  private readonly options: PassingOptions
  private readonly answers = new Map<SessionId, Answer[]>()
  private takenCopies = 0

  constructor(options: PassingOptions) {
    this.options = options
  }

  /** Copies taken from others in this run. */
  get taken(): number {
    return this.takenCopies
  }

  /** Takes a message *copy* for CS that came on a link; else why not. */
  take(now: Millis, session: SessionId, message: Uint8Array): DropCode | undefined {
    const { copies, tickets, rates, observe } = this.options
    const parsed = parseMessage(message)
    if (!parsed.ok) return parsed.code
    if (parsed.value.kind !== 'copy') return 'FORWARD_KIND'
    const { reference, sealed } = parsed.value.value
    if (!rates.take(now, session, 1)) return 'FORWARD_RATE'
    if (!copies.reserve(1, message.length)) return 'FORWARD_FULL'
    this.takenCopies++
    if (reference !== ASKED_FOR) {
      copies.pass(now, message, (token) => this.say(session, { reference, token: token.slice() }))
      return undefined
    }
    const ticket = ticketOfCopy(sealed)
    observe?.('copy link', 'ticket', ticket)
    const tokenBytes = receiptBytes(message.length)
    tickets.expect(now, SERVER, ticket, tokenBytes)
    copies.pass(now, message, (token) => this.keep(ticket, tokenBytes, token))
    return undefined
  }

  /** Sends what has been answered since; a link that has no room for it loses it, and the copy comes again. */
  flush(now: Millis): void {
    for (const [session, answers] of this.answers) {
      for (let from = 0; from < answers.length; from += limits.copies) {
        const some = answers.slice(from, from + limits.copies)
        this.options.endpoint.send(now, session, encodeMessage('copyAnswers', { answers: some }), 'receipt')
      }
    }
    this.answers.clear()
  }

  private say(session: SessionId, answer: Answer): void {
    const answers = this.answers.get(session) ?? []
    answers.push(answer)
    this.answers.set(session, answers)
  }

  private keep(ticket: Uint8Array, tokenBytes: number, token: Uint8Array): void {
    const padded = this.options.random(tokenBytes)
    padded.set(token)
    this.options.tickets.keep(SERVER, ticket, padded)
  }
}
