/**
 * The types of a group as its members hold it (PROTOCOL.md sections 6 and 8). Values here are plain and immutable: the
 * functions of this folder take one and give the next, and the device role keeps and stores them.
 */
import type { GroupId, IdentityKey, Key, MessageId, NodeId, Point, Scalar } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import type { Millis } from '../base/time.js'
import type { ContentKind, memberRecord } from '../wire/content.js'

type ValueOf<F> = F extends { encode(value: infer T): Uint8Array } ? T : never

/** A member record that parsed; whether its signature holds is known once it is in a `MemberList`. */
export type MemberRecord = ValueOf<typeof memberRecord>

/** Members with the id of each. Every record but the root's has been verified: inviter's signature, inviter a member. */
export interface MemberList {
  readonly members: ReadonlyMap<string /* hex of the id */, Member>
  /** Hex id of the member whose record is taken on trust: the creator, or the inviter that a passphrase vouched for. */
  readonly root: string | undefined
  /** Records whose inviter is not in the list yet, because messages overtake each other. */
  readonly orphans: readonly MemberRecord[]
}

export interface Member {
  readonly id: NodeId
  readonly record: MemberRecord
}

/** What a content is sealed for: a group's key pair, or the stand-in of an invitation. */
export interface SealingTarget {
  readonly publicPoint: Point
  readonly symmetric: Key
}

export interface GroupKeys extends SealingTarget {
  /** s, from which the others follow. */
  readonly secret: Key
  /** g. */
  readonly privateKey: Scalar
}

/** An invitation that this device made and that no confirmation has answered. */
export interface PendingInvitation {
  readonly newcomer: NodeId
  /** The record that will be announced. */
  readonly record: MemberRecord
  readonly expiresAt: Millis
}

export interface Group {
  readonly id: GroupId
  /** Local name. */
  readonly name: string
  readonly keys: GroupKeys
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
}

/** One content that the group layer wants sent. `recipients` does not include the sender. */
export interface GroupSend {
  readonly kind: ContentKind
  readonly body: Uint8Array
  readonly recipients: readonly Member[]
}

/** A content that opened, parsed and verified. */
export interface VerifiedContent {
  readonly sender: Member
  readonly messageId: MessageId
  readonly kind: ContentKind
  readonly body: Uint8Array
}

export type Opened<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: DropCode }

/** An invitation that opened under a passphrase and verified. */
export interface VerifiedInvitation {
  readonly groupId: GroupId
  readonly groupSecret: Key
  /** What the inviter calls the group. */
  readonly name: string
  readonly inviter: Member
  readonly record: MemberRecord
  readonly inviterKey: IdentityKey
  readonly memberCount: number
  readonly expiresAt: Millis
}

/** How sizes are hidden (PROTOCOL.md section 6). */
export type PaddingMode = 'none' | 'classes' | 'cell'
