/**
 * Tells, or fails to tell, pairs of one origin from pairs of two: by equal fields, by points in a known relation, by how
 * often bytes of differences come, and by classifiers trained on one third of the pairs and judged on the others. Knows no
 * protocol: what a sample is made of, the games say (PROTOCOL.md section 12).
 */
import { type Point, scalar, toHex } from '../../src/base/bytes.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { type Classifier, type Labelled, trainLinear, trainStump } from './classifier.js'
import { type Bounds, chanceOf, rateBounds, SIGNIFICANCE, visibleAdvantage } from './statistics.js'

/**
 * What the adversary holds of one object: byte strings that should look random, points of the curve (whose encodings do not,
 * quite: two of their bits are always zero), and points that it made with its key out of those.
 */
export interface Sample {
  readonly bytes: Readonly<Record<string, Uint8Array>>
  readonly points: Readonly<Record<string, Uint8Array>>
  readonly derived: Readonly<Record<string, Uint8Array>>
}

export interface Pair {
  readonly first: Sample
  readonly second: Sample
  readonly same: boolean
}

export interface Finding {
  readonly test: string
  readonly beatsChance: boolean
  readonly measured: string
}

/** What a classifier reached on pairs it had not seen. */
export interface Judged {
  readonly hits: number
  readonly trials: number
  readonly bounds: Bounds
  readonly advantage: number
  /** The smallest advantage that would have been told from chance. */
  readonly visible: number
  readonly beatsChance: boolean
}

/** Fields shorter than this may be equal by chance. */
const LEAST_BYTES = 8
const DIFFERENCES = 64
const MULTIPLES = 8
/** Relations cost a multiplication each; where one holds it holds often. */
const RELATED_PAIRS = 64
const BYTE_VALUES = 256
/** Standard deviations of a chi-square statistic of 255 degrees of freedom. */
const CHI_LIMIT = 7

/** Runs every test; half of the pairs are of one origin, in any order. */
export function distinguish(crypto: Crypto, pairs: readonly Pair[]): Finding[] {
  return [equalFields(pairs), relatedPoints(crypto, pairs), byteFrequencies(pairs), ...classifiers(crypto, pairs)]
}

/** What beat chance, as one line; `undefined` where nothing did. */
export function beaten(findings: readonly Finding[]): string | undefined {
  const found = findings.filter(({ beatsChance }) => beatsChance)
  return found.length === 0 ? undefined : found.map(({ test, measured }) => `${test}: ${measured}`).join('; ')
}

/** Trains on the first third, judges on the rest. */
export function judge(labelled: readonly Labelled[], train: (training: readonly Labelled[]) => Classifier): Judged {
  const third = Math.floor(labelled.length / 3)
  const classify = train(labelled.slice(0, third))
  const trials = labelled.length - third
  const hits = labelled.slice(third).filter(({ features, same }) => classify(features) === same).length
  const beatsChance = chanceOf(hits, trials) < SIGNIFICANCE
  const advantage = (2 * hits) / trials - 1
  return { hits, trials, bounds: rateBounds(hits, trials), advantage, visible: visibleAdvantage(trials), beatsChance }
}

export function judgedText({ hits, trials, bounds, visible }: Judged): string {
  const percent = (rate: number) => `${(100 * rate).toFixed(1)} %`
  return `${hits} of ${trials} right, 99 % interval ${percent(bounds.low)} to ${percent(bounds.high)}, advantage from ${percent(visible)} would show`
}

/** Any field of one that stands in the other: by chance, once in 2^64 pairs at most. */
function equalFields(pairs: readonly Pair[]): Finding {
  const found = { same: 0, different: 0 }
  const names = new Set<string>()
  for (const { first, second, same } of pairs) {
    const other = new Map(fieldsOf(second).map(([name, value]) => [toHex(value), name]))
    const equalOnes = fieldsOf(first).filter(([, value]) => other.has(toHex(value)))
    if (equalOnes.length > 0) found[same ? 'same' : 'different']++
    for (const [name] of equalOnes) names.add(name)
  }
  const measured =
    names.size === 0
      ? `none in ${pairs.length} pairs`
      : `${[...names].join(', ')} in ${found.same} pairs of one origin and ${found.different} of two`
  return { test: 'equal fields', beatsChance: names.size > 0, measured }
}

function fieldsOf({ bytes, points, derived }: Sample): [string, Uint8Array][] {
  return Object.entries({ ...bytes, ...points, ...derived }).filter(([, value]) => value.length >= LEAST_BYTES)
}

