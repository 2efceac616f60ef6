/**
 * Puts the implementation together that runs: the WASM core, as-sha256 and libsodium behind the Crypto interface.
 */
import sodium from 'libsodium-wrappers-sumo'
import { type CoreModules, chooseCore, type FieldBuild } from './core.js'
import type { Crypto } from './crypto.js'
import { createHashing } from './hash.js'
import { createPackets } from './packets.js'
import { createPassphrases } from './passphrase.js'
import { createAead, createGroup255, createSealing } from './sealing.js'
import { createAgreement, createSigning } from './signing.js'
import { createSplitting } from './splitting.js'

/**
 * Makes a Crypto from the builds of the core, the one that runs here best or the one that is `wanted`: throws
 * `BUILD_UNAVAILABLE` where that cannot run. A module is compiled once for one and the same Uint8Array; each Crypto has a
 * memory of its own, of which the system provides only what is touched.
 */
export async function createCrypto(modules: CoreModules, wanted?: FieldBuild): Promise<Crypto> {
  const [{ core, build, reason }, passphrases] = await Promise.all([
    chooseCore(modules, wanted),
    createPassphrases(),
    sodium.ready,
  ])
  const hashing = createHashing()
  const group = createGroup255(core)
  return {
    build,
    buildReason: reason,
    ...hashing,
    ...createAead(core),
    ...createPackets(core),
    ...createSigning(core, group.reduce),
    ...createAgreement(),
    ...group,
    ...createSealing(core),
    ...createSplitting(core, hashing),
    ...passphrases,
  }
}
