/**
 * The packet keys of one session, and how they are replaced while traffic goes on: the initiator offers an ephemeral key,
 * the responder answers with its own, and packets move to keys that both make of them and of the ones before. For a
 * while packets under the old keys still open (PROTOCOL.md section 10.2; what is replaced is wiped, as in WireGuard).
 */
import { assert } from '../base/assert.js'
import type { LinkLimits } from '../base/bounds.js'
import { concat, equal, key, uint32, wipe } from '../base/bytes.js'
import { labels } from '../base/labels.js'
import type { RandomBytes } from '../base/random.js'
import type { Millis } from '../base/time.js'
import type { FormatValue } from '../wire/codec.js'
import type { packet } from '../wire/datagram.js'
import type { rekey } from '../wire/frame.js'
import type { Established } from './handshake.js'
import type { LinkCrypto } from './noise.js'
import { type Opened, PacketOpener, PacketSealer } from './protection.js'
import type { SessionIndex } from './session-index.js'

export type RekeyFrame = FormatValue<typeof rekey>

/** Gives and takes back the indexes under which packets find the session. */
export interface IndexSource {
  freshIndex(): SessionIndex
  releaseIndex(number: number): void
}

/** What came of a frame: an answer to be sent, an index that is new, or that packets leave under new keys from now on. */
interface Rekeyed {
  readonly answer?: RekeyFrame
  readonly index?: Uint8Array
  readonly switched?: true
}

interface Epoch {
  readonly index: number
  readonly opener: PacketOpener
}

interface Offer {
  readonly frame: RekeyFrame
  readonly index: SessionIndex
  readonly secret: Uint8Array
}

const SECRET_BYTES = 32
const DERIVED_BYTES = 96

export class SessionKeys {
  readonly handshakeHash: Uint8Array
  private readonly crypto: LinkCrypto
  private readonly random: RandomBytes
  private readonly bounds: LinkLimits
  private readonly indexes: IndexSource
  private readonly initiated: boolean
  private sealer: PacketSealer
  /** Under the newest opener the peer's next packets come; the responder seals under its pair once one has come. */
  private current: Epoch
  private old: Epoch | undefined
  private awaited: PacketSealer | undefined
  private releaseAt: Millis | undefined
  private offer: Offer | undefined
  private lastPeerEphemeral: Uint8Array | undefined
  private rekeySecret: Uint8Array
  private rekeyAt: Millis
  private rekeyFrom: number
  private highest = -1

  constructor(
    established: Established,
    shared: { readonly crypto: LinkCrypto; readonly random: RandomBytes; readonly bounds: LinkLimits },
    indexes: IndexSource,
    initiated: boolean,
    now: Millis,
  ) {
    this.crypto = shared.crypto
    this.random = shared.random
    this.bounds = shared.bounds
    this.indexes = indexes
    this.initiated = initiated
    this.handshakeHash = established.handshakeHash
    this.sealer = established.sealer
    this.current = { index: uint32(established.index), opener: established.opener }
    this.rekeySecret = established.rekeySecret
    this.rekeyAt = now + this.bounds.rekeyMs
    this.rekeyFrom = this.bounds.rekeyPackets
  }

  /** The number of the next packet. */
  get next(): number {
    return this.sealer.next
  }

  seal(frames: Uint8Array): Uint8Array {
    return this.sealer.seal(frames)
  }

  /** Opens a packet; `newest` says that its number is the highest so far, under whichever keys. */
  open(now: Millis, received: FormatValue<typeof packet>): Opened {
    const index = uint32(received.receiverIndex)
    const epoch = index === this.current.index ? this.current : this.old
    if (epoch === undefined || epoch.index !== index) return { ok: false, code: 'LINK_UNKNOWN_SESSION' }
    const opened = epoch.opener.open(received)
    if (!opened.ok) return opened
    if (epoch === this.current && this.old !== undefined && this.releaseAt === undefined) this.onSwitched(now)
    const newest = opened.number > this.highest
    if (newest) this.highest = opened.number
    return newest === opened.newest ? opened : { ...opened, newest }
  }

