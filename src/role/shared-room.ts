/**
 * Room in which several have things held, and none more than is left free (PROTOCOL.md sections 7.1 and 9.5): alone one gets half of all, and
 * who takes whatever it can still leaves as much to the others.
 */

interface Share {
  items: number
  bytes: number
}

export class SharedRoom {
  private readonly mostItems: number
  private readonly mostBytes: number
  /** Of those that have anything in it. */
  private readonly shares = new Map<string, Share>()
  private items = 0
  private bytes = 0

  constructor(mostItems: number, mostBytes: number) {
    this.mostItems = mostItems
    this.mostBytes = mostBytes
  }

  /** Things that are held. */
  get held(): number {
    return this.items
  }

  /** Makes room for one thing of so many bytes; false where there is none, or none for this one. */
  take(owner: string, bytes: number): boolean {
    const share = this.shares.get(owner) ?? { items: 0, bytes: 0 }
    if (share.items >= this.mostItems - this.items) return false
    if (share.bytes + bytes > this.mostBytes - this.bytes) return false
    this.shares.set(owner, share)
    this.add(share, 1, bytes)
    return true
  }

  /** Gives back the room of one thing, which was taken for this owner. */
  give(owner: string, bytes: number): void {
    const share = this.shares.get(owner)
    if (share === undefined) return
    this.add(share, -1, -bytes)
    if (share.items === 0) this.shares.delete(owner)
  }

  private add(share: Share, items: number, bytes: number): void {
    share.items += items
    share.bytes += bytes
    this.items += items
    this.bytes += bytes
  }
}
