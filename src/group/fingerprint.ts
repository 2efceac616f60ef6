/**
 * A member list or a directory as words that two people can read to each other (PROTOCOL.md sections 8.1 and 9.7): equal
 * words, equal lists.
 */
import { wordlist } from '@scure/bip39/wordlists/english.js'
import type { Digest } from '../base/bytes.js'

/** 132 bits: a member that makes two lists to show different people has to try about 2^66 of its own records for a match. */
const WORDS = 12
const WORD_BITS = 11

/** The first 132 bits of a digest as twelve words of the BIP39 list in English. */
export function fingerprintOf(digest: Digest): string {
  const bits = [...digest].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const indices = Array.from({ length: WORDS }, (_, i) => bits.slice(i * WORD_BITS, (i + 1) * WORD_BITS))
  return indices.map((index) => wordlist[Number.parseInt(index, 2)]).join(' ')
}
