/**
 * Cover traffic beside messages, from production devices: whether P1 or P2 can tell a message to nobody from one that somebody
 * wrote, by anything that they read of it, its length and the number of its copies included.
 */
import { toHex } from '../../src/base/bytes.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { seeded } from '../base/seeded.js'
import { crypto, type Read, World } from '../sim/world.js'
import { type Labelled, trainLinear, trainStump } from './classifier.js'
import { judge, judgedText } from './distinguish.js'
import type { Row } from './row.js'

const GROUP = 'gardeners'
const MEMBERS = 6
const BODY_BYTES = 120
const INTERVAL_MS = 400
const QUIET_MS = 3_000
/** Of each field so many bytes are looked at, bit by bit. */
const FIELD_BYTES = 48
const FIELDS = [
  'ephemeral',
  'sealed',
  'oneTimeBase',
  'oneTimeKey',
  'count',
  'personalPartBytes',
  'contentBytes',
  'slots',
  'content',
]

export function coverRow(seed: number, messages: number): Row {
  const measured = tell(seed, messages, (real) => real)
  const broken = tell(seed, messages, withoutFactor)
  return {
    part: 'distinguishers',
    claim: 'P1 and P2 cannot tell cover traffic from messages, by all they read of a request, its length included',
    holds: !measured.found,
    measured: measured.text,
    variants: [
      { name: 'cover whose one-time pair is for the generator itself', caught: broken.found, measured: broken.text },
    ],
  }
}

/** Members write in turn, and as often somebody says nothing to nobody. */
function tell(seed: number, messages: number, ofCover: (real: Crypto) => Crypto) {
  const groups = [{ name: GROUP, members: Array.from({ length: MEMBERS }, (_, i) => i) }]
  const written = new Set<string>()
  const made = new Set<string>()
  let groupKey = ''
  const makeSlots: Crypto['makeSlots'] = (plan) => {
    const isCover = groupKey !== '' && toHex(plan.groupKey) !== groupKey
    const slots = (isCover ? ofCover(crypto) : crypto).makeSlots(plan)
    if (slots !== undefined) (isCover ? made : written).add(toHex(slots.ephemeral))
    return slots
  }
  const world = new World({
    ...{ seed, devices: MEMBERS, proxies: 3, groups },
    cryptoOf: (name) => (name.startsWith('device') ? { ...crypto, makeSlots } : crypto),
    // All together as often as somebody writes.
    deviceSettings: { coverMeanMs: MEMBERS * INTERVAL_MS },
  })
  groupKey = toHex(world.group(world.device(0), GROUP).keys.publicPoint)
  const random = seeded(seed + 4)
  for (let i = 0; i < messages; i++) {
    world.send(world.device(i % MEMBERS), GROUP, random(BODY_BYTES))
    world.network.runFor(INTERVAL_MS)
  }
  world.network.runFor(QUIET_MS)
  const requests = world.proxies.flatMap(({ read }) => requestsOf(read))
  return judged(requests, written, made, seed)
}

interface SeenRequest {
  readonly ephemeral: string
  readonly features: Float32Array
}

/** Requests as a P2 read them, one after the other: the fields of each stand together. */
function requestsOf(read: readonly Read[]): SeenRequest[] {
  const requests: Map<string, Uint8Array>[] = []
  for (const { format, field, value } of read) {
    if (format === 'request' && field === 'ephemeral') requests.push(new Map())
    if (format === 'request' || format === 'request body') requests.at(-1)?.set(field, value)
  }
  return requests.flatMap((fields) => {
    const ephemeral = fields.get('ephemeral')
    if (ephemeral === undefined || !fields.has('content')) return []
    return [{ ephemeral: toHex(ephemeral), features: featuresOf(fields) }]
  })
}

function featuresOf(fields: ReadonlyMap<string, Uint8Array>): Float32Array {
  const features = new Float32Array(FIELDS.length * (8 * FIELD_BYTES + 1))
  let at = 0
  for (const name of FIELDS) {
    const value = fields.get(name) ?? new Uint8Array(0)
    for (let bit = 0; bit < 8 * FIELD_BYTES; bit++) features[at++] = ((value[bit >> 3] ?? 0) >> (bit & 7)) & 1
    features[at++] = value.length
  }
  return features
}

function judged(
  requests: readonly SeenRequest[],
  written: ReadonlySet<string>,
  made: ReadonlySet<string>,
  seed: number,
) {
  const real = requests.filter(({ ephemeral }) => written.has(ephemeral))
  const cover = requests.filter(({ ephemeral }) => made.has(ephemeral))
  const each = Math.min(real.length, cover.length)
  if (each < 20) throw new Error(`${real.length} messages and ${cover.length} of cover are too few (SEED=${seed})`)
  // One of each kind in turn: classifiers are trained on the first third.
  const labelled = Array.from({ length: each }, (_, i): Labelled[] => [
    { same: true, features: real[i]?.features ?? new Float32Array(0) },
    { same: false, features: cover[i]?.features ?? new Float32Array(0) },
  ]).flat()
  const results = [judge(labelled, trainLinear), judge(labelled, trainStump)]
  const best = results.reduce((a, b) => (b.hits > a.hits ? b : a))
  return { found: results.some(({ beatsChance }) => beatsChance), text: `${each} of each; ${judgedText(best)}` }
}

/** h = 1 where it should be random. */
function withoutFactor(real: Crypto): Crypto {
  return {
    ...real,
    makeSlots(plan) {
      const entropy = Uint8Array.from(plan.entropy)
      entropy.fill(0, 64)
      entropy[64] = 1
      return real.makeSlots({ ...plan, entropy })
    },
  }
}
