/**
 * A device as the driver sees it: source and target of messages (PROTOCOL.md sections 4 to 8). The machine stands in
 * device/; here are its inputs, outputs and what can be asked of it.
 */
import type { GroupId, MessageId, NodeId } from '../base/bytes.js'
import type { ErrorCode } from '../base/errors.js'
import type { Millis } from '../base/time.js'
import type { DecoyMode } from '../group/decoys.js'
import type { Group, PaddingMode } from '../group/group.js'
import type { LinkCounters } from '../link/link.js'
import type { deviceAddress } from '../wire/directory.js'
import type { DirectoryComparison } from './device/directory-views.js'
import type {
  Machine,
  Reference,
  RoleContext,
  RoleInput,
  RoleOutput,
  Self,
  ServerContact,
  ServerMoved,
} from './role.js'
import type { ServerConnection, VerifiedDirectory } from './server-link.js'

type ValueOf<F> = F extends { encode(value: infer T): Uint8Array } ? T : never
export type DeviceAddress = ValueOf<typeof deviceAddress>

export interface DeviceOptions extends RoleContext {
  readonly self: Self
  /** 2 bytes. */
  readonly accessCode: Uint8Array
  readonly server: ServerContact
  /** The id of the proxy that runs beside this device, if any: never chosen as P1 or P2. */
  readonly ownProxy?: NodeId
  /** First proxies that the device keeps to for weeks; 0 takes all. Default 3. */
  readonly firstProxies?: number
  readonly padding: PaddingMode
  /** How the number of slots is rounded up; default none. */
  readonly decoys?: DecoyMode
  /** Mean time between two messages to nobody; default 0, none are sent. */
  readonly coverMeanMs?: number
  /** Receipts are first asked for after once to twice this time; by default as limits.ts says. */
  readonly receiptWaitMs?: number
}

/** What a user asks; each is answered by one `done` or `failed` with the same reference. */
export type DeviceCommand =
  | { readonly type: 'createGroup'; readonly reference: Reference; readonly name: string }
  | {
      readonly type: 'invite'
      readonly reference: Reference
      readonly group: string
      readonly address: DeviceAddress
      readonly passphrase: Uint8Array
      readonly petname?: string
    }
  /** Tries the passphrase on every message that no key opens. */
  | { readonly type: 'join'; readonly reference: Reference; readonly passphrase: Uint8Array; readonly name?: string }
  /** Drops what waits: what the passphrase opens, or without one whatever no key opens that may be an invitation. Nobody is told. */
  | { readonly type: 'decline'; readonly reference: Reference; readonly passphrase?: Uint8Array }
  /** Takes an invitation back: whoever opens it afterwards is let in by nobody. */
  | { readonly type: 'uninvite'; readonly reference: Reference; readonly group: string; readonly newcomer: NodeId }
  | {
      readonly type: 'send'
      readonly reference: Reference
      readonly group: string
      readonly body: Uint8Array
      readonly padding?: PaddingMode
      readonly decoys?: DecoyMode
      /** By a first proxy alone, to this member alone. */
      readonly direct?: { readonly to: NodeId }
      /** When it is answered: once a first proxy has the message, the default, or once all is proven or given up. */
      readonly until?: 'taken' | 'over'
    }
  /** Leaves the group: the others are told, and this device reads no more of it. */
  | { readonly type: 'leaveGroup'; readonly reference: Reference; readonly group: string }
  /** Removes members, and makes the group's secret anew for those who remain. */
  | {
      readonly type: 'removeMembers'
      readonly reference: Reference
      readonly group: string
      readonly members: readonly NodeId[]
    }
  /** Calls a member, or who is invited, otherwise on this device. */
  | {
      readonly type: 'renameMember'
      readonly reference: Reference
      readonly group: string
      readonly member: NodeId
      readonly name: string
    }
  /** These inbox messages are the application's now and may be deleted here. */
  | { readonly type: 'acknowledge'; readonly reference: Reference; readonly sequences: readonly number[] }
  /** Gives up a command that has not been answered; it fails with ABORTED, and what it may have sent is not unsent. */
  | { readonly type: 'abort'; readonly reference: Reference }

export type DeviceInput =
  | RoleInput
  | ServerMoved
  | DeviceCommand
  | { readonly type: 'derived'; readonly reference: Reference; readonly derived: Uint8Array }

/** What one message cost the sender, UDP payload bytes of the datagrams to P1 that carried it for the first time. */
export interface UploadReport {
  readonly messageId: MessageId
  /** Recipients, the sender's own copy and decoys among them. */
  readonly slots: number
  readonly decoys: number
  readonly bodyBytes: number
  readonly uploadBytes: number
  readonly datagrams: number
  /** Content and request padding. */
  readonly paddingBytes: number
  /** Packet and fragment headers of all datagrams but the first. */
  readonly furtherDatagramBytes: number
  /** uploadBytes - bodyBytes - 10 x slots - paddingBytes - furtherDatagramBytes. */
  readonly fixedBytes: number
  /** Bytes of each sealed copy, as P2 sends it to CS, and of each payload as CS delivers it. */
  readonly copyBytes: number
  readonly deliveryBytes: number
}

/**
 * Why a recipient is not proven to have a message: the server refused the copy, there is no proof that it has it, or it left the group or
 * was removed in the meantime.
 */
