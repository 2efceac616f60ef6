/** The builds of our core that this Node can run, the one that is chosen first. */
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'

/** The build in integers runs wherever the fused one does, so that it is the only other there can be. */
export async function loadBuilds(): Promise<Crypto[]> {
  const chosen = await loadCrypto()
  return chosen.build === 'integer' ? [chosen] : [chosen, await loadCrypto('integer')]
}
