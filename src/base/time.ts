/**
 * Time as the state machines see it: handed in with every input, in milliseconds since the Unix epoch.
 * Slots live in windows of 600 seconds, sealing keys in UTC days (PROTOCOL.md sections 4 and 9).
 */

/** Milliseconds since the Unix epoch: a whole number where it says what time it is; a deadline may lie between two. */
export type Millis = number

const SLOT_WINDOW_MS = 600_000
const DAY_MS = 86_400_000

/** The slot window, 32 bits, that a moment falls into. */
export function slotWindow(now: Millis): number {
  return Math.floor(now / SLOT_WINDOW_MS)
}

/** The first moment of a slot window. */
export function startOfWindow(window: number): Millis {
  return window * SLOT_WINDOW_MS
}

/** The UTC day, counted from the Unix epoch, that a moment falls into. */
export function utcDay(now: Millis): number {
  return Math.floor(now / DAY_MS)
}

/** The first moment of a UTC day. */
export function startOfDay(day: number): Millis {
  return day * DAY_MS
}

/** The earlier of two deadlines, either of which may be absent. */
export function earliest(a: Millis | undefined, b: Millis | undefined): Millis | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  return Math.min(a, b)
}
