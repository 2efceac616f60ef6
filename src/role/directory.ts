/**
 * The directory: signed by CS, made of entries that each proxy signed for itself, and checked whole by whoever
 * reads it (PROTOCOL.md section 9). One bad entry refuses the directory: CS checked it before, so only a fault or a lie lets it in.
 */
import { compare, concat, equal, type IdentityKey, type NodeId, type Point, signature, toHex } from '../base/bytes.js'
import type { DropCode } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { Millis } from '../base/time.js'
import type { Crypto, Group255, Hashing, Identity, Signing } from '../crypto/crypto.js'
import { nodeIdOf } from '../group/identity.js'
import type { PeerAddress } from '../link/link.js'
import type { FormatValue } from '../wire/codec.js'
import { directory as directoryFormat, proxyEntry as proxyEntryFormat } from '../wire/directory.js'
import { numericAddress, peerAddress } from './addresses.js'
import type { PublishedKey } from './sealing-keys.js'
import type { ListedProxy, VerifiedDirectory } from './server-link.js'

export type ProxyEntry = FormatValue<typeof proxyEntryFormat>
type Directory = FormatValue<typeof directoryFormat>

export interface ProxyDescription {
  readonly issuedAt: Millis
  readonly sealingKeys: readonly PublishedKey[]
  /** Numeric. */
  readonly addresses: readonly PeerAddress[]
}

export interface DirectoryDraft {
  readonly version: number
  readonly issuedAt: Millis
  readonly validUntil: Millis
  readonly sealingKeys: readonly PublishedKey[]
  /** In any order. */
  readonly proxies: readonly ProxyEntry[]
}

export type DirectoryResult =
  | { readonly ok: true; readonly directory: VerifiedDirectory }
  | { readonly ok: false; readonly code: DropCode }

const SIGNATURE_BYTES = 64
const NO_SIGNATURE = signature(new Uint8Array(SIGNATURE_BYTES))

/** Throws `ENDPOINT_MALFORMED` where an address is not numeric. */
export function signProxyEntry(crypto: Signing, identity: Identity, description: ProxyDescription): ProxyEntry {
  const entry = {
    identityKey: identity.identityKey,
    issuedAt: description.issuedAt,
    sealingKeys: description.sealingKeys,
    addresses: description.addresses.map(numericAddress),
    signature: NO_SIGNATURE,
  }
  const signed = withoutSignature(proxyEntryFormat.encode(entry))
  return { ...entry, signature: crypto.sign(identity, labels.proxyEntry, signed) }
}

/** Whether the proxy itself signed the entry and everything in it can be used: keys, one a day, and numeric addresses. */
export function verifyProxyEntry(crypto: Signing & Group255, entry: ProxyEntry): boolean {
  if (entry.addresses.some((address) => peerAddress(address) === undefined)) return false
  if (crypto.linkPublicKey(entry.identityKey) === undefined) return false
  const signed = withoutSignature(proxyEntryFormat.encode(entry))
  return (
    crypto.verify(entry.identityKey, entry.signature, labels.proxyEntry, signed) &&
    usableKeys(crypto, entry.sealingKeys)
  )
}

/** The directory as bytes. */
export function signDirectory(crypto: Signing & Hashing, identity: Identity, draft: DirectoryDraft): Uint8Array {
  const byId = draft.proxies.map((entry) => ({ id: nodeIdOf(crypto, entry.identityKey), entry }))
  byId.sort((a, b) => compare(a.id, b.id))
  const proxies = byId.map(({ entry }) => entry)
  const signed = withoutSignature(directoryFormat.encode({ ...draft, proxies, signature: NO_SIGNATURE }))
  return concat(signed, crypto.sign(identity, labels.directory, signed))
}

/**
 * Checks a directory said to be signed by `serverKey`: signature, times against `now`, version not below `heldVersion`
 * (0 where none is held), and every proxy entry that does not stand in `held` just so. What is returned is a copy.
 */
