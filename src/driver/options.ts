/** What developers hand in to start nodes, checked where no compiler did: what is missing or misspelt is refused before anything is made. */
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DecoyMode } from '../group/decoys.js'
import type { PaddingMode } from '../group/group.js'
import type { FieldObserver } from '../wire/codec.js'
import type { DeviceOptions, SendOptions } from './device-api.js'
import type { Log } from './log.js'

export const paddingModes: readonly PaddingMode[] = ['none', 'classes', 'cell']
export const decoyModes: readonly DecoyMode[] = ['none', 'power']
export const MAX_MEAN_WAIT_MS = 60_000
export const MAX_FIRST_PROXIES = 16
export const MAX_COPIES_PER_SECOND = 1_000_000

export interface ProxyOptions {
  /** The server's network card. */
  readonly network: string
  /** Directory for keys; made where it is missing. May be shared with a device. */
  readonly data: string
  /** Of the data directory, where it has one. */
  readonly passphrase?: string
  /** HOST:PORT to listen on; port 0 takes a free one. Without it, where `reachable` is `found`, a free one of every address. */
  readonly listen?: string
  /**
   * `asserted`, the default: others reach it where it listens or at `advertise`, says who runs it. `found`: that is found out, at the host that
   * the server sees it at, and it is listed only then.
   */
  readonly reachable?: 'asserted' | 'found'
  /** Where others reach this proxy, HOST:PORT; by default where it listens. */
  readonly advertise?: string
  /** Mean of the random wait of each copy, in milliseconds; default 50. */
  readonly meanWaitMs?: number
  /** Mean of the random wait of each request on its way to the proxy that splits it, in milliseconds; default 0, none. */
  readonly meanForwardWaitMs?: number
  /**
   * Copies a second: while this proxy takes in fewer, each of its copies goes by another proxy, drawn at random; 0 for never.
   * Default 20; 0 where `meanWaitMs` is 0, since what is not mixed here is not hidden by another hop.
   */
  readonly extraHopBelow?: number
  /** Worker threads for requests and copies, 0 for none; by default the cores less one, at least one. */
  readonly workers?: number
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly observe?: FieldObserver
}

export interface ServerOptions {
  /** Directory for keys and mailboxes; made where it is missing. */
  readonly data: string
  /** Of the data directory, where it has one. */
  readonly passphrase?: string
  /** HOST:PORT to listen on; port 0 takes a free one. */
  readonly listen: string
  /** Where devices and proxies reach the server, HOST:PORT each, names allowed; by default where it listens. */
  readonly advertise?: readonly string[]
  /** Which proxies it admits: any, or these ids (hex). */
  readonly admitted?: 'open' | ReadonlySet<string>
  /** Worker threads for requests and copies, 0 for none; by default the cores less one, at least one. */
  readonly workers?: number
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly observe?: FieldObserver
}

/** Each of these throws `USAGE` with the name of the option. */
export function checkDeviceOptions(options: DeviceOptions | undefined): void {
  checkText('network', options?.network)
  checkText('data', options?.data)
  checkModes(options ?? {})
  checkWhole('firstProxies', options?.firstProxies, MAX_FIRST_PROXIES)
  checkWhole('coverMeanMs', options?.coverMeanMs, Number.MAX_SAFE_INTEGER)
}

export function checkProxyOptions(options: ProxyOptions | undefined): void {
  checkText('network', options?.network)
  checkText('data', options?.data)
  checkWhole('meanWaitMs', options?.meanWaitMs, MAX_MEAN_WAIT_MS)
  checkWhole('meanForwardWaitMs', options?.meanForwardWaitMs, MAX_MEAN_WAIT_MS)
  checkWhole('extraHopBelow', options?.extraHopBelow, MAX_COPIES_PER_SECOND)
  checkWhole('workers', options?.workers, limits.workers)
}

export function checkServerOptions(options: ServerOptions | undefined): void {
  checkText('data', options?.data)
  checkText('listen', options?.listen)
  checkWhole('workers', options?.workers, limits.workers)
}

export function checkSend(body: unknown, options: SendOptions): void {
  if (!(body instanceof Uint8Array)) {
    throw new ProtocolError('USAGE', 'a body is bytes, a Uint8Array: for text, new TextEncoder().encode(text)')
  }
  checkModes(options)
}

function checkModes({ padding, decoys }: { readonly padding?: PaddingMode; readonly decoys?: DecoyMode }): void {
  checkWord('padding', padding, paddingModes)
  checkWord('decoys', decoys, decoyModes)
}

function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '')
    throw new ProtocolError('USAGE', `the option ${name} is missing: it is a text`)
}

function checkWord(name: string, value: unknown, words: readonly string[]): void {
  if (value === undefined || words.some((word) => word === value)) return
  throw new ProtocolError('USAGE', `${name} is one of ${words.join(', ')}, not ${JSON.stringify(value)}`)
}

function checkWhole(name: string, value: unknown, most: number): void {
  if (value === undefined || (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most)) return
  throw new ProtocolError('USAGE', `${name} is a whole number from 0 to ${most}, not ${JSON.stringify(value)}`)
}
