/**
 * Which proxies are listed: those that others reach, as proxies elsewhere found that dialled them for CS (PROTOCOL.md section
 * 9.8). Rounds of a few dialers, a quorum in each, and more than one round before anything changes, so that neither a
 * lost datagram nor a single liar decides; a network with too few proxies to ask takes its operators' word.
 */
import type { ServerLimits } from '../../base/bounds.js'
import { equal, type NodeId, toHex } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { type RandomBytes, randomBelow } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { SessionId } from '../../link/link.js'
import { formatIp } from '../../wire/host.js'
import type { ProxyVouching, StandingReason, StandingState } from '../../wire/message.js'
import { networkOf } from '../choose-proxies.js'
import { DialRates } from '../dial-rates.js'
import type { ProxyEntry } from '../directory.js'
import type { Proven } from './sessions.js'

type Address = ProxyEntry['addresses'][number]

/** How a proxy stands, as it is told. */
export interface Standing {
  readonly state: StandingState
  readonly reason: StandingReason
  /** Of the last round: dialers that reached it, and that did not. */
  readonly reached: number
  readonly unreached: number
}

export interface ReachabilityOptions {
  readonly random: RandomBytes
  readonly bounds: ServerLimits
  ask(now: Millis, dialer: SessionId, nonce: Uint8Array, entry: ProxyEntry, address: Address): void
  tell(now: Millis, session: SessionId, standing: Standing): void
  /** Lists an entry, anew or changed; the code says why not. */
  list(now: Millis, id: string, entry: ProxyEntry): DropCode | undefined
  unlist(now: Millis, id: string): void
}

/** Dialers that are asked in a round, each in a network of its own, and those that decide it. */
const ASKED = 3
const QUORUM = 2
/** An answer that has not come by then is none: a handshake gives up after five seconds. */
const ROUND_MS = 8_000
/** Rounds in a row that list a proxy which nobody vouches for, and the time between them. */
const ROUNDS_TO_LIST = 2
const BETWEEN_ROUNDS_MS = 60_000
/** Rounds in a row without success that unlist it, and the time over which they must have been. */
const ROUNDS_TO_UNLIST = 3
const UNLIST_AFTER_MS = 600_000
/** Between rounds of one that is listed, and of one that was not reached last. */
const RECHECK_MS = 1_800_000
const DOUBT_MS = 300_000
/** Of one that is not listed and was not reached: doubled up to the last. */
const FIRST_PAUSE_MS = 120_000
const LAST_PAUSE_MS = 3_600_000
/** Where there is nobody to ask, no room or no rate. */
const LATER_MS = 60_000
const NONCE_BYTES = 8

interface Round {
  readonly until: Millis
  /** Ids of the dialers that have not answered, by nonce. */
  readonly waiting: Map<string, string>
  reached: number
  unreached: number
}

/** What was found out so far, and when it is looked at next. */
interface Findings {
  nextAt: Millis
  /** Rounds in a row: successes before it is listed, failures while it is. */
  successes: number
  failures: number
  failingSince: Millis
}

interface Candidate extends Findings {
  readonly id: string
  readonly idBytes: NodeId
  readonly session: SessionId
  /** Where its link comes from: the only host at which it is dialled. */
  readonly host: string
  entry: ProxyEntry
  vouching: ProxyVouching
  /** Of its addresses and its link. */
  networks: ReadonlySet<string>
  standing: Standing
  round: Round | undefined
}

const NOT_CHECKED: Standing = { state: 'candidate', reason: 'unchecked', reached: 0, unreached: 0 }

export class Reachability {
  private readonly options: ReachabilityOptions
  private readonly rates: DialRates
  private readonly candidates = new Map<string, Candidate>()
  private readonly byNonce = new Map<string, Candidate>()
  /** What was found out about listed ones whose links are gone, the eldest first: a new link does not begin it anew. */
  private readonly away = new Map<string, Findings>()
  private rounds = 0
  /** Nothing is due before. */
  private dueAt: Millis | undefined

  constructor(options: ReachabilityOptions) {
    this.options = options
    this.rates = new DialRates(options.bounds)
  }

  /** A proxy has proved who it is: it learns where CS sees it, which one that does not know its address advertises. */
  welcome(now: Millis, { session }: Proven): void {
    this.options.tell(now, session, NOT_CHECKED)
  }

