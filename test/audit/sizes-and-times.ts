/**
 * What is not promised, measured: the games of the distinguishers once more, on networks of production machines, with sizes
 * and times and the proxies that things came by. Which advantage they give is a matter of padding, waits and extra hops.
 */
import { toHex } from '../../src/base/bytes.js'
import { type RandomBytes, randomBelow, shuffle } from '../../src/base/random.js'
import type { DecoyMode } from '../../src/group/decoys.js'
import type { PaddingMode } from '../../src/group/group.js'
import { type Job, runJob } from '../../src/role/jobs.js'
import { seeded } from '../base/seeded.js'
import { crypto, World } from '../sim/world.js'
import { type Labelled, trainLinear, trainStump } from './classifier.js'
import { type Judged, judge } from './distinguish.js'
import type { Row, Variant } from './row.js'

export interface Setting {
  readonly padding: PaddingMode
  readonly meanWaitMs: number
  readonly extraHop: boolean
  readonly decoys: DecoyMode
}

interface SeenCopy {
  readonly at: number
  readonly bytes: number
  readonly source: string
}

interface SeenRequest {
  readonly at: number
  readonly bytes: number
  readonly count: number
  readonly source: string
}

/** What CS and the P2s saw, by what it belonged to. */
interface Seen {
  readonly copies: readonly (readonly SeenCopy[])[]
  readonly requests: readonly { readonly group: string; readonly seen: SeenRequest }[]
}

/** Three groups, two of them of one size. */
const groups = [
  { name: 'one', members: [0, 1, 2, 3, 4, 5] },
  { name: 'two', members: [6, 7, 8, 9, 10, 11] },
  { name: 'three', members: [0, 4, 8, 11] },
] as const
const DEVICES = 12
const PROXIES = 4
const MEAN_INTERVAL_MS = 500
/** Bodies of 16 to 2,048 bytes, each factor of two as likely as the next. */
const LEAST_BODY_BYTES = 16
const BODY_DOUBLINGS = 7
const NAME_BYTES = 16
const ALWAYS = 1e6
/** What a distinguisher has to reach where nothing is hidden, or it is none. */
const PLAIN_ADVANTAGE = 0.5

const paddings = ['none', 'classes', 'cell'] as const

export const settings: readonly Setting[] = paddings.flatMap((padding): Setting[] => [
  ...[0, 50, 500].flatMap((meanWaitMs) =>
    [false, true].map((extraHop) => ({ padding, meanWaitMs, extraHop, decoys: 'none' as const })),
  ),
  { padding, meanWaitMs: 50, extraHop: true, decoys: 'power' },
])

export function sizeAndTimeRows(seed: number, chosen: readonly Setting[], messages: number): Row[] {
  return chosen.flatMap((setting) => {
    const seen = watch(seed, setting, messages)
    const random = seeded(seed + 3)
    const where = `padding ${setting.padding}, mean wait ${setting.meanWaitMs} ms, ${setting.extraHop ? 'an extra hop' : 'no extra hop'}${setting.decoys === 'none' ? '' : ', decoys'}`
    const plain = setting.padding === 'none' && setting.meanWaitMs === 0 && !setting.extraHop
    return [
      row(`CS tells copies of one message from copies of the next: ${where}`, copyPairs(random, seen), plain),
      row(`P2 tells requests of one group from those of two: ${where}`, requestPairs(random, seen, false), false),
      row(`the same among requests of as many copies: ${where}`, requestPairs(random, seen, true), false),
    ]
  })
}

/** Holds always, since nothing is promised here; only where nothing is hidden the distinguisher has to win. */
function row(claim: string, pairs: readonly Labelled[], plain: boolean): Row {
  const judged = [judge(pairs, trainLinear), judge(pairs, trainStump)]
  const best = judged.reduce((a, b) => (b.hits > a.hits ? b : a))
  const control: Variant = {
    name: 'control: nothing hidden',
    caught: best.advantage > PLAIN_ADVANTAGE,
    measured: textOf(best),
  }
  return { part: 'sizes and times', claim, holds: true, measured: textOf(best), variants: plain ? [control] : [] }
}

