/**
 * A peer made of keys and frames alone, which says on the wire whatever a test wants said.
 */
import { concat, key } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { type Established, Initiation } from '../../src/link/handshake.js'
import type { PeerAddress } from '../../src/link/link.js'
import { cookieReply, handshakeResponse, packet } from '../../src/wire/datagram.js'
import { encodeFrame, type Frame, parseFrames } from '../../src/wire/frame.js'
import { type Network, type Node, SERVER_KEY } from './pair.js'
import { crypto, parsed, present } from './support.js'

/** An initiator without an endpoint. */
export class RawPeer {
  readonly address: PeerAddress
  readonly init: Uint8Array
  private readonly network: Network
  private readonly server: Node
  private readonly initiation: Initiation
  private established: Established | undefined

  constructor(network: Network, server: Node, number = 0, host = '198.51.100.9') {
    this.network = network
    this.server = server
    this.address = { host, port: 1024 + number }
    const ephemeralSecret = key(crypto.hash(Uint8Array.of(number >> 8, number & 0xff)))
    const index = Uint8Array.of(9, 9, number >> 8, number & 0xff)
    this.initiation = new Initiation(
      crypto,
      limits,
      { linkKey: SERVER_KEY, ephemeralSecret, index },
      [server.address],
      network.now,
    )
    this.init = present(this.initiation.datagram())
  }

  /** Sends the init and takes the response, if there is one. */
  shakeHands(): boolean {
    const responses = this.exchange(this.init)
    const [response] = responses
    if (response === undefined) return false
    this.established = present(this.initiation.onResponse(parsed(handshakeResponse.parse(response))))
    return true
  }

  /** Takes the cookie in a reply and returns the init that carries it. */
  initWithCookie(reply: Uint8Array): Uint8Array {
    if (this.initiation.onCookie(parsed(cookieReply.parse(reply))) === 'refused') throw new Error('no cookie of ours')
    return present(this.initiation.datagram())
  }

  /** Hands raw bytes over and returns the datagrams that come back at once, those to others left out. */
  exchange(bytes: Uint8Array, from = this.address): Uint8Array[] {
    const before = this.network.sent.length
    this.network.deliver(this.server, from, bytes)
    const back = this.network.sent.slice(before).filter(({ to }) => same(to, from) || same(to, this.address))
    return back.map(({ bytes }) => bytes)
  }

  seal(...frames: readonly (Frame | Uint8Array)[]): Uint8Array {
    const encoded = frames.map((frame) => (frame instanceof Uint8Array ? frame : encodeFrame(frame)))
    return present(this.established).sealer.seal(concat(...encoded))
  }

  /** Sends frames in one packet and returns the frames that come back at once. */
  say(...frames: readonly (Frame | Uint8Array)[]): Frame[] {
    return this.exchange(this.seal(...frames)).flatMap((bytes) => this.read(bytes))
  }

  /** The frames of a packet from the server. */
  read(bytes: Uint8Array): Frame[] {
    const opened = present(this.established).opener.open(parsed(packet.parse(bytes)))
    if (!opened.ok) throw new Error(opened.code)
    return parsed(parseFrames(opened.frames))
  }

  /** Leaves out `count` packet numbers. */
  skipNumbers(count: number): void {
    present(this.established).sealer.next += count
  }
}

/** A raw peer whose session a server has accepted. */
export function acceptedPeer(network: Network, server: Node, number = 0, host?: string): RawPeer {
  const peer = new RawPeer(network, server, number, host)
  if (!peer.shakeHands()) throw new Error('no response')
  peer.say({ kind: 'ping', value: {} })
  return peer
}

function same(a: PeerAddress, b: PeerAddress): boolean {
  return a.host === b.host && a.port === b.port
}
