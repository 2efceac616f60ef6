/** What the goodput bench and the processes of its two ends say to each other (src/cli/hosting). */
import type { PeerAddress } from '../../src/link/link.js'
import type { ContestantName, Transfer } from './contestant.js'

export type Call =
  | { readonly call: 'open'; readonly contestant: ContestantName }
  | ({ readonly call: 'receive'; readonly contestant: ContestantName } & Transfer)
  | ({ readonly call: 'send'; readonly contestant: ContestantName } & Transfer)

export interface Results {
  open: { readonly address: PeerAddress; readonly linkKey: Uint8Array | undefined }
  /** Moments, as `End` says. */
  receive: number
  send: number
}
