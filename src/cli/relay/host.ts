/** The process that relays run in: all of one network, so that the nodes' own processes are as they always are. */
import { type Handlers, serveCalls } from '../hosting/serve.js'
import type { RelayCall, RelayResults } from './calls.js'
import { addTallies } from './conditions.js'
import { openRelay, type Relay } from './relay.js'

const relays: Relay[] = []

const handlers: Handlers<RelayCall, RelayResults> = {
  openRelay: async ({ front, conditions, seed }) => {
    const relay = await openRelay(front, conditions, seed)
    return { relay: relays.push(relay) - 1, address: relay.address }
  },
  aim: ({ relay, node }) => {
    relayOf(relay).aim(node)
    return undefined
  },
  change: ({ conditions }) => {
    for (const relay of relays) relay.change(conditions)
    return undefined
  },
  seenAs: async ({ relay, client }) => {
    const seen = await relayOf(relay).seenAs(client)
    if (seen === undefined) throw new Error('the relay takes no further client')
    return seen
  },
  addresses: () => relays.flatMap((relay) => relay.addresses()),
  tally: () => addTallies(relays.map((relay) => relay.tally())),
}

function relayOf(number: number): Relay {
  const relay = relays[number]
  if (relay === undefined) throw new Error(`internal: there is no relay ${number}`)
  return relay
}

serveCalls<RelayCall, RelayResults>(handlers, () => Promise.allSettled(relays.map((relay) => relay.close())))
