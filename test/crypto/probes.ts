/** The host's side of assembly/probes.ts: single parts of the core, debug build only. */
import { instantiate } from '../../src/crypto/wasm.js'

const ELEMENT_BYTES = 48
const LIMBS = 10

type Probe = (argument?: number) => number

/** A field element as its ten limbs. */
export type Limbs = readonly number[]

export async function createProbes(wasm: Uint8Array) {
  const { at, calls, memory, take } = await instantiate(wasm)
  const probe = calls as unknown as Record<string, Probe>
  const view = new DataView(memory.buffer)

  function call(name: string, argument?: number): number {
    const found = probe[name]
    if (found === undefined) throw new Error(`the build has no ${name}`)
    return found(argument)
  }

  function writeElement(index: number, limbs: Limbs): void {
    const address = at.OUTPUT + ELEMENT_BYTES * index
    memory.fill(0, address, address + ELEMENT_BYTES)
    for (const [i, limb] of limbs.entries()) view.setInt32(address + 4 * i, limb, true)
  }

  /** The result's limbs as the core left them, and its canonical bytes. */
  function arithmetic(name: string, a: Limbs, b: Limbs = []): { limbs: number[]; bytes: Uint8Array } {
    writeElement(0, a)
    writeElement(1, b)
    call(name)
    const product = at.OUTPUT + 2 * ELEMENT_BYTES
    const limbs = Array.from({ length: LIMBS }, (_, i) => view.getInt32(product + 4 * i, true))
    return { limbs, bytes: take(at.RESULT, 32) }
  }

  return {
    hash(text: Uint8Array): Uint8Array {
      memory.set(text, at.TEXT)
      call('probeHash', text.length)
      return take(at.RESULT, 32)
    },
    /** The digests of four messages of 64 bytes. */
    hashLanes(messages: Uint8Array): Uint8Array {
      memory.set(messages, at.TEXT)
      call('probeHashLanes')
      return take(at.RESULT, 128)
    },
    /** Blocks `counter` to `counter` + 3. */
    blocks4(key: Uint8Array, counter: number, nonce: Uint8Array): Uint8Array {
      memory.set(key, at.KEY)
      memory.set(nonce, at.NONCE)
      call('probeBlocks', counter)
      return take(at.RESULT, 256)
    },
    hmac(key: Uint8Array, text: Uint8Array): Uint8Array {
      memory.set(key, at.KEY)
      memory.set(text, at.TEXT)
      call('probeHmac', text.length)
      return take(at.RESULT, 32)
    },
    poly1305(key: Uint8Array, text: Uint8Array): Uint8Array {
      memory.set(key, at.KEY)
      memory.set(text, at.TEXT)
      call('probePoly1305', text.length)
      return take(at.RESULT, 16)
    },
    squareRootOfRatio(u: Uint8Array, v: Uint8Array): { wasSquare: boolean; root: Uint8Array } {
      memory.set(u, at.POINT)
      memory.set(v, at.SECOND_POINT)
      const wasSquare = call('probeRoot') === 1
      return { wasSquare, root: take(at.RESULT, 32) }
    },
    multiply: (a: Limbs, b: Limbs) => arithmetic('probeMultiply', a, b),
    square: (a: Limbs) => arithmetic('probeSquare', a),
    squareDoubled: (a: Limbs) => arithmetic('probeSquareDoubled', a),
    toBytes: (a: Limbs) => arithmetic('probeToBytes', a).bytes,
  }
}
