/** What `splitcast doctor` has to say beside its facts. */

export interface Finding {
  /** A problem makes running impossible; a warning makes it worse than it could be. */
  readonly level: 'problem' | 'warning'
  /** What is wrong and what to do, in one sentence. */
  readonly text: string
}

export const problem = (text: string): Finding => ({ level: 'problem', text })
export const warning = (text: string): Finding => ({ level: 'warning', text })

/** Facts, and what they give cause to say. */
export interface Examined<Facts> {
  readonly facts: Facts
  readonly findings: readonly Finding[]
}

/** One line of an error from elsewhere. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}
