/**
 * The part of the implementation that worker threads need: the WASM core and hashing, without libsodium, which would cost
 * each thread time and memory for nothing.
 */
import { ProtocolError } from '../base/errors.js'
import type { Aead, Sealing, Splitting } from './crypto.js'
import { createHashing } from './hash.js'
import { createAead, createSealing } from './sealing.js'
import { createSplitting } from './splitting.js'
import { instantiate, type WasmModule } from './wasm.js'

export { compile, type WasmModule } from './wasm.js'

/**
 * Makes it from the compiled core, which threads share; the memory is its own. `module` is the build that core.ts chose:
 * throws `BUILD_UNAVAILABLE` for one that computes wrongly on this machine.
 */
export async function createWorkerCrypto(module: WasmModule): Promise<Aead & Sealing & Splitting> {
  const core = await instantiate(module)
  if (core.calls.holds() === 0) {
    throw new ProtocolError('BUILD_UNAVAILABLE', 'this build of the core cannot run here: multiply-add rounds twice')
  }
  return { ...createAead(core), ...createSealing(core), ...createSplitting(core, createHashing()) }
}
