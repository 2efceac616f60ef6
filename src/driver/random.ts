/** The only source of randomness outside tests: the operating system's, drawn in blocks since small draws are frequent. */
import { randomFillSync } from 'node:crypto'
import type { RandomBytes } from '../base/random.js'

const BLOCK_BYTES = 4096

export function systemRandom(): RandomBytes {
  const block = new Uint8Array(BLOCK_BYTES)
  let used = BLOCK_BYTES
  return (lengthBytes) => {
    if (lengthBytes > BLOCK_BYTES) return randomFillSync(new Uint8Array(lengthBytes))
    if (used + lengthBytes > BLOCK_BYTES) {
      randomFillSync(block)
      used = 0
    }
    const drawn = block.slice(used, used + lengthBytes)
    // What was handed out must not be found here again.
    block.fill(0, used, used + lengthBytes)
    used += lengthBytes
    return drawn
  }
}
