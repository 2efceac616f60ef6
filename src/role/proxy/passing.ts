/**
 * What P3 does, and P1 for a message that is sent directly: it takes a sealed copy from a stranger, mixes it with its own, and gives
 * back what CS answers (PROTOCOL.md sections 5 and 5.1). To another proxy it says the answer on the link, under the reference that
 * the copy came with, after a random wait, or the moment at which CS answers would show whose copy it was; a sender asks for it at a
 * time of its own, as for the receipts of a request.
 */
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { exponentialMs, type RandomBytes, RandomNumbers } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import { receiptBytes } from '../../group/sizes.js'
import type { LinkEndpoint, SessionId } from '../../link/link.js'
import type { FieldObserver } from '../../wire/codec.js'
import { ASKED_FOR, encodeMessage, type MessageOf, parseMessage } from '../../wire/message.js'
import type { Copies } from './copies.js'
import type { LinkRates } from './link-rates.js'
import { type Tickets, ticketOfCopy } from './tickets.js'
import { Waiting } from './waiting.js'

export interface PassingOptions {
  readonly random: RandomBytes
  readonly meanWaitMs: number
  readonly endpoint: LinkEndpoint
  readonly copies: Copies
  readonly tickets: Tickets
  /** Copies a second. */
  readonly rates: LinkRates
  readonly observe?: FieldObserver
}

type Answer = MessageOf<'copyAnswers'>['value']['answers'][number]

/** An answer and the link that it goes back on. */
interface Owed {
  readonly session: SessionId
  readonly answer: Answer
}

const SERVER = 'server'

export class Passing {
  private readonly options: PassingOptions
  private readonly numbers: RandomNumbers
  /** What CS has answered since the last flush, and what waits. */
  private answered: Owed[] = []
  private readonly owed: Waiting<Owed>
  private takenCopies = 0

  constructor(options: PassingOptions) {
    this.options = options
    this.numbers = new RandomNumbers(options.random)
    this.owed = new Waiting(this.numbers)
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
      copies.pass(now, message, (token) => this.answered.push({ session, answer: { reference, token: token.slice() } }))
      return undefined
    }
    const ticket = ticketOfCopy(sealed)
    observe?.('copy link', 'ticket', ticket)
    const tokenBytes = receiptBytes(message.length)
    tickets.expect(now, session, SERVER, ticket, tokenBytes)
    copies.pass(now, message, (token) => this.keep(ticket, tokenBytes, token))
    return undefined
  }

  /** When the next answer is to go back. */
  deadline(): Millis | undefined {
    return this.owed.nextDue()
  }

  /** Sends the answers that are due, and says whether there were any; a link that has no room for them loses them, and the copies come again. */
  flush(now: Millis): boolean {
    this.delay(now)
    if ((this.owed.nextDue() ?? now + 1) > now) return false
    const due = new Map<SessionId, Answer[]>()
    while ((this.owed.nextDue() ?? now + 1) <= now) {
      const { session, answer } = this.owed.take() as Owed
      const ofSession = due.get(session)
      if (ofSession === undefined) due.set(session, [answer])
      else ofSession.push(answer)
    }
    for (const [session, answers] of due) this.say(now, session, answers)
    return due.size > 0
  }

  /** Past the bound an answer is lost, and the copy comes again. */
  private delay(now: Millis): void {
    for (const owed of this.answered) {
      if (this.owed.size >= limits.waitingCopies) break
      this.owed.add(now + exponentialMs(this.numbers, this.options.meanWaitMs), owed)
    }
    this.answered = []
  }

  private say(now: Millis, session: SessionId, due: readonly Answer[]): void {
    for (let from = 0; from < due.length; from += limits.copies) {
      const answers = due.slice(from, from + limits.copies)
      this.options.endpoint.send(now, session, encodeMessage('copyAnswers', { answers }), 'receipt')
    }
  }

  private keep(ticket: Uint8Array, tokenBytes: number, token: Uint8Array): void {
    const padded = this.options.random(tokenBytes)
    padded.set(token)
    this.options.tickets.keep(SERVER, ticket, padded)
  }
}
