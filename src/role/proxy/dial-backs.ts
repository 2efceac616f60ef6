/**
 * Tries, for CS, whether a node can be reached at an address: a handshake that only the holder of its key completes, and
 * nothing after it (PROTOCOL.md section 9.8). Bounded, since CS names the address: what is past the bounds is not answered.
 */
import { equal, key } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import type { Signing } from '../../crypto/crypto.js'
import type { LinkEndpoint, LinkOutput, SessionId } from '../../link/link.js'
import type { MessageOf } from '../../wire/message.js'
import { peerAddress } from '../addresses.js'
import { DialRates } from '../dial-rates.js'
import type { Self } from '../role.js'

type DialBack = MessageOf<'dialBack'>['value']

export class DialBacks {
  private readonly crypto: Signing
  private readonly endpoint: LinkEndpoint
  private readonly self: Self
  private readonly rates = new DialRates()
  private readonly nonces = new Map<SessionId, Uint8Array>()
  private readonly report: (now: Millis, nonce: Uint8Array, reached: boolean) => void

  /** `report` tells CS. */
  constructor(crypto: Signing, endpoint: LinkEndpoint, self: Self, report: DialBacks['report']) {
    this.crypto = crypto
    this.endpoint = endpoint
    this.self = self
    this.report = report
  }

  /** False where it is not tried. */
  dial(now: Millis, { nonce, identityKey, address }: DialBack): boolean {
    const to = peerAddress(address)
    const linkKey = this.crypto.linkPublicKey(identityKey)
    if (to === undefined || linkKey === undefined || equal(identityKey, this.self.identity.identityKey)) return false
    if (this.nonces.size >= limits.dialBacks || !this.rates.take(now, to.host)) return false
    this.nonces.set(this.endpoint.connect(now, key(linkKey), to), nonce.slice())
    return true
  }

  /** Offers an output of the endpoint; true where it concerned a try. */
  linkOutput(now: Millis, output: LinkOutput): boolean {
    if (!('session' in output)) return false
    const nonce = this.nonces.get(output.session)
    if (nonce === undefined) return false
    if (output.type !== 'connected' && output.type !== 'closed') return true
    this.nonces.delete(output.session)
    if (output.type === 'connected') this.endpoint.close(now, output.session, 'done')
    this.report(now, nonce, output.type === 'connected')
    return true
  }
}
