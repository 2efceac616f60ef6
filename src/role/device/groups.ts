/**
 * The groups of a device, by local name and by id, with all private keys that messages may come under side by side for one batch
 * of trials (PROTOCOL.md section 6). Sees to it that a secret that is no longer needed is gone from memory and disk. Owns no rule
 * of a group: those stand in src/group.
 */
import { type GroupId, type NodeId, type Scalar, toHex, wipe } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { RandomBytes } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { Crypto } from '../../crypto/crypto.js'
import { forgetKeys, nextRefresh, refreshKeys } from '../../group/epochs.js'
import type { Group, LiveKeys } from '../../group/group.js'
import { checkName, dueAt, planCheck } from '../../group/membership.js'
import { decodeGroup, encodeGroup } from '../../group/storage.js'
import { keys } from './records.js'
import type { Storage } from './storage.js'

export class Groups {
  private readonly storage: Storage
  private readonly limit: number
  private readonly groups = new Map<string, Group>()
  private readonly names = new Map<string, string>()
  /** What goes with each of `privateKeys`. */
  private trials: { readonly id: string; readonly keys: LiveKeys }[] = []
  private keysInOrder: Scalar[] = []
  private nextDue: Millis | undefined
  private refreshAt: Millis = 0

  constructor(storage: Storage, limit: number = limits.groups) {
    this.storage = storage
    this.limit = limit
  }

  /** False where the entry is no group that could be held beside the others. */
  restore(crypto: Crypto, key: string, value: Uint8Array): boolean {
    const group = decodeGroup(crypto, value.slice())
    if (group === undefined || keys.group(group.id) !== key) return false
    if (this.byName(group.name) !== undefined || this.isFull(1)) return false
    this.hold(group)
    return true
  }

  /** All that a message may be sealed under; `at` says what goes with which. */
  get privateKeys(): readonly Scalar[] {
    return this.keysInOrder
  }

  at(index: number): { readonly group: Group; readonly keys: LiveKeys } {
    const trial = this.trials[index] as { id: string; keys: LiveKeys }
    return { group: this.groups.get(trial.id) as Group, keys: trial.keys }
  }

  /** Those that this device has not left. */
  all(): readonly Group[] {
    return [...this.groups.values()].filter(({ left }) => !left)
  }

  byId(id: GroupId): Group | undefined {
    const group = this.kept(id)
    return group?.left ? undefined : group
  }

  /** One that was left too, while something of it is still to be sent. */
  kept(id: GroupId): Group | undefined {
    return this.groups.get(toHex(id))
  }

  byName(name: string): Group | undefined {
    const id = this.names.get(name)
    return id === undefined ? undefined : this.groups.get(id)
  }

  /** Throws `GROUP_UNKNOWN`. */
  named(name: string): Group {
    const group = this.byName(name)
    if (group !== undefined) return group
    throw new ProtocolError('GROUP_UNKNOWN', `there is no group "${name}" here; "group list" shows those there are`)
  }

  isFull(more: number): boolean {
    return this.groups.size + more > this.limit
  }

  /** Throws `NAME_INVALID`, `GROUP_EXISTS` or `GROUPS_FULL` where `names` could not all be added. */
  checkRoom(names: readonly string[]): void {
    for (const [index, name] of names.entries()) {
      checkName(name)
      if (this.byName(name) !== undefined || names.indexOf(name) !== index) {
        throw new ProtocolError('GROUP_EXISTS', `there is a group "${name}" already; choose another name`)
      }
    }
    if (this.isFull(names.length)) {
      throw new ProtocolError('GROUPS_FULL', `a device holds at most ${this.limit} groups`)
    }
  }

  /** Adds a group or replaces its earlier state, in memory and with the next write. */
  put(group: Group): void {
    const forgot = this.hold(group)
    const stored = encodeGroup(group)
    if (forgot) this.storage.replaceSecret(keys.group(group.id), stored)
    else this.storage.put(keys.group(group.id), stored)
  }

  /** Groups that were left and of which nothing is to be sent any more go for good. */
  dropLeft(isNeeded: (group: Group) => boolean): void {
    for (const [id, group] of this.groups) {
      if (!group.left || isNeeded(group)) continue
      this.groups.delete(id)
      wipe(...secretsOf(group))
      this.storage.erase(keys.group(group.id))
    }
  }

  /** Keys as the clock has it; true where there are others than before. */
  refresh(crypto: Crypto, now: Millis): boolean {
    if (now < this.refreshAt && now + limits.messageLifeMs > this.refreshAt) return false
    this.refreshAt = nextRefresh(now)
    let changed = false
    for (const group of this.all()) {
      const refreshed = refreshKeys(crypto, group, now)
      if (refreshed !== group) this.hold(refreshed)
      changed = changed || refreshed !== group
    }
    return changed
  }

  /** Forgets the keys of days before `day`: see `forgetKeys`. */
  forget(crypto: Crypto, day: number, certain: Millis, now: Millis): void {
    for (const group of this.all()) {
      const next = forgetKeys(crypto, group, day, certain, now)
      if (next !== group) this.put(next)
    }
  }

  /** Each is compared with some other member's about once a day: see `planCheck`. */
  plan(random: RandomBytes, self: NodeId, now: Millis): void {
    for (const group of this.all()) {
      const next = planCheck(random, group, self, now)
      if (next !== group) this.hold(next)
    }
  }

  /** When some group is next to be attended to, and when the keys change with the day. */
  get dueAt(): Millis | undefined {
    return this.nextDue
  }

  get refreshDueAt(): Millis | undefined {
    return this.groups.size === 0 ? undefined : this.refreshAt
  }

  /** True where a secret that was held is held no longer. */
  private hold(group: Group): boolean {
    const id = toHex(group.id)
    const before = this.groups.get(id)
    this.groups.set(id, group)
    if (!group.left) this.names.set(group.name, id)
    else if (this.names.get(group.name) === id) this.names.delete(group.name)
    this.trials = this.all().flatMap((each) => each.live.map((live) => ({ id: toHex(each.id), keys: live })))
    this.keysInOrder = this.trials.map((each) => each.keys.privateKey)
    this.nextDue = this.all().reduce<Millis | undefined>((at, each) => earliest(at, dueAt(each)), undefined)
    // Secrets are shared between one state of a group and the next: what only the one before held is wiped.
    const needed = new Set(secretsOf(group))
    const forgotten = before === undefined ? [] : secretsOf(before).filter((secret) => !needed.has(secret))
    wipe(...forgotten)
    return forgotten.length > 0
  }
}

function secretsOf({ epochs, live, keys: current }: Group): Uint8Array[] {
  const ofKeys = [...live, current].flatMap(({ secret, privateKey, symmetric }) => [secret, privateKey, symmetric])
  return [...epochs.map(({ secret }) => secret), ...ofKeys]
}
