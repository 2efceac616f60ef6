/** A process of relays, as its parent sees it. */
import { Child } from '../hosting/child.js'
import type { RelayCall, RelayResults } from './calls.js'

const PROGRAM = new URL('./host.js', import.meta.url)

export type RelayProcess = Child<RelayCall, RelayResults, never>

export function startRelays(): RelayProcess {
  return new Child({ label: 'the relays', program: PROGRAM, onEvent: () => undefined })
}
