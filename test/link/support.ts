/** What link tests run on: the cryptography that runs, and small helpers. */
import type { Crypto } from '../../src/crypto/crypto.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import type { ParseResult } from '../../src/wire/codec.js'

export { present } from '../base/present.js'

export const crypto: Crypto = await loadCrypto()

/** The value of a parse that must have succeeded. */
export function parsed<T>(result: ParseResult<T>): T {
  if (!result.ok) throw new Error(result.code)
  return result.value
}

/** Bytes that differ from place to place and from message to message. */
export function pattern(lengthBytes: number, salt = 0): Uint8Array {
  const bytes = new Uint8Array(lengthBytes)
  for (let i = 0; i < lengthBytes; i++) bytes[i] = i * 31 + (i >> 8) + salt * 7
  return bytes
}
