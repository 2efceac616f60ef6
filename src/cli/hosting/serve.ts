/**
 * The child's side: answers its parent's calls, tells it events, and ends when the parent does, however that ends.
 */
import { ProtocolError } from '../../base/errors.js'
import type { AnyCall, CallOf, FromHost, ResultsOf, ToHost } from './calls.js'

export type Handlers<C extends AnyCall, R extends ResultsOf<C>> = {
  readonly [N in C['call']]: (call: CallOf<C, N>) => Promise<R[N]> | R[N]
}

const GOODBYE_MS = 3000

/** Serves until the parent is gone; then `close` says goodbye to peers, and the process ends soon in any case. */
export function serveCalls<C extends AnyCall, R extends ResultsOf<C>>(
  handlers: Handlers<C, R>,
  close: () => Promise<unknown>,
): void {
  const end = async () => {
    setTimeout(() => process.exit(1), GOODBYE_MS).unref()
    await close()
    process.exit(0)
  }
  process.on('message', (message: ToHost<C>) => void answer(handlers, message))
  process.once('disconnect', () => void end())
  // Ctrl-C and a closed terminal reach the whole process group; the parent decides when its children end.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  process.once('SIGTERM', () => void end())
}

/** Tells the parent of something that it did not ask for. */
export function tellParent<E>(event: E): void {
  say({ type: 'event', event })
}

async function answer<C extends AnyCall, R extends ResultsOf<C>>(
  handlers: Handlers<C, R>,
  message: ToHost<C>,
): Promise<void> {
  const { number } = message
  try {
    const handler = handlers[message.call as C['call']] as (call: unknown) => unknown
    say({ type: 'answer', number, result: await handler(message) })
  } catch (error) {
    const code = error instanceof ProtocolError ? error.code : 'INTERNAL'
    say({ type: 'refusal', number, code, message: (error as Error).message })
  }
}

function say(message: FromHost<unknown>): void {
  // A parent that has just gone is no error: `disconnect` follows and ends this process.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}
