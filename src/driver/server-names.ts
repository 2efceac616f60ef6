/**
 * Follows a server whose address changes: while there is no link to it, the names of its card are looked up again, and the
 * role is told when they lead elsewhere. While the link holds, nothing is asked: each look-up tells a resolver of this node.
 */
import { isIP } from 'node:net'
import type { PeerAddress } from '../link/link.js'
import { addressText, parseNetworkCard } from '../wire/text.js'
import type { Log } from './log.js'
import { resolveCard } from './network.js'

const LOOK_EVERY_MS = 5000

export interface ServerNamesOptions {
  readonly card: string
  /** As the role was given them. */
  readonly addresses: readonly PeerAddress[]
  readonly connected: () => boolean
  readonly moved: (addresses: readonly PeerAddress[]) => void
  /** Settles when the node has ended. */
  readonly ended: Promise<void>
  readonly log: Log
}

/** Looks until the node ends; at nothing where the card has no names. */
export function followServer({ card, addresses, connected, moved, ended, log }: ServerNamesOptions): void {
  if (parseNetworkCard(card).addresses.every((address) => isIP(addressText(address)) !== 0)) return
  let known = textOf(addresses)
  let done = false
  const look = async () => {
    if (done || connected()) return
    const found = await resolveCard(card).catch(() => undefined)
    // What a resolver does not know now it may know later; what was known till then may still be right.
    if (done || found === undefined || textOf(found.addresses) === known) return
    known = textOf(found.addresses)
    log.info({ addresses: known }, 'the name of the server leads elsewhere')
    moved(found.addresses)
  }
  // A node that is stopping takes nothing any more.
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_EVERY_MS)
  const end = () => {
    done = true
    clearInterval(timer)
  }
  ended.then(end, end)
}

function textOf(addresses: readonly PeerAddress[]): string {
  return addresses
    .map(({ host, port }) => `${host} ${port}`)
    .sort()
    .join(', ')
}
