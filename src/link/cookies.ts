/**
 * Cookies: what a responder under load asks of an initiator before it does any work, so that the initiator has to be
 * where its packets say it is (PROTOCOL.md section 10.1; WireGuard's paper, section 5.4.7).
 */
import { equalConstantTime, type Key, utf8 } from '../base/bytes.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import { cookieReply, type handshakeInit, headByte } from '../wire/datagram.js'
import type { PeerAddress } from './link.js'
import type { LinkCrypto } from './noise.js'

const SECRET_BYTES = 32
const COOKIE_BYTES = 16
const NONCE_BYTES = 12

export class Cookies {
  private readonly crypto: LinkCrypto
  private readonly random: RandomBytes
  private readonly sealingKey: Uint8Array
  /** The newest first; the one before it still counts, so that no cookie is worthless as soon as it was given. */
  private secrets: readonly Uint8Array[] = []
  private renewAt: Millis = 0

  constructor(crypto: LinkCrypto, random: RandomBytes, linkKey: Key) {
    this.crypto = crypto
    this.random = random
    this.sealingKey = crypto.hash(labels.linkCookie, linkKey)
  }

  /** Whether an init from this address carries a cookie that was given to this address. `bytes` is the whole datagram. */
  fits(now: Millis, from: PeerAddress, { cookieMac }: FormatValue<typeof handshakeInit>, bytes: Uint8Array): boolean {
    this.renew(now)
    const covered = bytes.subarray(0, bytes.length - COOKIE_BYTES)
    return this.secrets.some((secret) => {
      const mac = this.crypto.hmac(this.cookie(secret, from), covered)
      return equalConstantTime(mac.subarray(0, COOKIE_BYTES), cookieMac)
    })
  }

  /** The datagram that gives an initiator its cookie; shorter than the init. */
  reply(now: Millis, from: PeerAddress, { senderIndex, mac }: FormatValue<typeof handshakeInit>): Uint8Array {
    this.renew(now)
    const nonce = this.random(NONCE_BYTES)
    const cookie = this.cookie(this.secrets[0] as Uint8Array, from)
    const sealedCookie = this.crypto.aeadSeal(this.sealingKey, nonce, mac, cookie)
    return cookieReply.encode({ head: headByte('cookieReply'), receiverIndex: senderIndex, nonce, sealedCookie })
  }

  private cookie(secret: Uint8Array, { host, port }: PeerAddress): Uint8Array {
    return this.crypto.hmac(secret, utf8(`${host} ${port}`)).slice(0, COOKIE_BYTES)
  }

  private renew(now: Millis): void {
    if (now < this.renewAt) return
    const stale = now >= this.renewAt + limits.cookieSecretMs
    this.secrets = [this.random(SECRET_BYTES), ...(stale ? [] : this.secrets.slice(0, 1))]
    this.renewAt = (stale ? now : this.renewAt) + limits.cookieSecretMs
  }
}
