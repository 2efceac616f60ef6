/**
 * Which directories this device was given, and which ones members say that they hold (PROTOCOL.md section 9.7): CS signs them, so nothing
 * but members' words shows that it shows one device another than the rest. Says what does not fit; a person judges why.
 */
import { equal, type NodeId, nodeId, toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import type { VerifiedContent } from '../../group/group.js'
import { ANNOUNCED_DIGEST_BYTES, members, rekey } from '../../wire/content.js'
import { directoriesRecord } from './records.js'

export interface DirectoryViewsOptions {
  /** Since when CS has sent every new directory: the link is up, and all that had waited before it is here. */
  readonly linkedSince: () => Millis | undefined
  /** Keeps the record. */
  readonly save: (record: Uint8Array) => void
}

/** How directories compare that this device was given and that members announced, in this run. */
export interface DirectoryComparison {
  /** Announcements of a directory that this device was given as well. */
  readonly same: number
  /** Members that announced one that it was not given, though it was linked to CS at the time; the latest time of each. */
  readonly other: readonly { readonly member: NodeId; readonly at: Millis }[]
}

interface Unknown {
  readonly member: NodeId
  readonly digest: Uint8Array
  /** By the member's clock. */
  readonly at: Millis
  readonly heardAt: Millis
  reported: boolean
}

export class DirectoryViews {
  private readonly options: DirectoryViewsOptions
  /** First halves of digests, eldest first. */
  private given: Uint8Array[] = []
  /** By hex id of the member, so that nobody pushes out what others said. */
  private readonly unknown = new Map<string, Unknown>()
  private same = 0

  constructor(options: DirectoryViewsOptions) {
    this.options = options
  }

  /** Takes back what an earlier run saved; false where it is damaged. */
  restore(value: Uint8Array): boolean {
    const parsed = directoriesRecord.parse(value.slice())
    if (parsed.ok) this.given = parsed.value.directories.map(({ digest }) => digest)
    return parsed.ok
  }

  /** CS gave this device a directory of that digest. */
  hold(digest: Uint8Array): void {
    const half = digest.slice(0, ANNOUNCED_DIGEST_BYTES)
    if (this.isGiven(half)) return
    this.given = [...this.given, half].slice(-limits.directoriesRemembered)
    this.options.save(directoriesRecord.encode({ directories: this.given.map((each) => ({ digest: each })) }))
  }

  /**
   * A member said, at that time of its clock, that it holds a directory of that digest, or of one that begins so. Of a time at
   * which this device may have missed directories nothing can be said.
   */
  announced(now: Millis, member: NodeId, digest: Uint8Array, at: Millis): void {
    const half = digest.slice(0, ANNOUNCED_DIGEST_BYTES)
    if (half.every((byte) => byte === 0)) return
    if (this.isGiven(half)) {
      this.same++
      return
    }
    const since = this.options.linkedSince()
    if (since === undefined || at < since + limits.directorySettleMs) return
    const id = toHex(member)
    this.unknown.delete(id)
    this.unknown.set(id, { member: nodeId(member.slice()), digest: half, at, heardAt: now, reported: false })
    for (const eldest of this.unknown.keys()) {
      if (this.unknown.size <= limits.directoryAnnouncers) break
      this.unknown.delete(eldest)
    }
  }

  compare(now: Millis): DirectoryComparison {
    this.recognize()
    return { same: this.same, other: this.overdue(now).map(({ member, at }) => ({ member, at })) }
  }

  /** Those of `compare` that were not reported yet. */
  unreported(now: Millis): DirectoryComparison['other'] {
    this.recognize()
    const fresh = this.overdue(now).filter(({ reported }) => !reported)
    for (const each of fresh) each.reported = true
    return fresh
  }

  /** A member may have been given the newest directory a moment before this device was. */
  private recognize(): void {
    for (const [id, { digest }] of this.unknown) {
      if (!this.isGiven(digest)) continue
      this.unknown.delete(id)
      this.same++
    }
  }

  private overdue(now: Millis): Unknown[] {
    return [...this.unknown.values()].filter(({ heardAt }) => now >= heardAt + limits.directorySettleMs)
  }

  private isGiven(half: Uint8Array): boolean {
    return this.given.some((each) => equal(each, half))
  }
}

/** The digest in a content that announces a directory. */
export function announcedDirectory({ kind, body }: VerifiedContent): Uint8Array | undefined {
  if (kind !== 'members' && kind !== 'rekey') return undefined
  const parsed = kind === 'members' ? members.parse(body) : rekey.parse(body)
  return parsed.ok ? parsed.value.directoryDigest : undefined
}
