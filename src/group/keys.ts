/**
 * Keys of groups and invitations, derived from a group's secret and from a passphrase (PROTOCOL.md sections 1.3 and 8.2).
 */
import { type IdentityKey, type Key, key, type Point, type Scalar, utf8, wipe } from '../base/bytes.js'
import { labels } from '../base/labels.js'
import type { RandomBytes } from '../base/random.js'
import type { Group255, Hashing, Identity, Signing } from '../crypto/crypto.js'
import type { GroupKeys, SealingTarget } from './group.js'

const NO_SALT = new Uint8Array()
const KEY_BYTES = 32
/** Input of `reduce`: twice a scalar's length, so that the remainder is uniform. */
const WIDE_BYTES = 64
const PASSPHRASE_SALT_BYTES = 16

/** The secret of the day after: there is no way back from it. */
export function nextDaySecret(crypto: Hashing, secret: Key): Key {
  return key(crypto.hkdf(secret, NO_SALT, labels.nextDay, KEY_BYTES))
}

/** g, psk and G of a group's secret s of one day. */
export function groupKeys(crypto: Hashing & Group255, secret: Key): GroupKeys {
  const privateKey = derivedScalar(crypto, secret, labels.groupKey)
  const symmetric = key(crypto.hkdf(secret, NO_SALT, labels.groupSymmetric, KEY_BYTES))
  return { secret, privateKey, symmetric, publicPoint: crypto.publicPoint(privateKey) }
}

/** What both ends derive from a passphrase: its UTF-8 bytes in Unicode's form NFC, which keyboards do not agree on. */
export function passphraseBytes(text: string): Uint8Array {
  return utf8(text.normalize('NFC'))
}

/** The 16-byte Argon2id salt of an invitation: who is invited, and in which network. */
export function passphraseSalt(crypto: Hashing, target: IdentityKey, server: IdentityKey): Uint8Array {
  return crypto.hash(labels.passphraseSalt, target, server).slice(0, PASSPHRASE_SALT_BYTES)
}

/**
 * What stands in for a group's keys in an invitation: P = [p]B + D, a symmetric key, and the scalar p.
 * `derived` is 64 bytes of Argon2id. `undefined` where `target` is no identity key, or P would be the identity.
 */
export function invitationKeys(
  crypto: Hashing & Signing & Group255,
  derived: Uint8Array,
  target: IdentityKey,
): (Required<SealingTarget> & { readonly scalar: Scalar }) | undefined {
  const targetPoint = crypto.identityPoint(target)
  if (targetPoint === undefined) return undefined
  const scalar = derivedScalar(crypto, derived, labels.invitationKey)
  const publicPoint = crypto.addPoints(crypto.publicPoint(scalar), targetPoint)
  if (publicPoint === undefined) {
    wipe(scalar)
    return undefined
  }
  const symmetric = key(crypto.hkdf(derived, NO_SALT, labels.invitationSymmetric, KEY_BYTES))
  return { publicPoint, symmetric, scalar }
}

/** p + d, which opens what was sealed for P; only the invited device has d. */
export function invitationPrivateKey(crypto: Group255, scalar: Scalar, identity: Identity): Scalar {
  return crypto.addScalars(scalar, identity.secretScalar)
}

/** A point whose logarithm nobody knows any more: for where a key has to stand that nobody holds. */
export function unheldPoint(crypto: Pick<Group255, 'publicPoint' | 'reduce'>, random: RandomBytes): Point {
  const wide = random(WIDE_BYTES)
  const scalar = crypto.reduce(wide)
  const point = crypto.publicPoint(scalar)
  wipe(wide, scalar)
  return point
}

/** wide(HKDF(secret, "", label, 64)). */
function derivedScalar(crypto: Hashing & Group255, secret: Uint8Array, label: Uint8Array): Scalar {
  const wide = crypto.hkdf(secret, NO_SALT, label, WIDE_BYTES)
  const scalar = crypto.reduce(wide)
  wipe(wide)
  return scalar
}