export function verifyDirectory(
  crypto: Crypto,
  serverKey: IdentityKey,
  encoded: Uint8Array,
  now: Millis,
  heldVersion: number,
  held?: VerifiedDirectory,
): DirectoryResult {
  const kept = encoded.slice()
  const parsed = directoryFormat.parse(kept)
  if (!parsed.ok) return parsed
  const { value } = parsed
  if (!crypto.verify(serverKey, value.signature, labels.directory, withoutSignature(kept))) {
    return { ok: false, code: 'DIRECTORY_SIGNATURE' }
  }
  const code = timeCode(value, now, heldVersion)
  if (code !== undefined) return { ok: false, code }
  if (!usableKeys(crypto, value.sealingKeys)) return { ok: false, code: 'WIRE_VALUE' }
  const proxies = verifiedProxies(crypto, serverKey, value, held)
  if (proxies === undefined) return { ok: false, code: 'PROXY_ENTRY' }
  return {
    ok: true,
    directory: {
      version: value.version,
      issuedAt: value.issuedAt,
      validUntil: value.validUntil,
      serverSealingKeys: keysByDay(value.sealingKeys),
      proxies,
      encoded: kept,
      digest: crypto.hash(labels.directoryDigest, kept),
    },
  }
}

function timeCode(
  { version, issuedAt, validUntil }: Directory,
  now: Millis,
  heldVersion: number,
): DropCode | undefined {
  if (validUntil - issuedAt > limits.directoryLifeMs) return 'WIRE_LIMIT'
  if (now > validUntil || issuedAt > now + limits.clockSkewMs) return 'DIRECTORY_EXPIRED'
  return version < heldVersion ? 'DIRECTORY_ROLLBACK' : undefined
}

/** `undefined` where one is bad, stands out of order or twice, or is CS under another name. */
function verifiedProxies(
  crypto: Crypto,
  serverKey: IdentityKey,
  { proxies }: Directory,
  held: VerifiedDirectory | undefined,
): Map<string, ListedProxy> | undefined {
  const listed = new Map<string, ListedProxy>()
  let last: NodeId | undefined
  for (const entry of proxies) {
    const id = nodeIdOf(crypto, entry.identityKey)
    if (last !== undefined && compare(last, id) >= 0) return undefined
    if (equal(entry.identityKey, serverKey)) return undefined
    const proxy = verifiedProxy(crypto, id, entry, held?.proxies.get(toHex(id)))
    if (proxy === undefined) return undefined
    listed.set(toHex(id), proxy)
    last = id
  }
  return listed
}

/** The bytes of the entry that a listed proxy was verified from. */
const entriesOf = new WeakMap<ListedProxy, Uint8Array>()

/** A large directory takes seconds to check, and one proxy that changes its entry again and again makes new ones. */
function verifiedProxy(
  crypto: Crypto,
  id: NodeId,
  entry: ProxyEntry,
  held: ListedProxy | undefined,
): ListedProxy | undefined {
  const encoded = proxyEntryFormat.encode(entry)
  const verified = held && entriesOf.get(held)
  if (verified !== undefined && equal(verified, encoded)) return held
  const linkKey = crypto.linkPublicKey(entry.identityKey)
  if (linkKey === undefined || !verifyProxyEntry(crypto, entry)) return undefined
  const addresses = entry.addresses.flatMap((address) => peerAddress(address) ?? [])
  const proxy = { id, linkKey, addresses, sealingKeys: keysByDay(entry.sealingKeys) }
  entriesOf.set(proxy, encoded)
  return proxy
}

/** Every key decodes, is not the identity, and is the only one of its day. In a group of prime order 2P is the identity for P the identity alone. */
function usableKeys(crypto: Group255, keys: readonly PublishedKey[]): boolean {
  return keysByDay(keys).size === keys.length && keys.every(({ key }) => crypto.addPoints(key, key) !== undefined)
}

function keysByDay(keys: readonly PublishedKey[]): Map<number, Point> {
  return new Map(keys.map(({ day, key }) => [day, key]))
}

function withoutSignature(encoded: Uint8Array): Uint8Array {
  return encoded.subarray(0, encoded.length - SIGNATURE_BYTES)
}
