/**
 * Setting, changing and removing the passphrase of a data directory. To set or remove one, every entry of its stores is
 * written anew in the other form, under a data key made for it; to change one, only the wrapping of that key is.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { createAtRest } from '../crypto/at-rest.js'
import type { PassphraseCost } from '../crypto/crypto.js'
import { type AskPassphrase, openExisting, STORES, type StoreName } from './data-directory.js'
import { checkedEntries, sealedEntries } from './entries.js'
import { replaceFile, unwritable } from './files.js'
import { IDENTITY_FILE, openText, readIdentityFile, sealedText } from './identity-file.js'
import { systemRandom } from './random.js'
import { type HeldStore, openStore, type StoreOptions } from './store.js'
import { checkPassphrase, newDataKey, wrapKey } from './wrapped-key.js'

/** Puts a directory that no node runs on under a passphrase. Throws USAGE where it has one, else as opening it does. */
export async function setDataPassphrase(path: string, passphrase: AskPassphrase, cost?: PassphraseCost): Promise<void> {
  const directory = await openExisting(path, async () => {
    throw new ProtocolError('USAGE', `${path} has a passphrase already; splitcast passphrase change gives it another`)
  })
  await withStores(path, directory.storeOptions, async (stores) => {
    const chosen = await passphrase()
    await checkPassphrase(chosen)
    const atRest = await createAtRest(systemRandom())
    const dataKey = newDataKey()
    try {
      const wrapped = await wrapKey(atRest, dataKey, chosen, cost)
      const text = (moving: boolean) => sealedText(atRest, directory.identity, dataKey, wrapped, moving)
      // The key first: a crash leaves entries that the next start seals, never sealed ones without their key.
      await replaceFile(join(path, IDENTITY_FILE), text(true))
      for (const [name, store] of stores) await store.reform(sealedEntries(atRest, dataKey, name))
      await replaceFile(join(path, IDENTITY_FILE), text(false))
    } finally {
      wipe(dataKey)
    }
  })
}

/** Gives it another; whoever kept a copy of the old file can still open that copy with the old one. */
export async function changeDataPassphrase(
  path: string,
  before: AskPassphrase,
  after: AskPassphrase,
  cost?: PassphraseCost,
): Promise<void> {
  const { identity, dataKey, storeOptions } = await openExisting(path, before)
  if (dataKey === undefined) throw withoutPassphrase(path)
  await withStores(path, storeOptions, async () => {
    const chosen = await after()
    await checkPassphrase(chosen)
    const atRest = await createAtRest(systemRandom())
    const wrapped = await wrapKey(atRest, dataKey, chosen, cost)
    await replaceFile(join(path, IDENTITY_FILE), sealedText(atRest, identity, dataKey, wrapped))
  })
}

/** Takes it away; keys and entries stand in the open afterwards. */
export async function removeDataPassphrase(path: string, passphrase: AskPassphrase): Promise<void> {
  const { identity, dataKey, storeOptions } = await openExisting(path, passphrase)
  if (dataKey === undefined) throw withoutPassphrase(path)
  await withStores(path, storeOptions, async (stores) => {
    const file = await readIdentityFile(path)
    if (!file?.sealed) throw withoutPassphrase(path)
    const atRest = await createAtRest(systemRandom())
    // A crash leaves entries in both forms: the next start must know that the open ones are its own.
    await replaceFile(join(path, IDENTITY_FILE), sealedText(atRest, identity, dataKey, file.wrapped, true))
    for (const [, store] of stores) await store.reform(checkedEntries)
    await replaceFile(join(path, IDENTITY_FILE), openText(identity))
  })
}

function withoutPassphrase(path: string): ProtocolError {
  return new ProtocolError('USAGE', `${path} has no passphrase; splitcast passphrase set gives it one`)
}

/** Holds all stores there are while `work` runs, so that no node can start meanwhile. */
async function withStores(
  path: string,
  options: (name: StoreName) => StoreOptions,
  work: (stores: readonly (readonly [StoreName, HeldStore])[]) => Promise<void>,
): Promise<void> {
  const held: [StoreName, HeldStore][] = []
  try {
    for (const name of STORES) {
      const directory = join(path, name)
      const there = await stat(directory).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw unwritable(path, error)
      })
      // The first is opened in any case: holding it keeps nodes away.
      if (there !== undefined || name === STORES[0]) held.push([name, await openStore(directory, options(name))])
    }
    await work(held)
  } finally {
    for (const [, store] of held) await store.close()
  }
}