/** Whether two points differ by [d]B or one is [k] times the other, for small d and k. */
function relatedPoints(crypto: Crypto, pairs: readonly Pair[]): Finding {
  const small = smallMultiples(crypto)
  const names = new Set<string>()
  let related = 0
  for (const { first, second } of pairs.slice(0, RELATED_PAIRS)) {
    const found = Object.entries(first.points).filter(([name, point]) => {
      const other = second.points[name]
      return other !== undefined && areRelated(crypto, small, point, other)
    })
    if (found.length > 0) related++
    for (const [name] of found) names.add(name)
  }
  const examined = Math.min(RELATED_PAIRS, pairs.length)
  const measured =
    related === 0 ? `none in ${examined} pairs` : `${[...names].join(', ')} in ${related} of ${examined} pairs`
  return { test: 'related points', beatsChance: related > 0, measured }
}

function areRelated(crypto: Crypto, small: ReadonlySet<string>, point: Uint8Array, other: Uint8Array): boolean {
  const difference = pointDifference(crypto, point, other)
  if (difference === undefined || small.has(toHex(difference))) return true
  return isMultiple(crypto, point, other) || isMultiple(crypto, other, point)
}

/** Whether the first is [k] times the second or its negative, k from 1. */
function isMultiple(crypto: Crypto, point: Uint8Array, of: Uint8Array): boolean {
  const wanted = new Set([toHex(point), toHex(negative(crypto, point))])
  let multiple: Uint8Array | undefined = of
  for (let k = 1; k <= MULTIPLES && multiple !== undefined; k++) {
    if (wanted.has(toHex(multiple))) return true
    multiple = crypto.addPoints(multiple, of)
  }
  return false
}

function smallMultiples(crypto: Crypto): ReadonlySet<string> {
  const points = crypto.publicPoints(
    Array.from({ length: DIFFERENCES }, (_, i) =>
      scalar(Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? i + 1 : 0))),
    ),
  )
  return new Set(points.flatMap((point) => [toHex(point), toHex(negative(crypto, point))]))
}

/** P - Q; `undefined` where they are equal. */
function pointDifference(crypto: Crypto, p: Uint8Array, q: Uint8Array): Point | undefined {
  return crypto.addPoints(p, negative(crypto, q))
}

/** l - 1, little endian (RFC 9496 section 4.4). */
const MINUS_ONE = scalar(
  Uint8Array.from(Buffer.from('ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex')),
)

function negative(crypto: Crypto, point: Uint8Array): Point {
  const negated = crypto.multiply(MINUS_ONE, point)
  if (negated === undefined) throw new Error('a sample holds a point that does not decode')
  return negated
}

/** How often each byte comes in the differences of pairs of one origin: as often as any other, if streams are unrelated. */
function byteFrequencies(pairs: readonly Pair[]): Finding {
  const counts = new Float64Array(BYTE_VALUES)
  let total = 0
  for (const { first, second, same } of pairs) {
    if (!same) continue
    for (const [name, value] of Object.entries(first.bytes)) {
      const other = second.bytes[name]
      if (other === undefined || other.length !== value.length) continue
      for (const [i, byte] of value.entries()) {
        const difference = byte ^ (other[i] as number)
        counts[difference] = (counts[difference] as number) + 1
      }
      total += value.length
    }
  }
  const expected = total / BYTE_VALUES
  const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  const deviations = (chi - (BYTE_VALUES - 1)) / Math.sqrt(2 * (BYTE_VALUES - 1))
  const measured = `chi-square ${chi.toFixed(0)} of ${total} bytes, 255 expected`
  return { test: 'byte frequencies of differences', beatsChance: Math.abs(deviations) > CHI_LIMIT, measured }
}

function classifiers(crypto: Crypto, pairs: readonly Pair[]): Finding[] {
  const labelled = pairs.map((pair) => ({ features: features(crypto, pair), same: pair.same }))
  return [
    ['logistic regression', judge(labelled, trainLinear)] as const,
    ['best single bit', judge(labelled, trainStump)] as const,
  ].map(([test, judged]) => ({ test, beatsChance: judged.beatsChance, measured: judgedText(judged) }))
}

/** Every bit of every difference, of byte strings by exclusive or and of points on the curve, and the weight of each. */
function features(crypto: Crypto, { first, second }: Pair): Float32Array {
  const differences = [
    ...Object.entries({ ...first.bytes, ...first.points, ...first.derived }).map(([name, value]) => {
      const other = second.bytes[name] ?? second.points[name] ?? second.derived[name] ?? value
      return value.map((byte, i) => byte ^ (other[i] ?? 0))
    }),
    ...Object.entries(first.points).map(([name, point]) => {
      const other = second.points[name]
      return (other && pointDifference(crypto, point, other)) ?? new Uint8Array(32)
    }),
  ]
  const bits = differences.reduce((sum, { length }) => sum + 8 * length, 0)
  const all = new Float32Array(bits + differences.length)
  let at = 0
  for (const [index, difference] of differences.entries()) {
    let weight = 0
    for (const byte of difference) {
      for (let bit = 0; bit < 8; bit++) {
        const value = (byte >> bit) & 1
        all[at++] = value
        weight += value
      }
    }
    all[bits + index] = weight / (8 * difference.length)
  }
  return all
}
