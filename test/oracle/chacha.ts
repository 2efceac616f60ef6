/**
 * The ChaCha20 block function straight from RFC 8439 section 2.3: libsodium's wrapper makes key stream too, but takes
 * block counters of 31 bits only.
 */

const quarterRounds = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const

export function chachaBlock(key: Uint8Array, counter: number, nonce: Uint8Array): Uint8Array {
  if (key.length !== 32 || nonce.length !== 12) throw new Error('a key is 32 bytes and a nonce 12')
  const initial = Uint32Array.of(
    ...[0x61707865, 0x3320646e, 0x79622d32, 0x6b206574],
    ...words(key),
    counter,
    ...words(nonce),
  )
  const state = Uint32Array.from(initial)
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of quarterRounds) {
      step(state, a, b, d, 16)
      step(state, c, d, b, 12)
      step(state, a, b, d, 8)
      step(state, c, d, b, 7)
    }
  }
  const block = new DataView(new ArrayBuffer(64))
  state.forEach((word, i) => {
    block.setUint32(4 * i, word + (initial[i] as number), true)
  })
  return new Uint8Array(block.buffer)
}

/** x += y; z ^= x; z <<<= bits. */
function step(state: Uint32Array, x: number, y: number, z: number, bits: number): void {
  state[x] = (state[x] as number) + (state[y] as number)
  const mixed = (state[z] as number) ^ (state[x] as number)
  state[z] = (mixed << bits) | (mixed >>> (32 - bits))
}

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true))
}
