/**
 * Relays on every hop of the demo: one before the server and one before each proxy, under whose addresses these are known to
 * everybody else. Between two nodes one always waits for the other, so that each hop, both ways, leads through one of them.
 */
import type { PeerAddress } from '../../link/link.js'
import type { Conditions, Tally } from '../relay/conditions.js'
import { type RelayProcess, startRelays } from '../relay/process.js'

export interface Disturbance {
  readonly conditions: Conditions
  readonly seed: number
}

export class Relays {
  private readonly process: RelayProcess
  private readonly disturbance: Disturbance
  private opened = 0

  constructor(disturbance: Disturbance) {
    this.disturbance = disturbance
    this.process = startRelays()
  }

  /** Opens a node that listens at this host behind a relay at the same host; `open` gets the address to advertise. */
  async before<T extends { readonly localAddress: string }>(
    host: string,
    open: (advertise: string) => Promise<T>,
  ): Promise<T> {
    const { conditions, seed } = this.disturbance
    const front = { host, port: 0 }
    const { relay, address } = await this.process.call('openRelay', { front, conditions, seed: seed + this.opened++ })
    const node = await open(endpointText(address))
    await this.process.call('aim', { relay, node: socketAddress(node.localAddress) })
    return node
  }

  /** The addresses under which nodes see the clients of one host. */
  async seenAs(host: string): Promise<readonly string[]> {
    const flows = await this.process.call('addresses', {})
    return flows.filter(({ client }) => client.host === host).map(({ seenAs }) => endpointText(seenAs))
  }

  tally(): Promise<Tally> {
    return this.process.call('tally', {})
  }

  end(): Promise<void> {
    return this.process.end()
  }
}

function endpointText({ host, port }: PeerAddress): string {
  return `${host}:${port}`
}

function socketAddress(text: string): PeerAddress {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
}
