/** What `main.ts` and the subjects agree on. */

/** What every subject gets, and gives: rows of one shape, and the same as text. */
export interface BenchOptions {
  readonly quick: boolean
}

export interface BenchReport {
  readonly results: readonly object[]
  readonly text: string
  /** What was left out, and why. */
  readonly notes?: readonly string[]
  /** What was found and must not be: the command fails with it, once it has printed the rest. */
  readonly problem?: string
}

/** One run of one subject, as `--json` prints it on a line of its own. */
export interface SubjectRun {
  readonly subject: string
  readonly machine: string
  readonly node: string
  readonly v8: string
  /** The build of the core that was chosen. */
  readonly fieldBuild: string
  readonly results: readonly object[]
  readonly notes: readonly string[]
}
