/**
 * What the demo and its child processes say to each other. A child hosts one server, one proxy, or devices, each named by
 * a number; calls are answered once, events come on their own.
 */
import type { SendOutcome } from '../../driver/outcomes.js'
import type { PaddingMode } from '../../group/group.js'
import type { LinkCounters } from '../../link/link.js'
import type { UploadReport } from '../../role/device.js'

/** The part of a role's row of requirement R19 that a process can play. */
export type HostedRole = 'server' | 'proxy' | 'device'

/** Everything one node read while it handled messages, by digest. */
export interface Learnt {
  readonly role: HostedRole
  readonly node: number
  /** `format.field`, then digests of all values read there (hex, 16 bytes of SHA-256). */
  readonly fields: Readonly<Record<string, readonly string[]>>
  /** When a field of that format was first and last read, Unix milliseconds. */
  readonly times: Readonly<Record<string, { readonly firstAt: number; readonly lastAt: number }>>
  /** More was read than is kept, so nothing can be said. */
  readonly overflow: boolean
}

/** What is true, as the sender's own process knows it; digests as in `Learnt`. */
export interface Truth {
  readonly groupId: string
  readonly groupKey: string
  readonly groupSecret: string
  readonly groupSymmetric: string
}

export interface NodeStatus {
  readonly links: Readonly<Record<string, LinkCounters>>
  readonly drops: Readonly<Record<string, number>>
}

export type Call =
  | {
      readonly call: 'openServer'
      readonly node: number
      readonly data: string
      readonly listen: string
      /** Where others reach it, where that is not where it listens. */
      readonly advertise?: string
    }
  | {
      readonly call: 'openProxy'
      readonly node: number
      readonly data: string
      readonly network: string
      readonly listen: string
      readonly advertise?: string
    }
  | {
      readonly call: 'openDevice'
      readonly node: number
      readonly data: string
      readonly network: string
      readonly listen: string
      readonly padding: PaddingMode
    }
  | { readonly call: 'createGroup'; readonly node: number; readonly name: string }
  | {
      readonly call: 'invite'
      readonly node: number
      readonly group: string
      readonly address: string
      readonly passphrase: string
    }
  /** Joins as soon as an invitation is there; answered once joined. */
  | { readonly call: 'join'; readonly node: number; readonly passphrase: string }
  | { readonly call: 'memberCount'; readonly node: number; readonly group: string }
  | { readonly call: 'send'; readonly node: number; readonly group: string; readonly body: Uint8Array }
  /** What became of what this device sent. */
  | { readonly call: 'outcomes'; readonly node: number }
  | { readonly call: 'truth'; readonly node: number; readonly group: string }
  | { readonly call: 'status'; readonly node: number }
  /** Messages that a device has under way: not taken yet, or not proven. */
  | { readonly call: 'underWay'; readonly node: number }
  | { readonly call: 'directoryProxies'; readonly node: number }
  /** Forgets what was learnt so far, so that only messages sent from now on count. */
  | { readonly call: 'forget'; readonly node: number }
  | { readonly call: 'learnt'; readonly node: number }
  /** From now on the device's messages are for whoever runs commands on its data directory. */
  | { readonly call: 'handOver'; readonly node: number }
  /** For the demo's own test: claims to have read this value in every forward. */
  | { readonly call: 'plant'; readonly node: number; readonly value: Uint8Array }

export interface Results {
  openServer: { readonly card: string; readonly localAddress: string }
  openProxy: { readonly id: string; readonly localAddress: string }
  openDevice: { readonly id: string; readonly address: string; readonly localAddress: string }
  createGroup: undefined
  invite: undefined
  join: undefined
  memberCount: number
  send: UploadReport
  outcomes: readonly SendOutcome[]
  truth: Truth
  status: NodeStatus
  underWay: number
  directoryProxies: number
  forget: undefined
  learnt: Learnt
  handOver: undefined
  plant: undefined
}

/** A device's application got a message. */
export interface Received {
  readonly node: number
  readonly sender: string
  readonly messageId: string
  readonly bodyDigest: string
  readonly bodyBytes: number
}
