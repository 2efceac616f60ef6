/** Loads the cryptographic core once a process; all roles of the process share it. */
import { readFile } from 'node:fs/promises'
import { createCrypto } from '../crypto/create.js'
import { compile, type WasmModule } from '../crypto/create-worker.js'
import type { Crypto } from '../crypto/crypto.js'

const WASM_URL = new URL('../../splitcast.wasm', import.meta.url)

const wasm = once(() => readFile(WASM_URL))

export const loadCrypto: () => Promise<Crypto> = once(async () => createCrypto(await wasm()))

/** The compiled core, for worker threads. */
export const loadModule: () => Promise<WasmModule> = once(async () => compile(await wasm()))

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined
  return () => {
    loading ??= load()
    return loading
  }
}
