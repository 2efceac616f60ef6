/**
 * Backup and restore of a data directory: what is in a backup, what is left out, and how a directory is made of one. What
 * lives for a day only is left out, since a copy would outlive it (PROTOCOL.md section 9.4): a server's sealing keys with
 * their record of copies, and all that a proxy keeps. Both make new ones when they start.
 */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fromHex, toHex, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { createAtRest } from '../crypto/at-rest.js'
import type { Write } from '../role/role.js'
import { isForTheDay } from '../role/server/records.js'
import { type BackupFacts, openBackup, sealBackup } from './backup-format.js'
import { type AskPassphrase, type DataDirectory, openExisting } from './data-directory.js'
import { checkedEntries, type Entry, sealedEntries } from './entries.js'
import { makeDirectory, replaceFile, syncDirectory, unwritable } from './files.js'
import { type DataKind, IDENTITY_FILE, openText, type StoredIdentity, sealedText } from './identity-file.js'
import { systemRandom } from './random.js'
import { type HeldStore, openStore } from './store.js'
import { checkPassphrase, newDataKey, wrapKey } from './wrapped-key.js'

export interface BackupOptions {
  /** What encrypts the backup; weak ones are refused. Without it whoever has the backup is this node. */
  readonly passphrase: string | undefined
}

/** What is written to a backup file next, and how far it has come. */
export interface BackupPiece {
  readonly bytes: Uint8Array
  /** Of entries, before encryption. */
  readonly doneBytes: number
  /** About what `doneBytes` will come to; compression on the disk may make it too small. */
  readonly totalBytes: number
}

/** The pieces of a backup of a store that is open, as it is at the call. */
export async function* backupOf(
  directory: DataDirectory,
  store: HeldStore,
  { passphrase }: BackupOptions,
): AsyncGenerator<BackupPiece, void, undefined> {
  if (passphrase !== undefined) await checkPassphrase(passphrase)
  const { kind, seed, proxySeed, accessCode } = directory.identity
  const facts: BackupFacts = {
    kind,
    sealed: directory.dataKey !== undefined,
    madeAt: new Date().toISOString(),
    ...{ seed: toHex(seed), proxySeed: toHex(proxySeed), accessCode: toHex(accessCode) },
    network: await networkCardIn(directory.path),
  }
  const totalBytes = await store.approximateBytes()
  let doneBytes = 0
  const kept = async function* () {
    for await (const [key, value] of store.entries()) {
      if (kind === 'server' && isForTheDay(key)) continue
      yield [key, value] as const
      doneBytes += key.length + value.length
    }
  }
  for await (const bytes of sealBackup(await createAtRest(systemRandom()), passphrase, facts, kept())) {
    yield { bytes, doneBytes, totalBytes: Math.max(totalBytes, doneBytes) }
  }
}

/** A node that was told its network otherwise has no such file. */
async function networkCardIn(path: string): Promise<string | null> {
  const file = join(path, 'network')
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw new ProtocolError('DATA_DAMAGED', `cannot read ${file} (${code}); check who owns it`, { cause: error })
  }
}

/** The same of a directory that no node runs on; `open` is asked for its passphrase where it has one. */
export async function* backupDirectory(
  path: string,
  open: AskPassphrase,
  options: BackupOptions,
): AsyncGenerator<BackupPiece, void, undefined> {
  const directory = await openExisting(path, open)
  const store = await openStore(join(path, 'store'), directory.storeOptions('store'))
  try {
    yield* backupOf(directory, store, options)
  } finally {
    await store.close()
  }
}

/** What a restored directory is. */
export interface Restored {
  readonly kind: DataKind
  readonly madeAt: string
  /** Whether it is under a passphrase: that of the backup, where the original was under one. */
  readonly sealed: boolean
  readonly entries: number
}

