/**
 * A child process of the demo: hosts one server, one proxy, or devices, on real sockets and its own data directories. It
 * ends when its parent does, however that ends.
 */
import { toHex } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { openDeviceNode } from '../../driver/device.js'
import { DeviceNode } from '../../driver/device-node.js'
import type { SendOutcome } from '../../driver/outcomes.js'
import { openProxy, type ProxyNode } from '../../driver/proxy.js'
import { openServer, type ServerNode } from '../../driver/server.js'
import type { LinkCounters, PeerAddress } from '../../link/link.js'
import { serveDeviceControl } from '../control.js'
import { type Handlers, serveCalls, tellParent } from '../hosting/serve.js'
import type { Call, NodeStatus, Received, Results } from './host-protocol.js'
import { digestOf, LearntCollector } from './learnt.js'

interface Hosted {
  readonly learnt: LearntCollector
  readonly node: ServerNode | ProxyNode | DeviceNode
  readonly data: string
  /** What became of the messages that this device sent. */
  readonly outcomes: SendOutcome[]
  /** Ends the demo's own reading of a device's messages. */
  readonly reading: AbortController
}

/** The demo's processes outnumber the cores already. */
const WORKERS = 0

const hosted = new Map<number, Hosted>()

const handlers: Handlers<Call, Results> = {
  openServer: async ({ node, data, listen, advertise }) => {
    const learnt = new LearntCollector('server', node)
    const options = { data, listen, workers: WORKERS, observe: learnt.observe }
    const server = await openServer({ ...options, ...(advertise !== undefined && { advertise: [advertise] }) })
    hosted.set(node, { learnt, node: server, data, outcomes: [], reading: new AbortController() })
    return { card: server.card, localAddress: addressText(server.address) }
  },
  openProxy: async ({ node, data, network, listen, advertise }) => {
    const learnt = new LearntCollector('proxy', node)
    const options = { data, network, listen, workers: WORKERS, observe: learnt.observe }
    const proxy = await openProxy({ ...options, ...(advertise !== undefined && { advertise }) })
    hosted.set(node, { learnt, node: proxy, data, outcomes: [], reading: new AbortController() })
    return { id: toHex(proxy.status().id), localAddress: addressText(proxy.address) }
  },
  openDevice: async ({ node, data, network, listen, padding }) => {
    const learnt = new LearntCollector('device', node)
    const device = await openDeviceNode({ data, network, listen, padding, observe: learnt.observe })
    const reading = new AbortController()
    const outcomes: SendOutcome[] = []
    hosted.set(node, { learnt, node: device, data, outcomes, reading })
    void reportMessages(node, device, reading.signal)
    void collectOutcomes(device, outcomes, reading.signal)
    return { id: device.id, address: device.address, localAddress: addressText(device.localAddress) }
  },
  createGroup: async ({ node, name }) => {
    await deviceOf(node).groups.create(name)
    return undefined
  },
  invite: async ({ node, group, address, passphrase }) => {
    await groupOf(node, group).invite(address, { passphrase })
    return undefined
  },
  join: async ({ node, passphrase }) => {
    for await (const invitation of deviceOf(node).invitations()) {
      await invitation.join(passphrase)
      return undefined
    }
    throw new ProtocolError('CLOSED', 'the device was closed before an invitation came')
  },
  memberCount: ({ node, group }) => groupOf(node, group).members().length,
  send: ({ node, group, body }) => groupOf(node, group).send(body, { wait: false }),
  outcomes: ({ node }) => hostedNode(node).outcomes,
  truth: ({ node, group }) => {
    const state = deviceOf(node).groupState(group)
    if (state === undefined) throw unknownGroup(group)
    return {
      groupId: digestOf(state.id),
      groupKey: digestOf(state.keys.publicPoint),
      groupSecret: digestOf(state.keys.secret),
      groupSymmetric: digestOf(state.keys.symmetric),
    }
  },
  status: ({ node }) => statusOf(node),
  underWay: ({ node }) => {
    const { outgoingMessages, unprovenMessages } = deviceOf(node).status()
    return outgoingMessages + unprovenMessages
  },
  directoryProxies: ({ node }) => deviceOf(node).status().directory?.proxies.length ?? 0,
  forget: ({ node }) => {
    hostedNode(node).learnt.forget()
    return undefined
  },
  learnt: ({ node }) => hostedNode(node).learnt.report(),
  handOver: async ({ node }) => {
    const { data, reading } = hostedNode(node)
    reading.abort()
    const device = deviceOf(node)
    await serveDeviceControl(data, device, { stop: () => void device.close() })
    return undefined
  },
  plant: ({ node, value }) => {
    hostedNode(node).learnt.plant(value)
    return undefined
  },
}

async function reportMessages(node: number, device: DeviceNode, signal: AbortSignal): Promise<void> {
  try {
    for await (const { sender, messageId, body, ack } of device.messages({ signal })) {
      const bodyDigest = digestOf(body)
      tellParent<Received>({ node, sender, messageId, bodyDigest, bodyBytes: body.length })
      await ack()
    }
  } catch (error) {
    // Handed over, or closed; of anything else the demo learns when it waits in vain for this message.
    if (!signal.aborted) process.stderr.write(`device ${node} reads no more: ${(error as Error).message}\n`)
  }
}

async function collectOutcomes(device: DeviceNode, into: SendOutcome[], signal: AbortSignal): Promise<void> {
  try {
    for await (const outcome of device.outcomes({ signal })) into.push(outcome)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function statusOf(node: number): NodeStatus {
  const { links, drops } = hostedNode(node).node.status()
  return { links: links as Readonly<Record<string, LinkCounters>>, drops }
}

function hostedNode(node: number): Hosted {
  const found = hosted.get(node)
  if (found === undefined) throw new Error(`internal: node ${node} is not hosted here`)
  return found
}

function deviceOf(node: number): DeviceNode {
  const { node: found } = hostedNode(node)
  if (!(found instanceof DeviceNode)) throw new Error(`internal: node ${node} is not a device`)
  return found
}

function groupOf(node: number, name: string) {
  const group = deviceOf(node).groups.get(name)
  if (group === undefined) throw unknownGroup(name)
  return group
}

function unknownGroup(name: string): ProtocolError {
  return new ProtocolError('GROUP_UNKNOWN', `there is no group ${name} on this device`)
}

function addressText({ host, port }: PeerAddress): string {
  return `${host}:${port}`
}

serveCalls<Call, Results>(handlers, () => Promise.allSettled([...hosted.values()].map(({ node }) => node.close())))
