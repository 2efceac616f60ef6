/** What `main.ts` and the subjects agree on. */

/** What every subject gets, and gives: rows of one shape, and the same as text. */
export interface BenchOptions {
  readonly quick: boolean
  /** For how long, where a subject goes on for as long as one likes. */
  readonly minutes?: number
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

/** A row of `throughput`: what one role, or the network as a whole, reached. */
export interface ThroughputRow {
  /** Whose figure it is: `P2 alone`, `end to end`, ... */
  readonly role: string
  readonly workers: number
  readonly copiesPerSecond: number
  /** CPU time of the role for one copy. */
  readonly usPerCopyCpu: number
}

/** A row of `latency`: from send to delivery, a copy. */
export interface LatencyRow {
  readonly members: number
  readonly mixing: 'off' | 'rollercoaster'
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  /** From send to the last member's delivery, median over the messages. */
  readonly lastMemberMs: number
  /** All copies, or an even choice of them. */
  readonly samplesMs: readonly number[]
}