  /** An entry that may be listed, and who vouches for its addresses; `listed` is the one that the directory lists now. */
  announce(
    now: Millis,
    from: Proven,
    entry: ProxyEntry,
    vouching: ProxyVouching,
    listed: ProxyEntry | undefined,
  ): DropCode | undefined {
    const known = this.candidates.get(from.id)
    const same = listed !== undefined && sameAddresses(listed, entry)
    if (known !== undefined && known.session === from.session && sameAddresses(known.entry, entry)) {
      known.entry = entry
      known.vouching = vouching
      return same ? this.options.list(now, from.id, entry) : undefined
    }
    if (known === undefined && this.candidates.size >= this.options.bounds.proxyCandidates) return 'DIRECTORY_FULL'
    const code = same ? this.options.list(now, from.id, entry) : undefined
    if (listed !== undefined && !same) this.options.unlist(now, from.id)
    if (known !== undefined) this.endRound(known)
    this.enter(now, from, entry, vouching, same && code === undefined)
    return code
  }

  /** What a dialer found. */
  result(now: Millis, from: Proven, nonce: Uint8Array, reached: boolean): DropCode | undefined {
    const name = toHex(nonce)
    const candidate = this.byNonce.get(name)
    if (candidate?.round?.waiting.get(name) !== from.id) return 'DIAL_BACK_UNEXPECTED'
    this.byNonce.delete(name)
    candidate.round.waiting.delete(name)
    if (reached) candidate.round.reached++
    else candidate.round.unreached++
    if (candidate.round.waiting.size === 0) this.finish(now, candidate, candidate.round)
    return undefined
  }

  /** The link of a proxy is gone; whether it stays listed for a while is decided elsewhere. */
  leave(id: string, session: SessionId): void {
    const candidate = this.candidates.get(id)
    if (candidate?.session !== session) return
    this.endRound(candidate)
    this.candidates.delete(id)
    if (candidate.standing.state === 'listed') this.noteAway(id, candidate)
  }

  deadline(): Millis | undefined {
    return this.dueAt
  }

  timeout(now: Millis): void {
    if (this.dueAt === undefined || now < this.dueAt) return
    this.dueAt = undefined
    for (const candidate of this.candidates.values()) {
      const { round } = candidate
      if (round !== undefined && round.until <= now) this.finish(now, candidate, round)
      else if (round === undefined && candidate.nextAt <= now) this.check(now, candidate)
      this.dueAt = earliest(this.dueAt, candidate.round?.until ?? candidate.nextAt)
    }
  }

  private enter(now: Millis, from: Proven, entry: ProxyEntry, vouching: ProxyVouching, listed: boolean): void {
    const { id, idBytes, session, host } = from
    const hosts = [host, ...entry.addresses.map((address) => formatIp(address.host))]
    const candidate: Candidate = {
      ...{ id, idBytes, session, host, entry, vouching },
      networks: new Set(hosts.map(networkOf)),
      standing: listed ? { ...NOT_CHECKED, state: 'listed' } : NOT_CHECKED,
      round: undefined,
      // After a restart of CS all come back at once.
      nextAt: listed ? now + this.jittered(DOUBT_MS) : now,
      ...{ successes: 0, failures: 0, failingSince: 0 },
      ...(listed && this.away.get(id)),
    }
    this.away.delete(id)
    this.candidates.set(id, candidate)
    if (!listed) this.check(now, candidate)
    else this.options.tell(now, session, candidate.standing)
    this.dueAt = earliest(this.dueAt, candidate.round?.until ?? candidate.nextAt)
  }

  private noteAway(id: string, { nextAt, successes, failures, failingSince }: Findings): void {
    this.away.delete(id)
    this.away.set(id, { nextAt, successes, failures, failingSince })
    const [eldest] = this.away.keys()
    if (this.away.size > this.options.bounds.proxyCandidates && eldest !== undefined) this.away.delete(eldest)
  }

  /** Begins a round, or says why there is none. */
  private check(now: Millis, candidate: Candidate): void {
    const dialers = this.dialersFor(candidate)
    if (dialers.length < ASKED) {
      if (candidate.vouching === 'operator') this.admit(now, candidate, 'tooFew', LATER_MS)
      else this.postpone(now, candidate, 'tooFew')
      return
    }
    const addresses = candidate.entry.addresses.filter(({ host }) => formatIp(host) === candidate.host)
    const address = addresses[randomBelow(this.options.random, Math.max(1, addresses.length))]
    if (address === undefined) this.failed(now, candidate, 'elsewhere')
    else if (this.rounds >= this.options.bounds.dialRounds || !this.rates.take(now, candidate.host)) {
      this.postpone(now, candidate, candidate.standing.reason)
    } else this.begin(now, candidate, dialers, address)
  }

