/**
 * A node's directory on disk: who may read it, what version it is, and the secrets made once and kept. Files are
 * replaced whole, so that a crash leaves the old or the new one.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmod, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { fromHex, toHex } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'

const FORMAT_VERSION = 1
const IDENTITY_FILE = 'identity.json'
const STORES: ReadonlySet<string> = new Set(['store', 'proxy-store'])
/** What a start that failed early can leave. */
const BEFORE_KEYS: ReadonlySet<string> = new Set(['network', 'control.sock'])

const hexBytes = (lengthBytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${2 * lengthBytes}}$`))
    .transform(fromHex)

const versionSchema = z.object({ version: z.number().int() })
const identitySchema = z.object({
  version: z.literal(FORMAT_VERSION),
  kind: z.enum(['node', 'server']),
  seed: hexBytes(32),
  proxySeed: hexBytes(32),
  accessCode: hexBytes(2),
  check: z.string(),
})

/** The secrets a data directory is made with. */
export interface StoredIdentity {
  readonly kind: 'node' | 'server'
  /** Seed of the device's or the server's identity. */
  readonly seed: Uint8Array
  /** Seed of the identity this node has as a proxy: another one, so that the directory does not tell where a device is. */
  readonly proxySeed: Uint8Array
  readonly accessCode: Uint8Array
}

export interface DataDirectory {
  readonly path: string
  readonly identity: StoredIdentity
}

/** `$SPLITCAST_DATA`, else splitcast in the XDG state directory. */
export function defaultDataPath(environment: NodeJS.ProcessEnv = process.env): string {
  return (
    environment['SPLITCAST_DATA'] ||
    join(environment['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'splitcast')
  )
}

/**
 * Opens a data directory, making it and its secrets where there are none. Throws DATA_UNWRITABLE, DATA_VERSION (made by a
 * newer release), DATA_KIND or DATA_DAMAGED (also where a store is there without the keys to it); never replaces secrets
 * that are there but cannot be read, and never takes over a directory with other things in it.
 */
export async function openDataDirectory(path: string, kind: StoredIdentity['kind']): Promise<DataDirectory> {
  await refuseForeign(path)
  await makePrivate(path)
  const identity = (await readIdentity(path)) ?? (await createIdentity(path, kind))
  if (identity.kind !== kind) {
    throw new ProtocolError(
      'DATA_KIND',
      `${path} belongs to a ${identity.kind}, not to a ${kind}; choose another with --data`,
    )
  }
  return { path, identity }
}

/** Reads the secrets of a directory that is there, whether or not a node runs on it; DATA_MISSING where there is none. */
export async function readDataDirectory(path: string): Promise<DataDirectory> {
  const identity = await readIdentity(path)
  if (identity === undefined) {
    throw new ProtocolError(
      'DATA_MISSING',
      `there is no splitcast data in ${path}; start a node there first, or name another with --data`,
    )
  }
  return { path, identity }
}

/**
 * What `openDataDirectory` would find, without making or changing anything: the secrets, or undefined where it would make
 * them. Throws as it does.
 */
export async function inspectDataDirectory(path: string): Promise<StoredIdentity | undefined> {
  await refuseForeign(path)
  return await readIdentity(path)
}

/** Before any mode is changed or key is made: a directory of something else, or one that has lost its keys. */
async function refuseForeign(path: string): Promise<void> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw unwritable(path, error)
  })
  if (names.includes(IDENTITY_FILE)) return
  if (names.some((name) => STORES.has(name))) {
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

async function makePrivate(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0) await chmod(path, 0o700)
  } catch (error) {
    throw unwritable(path, error)
  }
}

async function readIdentity(path: string): Promise<StoredIdentity | undefined> {
  const file = join(path, IDENTITY_FILE)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new ProtocolError('DATA_DAMAGED', `cannot read ${file}: ${code}; check who owns it`, { cause: error })
  }
  return parseIdentity(file, text)
}

function parseIdentity(file: string, text: string): StoredIdentity {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  const version = versionSchema.safeParse(json)
  if (version.success && version.data.version > FORMAT_VERSION) {
    throw new ProtocolError(
      'DATA_VERSION',
      `${file} was made by a newer splitcast (format ${version.data.version}); upgrade this one`,
    )
  }
  const parsed = identitySchema.safeParse(json)
  if (parsed.success && parsed.data.check === checkOf(parsed.data)) return parsed.data
  throw new ProtocolError(
    'DATA_DAMAGED',
    `${file} is damaged; put it back from a backup, it holds this node's only keys`,
  )
}

/** A digit changed on the disk would else be another identity, which nobody knows. */
function checkOf({ kind, seed, proxySeed, accessCode }: StoredIdentity): string {
  const hash = createHash('sha256').update(kind).update(seed).update(proxySeed).update(accessCode)
  return hash.digest('hex').slice(0, 16)
}

async function createIdentity(path: string, kind: StoredIdentity['kind']): Promise<StoredIdentity> {
  const identity: StoredIdentity = {
    kind,
    seed: randomBytes(32),
    proxySeed: randomBytes(32),
    accessCode: randomBytes(2),
  }
  const json = {
    version: FORMAT_VERSION,
    kind,
    seed: toHex(identity.seed),
    proxySeed: toHex(identity.proxySeed),
    accessCode: toHex(identity.accessCode),
    check: checkOf(identity),
  }
  const made = await createFile(join(path, IDENTITY_FILE), `${JSON.stringify(json)}\n`)
  // Two processes may be first on a directory: both go on with the secrets of the one that was.
  return made ? identity : ((await readIdentity(path)) ?? identity)
}

/** Writes a file so that after a crash it is the old one or the new one, whole; readable by its user alone. */
export async function replaceFile(file: string, text: string): Promise<void> {
  try {
    await rename(await writeBeside(file, text), file)
    await syncDirectory(dirname(file))
  } catch (error) {
    throw unwritable(file, error)
  }
}

/** Writes a file that is not there yet; false, and nothing is changed, where it is. */
async function createFile(file: string, text: string): Promise<boolean> {
  try {
    const temporary = await writeBeside(file, text)
    try {
      await link(temporary, file)
      await syncDirectory(dirname(file))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    } finally {
      await rm(temporary, { force: true })
    }
  } catch (error) {
    throw unwritable(file, error)
  }
}

/** A durable file of a name of its own beside `file`; returns its path. */
async function writeBeside(file: string, text: string): Promise<string> {
  const temporary = `${file}.${toHex(randomBytes(4))}.new`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return temporary
}

/** A new name is durable once its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function unwritable(path: string, error: unknown): ProtocolError {
  const { code } = error as NodeJS.ErrnoException
  return new ProtocolError(
    'DATA_UNWRITABLE',
    `cannot write ${path} (${code}); check that it is a directory of yours with room`,
    {
      cause: error,
    },
  )
}
