/** The options that put relays in front of nodes, and what is wrong with values that make no sense. */
import { type Command, Option } from 'commander'
import { ProtocolError } from '../../base/errors.js'
import { secondsToMs, wholeNumber } from '../options.js'
import { type Conditions, undisturbed } from './conditions.js'

const MAX_DELAY_MS = 60_000
const MAX_BURST = 1000
const MAX_RATE_KBITS = 10_000_000
const MAX_SEED = 2 ** 31 - 1
const BITS_PER_BYTE = 8

export interface RawConditions {
  readonly loss?: number
  readonly burst?: number
  readonly delay?: number
  readonly jitter?: number
  readonly reorder?: number
  readonly duplicate?: number
  readonly corrupt?: number
  readonly rate?: number
  readonly queue?: number
  readonly partition?: Conditions['partition']
  readonly seed?: number
}

/** Adds them to a command, under a heading of their own. */
export function conditionOptions(command: Command): Command {
  const group = (option: Option) =>
    command.addOption(option.helpGroup('A relay on every hop, which disturbs both ways:'))
  group(new Option('--loss <part>', 'part of the datagrams that is lost').argParser(part('--loss')))
  group(new Option('--burst <n>', 'mean number of datagrams that are lost in a row').argParser(burst))
  group(new Option('--delay <ms>', 'one way').argParser(wholeNumber('--delay', 0, MAX_DELAY_MS)))
  group(
    new Option('--jitter <ms>', 'up to so much longer, each datagram by itself').argParser(
      wholeNumber('--jitter', 0, MAX_DELAY_MS),
    ),
  )
  group(new Option('--reorder <part>', 'part that others overtake').argParser(part('--reorder')))
  group(new Option('--duplicate <part>', 'part that arrives twice').argParser(part('--duplicate')))
  group(new Option('--corrupt <part>', 'part in which a bit is changed').argParser(part('--corrupt')))
  group(
    new Option('--rate <kbit/s>', 'what the narrowest stretch carries, for each client and way').argParser(
      wholeNumber('--rate', 1, MAX_RATE_KBITS),
    ),
  )
  group(new Option('--queue <bytes>', 'what waits before it at most').argParser(wholeNumber('--queue', 1500, 2 ** 30)))
  group(new Option('--partition <every/for>', 'nothing passes every so many seconds for so many').argParser(partition))
  group(new Option('--seed <n>', 'of what is lost, delayed and damaged').argParser(wholeNumber('--seed', 0, MAX_SEED)))
  return command
}

/** What was asked for; `undefined` where no relay is wanted. Throws USAGE for options that say nothing together. */
export function conditionsOf(raw: RawConditions): { conditions: Conditions; seed: number } | undefined {
  const { seed = 1, ...wanted } = raw
  if (Object.values(raw).every((value) => value === undefined)) return undefined
  const { loss = 0, burst: length = 1 } = wanted
  if (wanted.burst !== undefined && loss === 0) throw usage('--burst says how losses come: add --loss, or leave it out')
  if (wanted.queue !== undefined && wanted.rate === undefined)
    throw usage('--queue is for what waits before a bottleneck: add --rate, or leave it out')
  // Less than one datagram between two runs of losses is no part of the datagrams any more.
  if (loss > length / (length + 1) && length > 1)
    throw usage(
      `--loss ${loss} in runs of ${length} cannot be: lose at most ${(length / (length + 1)).toFixed(2)}, or longer runs`,
    )
  return { conditions: conditionsFrom(wanted), seed }
}

function conditionsFrom(wanted: Omit<RawConditions, 'seed'>): Conditions {
  return {
    loss: wanted.loss ?? undisturbed.loss,
    burst: wanted.burst ?? undisturbed.burst,
    delayMs: wanted.delay ?? undisturbed.delayMs,
    jitterMs: wanted.jitter ?? undisturbed.jitterMs,
    reorder: wanted.reorder ?? undisturbed.reorder,
    duplicate: wanted.duplicate ?? undisturbed.duplicate,
    corrupt: wanted.corrupt ?? undisturbed.corrupt,
    rateBytesPerMs: wanted.rate === undefined ? undisturbed.rateBytesPerMs : wanted.rate / BITS_PER_BYTE,
    queueBytes: wanted.queue ?? undisturbed.queueBytes,
    partition: wanted.partition,
  }
}

/** A reader of a part of one: all of them would leave nothing. */
function part(name: string): (text: string) => number {
  return (text) => {
    const value = /^\d?\.?\d{1,6}$/.test(text) ? Number(text) : Number.NaN
    if (value >= 0 && value < 1) return value
    throw usage(`${name} is a part of the datagrams from 0 to below 1, such as 0.3, not ${JSON.stringify(text)}`)
  }
}

function burst(text: string): number {
  const value = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN
  if (value >= 1 && value <= MAX_BURST) return value
  throw usage(`--burst is a mean number of datagrams from 1 to ${MAX_BURST}, not ${JSON.stringify(text)}`)
}

function partition(text: string): NonNullable<Conditions['partition']> {
  const [every, during, ...rest] = text.split('/')
  if (every === undefined || during === undefined || rest.length > 0)
    throw usage(`--partition is two numbers of seconds, such as 10/2, not ${JSON.stringify(text)}`)
  const read = secondsToMs('--partition')
  const [everyMs, forMs] = [read(every), read(during)]
  if (forMs < everyMs) return { everyMs, forMs }
  throw usage(`--partition ${text} would let nothing pass: the second number must be below the first`)
}

function usage(message: string): ProtocolError {
  return new ProtocolError('USAGE', message)
}
