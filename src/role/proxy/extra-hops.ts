/**
 * P2's use of an extra proxy P3 (PROTOCOL.md section 5): while its own traffic is low, it hands each copy to a proxy drawn for it
 * alone, which passes it on to CS and brings the answer back. What is not answered goes by another, and directly in the end.
 */
import { type NodeId, toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { LONGEST_WAIT_MEANS, type RandomBytes, RandomNumbers, randomBelow } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import { ASKED_FOR, encodeMessage } from '../../wire/message.js'
import { proxiesApart } from '../choose-proxies.js'
import type { ListedProxy, VerifiedDirectory } from '../server-link.js'
import type { NextHops } from './next-hops.js'
import type { OwnTraffic } from './own-traffic.js'

export interface ExtraHopsOptions {
  readonly random: RandomBytes
  readonly self: NodeId
  readonly server: NodeId
  readonly nextHops: NextHops
  readonly traffic: OwnTraffic
  readonly directory: () => VerifiedDirectory | undefined
  /** Mean of the random wait of each copy; that of others is taken to be alike. */
  readonly meanWaitMs: number
}

interface Detour<T> {
  readonly item: T
  /** Hex id of P3: nobody else may answer. */
  readonly proxy: string
  readonly until: Millis
}

const REFERENCE_AT = 1
const NO_EXTENSION = new Uint8Array(0)

export class ExtraHops<T> {
  readonly counts = { taken: 0, unanswered: 0 }
  private readonly options: ExtraHopsOptions
  private readonly numbers: RandomNumbers
  /** By reference, oldest first; all wait equally long. */
  private readonly detours = new Map<number, Detour<T>>()
  private candidates: readonly ListedProxy[] = []
  private candidatesOf: VerifiedDirectory | undefined

  constructor(options: ExtraHopsOptions) {
    this.options = options
    this.numbers = new RandomNumbers(options.random)
  }

  /**
   * Hands a message *copy* to a P3, not one at `p1Host`; false where no proxy would do, or there is no room; asked only while
   * traffic is low. The message is read at once. `item` comes back from `answered` or `overdue`.
   */
  take(now: Millis, item: T, message: Uint8Array, p1Host: string | undefined): boolean {
    const proxy = this.choose(p1Host)
    if (proxy === undefined) return false
    const reference = this.newReference()
    const nextHop = this.options.server
    const forward = encodeMessage('forward', { nextHop, extension: NO_EXTENSION, message })
    writeReference(forward.subarray(forward.length - message.length), reference)
    if (!this.options.nextHops.forwardAtOnce(now, proxy, forward)) return false
    const until = now + LONGEST_WAIT_MEANS * this.options.meanWaitMs + limits.extraHopAnswerMs
    this.detours.set(reference, { item, proxy: toHex(proxy.id), until })
    this.counts.taken++
    return true
  }

  /** Whether a copy that leaves now goes by a P3 if it can. */
  wanted(now: Millis): boolean {
    return this.options.traffic.isLow(now)
  }

  /** Whether copies take one now. Two proxies have to be listed beside this one, since one of them may be the request's P1. */
  inUse(now: Millis): boolean {
    return this.wanted(now) && this.listedApart().length >= 2
  }

  /** What was handed to a proxy and is answered by it; `undefined` where it was not given that. */
  answered(proxy: string, reference: number): T | undefined {
    const detour = this.detours.get(reference)
    if (detour === undefined || detour.proxy !== proxy) return undefined
    this.detours.delete(reference)
    return detour.item
  }

  /** What was not answered in time. */
  *overdue(now: Millis): Generator<T> {
    for (const [reference, { item, until }] of this.detours) {
      if (until > now) return
      this.detours.delete(reference)
      this.counts.unanswered++
      yield item
    }
  }

  deadline(): Millis | undefined {
    // Asked after everything that happens, mostly in vain, and an iterator costs an allocation.
    return this.detours.size === 0 ? undefined : this.detours.values().next().value?.until
  }

  /** Each as likely as any other: of those apart from this proxy in the network, all but what is where P1 is. */
  private choose(p1Host: string | undefined): ListedProxy | undefined {
    const candidates = this.listedApart()
    const drawn = this.draw(candidates)
    if (drawn === undefined || !isAt(drawn, p1Host)) return drawn
    return this.draw(candidates.filter((each) => !isAt(each, p1Host)))
  }

  private listedApart(): readonly ListedProxy[] {
    const directory = this.options.directory()
    if (directory !== this.candidatesOf) {
      this.candidatesOf = directory
      this.candidates = directory === undefined ? [] : proxiesApart(directory, this.options.self)
    }
    return this.candidates
  }

  private draw(among: readonly ListedProxy[]): ListedProxy | undefined {
    return among.length === 0 ? undefined : among[randomBelow(this.options.random, among.length)]
  }

  /** Never the one that has P3 keep the answer until it is asked for. */
  private newReference(): number {
    for (;;) {
      const reference = this.numbers.uint32()
      if (reference !== ASKED_FOR && !this.detours.has(reference)) return reference
    }
  }
}

/** Puts a reference into a message *copy*. */
export function writeReference(message: Uint8Array, reference: number): void {
  for (let i = 0; i < 4; i++) message[REFERENCE_AT + i] = reference >>> (24 - 8 * i)
}

function isAt({ addresses }: ListedProxy, host: string | undefined): boolean {
  return addresses.some((each) => each.host === host)
}
