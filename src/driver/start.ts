/**
 * How every kind of node comes up: store and socket opened, the machine made, restored and run; and when any of it fails,
 * what was opened is closed again.
 */
import { join } from 'node:path'
import type { PeerAddress } from '../link/link.js'
import type { Machine } from '../role/role.js'
import { systemClock } from './clock.js'
import type { DataDirectory, StoreName } from './data-directory.js'
import type { Log } from './log.js'
import { resolveEndpoint } from './network.js'
import { type LoopInput, type LoopOutput, type Running, run } from './run.js'
import { type HeldStore, openStore } from './store.js'
import { openUdp, type UdpSocket } from './udp.js'
import type { Workers } from './workers.js'

export interface StartOptions<Output, M> {
  /** The opened data directory, and which store of it is this node's. */
  readonly directory: DataDirectory
  readonly store: StoreName
  /** HOST:PORT; without it any free port. */
  readonly listen: string | undefined
  readonly log: Log
  /** Stops the node when aborted. */
  readonly signal: AbortSignal | undefined
  /** Makes the machine, once it is known where the socket is bound. */
  readonly machine: (at: PeerAddress) => M | Promise<M>
  /** For a role that has jobs to do; closed with the node, also where it does not come up. */
  readonly workers?: Workers
  readonly onOutput?: (output: Output) => void
}

export interface Started<Input, M> {
  readonly address: PeerAddress
  readonly machine: M
  readonly running: Running<Input>
  readonly store: HeldStore
}

export async function startNode<
  Input,
  Output extends { readonly type: string },
  M extends Machine<Input | LoopInput, Output | LoopOutput>,
>(options: StartOptions<Output, M>): Promise<Started<Input, M>> {
  const { directory, log, signal, workers, onOutput } = options
  let store: HeldStore | undefined
  let socket: UdpSocket | undefined
  try {
    store = await openStore(join(directory.path, options.store), directory.storeOptions(options.store))
    if (store.tornEnd) log.warn({ store: options.store }, 'the end of the store could not be read: a write was cut off')
    socket = await openUdp(options.listen === undefined ? undefined : await resolveEndpoint(options.listen))
    warnOfSmallBuffer(log, socket)
    const machine = await options.machine(socket.address)
    const running = await run<Input, Output>({
      machine,
      socket,
      store,
      clock: systemClock(),
      log,
      ...(workers && { workers }),
      ...(onOutput && { onOutput }),
    })
    stopOnAbort(signal, running)
    return { address: socket.address, machine, running, store }
  } catch (error) {
    await socket?.close()
    await store?.close()
    await workers?.close()
    throw error
  }
}

function stopOnAbort(signal: AbortSignal | undefined, running: Running<never>): void {
  if (signal === undefined) return
  const stop = () => void running.stop()
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
}

/** Names a kernel limit that makes bursts of datagrams be lost. */
export function warnOfSmallBuffer(
  log: Pick<Log, 'warn'>,
  socket: Pick<UdpSocket, 'receiveBufferBytes' | 'receiveBufferWantedBytes'>,
): void {
  const { receiveBufferBytes, receiveBufferWantedBytes } = socket
  if (receiveBufferBytes >= receiveBufferWantedBytes) return
  log.warn(
    { receiveBufferBytes, receiveBufferWantedBytes },
    'the kernel limits the receive buffer; raise net.core.rmem_max to lose fewer datagrams in bursts',
  )
}
