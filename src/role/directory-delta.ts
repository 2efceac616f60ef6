/**
 * What a directory changes against one that its reader holds (PROTOCOL.md section 9.3). It carries no proof of its own: what
 * comes of it is the whole directory, which is checked as any other.
 */
import { toHex } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { Hashing } from '../crypto/crypto.js'
import { nodeIdOf } from '../group/identity.js'
import { directory as directoryFormat } from '../wire/directory.js'
import type { MessageOf } from '../wire/message.js'
import type { ProxyEntry } from './directory.js'
import type { VerifiedDirectory } from './server-link.js'

export type DirectoryDelta = MessageOf<'directoryDelta'>['value']

/**
 * The bytes of the directory that `delta` makes of `held`, still to be verified; `undefined` where it is made for another one or
 * leads past what a directory may list.
 */
export function mergeDelta(crypto: Hashing, held: VerifiedDirectory, delta: DirectoryDelta): Uint8Array | undefined {
  const parsed = directoryFormat.parse(held.encoded)
  if (!parsed.ok || delta.fromVersion !== held.version) return undefined
  const named = (entry: ProxyEntry) => [toHex(nodeIdOf(crypto, entry.identityKey)), entry] as const
  const entries = new Map(parsed.value.proxies.map(named))
  for (const { id } of delta.removed) entries.delete(toHex(id))
  for (const [id, entry] of delta.added.map(named)) entries.set(id, entry)
  if (entries.size > limits.proxies) return undefined
  const proxies = [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry)
  const { version, issuedAt, validUntil, sealingKeys, signature } = delta
  return directoryFormat.encode({ version, issuedAt, validUntil, sealingKeys, proxies, signature })
}
