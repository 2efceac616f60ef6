/**
 * The central server as the driver sees it: directory, mailboxes, delivery (PROTOCOL.md sections 4, 7 and 9). The machine
 * stands in server/.
 */
import type { NodeId } from '../base/bytes.js'
import type { LinkCounters } from '../link/link.js'
import type { JobInput, JobOutput } from './jobs.js'
import type { Machine, RoleContext, RoleInput, RoleOutput, Self } from './role.js'

export interface ServerOptions extends RoleContext {
  readonly self: Self
  /** Which proxies are listed: any that proves its key, or these ids (hex). */
  readonly admitted: 'open' | ReadonlySet<string>
  /** Jobs that are done at one time; default 1. */
  readonly threads?: number
}

export interface ServerStatus {
  readonly id: NodeId
  readonly directoryVersion: number
  readonly proxies: readonly NodeId[]
  readonly devicesKnown: number
  readonly devicesConnected: number
  readonly storedCopies: number
  readonly acceptedCopies: number
  readonly deliveredCopies: number
  readonly links: { readonly proxies: LinkCounters; readonly devices: LinkCounters; readonly others: LinkCounters }
}

export interface Server extends Machine<RoleInput | JobInput, RoleOutput | JobOutput> {
  status(): ServerStatus
}
