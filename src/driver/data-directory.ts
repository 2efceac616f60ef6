/**
 * A node's directory on disk: whose it is, what version it is, the secrets made once and kept, and whether a passphrase
 * guards them. docs/OPERATING.md, "The data directory" and "Data at rest", says what stands in it.
 */
import { readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { createAtRest } from '../crypto/at-rest.js'
import { checkedEntries, sealedEntries } from './entries.js'
import { createFile, makeDirectory, unwritable } from './files.js'
import {
  type DataKind,
  IDENTITY_FILE,
  type IdentityFile,
  newIdentity,
  openSecrets,
  openText,
  readIdentityFile,
  type StoredIdentity,
} from './identity-file.js'
import { makePrivate } from './private.js'
import { systemRandom } from './random.js'
import type { StoreOptions } from './store.js'
import { unwrapKey } from './wrapped-key.js'

/** The stores that a directory may hold. */
export const STORES = ['store', 'proxy-store'] as const
export type StoreName = (typeof STORES)[number]
/** What a start that failed early can leave. */
const BEFORE_KEYS: ReadonlySet<string> = new Set(['network', 'control.sock'])

/** Asked only where a passphrase is needed. */
export type AskPassphrase = () => Promise<string>

/** An opened directory. */
export interface DataDirectory {
  readonly path: string
  readonly identity: StoredIdentity
  /** What the stores are sealed under, where a passphrase guards the directory. */
  readonly dataKey: Uint8Array | undefined
  /** How to open a store of it. */
  storeOptions(name: StoreName): StoreOptions
}

/** What can be said of a directory without its passphrase. */
export interface DataFacts {
  readonly kind: DataKind
  readonly sealed: boolean
}

/** `$SPLITCAST_DATA`, else splitcast in the XDG state directory. */
export function defaultDataPath(environment: NodeJS.ProcessEnv = process.env): string {
  return (
    environment['SPLITCAST_DATA'] ||
    join(environment['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'splitcast')
  )
}

/**
 * Opens a data directory, making it and its secrets where there are none. Throws DATA_UNWRITABLE, DATA_NOT_PRIVATE,
 * DATA_VERSION (made by a newer release), DATA_KIND or DATA_DAMAGED (also where a store is there without the keys to it),
 * PASSPHRASE_NEEDED or PASSPHRASE_WRONG; never replaces secrets that are there but cannot be read, and never takes over a
 * directory with other things in it.
 */
export async function openDataDirectory(
  path: string,
  kind: DataKind,
  passphrase?: AskPassphrase,
): Promise<DataDirectory> {
  await refuseForeign(path)
  try {
    await makeDirectory(path)
  } catch (error) {
    throw unwritable(path, error)
  }
  await makePrivate(path)
  const file = (await readIdentityFile(path)) ?? (await createIdentity(path, kind))
  if (file.kind !== kind) {
    throw new ProtocolError(
      'DATA_KIND',
      `${path} belongs to a ${file.kind}, not to a ${kind}; choose another with --data`,
    )
  }
  return await openWith(path, file, passphrase)
}

/** Opens the directory of these options when first called, once: to derive the key from a passphrase is slow on purpose. */
export function openerOf(
  kind: DataKind,
  { data, passphrase }: { readonly data: string; readonly passphrase?: string },
): () => Promise<DataDirectory> {
  const ask = passphrase === undefined ? undefined : async () => passphrase
  let opened: Promise<DataDirectory> | undefined
  return () => {
    opened ??= openDataDirectory(data, kind, ask)
    return opened
  }
}

/** The same for a directory that is there, whatever its kind; DATA_MISSING where there is none. */
export async function openExisting(path: string, passphrase?: AskPassphrase): Promise<DataDirectory> {
  const { kind } = await readDataDirectory(path)
  return await openDataDirectory(path, kind, passphrase)
}

/** What a directory is, whether or not a node runs on it; DATA_MISSING where there is none. */
export async function readDataDirectory(path: string): Promise<DataFacts> {
  const file = await readIdentityFile(path)
  if (file === undefined) {
    throw new ProtocolError(
      'DATA_MISSING',
      `there is no splitcast data in ${path}; start a node there first, or name another with --data`,
    )
  }
  return { kind: file.kind, sealed: file.sealed }
}

/**
 * What `openDataDirectory` would find, without making or changing anything: undefined where it would make the secrets.
 * Throws as it does.
 */
export async function inspectDataDirectory(path: string): Promise<DataFacts | undefined> {
  await refuseForeign(path)
  return await readIdentityFile(path)
}

async function unlock(
  path: string,
  file: IdentityFile & { readonly sealed: true },
  passphrase: AskPassphrase | undefined,
): Promise<{ readonly identity: StoredIdentity; readonly dataKey: Uint8Array }> {
  if (passphrase === undefined) {
    throw new ProtocolError('PASSPHRASE_NEEDED', `the data in ${path} is under a passphrase; give it`)
  }
  const atRest = await createAtRest(systemRandom())
  const dataKey = await unwrapKey(atRest, file.wrapped, await passphrase())
  if (dataKey === undefined) {
    throw new ProtocolError('PASSPHRASE_WRONG', `this is not the passphrase of the data in ${path}; try again`)
  }
  const identity = openSecrets(atRest, file, dataKey)
  if (identity === undefined) {
    wipe(dataKey)
    throw new ProtocolError('DATA_DAMAGED', `${join(path, IDENTITY_FILE)} is damaged; put it back from a backup`)
  }
  return { identity, dataKey }
}

async function openWith(path: string, file: IdentityFile, passphrase?: AskPassphrase): Promise<DataDirectory> {
  const whenHeld = () => refuseChanged(path, file)
  if (!file.sealed) {
    const { identity } = file
    return { path, identity, dataKey: undefined, storeOptions: () => ({ format: checkedEntries, whenHeld }) }
  }
  const { identity, dataKey } = await unlock(path, file, passphrase)
  const atRest = await createAtRest(systemRandom())
  return {
    path,
    identity,
    dataKey,
    storeOptions: (name) => ({ format: sealedEntries(atRest, dataKey, name), settled: !file.moving, whenHeld }),
  }
}

/** A passphrase may have been set or removed since the file was read: entries must not be brought into the old form. */
async function refuseChanged(path: string, { text }: IdentityFile): Promise<void> {
  const now = await readIdentityFile(path)
  if (now?.text === text) return
  throw new ProtocolError('DATA_LOCKED', `the passphrase of ${path} was changed just now; start again`)
}

/** Before any mode is changed or key is made: a directory of something else, or one that has lost its keys. */
async function refuseForeign(path: string): Promise<void> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw unwritable(path, error)
  })
  if (names.includes(IDENTITY_FILE)) return
  if (names.some((name) => STORES.some((store) => store === name))) {
    throw new ProtocolError(
      'DATA_DAMAGED',
      `${path} has lost its keys: put ${IDENTITY_FILE} back from a backup, or name an empty directory to begin anew`,
    )
  }
  if (names.every((name) => name.startsWith(IDENTITY_FILE) || BEFORE_KEYS.has(name))) return
  throw new ProtocolError(
    'DATA_UNWRITABLE',
    `${path} holds other things than splitcast's; name an empty directory with --data`,
  )
}

async function createIdentity(path: string, kind: DataKind): Promise<IdentityFile> {
  const identity = newIdentity(kind)
  const text = openText(identity)
  await createFile(join(path, IDENTITY_FILE), text)
  // Two processes may be first on a directory: both go on with the secrets of the one that was.
  return (await readIdentityFile(path)) ?? { sealed: false, kind, identity, text }
}
