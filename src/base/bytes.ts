/**
 * Byte strings: the brands that say what a string of bytes is, and the few operations every layer needs.
 * A brand has one constructor, which checks; after it no one checks again (PROTOCOL.md section 1).
 * Owns no protocol knowledge beyond lengths.
 */
import { assert } from './assert.js'
import { ProtocolError } from './errors.js'

declare const brand: unique symbol
/** A byte string known to be what `Name` says. */
export type Branded<Name extends string> = Uint8Array & { readonly [brand]: Name }

/** 8 bytes: the first 8 of H("splitcast/id" || identity key). */
export type NodeId = Branded<'NodeId'>
/** 32 bytes: an Ed25519 public key in the prime-order subgroup (RFC 8032, checked where it is read). */
export type IdentityKey = Branded<'IdentityKey'>
/** 32 bytes: a canonical ristretto255 encoding (RFC 9496), not the identity once checked by the crypto core. */
export type Point = Branded<'Point'>
/** 32 bytes, little endian, below the group order l (RFC 9496 section 4.4). */
export type Scalar = Branded<'Scalar'>
/** 32 bytes of uniformly random or derived key material. */
export type Key = Branded<'Key'>
/** 32 bytes of SHA-256 output (FIPS 180-4). */
export type Digest = Branded<'Digest'>
/** 64 bytes: an Ed25519 signature (RFC 8032). */
export type Signature = Branded<'Signature'>
/** 8 bytes: 48-bit Unix milliseconds, big endian, then 16 random bits. */
export type MessageId = Branded<'MessageId'>
/** 8 bytes: the first 8 of H("splitcast/gi" || creator's identity key || time of its record). Fixed for a group's life. */
export type GroupId = Branded<'GroupId'>

function sized<Name extends string>(name: Name, lengthBytes: number) {
  return (bytes: Uint8Array): Branded<Name> => {
    if (bytes.length !== lengthBytes) {
      throw new ProtocolError('BYTES_LENGTH', `${name} takes ${lengthBytes} bytes, got ${bytes.length}`)
    }
    return bytes as Branded<Name>
  }
}

export const nodeId = sized('NodeId', 8)
export const identityKey = sized('IdentityKey', 32)
export const point = sized('Point', 32)
export const scalar = sized('Scalar', 32)
export const key = sized('Key', 32)
export const digest = sized('Digest', 32)
export const signature = sized('Signature', 64)
export const messageId = sized('MessageId', 8)
export const groupId = sized('GroupId', 8)

/** Joins byte strings into a new one. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let lengthBytes = 0
  for (const part of parts) lengthBytes += part.length
  const joined = new Uint8Array(lengthBytes)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Compares public byte strings; leaks where they differ. Secrets go through `equalConstantTime`. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Compares two byte strings of equal length in time that depends on the length alone. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}

/** Orders byte strings as unsigned numbers of equal length; shorter ones first where one is a prefix. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const order = (a[i] as number) - (b[i] as number)
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** Overwrites secrets once they are no longer needed. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0)
}

const HEX_DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))
/** Bytes whose digits are made into a string at once: a call takes no more arguments than a stack holds. */
const HEX_STEP_BYTES = 4096

/** Lower-case hexadecimal, for map keys, logs and people. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.length > HEX_STEP_BYTES) {
    return toHex(bytes.subarray(0, HEX_STEP_BYTES)) + toHex(bytes.subarray(HEX_STEP_BYTES))
  }
  const codes: number[] = []
  for (const byte of bytes) codes.push(HEX_DIGITS[byte >> 4] as number, HEX_DIGITS[byte & 15] as number)
  // All at once: a string that is put together digit by digit is kept in its pieces, twenty times as large, and most are kept.
  return String.fromCharCode(...codes)
}

/** Bytes of a hexadecimal text; throws `HEX_MALFORMED` for anything else. */
export function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/i.test(text))
    throw new ProtocolError('HEX_MALFORMED', 'not an even number of hexadecimal digits')
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

const encoder = new TextEncoder()
// Keeps a byte order mark: a text and its bytes stand for each other exactly.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Text of UTF-8 bytes, or `undefined` where they are not valid UTF-8. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** `value` as big-endian bytes; a non-negative safe integer that fits is asserted. */
export function bigEndian(value: number, lengthBytes: number): Uint8Array {
  assert(
    Number.isSafeInteger(value) && value >= 0 && value < 256 ** lengthBytes,
    `a number that fits ${lengthBytes} bytes`,
  )
  const bytes = new Uint8Array(lengthBytes)
  let rest = value
  for (let i = lengthBytes - 1; i >= 0; i--) {
    bytes[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return bytes
}

/** The number that the first four bytes stand for, big endian. By hand: it runs for every packet, and a DataView costs an allocation. */
export function uint32(bytes: Uint8Array): number {
  const [a, b, c, d] = [bytes[0] as number, bytes[1] as number, bytes[2] as number, bytes[3] as number]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

/** The number that up to six big-endian bytes stand for. */
export function fromBigEndian(bytes: Uint8Array): number {
  assert(bytes.length <= 6, 'a number of at most six bytes')
  let value = 0
  for (const byte of bytes) value = value * 256 + byte
  return value
}
