/**
 * The part of the implementation that worker threads need: the WASM core and hashing, without libsodium, which would cost
 * each thread time and memory for nothing.
 */
import type { Aead, Sealing, Splitting } from './crypto.js'
import { createHashing } from './hash.js'
import { createAead, createSealing } from './sealing.js'
import { createSplitting } from './splitting.js'
import { instantiate, type WasmModule } from './wasm.js'

export { compile, type WasmModule } from './wasm.js'

/** Makes it from the compiled core, which threads share; the memory is its own. */
export async function createWorkerCrypto(module: WasmModule): Promise<Aead & Sealing & Splitting> {
  const core = await instantiate(module)
  return { ...createAead(core), ...createSealing(core), ...createSplitting(core, createHashing()) }
}
