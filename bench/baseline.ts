/**
 * Holds ratios of a run against a committed baseline. Absolute times are no part of it: they are the machine's. Per major
 * version of Node, whose compilers differ.
 */
import { z } from 'zod'
import { nameOf, type Ratio } from './ratios.js'

export const baselineSchema = z.object({
  /** By major version of Node. */
  ratios: z.record(z.string(), z.record(z.string(), z.number())),
})

export type Baseline = z.infer<typeof baselineSchema>

export type Change = {
  readonly name: string
  readonly expected: number | undefined
  readonly found: number | undefined
  readonly verdict: 'as before' | 'better' | 'worse' | 'new' | 'not measured'
}

/**
 * A ratio is worse where it fell by more than `tolerance`, a share of what it was, and better where it rose by as much;
 * what was not measured (no compiler for the native contestant, say) is neither.
 */
export function compareRatios(
  expected: Readonly<Record<string, number>>,
  found: readonly Ratio[],
  tolerance: number,
): Change[] {
  const measured = new Map(found.map((ratio) => [nameOf(ratio), ratio.ratio]))
  const names = [...new Set([...Object.keys(expected), ...measured.keys()])]
  return names.map((name) => change(name, expected[name], measured.get(name), tolerance))
}

function change(name: string, expected: number | undefined, found: number | undefined, tolerance: number): Change {
  if (found === undefined) return { name, expected, found, verdict: 'not measured' }
  if (expected === undefined) return { name, expected, found, verdict: 'new' }
  if (found < expected * (1 - tolerance)) return { name, expected, found, verdict: 'worse' }
  return { name, expected, found, verdict: found > expected / (1 - tolerance) ? 'better' : 'as before' }
}

/** The baseline with these ratios for one version of Node, others as they were. */
export function updated(baseline: Baseline, major: string, ratios: Readonly<Record<string, number>>): Baseline {
  return { ratios: { ...baseline.ratios, [major]: { ...ratios } } }
}
