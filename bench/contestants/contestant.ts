/** What takes part in `split`: PROTOCOL.md section 5, from a request as P2 opened it to the copies for CS. */
import type { SplitRequest } from '../../src/crypto/crypto.js'

export interface Contestant {
  readonly name: string
  /** What of it runs. */
  readonly build: string
  /** All copies, one after the other; requests here have no personal parts. */
  readonly split: (request: SplitRequest) => Uint8Array
  /** One measurement of its own, in microseconds a message, where it does not run in this process. */
  readonly usPerMessage?: (request: SplitRequest, seconds: number) => number
  /** Where it is too slow for larger messages. */
  readonly mostCopies?: number
}
