/** What is made of the times of several rounds; all of it pure. */

/** The upper of the two middle values where there is an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted[sorted.length >> 1]
  if (middle === undefined) throw new Error('nothing was measured')
  return middle
}

/** The value that a quarter of them are below. */
export function lowerQuartile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const found = sorted[sorted.length >> 2]
  if (found === undefined) throw new Error('nothing was measured')
  return found
}

/** Largest over smallest. */
export function spread(values: readonly number[]): number {
  return Math.max(...values) / Math.min(...values)
}

/**
 * How many times as long as `first` it took: the median of the quotients of each round, so that a moment in which the
 * machine was slow counts for both.
 */
export function ratioOver(times: readonly number[], first: readonly number[]): number {
  return median(times.map((time, round) => time / (first[round] ?? Number.NaN)))
}

/** Rounded to `digits` significant digits, so that a row does not promise more than was measured. */
export function significant(value: number, digits = 4): number {
  return Number(value.toPrecision(digits))
}
