/** A proxy to embed or to run from the command line: opens its data directory and socket and runs the role. */
import { ProtocolError } from '../base/errors.js'
import { nodeIdOf } from '../group/identity.js'
import type { PeerAddress } from '../link/link.js'
import { createProxy } from '../role/proxy/proxy.js'
import type { Proxy as ProxyMachine, ProxyOutput, ProxyStatus } from '../role/proxy.js'
import type { ServerMoved } from '../role/role.js'
import { closed } from './commands.js'
import { loadCrypto } from './crypto.js'
import { type DataDirectory, openerOf } from './data-directory.js'
import type { DeviceInfo } from './device-api.js'
import { createLog } from './log.js'
import { resolveCard, resolveEndpoint } from './network.js'
import { checkProxyOptions, type ProxyOptions } from './options.js'
import { systemRandom } from './random.js'
import { followServer } from './server-names.js'
import { Signals } from './signals.js'
import { startNode } from './start.js'
import { startWorkers, threadCount } from './start-workers.js'

/** Mean of the random wait of each copy at P2 (PROTOCOL.md section 5). */
const DEFAULT_MEAN_WAIT_MS = 50
/**
 * Copies a second: at the default wait of 50 ms one other copy is waiting when one leaves, on average. Below that most leave
 * alone, and who watches this proxy's links sees which they are.
 */
const DEFAULT_EXTRA_HOP_BELOW = 20

export interface ProxyNode extends AsyncDisposable {
  readonly address: PeerAddress
  /** Resolves when the server link is up and the directory lists the proxy. */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>
  status(): ProxyStatus & Pick<DeviceInfo, 'drops' | 'sendErrors'>
  /** Resolves when the proxy has stopped; rejects when its store failed. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** Starts a proxy. */
export async function openProxy(options: ProxyOptions): Promise<ProxyNode> {
  checkProxyOptions(options)
  return await openProxyNode(options, openerOf('node', options))
}

/** The same, where its directory is opened by others as well. */
export async function openProxyNode(options: ProxyOptions, open: () => Promise<DataDirectory>): Promise<ProxyNode> {
  const log = options.log ?? createLog('silent')
  const crypto = await loadCrypto()
  const server = await resolveCard(options.network)
  const threads = threadCount(options.workers)
  // Before any keys are made: a directory that a mistake leaves behind is a puzzle later.
  if (options.reachable !== 'found') await checkReachable(options)
  const directory = await open()
  const identity = crypto.identity(directory.identity.proxySeed)
  // One that nobody reaches has no work: there are no threads until it has some.
  const workers = await startWorkers(threads, crypto, log, options.reachable === 'found' ? 'withWork' : 'now')
  const changes = new Signals()
  const { address, machine, running } = await startNode<ServerMoved, ProxyOutput, ProxyMachine>({
    listen: options.listen,
    signal: options.signal,
    directory,
    store: 'proxy-store',
    log,
    workers,
    onOutput: () => changes.notify(),
    machine: async (at) =>
      createProxy({
        crypto,
        random: systemRandom(),
        self: { identity, id: nodeIdOf(crypto, identity.identityKey) },
        server,
        advertised:
          options.reachable === 'found' ? { port: at.port } : [await advertisedAddress(options.advertise, at)],
        meanWaitMs: options.meanWaitMs ?? DEFAULT_MEAN_WAIT_MS,
        extraHopBelow: options.extraHopBelow ?? (options.meanWaitMs === 0 ? 0 : DEFAULT_EXTRA_HOP_BELOW),
        meanForwardWaitMs: options.meanForwardWaitMs ?? 0,
        threads: workers.threads,
        ...(options.observe && { observe: options.observe }),
      }),
  })
  const release = () => changes.close()
  running.ended.then(release, release)
  followServer({
    ...{ card: options.network, addresses: server.addresses, ended: running.ended, log },
    connected: () => machine.status().connected,
    moved: (addresses) => running.handle({ type: 'serverMoved', addresses }),
  })
  const close = () => running.stop()
  return {
    address,
    ready: (waiting = {}) => untilListed(machine, changes, waiting),
    status: () => ({ ...machine.status(), drops: running.drops(), sendErrors: running.sendErrors() }),
    ended: running.ended,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function advertisedAddress(advertise: string | undefined, bound: PeerAddress): Promise<PeerAddress> {
  return advertise === undefined ? bound : await resolveEndpoint(advertise, { anyPort: false })
}

async function checkReachable({ listen, advertise }: ProxyOptions): Promise<void> {
  if (listen === undefined) throw new ProtocolError('USAGE', 'a proxy needs an address that others reach: name it')
  const { host } = await resolveEndpoint(listen)
  if (advertise !== undefined || (host !== '0.0.0.0' && host !== '::')) return
  throw new ProtocolError(
    'USAGE',
    'a proxy that listens on every address must be told where others reach it: add --advertise HOST:PORT',
  )
}

async function untilListed(
  machine: ProxyMachine,
  changes: Signals,
  { signal }: { readonly signal?: AbortSignal },
): Promise<void> {
  for (;;) {
    const { connected, listed } = machine.status()
    if (connected && listed) return
    if (changes.isClosed) throw closed()
    await changes.changed(signal)
  }
}
