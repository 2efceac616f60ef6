/** What the audit prints: one row a claim, with what was measured, and the broken variants that the same check has to catch. */

export interface Variant {
  /** What is broken in it, and by which seam. */
  readonly name: string
  readonly caught: boolean
  readonly measured: string
}

export interface Row {
  readonly part: 'knowledge' | 'byte strings' | 'distinguishers' | 'attacks' | 'sizes and times'
  readonly claim: string
  /** Whether the product keeps the claim. Rows that only measure hold always. */
  readonly holds: boolean
  readonly measured: string
  readonly variants: readonly Variant[]
}

/** Whether the product kept the claim and the check caught everything that was broken on purpose. */
export function passes(row: Row): boolean {
  return row.holds && row.variants.every(({ caught }) => caught)
}
