/**
 * The secrets a data directory is made with, in one file: in the open with a check, or sealed under a data key that a
 * passphrase guards. One file, so that a passphrase is set, changed or removed in one step that a crash cannot halve.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { concat, fromHex, toHex, utf8, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { type AtRest, SEAL_BYTES } from '../crypto/at-rest.js'
import { subkey } from './entries.js'
import { type WrappedKey, wrappedKeySchema } from './wrapped-key.js'

export const IDENTITY_FILE = 'identity.json'
const OPEN_VERSION = 1
const SEALED_VERSION = 2
const SEED_BYTES = 32
const ACCESS_CODE_BYTES = 2
const SECRET_BYTES = 2 * SEED_BYTES + ACCESS_CODE_BYTES

/** What kind of process a directory belongs to. */
export type DataKind = 'node' | 'server'

/** The secrets a data directory is made with. */
export interface StoredIdentity {
  readonly kind: DataKind
  /** Seed of the device's or the server's identity. */
  readonly seed: Uint8Array
  /** Seed of the identity this node has as a proxy: another one, so that the directory does not tell where a device is. */
  readonly proxySeed: Uint8Array
  readonly accessCode: Uint8Array
}

/** The file as it stands; `text` tells whether it is still the same. */
export type IdentityFile =
  | { readonly sealed: false; readonly kind: DataKind; readonly identity: StoredIdentity; readonly text: string }
  | {
      readonly sealed: true
      readonly kind: DataKind
      readonly wrapped: WrappedKey
      readonly secrets: Uint8Array
      /** Whether entries of the stores are on their way into or out of the sealed form. */
      readonly moving: boolean
      readonly text: string
    }

const hexBytes = (lengthBytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${2 * lengthBytes}}$`))
    .transform(fromHex)

const kind = z.enum(['node', 'server'])
const versionSchema = z.object({ version: z.number().int() })
const openSchema = z.object({
  version: z.literal(OPEN_VERSION),
  kind,
  seed: hexBytes(SEED_BYTES),
  proxySeed: hexBytes(SEED_BYTES),
  accessCode: hexBytes(ACCESS_CODE_BYTES),
  check: z.string(),
})
const sealedSchema = z.object({
  version: z.literal(SEALED_VERSION),
  kind,
  passphrase: wrappedKeySchema,
  secrets: hexBytes(SECRET_BYTES + SEAL_BYTES),
  moving: z.literal(true).optional(),
  check: z.string(),
})

/** Secrets that nobody has had before. */
export function newIdentity(kind: DataKind): StoredIdentity {
  return {
    kind,
    seed: randomBytes(SEED_BYTES),
    proxySeed: randomBytes(SEED_BYTES),
    accessCode: randomBytes(ACCESS_CODE_BYTES),
  }
}

/** The file's text for secrets that no passphrase guards. */
export function openText(identity: StoredIdentity): string {
  const { kind, seed, proxySeed, accessCode } = identity
  return textOf({
    version: OPEN_VERSION,
    kind,
    seed: toHex(seed),
    proxySeed: toHex(proxySeed),
    accessCode: toHex(accessCode),
    check: checkOf(kind, seed, proxySeed, accessCode),
  })
}

/**
 * The file's text for secrets under a data key, and for the passphrase around that. `moving` says that a store may hold open
 * entries, since its entries are being brought from one form into the other; it is sealed with the secrets, so that nobody
 * else has open entries taken over.
 */
export function sealedText(
  atRest: AtRest,
  identity: StoredIdentity,
  dataKey: Uint8Array,
  wrapped: WrappedKey,
  moving = false,
): string {
  const { kind, seed, proxySeed, accessCode } = identity
  const together = concat(seed, proxySeed, accessCode)
  const key = secretsKey(dataKey)
  const secrets = atRest.seal(key, associatedOf(kind, moving), together)
  wipe(together, key)
  const check = checkOf(kind, utf8(JSON.stringify(wrapped)), secrets)
  return textOf({
    version: SEALED_VERSION,
    kind,
    passphrase: wrapped,
    secrets: toHex(secrets),
    ...(moving && { moving }),
    check,
  })
}

/** The secrets, or `undefined` where they are not sealed under this key. */
export function openSecrets(
  atRest: AtRest,
  file: IdentityFile & { readonly sealed: true },
  dataKey: Uint8Array,
): StoredIdentity | undefined {
  const key = secretsKey(dataKey)
  const opened = atRest.open(key, associatedOf(file.kind, file.moving), file.secrets)
  wipe(key)
  return (
    opened && {
      kind: file.kind,
      seed: opened.subarray(0, SEED_BYTES),
      proxySeed: opened.subarray(SEED_BYTES, 2 * SEED_BYTES),
      accessCode: opened.subarray(2 * SEED_BYTES),
    }
  )
}

/** The file of a directory, `undefined` where there is none. Throws DATA_DAMAGED or DATA_VERSION. */
export async function readIdentityFile(path: string): Promise<IdentityFile | undefined> {
  const file = join(path, IDENTITY_FILE)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new ProtocolError('DATA_DAMAGED', `cannot read ${file}: ${code}; check who owns it`, { cause: error })
  }
  return parse(file, text)
}

function parse(file: string, text: string): IdentityFile {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // Neither form then, which is said below.
    json = undefined
  }
  const version = versionSchema.safeParse(json)
  if (version.success && version.data.version > SEALED_VERSION) {
    throw new ProtocolError(
      'DATA_VERSION',
      `${file} was made by a newer splitcast (format ${version.data.version}); upgrade this one`,
    )
  }
  const found = parseOpen(json, text) ?? parseSealed(json, text)
  if (found !== undefined) return found
  throw new ProtocolError(
    'DATA_DAMAGED',
    `${file} is damaged; put it back from a backup, it holds this node's only keys`,
  )
}

function parseOpen(json: unknown, text: string): IdentityFile | undefined {
  const parsed = openSchema.safeParse(json)
  if (!parsed.success) return undefined
  const { kind, seed, proxySeed, accessCode, check } = parsed.data
  if (check !== checkOf(kind, seed, proxySeed, accessCode)) return undefined
  return { sealed: false, kind, identity: { kind, seed, proxySeed, accessCode }, text }
}

function parseSealed(json: unknown, text: string): IdentityFile | undefined {
  const parsed = sealedSchema.safeParse(json)
  if (!parsed.success) return undefined
  const { kind, passphrase, secrets, moving = false, check } = parsed.data
  if (check !== checkOf(kind, utf8(JSON.stringify(passphrase)), secrets)) return undefined
  return { sealed: true, kind, wrapped: passphrase, secrets, moving, text }
}

/** A digit changed on the disk would else be another identity, which nobody knows, or a passphrase that is always wrong. */
function checkOf(kind: DataKind, ...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256').update(kind)
  for (const part of parts) hash.update(part)
  return hash.digest('hex').slice(0, 16)
}

function associatedOf(kind: DataKind, moving: boolean): Uint8Array {
  return utf8(moving ? `${kind}/moving` : kind)
}

function secretsKey(dataKey: Uint8Array): Uint8Array {
  return subkey(dataKey, 'identity')
}

function textOf(json: unknown): string {
  return `${JSON.stringify(json)}\n`
}
