/**
 * A proxy as the driver sees it: P1, P2 and P3 in one (PROTOCOL.md sections 4, 5 and 9). The machine stands in proxy/.
 */
import type { NodeId } from '../base/bytes.js'
import type { LinkCounters, PeerAddress } from '../link/link.js'
import type { Machine, RoleContext, RoleInput, RoleOutput, Self, ServerContact } from './role.js'
import type { VerifiedDirectory } from './server-link.js'

export interface ProxyOptions extends RoleContext {
  readonly self: Self
  readonly server: ServerContact
  /** Where others reach this proxy. */
  readonly advertised: readonly PeerAddress[]
  /** Mean of the random wait of each copy. */
  readonly meanWaitMs: number
}

export interface ProxyStatus {
  readonly id: NodeId
  readonly connected: boolean
  /** Whether the directory lists this proxy. */
  readonly listed: boolean
  readonly directory: VerifiedDirectory | undefined
  readonly waitingCopies: number
  readonly forwardedMessages: number
  readonly splitRequests: number
  readonly sentCopies: number
  /** Of those, the ones that CS has answered. */
  readonly answeredCopies: number
  /** Counters of the links by what is at the other end: those who sent to it, next proxies, CS. */
  readonly links: { readonly incoming: LinkCounters; readonly proxies: LinkCounters; readonly server: LinkCounters }
}

export interface Proxy extends Machine<RoleInput, RoleOutput> {
  status(): ProxyStatus
}
