/** The compiled core in all its builds, and the implementations that every contract is held against. */
import { readFileSync } from 'node:fs'
import type { CoreModules, FieldBuild } from '../../src/crypto/core.js'
import { createCrypto } from '../../src/crypto/create.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { createTwin } from '../oracle/twin.js'

/** The debug build keeps its assertions and adds the probes of assembly/probes.ts. */
export type Kind = 'release' | 'debug'

const loaded = new Map<string, Uint8Array>()

export function wasmBytes(build: FieldBuild, kind: Kind): Uint8Array {
  const name = `splitcast.${build}${kind === 'debug' ? '.debug' : ''}.wasm`
  const known = loaded.get(name)
  if (known !== undefined) return known
  const bytes = readFileSync(new URL(`../../${name}`, import.meta.url))
  loaded.set(name, bytes)
  return bytes
}

export function modules(kind: Kind): CoreModules {
  return { fused: wasmBytes('fused', kind), integer: wasmBytes('integer', kind) }
}

/** What runs on this machine: the fused build needs an engine with relaxed SIMD and a machine that rounds once. */
export const runnableBuilds: readonly FieldBuild[] =
  (await loadCrypto()).build === 'fused' ? ['fused', 'integer'] : ['integer']

export async function implementations(): Promise<readonly (readonly [name: string, crypto: Crypto])[]> {
  const found: (readonly [string, Crypto])[] = []
  for (const build of runnableBuilds) {
    found.push([build, await createCrypto(modules('release'), build)])
    found.push([`${build} with assertions`, await createCrypto(modules('debug'), build)])
  }
  found.push(['libsodium twin', await createTwin()])
  return found
}
