/** The compiled core in its two builds, and the implementations that every contract is held against. */
import { readFileSync } from 'node:fs'
import { createCrypto } from '../../src/crypto/create.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { createTwin } from '../oracle/twin.js'

/** The debug build keeps its assertions and adds the probes of assembly/probes.ts. */
export type Build = 'release' | 'debug'

const files: Readonly<Record<Build, string>> = { release: 'splitcast.wasm', debug: 'splitcast.debug.wasm' }

const loaded = new Map<Build, Uint8Array>()

export function wasmBytes(build: Build): Uint8Array {
  const known = loaded.get(build)
  if (known !== undefined) return known
  const bytes = readFileSync(new URL(`../../${files[build]}`, import.meta.url))
  loaded.set(build, bytes)
  return bytes
}

export async function implementations(): Promise<readonly (readonly [name: string, crypto: Crypto])[]> {
  return [
    ['wasm', await createCrypto(wasmBytes('release'))],
    ['wasm with assertions', await createCrypto(wasmBytes('debug'))],
    ['libsodium twin', await createTwin()],
  ]
}
