/**
 * Requests that were accepted, from the moment their record goes to disk to their last copy (PROTOCOL.md section 5). No copy
 * is made before the record is durable. A request is split in slices, each a job, a few in turn with those of others, and only so many
 * slices are handed out that no thread waits for the next: the order in which they end matters to nobody.
 */
import { wipe } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import type { Reference } from '../role.js'
import type { ResultOf, Work } from '../work.js'
import { COPY_HEAD_BYTES } from './copies.js'
import type { Gathering } from './gathering.js'
import { copyOf, type OpenedRequest } from './open-request.js'

export interface SplitterOptions {
  readonly work: Work
  /** Slices that may be under way at one time. */
  readonly slicesAhead: number
  /** Takes finished copies of a request from the `from`-th on, each so long behind `COPY_HEAD_BYTES`. */
  readonly made: (now: Millis, spaced: Uint8Array, sealedCopyBytes: number, gathering: Gathering, from: number) => void
  /** So many copies of this length will not be made; why, where that was not said before. */
  readonly failed: (copies: number, sealedCopyBytes: number, code?: DropCode) => void
}

/** Slices of one request before it is another's turn: whoever splits prepares a request anew after each change. */
const TURN_SLICES = 4

interface Slice {
  readonly from: number
  readonly count: number
  /** Whether it is handed out for the second time. */
  readonly again: boolean
}

interface Splitting {
  readonly request: OpenedRequest
  readonly entropy: Uint8Array
  readonly gathering: Gathering
  /** What is yet to be handed out: slices to be tried again, and all copies from `next` on. */
  readonly again: Slice[]
  next: number
  /** Slices handed out. */
  slices: number
  underWay: number
  refused: boolean
}

export class Splitter {
  private readonly options: SplitterOptions
  private readonly unrecorded = new Map<Reference, Splitting>()
  private readonly held = new Set<Splitting>()
  /** Those with something to hand out, in turn. */
  private ready: Splitting[] = []
  private slicesUnderWay = 0

  constructor(options: SplitterOptions) {
    this.options = options
  }

  /**
   * Holds a request until the record written under `reference` is durable. `entropy` is 32 fresh random bytes; `gathering`
   * is where the answers for its copies go.
   */
  accept(reference: Reference, request: OpenedRequest, entropy: Uint8Array, gathering: Gathering): void {
    const splitting = { request, entropy, gathering, again: [], next: 0, slices: 0, underWay: 0, refused: false }
    this.held.add(splitting)
    this.unrecorded.set(reference, splitting)
  }

  recorded(reference: Reference): void {
    const splitting = this.unrecorded.get(reference)
    if (splitting === undefined) return
    this.unrecorded.delete(reference)
    this.ready.push(splitting)
    this.handOut()
  }

  /** Overwrites all keys: no more copies are made. */
  stop(): void {
    for (const splitting of this.held) this.forget(splitting)
    this.unrecorded.clear()
    this.ready = []
  }

  private handOut(): void {
    while (this.slicesUnderWay < this.options.slicesAhead) {
      const splitting = this.ready[0]
      if (splitting === undefined) return
      const slice = nextSlice(splitting)
      splitting.slices++
      if (!hasMore(splitting)) this.ready.shift()
      else if (splitting.slices % TURN_SLICES === 0) this.ready.push(...this.ready.splice(0, 1))
      this.issue(splitting, slice)
    }
  }

  private issue(splitting: Splitting, slice: Slice): void {
    const { request, entropy } = splitting
    const { from, count } = slice
    this.slicesUnderWay++
    splitting.underWay++
    const own = { request: copyOf(request.split), entropy: entropy.slice() }
    this.options.work.issue({ type: 'split', ...own, from, count, roomBytes: COPY_HEAD_BYTES }, (now, result) => {
      this.slicesUnderWay--
      splitting.underWay--
      // After a stop there is nobody left to make copies for.
      if (this.held.has(splitting)) this.ended(now, splitting, slice, result)
      this.handOut()
    })
  }

  private ended(now: Millis, splitting: Splitting, slice: Slice, result: ResultOf<'split'>): void {
    const { sealedCopyBytes } = splitting.request
    if (result.type === 'failed') this.sliceFailed(splitting, slice)
    else if (result.copies === undefined) this.refuse(splitting, slice)
    else this.options.made(now, result.copies, sealedCopyBytes, splitting.gathering, slice.from)
    if (splitting.underWay === 0 && !hasMore(splitting)) this.forget(splitting)
  }

  /** A thread can die of something else; what fails twice is given up. */
  private sliceFailed(splitting: Splitting, slice: Slice): void {
    const { sealedCopyBytes } = splitting.request
    if (slice.again || splitting.refused) {
      this.options.failed(slice.count, sealedCopyBytes, splitting.refused ? undefined : 'JOB_FAILED')
      return
    }
    if (!hasMore(splitting)) this.ready.push(splitting)
    splitting.again.push({ ...slice, again: true })
  }

  /** A point that does not decode: the first slice tells it of all. */
  private refuse(splitting: Splitting, { count }: Slice): void {
    const { request, again, refused } = splitting
    const { sealedCopyBytes } = request
    if (refused) {
      this.options.failed(count, sealedCopyBytes)
      return
    }
    const unmade = again.reduce((sum, slice) => sum + slice.count, count) + request.count - splitting.next
    splitting.next = request.count
    splitting.again.length = 0
    splitting.refused = true
    this.ready = this.ready.filter((each) => each !== splitting)
    this.options.failed(unmade, sealedCopyBytes, 'REQUEST_POINT')
  }

  private forget(splitting: Splitting): void {
    this.held.delete(splitting)
    const { requestKey, oneTimeBase, oneTimeKey } = splitting.request.split
    wipe(requestKey, oneTimeBase, oneTimeKey, splitting.entropy)
  }
}

function nextSlice(splitting: Splitting): Slice {
  const again = splitting.again.shift()
  if (again !== undefined) return again
  const { count: copies, sealedCopyBytes } = splitting.request
  const fitting = Math.max(1, Math.floor(limits.splitStepBytes / sealedCopyBytes))
  const from = splitting.next
  const count = Math.min(limits.splitStepCopies, fitting, copies - from)
  splitting.next += count
  return { from, count, again: false }
}

function hasMore({ again, next, request }: Splitting): boolean {
  return again.length > 0 || next < request.count
}