/**
 * Makes a data directory of a backup. Nothing is at `path` before all of it is there and checked. Rejects with DATA_EXISTS
 * where something is there already, DATA_DAMAGED, DATA_VERSION, PASSPHRASE_WRONG, USAGE or DATA_UNWRITABLE.
 */
export async function restoreBackup(
  file: string,
  path: string,
  passphrase: AskPassphrase,
  onProgress: (readBytes: number) => void = () => undefined,
): Promise<Restored> {
  const target = await freeTarget(path)
  const backup = await openBackup(await createAtRest(systemRandom()), piecesOf(file, onProgress), passphrase)
  const unfinished = `${target}.${toHex(randomBytes(4))}.restoring`
  try {
    await makeDirectory(dirname(target))
    await mkdir(unfinished, { mode: 0o700 })
    const restored = await fill(unfinished, backup)
    await syncDirectory(unfinished)
    await rename(unfinished, target)
    await syncDirectory(dirname(target))
    return restored
  } catch (error) {
    throw unwritable(target, error)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

async function fill(path: string, backup: Awaited<ReturnType<typeof openBackup>>): Promise<Restored> {
  const dataKey = newDataKey()
  try {
    return await fillUnder(dataKey, path, backup)
  } finally {
    wipe(dataKey)
  }
}

/** The keys last: a directory without them is refused. */
async function fillUnder(
  dataKey: Uint8Array,
  path: string,
  { facts, passphrase, entries: backedUp }: Awaited<ReturnType<typeof openBackup>>,
): Promise<Restored> {
  const { kind, madeAt, network } = facts
  const identity: StoredIdentity = {
    kind,
    ...{ seed: fromHex(facts.seed), proxySeed: fromHex(facts.proxySeed), accessCode: fromHex(facts.accessCode) },
  }
  const atRest = await createAtRest(systemRandom())
  const sealed = facts.sealed && passphrase !== undefined
  const format = sealed ? sealedEntries(atRest, dataKey, 'store') : checkedEntries
  const store = await openStore(join(path, 'store'), { format })
  let entries = 0
  try {
    for await (const batch of batches(backedUp)) {
      await store.write(batch)
      entries += batch.length
    }
  } finally {
    await store.close()
  }
  if (network !== null) await replaceFile(join(path, 'network'), network)
  const text = sealed
    ? sealedText(atRest, identity, dataKey, await wrapKey(atRest, dataKey, passphrase))
    : openText(identity)
  await replaceFile(join(path, IDENTITY_FILE), text)
  return { kind, madeAt, sealed, entries }
}

const BATCH_ENTRIES = 1000
const BATCH_BYTES = 4 * 2 ** 20

async function* batches(entries: AsyncIterable<Entry>): AsyncGenerator<readonly Write[]> {
  let batch: Write[] = []
  let bytes = 0
  for await (const { key, value } of entries) {
    batch.push({ key, value })
    bytes += key.length + value.length
    if (batch.length < BATCH_ENTRIES && bytes < BATCH_BYTES) continue
    yield batch
    batch = []
    bytes = 0
  }
  yield batch
}

/** Where the directory will really be, which must not hold anything yet. */
async function freeTarget(path: string): Promise<string> {
  const target = await realpath(path).catch(() => resolve(path))
  const names = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw unwritable(path, error)
  })
  if (names.length === 0) return target
  throw new ProtocolError(
    'DATA_EXISTS',
    `${path} is not empty; name an empty or new directory with --data, or move what is there away`,
  )
}

async function* piecesOf(file: string, onProgress: (readBytes: number) => void): AsyncGenerator<Uint8Array> {
  let readBytes = 0
  try {
    for await (const chunk of createReadStream(file)) {
      readBytes += (chunk as Uint8Array).length
      onProgress(readBytes)
      yield chunk as Uint8Array
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ProtocolError(
      'USAGE',
      `cannot read the backup ${file} (${code ?? error}); name a file that splitcast backup made`,
    )
  }
}
