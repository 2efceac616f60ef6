/**
 * What the rooms of a device share: its options, its disk and what it holds. Each part owns its own state; nobody else
 * changes it.
 */
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import type { DeviceOptions, DeviceOutput } from '../device.js'
import type { VerifiedDirectory } from '../server-link.js'
import { DirectoryViews } from './directory-views.js'
import { Groups } from './groups.js'
import { Guards } from './guards.js'
import { HandedOn } from './handed-on.js'
import { Heard } from './heard.js'
import { Inbox, type InboxBounds } from './inbox.js'
import { Kept, type KeptBounds } from './kept.js'
import { MessageIds } from './message-ids.js'
import { Outbox, type OutboxBounds } from './outbox.js'
import { OwnCopies } from './own-copies.js'
import { keys } from './records.js'
import { Replies } from './replies.js'
import { Storage } from './storage.js'

/** What the device hands to its parts. */
export interface Surroundings {
  readonly options: DeviceOptions
  say(output: DeviceOutput): void
  /** The directory that holds now. */
  directory(): VerifiedDirectory | undefined
  /** Whether the link to CS is up. */
  connected(): boolean
  /** Since when the link to CS is up, once all that had waited before is here. */
  linkedSince(): Millis | undefined
}

export interface DeviceCore extends Surroundings {
  readonly storage: Storage
  readonly groups: Groups
  readonly inbox: Inbox
  readonly handedOn: HandedOn
  readonly ownCopies: OwnCopies
  /** Payloads that no key opens: those that may be invitations, and those too large for one. */
  readonly unopened: Kept
  readonly unread: Kept
  /** Payloads of a group from senders that are not in its list yet. */
  readonly early: Kept
  readonly outbox: Outbox
  readonly messageIds: MessageIds
  readonly replies: Replies
  readonly guards: Guards
  readonly directories: DirectoryViews
  readonly heard: Heard
  drop(code: DropCode): void
}

/** Bounds that replace those of limits.ts, for tests of what happens at them. */
export interface DeviceBounds {
  readonly inbox?: InboxBounds
  readonly outbox?: OutboxBounds
  readonly unopened?: KeptBounds
  readonly unread?: KeptBounds
  readonly early?: KeptBounds
  readonly groups?: number
  readonly handedOn?: number
  readonly ownCopies?: number
  readonly commands?: number
}

const UNOPENED: KeptBounds = {
  messages: limits.unopenedMessages,
  bytes: limits.unopenedBytes,
  lifeMs: limits.unopenedLifeMs,
}
const UNREAD: KeptBounds = { messages: limits.unreadMessages, bytes: limits.unreadBytes, lifeMs: limits.unreadLifeMs }
const EARLY: KeptBounds = { messages: limits.earlyMessages, bytes: limits.earlyBytes, lifeMs: limits.earlyLifeMs }

const DEFAULT_FIRST_PROXIES = 3

export function createCore(surroundings: Surroundings, bounds: DeviceBounds): DeviceCore {
  const { say } = surroundings
  const storage = new Storage(say)
  const { self, accessCode, random, ownProxy, firstProxies } = surroundings.options
  const groups = new Groups(storage, bounds.groups)
  return {
    ...surroundings,
    storage,
    groups,
    inbox: new Inbox(storage, groups, bounds.inbox),
    handedOn: new HandedOn(storage, bounds.handedOn),
    ownCopies: new OwnCopies(storage, bounds.ownCopies),
    unopened: new Kept(storage, 'unopened/', bounds.unopened ?? UNOPENED),
    unread: new Kept(storage, 'unread/', bounds.unread ?? UNREAD),
    early: new Kept(storage, 'early/', bounds.early ?? EARLY),
    outbox: new Outbox(storage, { id: self.id, accessCode }, bounds.outbox),
    messageIds: new MessageIds(random),
    guards: new Guards({
      random,
      own: ownProxy,
      count: firstProxies ?? DEFAULT_FIRST_PROXIES,
      save: (record) => storage.put(keys.guards, record),
    }),
    directories: new DirectoryViews({
      linkedSince: () => surroundings.linkedSince(),
      save: (record) => storage.put(keys.directories, record),
    }),
    heard: new Heard(storage, self.id),
    replies: new Replies(say, bounds.commands),
    drop: (code) => say({ type: 'drop', code }),
  }
}
