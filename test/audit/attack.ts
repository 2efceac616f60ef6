/** An attack: what it is, whether it gets anywhere against the product, and whether it does once the defence is taken away. */
import type { Row } from './row.js'

/** What came of one try. */
export interface Outcome {
  readonly succeeded: boolean
  readonly measured: string
}

export interface Attack {
  /** The attack and what stands against it. */
  readonly claim: string
  readonly run: () => Outcome
  /** The same attack without the defence, taken away by a seam. */
  readonly undefended: readonly { readonly name: string; readonly run: () => Outcome }[]
}

export function attackRow({ claim, run, undefended }: Attack): Row {
  const defended = run()
  return {
    part: 'attacks',
    claim,
    holds: !defended.succeeded,
    measured: defended.measured,
    variants: undefended.map((each) => {
      const { succeeded, measured } = each.run()
      return { name: each.name, caught: succeeded, measured }
    }),
  }
}
