/**
 * A device as developers embed it: groups, invitations and messages as promises and async iterables. Errors have a `code`;
 * docs/OPERATING.md lists them.
 */
import type { DecoyMode } from '../group/decoys.js'
import type { PaddingMode } from '../group/group.js'
import type { PeerAddress } from '../link/link.js'
import type { CoverStatus, DeviceStatus, FirstProxyStatus, UploadReport } from '../role/device.js'
import type { FieldObserver } from '../wire/codec.js'
import type { BackupOptions, BackupPiece } from './backup.js'
import type { ReceivedMessage } from './inbox.js'
import type { Log } from './log.js'
import type { SendOutcome } from './outcomes.js'

export interface DeviceOptions {
  /** The server's network card. */
  readonly network: string
  /** Directory for keys, groups and inbox; made where it is missing. One process at a time. */
  readonly data: string
  /** Of the data directory, where it has one. */
  readonly passphrase?: string
  /** HOST:PORT to send from; by default any free port. */
  readonly listen?: string
  /** First proxies that the device keeps to for weeks, 0 to 16; 0 takes all that are listed. Default 3. */
  readonly firstProxies?: number
  /** How sizes are hidden; default `classes`. */
  readonly padding?: PaddingMode
  /** How the number of slots of each message is rounded up, so that a proxy counts no members; default `none`. */
  readonly decoys?: DecoyMode
  /**
   * Mean time in milliseconds between two messages of cover traffic, to nobody and like any other to proxies and observers;
   * default none.
   */
  readonly coverMeanMs?: number
  /** Closes the device when aborted. */
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly observe?: FieldObserver
}

export interface MemberInfo {
  /** Hex id. */
  readonly id: string
  /** Local name, where there is one. */
  readonly name: string | undefined
  readonly role: 'creator' | 'member'
  /** Hex id of who invited. */
  readonly inviter: string
  /** When it was invited, by its inviter's clock. */
  readonly since: Date
  readonly self: boolean
}

/** An invitation that this device made and that has not been answered. */
export interface PendingInvitation {
  /** Hex id of who is invited. */
  readonly id: string
  /** Local name, where there is one. */
  readonly name: string | undefined
  readonly invitedAt: Date
  readonly expiresAt: Date
}

/** What was dropped at the owner's wish. */
export interface Declined {
  readonly messages: number
  /** Of those, the ones that a passphrase showed to be invitations: the group's name and the hex id of who invited. */
  readonly invitations: readonly { readonly name: string; readonly inviter: string }[]
}

export interface SendOptions {
  /** Stops waiting; what a first proxy has is seen through all the same. */
  readonly signal?: AbortSignal
  readonly padding?: PaddingMode
  readonly decoys?: DecoyMode
  /**
   * To one member alone, given by local name, hex id or address, and by one proxy alone: faster, but that proxy and the server together
   * then know who sends to whom. Throws `MEMBER_UNKNOWN`, `MEMBER_SELF`.
   */
  readonly direct?: { readonly to: string }
  /** Whether to wait for proof, which is the default, or only until a first proxy holds the message. */
  readonly wait?: boolean
  /** Told while it is waited for, whenever more recipients are proven to have the message. */
  readonly onProgress?: (outcome: SendOutcome) => void
}

/** What a message cost, and what became of it where that was waited for. */
export interface SendReport extends UploadReport {
  readonly outcome: SendOutcome | undefined
}

