/**
 * A proxy as the driver sees it: P1, P2 and P3 in one (PROTOCOL.md sections 4, 5 and 9). The machine stands in proxy/.
 */
import type { NodeId } from '../base/bytes.js'
import type { Millis } from '../base/time.js'
import type { LinkCounters, PeerAddress } from '../link/link.js'
import type { StandingReason, StandingState } from '../wire/message.js'
import type { JobInput, JobOutput } from './jobs.js'
import type { Machine, RoleContext, RoleInput, RoleOutput, Self, ServerContact, ServerMoved } from './role.js'
import type { ServerConnection, VerifiedDirectory } from './server-link.js'

export interface ProxyOptions extends RoleContext {
  readonly self: Self
  readonly server: ServerContact
  /**
   * Where others reach this proxy, as its operator says; or the port alone, where that is to be found out: the host is then the one that
   * CS sees its link come from.
   */
  readonly advertised: readonly PeerAddress[] | { readonly port: number }
  /** Mean of the random wait of each copy. */
  readonly meanWaitMs: number
  /** Mean of the random wait of each request that is passed on to the proxy it is for; default 0, which is none. */
  readonly meanForwardWaitMs?: number
  /** Below so many copies a second of its own traffic, copies go by an extra proxy; default 0, never. */
  readonly extraHopBelow?: number
  /** Jobs that are done at one time; default 1. */
  readonly threads?: number
}

/** How a proxy mixes. */
export interface MixingStatus {
  readonly meanWaitMs: number
  readonly meanForwardWaitMs: number
  /** Copies a second below which copies take an extra proxy; how many came in the last whole minute; and what follows for now. */
  readonly extraHopBelow: number
  readonly copiesPerSecond: number
  readonly extraHop: boolean
  /** Copies that were handed to an extra proxy; of those, the ones that it did not answer, which went again. */
  readonly detouredCopies: number
  readonly unansweredDetours: number
  /** Copies of others that were passed on to the server. */
  readonly passedCopies: number
}

/** What CS last said of the proxy. */
export interface ProxyStanding {
  /** Where CS sees its link come from. */
  readonly address: PeerAddress | undefined
  readonly state: StandingState
  readonly reason: StandingReason
  /** Of the last round: proxies that reached it, and that did not. */
  readonly reached: number
  readonly unreached: number
  readonly at: Millis
}

/** The proxy's own outputs. */
export type ProxyOutput =
  | RoleOutput
  | JobOutput
  /** The link to CS came up or was lost, the directory lists the proxy or not any more, or CS said how it stands: see `status`. */
  | { readonly type: 'standing' }

export interface ProxyStatus {
  readonly id: NodeId
  readonly connected: boolean
  readonly serverLink: ServerConnection
  /** Whether the directory lists this proxy. */
  readonly listed: boolean
  /** `undefined` until CS has said anything. */
  readonly standing: ProxyStanding | undefined
  readonly directory: VerifiedDirectory | undefined
  readonly waitingCopies: number
  readonly forwardedMessages: number
  readonly splitRequests: number
  readonly mixing: MixingStatus
  readonly sentCopies: number
  /** Of those, the ones that CS has answered. */
  readonly answeredCopies: number
  /** Counters of the links by what is at the other end. */
  readonly links: {
    readonly senders: LinkCounters
    /** Who brings requests to be split or copies to be passed on: proxies, and senders of direct messages. */
    readonly fromProxies: LinkCounters
    /** Proxies that requests and copies are passed on to. */
    readonly toProxies: LinkCounters
    readonly server: LinkCounters
  }
}

export interface Proxy extends Machine<RoleInput | ServerMoved | JobInput, ProxyOutput> {
  status(): ProxyStatus
}
