/** What a virtual network's nodes have sent and received, and what they did between two moments: bytes of UDP payload. */
import type { LinkCounters } from '../../src/link/link.js'
import type { World } from '../../test/sim/world.js'

export interface Bytes {
  readonly sent: number
  readonly received: number
}

/** Of all nodes, by the part they play. */
export interface Traffic {
  /** In the order of the world's devices. */
  readonly devices: readonly Bytes[]
  /** All proxies together: as P1 towards senders, between P1 and P2, and as P2 towards the server. */
  readonly fromSenders: Bytes
  readonly betweenProxies: Bytes
  readonly toServer: Bytes
  /** The server, towards proxies and towards devices. */
  readonly fromProxies: Bytes
  readonly toDevices: Bytes
  /** Requests that proxies split. */
  readonly requests: number
}

export function trafficOf(world: World): Traffic {
  const proxies = world.proxies.map(({ node }) => node.machine.status().links)
  const server = world.server.node.machine.status().links
  return {
    devices: world.devices.map(({ node }) => total(Object.values(node.machine.status().links))),
    fromSenders: total(proxies.map(({ senders }) => senders)),
    betweenProxies: total(proxies.flatMap(({ toProxies }) => toProxies)),
    toServer: total(proxies.map((links) => links.server)),
    fromProxies: total([server.proxies]),
    toDevices: total([server.devices]),
    requests: world.proxies.reduce((sum, { node }) => sum + node.machine.status().splitRequests, 0),
  }
}

export function since(before: Traffic, now: Traffic): Traffic {
  const less = (part: Exclude<keyof Traffic, 'devices' | 'requests'>) => minus(now[part], before[part])
  return {
    devices: now.devices.map((each, i) => minus(each, before.devices[i] ?? { sent: 0, received: 0 })),
    fromSenders: less('fromSenders'),
    betweenProxies: less('betweenProxies'),
    toServer: less('toServer'),
    fromProxies: less('fromProxies'),
    toDevices: less('toDevices'),
    requests: now.requests - before.requests,
  }
}

function minus(a: Bytes, b: Bytes): Bytes {
  return { sent: a.sent - b.sent, received: a.received - b.received }
}

function total(counters: readonly LinkCounters[]): Bytes {
  const sum = (direction: 'sent' | 'received') =>
    counters.reduce((bytes, each) => bytes + each[direction].payloadBytes, 0)
  return { sent: sum('sent'), received: sum('received') }
}