  /** As many as are asked, or all there are: listed proxies with a link, drawn evenly, one of each network, none in one of the candidate's. */
  private dialersFor(candidate: Candidate): Candidate[] {
    const listed = [...this.candidates.values()].filter(({ standing }) => standing.state === 'listed')
    const taken = new Set(candidate.networks)
    const dialers: Candidate[] = []
    // Thousands may be listed, and anybody can have this asked for again and again: no more are drawn than it takes.
    while (dialers.length < ASKED && listed.length > 0) {
      const at = randomBelow(this.options.random, listed.length)
      const drawn = listed[at] as Candidate
      const last = listed.pop() as Candidate
      if (at < listed.length) listed[at] = last
      if (drawn.id === candidate.id || [...drawn.networks].some((network) => taken.has(network))) continue
      for (const network of drawn.networks) taken.add(network)
      dialers.push(drawn)
    }
    return dialers
  }

  private begin(now: Millis, candidate: Candidate, dialers: readonly Candidate[], address: Address): void {
    const waiting = new Map<string, string>()
    candidate.round = { until: now + ROUND_MS, waiting, reached: 0, unreached: 0 }
    this.rounds++
    for (const { id, session } of dialers) {
      const nonce = this.options.random(NONCE_BYTES)
      waiting.set(toHex(nonce), id)
      this.byNonce.set(toHex(nonce), candidate)
      this.options.ask(now, session, nonce, candidate.entry, address)
    }
    this.dueAt = earliest(this.dueAt, candidate.round.until)
  }

  private endRound(candidate: Candidate): void {
    if (candidate.round === undefined) return
    for (const nonce of candidate.round.waiting.keys()) this.byNonce.delete(nonce)
    candidate.round = undefined
    this.rounds--
  }

  private finish(now: Millis, candidate: Candidate, { reached, unreached }: Round): void {
    this.endRound(candidate)
    candidate.standing = { ...candidate.standing, reached, unreached }
    if (reached >= QUORUM) this.succeeded(now, candidate)
    else if (unreached >= QUORUM) this.failed(now, candidate, 'unreached')
    else this.postpone(now, candidate, 'undecided')
    this.dueAt = earliest(this.dueAt, candidate.nextAt)
  }

  private succeeded(now: Millis, candidate: Candidate): void {
    candidate.successes++
    candidate.failures = 0
    const wanted = candidate.vouching === 'operator' ? 1 : ROUNDS_TO_LIST
    if (candidate.standing.state === 'listed' || candidate.successes >= wanted) {
      this.admit(now, candidate, 'reached', RECHECK_MS)
    } else {
      candidate.nextAt = now + this.jittered(BETWEEN_ROUNDS_MS)
      this.stand(now, candidate, candidate.standing.state, 'reached')
    }
  }

  private failed(now: Millis, candidate: Candidate, reason: StandingReason): void {
    candidate.successes = 0
    if (candidate.failures === 0) candidate.failingSince = now
    candidate.failures++
    if (candidate.standing.state !== 'listed') {
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (candidate.failures - 1), LAST_PAUSE_MS)
      candidate.nextAt = now + this.jittered(pauseMs)
      this.stand(now, candidate, candidate.standing.state, reason)
      return
    }
    candidate.nextAt = now + this.jittered(DOUBT_MS)
    const long = now - candidate.failingSince >= UNLIST_AFTER_MS
    if (candidate.failures < ROUNDS_TO_UNLIST || !long) {
      this.stand(now, candidate, 'listed', reason)
      return
    }
    candidate.failures = 1
    this.options.unlist(now, candidate.id)
    this.stand(now, candidate, 'demoted', reason)
  }

  private admit(now: Millis, candidate: Candidate, reason: StandingReason, againMs: number): void {
    const code = this.options.list(now, candidate.id, candidate.entry)
    candidate.nextAt = now + this.jittered(code === undefined ? againMs : LATER_MS)
    if (code === undefined) this.stand(now, candidate, 'listed', reason)
    else this.stand(now, candidate, candidate.standing.state, 'full')
  }

  /** Nothing was found out: what it is, it stays. */
  private postpone(now: Millis, candidate: Candidate, reason: StandingReason): void {
    candidate.nextAt = now + this.jittered(LATER_MS)
    this.stand(now, candidate, candidate.standing.state, reason)
  }

  private stand(now: Millis, candidate: Candidate, state: StandingState, reason: StandingReason): void {
    const before = candidate.standing
    candidate.standing = { ...before, state, reason }
    // What is found again and again needs saying once; the node asks for no more than how it stands.
    if (before.state === state && before.reason === reason && reason === 'tooFew') return
    this.options.tell(now, candidate.session, candidate.standing)
  }

  /** From three quarters to five quarters of a time, so that checks do not come in step. */
  private jittered(ms: number): number {
    return ms * 0.75 + randomBelow(this.options.random, Math.floor(ms / 2))
  }
}

export function sameAddresses(a: ProxyEntry, b: ProxyEntry): boolean {
  const others = b.addresses
  if (a.addresses.length !== others.length) return false
  return a.addresses.every(({ host, port }, i) => {
    const other = others[i]
    return other !== undefined && other.port === port && equal(other.host, host)
  })
}
