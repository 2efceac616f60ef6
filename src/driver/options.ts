/** What developers hand in, checked where no compiler did: what is missing or misspelt is refused before anything is made. */
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DecoyMode } from '../group/decoys.js'
import type { PaddingMode } from '../group/group.js'
import type { DeviceOptions, SendOptions } from './device-api.js'
import type { ProxyOptions } from './proxy.js'
import type { ServerOptions } from './server.js'

export const paddingModes: readonly PaddingMode[] = ['none', 'classes', 'cell']
export const decoyModes: readonly DecoyMode[] = ['none', 'power']
export const MAX_MEAN_WAIT_MS = 60_000
export const MAX_FIRST_PROXIES = 16
export const MAX_COPIES_PER_SECOND = 1_000_000

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
