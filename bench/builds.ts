/** The builds of our core that this Node can run, the one that would be chosen first. */
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'

export async function loadBuilds(): Promise<Crypto[]> {
  return [await loadCrypto()]
}
