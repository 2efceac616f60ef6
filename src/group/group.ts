/**
 * The types of a group as its members hold it (PROTOCOL.md sections 6 and 8). Values here are plain and immutable: the
 * functions of this folder take one and give the next, and the device role keeps and stores them.
 */
import type { Digest, GroupId, IdentityKey, Key, MessageId, NodeId, Point, Scalar } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import type { Millis } from '../base/time.js'
import type { Aead, Group255, Hashing, Identity, Sealing, Signing } from '../crypto/crypto.js'
import type { ContentKind, departure, epochStatement, memberRecord } from '../wire/content.js'

type ValueOf<F> = F extends { encode(value: infer T): Uint8Array } ? T : never

/** What there is to do with a group takes all of this. */
export type GroupCrypto = Hashing & Signing & Group255 & Aead & Sealing

/** A member record that parsed; whether its signature holds is known once it is in a `MemberList`. */
export type MemberRecord = ValueOf<typeof memberRecord>

/** A departure that parsed; whether its signature holds is known once it is in a `MemberList`. */
export type Departure = ValueOf<typeof departure>

/** What an issuer said of a new group secret. */
export type EpochStatement = ValueOf<typeof epochStatement>

/** Everything that can be known of who is in a group, the same for the same records and departures in any order. */
export interface MemberList {
  /** Those who are in it now, with the record by which they are. */
  readonly members: ReadonlyMap<string /* hex of the id */, Member>
  /** All records that count, by hex signature: those of departed members and of repeated invitations too. */
  readonly records: ReadonlyMap<string, Member>
  /** All departures that count, by hex signature. */
  readonly departures: ReadonlyMap<string, Departure>
  /** Hex id of the inviter whose own record is taken on trust until that of its inviter is known; nobody's from then on. */
  readonly root: string | undefined
  /** Records whose inviter, and departures of whom or by whom nothing is known yet, because messages overtake each other. */
  readonly orphans: readonly MemberRecord[]
  readonly strays: readonly Departure[]
}

export interface Member {
  readonly id: NodeId
  readonly record: MemberRecord
}

/** What a content is sealed for: a group's key pair, the stand-in of an invitation, or one member's identity point alone. */
export interface SealingTarget {
  readonly publicPoint: Point
  readonly symmetric?: Key
}

export interface GroupKeys extends Required<SealingTarget> {
  /** s of a day, from which the others follow. */
  readonly secret: Key
  /** g. */
  readonly privateKey: Scalar
}

/** A group secret from its first day, or from the oldest that is still needed, on. */
export interface Epoch {
  readonly number: number
  /** H("et" || statement); zero for the secret that the group was created with. */
  readonly tag: Digest
  readonly statement: EpochStatement | undefined
  /** UTC day that the secret is of; those of later days follow from it. */
  readonly day: number
  readonly secret: Key
  /** When a better epoch was first held. */
  readonly replacedAt: Millis | undefined
  /** Whether this device has known the very departures that the statement counts. */
  readonly departuresKnown: boolean
}

/** The keys of one day of one epoch, by which messages are opened. */
export interface LiveKeys extends GroupKeys {
  readonly epoch: Epoch
  readonly day: number
}

/** An invitation that this device made and that no confirmation has answered. */
export interface PendingInvitation {
  readonly newcomer: NodeId
  /** Tag of the epoch whose secret the invitation carries. */
  readonly epoch: Digest
  /** The record that will be announced. */
  readonly record: MemberRecord
  readonly expiresAt: Millis
}

export interface Group {
  readonly id: GroupId
  /** Local name. */
  readonly name: string
  /** The best epoch first: it is sealed under. The others are opened with for a while. */
  readonly epochs: readonly Epoch[]
  /** Of today, in the best epoch, as of the last look at the clock. */
  readonly keys: GroupKeys
  /** All that messages may still come under. */
  readonly live: readonly LiveKeys[]
  readonly list: MemberList
  readonly pending: ReadonlyMap<string /* hex of the newcomer's id */, PendingInvitation>
  /** Local names of members, by hex id. */
  readonly petnames: ReadonlyMap<string, string>
  /** Own newcomers that confirmed and wait to be introduced; they are in the list already. */
  readonly toIntroduce: readonly MemberRecord[]
  /** Members learnt of from others, who may not have heard of this device's own newcomers. */
  readonly toTell: readonly NodeId[]
  /** When `introduce` is due, and the latest that a further newcomer may put it off to. */
  readonly introduceAt: Millis | undefined
  readonly introduceBy: Millis | undefined
  /** When this device makes a new secret because the present one is known to who has departed, unless somebody else does. */
  readonly rekeyAt: Millis | undefined
  /** Members who may lack the present secret, and when it is brought to them in person. */
  readonly toUpdate: readonly NodeId[]
  readonly updateAt: Millis | undefined
  /** A history that was announced and is not this device's. */
  readonly differs: Difference | undefined
  /** When a member is next asked without an occasion; forgotten in a restart. */
  readonly checkAt: Millis | undefined
  /** When members were last answered, or asked, by hex id; forgotten in a restart. */
  readonly answered: ReadonlyMap<string, Millis>
  /** This device has left: nothing is read any more, and the group goes once the others are known to have heard of it. */
  readonly left: boolean
}

/** Somebody's history that differs, and when it is asked for if it still does. */
export interface Difference {
  /** As it is announced. */
  readonly listDigest: Uint8Array
  readonly from: NodeId
  /** When it was announced, by the clock of who did. */
  readonly announcedAt: Millis
  readonly askAt: Millis
  /** Members asked so far. */
  readonly asked: number
}

/** One content that the group layer wants sent. `recipients` does not include the sender. */
export interface GroupSend {
  readonly kind: ContentKind
  readonly body: Uint8Array
  readonly recipients: readonly Member[]
  /** Sealed for the one recipient alone, whatever secret it holds. */
  readonly personal?: true
  /** Tag of the epoch whose keys it is sealed under, where that is not the best one. */
  readonly epoch?: Digest
  /** A personal part of equal length for each recipient, by hex id, and one for the sender. */
  readonly parts?: ReadonlyMap<string, Uint8Array>
}

/** A content that opened, parsed and verified. */
export interface VerifiedContent {
  readonly sender: Member
  readonly messageId: MessageId
  readonly kind: ContentKind
  readonly body: Uint8Array
  /** What came beside it for this device alone; empty for most. */
  readonly personalPart: Uint8Array
  /** Tag of the epoch it came under; `undefined` for what was for this device alone. */
  readonly epoch: Digest | undefined
}

/** The device whose groups these are. */
export interface Local {
  readonly identity: Identity
  readonly self: NodeId
}

export type Opened<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: DropCode }

/** An invitation that opened under a passphrase and verified. */
export interface VerifiedInvitation {
  readonly groupId: GroupId
  readonly epoch: Epoch
  /** What the inviter calls the group. */
  readonly name: string
  readonly inviter: Member
  readonly record: MemberRecord
  readonly inviterKey: IdentityKey
  readonly memberCount: number
  /** Of the directory that the inviter held. */
  readonly directoryDigest: Digest
  readonly expiresAt: Millis
}

/** How sizes are hidden (PROTOCOL.md section 6.1). */
export type PaddingMode = 'none' | 'classes' | 'cell'
