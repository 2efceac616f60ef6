/** Loads the cryptographic core once a process; all roles of the process share it. */
import { readFile } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import type { CoreModules, FieldBuild } from '../crypto/core.js'
import { createCrypto } from '../crypto/create.js'
import { compile, type WasmModule } from '../crypto/create-worker.js'
import type { Crypto } from '../crypto/crypto.js'

const FUSED_URL = new URL('../../splitcast.fused.wasm', import.meta.url)
const INTEGER_URL = new URL('../../splitcast.integer.wasm', import.meta.url)

const modules = once(readModules)
const shared = once(async () => createCrypto(await modules()))

/** The core that runs here best, shared; with `wanted`, one of its own: see createCrypto. */
export async function loadCrypto(wanted?: FieldBuild): Promise<Crypto> {
  return wanted === undefined ? shared() : createCrypto(await modules(), wanted)
}

/** The core that runs here best, compiled, for worker threads. */
export const loadModule: () => Promise<WasmModule> = once(async () => {
  const [{ build }, { fused, integer }] = await Promise.all([shared(), modules()])
  return compile(build === 'fused' ? fused : integer)
})

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined
  return () => {
    loading ??= load()
    return loading
  }
}

async function readModules(): Promise<CoreModules> {
  allowRelaxedSimd()
  const [fused, integer] = await Promise.all([readFile(FUSED_URL), readFile(INTEGER_URL)])
  return { fused, integer }
}

/** V8 has relaxed SIMD behind a flag before 11.4, as in Node 20, and without one from there on. */
function allowRelaxedSimd(): void {
  const [major = 0, minor = 0] = process.versions.v8.split('.').map(Number)
  if (major < 11 || (major === 11 && minor < 4)) setFlagsFromString('--experimental-wasm-relaxed-simd')
}
