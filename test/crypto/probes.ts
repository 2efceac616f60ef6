/** The host's side of assembly/probes.ts: single parts of the core, debug build only. */
import type { FieldBuild } from '../../src/crypto/core.js'
import { instantiate } from '../../src/crypto/wasm.js'

const ELEMENT_BYTES = 80

type Probe = (argument?: number) => number

/** A field element as its limbs, low ones first. */
export type Limbs = readonly number[]

/** How a build holds an element in one of two lanes: assembly/curve/fused.ts and integer.ts. */
interface Representation {
  /** Exponents of two that limbs count in. */
  readonly exponents: readonly number[]
  /** R: what a reduced limb is at most in size. */
  readonly reduced: readonly number[]
  write(view: DataView, element: number, lane: number, limbs: Limbs): void
  read(view: DataView, element: number, lane: number): number[]
}

export const representations: Readonly<Record<FieldBuild, Representation>> = {
  fused: {
    exponents: [0, 51, 102, 153, 204],
    reduced: Array(5).fill(2 ** 50 + 2 ** 15),
    write(view, element, lane, limbs) {
      for (const [i, limb] of limbs.entries()) view.setFloat64(element + 16 * i + 8 * lane, limb, true)
    },
    read: (view, element, lane) =>
      Array.from({ length: 5 }, (_, i) => view.getFloat64(element + 16 * i + 8 * lane, true)),
  },
  integer: {
    exponents: Array.from({ length: 10 }, (_, i) => Math.ceil(25.5 * i)),
    reduced: Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? 2 ** 25 + 2 ** 15 : 2 ** 24 + 2 ** 15)),
    write(view, element, lane, limbs) {
      for (const [i, limb] of limbs.entries())
        view.setInt32(element + 16 * (i >> 1) + 8 * lane + 4 * (i & 1), limb, true)
    },
    read: (view, element, lane) =>
      Array.from({ length: 10 }, (_, i) => view.getInt32(element + 16 * (i >> 1) + 8 * lane + 4 * (i & 1), true)),
  },
}

/** What a lane holds after an operation: its limbs as the core left them, and its canonical bytes. */
export interface Lane {
  readonly limbs: number[]
  readonly bytes: Uint8Array
}

export async function createProbes(wasm: Uint8Array, build: FieldBuild) {
  const { at, calls, memory, take } = await instantiate(wasm)
  const { read, write } = representations[build]
  const probe = calls as unknown as Record<string, Probe>
  const view = new DataView(memory.buffer)

  function call(name: string, argument?: number): number {
    const found = probe[name]
    if (found === undefined) throw new Error(`the build has no ${name}`)
    return found(argument)
  }

  /** Two operations at once: the lanes are independent. */
  function arithmetic(name: string, a: readonly [Limbs, Limbs], b: readonly [Limbs, Limbs] = a): [Lane, Lane] {
    for (const lane of [0, 1] as const) {
      write(view, at.OUTPUT, lane, a[lane])
      write(view, at.OUTPUT + ELEMENT_BYTES, lane, b[lane])
    }
    call(name)
    const result = (lane: number) => ({
      limbs: read(view, at.OUTPUT + 2 * ELEMENT_BYTES, lane),
      bytes: take(at.RESULT + 32 * lane, 32),
    })
    return [result(0), result(1)]
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
    arithmetic,
  }
}
