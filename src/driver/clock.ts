/**
 * The only clock: Unix milliseconds that never go back. A wall clock set back is followed by the monotonic one until it
 * has caught up; one that jumps ahead (a machine that slept) is followed at once.
 */
import type { Millis } from '../base/time.js'

export interface Clock {
  now(): Millis
}

export function systemClock(): Clock {
  let wall = Date.now()
  let monotonic = performance.now()
  return {
    now() {
      const elapsed = performance.now() - monotonic
      monotonic += elapsed
      wall = Math.max(Date.now(), wall + elapsed)
      return Math.floor(wall)
    },
  }
}
