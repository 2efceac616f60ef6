/** The state of a running node or server as its control socket tells it: ids in hex, no keys, no network secrets. */
import { toHex } from '../../base/bytes.js'
import { loadCrypto } from '../../driver/crypto.js'
import type { Device } from '../../driver/device.js'
import type { ProxyNode } from '../../driver/proxy.js'
import type { ServerNode } from '../../driver/server.js'
import { listDigest } from '../../group/member-list.js'
import type { DeviceStatus } from '../../role/device.js'
import type { NodeStatus, ServerStatus } from './protocol.js'

export async function nodeStatus(device: Device, proxy: ProxyNode | undefined): Promise<NodeStatus> {
  const crypto = await loadCrypto()
  const { connected, directory, groups, unopened, inboxMessages, outgoingMessages, links, drops } = device.status()
  return {
    kind: 'node',
    pid: process.pid,
    id: device.id,
    address: device.address,
    localAddress: device.localAddress,
    connected,
    directory: directoryStatus(directory),
    groups: groups.map(({ name, list }) => ({
      name,
      members: list.members.size,
      listDigest: toHex(listDigest(crypto, list)),
    })),
    unopened,
    inbox: inboxMessages,
    outgoing: outgoingMessages,
    links,
    drops,
    proxy: proxy === undefined ? null : proxyStatus(proxy),
  }
}

export function serverStatus(server: ServerNode): ServerStatus {
  const { id, proxies, ...rest } = server.status()
  return {
    kind: 'server',
    pid: process.pid,
    id: toHex(id),
    card: server.card,
    localAddress: server.address,
    proxies: proxies.map(toHex),
    ...rest,
  }
}

function directoryStatus(directory: DeviceStatus['directory']): NodeStatus['directory'] {
  if (directory === undefined) return null
  return {
    version: directory.version,
    validUntil: new Date(directory.validUntil).toISOString(),
    proxies: [...directory.proxies.keys()],
  }
}

function proxyStatus(proxy: ProxyNode): NonNullable<NodeStatus['proxy']> {
  const { id, directory: _, ...rest } = proxy.status()
  return { id: toHex(id), address: proxy.address, ...rest }
}
