/**
 * Stateless reset: an end that has lost a session tells the other end so, by a tag that only the two could make, and
 * tells a stranger nothing: what cannot be opened under a session that lives is answered alike (PROTOCOL.md section
 * 10.6; RFC 9000 section 10.3).
 */
import type { LinkLimits } from '../base/bounds.js'
import { bigEndian, concat, equalConstantTime, type Key } from '../base/bytes.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import { headByte, type packet, statelessReset } from '../wire/datagram.js'
import type { LinkCrypto } from './noise.js'
import { PacketOpener } from './protection.js'
import { termOf } from './session-index.js'
import { TokenBucket } from './token-bucket.js'

const RESET_BYTES = statelessReset.fixedBytes as number
const TOKEN_BYTES = 16
const KEY_BYTES = 32
const TERM_BYTES = 6
const UNPREDICTABLE_BYTES = 4
const EMPTY = new Uint8Array(0)

export class Resets {
  private readonly crypto: LinkCrypto
  private readonly random: RandomBytes
  private readonly bounds: LinkLimits
  private readonly secret: Uint8Array
  private decoy: PacketOpener | undefined
  private rate: TokenBucket | undefined

  /** `linkSecret` outlives a restart, and so do the tokens made of it. */
  constructor(crypto: LinkCrypto, random: RandomBytes, bounds: LinkLimits, linkSecret: Key) {
    this.crypto = crypto
    this.random = random
    this.bounds = bounds
    this.secret = crypto.hkdf(linkSecret, EMPTY, labels.reset, KEY_BYTES)
  }

  /**
   * What the peer of the session that this end names `index` has to know to believe a reset. Secret. Bound to the term in
   * which the index was drawn: what somebody learns or collects of an index is of no use for a later session of that index.
   */
  token(now: Millis, index: Uint8Array): Uint8Array {
    const term = bigEndian(termOf(now, index), TERM_BYTES)
    return this.crypto.hmac(this.secret, concat(index, term)).slice(0, TOKEN_BYTES)
  }

  /**
   * The answer to a packet that did not open, shorter than the packet: a reset for a session that is gone, and for one
   * that lives what looks the same and is none. `undefined` where the packet is too short or the rate is spent.
   */
  answer(now: Millis, received: FormatValue<typeof packet>, sizeBytes: number, lives: boolean): Uint8Array | undefined {
    if (sizeBytes <= RESET_BYTES) return undefined
    const { resetsPerSecond } = this.bounds
    this.rate ??= new TokenBucket(resetsPerSecond, resetsPerSecond, now)
    if (!this.rate.take(now)) return undefined
    // A session that is gone takes as long to answer as one whose packet was tried in vain.
    if (!lives) this.decoyOpener().open(received)
    const unpredictable = this.random(UNPREDICTABLE_BYTES)
    const token = lives ? this.random(TOKEN_BYTES) : this.token(now, received.receiverIndex)
    return statelessReset.encode({
      head: headByte('statelessReset'),
      receiverIndex: received.receiverIndex,
      unpredictable,
      token: resetTag(this.crypto, token, unpredictable),
    })
  }

  private decoyOpener(): PacketOpener {
    const { packetsPerKey } = limits
    this.decoy ??= new PacketOpener(
      this.crypto,
      this.random(KEY_BYTES),
      new Uint8Array(UNPREDICTABLE_BYTES),
      packetsPerKey,
    )
    return this.decoy
  }
}

/** Whether a reset was made with the token of the session. */
export function resetFits(crypto: LinkCrypto, token: Uint8Array, reset: FormatValue<typeof statelessReset>): boolean {
  return equalConstantTime(resetTag(crypto, token, reset.unpredictable), reset.token)
}

/** Another one each time, so that the answers of a session that is gone differ like those of one that lives. */
function resetTag(crypto: LinkCrypto, token: Uint8Array, unpredictable: Uint8Array): Uint8Array {
  return crypto.hmac(token, unpredictable).slice(0, TOKEN_BYTES)
}