function textOf({ hits, trials, bounds, advantage }: Judged): string {
  const percent = (share: number) => `${(100 * Math.max(0, share)).toFixed(0)} %`
  const [low, high] = [bounds.low, bounds.high].map((rate) => percent(2 * rate - 1))
  return `advantage ${percent(advantage)} (${low} to ${high}; ${hits} of ${trials} right)`
}

/** Members of three groups write at random moments, bodies of random lengths. */
function watch(seed: number, { padding, meanWaitMs, extraHop, decoys }: Setting, messages: number): Seen {
  const log = new Log()
  const world = new World({
    ...{ seed, devices: DEVICES, proxies: PROXIES, padding, groups },
    proxySettings: { meanWaitMs, extraHopBelow: extraHop ? ALWAYS : 0 },
    deviceSettings: { decoys },
    cryptoOf: (name) => (name.startsWith('device') ? log.remembering() : crypto),
    onRead: (name, format, field) => log.read(name, format, field),
    run: (job) => log.job(job),
  })
  log.world = world
  const random = seeded(seed + 2)
  let at = world.now
  for (let i = 0; i < messages; i++) {
    at += -Math.log((randomBelow(random, 2 ** 32) + 1) / 2 ** 32) * MEAN_INTERVAL_MS
    const group = groups[randomBelow(random, groups.length)] as (typeof groups)[number]
    const member = group.members[randomBelow(random, group.members.length)] as number
    const body = random(bodyBytes(random))
    world.network.at(at, () => world.command(world.device(member), { type: 'send', group: group.name, body }))
  }
  world.network.runFor(at - world.now + 25 * meanWaitMs + 2_000)
  return log.seen()
}

function bodyBytes(random: RandomBytes): number {
  return Math.floor(LEAST_BODY_BYTES * 2 ** ((BODY_DOUBLINGS * randomBelow(random, 2 ** 32)) / 2 ** 32))
}

/** What the machines read, with its time; and, apart from it, what belongs together. */
class Log {
  world: World | undefined
  private readonly groupOf = new Map<string, string>()
  private readonly requestOf = new Map<string, string>()
  private readonly copies = new Map<string, SeenCopy[]>()
  private readonly requests: { readonly group: string; readonly seen: SeenRequest }[] = []
  private readonly known = new Set<string>()
  private readonly unopened: { readonly name: string; readonly copy: SeenCopy }[] = []
  private readonly waiting: {
    readonly ephemeral: string
    readonly source: string
    readonly bytes: number
    readonly at: number
  }[] = []

  /** Devices' own: of which group a request is. */
  remembering() {
    return {
      ...crypto,
      makeSlots: (plan: Parameters<typeof crypto.makeSlots>[0]) => {
        const made = crypto.makeSlots(plan)
        if (made !== undefined) this.groupOf.set(toHex(made.ephemeral), toHex(plan.groupKey))
        return made
      },
    }
  }

  job(job: Job) {
    const request = job.type === 'split' ? toHex(job.request.ephemeral) : ''
    const count = job.type === 'split' ? job.request.slots.length / 10 : 0
    const result = runJob(crypto, job)
    if (job.type !== 'split' || result.type !== 'split' || result.copies === undefined) return result
    const bytes = result.copies.length / job.count
    for (let i = 0; i < job.count; i++) {
      const at = i * bytes + job.roomBytes
      this.requestOf.set(toHex(result.copies.subarray(at, at + NAME_BYTES)), request)
    }
    const taken = this.waiting.find(({ ephemeral }) => ephemeral === request)
    const group = this.groupOf.get(request)
    if (taken !== undefined && group !== undefined) this.requests.push({ group, seen: { ...taken, count } })
    return result
  }

