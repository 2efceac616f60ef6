/**
 * How an entry of the store stands on the disk: with a check behind its value, or sealed under the key that a passphrase
 * guards, name and value together. Each form has a range of names of its own, so that a store in the middle of a change
 * from one to the other is read aright, and the form is known by the name.
 */
import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { bigEndian, concat, equal, fromBigEndian, fromUtf8, utf8 } from '../base/bytes.js'
import type { AtRest } from '../crypto/at-rest.js'

export interface Entry {
  readonly key: string
  readonly value: Uint8Array
}

export interface EntryFormat {
  /** Names of this form begin with `from` or what is above it, and are below `to`. */
  readonly from: string
  readonly to: string
  /** Whether names stand in the order of the keys. */
  readonly ordered: boolean
  nameOf(key: string): string
  encode(entry: Entry): Uint8Array
  /** The entry, or `undefined` where a byte of it, or its name, was changed. */
  decode(name: string, stored: Uint8Array): Entry | undefined
}

const CHECK_BYTES = 8

/** Names as they were before entries had a check. */
export const bareEntries: EntryFormat = {
  from: ' ',
  to: '\u007f',
  ordered: true,
  nameOf: (key) => key,
  encode: ({ value }) => value,
  decode: (name, stored) => ({ key: name, value: stored }),
}

/**
 * The value, and 8 bytes of a hash of name and value: LevelDB has sums of its own, but does not look at those of its tables
 * when it reads.
 */
export const checkedEntries: EntryFormat = {
  from: '\u0001',
  to: '\u0002',
  ordered: true,
  nameOf: (key) => `\u0001${key}`,
  encode: ({ key, value }) => concat(value, checkOf(key, value)),
  decode(name, stored) {
    if (stored.length < CHECK_BYTES) return undefined
    const key = name.slice(1)
    const value = stored.subarray(0, stored.length - CHECK_BYTES)
    return equal(stored.subarray(value.length), checkOf(key, value)) ? { key, value } : undefined
  },
}

/**
 * The name is a keyed hash of the key, since keys name groups, senders and moments; key and value are sealed under it, so
 * entries cannot be changed, nor exchanged for one another. How many there are and how long they are still shows.
 */
export function sealedEntries(atRest: AtRest, dataKey: Uint8Array, store: string): EntryFormat {
  const nameKey = subkey(dataKey, `${store}/name`)
  const entryKey = subkey(dataKey, `${store}/entry`)
  const nameOf = (key: string) =>
    `\u0002${createHmac('sha256', nameKey).update(key).digest('hex').slice(0, NAME_DIGITS)}`
  return {
    from: '\u0002',
    to: '\u0003',
    ordered: false,
    nameOf,
    encode({ key, value }) {
      const keyBytes = utf8(key)
      return atRest.seal(entryKey, utf8(nameOf(key)), concat(bigEndian(keyBytes.length, 2), keyBytes, value))
    },
    decode(name, stored) {
      const opened = atRest.open(entryKey, utf8(name), stored)
      if (opened === undefined || opened.length < 2) return undefined
      const keyBytes = fromBigEndian(opened.subarray(0, 2))
      const key = fromUtf8(opened.subarray(2, 2 + keyBytes))
      return key === undefined ? undefined : { key, value: opened.subarray(2 + keyBytes) }
    },
  }
}

/** 32 bytes of HKDF-SHA256 (RFC 5869) of the data key, for one purpose. */
export function subkey(dataKey: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', dataKey, '', `splitcast/rest/${purpose}`, KEY_BYTES))
}

const KEY_BYTES = 32
/** 128 bits of the keyed hash. */
const NAME_DIGITS = 32

function checkOf(key: string, value: Uint8Array): Uint8Array {
  return createHash('sha256').update(`${key}\0`).update(value).digest().subarray(0, CHECK_BYTES)
}
