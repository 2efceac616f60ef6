/** The builds of our core that this machine can run, the one that would be chosen first. */
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'

export async function loadBuilds(): Promise<Crypto[]> {
  const chosen = await loadCrypto()
  return chosen.build === 'fused' ? [chosen, await loadCrypto('integer')] : [chosen]
}
