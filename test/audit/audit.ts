/** All rows of the audit, in the order in which they are printed, at one of two extents. */
import { seeded } from '../base/seeded.js'
import { crypto } from '../sim/world.js'
import { attackRow } from './attack.js'
import { splitView } from './attack-split-view.js'
import { attacksAlone } from './attacks-alone.js'
import { attacksOnNetworks } from './attacks-network.js'
import { coverRow } from './cover.js'
import { distinguisherRows } from './distinguishers.js'
import { knowledgeRows } from './knowledge-rows.js'
import type { Row } from './row.js'
import { settings, sizeAndTimeRows } from './sizes-and-times.js'

/** `short` is what `npm test` runs; `full` is what `npm run audit` does. */
export const extents = {
  short: { worlds: 2, messages: 6, pairs: 640, brokenPairs: 64, settings: settings.slice(0, 1), talk: 40, cover: 36 },
  full: { worlds: 6, messages: 24, pairs: 6_144, brokenPairs: 384, settings, talk: 100, cover: 300 },
} as const
export type Extent = keyof typeof extents

/** Rows of one part, made when they are asked for: a run takes minutes, and each part is printed as it is done. */
export interface Part {
  readonly name: Row['part']
  readonly rows: () => Row[]
}

export function audit(seed: number, extent: Extent): Part[] {
  const { worlds, messages, pairs, brokenPairs, settings, talk, cover } = extents[extent]
  const seeds = Array.from({ length: worlds }, (_, i) => seed + 10_000 * i)
  return [
    { name: 'knowledge', rows: () => knowledgeRows({ seeds, messages }) },
    {
      name: 'distinguishers',
      rows: () => [...distinguisherRows(crypto, seed, { pairs, brokenPairs }), coverRow(seed, cover)],
    },
    {
      name: 'attacks',
      rows: () =>
        [...attacksAlone(crypto, () => seeded(seed)), ...attacksOnNetworks(seed), splitView(seed)].map(attackRow),
    },
    { name: 'sizes and times', rows: () => sizeAndTimeRows(seed, settings, talk) },
  ]
}
