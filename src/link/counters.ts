/** Counts datagrams and UDP payload bytes, for one session or a whole endpoint. */
import type { LinkCounters, Traffic } from './link.js'

class Tally {
  private datagrams = 0
  private payloadBytes = 0

  add(bytes: number): void {
    this.datagrams++
    this.payloadBytes += bytes
  }

  snapshot(): Traffic {
    return { datagrams: this.datagrams, payloadBytes: this.payloadBytes }
  }
}

/** What a datagram that leaves is for. */
export type Purpose = 'data' | 'handshake' | 'ackOnly' | 'retransmission' | 'mtuProbe'

export class Counters {
  private readonly sent = new Tally()
  private readonly received = new Tally()
  private readonly handshake = new Tally()
  private readonly ackOnly = new Tally()
  private readonly retransmitted = new Tally()

  onSent(bytes: number, purpose: Purpose): void {
    this.sent.add(bytes)
    switch (purpose) {
      case 'data':
      case 'mtuProbe':
        return
      case 'handshake':
        this.handshake.add(bytes)
        return
      case 'ackOnly':
        this.ackOnly.add(bytes)
        return
      case 'retransmission':
        this.retransmitted.add(bytes)
        return
      default:
        purpose satisfies never
    }
  }

  onReceived(bytes: number): void {
    this.received.add(bytes)
  }

  snapshot(): LinkCounters {
    return {
      sent: this.sent.snapshot(),
      received: this.received.snapshot(),
      sentHandshake: this.handshake.snapshot(),
      sentAckOnly: this.ackOnly.snapshot(),
      sentRetransmitted: this.retransmitted.snapshot(),
    }
  }
}
