/**
 * What an identity key says about its holder: its id, and that the key may be used at all (PROTOCOL.md section 1.3).
 */
import { type IdentityKey, identityKey, type NodeId, nodeId } from '../base/bytes.js'
import { labels } from '../base/labels.js'
import type { Hashing, Signing } from '../crypto/crypto.js'

const NODE_ID_BYTES = 8
const IDENTITY_KEY_BYTES = 32

/** The first 8 bytes of H("id" || identity key). */
export function nodeIdOf(crypto: Hashing, key: IdentityKey): NodeId {
  return nodeId(crypto.hash(labels.nodeId, key).slice(0, NODE_ID_BYTES))
}

/** The bytes as an identity key, or `undefined` where they are none, or one outside the prime-order subgroup. */
export function readIdentityKey(crypto: Signing, bytes: Uint8Array): IdentityKey | undefined {
  if (bytes.length !== IDENTITY_KEY_BYTES || crypto.identityPoint(bytes) === undefined) return undefined
  return identityKey(bytes)
}
