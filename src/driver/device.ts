/** Opens a device: its data directory, its keys, its socket, and the role that runs on them. */
import type { IdentityKey } from '../base/bytes.js'
import { nodeIdOf } from '../group/identity.js'
import { createDevice } from '../role/device/device.js'
import type { DeviceInput, Device as DeviceMachine, DeviceOutput } from '../role/device.js'
import { formatDeviceAddress } from '../wire/text.js'
import { backupOf } from './backup.js'
import { loadCrypto } from './crypto.js'
import { type DataDirectory, openerOf } from './data-directory.js'
import type { Device, DeviceOptions } from './device-api.js'
import { DeviceNode } from './device-node.js'
import { createLog } from './log.js'
import { resolveCard } from './network.js'
import { checkDeviceOptions } from './options.js'
import { systemRandom } from './random.js'
import { followServer } from './server-names.js'
import { startNode } from './start.js'

/** Opens a device. Errors have a `code`: see docs/OPERATING.md. */
export async function openDevice(options: DeviceOptions): Promise<Device> {
  checkDeviceOptions(options)
  return await openDeviceNode(options)
}

/** The same, with what only this program's own commands may use; a directory that is open already need not be opened again. */
export async function openDeviceNode(options: DeviceOptions, open = openerOf('node', options)): Promise<DeviceNode> {
  const log = options.log ?? createLog('silent')
  const crypto = await loadCrypto()
  const server = await resolveCard(options.network)
  const directory = await open()
  const identity = crypto.identity(directory.identity.seed)
  const proxyIdentity = crypto.identity(directory.identity.proxySeed)
  const address = deviceAddressOf(directory, identity.identityKey)
  let node: DeviceNode | undefined
  const { running, store } = await startNode<DeviceInput, DeviceOutput, DeviceMachine>({
    directory,
    store: 'store',
    listen: options.listen,
    signal: options.signal,
    log,
    machine: (at) => {
      const machine = createDevice({
        crypto,
        random: systemRandom(),
        self: { identity, id: nodeIdOf(crypto, identity.identityKey) },
        accessCode: directory.identity.accessCode,
        server,
        ownProxy: nodeIdOf(crypto, proxyIdentity.identityKey),
        padding: options.padding ?? 'classes',
        ...(options.firstProxies !== undefined && { firstProxies: options.firstProxies }),
        decoys: options.decoys ?? 'none',
        coverMeanMs: options.coverMeanMs ?? 0,
        ...(options.observe && { observe: options.observe }),
      })
      node = new DeviceNode(crypto, machine, address, at)
      return machine
    },
    onOutput: (output) => node?.output(output),
  })
  // startNode calls `machine` before it returns.
  const opened = node as unknown as DeviceNode
  const backup: Device['backup'] = (options) => backupOf(directory, store, options)
  opened.attach(running, { backup, sealed: directory.dataKey !== undefined })
  followServer({
    ...{ card: options.network, addresses: server.addresses, ended: running.ended, log },
    connected: () => opened.status().connected,
    moved: (addresses) => running.handle({ type: 'serverMoved', addresses }),
  })
  return opened
}

/** The text by which a device is invited. */
export function deviceAddressOf(directory: DataDirectory, identityKey: IdentityKey): string {
  return formatDeviceAddress({ identityKey, accessCode: directory.identity.accessCode })
}
