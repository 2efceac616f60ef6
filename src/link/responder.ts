/**
 * The answering half of handshakes: refuses an init whose MAC does not fit before any other work, knows a repeated one,
 * and answers the rest as long as there is room for strangers (PROTOCOL.md section 10.1).
 */
import { type Key, toHex } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import type { LinkLimits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { FormatValue } from '../wire/codec.js'
import type { handshakeInit } from '../wire/datagram.js'
import { answerInit, type Established, macFits, type ResponderKeys } from './handshake.js'
import type { PeerAddress } from './link.js'
import type { LinkCrypto } from './noise.js'
import type { Session } from './session.js'
import type { SessionTable } from './session-table.js'

/** An init that was answered: what its session begins with. */
export interface Answered {
  readonly initKey: string
  readonly index: number
  readonly response: Uint8Array
  readonly established: Established
}

export type Taken =
  | { readonly type: 'drop'; readonly code: DropCode }
  /** The session was begun by this very init, and may still be waiting for its first packet. */
  | { readonly type: 'repeated'; readonly session: Session }
  | { readonly type: 'answered'; readonly answered: Answered }

const EPHEMERAL_BYTES = 32

export class Responder {
  private readonly crypto: LinkCrypto
  private readonly bounds: LinkLimits
  private readonly random: RandomBytes
  private readonly sessions: SessionTable
  private readonly keys: ResponderKeys

  constructor(linkSecret: Key, crypto: LinkCrypto, random: RandomBytes, bounds: LinkLimits, sessions: SessionTable) {
    this.crypto = crypto
    this.random = random
    this.bounds = bounds
    this.sessions = sessions
    this.keys = { linkSecret, linkKey: crypto.x25519Public(linkSecret) }
  }

  /** Takes an init; `bytes` is the whole datagram. */
  take(from: PeerAddress, init: FormatValue<typeof handshakeInit>, bytes: Uint8Array): Taken {
    if (!macFits(this.crypto, this.keys.linkKey, init, bytes)) return drop('LINK_MAC')
    const initKey = `${toHex(init.ephemeral)} ${toHex(init.senderIndex)} ${from.host} ${from.port}`
    const known = this.sessions.begunBy(initKey)
    if (known !== undefined) return { type: 'repeated', session: known }
    if (this.sessions.closedToStrangers()) return drop('LINK_FULL')
    const index = this.sessions.freshIndex()
    const own = { index: index.bytes, ephemeralSecret: this.random(EPHEMERAL_BYTES) }
    const answer = answerInit(this.crypto, this.bounds, this.keys, init, own)
    if (answer === undefined) return drop('LINK_HANDSHAKE')
    return { type: 'answered', answered: { initKey, index: index.number, ...answer } }
  }
}

function drop(code: DropCode): Taken {
  return { type: 'drop', code }
}
