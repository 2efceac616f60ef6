/**
 * All copies that leave this proxy for CS, in one place: its own as P2, those that it takes from others as P3 or as the P1 of a direct
 * message, the way by an extra proxy, and what status says of it (PROTOCOL.md sections 5 and 5.1).
 */
import type { NodeId } from '../../base/bytes.js'
import type { Millis } from '../../base/time.js'
import type { LinkEndpoint } from '../../link/link.js'
import type { MixingStatus, ProxyOptions } from '../proxy.js'
import type { VerifiedDirectory } from '../server-link.js'
import { Copies, type Copy } from './copies.js'
import { ExtraHops } from './extra-hops.js'
import type { LinkRates } from './link-rates.js'
import type { NextHops } from './next-hops.js'
import { OwnTraffic } from './own-traffic.js'
import { Passing } from './passing.js'
import type { Tickets } from './tickets.js'

export interface MixingParts {
  readonly endpoint: LinkEndpoint
  readonly server: NodeId
  readonly nextHops: NextHops
  readonly tickets: Tickets
  /** Copies a second of each link. */
  readonly rates: LinkRates
  readonly directory: () => VerifiedDirectory | undefined
}

export class Mixing {
  readonly copies: Copies
  readonly passing: Passing
  private readonly options: ProxyOptions
  private readonly traffic: OwnTraffic
  private readonly extraHops: ExtraHops<Copy>

  constructor(options: ProxyOptions, parts: MixingParts) {
    const { random, meanWaitMs, self, extraHopBelow = 0 } = options
    this.options = options
    this.traffic = new OwnTraffic(random, extraHopBelow)
    const { traffic } = this
    this.extraHops = new ExtraHops({ random, meanWaitMs, traffic, self: self.id, ...parts })
    const { endpoint } = parts
    this.copies = new Copies({ random, meanWaitMs, traffic, endpoint, extraHops: this.extraHops })
    this.passing = new Passing({ ...options, ...parts, copies: this.copies })
  }

  timeout(now: Millis): void {
    this.copies.timeout(now)
    this.copies.overdue(now)
  }

  status(now: Millis): MixingStatus {
    const { meanWaitMs, meanForwardWaitMs = 0, extraHopBelow = 0 } = this.options
    const { taken, unanswered } = this.extraHops.counts
    return {
      meanWaitMs,
      meanForwardWaitMs,
      extraHopBelow,
      // Looking brings the count up to date.
      extraHop: this.extraHops.inUse(now),
      copiesPerSecond: this.traffic.copiesPerSecond,
      detouredCopies: taken,
      unansweredDetours: unanswered,
      passedCopies: this.passing.taken,
    }
  }
}
