/** What every command to a running node begins with: its control socket, and a signal that Ctrl-C aborts. */
import { type ControlClient, controlClient } from './control/client.js'
import { dataOf } from './options.js'
import { type Patience, watchShutdown, withPatience } from './shutdown.js'

/** Runs `work` against the node on the directory; it fails with TIMEOUT once patience, where given, has run out. */
export function withNode<T>(
  options: { readonly data?: string },
  work: (node: ControlClient, signal: AbortSignal) => Promise<T>,
  patience?: Patience,
): Promise<T> {
  const { signal } = watchShutdown()
  return withPatience(signal, patience, (either) => work(controlClient(dataOf(options), either), either))
}
