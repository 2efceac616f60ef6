/**
 * The initiator of one link, made of keys and frames alone: it says whatever is wanted, and acknowledges no more than it takes to
 * be kept.
 */
import { randomBytes } from 'node:crypto'
import { concat, type Key, key } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import type { Millis } from '../../src/base/time.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { type Established, Initiation } from '../../src/link/handshake.js'
import type { PeerAddress } from '../../src/link/link.js'
import type { Datagram } from '../../src/wire/datagram.js'
import { encodeFrame, type Frame } from '../../src/wire/frame.js'

/** Of packets heard: fewer, and it would be given up for its silence. */
const ACKNOWLEDGED_EVERY = 4

export class HostileSession {
  readonly index: Uint8Array = randomBytes(4)
  /** Packets that it may still send before it is left alone. */
  left: number
  established: Established | undefined
  messages = 0
  private readonly initiation: Initiation
  private readonly send: (bytes: Uint8Array) => void
  private heard = 0

  constructor(
    crypto: Crypto,
    now: Millis,
    to: { readonly linkKey: Key; readonly address: PeerAddress },
    packets: number,
    send: (bytes: Uint8Array) => void,
  ) {
    this.left = packets
    this.send = send
    const keys = { linkKey: to.linkKey, ephemeralSecret: key(randomBytes(32)), index: this.index }
    this.initiation = new Initiation(crypto, limits, keys, [to.address], now)
  }

  begin(): void {
    const init = this.initiation.datagram()
    if (init !== undefined) this.send(init)
  }

  /** Goes on with the handshake, or acknowledges one packet of many. */
  take(datagram: Datagram): void {
    if (datagram.kind === 'cookieReply') {
      if (this.initiation.onCookie(datagram.value) === 'resend') this.begin()
    } else if (datagram.kind === 'handshakeResponse' && this.established === undefined) {
      this.established = this.initiation.onResponse(datagram.value)
      this.say({ kind: 'ping', value: {} })
    } else if (datagram.kind === 'packet' && this.established !== undefined) {
      const opened = this.established.opener.open(datagram.value)
      if (!opened.ok || ++this.heard % ACKNOWLEDGED_EVERY !== 0) return
      this.say({ kind: 'ack', value: { largest: opened.number, delayUs: 0, first: 0, ranges: [] } })
    }
  }

  say(...frames: readonly Frame[]): void {
    if (this.established === undefined) return
    this.send(this.established.sealer.seal(concat(...frames.map(encodeFrame))))
  }
}
