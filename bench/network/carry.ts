/** Messages sent through a whole network, and who got each when. */
import { randomBytes } from 'node:crypto'
import type { Delivery, Meter } from './calls.js'
import type { Host, Network } from './network.js'

/** Copies of a message to others: the sender's own is handed to nobody. */
export interface Carried {
  /** In the order in which they were sent. */
  readonly sent: readonly Delivery[]
  readonly delivered: readonly Delivery[]
}

const POLL_MS = 20
const PATIENCE_MS = 120_000

/** Sends messages, one every `gapMs` and at once for 0, and waits until every other member has each. */
export async function carry(
  { sender, receivers }: Network,
  load: {
    readonly messages: number
    readonly bodyBytes: number
    readonly gapMs: number
    readonly others: number
    /** Hex id of the one member that messages go to directly. */
    readonly to?: string
  },
): Promise<Carried> {
  const sending: Promise<Delivery>[] = []
  for (let i = 0; i < load.messages; i++) {
    const body = randomBytes(load.bodyBytes)
    sending.push(sender.call('send', { body, ...(load.to !== undefined && { to: load.to }) }))
    if (load.gapMs > 0) await pause(load.gapMs)
  }
  const sent = await Promise.all(sending)
  const delivered: Delivery[] = []
  const until = Date.now() + PATIENCE_MS
  for (;;) {
    for (const told of await deliveriesOf(receivers)) delivered.push(...told)
    if (delivered.length >= load.messages * load.others) return { sent, delivered }
    if (Date.now() > until) throw new Error(`only ${delivered.length} copies were delivered`)
    await pause(POLL_MS)
  }
}

function deliveriesOf(receivers: readonly Host[]): Promise<(readonly Delivery[])[]> {
  return Promise.all(receivers.map((host) => host.call('deliveries', {})))
}

/** CPU time by role so far: that of both proxies together, and of all receivers. */
export async function metersOf({ sender, server, proxies, receivers }: Network): Promise<Record<RoleName, Meter>> {
  const [ofSender, ofServer, ofProxies, ofReceivers] = await Promise.all(
    [[sender], [server], proxies, receivers].map((hosts) => Promise.all(hosts.map((host) => host.call('meter', {})))),
  )
  return { S: sum(ofSender), CS: sum(ofServer), proxies: sum(ofProxies), T: sum(ofReceivers) }
}

export type RoleName = 'S' | 'proxies' | 'CS' | 'T'

function sum(meters: readonly Meter[] = []): Meter {
  return {
    cpuUs: meters.reduce((all, { cpuUs }) => all + cpuUs, 0),
    wallUs: Math.max(...meters.map(({ wallUs }) => wallUs)),
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
