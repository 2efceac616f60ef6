/**
 * What a role's links cost, summed by what is at their other end: an endpoint counts by session, and forgets a session
 * when it is closed.
 */
import type { LinkCounters, LinkEndpoint, LinkOutput, SessionId, Traffic } from '../link/link.js'

export class LinkTotals<PeerClass extends string> {
  private readonly endpoint: LinkEndpoint
  private readonly open = new Map<SessionId, PeerClass>()
  private readonly past = new Map<PeerClass, LinkCounters>()

  constructor(endpoint: LinkEndpoint) {
    this.endpoint = endpoint
  }

  /** Says what is at the other end; a session may move from one class to another, with all that it has cost. */
  assign(session: SessionId, peer: PeerClass): void {
    this.open.set(session, peer)
  }

  closed({ session, counters }: Extract<LinkOutput, { type: 'closed' }>): void {
    const peer = this.open.get(session)
    if (peer === undefined) return
    this.open.delete(session)
    this.past.set(peer, sum(this.past.get(peer) ?? NOTHING, counters))
  }

  /** The sessions that are open. */
  sessions(): SessionId[] {
    return [...this.open.keys()]
  }

  of(peer: PeerClass): LinkCounters {
    let total = this.past.get(peer) ?? NOTHING
    for (const [session, each] of this.open) {
      if (each === peer) total = sum(total, this.endpoint.counters(session))
    }
    return total
  }
}

const NO_TRAFFIC: Traffic = { datagrams: 0, payloadBytes: 0 }
const NOTHING: LinkCounters = {
  sent: NO_TRAFFIC,
  received: NO_TRAFFIC,
  sentHandshake: NO_TRAFFIC,
  sentAckOnly: NO_TRAFFIC,
  sentRetransmitted: NO_TRAFFIC,
}

function sum(a: LinkCounters, b: LinkCounters): LinkCounters {
  return {
    sent: plus(a.sent, b.sent),
    received: plus(a.received, b.received),
    sentHandshake: plus(a.sentHandshake, b.sentHandshake),
    sentAckOnly: plus(a.sentAckOnly, b.sentAckOnly),
    sentRetransmitted: plus(a.sentRetransmitted, b.sentRetransmitted),
  }
}

function plus(a: Traffic, b: Traffic): Traffic {
  return { datagrams: a.datagrams + b.datagrams, payloadBytes: a.payloadBytes + b.payloadBytes }
}
