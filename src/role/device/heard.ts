/**
 * When any other member of each group was last heard from, over restarts (PROTOCOL.md section 8.7): members ask each other about once
 * a day, so a long silence means that the others are away, or that this device was removed and could not be told.
 */
import { fromHex, type GroupId, groupId, type NodeId, toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import type { Group } from '../../group/group.js'
import { heardRecord, keys } from './records.js'
import type { Storage } from './storage.js'

/** A time on the disk may be so much older than the one in memory: not every message is to cost a write. */
const SAVE_APART_MS = 3_600_000

interface Times {
  at: Millis
  saved: Millis
}

export class Heard {
  private readonly storage: Storage
  private readonly self: NodeId
  /** By hex id of the group. */
  private readonly times = new Map<string, Times>()

  constructor(storage: Storage, self: NodeId) {
    this.storage = storage
    this.self = self
  }

  /** Takes back what an earlier run saved; false where it is damaged. */
  restore(key: string, value: Uint8Array): boolean {
    const id = key.split('/')[1] ?? ''
    const parsed = heardRecord.parse(value)
    if (!/^[0-9a-f]{16}$/.test(id) || !parsed.ok) return false
    this.times.set(id, { at: parsed.value.at, saved: parsed.value.at })
    return true
  }

  /** A member's message came, which bears that time. */
  note(now: Millis, group: GroupId, sentAt: Millis): void {
    const id = toHex(group)
    const at = Math.min(sentAt, now)
    const times = this.times.get(id)
    if (times === undefined) this.save(id, at)
    else if (at > times.at) {
      times.at = at
      if (at >= times.saved + SAVE_APART_MS) this.save(id, at)
    }
  }

  /** Counts from now for groups that are new here, or whose time is still to come by a clock that went back; forgets all others. */
  keep(now: Millis, groups: readonly Group[]): void {
    const held = new Set(groups.map(({ id }) => toHex(id)))
    for (const id of this.times.keys()) {
      if (held.has(id)) continue
      this.times.delete(id)
      this.storage.delete(keys.heard(groupId(fromHex(id))))
    }
    for (const id of held) if ((this.times.get(id)?.at ?? now + 1) > now) this.save(id, now)
  }

  /**
   * Since when nobody has been heard from, by hex id of the group, where that is too long ago; not of groups that this device has
   * departed from, where it is known why, or is alone in.
   */
  silent(now: Millis, groups: readonly Group[]): Map<string, Millis> {
    const isIn = ({ list }: Group) => list.members.size > 1 && list.members.has(toHex(this.self))
    const names = groups.filter(isIn).map(({ id }) => toHex(id))
    const since = names.map((name): [string, Millis | undefined] => [name, this.times.get(name)?.at])
    return new Map(since.filter((each): each is [string, Millis] => isTooLongAgo(now, each[1])))
  }

  private save(id: string, at: Millis): void {
    this.times.set(id, { at, saved: at })
    this.storage.put(keys.heard(groupId(fromHex(id))), heardRecord.encode({ at: Math.floor(at) }))
  }
}

function isTooLongAgo(now: Millis, at: Millis | undefined): boolean {
  return at !== undefined && at + limits.groupSilenceMs <= now
}
