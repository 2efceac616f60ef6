/**
 * What P2 does with a request from its arrival to its copies: unsealed and split as jobs, refused, remembered, and room made for
 * its copies in between (PROTOCOL.md section 5). Requests overtake each other, so whether one was seen before is asked
 * when it comes, to save the work, and again when it is open, which is what counts.
 */
import type { ProxyLimits } from '../../base/bounds.js'
import { concat, wipe } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import type { Millis } from '../../base/time.js'
import { receiptBytes } from '../../group/sizes.js'
import type { SessionId } from '../../link/link.js'
import { sourceOf } from '../../link/sources.js'
import type { MessageOf } from '../../wire/message.js'
import type { Reference, RoleContext, Write } from '../role.js'
import { SharedRoom } from '../shared-room.js'
import type { ResultOf, Work } from '../work.js'
import type { Copies } from './copies.js'
import type { ReceiptGathering } from './gathering.js'
import type { LinkRate, LinkRates } from './link-rates.js'
import { type OpenedRequest, type OpeningKeys, openingJob, readRequest } from './open-request.js'
import type { RequestReplays } from './replays.js'
import { Splitter } from './splitter.js'

export interface RequestsOptions extends RoleContext {
  readonly bounds: ProxyLimits
  readonly work: Work
  readonly replays: RequestReplays
  readonly copies: Copies
  readonly gathering: ReceiptGathering
  /** Where the other end of a link is. */
  readonly peerHost: (session: SessionId) => string | undefined
  /** Copies a second. */
  readonly rates: LinkRates
  readonly keys: (now: Millis) => OpeningKeys
  readonly persist: (writes: readonly Write[]) => Reference
  readonly drop: (code: DropCode) => void
  /** Jobs that are done at one time. */
  readonly threads?: number
}

/** Told what became of a request: `undefined` once it is accepted, else why it is not. */
type Answer = (now: Millis, code: DropCode | undefined) => void

/** A request as it came. */
interface Taken {
  readonly session: SessionId
  /** Of the link as it was then: by the time that the request is open, P1 may have closed it. */
  readonly rate: LinkRate
  readonly p1Host: string | undefined
  /** The network of P1. */
  readonly network: string
  readonly ephemeral: Uint8Array
  readonly messageBytes: number
}

const ENTROPY_BYTES = 32
const KIND_BYTES = 1
/** For each thread a slice under way and one ready. */
const SLICES_A_THREAD = 2

export class Requests {
  private readonly options: RequestsOptions
  private readonly splitter: Splitter
  private acceptedRequests = 0
  /** Of requests that are being unsealed: nobody takes more than is left free. */
  private readonly room: SharedRoom
  private stopped = false

  constructor(options: RequestsOptions) {
    const { work, copies, gathering, drop, threads = 1 } = options
    this.options = options
    this.room = new SharedRoom(options.bounds.openingRequests, options.bounds.openingBytes)
    this.splitter = new Splitter({
      work,
      slicesAhead: SLICES_A_THREAD * threads,
      made: (now, spaced, bytesEach, tokens, from) => {
        const onToken = (place: number, token: Uint8Array) => gathering.answered(tokens, from + place, token)
        copies.add(now, spaced, bytesEach, onToken, tokens.p1Host)
      },
      failed: (count, bytesEach, code) => {
        copies.release(count, bytesEach)
        if (code !== undefined) drop(code)
      },
    })
  }

  /** Requests accepted in this run. */
  get accepted(): number {
    return this.acceptedRequests
  }

  /** Takes a request in. Past what may be opened at one time it is refused at once: the sender tries another proxy. */
  take(now: Millis, session: SessionId, request: MessageOf<'request'>['value'], answer: Answer): void {
    const { work, keys, rates, peerHost } = this.options
    const rate = rates.of(now, session)
    const p1Host = peerHost(session)
    const { network } = sourceOf(p1Host ?? '')
    const refused = this.refusal(now, rate, network, request)
    if (refused !== undefined) {
      answer(now, refused)
      return
    }
    const from = { session, rate, p1Host, network }
    const taken = { ...from, ephemeral: concat(request.ephemeral), messageBytes: messageBytes(request) }
    work.issue(openingJob(keys(now), now, request), (then, result) => {
      this.room.give(network, request.sealed.length)
      if (this.stopped) wipeResult(result)
      else answer(then, this.unsealed(then, taken, result))
    })
  }

  /** The record written under `reference` is durable. */
  recorded(reference: Reference): void {
    this.splitter.recorded(reference)
  }

  stop(): void {
    this.stopped = true
    this.splitter.stop()
  }

  /** Why a request is not even opened; else room is taken for it. */
  private refusal(
    now: Millis,
    rate: LinkRate,
    network: string,
    { ephemeral, sealed }: MessageOf<'request'>['value'],
  ): DropCode | undefined {
    const { replays } = this.options
    if (replays.has(ephemeral)) return 'REQUEST_REPLAY'
    if (!rate.allows(now)) return 'REQUEST_RATE'
    return this.room.take(network, sealed.length) ? undefined : 'REQUEST_FULL'
  }

  private unsealed(now: Millis, taken: Taken, result: ResultOf<'openRequest'>): DropCode | undefined {
    const { random, observe, persist, gathering } = this.options
    const { ephemeral, messageBytes: bytes } = taken
    if (result.type === 'failed') return 'JOB_FAILED'
    if (result.unsealed === undefined) return 'REQUEST_OPEN'
    const read = readRequest(ephemeral, result.unsealed, observe)
    if (!read.ok) return read.code
    const admitted = this.admit(now, taken, read.request)
    if (typeof admitted === 'string') {
      wipe(read.request.split.requestKey)
      return admitted
    }
    const tokens = gathering.begin(now, taken, ephemeral, read.request.count, receiptBytes(bytes))
    this.splitter.accept(persist([admitted]), read.request, random(ENTROPY_BYTES), tokens)
    this.acceptedRequests++
    return undefined
  }

  /** Reserves room for the copies and remembers the request; else the reason why not. */
  private admit(
    now: Millis,
    { rate, network, ephemeral }: Taken,
    { window, count, sealedCopyBytes }: OpenedRequest,
  ): Write | DropCode {
    const { replays, copies, gathering } = this.options
    if (replays.has(ephemeral)) return 'REQUEST_REPLAY'
    if (!gathering.hasRoom(count)) return 'REQUEST_FULL'
    if (!rate.take(now, count)) return 'REQUEST_RATE'
    if (!copies.reserve(count, sealedCopyBytes)) return 'REQUEST_FULL'
    const record = replays.remember(window, network, ephemeral)
    if (record !== undefined) return record
    copies.release(count, sealedCopyBytes)
    return 'REQUEST_FULL'
  }
}

/** Bytes of the link message, its kind included, as the proxy before this one saw it. */
function messageBytes(request: MessageOf<'request'>['value']): number {
  return KIND_BYTES + request.ephemeral.length + request.sealed.length
}

function wipeResult(result: ResultOf<'openRequest'>): void {
  if (result.type === 'openRequest' && result.unsealed !== undefined) wipe(result.unsealed.requestKey)
}
