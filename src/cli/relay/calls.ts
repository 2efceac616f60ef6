/** What a parent and the process that its relays run in say to each other (cli/hosting). */
import type { PeerAddress } from '../../link/link.js'
import type { Conditions, Tally } from './conditions.js'
import type { FlowAddresses } from './relay.js'

/** Relays are named by numbers from 0, in the order in which they were opened. */
export type RelayCall =
  | {
      readonly call: 'openRelay'
      readonly front: PeerAddress
      readonly conditions: Conditions
      readonly seed: number
    }
  | { readonly call: 'aim'; readonly relay: number; readonly node: PeerAddress }
  | { readonly call: 'change'; readonly conditions: Conditions }
  /** The address under which the node will see a client that has sent nothing yet. */
  | { readonly call: 'seenAs'; readonly relay: number; readonly client: PeerAddress }
  /** Who came through all relays, and as whom. */
  | { readonly call: 'addresses' }
  | { readonly call: 'tally' }

export interface RelayResults {
  openRelay: { readonly relay: number; readonly address: PeerAddress }
  aim: undefined
  change: undefined
  seenAs: PeerAddress
  addresses: readonly FlowAddresses[]
  tally: Tally
}
