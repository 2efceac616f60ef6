/** What the demo is asked to do. */
import { ProtocolError } from '../../base/errors.js'
import type { PaddingMode } from '../../group/group.js'
import { conditionsOf, type RawConditions } from '../relay/options.js'
import type { Disturbance } from './relays.js'

export const MAX_MEMBERS = 1000
export const MAX_MESSAGES = 1000

export interface DemoOptions {
  /** The whole group, the sender among them. */
  readonly members: number
  readonly messages: number
  readonly body: { readonly type: 'file'; readonly path: string } | { readonly type: 'random'; readonly bytes: number }
  readonly padding: PaddingMode
  readonly json: boolean
  readonly keep: boolean
  /** What relays on every hop do, where there shall be any. */
  readonly disturbance: Disturbance | undefined
  /** For the demo's own test: a proxy claims to have read the sender's id. */
  readonly plantLeak: boolean
}

export interface RawDemoOptions extends RawConditions {
  readonly members: number
  readonly messages: number
  readonly file: string
  readonly size?: number
  readonly padding: PaddingMode
  readonly json?: true
  readonly keep?: true
  readonly plantLeak?: true
}

export function demoOptions({
  members,
  messages,
  file,
  size,
  padding,
  json,
  keep,
  plantLeak,
  ...disturbed
}: RawDemoOptions): DemoOptions {
  if (keep && json) throw new ProtocolError('USAGE', '--keep prints commands for a person; leave out --json')
  return {
    members,
    messages,
    body: size === undefined ? { type: 'file', path: file } : { type: 'random', bytes: size },
    padding,
    json: json ?? false,
    keep: keep ?? false,
    disturbance: conditionsOf(disturbed),
    plantLeak: plantLeak ?? false,
  }
}
