/**
 * P2's part in receipts: the tokens by which CS answers for the copies of a request, gathered in slot order and handed to P1
 * on the link that the request came by (PROTOCOL.md section 7). They leave at moments that follow from this proxy's own wait
 * alone, in a length that follows from the request's: neither tells how many copies there were.
 */
import type { ProxyLimits } from '../../base/bounds.js'
import { LONGEST_WAIT_MEANS, type RandomBytes, RandomNumbers } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import type { SessionId } from '../../link/link.js'
import { TICKET_BYTES, TOKEN_BYTES } from '../../wire/message.js'
import { Waiting } from './waiting.js'

/** Whoever a request came from. */
export interface FirstHop {
  readonly session: SessionId
  /** Where it was when the request came, as far as that is known. */
  readonly p1Host: string | undefined
}

/** Tokens of one request. */
export interface Gathering extends FirstHop {
  readonly ticket: Uint8Array
  /** Bytes that P1 gets. */
  readonly tokenBytes: number
  /** 4 bytes a copy, random until CS has answered. */
  readonly tokens: Uint8Array
  missing: number
  /** Whether there is anything that P1 has not been handed. */
  fresh: boolean
  intervalMs: number
  readonly until: Millis
}

export interface GatheringOptions {
  readonly random: RandomBytes
  /** Mean of the random wait of each copy. */
  readonly meanWaitMs: number
  /** How long a copy is worth an answer. */
  readonly holdMs: number
  readonly bounds: Pick<ProxyLimits, 'gatherings' | 'gatheringBytes'>
  /** Hands tokens to whoever is at the other end. */
  readonly hand: (now: Millis, session: SessionId, ticket: Uint8Array, tokens: Uint8Array) => Handing
}

/** What became of tokens: handed over, to be offered again, or nobody is there any more who could take them. */
export type Handing = 'handed' | 'noRoom' | 'noLink'

/** Each interval is so much longer than the one before. */
const LATER = 1.5
/** For the split, the way to CS, its disk and the way back. */
const ROUND_TRIP_MS = 500
/** From the first moment to the second: what is late by then is late by a lost datagram or two, however long copies wait. */
const NEXT_MS = 1_000

export class ReceiptGathering {
  private readonly options: GatheringOptions
  private readonly due: Waiting<Gathering>
  private handedOver = 0
  private heldBytes = 0

  constructor(options: GatheringOptions) {
    this.options = options
    this.due = new Waiting(new RandomNumbers(options.random))
  }

  /** Requests whose tokens are not all handed over. Their copies may be gone long since: they have bounds of their own. */
  get count(): number {
    return this.due.size
  }

  /** Whether there is room for the tokens of another request. */
  hasRoom(copies: number): boolean {
    const { gatherings, gatheringBytes } = this.options.bounds
    return this.due.size < gatherings && this.heldBytes + TOKEN_BYTES * copies <= gatheringBytes
  }

  /** Times that tokens were handed to a P1. */
  get handed(): number {
    return this.handedOver
  }

  /** Begins for a request of `copies` copies that was accepted, as there is room; P1 is to get `tokenBytes`. */
  begin(
    now: Millis,
    { session, p1Host }: FirstHop,
    ephemeral: Uint8Array,
    copies: number,
    tokenBytes: number,
  ): Gathering {
    const { random, meanWaitMs, holdMs } = this.options
    const gathering = {
      session,
      p1Host,
      ticket: ephemeral.slice(0, TICKET_BYTES),
      tokenBytes,
      tokens: random(TOKEN_BYTES * copies),
      missing: copies,
      fresh: true,
      intervalMs: NEXT_MS,
      until: now + holdMs,
    }
    this.heldBytes += gathering.tokens.length
    this.due.add(now + LONGEST_WAIT_MEANS * meanWaitMs + ROUND_TRIP_MS, gathering)
    return gathering
  }

  /** What CS says of a copy; it answers for each once. */
  answered(gathering: Gathering, slot: number, token: Uint8Array): void {
    gathering.tokens.set(token, TOKEN_BYTES * slot)
    gathering.missing--
    gathering.fresh = true
  }

  timeout(now: Millis): void {
    while ((this.due.nextDue() ?? Number.POSITIVE_INFINITY) <= now) this.hand(now, this.due.take() as Gathering)
  }

  deadline(): Millis | undefined {
    return this.due.nextDue()
  }

  /** Hands over what there is; what is not complete comes again, later and later, when there is more of it. */
  private hand(now: Millis, gathering: Gathering): void {
    const handing = gathering.fresh ? this.offer(now, gathering) : 'handed'
    if (handing === 'handed') gathering.fresh = false
    const isComplete = gathering.missing === 0 && !gathering.fresh
    if (isComplete || handing === 'noLink' || now >= gathering.until) {
      this.heldBytes -= gathering.tokens.length
      return
    }
    this.due.add(now + gathering.intervalMs, gathering)
    gathering.intervalMs *= LATER
  }

  private offer(now: Millis, { session, ticket, tokens, tokenBytes }: Gathering): Handing {
    const padded = this.options.random(tokenBytes)
    padded.set(tokens)
    const handing = this.options.hand(now, session, ticket, padded)
    if (handing === 'handed') this.handedOver++
    return handing
  }
}
