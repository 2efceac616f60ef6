/**
 * A random key under a passphrase: Argon2id (RFC 9106) makes of the passphrase what seals the key. What it cost stands beside
 * it, so it can be raised later; another passphrase means another wrapping, of the same key.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { fromHex, toHex, utf8, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type AtRest, SEAL_BYTES } from '../crypto/at-rest.js'
import type { PassphraseCost } from '../crypto/crypto.js'
import { passphraseBytes } from '../group/keys.js'
import { deriveOnce } from './derive.js'
import { checkStrength } from './strength.js'

/** libsodium's "moderate": under a second on a machine of today, and 256 MiB for each guess. */
const WRAP_COST: PassphraseCost = { passes: 3, memoryBytes: 256 * 2 ** 20 }
/** What is read from a file may not ask for more. */
const MAX_COST: PassphraseCost = { passes: 64, memoryBytes: 2 ** 30 }
const MIN_MEMORY_BYTES = 8192

const SALT_BYTES = 16
const KEY_BYTES = 32

const hex = (lengthBytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * lengthBytes}}$`))

export const wrappedKeySchema = z.object({
  kdf: z.literal('argon2id'),
  passes: z.number().int().min(1).max(MAX_COST.passes),
  memoryBytes: z.number().int().min(MIN_MEMORY_BYTES).max(MAX_COST.memoryBytes),
  salt: hex(SALT_BYTES),
  key: hex(KEY_BYTES + SEAL_BYTES),
})
/** As it stands in a file, in JSON. */
export type WrappedKey = z.output<typeof wrappedKeySchema>

/** A new key for data at rest. */
export function newDataKey(): Uint8Array {
  return randomBytes(KEY_BYTES)
}

/** Puts a 32-byte key under a passphrase, which `checkPassphrase` has found good enough. Slow on purpose. */
export async function wrapKey(
  atRest: AtRest,
  key: Uint8Array,
  passphrase: string,
  cost: PassphraseCost = WRAP_COST,
): Promise<WrappedKey> {
  const salt = toHex(randomBytes(SALT_BYTES))
  const header = { kdf: 'argon2id', passes: cost.passes, memoryBytes: cost.memoryBytes, salt } as const
  const wrapping = await wrappingKey(header, passphrase)
  try {
    return { ...header, key: toHex(atRest.seal(wrapping, associatedOf(header), key)) }
  } finally {
    wipe(wrapping)
  }
}

/** The key, or `undefined` where the passphrase is another. */
export async function unwrapKey(
  atRest: AtRest,
  wrapped: WrappedKey,
  passphrase: string,
): Promise<Uint8Array | undefined> {
  const wrapping = await wrappingKey(wrapped, passphrase)
  try {
    return atRest.open(wrapping, associatedOf(wrapped), fromHex(wrapped.key))
  } finally {
    wipe(wrapping)
  }
}

/** Rejects with PASSPHRASE_WEAK for a passphrase that is too long, or easy to guess. */
export async function checkPassphrase(passphrase: string): Promise<void> {
  const { length } = passphraseBytes(passphrase)
  if (length > limits.passphraseMaxBytes) {
    throw new ProtocolError(
      'PASSPHRASE_WEAK',
      `a passphrase has at most ${limits.passphraseMaxBytes} bytes, this one ${length}`,
    )
  }
  await checkStrength(passphrase)
}

type Header = Omit<WrappedKey, 'key'>

async function wrappingKey({ passes, memoryBytes, salt }: Header, passphrase: string): Promise<Uint8Array> {
  const bytes = passphraseBytes(passphrase)
  const deriving = deriveOnce(bytes, fromHex(salt), { passes, memoryBytes })
  // The thread has a copy of its own by now.
  wipe(bytes)
  const derived = await deriving
  const wrapping = derived.slice(0, KEY_BYTES)
  wipe(derived)
  return wrapping
}

function associatedOf({ kdf, passes, memoryBytes, salt }: Header): Uint8Array {
  return utf8(`splitcast/rest/key ${kdf} ${passes} ${memoryBytes} ${salt}`)
}
