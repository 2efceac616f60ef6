/**
 * A scenario: a world, what its network does to datagrams, and what happens in it when. Plain data that follows from a seed.
 */
import type { Millis } from '../../../src/base/time.js'
import type { DecoyMode } from '../../../src/group/decoys.js'
import type { PaddingMode } from '../../../src/group/group.js'
import type { Conditions } from '../emulator/conditions.js'
import type { WorldOptions } from '../world.js'

/** Times are milliseconds after the world stands; nodes go by their names, devices by their places. */
export type Action = { readonly atMs: number } & (
  | {
      readonly type: 'send'
      readonly device: number
      readonly group: string
      readonly bodyBytes: number
      readonly padding: PaddingMode
      readonly until: 'taken' | 'over'
      readonly decoys?: DecoyMode
      /** To this member alone, by a first proxy alone. */
      readonly direct?: number
    }
  /** `durable` is the part of the writes under way that reach the disk; `wiped` loses all of it. */
  | {
      readonly type: 'crash'
      readonly node: string
      readonly downMs: number
      readonly durable: number
      readonly wiped: boolean
    }
  /** Members that one of them removes from a group, and one that leaves it by itself. */
  | { readonly type: 'remove'; readonly by: number; readonly members: readonly number[]; readonly group: string }
  | { readonly type: 'depart'; readonly device: number; readonly group: string }
  /** A device that never comes back. */
  | { readonly type: 'leave'; readonly node: string }
  | { readonly type: 'pause'; readonly node: string; readonly forMs: number }
  /** These on one side, everybody else on the other. */
  | { readonly type: 'partition'; readonly nodes: readonly string[]; readonly forMs: number }
  | { readonly type: 'weather'; readonly conditions: Conditions; readonly forMs: number }
  | { readonly type: 'rebind'; readonly node: string }
  | { readonly type: 'diskFull'; readonly forMs: number }
  | { readonly type: 'invite'; readonly by: number; readonly newcomer: number; readonly group: string }
)

export interface Scenario {
  readonly seed: number
  readonly family: string
  readonly world: WorldOptions & { readonly proxies: number; readonly devices: number; readonly start: Millis }
  readonly conditions: Conditions
  readonly storeMs: number
  readonly jobMs: number
  readonly actions: readonly Action[]
  /** Whether whoever is sent to must be proven to have it, once all is well again: no liars, clocks and rooms as they should be. */
  readonly provesAll: boolean
}

/** What can explain that something was dropped. */
export type Cause =
  /** Nothing need happen. */
  | 'always'
  /** Datagrams are lost, late or cut off, so that things are sent again. */
  | 'loss'
  | 'doubling'
  | 'reordering'
  | 'corruption'
  /** A node was away or stood still, or began anew. */
  | 'absence'
  | 'wiping'
  /** Clocks further apart than a slot window reaches. */
  | 'wrongClock'
  | 'liar'
  | 'smallRooms'
  | 'joining'
  /** Members are removed, or leave. */
  | 'departure'
  /** Slots for nobody, by themselves or of cover traffic. */
  | 'decoys'

export function causesOf({ world, conditions, actions }: Scenario): ReadonlySet<Cause> {
  const causes = new Set<Cause>(['always'])
  const weathers = [conditions, ...actions.flatMap((each) => (each.type === 'weather' ? [each.conditions] : []))]
  for (const each of weathers) {
    if (each.loss > 0 || each.bursts !== undefined || each.bottleneck !== undefined) causes.add('loss')
    if (each.duplication > 0) causes.add('doubling')
    if (each.jitterMs > 0 || (each.reordering ?? 0) > 0) causes.add('reordering')
    // What takes longer than its sender waits is sent again.
    if (each.delayMs + each.jitterMs + (each.reorderMs ?? 0) > LATE_MS) causes.add('loss')
    if ((each.corruption ?? 0) > 0) causes.add('corruption')
  }
  for (const action of actions) for (const cause of causesOfAction(action)) causes.add(cause)
  const skews = [...(world.skewsMs?.values() ?? [])]
  if (Math.max(0, ...skews) - Math.min(0, ...skews) > WINDOW_MS) causes.add('wrongClock')
  const { decoys = 'none', coverMeanMs = 0 } = world.deviceSettings ?? {}
  if (decoys !== 'none' || coverMeanMs > 0) causes.add('decoys')
  if ((world.liars?.size ?? 0) > 0) causes.add('liar')
  if (world.serverBounds ?? world.proxyBounds ?? world.deviceBounds) causes.add('smallRooms')
  return causes
}

const LATE_MS = 40
const WINDOW_MS = 600_000

function causesOfAction(action: Action): readonly Cause[] {
  switch (action.type) {
    case 'crash':
      return action.wiped ? ['loss', 'absence', 'wiping'] : ['loss', 'absence']
    case 'leave':
    case 'pause':
    case 'rebind':
    case 'diskFull':
      return ['loss', 'absence']
    case 'partition':
      return ['loss', 'absence']
    case 'invite':
      return ['joining']
    case 'remove':
    case 'depart':
      return ['departure']
    case 'send':
      return action.decoys === 'power' ? ['decoys'] : []
    case 'weather':
      return []
    default:
      return action satisfies never
  }
}
