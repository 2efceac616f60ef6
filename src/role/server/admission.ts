/**
 * Whether somebody who says who they are is believed and let in: the proof must fit this link's handshake, a device's id must
 * be bound to its key, a proxy must be one that is admitted (PROTOCOL.md section 9.1).
 */
import { equal, identityKey, toHex } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { labels } from '../../base/labels.js'
import type { Crypto } from '../../crypto/crypto.js'
import { nodeIdOf } from '../../group/identity.js'
import type { SessionId } from '../../link/link.js'
import { sourceOf } from '../../link/sources.js'
import { roles } from '../../wire/message.js'
import type { Write } from '../role.js'
import type { ServerOptions } from '../server.js'
import type { Devices } from './devices.js'
import type { IdentityProof, Proven, Sessions } from './sessions.js'

export type Admitted =
  | { readonly ok: true; readonly proven: Proven; readonly writes: readonly Write[] }
  | { readonly ok: false; readonly code: DropCode }

/** The id that decoys are addressed to. */
const NO_ID = '0000000000000000'

export class Admission {
  private readonly options: ServerOptions
  private readonly sessions: Sessions
  private readonly devices: Devices
  private readonly ownId: string

  constructor(options: ServerOptions, sessions: Sessions, devices: Devices) {
    this.options = options
    this.sessions = sessions
    this.devices = devices
    this.ownId = toHex(options.self.id)
  }

  /** Whether a proxy of this id may be listed. */
  admits(id: string): boolean {
    const { admitted } = this.options
    return admitted === 'open' || admitted.has(id)
  }

  /** Judges a proof. Who proves again on one link may bring another access code, never another identity. */
  admit(session: SessionId, handshakeHash: Uint8Array, proof: IdentityProof): Admitted {
    const { crypto } = this.options
    const before = this.sessions.get(session)
    if (before?.phase === 'proven' && !isSame(before, proof)) return { ok: false, code: 'LINK_IDENTITY' }
    if (!fitsLink(crypto, handshakeHash, proof)) return { ok: false, code: 'LINK_IDENTITY' }
    const idBytes = nodeIdOf(crypto, proof.identityKey)
    // Copies what is kept: what was parsed borrows from the message it came in.
    const key = identityKey(proof.identityKey.slice())
    const host = before?.host ?? ''
    const proven = {
      phase: 'proven',
      session,
      role: proof.role,
      id: toHex(idBytes),
      idBytes,
      identityKey: key,
      host,
      network: sourceOf(host).network,
    } as const
    const connected = this.sessions.of(proven.id)
    const taken = connected !== undefined && !isSame(connected, proof)
    if (taken || proven.id === NO_ID || proven.id === this.ownId) return { ok: false, code: 'IDENTITY_TAKEN' }
    return proof.role === 'device' ? this.device(proven, proof) : this.proxy(proven)
  }

  private device(proven: Proven, proof: IdentityProof): Admitted {
    const bound = this.devices.bind(proven.id, proof)
    return bound.ok ? { ok: true, proven, writes: bound.writes } : bound
  }

  private proxy(proven: Proven): Admitted {
    return this.admits(proven.id) ? { ok: true, proven, writes: [] } : { ok: false, code: 'PROXY_NOT_ADMITTED' }
  }
}

function isSame(held: Proven, proof: IdentityProof): boolean {
  return held.role === proof.role && equal(held.identityKey, proof.identityKey)
}

/** Whether a proof was made by its key, for this very handshake. */
function fitsLink(crypto: Crypto, handshakeHash: Uint8Array, proof: IdentityProof): boolean {
  const { role, identityKey: key, accessCode, signature } = proof
  return crypto.verify(key, signature, labels.identityProof, handshakeHash, Uint8Array.of(roles[role]), key, accessCode)
}
