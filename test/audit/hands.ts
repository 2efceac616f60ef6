/**
 * What attackers do with their own hands: a stranger's socket that hands any proxy anything, and a P2 that opens up the copies
 * it makes and seals others in their place.
 */
import type { NodeId, Point } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { RandomBytes } from '../../src/base/random.js'
import type { Crypto, SplitRequest } from '../../src/crypto/crypto.js'
import type { SessionId } from '../../src/link/link.js'
import { encodeMessage } from '../../src/wire/message.js'
import type { Peer } from '../sim/peer.js'
import type { VirtualNode } from '../sim/virtual-network.js'
import { crypto, type World } from '../sim/world.js'

const NOTHING = new Uint8Array(0)
const SETTLE_MS = 3_000

/** A stranger with a link to one proxy, over which it hands on messages for others. */
export class Stranger {
  private readonly world: World
  private readonly node: VirtualNode<Peer>
  private readonly session: SessionId

  constructor(world: World, host: string) {
    const first = world.proxies[0]
    const linkKey = first && crypto.linkPublicKey(first.self.identity.identityKey)
    if (first === undefined || linkKey === undefined) throw new Error('a proxy to hand things to')
    this.world = world
    this.node = world.addPeer(host)
    this.session = this.node.machine.endpoint.connect(world.now, linkKey, first.node.address)
  }

  /** Hands the proxy messages for the next hop, and waits until they have gone their way. */
  forward(nextHop: NodeId, messages: readonly Uint8Array[]): void {
    for (const message of messages) {
      const bytes = encodeMessage('forward', { nextHop, extension: NOTHING, message })
      if (this.node.machine.endpoint.send(this.world.now, this.session, bytes) === undefined)
        throw new Error('room on the link')
      this.world.network.input(this.node, { type: 'timeout' })
      this.world.network.runFor(1)
    }
    this.world.network.runFor(SETTLE_MS)
  }
}

/** The message in which a sealed copy goes to CS. */
export function copyMessage(sealed: Uint8Array): Uint8Array {
  return encodeMessage('copy', { reference: 1, extension: NOTHING, sealed })
}

/** Copies of a request as they are inside their outer seal: P2 makes them, so it can have them. */
export function innerCopies(made: Crypto, random: RandomBytes, request: SplitRequest): Uint8Array[] {
  const secret = crypto.reduce(random(64))
  const own = { ...request, serverKey: crypto.publicPoint(secret) }
  return sealedCopies(made, random, own).map((sealed) => {
    const copy = crypto.open(secret, { label: labels.copy, associated: NOTHING }, sealed)
    if (copy === undefined) throw new Error('a copy that was sealed for oneself opens')
    return copy
  })
}

export function sealedCopies(made: Crypto, random: RandomBytes, request: SplitRequest): Uint8Array[] {
  const split = made.prepareSplit(request, random(32))
  if (split === undefined) throw new Error('a request that splits')
  const all = split.split(0, split.copies)
  const { sealedCopyBytes } = split
  return Array.from({ length: split.copies }, (_, i) => all.slice(i * sealedCopyBytes, (i + 1) * sealedCopyBytes))
}

/** The outer seal around whatever P2 likes. */
export function sealCopy(random: RandomBytes, serverKey: Point, copy: Uint8Array): Uint8Array {
  const sealed = crypto.seal(serverKey, { label: labels.copy, associated: NOTHING }, copy, random(64))
  if (sealed === undefined) throw new Error('C decodes')
  return sealed
}
