/**
 * The keys that are sealed to for one UTC day each, which a proxy and CS hold: made a day ahead, kept a day after, then wiped,
 * so that a seed seized later opens nothing recorded earlier (PROTOCOL.md section 9.4). They change an hour into the day: until
 * then a clock may be slow, and its owner in want of yesterday's. Whoever publishes them first makes what `advance` returned
 * durable: a copy sealed to a key that a crash took away opens for nobody.
 */
import { type Point, type Scalar, scalar, wipe } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { RandomBytes } from '../base/random.js'
import { type Millis, startOfDay, utcDay } from '../base/time.js'
import type { Group255 } from '../crypto/crypto.js'
import type { Write } from './role.js'

/** A sealing key as the directory lists it. */
export interface PublishedKey {
  /** Days since the Unix epoch. */
  readonly day: number
  readonly key: Point
}

export interface SealingSecret extends PublishedKey {
  readonly secret: Scalar
}

export interface SealingKeys {
  /** Takes back what `advance` wrote; entries of other owners and malformed ones are ignored. */
  restore(key: string, value: Uint8Array): void
  /** Makes the pairs to be published where they are missing and forgets those older than the day before. Returns what changed. */
  advance(now: Millis): Write[]
  /** Of the day it was an hour ago and the next, as far as `advance` made them. */
  published(now: Millis): PublishedKey[]
  /** In the order in which to try them: today, yesterday, tomorrow. */
  secrets(now: Millis): SealingSecret[]
  /** When `advance` is next due: an hour after the start of a day. */
  nextChange(now: Millis): Millis
}

const PREFIX = 'sealing/'
const SECRET_BYTES = 32
/** A clock set back over midnight must not cost the pair that was published for what is then the day after tomorrow. */
const DAYS_AHEAD = 2

/** The first of the two days whose keys are published. */
function firstDay(now: Millis): number {
  return utcDay(now - limits.clockSkewMs)
}

export function createSealingKeys(crypto: Group255, random: RandomBytes): SealingKeys {
  const pairs = new Map<number, SealingSecret>()

  function add(day: number, secret: Scalar): SealingSecret {
    const pair = { day, secret, key: crypto.publicPoint(secret) }
    pairs.set(day, pair)
    return pair
  }

  function make(day: number): Write {
    const wide = random(2 * SECRET_BYTES)
    const { secret } = add(day, crypto.reduce(wide))
    wipe(wide)
    return { key: `${PREFIX}${day}`, value: secret.slice() }
  }

  function forget(pair: SealingSecret): Write {
    pairs.delete(pair.day)
    wipe(pair.secret)
    return { key: `${PREFIX}${pair.day}`, value: undefined, erase: true }
  }

  function ofDays(...days: readonly number[]): SealingSecret[] {
    return days.flatMap((day) => pairs.get(day) ?? [])
  }

  return {
    restore(key, value) {
      const day = /^sealing\/(0|[1-9][0-9]{0,8})$/.exec(key)?.[1]
      if (day !== undefined && value.length === SECRET_BYTES) add(Number(day), scalar(value.slice()))
    },

    advance(now) {
      const first = firstDay(now)
      const missing = [first, first + 1].filter((day) => !pairs.has(day))
      const outdated = [...pairs.values()].filter(({ day }) => day < first - 1 || day > first + DAYS_AHEAD)
      return [...missing.map(make), ...outdated.map(forget)]
    },

    published(now) {
      const first = firstDay(now)
      return ofDays(first, first + 1).map(({ day, key }) => ({ day, key }))
    },

    secrets(now) {
      const today = utcDay(now)
      return ofDays(today, today - 1, today + 1)
    },

    nextChange: (now) => startOfDay(firstDay(now) + 1) + limits.clockSkewMs,
  }
}
