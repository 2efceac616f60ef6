/**
 * What changed in the directory since earlier versions, so that who holds one of those is told the difference only
 * (PROTOCOL.md section 9.3). It keeps no directories: of each entry the version that brought it, and of a bounded number
 * of entries that are gone the version that left them out.
 */
import { fromHex, type NodeId, nodeId } from '../../base/bytes.js'
import type { ProxyEntry } from '../directory.js'

/** Entries by hex id. */
export type Entries = ReadonlyMap<string, ProxyEntry>

export interface Change {
  readonly removed: readonly { readonly id: NodeId }[]
  readonly added: readonly ProxyEntry[]
}

interface Dated {
  readonly entry: ProxyEntry
  /** The first version that lists it as it is. */
  readonly since: number
}

export class History {
  private readonly mostGone: number
  private readonly listed = new Map<string, Dated>()
  /** Versions that listed them no more, rising. */
  private readonly gone = new Map<string, number>()
  /** Every change after this version is known. */
  private knownFrom: number | undefined

  constructor(mostGone: number) {
    this.mostGone = mostGone
  }

  /**
   * A version is handed out. With the first one, what it lists is taken for what `before`, the last of an earlier run, listed:
   * it nearly always is, and who finds it is not asks for the whole.
   */
  note(before: number, version: number, entries: Entries): void {
    const since = this.knownFrom === undefined ? before : version
    this.knownFrom ??= before
    for (const id of this.listed.keys()) if (!entries.has(id)) this.leave(version, id)
    for (const [id, entry] of entries) {
      this.gone.delete(id)
      if (this.listed.get(id)?.entry !== entry) this.listed.set(id, { entry, since })
    }
    for (const [id, left] of this.gone) {
      if (this.gone.size <= this.mostGone) break
      this.gone.delete(id)
      this.knownFrom = left
    }
  }

  /** What changed after a version; `undefined` where that is not known any more. */
  since(version: number): Change | undefined {
    if (this.knownFrom === undefined || version < this.knownFrom) return undefined
    const removed = [...this.gone].filter(([, left]) => left > version).map(([id]) => ({ id: nodeId(fromHex(id)) }))
    const added = [...this.listed.values()].filter(({ since }) => since > version).map(({ entry }) => entry)
    return { removed, added }
  }

  private leave(version: number, id: string): void {
    this.listed.delete(id)
    this.gone.delete(id)
    this.gone.set(id, version)
  }
}
