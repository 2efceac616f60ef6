/** What `main.ts` and the subjects agree on. */

/** What every subject gets, and gives: rows of one shape, and the same as text. */
export interface BenchOptions {
  readonly quick: boolean
}

export interface BenchReport {
  readonly results: readonly object[]
  readonly text: string
}
