/**
 * Every hash, key, nonce and signature has its own 12-byte ASCII context, so that a value made for one purpose
 * is worthless for another (PROTOCOL.md section 1.2). A label is said here once and nowhere else.
 */
import { utf8 } from './bytes.js'

function label(purpose: string): Uint8Array {
  return utf8(`splitcast/${purpose}`)
}

export const labels = {
  /** Hash: node id from identity key. */
  nodeId: label('id'),
  /** AEAD nonce: request sealed to P2. */
  request: label('rq'),
  /** AEAD nonce: copy sealed to CS. */
  copy: label('cp'),
  /** AEAD nonce: payload scrambled with the one-time group pair. */
  scramble: label('sc'),
  /** AEAD nonce: content sealed for the group. */
  content: label('ct'),
  /** ChaCha20 nonce: slot offsets t_i. */
  slotOffset: label('ts'),
  /** ChaCha20 nonce: scramble scalars e_i. */
  scrambleScalar: label('es'),
  /** ChaCha20 nonce: P2's own scalars for sealing copies to CS. */
  copyScalar: label('os'),
  /** ChaCha20 nonce: slot key and receipt key from k_i. */
  slotKeys: label('sk'),
  /** Hash: receipt token. */
  receipt: label('rc'),
  /** KDF: group private key. */
  groupKey: label('gk'),
  /** KDF: group symmetric secret. */
  groupSymmetric: label('gp'),
  /** KDF: a day's group secret to the next day's. */
  nextDay: label('nd'),
  /** Hash: what an epoch statement says of its secret. */
  epochSecret: label('ec'),
  /** Hash: an epoch's tag, from its statement. */
  epochTag: label('et'),
  /** Signature: epoch statement. */
  epochStatement: label('ep'),
  /** AEAD nonce: personal part of a rekey. */
  personalPart: label('kp'),
  /** KDF: what covers a personal part on its way. */
  partCover: label('pm'),
  /** Hash: departures that an epoch leaves out. */
  departuresDigest: label('de'),
  /** Hash: group id from the creator's key and time. */
  groupId: label('gi'),
  /** Hash: member list digest. */
  listDigest: label('ld'),
  /** Hash: Argon2id salt. */
  passphraseSalt: label('pp'),
  /** KDF: invitation scalar p. */
  invitationKey: label('ik'),
  /** KDF: invitation symmetric secret. */
  invitationSymmetric: label('ip'),
  /** Signature: message content. */
  messageSignature: label('ms'),
  /** Signature: invitation. */
  invitationSignature: label('iv'),
  /** Signature: content for one member alone. */
  personalSignature: label('pc'),
  /** Signature: departure. */
  departure: label('dp'),
  /** Signature: member record. */
  memberRecord: label('mr'),
  /** Signature: directory. */
  directory: label('dr'),
  /** Hash: directory digest. */
  directoryDigest: label('dd'),
  /** Signature: proxy entry. */
  proxyEntry: label('px'),
  /** Signature: identity proof on a link. */
  identityProof: label('lp'),
  /** Hash: link handshake prologue. */
  linkPrologue: label('l1'),
  /** Hash: first-message MAC key. */
  linkMac: label('lm'),
  /** Hash: cookie key. */
  linkCookie: label('lc'),
  /** KDF: packet protection key. */
  packetKey: label('lk'),
  /** KDF: packet number mask key. */
  packetMask: label('lh'),
  /** KDF: keys that follow the handshake's. */
  rekey: label('lr'),
  /** KDF: what reset tokens are made of. */
  reset: label('lt'),
  /** Hash: keyed record of slots already accepted by CS. */
  slotReplay: label('sr'),
} as const

export type Label = keyof typeof labels
