/** A central server to embed or to run from the command line: opens its data directory and socket and runs the role. */
import { join } from 'node:path'
import { ProtocolError } from '../base/errors.js'
import { nodeIdOf } from '../group/identity.js'
import type { PeerAddress } from '../link/link.js'
import { numericAddress } from '../role/addresses.js'
import { createServer } from '../role/server/server.js'
import type { ServerStatus } from '../role/server.js'
import type { FieldObserver } from '../wire/codec.js'
import type { NetworkAddress } from '../wire/directory.js'
import { formatNetworkCard, parseEndpoint } from '../wire/text.js'
import { systemClock } from './clock.js'
import { loadCrypto } from './crypto.js'
import { openDataDirectory, replaceFile } from './data-directory.js'
import { createLog, type Log } from './log.js'
import { resolveEndpoint } from './network.js'
import { closeOnAbort, warnOfSmallBuffer } from './node-common.js'
import { systemRandom } from './random.js'
import { type Running, run } from './run.js'
import { openStore } from './store.js'
import { openUdp, type UdpSocket } from './udp.js'

export interface ServerOptions {
  /** Directory for keys and mailboxes; made where it is missing. */
  readonly data: string
  /** HOST:PORT to listen on; port 0 takes a free one. */
  readonly listen: string
  /** Where devices and proxies reach the server, HOST:PORT each, names allowed; by default where it listens. */
  readonly advertise?: readonly string[]
  /** Which proxies it admits: any, or these ids (hex). */
  readonly admitted?: 'open' | ReadonlySet<string>
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly observe?: FieldObserver
}

export interface ServerNode extends AsyncDisposable {
  /** What nodes need to join, one line to paste. */
  readonly card: string
  readonly address: PeerAddress
  status(): ServerStatus & { readonly drops: Readonly<Record<string, number>> }
  /** Resolves when the server has stopped; rejects when its store failed. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** Starts a central server; writes its network card to `data`/network. */
export async function openServer(options: ServerOptions): Promise<ServerNode> {
  const log = options.log ?? createLog('silent')
  const crypto = await loadCrypto()
  const directory = await openDataDirectory(options.data, 'server')
  const identity = crypto.identity(directory.identity.seed)
  const store = await openStore(join(directory.path, 'store'))
  let socket: UdpSocket | undefined
  try {
    socket = await openUdp(await resolveEndpoint(options.listen))
    warnOfSmallBuffer(log, socket)
    const addresses = advertisedAddresses(options.advertise, socket.address)
    const card = formatNetworkCard({ identityKey: identity.identityKey, addresses })
    await replaceFile(join(directory.path, 'network'), `${card}\n`)
    const machine = createServer({
      crypto,
      random: systemRandom(),
      self: { identity, id: nodeIdOf(crypto, identity.identityKey) },
      admitted: options.admitted ?? 'open',
      ...(options.observe && { observe: options.observe }),
    })
    const running = await run({ machine, socket, store, clock: systemClock(), log })
    return serverNode(card, socket.address, machine.status.bind(machine), running, options.signal)
  } catch (error) {
    await socket?.close()
    await store.close()
    throw error
  }
}

function advertisedAddresses(advertise: readonly string[] | undefined, bound: PeerAddress): NetworkAddress[] {
  if (advertise !== undefined && advertise.length > 0) return advertise.map((text) => parseEndpoint(text))
  if (bound.host === '0.0.0.0' || bound.host === '::') {
    throw new ProtocolError(
      'USAGE',
      'a server that listens on every address must be told where others reach it: add --advertise HOST:PORT',
    )
  }
  return [numericAddress(bound)]
}

function serverNode(
  card: string,
  address: PeerAddress,
  status: () => ServerStatus,
  running: Running<never>,
  signal: AbortSignal | undefined,
): ServerNode {
  const close = () => running.stop()
  closeOnAbort(signal, close)
  return {
    card,
    address,
    status: () => ({ ...status(), drops: running.drops() }),
    ended: running.ended,
    close,
    [Symbol.asyncDispose]: close,
  }
}
