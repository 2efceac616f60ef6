/**
 * Options that several commands share, and the readers of their values: each returns what the program uses, or refuses
 * with a sentence that says what to write.
 */
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { defaultDataPath } from '../driver/data-directory.js'
import type { LogLevel } from '../driver/log.js'
import { formatEndpoint, parseEndpoint } from '../wire/text.js'

/** What every command takes that works on a data directory. */
export function dataOption(command: Command): Command {
  return command
    .option(
      '--data <dir>',
      'data directory (default: $SPLITCAST_DATA, or splitcast in the XDG state directory)',
      nonEmpty,
    )
    .option('--debug', 'show where an error comes from')
}

export function dataOf(options: { readonly data?: string }): string {
  return options.data ?? defaultDataPath()
}

export { decoyModes, paddingModes } from '../driver/options.js'

export const proxyModes = ['on', 'off', 'auto'] as const
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

/** A reader that takes one of these words. */
export function oneOf<T extends string>(name: string, words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text)
    if (found === undefined)
      throw new ProtocolError('USAGE', `${name} is one of ${words.join(', ')}, not ${JSON.stringify(text)}`)
    return found
  }
}

/** A reader that takes a whole number within bounds. */
export function wholeNumber(name: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= least && value <= most)) {
      throw new ProtocolError(
        'USAGE',
        `${name} is a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`,
      )
    }
    return value
  }
}

/** What the commands take that do a lot for others. */
export function workersOption(command: Command): Command {
  return command.option(
    '--workers <n>',
    'worker threads for the work on points, 0 for none (default: the cores less one, at least one)',
    wholeNumber('--workers', 0, limits.workers),
  )
}

/** A reader of seconds, fractions allowed, that returns milliseconds. */
export function secondsToMs(name: string): (text: string) => number {
  return (text) => {
    const seconds = /^\d{1,7}(\.\d{1,3})?$/.test(text) ? Number(text) : 0
    if (seconds > 0) return Math.ceil(seconds * 1000)
    throw new ProtocolError('USAGE', `${name} is a number of seconds above 0, not ${JSON.stringify(text)}`)
  }
}

/** HOST:PORT to listen on, where port 0 means any free one. */
export function listenAddress(text: string): string {
  return formatEndpoint(parseEndpoint(text, { anyPort: true }))
}

/** HOST:PORT that others can reach. */
export function reachableAddress(text: string): string {
  return formatEndpoint(parseEndpoint(text))
}

/** Collects a repeated option. */
export function repeated<T>(read: (text: string) => T): (text: string, before?: T[]) => T[] {
  return (text, before = []) => [...before, read(text)]
}

export function nonEmpty(text: string): string {
  if (text === '') throw new ProtocolError('USAGE', 'an option has an empty value; leave the option out, or fill it in')
  return text
}
