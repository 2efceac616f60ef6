/**
 * The few first proxies that a device keeps to for weeks (PROTOCOL.md section 9.9). Who watches or runs a first proxy learns the
 * sender's address: drawn anew for each message, some bad one would be met soon; drawn once, most devices meet none. So
 * the set changes slowly, and nobody can hurry it by making its members fail.
 */
import { equal, type NodeId, nodeId, toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { type RandomBytes, randomBelow } from '../../base/random.js'
import type { Millis } from '../../base/time.js'
import { proxiesApart } from '../choose-proxies.js'
import type { FirstProxyStatus } from '../device.js'
import type { ListedProxy, VerifiedDirectory } from '../server-link.js'
import { guardsRecord } from './records.js'

export interface GuardOptions {
  readonly random: RandomBytes
  /** Never drawn. */
  readonly own: NodeId | undefined
  /** How many; 0 for none, so that all serve. */
  readonly count: number
  /** Keeps the record. */
  readonly save: (record: Uint8Array) => void
}

interface Guard {
  readonly id: string
  readonly idBytes: NodeId
  readonly drawnAt: Millis
  readonly endsAt: Millis
  /** Since when no directory lists it, and since when it has failed without any success; 0 for never. */
  missingSince: Millis
  failingSince: Millis
  /** In a row. */
  failures: number
  /** Not to be used before, as it could not be reached. */
  unreachedUntil: Millis
}

const DAY_MS = 86_400_000
const MOST_FAILURES = 255

export class Guards {
  private readonly options: GuardOptions
  /** In the order in which they were drawn. */
  private guards: Guard[] = []

  constructor(options: GuardOptions) {
    this.options = options
  }

  /** Takes back what an earlier run saved; false where it is damaged. */
  restore(value: Uint8Array): boolean {
    const parsed = guardsRecord.parse(value.slice())
    if (!parsed.ok) return false
    this.guards = parsed.value.guards.map((guard) => ({
      ...guard,
      ...{ id: toHex(guard.id), idBytes: guard.id, unreachedUntil: 0 },
    }))
    return true
  }

  /** Hex ids of the proxies that may be first now; `undefined` for all. */
  candidates(now: Millis, directory: VerifiedDirectory): ReadonlySet<string> | undefined {
    const { count } = this.options
    if (count === 0) return undefined
    const changed = this.review(now, directory)
    let drawn = false
    while (this.guards.length < count || this.usable(now, directory).length === 0) {
      if (!this.drawOne(now, directory)) break
      drawn = true
    }
    if (changed || drawn) this.save()
    const usable = this.usable(now, directory)
    const listed = usable.length > 0 ? usable : this.guards.filter(({ id }) => directory.proxies.has(id))
    return new Set(listed.slice(0, count).map(({ id }) => id))
  }

  /** In the order in which they were drawn, those that stand in for others last; `undefined` where all serve. */
  status(now: Millis, directory: VerifiedDirectory | undefined): readonly FirstProxyStatus[] | undefined {
    if (this.options.count === 0) return undefined
    return this.guards.map(({ id, idBytes, endsAt, unreachedUntil }) => {
      const state = directory?.proxies.has(id) !== true ? 'unlisted' : unreachedUntil > now ? 'unreached' : 'usable'
      return { id: idBytes, endsAt, state }
    })
  }

  /** It could not be reached, or refused what it was given. */
  unreached(now: Millis, id: NodeId): void {
    const guard = this.find(id)
    if (guard !== undefined) guard.unreachedUntil = now + limits.avoidMs
  }

  /** It failed, in whatever way. */
  failed(now: Millis, id: NodeId): void {
    const guard = this.find(id)
    if (guard === undefined) return
    if (guard.failures === 0) guard.failingSince = now
    guard.failures = Math.min(guard.failures + 1, MOST_FAILURES)
    this.save()
  }

  succeeded(id: NodeId): void {
    const guard = this.find(id)
    if (guard === undefined) return
    guard.unreachedUntil = 0
    if (guard.failures === 0) return
    guard.failures = 0
    guard.failingSince = 0
    this.save()
  }

  private find(id: NodeId): Guard | undefined {
    return this.guards.find((guard) => equal(guard.idBytes, id))
  }

  /** Notes who is missing, and lets those go whose time is over; whether anything changed. */
  private review(now: Millis, directory: VerifiedDirectory): boolean {
    const before = this.guards.length
    let changed = false
    for (const guard of this.guards) {
      const missing = !directory.proxies.has(guard.id)
      if (missing === guard.missingSince > 0) continue
      guard.missingSince = missing ? now : 0
      changed = true
    }
    this.guards = this.guards.filter((guard) => !isOver(now, guard))
    return changed || this.guards.length !== before
  }

  private usable(now: Millis, directory: VerifiedDirectory): Guard[] {
    return this.guards.filter(({ id, unreachedUntil }) => directory.proxies.has(id) && unreachedUntil <= now)
  }

  /** One of those that are not in the set, each equally likely, unless too many were drawn today; whether there was one. */
  private drawOne(now: Millis, directory: VerifiedDirectory): boolean {
    const { random, own, count } = this.options
    const ofToday = this.guards.filter(({ drawnAt }) => drawnAt > now - DAY_MS).length
    if (ofToday >= 2 * count || this.guards.length >= limits.guards) return false
    const others = [...directory.proxies.values()].filter(
      ({ id }) => this.find(id) === undefined && (own === undefined || !equal(id, own)),
    )
    const drawn = drawFitting(random, directory, others)
    if (drawn === undefined) return false
    const lifeMs = limits.guardLifeMinMs + randomBelow(random, limits.guardLifeMaxMs - limits.guardLifeMinMs)
    const idBytes = nodeId(drawn.id.slice())
    const times = { drawnAt: Math.floor(now), endsAt: Math.floor(now) + lifeMs, missingSince: 0, failingSince: 0 }
    this.guards.push({ id: toHex(idBytes), idBytes, ...times, failures: 0, unreachedUntil: 0 })
    return true
  }

  private save(): void {
    const guards = this.guards.map(({ idBytes, ...rest }) => ({ ...rest, id: idBytes }))
    this.options.save(guardsRecord.encode({ guards }))
  }
}

function isOver(now: Millis, { endsAt, missingSince, failingSince, failures }: Guard): boolean {
  const missing = missingSince > 0 && now - missingSince >= limits.guardAwayMs
  const failing = failures >= limits.guardFailures && now - failingSince >= limits.guardAwayMs
  return now >= endsAt || missing || failing
}

/** One that some other proxy can be second to. */
function drawFitting(random: RandomBytes, directory: VerifiedDirectory, among: ListedProxy[]): ListedProxy | undefined {
  while (among.length > 0) {
    const [drawn] = among.splice(randomBelow(random, among.length), 1)
    if (drawn !== undefined && proxiesApart(directory, drawn.id).length > 0) return drawn
  }
  return undefined
}
