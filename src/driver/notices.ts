/**
 * Notices as log lines, each event so many times a minute: others can cause some of them at will (a proxy that is turned
 * away, a next hop that is not there), and a log must not fill the disk. How many were left out is told.
 */
import type { Millis } from '../base/time.js'
import type { RoleOutput } from '../role/role.js'
import type { Log } from './log.js'

type Notice = Extract<RoleOutput, { type: 'notice' }>

interface Counted {
  lines: number
  leftOut: number
  until: Millis
}

const PERIOD_MS = 60_000
export const LINES_PER_PERIOD = 30

export class Notices {
  private readonly log: Log
  /** By event: a role has a fixed number of those. */
  private readonly counted = new Map<string, Counted>()

  constructor(log: Log) {
    this.log = log
  }

  take(now: Millis, { level, event, detail }: Notice): void {
    const counted = this.current(now, event)
    counted.lines++
    if (counted.lines <= LINES_PER_PERIOD) this.log[level](detail ?? {}, event)
    else counted.leftOut++
  }

  /** What counts for this period; the last one is closed with the number of lines that it left out. */
  private current(now: Millis, event: string): Counted {
    const held = this.counted.get(event)
    // A clock set back begins a new period, too.
    if (held !== undefined && now < held.until && now >= held.until - PERIOD_MS) return held
    if (held !== undefined && held.leftOut > 0) this.log.warn({ event, leftOut: held.leftOut }, 'lines left out')
    const begun = { lines: 0, leftOut: 0, until: now + PERIOD_MS }
    this.counted.set(event, begun)
    return begun
  }
}
