/**
 * A child process of the network benches: hosts one production node, several devices, or what stands around a node that is
 * measured alone.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { toHex } from '../../src/base/bytes.js'
import { type Handlers, serveCalls } from '../../src/cli/hosting/serve.js'
import { systemClock } from '../../src/driver/clock.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { openDevice } from '../../src/driver/device.js'
import type { Device } from '../../src/driver/device-api.js'
import { createLog } from '../../src/driver/log.js'
import { openProxy, type ProxyNode } from '../../src/driver/proxy.js'
import { systemRandom } from '../../src/driver/random.js'
import { type Running, run } from '../../src/driver/run.js'
import { openServer, type ServerNode } from '../../src/driver/server.js'
import { openUdp } from '../../src/driver/udp.js'
import { numericAddress } from '../../src/role/addresses.js'
import type { Machine, RoleInput, RoleOutput } from '../../src/role/role.js'
import { formatNetworkCard } from '../../src/wire/text.js'
import type { Call, Delivery, Meter, Results } from './calls.js'
import { measureFloors, measureSplitMemory } from './floors.js'
import { GROUP } from './group.js'
import { Hostile } from './hostile.js'
import { openIdleDevices } from './idle-devices.js'
import { nowhere } from './nowhere.js'
import { Feeder, makeRequests, Sink } from './sink.js'
import { targetsOf } from './targets.js'

const LOOPBACK = { host: '127.0.0.1', port: 0 }
const POLL_MS = 20

const crypto = await loadCrypto()
const closing: (() => Promise<unknown>)[] = []
const devices: Device[] = []
let delivered: Delivery[] = []
let server: ServerNode | undefined
let proxy: ProxyNode | undefined
let sink: Sink | undefined
let hostile: Hostile | undefined
let requests: Uint8Array[] = []
let answeredCopies = 0

const handlers: Handlers<Call, Results> = {
  meter: () => meter(),
  openSink: async () => {
    const identity = crypto.identity(systemRandom()(32))
    sink = new Sink(crypto, identity)
    const { address } = await start(sink)
    return { card: formatNetworkCard({ identityKey: identity.identityKey, addresses: [numericAddress(address)] }) }
  },
  openServer: async ({ call: _, ...options }) => {
    const opened = await openServer(options)
    server = opened
    closing.push(() => opened.close())
    return { card: opened.card }
  },
  openProxy: async ({ call: _, ...options }) => {
    const opened = await openProxy(options)
    proxy = opened
    closing.push(() => opened.close())
    await opened.ready()
    return undefined
  },
  openDevices: async ({ data, network }) => {
    for (const directory of data) {
      const device = await openDevice({ data: directory, network })
      devices.push(device)
      closing.push(() => device.close())
      // Reading ends with a rejection when the device is closed; of anything else the parent learns by waiting in vain.
      note(device).catch(() => undefined)
    }
    await Promise.all(devices.map((device) => device.ready()))
    return undefined
  },
  openIdleDevices: async ({ network, count }) => {
    closing.push(await openIdleDevices(crypto, network, count))
    return undefined
  },
  attack: async ({ network, packetsPerSecond }) => {
    hostile = new Hostile(crypto, systemClock(), await targetsOf(crypto, network))
    await hostile.start(packetsPerSecond)
    closing.push(() => present(hostile).stop())
    return undefined
  },
  attacked: () => present(hostile).counts(),
  drops: () => present(server ?? proxy).status().drops,
  devicesConnected: () => present(server).status().devicesConnected,
  makeRequests: (shape) => {
    requests = makeRequests(crypto, present(sink), systemClock().now(), shape)
    return undefined
  },
  feed: async () => {
    const clock = systemClock()
    const feeder = new Feeder(crypto, present(present(sink).entry))
    const { running } = await start(feeder)
    for (const request of requests) {
      while (!feeder.offer(clock.now(), request)) await pause(POLL_MS)
      running.handle({ type: 'timeout' })
    }
    return undefined
  },
  answered: async ({ moreCopies }) => {
    const { status } = present(proxy)
    answeredCopies += moreCopies
    while (status().answeredCopies < answeredCopies) await pause(POLL_MS)
    const { sent, received } = status().links.server
    return { meter: meter(), sentDatagrams: sent.datagrams, receivedDatagrams: received.datagrams }
  },
  send: async ({ body, to }) => {
    const at = now()
    const options = { wait: false, ...(to !== undefined && { direct: { to } }) }
    const report = await present(devices[0]?.groups.get(GROUP)).send(body, options)
    return { messageId: toHex(report.messageId), at }
  },
  memberId: () => present(devices[0]).id,
  directoryProxies: () => devices[0]?.status().directory?.proxies.length ?? 0,
  deliveries: () => {
    const told = delivered
    delivered = []
    return told
  },
  floors: ({ shape, port }) => measureFloors(crypto, shape, port),
  openDrain: async () => {
    const socket = createSocket('udp4')
    socket.on('message', () => undefined)
    socket.bind(0, LOOPBACK.host)
    await once(socket, 'listening')
    return { port: socket.address().port }
  },
  memory: ({ collect }) => {
    if (collect) globalThis.gc?.()
    const { heapUsed, external, rss } = process.memoryUsage()
    return { heapBytes: heapUsed, outsideBytes: external, residentBytes: rss }
  },
  splitMemory: ({ copies, contentBytes }) => measureSplitMemory(crypto, copies, contentBytes),
}

async function start(machine: Machine<RoleInput, RoleOutput>) {
  const socket = await openUdp(LOOPBACK)
  const log = createLog('silent')
  const running: Running<never> = await run<never, never>({
    machine: machine as Machine<never, RoleOutput>,
    ...{ socket, log, store: nowhere, clock: systemClock() },
  })
  closing.push(() => running.stop())
  return { address: socket.address, running }
}

async function note(device: Device): Promise<void> {
  for await (const { messageId, ack } of device.messages()) {
    delivered.push({ messageId, at: now() })
    await ack()
  }
}

function meter(): Meter {
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system, wallUs: now() * 1000 }
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('this process hosts nothing of that kind')
  return value
}

serveCalls<Call, Results>(handlers, () => Promise.allSettled(closing.map((close) => close())))
