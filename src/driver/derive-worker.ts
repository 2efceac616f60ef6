/** The thread that `derive.ts` starts: one Argon2id derivation a message. */
import { parentPort } from 'node:worker_threads'
import { wipe } from '../base/bytes.js'
import { createPassphrases, passphraseCost } from '../crypto/passphrase.js'
import type { DeriveReply, DeriveRequest } from './derive.js'

const passphrases = await createPassphrases()

parentPort?.on('message', ({ number, passphrase, salt, cost }: DeriveRequest) => {
  const derived = passphrases.argon2id(passphrase, salt, cost ?? passphraseCost)
  wipe(passphrase)
  parentPort?.postMessage({ number, derived } satisfies DeriveReply)
  wipe(derived)
})