  /** At the initiator: the frame that offers new keys, once they are due. */
  takeOffer(now: Millis): RekeyFrame | undefined {
    const spent = Math.max(this.next, this.highest) >= this.rekeyFrom
    if (!this.initiated || this.offer !== undefined || this.old !== undefined || !(spent || now >= this.rekeyAt)) {
      return undefined
    }
    this.offer = this.makeOffer()
    return this.offer.frame
  }

  /**
   * Takes the peer's frame: at the responder an offer, whose answer is returned; at the initiator the answer to its own,
   * after which packets leave under the new keys. One that comes again is ignored; `LINK_REKEY` is a violation.
   */
  onRekey(now: Millis, theirs: RekeyFrame): Rekeyed | 'LINK_REKEY' {
    if (this.lastPeerEphemeral !== undefined && equal(theirs.ephemeral, this.lastPeerEphemeral)) return {}
    if (this.old !== undefined) return 'LINK_REKEY'
    const own = this.initiated ? this.offer : this.makeOffer()
    if (own === undefined) return 'LINK_REKEY'
    const sealer = this.derive(own, theirs)
    if (sealer === undefined) return 'LINK_REKEY'
    this.offer = undefined
    this.lastPeerEphemeral = theirs.ephemeral.slice()
    if (this.initiated) {
      this.switchTo(now, sealer)
      return { switched: true }
    }
    this.awaited = sealer
    return { answer: own.frame, index: own.index.bytes }
  }

  /** When old keys are let go. */
  deadline(): Millis | undefined {
    return this.releaseAt
  }

  timeout(now: Millis): void {
    if (this.releaseAt === undefined || now < this.releaseAt || this.old === undefined) return
    this.old.opener.wipe()
    this.indexes.releaseIndex(this.old.index)
    this.old = undefined
    this.releaseAt = undefined
  }

  wipe(): void {
    this.sealer.wipe()
    this.awaited?.wipe()
    this.current.opener.wipe()
    this.old?.opener.wipe()
    wipe(this.rekeySecret)
    if (this.offer !== undefined) wipe(this.offer.secret)
  }

  private makeOffer(): Offer {
    const secret = this.random(SECRET_BYTES)
    const index = this.indexes.freshIndex()
    return { secret, index, frame: { index: index.bytes, ephemeral: this.crypto.x25519Public(secret) } }
  }

  /** Makes the new keys: the opener takes its place at once, the sealer is returned. */
  private derive(own: Offer, theirs: RekeyFrame): PacketSealer | undefined {
    const shared = this.crypto.x25519(own.secret, theirs.ephemeral)
    wipe(own.secret)
    if (shared === undefined) return undefined
    const [offered, answered] = this.initiated ? [own.frame, theirs] : [theirs, own.frame]
    const info = concat(labels.rekey, offered.index, offered.ephemeral, answered.index, answered.ephemeral)
    const derived = this.crypto.hkdf(shared, this.rekeySecret, info, DERIVED_BYTES)
    wipe(shared, this.rekeySecret)
    const initiatorKey = key(derived.slice(0, 32))
    const responderKey = key(derived.slice(32, 64))
    this.rekeySecret = derived.slice(64)
    wipe(derived)
    const [sealingKey, openingKey] = this.initiated ? [initiatorKey, responderKey] : [responderKey, initiatorKey]
    const opener = new PacketOpener(this.crypto, openingKey, own.index.bytes, this.bounds.packetsPerKey)
    this.old = this.current
    this.current = { index: own.index.number, opener }
    return new PacketSealer(this.crypto, sealingKey, theirs.index)
  }

  /** The peer sends under the new keys: what it sent under the old ones is on its way, and no more will be. */
  private onSwitched(now: Millis): void {
    this.releaseAt = now + this.bounds.rekeyOverlapMs
    if (this.awaited !== undefined) this.switchTo(now, this.awaited)
  }

  private switchTo(now: Millis, sealer: PacketSealer): void {
    assert(sealer !== this.sealer, 'keys that are new')
    sealer.next = this.sealer.next
    this.sealer.wipe()
    this.sealer = sealer
    this.awaited = undefined
    this.rekeyAt = now + this.bounds.rekeyMs
    this.rekeyFrom = Math.max(this.next, this.highest) + this.bounds.rekeyPackets
  }
}
