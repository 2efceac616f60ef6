/**
 * What may be said of a distinguisher that was right so many times out of so many: whether chance explains it, within
 * which bounds its true rate lies, and which advantage this many trials would have shown. All exact, from the binomial.
 */

/** A true rate of one half is called refuted below this probability: a run has some hundred tests, and any seed must pass. */
export const SIGNIFICANCE = 1e-6
/** Of the intervals that are printed. */
const CONFIDENCE = 0.99
/** How surely the smallest advantage that is named would have been found. */
const POWER = 0.99

export interface Bounds {
  readonly low: number
  readonly high: number
}

/** The probability of a count at least as far from half of the trials, were each a fair coin. */
export function chanceOf(hits: number, trials: number): number {
  const far = Math.max(hits, trials - hits)
  return Math.min(1, 2 * upperTail(far, trials, 0.5))
}

/** Clopper and Pearson's interval for the rate behind a count. */
export function rateBounds(hits: number, trials: number): Bounds {
  const side = (1 - CONFIDENCE) / 2
  const low = hits === 0 ? 0 : bisect((rate) => upperTail(hits, trials, rate) > side)
  const high = hits === trials ? 1 : bisect((rate) => 1 - upperTail(hits + 1, trials, rate) < side)
  return { low, high }
}

/** The advantage (twice the rate less one) from which so many trials refute chance, as surely as `POWER` says. */
export function visibleAdvantage(trials: number): number {
  let least = Math.ceil(trials / 2)
  while (least <= trials && chanceOf(least, trials) >= SIGNIFICANCE) least++
  if (least > trials) return 1
  return 2 * bisect((rate) => upperTail(least, trials, rate) > POWER) - 1
}

/** P(X >= hits) for X of a binomial distribution. */
export function upperTail(hits: number, trials: number, rate: number): number {
  if (hits <= 0) return 1
  if (rate <= 0) return 0
  if (rate >= 1) return 1
  // Of the two tails the smaller one: far below the mean the terms of the other vanish.
  return hits <= trials * rate ? 1 - tail(trials - hits + 1, trials, 1 - rate) : tail(hits, trials, rate)
}

/** Sums from `hits` upwards; for counts above the mean. */
function tail(hits: number, trials: number, rate: number): number {
  if (hits > trials) return 0
  let sum = 0
  let term = Math.exp(logChoose(trials, hits) + hits * Math.log(rate) + (trials - hits) * Math.log1p(-rate))
  for (let k = hits; k <= trials; k++) {
    sum += term
    term *= ((trials - k) / (k + 1)) * (rate / (1 - rate))
    if (term < sum * 1e-16 && k > trials * rate) break
  }
  return Math.min(1, sum)
}

/** The point in 0..1 at which a condition that holds to its right begins to. */
function bisect(holds: (value: number) => boolean): number {
  let low = 0
  let high = 1
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2
    if (holds(middle)) high = middle
    else low = middle
  }
  return high
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k)
}

const logFactorials = [0, 0]

function logFactorial(n: number): number {
  for (let i = logFactorials.length; i <= n; i++) logFactorials.push((logFactorials[i - 1] as number) + Math.log(i))
  return logFactorials[n] as number
}
