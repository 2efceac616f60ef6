/**
 * Devices and groups for the tests of this folder, over the implementation of cryptography that runs.
 */
import { type Digest, digest, type IdentityKey, type NodeId } from '../../src/base/bytes.js'
import type { RandomBytes } from '../../src/base/random.js'
import type { Millis } from '../../src/base/time.js'
import type { Crypto, Identity } from '../../src/crypto/crypto.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import {
  type ContentToSeal,
  newMessageId,
  openContent,
  openPersonalContent,
  sealContent,
  verifyGroupContent,
  verifyPersonalContent,
} from '../../src/group/content.js'
import type { Received } from '../../src/group/convergence.js'
import type { Group, Opened, VerifiedContent, VerifiedInvitation } from '../../src/group/group.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { invitationKeys, invitationPrivateKey, passphraseSalt } from '../../src/group/keys.js'
import { createGroup, inviteMember, joinGroup, readInvitation, receiveContent } from '../../src/group/membership.js'
import { personalBody } from '../../src/wire/content.js'
import { present } from '../base/present.js'
import { seeded } from '../base/seeded.js'

export { present }

export const crypto: Crypto = await loadCrypto()

export const now: Millis = Date.UTC(2026, 5, 1, 12)
export const directoryDigest: Digest = digest(new Uint8Array(32).fill(7))
/** The least that Argon2id takes; what it derives is used like any other. */
const cheap = { passes: 1, memoryBytes: 8192 }

export interface TestDevice {
  readonly identity: Identity
  readonly id: NodeId
  readonly self: NodeId
  readonly accessCode: Uint8Array
}

export function makeDevice(random: RandomBytes): TestDevice {
  const identity = crypto.identity(random(32))
  const id = nodeIdOf(crypto, identity.identityKey)
  return { identity, id, self: id, accessCode: random(2) }
}

/** Any other identity key will do as the server's: it salts passphrases. */
export const server: IdentityKey = crypto.identity(new Uint8Array(32).fill(1)).identityKey

export function derive(passphrase: string, target: IdentityKey, network: IdentityKey = server): Uint8Array {
  return crypto.argon2id(new TextEncoder().encode(passphrase), passphraseSalt(crypto, target, network), cheap)
}

/** A content for the group, as `sender` seals it unless told otherwise. */
export function sealFor(
  group: Group,
  sender: TestDevice,
  random: RandomBytes,
  changes: Partial<ContentToSeal> = {},
): Uint8Array {
  return sealContent(crypto, random, {
    identity: sender.identity,
    sender: sender.id,
    signedFor: { type: 'group', id: group.id, keys: group.keys },
    messageId: newMessageId(random, now),
    kind: 'application',
    body: new TextEncoder().encode('hello'),
    paddingBytes: 0,
    ...changes,
  })
}

/** What is sealed and kept when `inviter` invites `newcomer`. */
export function invite(
  group: Group,
  inviter: TestDevice,
  newcomer: TestDevice,
  random: RandomBytes,
  passphrase = 'correct horse battery staple',
  changes: Partial<ContentToSeal> = {},
  at: Millis = now,
): { group: Group; content: Uint8Array; body: Uint8Array } {
  const { identityKey } = newcomer.identity
  const { accessCode } = newcomer
  const invited = inviteMember(crypto, group, {
    ...inviter,
    newcomer: identityKey,
    accessCode,
    now: at,
    directoryDigest,
  })
  const keys = present(invitationKeys(crypto, derive(passphrase, identityKey), identityKey))
  const signedFor = { type: 'invitation', keys } as const
  const content = sealFor(group, inviter, random, { signedFor, kind: 'invitation', body: invited.body, ...changes })
  return { group: invited.group, content, body: invited.body }
}

/** Tries a passphrase on the content of an invitation, as the invited device does. */
export function tryPassphrase(
  newcomer: TestDevice,
  content: Uint8Array,
  passphrase = 'correct horse battery staple',
  at: Millis = now,
): Opened<VerifiedInvitation> {
  const keys = present(
    invitationKeys(crypto, derive(passphrase, newcomer.identity.identityKey), newcomer.identity.identityKey),
  )
  const privateKey = invitationPrivateKey(crypto, keys.scalar, newcomer.identity)
  return readInvitation(crypto, { ...keys, privateKey }, newcomer, content, at)
}

/** A group with all devices in it, as the first holds it: it created the group and invited the others. */
export function foundGroup(devices: readonly TestDevice[], random: RandomBytes): Group {
  const [creator, ...others] = devices as [TestDevice, ...TestDevice[]]
  let group = createGroup(crypto, random, { ...creator, name: 'friends', now })
  for (const newcomer of others) {
    const invited = invite(group, creator, newcomer, random)
    const read = taken(tryPassphrase(newcomer, invited.content))
    const { send } = joinGroup(crypto, read, { name: 'friends', now })
    const content = sealPersonalFor(group, newcomer, creator, random, send)
    group = receive(invited.group, creator, taken(openFor(invited.group, creator, content)), now).group
  }
  return group
}

/** A content for one member alone, of any group. */
export function sealPersonalFor(
  { id }: Pick<Group, 'id'>,
  sender: TestDevice,
  recipient: TestDevice,
  random: RandomBytes,
  { kind, body }: Pick<ContentToSeal, 'kind' | 'body'>,
  changes: Partial<ContentToSeal> = {},
): Uint8Array {
  const { identityKey } = recipient.identity
  const keys = { publicPoint: present(crypto.identityPoint(identityKey)) }
  return sealContent(crypto, random, {
    identity: sender.identity,
    sender: sender.id,
    signedFor: { type: 'personal', id, recipient: identityKey, keys },
    messageId: newMessageId(random, now),
    kind,
    body: personalBody.encode({ groupId: id, body }),
    paddingBytes: 0,
    ...changes,
  })
}

/** Opens a content as a device does, with all keys of the group that it holds and its own. */
export function openFor(
  group: Group,
  device: TestDevice,
  content: Uint8Array,
  personalPart?: Uint8Array,
): Opened<VerifiedContent> {
  for (const keys of group.live) {
    const parsed = openContent(crypto, keys, content)
    const { publicPoint, epoch } = keys
    if (parsed) return verifyGroupContent(crypto, group, { parsed, publicPoint, epoch: epoch.tag }, personalPart)
  }
  const personal = openPersonalContent(crypto, device.identity, content)
  if (personal === undefined) return { ok: false, code: 'MESSAGE_CONTENT' }
  return verifyPersonalContent(crypto, group, device.identity.identityKey, personal)
}

const draws = seeded()

/** What a device makes of a content. */
export function receive(group: Group, device: TestDevice, content: VerifiedContent, at: Millis = now): Received {
  return receiveContent(crypto, draws, group, device, content, at)
}

export function taken<T>(opened: Opened<T>): T {
  if (!opened.ok) throw new Error(`not opened: ${opened.code}`)
  return opened.value
}

export function codeOf(opened: Opened<VerifiedContent | VerifiedInvitation>): string {
  return opened.ok ? 'opened' : opened.code
}

export function flipped(bytes: Uint8Array, index: number, bit = 0): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed[index] = (changed[index] as number) ^ (1 << bit)
  return changed
}
