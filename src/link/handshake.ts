/**
 * The datagrams of a handshake: an init with the MAC that only who knows the responder's key can make, repeated until it
 * is answered, and the response (PROTOCOL.md section 10.1). Cookies as in WireGuard, section 5.4.7 of its paper.
 */
import type { LinkLimits } from '../base/bounds.js'
import { concat, equalConstantTime, type Key, wipe } from '../base/bytes.js'
import { labels } from '../base/labels.js'
import type { Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import { type cookieReply, handshakeInit, handshakeResponse, headByte } from '../wire/datagram.js'
import type { PeerAddress } from './link.js'
import { type LinkCrypto, NoiseInitiator, NoiseResponder, type SessionSecrets } from './noise.js'
import { PacketOpener, PacketSealer } from './protection.js'

type Init = FormatValue<typeof handshakeInit>
type Response = FormatValue<typeof handshakeResponse>
type CookieReply = FormatValue<typeof cookieReply>

/** What a finished handshake leaves: both directions' keys and the hash that identity proofs are bound to. */
export interface Established {
  readonly sealer: PacketSealer
  readonly opener: PacketOpener
  readonly handshakeHash: Uint8Array
  /** Secret: what the next keys are made of, besides fresh ones. */
  readonly rekeySecret: Uint8Array
  /** How this end names the session. */
  readonly index: Uint8Array
}

const PROLOGUE = concat(labels.linkPrologue, Uint8Array.of(1))
const MAC_BYTES = 16
const NO_MAC = new Uint8Array(MAC_BYTES)
const INIT_BYTES = handshakeInit.fixedBytes as number

/** The initiator's side, from the first datagram to the response. */
export class Initiation {
  private readonly crypto: LinkCrypto
  private readonly bounds: LinkLimits
  private readonly linkKey: Key
  private readonly noise: NoiseInitiator
  private readonly index: Uint8Array
  private readonly begunAt: Millis
  private readonly init: Init | undefined
  private cookie: Uint8Array | undefined
  /** Where the init goes: the first from the beginning, each other one after the one before it went unanswered for a while. */
  private readonly addresses: readonly PeerAddress[]
  private begunAddresses = 1
  private retryMs: number
  private retryAt: Millis
  private staggerAt: Millis
  private sends = 1
  private sentAt: Millis

  /** `ephemeralSecret` is 32 fresh random bytes, wiped here; `index` is how this end names the session. */
  constructor(
    crypto: LinkCrypto,
    bounds: LinkLimits,
    keys: { readonly linkKey: Key; readonly ephemeralSecret: Uint8Array; readonly index: Uint8Array },
    addresses: readonly PeerAddress[],
    now: Millis,
  ) {
    this.crypto = crypto
    this.bounds = bounds
    this.linkKey = keys.linkKey
    this.index = keys.index
    this.addresses = addresses
    this.begunAt = now
    this.sentAt = now
    this.staggerAt = now + bounds.handshakeStaggerMs
    this.retryMs = bounds.handshakeRetryMs
    this.retryAt = now + this.retryMs
    this.noise = new NoiseInitiator(crypto, PROLOGUE, keys.linkKey, keys.ephemeralSecret)
    const first = this.noise.write()
    if (first === undefined) return
    const unproved = {
      head: headByte('handshakeInit'),
      senderIndex: keys.index,
      ephemeral: first.ephemeral,
      tag: first.sealed,
      mac: NO_MAC,
      cookieMac: NO_MAC,
    }
    this.init = { ...unproved, mac: macOf(crypto, macKeyOf(crypto, keys.linkKey), handshakeInit.encode(unproved)) }
  }

  /** The init as it now is, or `undefined` where the responder's key is worthless. */
  datagram(): Uint8Array | undefined {
    if (this.init === undefined) return undefined
    const encoded = handshakeInit.encode(this.init)
    if (this.cookie !== undefined) {
      const cookieMac = this.crypto.hmac(this.cookie, encoded.subarray(0, INIT_BYTES - MAC_BYTES))
      encoded.set(cookieMac.subarray(0, MAC_BYTES), INIT_BYTES - MAC_BYTES)
    }
    return encoded
  }

  deadline(): Millis {
    const staggerAt = this.begunAddresses < this.addresses.length ? this.staggerAt : Number.POSITIVE_INFINITY
    return Math.min(this.retryAt, staggerAt, this.begunAt + this.bounds.handshakeTimeoutMs)
  }

  /** Once the deadline has come: the addresses that the init goes to now, or that all is over. */
  timeout(now: Millis): readonly PeerAddress[] | 'fail' {
    if (now >= this.begunAt + this.bounds.handshakeTimeoutMs) return 'fail'
    let from = this.begunAddresses
    if (this.begunAddresses < this.addresses.length && now >= this.staggerAt) {
      this.begunAddresses++
      this.staggerAt = now + this.bounds.handshakeStaggerMs
    }
    if (now >= this.retryAt) {
      from = 0
      this.retryMs = Math.min(2 * this.retryMs, this.bounds.handshakeRetryMaxMs)
      this.retryAt = now + this.retryMs
    }
    const addresses = this.addresses.slice(from, this.begunAddresses)
    if (addresses.length > 0) this.sends++
    return addresses
  }

  /** Where the session is, given where its response came from: that is where the peer reads, if it was asked there. */
  answeredFrom(from: PeerAddress): PeerAddress {
    const asked = this.addresses.find(({ host, port }) => host === from.host && port === from.port)
    return asked ?? (this.addresses[0] as PeerAddress)
  }

  /** Round trip of the handshake; `undefined` where a repeat leaves open which init was answered. */
  roundTripMs(now: Millis): number | undefined {
    return this.sends === 1 ? now - this.sentAt : undefined
  }

  /** Finishes the handshake, or `undefined` for a response that does not authenticate. */
  onResponse(response: Response): Established | undefined {
    const read = this.noise.read({ ephemeral: response.ephemeral, sealed: response.tag })
    if (read === undefined) return undefined
    const { initiatorKey, responderKey, handshakeHash } = read.secrets
    return {
      rekeySecret: rekeySecretOf(this.crypto, read.secrets),
      index: this.index,
      sealer: new PacketSealer(this.crypto, initiatorKey, response.senderIndex),
      opener: new PacketOpener(this.crypto, responderKey, this.index, this.bounds.packetsPerKey),
      handshakeHash,
    }
  }

  /**
   * Takes a cookie. `resend` asks for the init at once: only for the first cookie, so that who overhears inits cannot
   * make this end send at will; later ones go out with the next retry.
   */
  onCookie(reply: CookieReply): 'refused' | 'resend' | 'kept' {
    if (this.init === undefined) return 'refused'
    const cookieKey = this.crypto.hash(labels.linkCookie, this.linkKey)
    const cookie = this.crypto.aeadOpen(cookieKey, reply.nonce, this.init.mac, reply.sealedCookie)
    if (cookie === undefined) return 'refused'
    const first = this.cookie === undefined
    this.cookie = cookie
    if (first) this.sends++
    return first ? 'resend' : 'kept'
  }

  wipe(): void {
    this.noise.wipe()
  }
}

/** The key under which inits to the holder of `linkKey` carry their MAC. */
export function macKeyOf(crypto: LinkCrypto, linkKey: Key): Uint8Array {
  return crypto.hash(labels.linkMac, linkKey)
}

/** Whether an init's MAC was made by someone who knows the responder's link key. `received` is the whole datagram. */
export function macFits(crypto: LinkCrypto, macKey: Uint8Array, init: Init, received: Uint8Array): boolean {
  return equalConstantTime(macOf(crypto, macKey, received), init.mac)
}

function macOf(crypto: LinkCrypto, macKey: Uint8Array, encodedInit: Uint8Array): Uint8Array {
  return crypto.hmac(macKey, encodedInit.subarray(0, INIT_BYTES - 2 * MAC_BYTES)).slice(0, MAC_BYTES)
}

/** What a responder needs to answer with. */
export interface ResponderKeys {
  readonly linkSecret: Key
  readonly linkKey: Key
}

/** Answers an init whose MAC fits; `undefined` where it does not authenticate. `ephemeralSecret` is wiped. */
export function answerInit(
  crypto: LinkCrypto,
  bounds: LinkLimits,
  keys: ResponderKeys,
  init: Init,
  own: { readonly index: Uint8Array; readonly ephemeralSecret: Uint8Array },
): { readonly response: Uint8Array; readonly established: Established } | undefined {
  const noise = new NoiseResponder(crypto, PROLOGUE, keys.linkSecret, keys.linkKey)
  try {
    if (noise.read({ ephemeral: init.ephemeral, sealed: init.tag }) === undefined) return undefined
    const answer = noise.write(own.ephemeralSecret)
    if (answer === undefined) return undefined
    const response = handshakeResponse.encode({
      head: headByte('handshakeResponse'),
      senderIndex: own.index,
      receiverIndex: init.senderIndex,
      ephemeral: answer.message.ephemeral,
      tag: answer.message.sealed,
    })
    return { response, established: responderSession(crypto, bounds, init, own.index, answer.secrets) }
  } finally {
    noise.wipe()
  }
}

/** Before the keys are made use of, which wipes them. */
function rekeySecretOf(crypto: LinkCrypto, { initiatorKey, responderKey, handshakeHash }: SessionSecrets): Uint8Array {
  const both = concat(initiatorKey, responderKey)
  const secret = crypto.hkdf(both, handshakeHash, labels.rekey, 32)
  wipe(both)
  return secret
}

function responderSession(
  crypto: LinkCrypto,
  bounds: LinkLimits,
  init: Init,
  index: Uint8Array,
  secrets: SessionSecrets,
): Established {
  return {
    rekeySecret: rekeySecretOf(crypto, secrets),
    index,
    sealer: new PacketSealer(crypto, secrets.responderKey, init.senderIndex),
    opener: new PacketOpener(crypto, secrets.initiatorKey, index, bounds.packetsPerKey),
    handshakeHash: secrets.handshakeHash,
  }
}
