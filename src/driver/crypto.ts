/** Loads the cryptographic core once a process; all roles of the process share it. */
import { readFile } from 'node:fs/promises'
import { createCrypto } from '../crypto/create.js'
import type { Crypto } from '../crypto/crypto.js'

const WASM_URL = new URL('../../splitcast.wasm', import.meta.url)

let loading: Promise<Crypto> | undefined

export function loadCrypto(): Promise<Crypto> {
  loading ??= readFile(WASM_URL).then((wasm) => createCrypto(wasm))
  return loading
}
