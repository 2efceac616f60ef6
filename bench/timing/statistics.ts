/**
 * The statistics of the timing-leak test, after Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?"
 * (DATE 2017): two classes of measurements, Welch's t between them, uncropped and cropped at percentiles of both together,
 * since an interrupt in the tail can hide what the fast measurements show.
 */

/** |t| past which the two classes may differ, and past which they do. */
export const SUSPICIOUS = 4.5
export const DEFINITE = 10

/** The measurements of one repetition: how long each took, and which class its input was of. */
export interface Sample {
  readonly times: Float64Array
  /** 1 where the input was random, 0 where it was the fixed one. */
  readonly random: Uint8Array
}

/** Welch's t between the classes over the measurements within one crop; positive where the fixed input took longer. */
export interface Comparison {
  readonly t: number
  /** Mean of the fixed class less mean of the random one, in the unit of the times. */
  readonly difference: number
  readonly standardError: number
  readonly mean: number
}

export type Verdict = 'clean' | 'suspicious' | 'leak'

export interface Judgement {
  readonly verdict: Verdict
  /** Index of the crop in which the repetitions agree most. */
  readonly crop: number
  /** The weakest t of that crop, one dissenter aside; 0 where the repetitions contradict each other in every crop. */
  readonly t: number
}

/** How much of the sorted times each crop keeps: everything first, then closer and closer from a third up. */
const CROPS = 20
const DISSENTERS = 1
const cropShares = [1, ...Array.from({ length: CROPS }, (_, i) => 1 - 0.5 ** ((10 * (i + 1)) / CROPS))]
/** Fewer measurements in either class say nothing. */
const LEAST_IN_CLASS = 50

const NOTHING: Comparison = { t: 0, difference: 0, standardError: Number.POSITIVE_INFINITY, mean: 0 }

/** One comparison a crop. */
export function compareClasses(sample: Sample): Comparison[] {
  const sorted = Float64Array.from(sample.times).sort()
  return cropShares.map((share) => {
    const last = Math.min(sorted.length - 1, Math.floor(share * sorted.length))
    return compareWithin(sample, share === 1 ? Number.POSITIVE_INFINITY : (sorted[last] as number))
  })
}

/**
 * What the repetitions say together. All but one must show the same difference, in the same crop and with the same sign, past
 * the same threshold: what disturbs the machine may happen to meet one class, but not time and again. One may dissent, or a
 * single disturbed repetition would hide a leak.
 */
export function judge(repetitions: readonly (readonly Comparison[])[]): Judgement {
  let strongest = { crop: 0, t: 0 }
  for (let crop = 0; crop < cropShares.length; crop++) {
    const t = agreed(repetitions.map((comparisons) => comparisons[crop]?.t ?? 0))
    if (Math.abs(t) > Math.abs(strongest.t)) strongest = { crop, t }
  }
  const size = Math.abs(strongest.t)
  return { ...strongest, verdict: size > DEFINITE ? 'leak' : size > SUSPICIOUS ? 'suspicious' : 'clean' }
}

/** The crop in which the least difference shows, and the standard error there, one dissenter aside. */
export function sharpestCrop(repetitions: readonly (readonly Comparison[])[]): { crop: number; standardError: number } {
  const errors = cropShares.map((_, crop) => {
    const ofCrop = repetitions.map((comparisons) => comparisons[crop]?.standardError ?? Number.POSITIVE_INFINITY)
    return ofCrop.sort((a, b) => b - a)[DISSENTERS] ?? Number.POSITIVE_INFINITY
  })
  const standardError = Math.min(...errors)
  return { crop: errors.indexOf(standardError), standardError }
}

/** Welch's t of two classes given by count, mean and variance (with n - 1). */
export function welch(a: Moments, b: Moments): number {
  const difference = a.mean - b.mean
  return difference === 0 ? 0 : difference / standardErrorOf(a, b)
}

export interface Moments {
  readonly count: number
  readonly mean: number
  readonly variance: number
}

/** Mean and variance in one pass (Welford 1962), which keeps its digits where the mean is far larger than the spread. */
export function momentsOf(values: Iterable<number>): Moments {
  let count = 0
  let mean = 0
  let squares = 0
  for (const value of values) {
    count++
    const distance = value - mean
    mean += distance / count
    squares += distance * (value - mean)
  }
  return { count, mean, variance: count > 1 ? squares / (count - 1) : 0 }
}

function compareWithin({ times, random }: Sample, limit: number): Comparison {
  const classes: [number[], number[]] = [[], []]
  for (const [i, time] of times.entries()) if (time <= limit) classes[random[i] as 0 | 1].push(time)
  const [fixed, drawn] = [momentsOf(classes[0]), momentsOf(classes[1])]
  if (Math.min(fixed.count, drawn.count) < LEAST_IN_CLASS) return NOTHING
  return {
    t: welch(fixed, drawn),
    difference: fixed.mean - drawn.mean,
    standardError: standardErrorOf(fixed, drawn),
    mean: (fixed.mean + drawn.mean) / 2,
  }
}

function standardErrorOf(a: Moments, b: Moments): number {
  return Math.sqrt(a.variance / a.count + b.variance / b.count)
}

/** The t nearest to 0 where all have one sign, one dissenter aside; else 0. */
function agreed(ts: readonly number[]): number {
  const sorted = [...ts].sort((a, b) => a - b)
  const [least, greatest] = [sorted[DISSENTERS] ?? 0, sorted[sorted.length - 1 - DISSENTERS] ?? 0]
  return least > 0 ? least : Math.min(greatest, 0)
}
