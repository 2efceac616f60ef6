/** The state of a running node or server as its control socket tells it: ids in hex, no keys, no network secrets. */
import { toHex } from '../../base/bytes.js'
import { loadCrypto } from '../../driver/crypto.js'
import type { Device } from '../../driver/device-api.js'
import type { ProxyNode } from '../../driver/proxy.js'
import type { ServerNode } from '../../driver/server.js'
import type { ServerConnection } from '../../role/server-link.js'
import type { NodeStatus, ServerStatus } from './protocol.js'

export async function nodeStatus(device: Device, proxy: ProxyNode | undefined): Promise<NodeStatus> {
  const { directory, firstProxies, serverLink, inboxMessages, outgoingMessages, unprovenMessages, cover, ...rest } =
    device.status()
  return {
    kind: 'node',
    pid: process.pid,
    core: (await loadCrypto()).build,
    id: device.id,
    address: device.address,
    localAddress: device.localAddress,
    directory:
      directory === undefined
        ? null
        : {
            ...directory,
            issuedAt: directory.issuedAt.toISOString(),
            validUntil: directory.validUntil.toISOString(),
            proxies: [...directory.proxies],
            announced: {
              same: directory.announced.same,
              other: directory.announced.other.map(({ id, at }) => ({ id, at: at.toISOString() })),
            },
          },
    firstProxies: firstProxies?.map((each) => ({ ...each, until: each.until.toISOString() })) ?? null,
    serverLink: serverLinkReply(serverLink),
    inbox: inboxMessages,
    outgoing: outgoingMessages,
    unproven: unprovenMessages,
    cover: cover ?? null,
    proxy: proxy === undefined ? null : proxyStatus(proxy),
    ...rest,
    groups: rest.groups.map(({ unheardSince, ...group }) => ({ ...group, ...unheardReply(unheardSince) })),
  }
}

/** For replies in which it stands only where there is something to say. */
export function unheardReply(unheardSince: Date | undefined): { unheardSince?: string } {
  return unheardSince === undefined ? {} : { unheardSince: unheardSince.toISOString() }
}

export async function serverStatus(server: ServerNode): Promise<ServerStatus> {
  const { id, proxies, ...rest } = server.status()
  return {
    kind: 'server',
    pid: process.pid,
    core: (await loadCrypto()).build,
    id: toHex(id),
    card: server.card,
    localAddress: server.address,
    proxies: proxies.map(toHex),
    ...rest,
  }
}

function proxyStatus(proxy: ProxyNode): NonNullable<NodeStatus['proxy']> {
  const { id, directory: _, serverLink, standing, ...rest } = proxy.status()
  const said = standing && { ...standing, address: standing.address ?? null, at: new Date(standing.at).toISOString() }
  return {
    ...{ id: toHex(id), address: proxy.address, ...rest },
    ...{ serverLink: serverLinkReply(serverLink), standing: said ?? null },
  }
}

function serverLinkReply({ upSince, retryAt, reconnects, roundTripMs }: ServerConnection): NodeStatus['serverLink'] {
  const time = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString())
  return { upSince: time(upSince), retryAt: time(retryAt), reconnects, roundTripMs: roundTripMs ?? null }
}