export interface Group {
  readonly name: string
  /** Everybody in it, oneself included. */
  members(): MemberInfo[]
  /**
   * Since when no other member has been heard from, where that is over a week and nothing waits at the server: they are all away, or this
   * device was removed while it was away itself.
   */
  unheardSince(): Date | undefined
  /** Twelve words for the whole list: members that read the same ones to each other hold the same list. */
  fingerprint(): string
  /**
   * Invites the device at `address`; the passphrase goes to its owner by another way. Resolves once a first proxy holds it.
   * Rejects with PASSPHRASE_WEAK, and a reason, where the passphrase is easy to guess.
   */
  invite(
    address: string,
    options: { readonly passphrase: string; readonly as?: string; readonly signal?: AbortSignal },
  ): Promise<Invited>
  /**
   * Removes members, each given by local name, hex id or address, and gives the others a new secret: who is removed reads nothing that
   * they send from then on. Resolves with hex ids once it is written down and on its way. Rejects with MEMBER_UNKNOWN, MEMBER_SELF.
   */
  remove(members: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<string[]>
  /**
   * Calls a member, or who is invited, otherwise on this device; `device` is an address, the name so far or a hex id. Resolves with the hex
   * id. Rejects with MEMBER_UNKNOWN, MEMBER_SELF, and NAME_INVALID where another device has the name too.
   */
  rename(device: string, name: string, options?: { readonly signal?: AbortSignal }): Promise<string>
  /** Leaves the group, which is gone here at once; resolves once it is written down and the others are about to be told. */
  leave(options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Invitations made here that have not been answered, eldest first. */
  invitations(): PendingInvitation[]
  /**
   * Takes an invitation back; `device` is an address, a local name or a hex id. Resolves with the hex id. Whoever opens it
   * afterwards is let in by nobody, but may have read the group's keys of the day on which it was made.
   */
  uninvite(device: string, options?: { readonly signal?: AbortSignal }): Promise<string>
  /**
   * Sends one message to all members; resolves once every one of them is proven to have it in its mailbox, or after the last
   * try, with those that are not. Rejects where no first proxy takes it.
   */
  send(body: Uint8Array, options?: SendOptions): Promise<SendReport>
  /** Messages of this group from others, oldest first. Each iterator sees every message that nobody acknowledged yet. */
  messages(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<ReceivedMessage>
}

/** An invitation on its way. */
export interface Invited {
  /** Hex id of who is invited. */
  readonly id: string
  /**
   * Resolves once the invited device is a member, which can take as long as its owner does; rejects with INVITATION_EXPIRED
   * when that can no longer happen.
   */
  joined(options?: { readonly signal?: AbortSignal }): Promise<MemberInfo>
}

export interface Invitation {
  /** Messages waiting that no key opens, and that may be invitations. */
  readonly waiting: number
  /** Tries a passphrase on all of them; PASSPHRASE_WRONG where it fits none, and they are kept. */
  join(passphrase: string, options?: { readonly as?: string; readonly signal?: AbortSignal }): Promise<Group[]>
}

/** How a device is doing; nothing in it is secret to the device's owner's own programs, and no key is in it. */
export interface DeviceInfo {
  /** Whether the link to the server is up. */
  readonly connected: boolean
  readonly serverLink: DeviceStatus['serverLink']
  /** Whether a passphrase guards the data directory. */
  readonly sealed: boolean
  /** The directory in use; `proxies` are hex ids. */
  readonly directory:
    | {
        readonly version: number
        readonly issuedAt: Date
        readonly validUntil: Date
        readonly proxies: readonly string[]
        /** Twelve words for the whole of it: two that hold the same version and read other words are shown different directories. */
        readonly fingerprint: string
        /**
         * How many announcements of members, in this run, were of a directory that this device was given as well; and who, by hex id,
         * announced one that it was not given, and when.
         */
        readonly announced: {
          readonly same: number
          readonly other: readonly { readonly id: string; readonly at: Date }[]
        }
      }
    | undefined
  /** The first proxies that the device keeps to, by hex id, and until when; `undefined` where it takes all. */
  readonly firstProxies:
    | readonly { readonly id: string; readonly until: Date; readonly state: FirstProxyStatus['state'] }[]
    | undefined
  /**
   * `listDigest` is hex: members whose digests are equal hold the same history, departures included. `epoch` counts the secrets that
   * the group has had after its first. `unheardSince` is there where no other member has been heard from for over a week.
   */
  readonly groups: readonly {
    readonly name: string
    readonly members: number
    readonly departures: number
    readonly listDigest: string
    readonly epoch: number
    readonly unheardSince?: Date
  }[]
  /** Messages that no key opens. */
  readonly unopened: number
  readonly inboxMessages: number
  /** Messages that no first proxy has; and those that one has, and that not all recipients are proven to have. */
  readonly outgoingMessages: number
  readonly unprovenMessages: number
  /** Of cover traffic, where there is any. */
  readonly cover: CoverStatus | undefined
  readonly links: DeviceStatus['links']
  /** What was dropped, by code: see docs/OPERATING.md. */
  readonly drops: Readonly<Record<string, number>>
  /** Datagrams that the system did not send, by its code: `EPERM`, `ENETUNREACH`, ... */
  readonly sendErrors: Readonly<Record<string, number>>
}

export interface Device extends AsyncDisposable {
  /** Hex id. */
  readonly id: string
  /** What others need to invite this device. */
  readonly address: string
  readonly localAddress: PeerAddress
  readonly groups: {
    create(name: string): Promise<Group>
    /** The group of that local name, or `undefined`. */
    get(name: string): Group | undefined
    list(): Group[]
  }
  /** Yields while messages wait that no key opens, and again when more come. */
  invitations(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<Invitation>
  /** Tries a passphrase on what waits, without waiting for more. */
  join(passphrase: string, options?: { readonly as?: string; readonly signal?: AbortSignal }): Promise<Group[]>
  /**
   * Drops what a passphrase opens, or without one all that may be invitations. Nobody is told. PASSPHRASE_WRONG where a
   * passphrase opens nothing.
   */
  decline(options?: { readonly passphrase?: string; readonly signal?: AbortSignal }): Promise<Declined>
  /** Messages of all groups. */
  messages(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<ReceivedMessage>
  /** What became of each message from now on, those of an earlier run and those that nobody waits for among them. */
  outcomes(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<SendOutcome>
  /** Resolves when the server link is up and a directory is there. */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>
  status(): DeviceInfo
  /** The bytes of a backup of all that it has, as it is now: see docs/OPERATING.md, "Backup and restore". */
  backup(options: BackupOptions): AsyncIterableIterator<BackupPiece>
  /** Resolves when the device has stopped; rejects when its store failed. */
  readonly ended: Promise<void>
  close(): Promise<void>
}
