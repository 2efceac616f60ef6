/**
 * How a process is asked to end: by a signal or over its control socket. The first request lets it say goodbye and write
 * what it holds; a second signal ends it at once.
 */
import { ProtocolError } from '../base/errors.js'
import { exitCodes } from './exit-codes.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface Shutdown {
  /** Aborted once the end is asked for; its reason is an ABORTED error. */
  readonly signal: AbortSignal
  /** Resolves then. */
  readonly requested: Promise<void>
  request(): void
}

/** Listens to the signals of this process from now on. */
export function watchShutdown(): Shutdown {
  const controller = new AbortController()
  const { signal } = controller
  const requested = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  const request = () => controller.abort(new ProtocolError('ABORTED', 'interrupted'))
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (signal.aborted) process.exit(exitCodes.interrupted)
      request()
    })
  }
  return { signal, requested, request }
}

/** How long something may take, and the error that says it took longer. */
export interface Patience {
  readonly timeoutMs: number
  readonly expired: string
}

/** Runs a wait that fails with TIMEOUT once patience has run out, where there is such, and with the outer signal's reason. */
export async function withPatience<T>(
  outer: AbortSignal,
  patience: Patience | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (patience === undefined) return await work(outer)
  const timeout = new AbortController()
  const expire = () => timeout.abort(new ProtocolError('TIMEOUT', patience.expired))
  const timer = setTimeout(expire, patience.timeoutMs)
  try {
    return await work(AbortSignal.any([outer, timeout.signal]))
  } finally {
    clearTimeout(timer)
  }
}

/** The patience that a --timeout asks for. */
export function patienceOf(timeoutMs: number | undefined): Patience | undefined {
  if (timeoutMs === undefined) return undefined
  return { timeoutMs, expired: `not done within ${timeoutMs / 1000} s; give it longer with --timeout` }
}