export type UnprovenReason = 'refused' | 'noProof' | 'departed'

/** What became of a message, as far as receipts prove it; the sender is not counted. */
export interface Outcome {
  readonly messageId: MessageId
  readonly groupId: GroupId
  readonly recipients: number
  /** Of those, the ones whose copy the server is proven to have stored. */
  readonly stored: number
  /** The others. */
  readonly unproven: readonly {
    readonly id: NodeId
    readonly name: string | undefined
    readonly reason: UnprovenReason
  }[]
}

export type DeviceResult =
  | { readonly type: 'created'; readonly group: Group }
  /** The invitation was handed to a first proxy. */
  | { readonly type: 'invited'; readonly newcomer: NodeId }
  | {
      readonly type: 'joined'
      readonly groups: readonly { readonly name: string; readonly inviter: NodeId; readonly memberCount: number }[]
    }
  | {
      readonly type: 'declined'
      /** How many are dropped; and of those that opened as invitations, to what, and whose. */
      readonly messages: number
      readonly groups: readonly { readonly name: string; readonly inviter: NodeId }[]
    }
  | { readonly type: 'uninvited'; readonly newcomer: NodeId }
  /** The message was handed to a first proxy; with `outcome`, where that was waited for. */
  | { readonly type: 'sent'; readonly report: UploadReport; readonly outcome: Outcome | undefined }
  /** It is written here, and the message that tells the others is on its way. */
  | { readonly type: 'left' }
  | { readonly type: 'removed'; readonly members: readonly NodeId[] }
  | { readonly type: 'renamed'; readonly member: NodeId }
  | { readonly type: 'acknowledged' }

/** A verified message, written to the inbox before CS is told. */
export interface InboxMessage {
  /** Its place in the inbox; acknowledge by it. */
  readonly sequence: number
  readonly groupId: GroupId
  /** Local name of the group. */
  readonly group: string
  readonly sender: NodeId
  /** Local name of the sender, where it has one. */
  readonly senderName: string | undefined
  readonly messageId: MessageId
  readonly sentAt: Millis
  /** Whether the sender sent it to this device alone. */
  readonly direct: boolean
  readonly body: Uint8Array
}

export type DeviceOutput =
  | RoleOutput
  | { readonly type: 'done'; readonly reference: Reference; readonly result: DeviceResult }
  | { readonly type: 'failed'; readonly reference: Reference; readonly code: ErrorCode; readonly message: string }
  /** Argon2id is wanted (slow): answered by `derived`. */
  | {
      readonly type: 'derive'
      readonly reference: Reference
      readonly passphrase: Uint8Array
      readonly salt: Uint8Array
    }
  /** A message is in the inbox. Messages of an earlier run come again after `start`. */
  | { readonly type: 'message'; readonly message: InboxMessage }
  /** A message came that no key opens: perhaps an invitation. */
  | { readonly type: 'unopened'; readonly waiting: number }
  /** The link to CS came up or was lost, or a newer directory came: see `status`. */
  | { readonly type: 'connection' }
  /** More recipients of a message are proven to have it. */
  | { readonly type: 'progress'; readonly reference: Reference | undefined; readonly outcome: Outcome }
  /** A message is over: proven, or given up after the last try. */
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  /** An invitation that this device made is over: nobody answered in time, or it was taken back. */
  | { readonly type: 'invitationOver'; readonly group: string; readonly newcomer: NodeId }
  /** Somebody joined a group. */
  | { readonly type: 'memberJoined'; readonly group: string; readonly member: NodeId }
  /** Somebody left a group or was removed, perhaps this device itself. */
  | { readonly type: 'memberLeft'; readonly group: string; readonly member: NodeId }

export interface CoverStatus {
  /** Mean time between two messages to nobody. */
  readonly meanMs: number
  readonly made: number
  /** Those whose time came when none could be sent: no group to imitate, no server or proxies, or too many under way. */
  readonly skipped: number
}

/** A first proxy that the device keeps to. */
export interface FirstProxyStatus {
  readonly id: NodeId
  /** When another takes its place. */
  readonly endsAt: Millis
  readonly state: 'usable' | 'unreached' | 'unlisted'
}

export interface DeviceStatus {
  readonly id: NodeId
  readonly connected: boolean
  readonly serverLink: ServerConnection
  readonly directory: VerifiedDirectory | undefined
  /** How the directories that members announced compare with those given to this device. */
  readonly directories: DirectoryComparison
  /** The first proxies that the device keeps to; `undefined` where it takes all. */
  readonly firstProxies: readonly FirstProxyStatus[] | undefined
  readonly groups: readonly Group[]
  /** Those in which no other member has been heard from for long, by hex id, and since when; none while not all that waited has come. */
  readonly silentGroups: ReadonlyMap<string, Millis>
  readonly unopened: number
  readonly inboxMessages: number
  /** Messages that no first proxy has; and those that one has, and that are not proven stored for all. */
  readonly outgoingMessages: number
  readonly unprovenMessages: number
  /** Of cover traffic, where there is any. */
  readonly cover: CoverStatus | undefined
  /** Counters of the links by what is at the other end. */
  readonly links: { readonly server: LinkCounters; readonly proxies: LinkCounters }
}

export interface Device extends Machine<DeviceInput, DeviceOutput> {
  status(): DeviceStatus
  group(name: string): Group | undefined
}