  read(name: string, format: string, field: string): void {
    const actors = this.world === undefined ? [] : [this.world.server, ...this.world.proxies]
    const value = actors.find((each) => each.name === name)?.read.at(-1)?.value
    if (value === undefined) return
    if (name === 'server') this.copy(format, field, value)
    else if (format === 'request' && field === 'ephemeral') {
      this.waiting.push({ ephemeral: toHex(value), source: '', bytes: 0, at: this.world?.now ?? 0 })
    } else if (format === 'request' && field === 'sealed') this.complete({ bytes: value.length })
    else if (format === 'request link' && field === 'source') this.complete({ source: toHex(value) })
  }

  /** Copies are opened in the order in which they came, so that each source that is read belongs to the oldest. */
  private copy(format: string, field: string, value: Uint8Array): void {
    if (format === 'copy' && field === 'sealed') {
      const name = toHex(value.subarray(0, NAME_BYTES))
      const copy = { at: this.world?.now ?? 0, bytes: value.length, source: '' }
      this.unopened.push({ name, copy })
    } else if (format === 'copy opened' && field === 'source') {
      const { name, copy } = this.unopened.shift() ?? {}
      const request = name === undefined ? undefined : this.requestOf.get(name)
      if (name === undefined || copy === undefined || request === undefined || this.known.has(name)) return
      this.known.add(name)
      const ofRequest = this.copies.get(request) ?? []
      this.copies.set(request, ofRequest)
      ofRequest.push({ ...copy, source: toHex(value) })
    }
  }

  private complete(part: { readonly bytes?: number; readonly source?: string }): void {
    const last = this.waiting.pop()
    if (last !== undefined) this.waiting.push({ ...last, ...part })
  }

  seen(): Seen {
    return { copies: [...this.copies.values()], requests: this.requests }
  }
}

/** Two copies of a message, or one of it and one of the message that came next. */
function copyPairs(random: RandomBytes, { copies }: Seen): Labelled[] {
  const pairs: Labelled[] = []
  for (let i = 0; i + 1 < copies.length; i++) {
    const [one, next] = [
      shuffle(random, [...(copies[i] as SeenCopy[])]),
      shuffle(random, [...(copies[i + 1] as SeenCopy[])]),
    ]
    for (let at = 0; at < 2; at++) {
      const [a, b, c, d] = [one[2 * at], one[2 * at + 1], one[at], next[at]]
      if (a === undefined || b === undefined || c === undefined || d === undefined) continue
      pairs.push({ same: true, features: copyFeatures(a, b) }, { same: false, features: copyFeatures(c, d) })
    }
  }
  return shuffle(random, pairs)
}

function copyFeatures(a: SeenCopy, b: SeenCopy): Float32Array {
  return Float32Array.of(
    Math.log1p(Math.abs(a.at - b.at)),
    Math.log1p(Math.abs(a.bytes - b.bytes)),
    Number(a.bytes === b.bytes),
    Number(a.source === b.source),
  )
}

function requestPairs(random: RandomBytes, { requests }: Seen, equalCounts: boolean): Labelled[] {
  const all = requests.flatMap((a, i) => requests.slice(i + 1).map((b) => ({ a, b, same: a.group === b.group })))
  const compared = all.filter(({ a, b }) => !equalCounts || a.seen.count === b.seen.count)
  const same = shuffle(
    random,
    compared.filter((pair) => pair.same),
  )
  const different = shuffle(
    random,
    compared.filter((pair) => !pair.same),
  )
  const each = Math.min(same.length, different.length, 2 * requests.length)
  return shuffle(random, [...same.slice(0, each), ...different.slice(0, each)]).map(({ a, b, same }) => ({
    same,
    features: Float32Array.of(
      Math.log1p(Math.abs(a.seen.at - b.seen.at)),
      Math.log1p(Math.abs(a.seen.bytes - b.seen.bytes)),
      Math.abs(a.seen.count - b.seen.count),
      Number(a.seen.source === b.seen.source),
    ),
  }))
}
