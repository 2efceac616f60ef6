/**
 * Room for answers that wait on links which others began: who asks and acknowledges nothing has them held, so they are
 * bounded for each source and in all, however many links there are (PROTOCOL.md section 10.5).
 */
import type { LinkLimits } from '../base/bounds.js'
import { Shares, type Source } from './sources.js'

/** The room of one link. */
export interface LinkRoom {
  /** False where there is none. */
  take(bytes: number): boolean
  give(bytes: number): void
}

export class AnswerRoom {
  private readonly shares: Shares
  private freeBytes: number

  constructor(bounds: LinkLimits) {
    this.freeBytes = bounds.answersTotalBytes
    this.shares = new Shares(bounds.answersAddressBytes, bounds.answersNetworkBytes)
  }

  of(source: Source): LinkRoom {
    return {
      take: (bytes) => {
        if (bytes > this.freeBytes || !this.shares.allows(source, bytes)) return false
        this.change(source, bytes)
        return true
      },
      give: (bytes) => this.change(source, -bytes),
    }
  }

  private change(source: Source, bytes: number): void {
    this.freeBytes -= bytes
    this.shares.add(source, bytes)
  }
}
