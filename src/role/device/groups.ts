/**
 * The groups of a device, by local name and by id, with their private keys side by side for one batch of trials
 * (PROTOCOL.md section 6). Owns no rule of a group: those stand in src/group.
 */
import { type GroupId, type Scalar, toHex } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis } from '../../base/time.js'
import type { Crypto } from '../../crypto/crypto.js'
import type { Group } from '../../group/group.js'
import { checkName } from '../../group/membership.js'
import { decodeGroup, encodeGroup } from '../../group/storage.js'
import { keys } from './records.js'
import type { Storage } from './storage.js'

export class Groups {
  private readonly storage: Storage
  private readonly limit: number
  /** Hex ids in the order of `privateKeys`. */
  private readonly order: string[] = []
  private readonly groups = new Map<string, Group>()
  private readonly names = new Map<string, string>()
  private keysInOrder: Scalar[] = []
  private nextIntroduction: Millis | undefined

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

  /** Group `index` goes with key `index`. */
  get privateKeys(): readonly Scalar[] {
    return this.keysInOrder
  }

  at(index: number): Group {
    return this.groups.get(this.order[index] as string) as Group
  }

  all(): readonly Group[] {
    return this.order.map((id) => this.groups.get(id) as Group)
  }

  byId(id: GroupId): Group | undefined {
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
    this.hold(group)
    this.storage.put(keys.group(group.id), encodeGroup(group))
  }

  /** When newcomers of some group are next to be introduced. */
  get introduceAt(): Millis | undefined {
    return this.nextIntroduction
  }

  private hold(group: Group): void {
    const id = toHex(group.id)
    if (!this.groups.has(id)) this.order.push(id)
    this.groups.set(id, group)
    this.names.set(group.name, id)
    this.keysInOrder = this.all().map((each) => each.keys.privateKey)
    this.nextIntroduction = this.all().reduce<Millis | undefined>(
      (at, each) => earliest(at, each.introduceAt),
      undefined,
    )
  }
}
