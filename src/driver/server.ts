/** A central server to embed or to run from the command line: opens its data directory and socket and runs the role. */
import { join } from 'node:path'
import { ProtocolError } from '../base/errors.js'
import { nodeIdOf } from '../group/identity.js'
import type { PeerAddress } from '../link/link.js'
import { numericAddress } from '../role/addresses.js'
import { createServer } from '../role/server/server.js'
import type { Server, ServerStatus } from '../role/server.js'
import type { NetworkAddress } from '../wire/directory.js'
import { formatNetworkCard, parseEndpoint } from '../wire/text.js'
import { type BackupOptions, type BackupPiece, backupOf } from './backup.js'
import { loadCrypto } from './crypto.js'
import { openerOf } from './data-directory.js'
import type { DeviceInfo } from './device-api.js'
import { replaceFile } from './files.js'
import { createLog } from './log.js'
import { resolveEndpoint } from './network.js'
import { checkServerOptions, type ServerOptions } from './options.js'
import { systemRandom } from './random.js'
import { startNode } from './start.js'
import { startWorkers, threadCount } from './start-workers.js'

export interface ServerNode extends AsyncDisposable {
  /** What nodes need to join, one line to paste. */
  readonly card: string
  readonly address: PeerAddress
  status(): ServerStatus & Pick<DeviceInfo, 'sealed' | 'drops' | 'sendErrors'>
  /** The bytes of a backup: see docs/OPERATING.md, "Backup and restore". */
  backup(options: BackupOptions): AsyncIterableIterator<BackupPiece>
  /** Resolves when the server has stopped; rejects when its store failed. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** Starts a central server; writes its network card to `data`/network. */
export async function openServer(options: ServerOptions): Promise<ServerNode> {
  checkServerOptions(options)
  const log = options.log ?? createLog('silent')
  const crypto = await loadCrypto()
  const threads = threadCount(options.workers)
  // Before any keys are made: a directory that a mistake leaves behind is a puzzle later.
  if (!options.advertise?.length) checkReachable(await resolveEndpoint(options.listen))
  const directory = await openerOf('server', options)()
  const identity = crypto.identity(directory.identity.seed)
  let card = ''
  const workers = await startWorkers(threads, crypto, log)
  const { address, machine, running, store } = await startNode<never, never, Server>({
    listen: options.listen,
    signal: options.signal,
    directory,
    store: 'store',
    log,
    workers,
    machine: async (at) => {
      const addresses = advertisedAddresses(options.advertise, at)
      card = formatNetworkCard({ identityKey: identity.identityKey, addresses })
      await replaceFile(join(directory.path, 'network'), `${card}\n`)
      return createServer({
        crypto,
        random: systemRandom(),
        self: { identity, id: nodeIdOf(crypto, identity.identityKey) },
        admitted: options.admitted ?? 'open',
        threads: workers.threads,
        ...(options.observe && { observe: options.observe }),
      })
    },
  })
  const close = () => running.stop()
  return {
    card,
    address,
    status: () => ({
      ...machine.status(),
      sealed: directory.dataKey !== undefined,
      drops: running.drops(),
      sendErrors: running.sendErrors(),
    }),
    backup: (options) => backupOf(directory, store, options),
    ended: running.ended,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function advertisedAddresses(advertise: readonly string[] | undefined, bound: PeerAddress): NetworkAddress[] {
  if (advertise !== undefined && advertise.length > 0) return advertise.map((text) => parseEndpoint(text))
  return [numericAddress(bound)]
}

function checkReachable({ host }: PeerAddress): void {
  if (host !== '0.0.0.0' && host !== '::') return
  throw new ProtocolError(
    'USAGE',
    'a server that listens on every address must be told where others reach it: add --advertise HOST:PORT',
  )
}
