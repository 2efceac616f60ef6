/**
 * The answering half of handshakes, in the order of what it costs: the MAC before any other work, a repeat, the bounds,
 * under load a cookie and the rate of the source, then a queue that is answered at a bounded rate and sheds what it
 * cannot hold (PROTOCOL.md section 10.1).
 */
import type { LinkLimits } from '../base/bounds.js'
import { type Key, toHex } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import { handshakeInit } from '../wire/datagram.js'
import { Cookies } from './cookies.js'
import { answerInit, type Established, macFits, macKeyOf, type ResponderKeys } from './handshake.js'
import type { PeerAddress } from './link.js'
import type { LinkCrypto } from './noise.js'
import { Queue } from './queue.js'
import type { Session } from './session.js'
import type { SessionTable } from './session-table.js'
import { SourceRates, sourceOf } from './sources.js'
import { TokenBucket } from './token-bucket.js'

/** An init that was answered: what its session begins with. */
export interface Answered {
  readonly from: PeerAddress
  readonly initKey: string
  readonly index: number
  readonly response: Uint8Array
  readonly established: Established
  readonly initBytes: number
}

export type Taken =
  | { readonly type: 'drop'; readonly code: DropCode }
  /** The session was begun by this very init, and may still be waiting for its first packet. */
  | { readonly type: 'repeated'; readonly session: Session }
  /** To be answered with this datagram instead of a session. */
  | { readonly type: 'cookie'; readonly reply: Uint8Array }
  /** Waits for `next`. */
  | { readonly type: 'queued' }

interface Waiting {
  readonly from: PeerAddress
  readonly bytes: Uint8Array
}

const EPHEMERAL_BYTES = 32
/** How long a responder goes on asking for cookies after it was last under load. */
const LOAD_LASTS_MS = 1000

export class Responder {
  private readonly crypto: LinkCrypto
  private readonly bounds: LinkLimits
  private readonly random: RandomBytes
  private readonly sessions: SessionTable
  private readonly keys: ResponderKeys
  private readonly macKey: Uint8Array
  private readonly cookies: Cookies
  private readonly rates: SourceRates
  private readonly waiting = new Queue<Waiting>()
  private rate: TokenBucket | undefined
  private loadedUntil: Millis = 0

  constructor(linkSecret: Key, crypto: LinkCrypto, random: RandomBytes, bounds: LinkLimits, sessions: SessionTable) {
    this.crypto = crypto
    this.random = random
    this.bounds = bounds
    this.sessions = sessions
    const linkKey = crypto.x25519Public(linkSecret)
    this.keys = { linkSecret, linkKey }
    this.macKey = macKeyOf(crypto, linkKey)
    this.cookies = new Cookies(crypto, random, linkKey)
    this.rates = new SourceRates(bounds)
  }

  /** Takes an init; `bytes` is the whole datagram. */
  take(now: Millis, from: PeerAddress, init: FormatValue<typeof handshakeInit>, bytes: Uint8Array): Taken {
    if (!macFits(this.crypto, this.macKey, init, bytes)) return drop('LINK_MAC')
    const known = this.sessions.begunBy(initKeyOf(init, from))
    if (known !== undefined) return { type: 'repeated', session: known }
    if (this.sessions.full()) return drop('LINK_FULL')
    const source = sourceOf(from.host)
    if (this.isLoaded(now)) {
      if (!this.cookies.fits(now, from, init, bytes))
        return { type: 'cookie', reply: this.cookies.reply(now, from, init) }
      if (!this.rates.take(now, source)) return drop('LINK_RATE')
    }
    if (this.sessions.halfOpenFull()) return drop('LINK_FULL')
    if (!this.sessions.shareAllows(source)) return drop('LINK_SHARE')
    if (this.waiting.length >= this.bounds.handshakeQueue) return drop('LINK_BUSY')
    this.waiting.push({ from, bytes: bytes.slice() })
    return { type: 'queued' }
  }

  /** The next init in the queue, answered; `undefined` where none waits or the rate is spent. */
  next(now: Millis): Answered | { readonly dropped: DropCode; readonly from: PeerAddress } | undefined {
    const first = this.waiting.peek()
    if (first === undefined) return undefined
    const { handshakesPerSecond } = this.bounds
    this.rate ??= new TokenBucket(handshakesPerSecond, handshakesPerSecond / 4, now)
    if (!this.rate.take(now)) return undefined
    this.waiting.shift()
    return this.answer(now, first)
  }

  /** When `next` has something again. */
  deadline(): Millis | undefined {
    return this.waiting.length === 0 ? undefined : this.rate?.readyAt()
  }

  private answer(
    now: Millis,
    { from, bytes }: Waiting,
  ): Answered | { readonly dropped: DropCode; readonly from: PeerAddress } {
    const parsed = handshakeInit.parse(bytes)
    if (!parsed.ok) return { dropped: parsed.code, from }
    // A repeat may have waited behind the init that it repeats, and the table may have filled up meanwhile.
    const initKey = initKeyOf(parsed.value, from)
    if (this.sessions.begunBy(initKey) !== undefined) return { dropped: 'LINK_UNEXPECTED', from }
    if (this.sessions.full() || this.sessions.halfOpenFull()) return { dropped: 'LINK_FULL', from }
    const index = this.sessions.freshIndex(now)
    const own = { index: index.bytes, ephemeralSecret: this.random(EPHEMERAL_BYTES) }
    const answer = answerInit(this.crypto, this.bounds, this.keys, parsed.value, own)
    if (answer === undefined) return { dropped: 'LINK_HANDSHAKE', from }
    return { from, initKey, index: index.number, ...answer, initBytes: bytes.length }
  }

  private isLoaded(now: Millis): boolean {
    const { handshakeQueueLoad, halfOpenLoad } = this.bounds
    const loaded = this.waiting.length >= handshakeQueueLoad || this.sessions.halfOpenCount >= halfOpenLoad
    if (loaded) this.loadedUntil = now + LOAD_LASTS_MS
    return now < this.loadedUntil
  }
}

function initKeyOf({ ephemeral, senderIndex }: FormatValue<typeof handshakeInit>, { host, port }: PeerAddress): string {
  return `${toHex(ephemeral)} ${toHex(senderIndex)} ${host} ${port}`
}

function drop(code: DropCode): Taken {
  return { type: 'drop', code }
}
