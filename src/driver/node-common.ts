/** What every kind of node does the same way when it is opened. */
import type { Log } from './log.js'
import type { UdpSocket } from './udp.js'

/** Closes a node once the caller's signal is aborted. */
export function closeOnAbort(signal: AbortSignal | undefined, close: () => Promise<void>): void {
  if (signal === undefined) return
  const stop = () => void close()
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
}

/** Names a kernel limit that makes bursts of datagrams be lost. */
export function warnOfSmallBuffer(log: Log, socket: UdpSocket): void {
  const { receiveBufferBytes, receiveBufferWantedBytes } = socket
  if (receiveBufferBytes >= receiveBufferWantedBytes) return
  log.warn(
    { receiveBufferBytes, receiveBufferWantedBytes },
    'the kernel limits the receive buffer; raise net.core.rmem_max to lose fewer datagrams in bursts',
  )
}
