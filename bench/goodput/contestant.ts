/** What a link has to do to be measured: one end of it, in a process of its own. */
import type { PeerAddress } from '../../src/link/link.js'

export const contestants = ['splitcast', 'udx-native'] as const
export type ContestantName = (typeof contestants)[number]

/** One transfer: a link of its own, over the sockets that both ends keep. */
export interface Transfer {
  readonly round: number
  readonly messages: number
  readonly messageBytes: number
  /** Where the other end is reached, or is seen at. */
  readonly peer: PeerAddress
  /** Of the receiver, where it has one. */
  readonly linkKey: Uint8Array | undefined
}

export interface End {
  readonly address: PeerAddress
  readonly linkKey: Uint8Array | undefined
  /** Resolves with the moment at which the last message was whole. */
  receive(transfer: Transfer): Promise<number>
  /** Resolves with the moment at which the first message was handed over, on a link that was ready. */
  send(transfer: Transfer): Promise<number>
  close(): Promise<void>
}

/** Unix milliseconds with fractions, comparable between the processes of one machine. */
export function moment(): number {
  return performance.timeOrigin + performance.now()
}
