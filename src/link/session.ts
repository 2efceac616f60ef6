/**
 * One session from first datagram to last: how it stands, where its peer is, and when it is due next. What a session
 * may do depends on its phase, and each phase holds only what exists in it (PROTOCOL.md section 10).
 */
import type { Millis } from '../base/time.js'
import type { Channel } from './channel.js'
import { Counters } from './counters.js'
import type { Timed } from './deadlines.js'
import type { Initiation } from './handshake.js'
import type { PeerAddress, SessionId } from './link.js'
import type { Outgoing } from './outgoing.js'
import type { Source } from './sources.js'

export type Phase =
  | { readonly name: 'initiating'; readonly initiation: Initiation }
  /** The responder has answered, and waits for the packet that proves the initiator's address and keys. */
  | {
      readonly name: 'answering'
      readonly channel: Channel
      readonly response: Uint8Array
      readonly expiresAt: Millis
    }
  | { readonly name: 'open'; readonly channel: Channel }
  | { readonly name: 'closed' }

export class Session implements Timed {
  readonly id: SessionId
  /** The numbers of the indexes by which the peer names this session: two while its keys are being replaced. */
  readonly indexes: Set<number>
  readonly initiated: boolean
  readonly outgoing: Outgoing
  readonly counters = new Counters()
  /** Under which a repeated init finds its session; the responder's alone. */
  readonly initKey: string | undefined
  address: PeerAddress
  /** The last address at which the peer is known to read: the one to go back to. */
  provenAddress: PeerAddress
  /** The number of the index by which this end names the session, where the peer can reset it. */
  peerIndex: number | undefined
  /** Where its initiator proved to be; the session counts for it, wherever it moves. */
  source: Source | undefined
  phase: Phase
  /** Waits in the endpoint's queue of those that may have something to send. */
  queued = false
  heapIndex = -1
  heapAt: Millis = 0

  constructor(
    names: { readonly id: SessionId; readonly index: number; readonly initKey?: string },
    address: PeerAddress,
    outgoing: Outgoing,
    phase: Phase,
  ) {
    this.id = names.id
    this.indexes = new Set([names.index])
    this.initKey = names.initKey
    this.address = address
    this.provenAddress = address
    this.outgoing = outgoing
    this.phase = phase
    this.initiated = phase.name === 'initiating'
  }

  deadline(): Millis | undefined {
    const { phase } = this
    switch (phase.name) {
      case 'initiating':
        return phase.initiation.deadline()
      case 'answering':
        return phase.expiresAt
      case 'open':
        return phase.channel.deadline()
      case 'closed':
        return undefined
      default:
        phase satisfies never
        return undefined
    }
  }

  /** Ends the session and wipes what it knew. */
  end(): void {
    const { phase } = this
    this.outgoing.end()
    if (phase.name === 'initiating') phase.initiation.wipe()
    else if (phase.name !== 'closed') phase.channel.wipe()
    this.phase = { name: 'closed' }
  }
}
