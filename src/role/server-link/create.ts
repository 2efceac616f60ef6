/**
 * The machine behind server-link.ts: one session to CS at a time, the identity proved on it, the directory asked for
 * and asked for again before it runs out, and a jittered, growing wait after each loss (PROTOCOL.md sections 9 and 10).
 * It sends on the endpoint it is handed and sees the endpoint's outputs; it owns no socket and no clock.
 */
import { assert } from '../../base/assert.js'
import type { Key } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { labels } from '../../base/labels.js'
import { randomBelow } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { LinkEndpoint, LinkOutput, MessageNumber, PeerAddress, SessionId } from '../../link/link.js'
import { directory as directoryFormat } from '../../wire/directory.js'
import { encodeMessage, type Message, type RoleName, roles } from '../../wire/message.js'
import { fromTurn } from '../addresses.js'
import { type DirectoryResult, verifyDirectory } from '../directory.js'
import { type DirectoryDelta, mergeDelta } from '../directory-delta.js'
import type { RoleContext, Self, ServerContact } from '../role.js'
import type { ServerConnection, ServerLink, ServerLinkEvent, VerifiedDirectory } from '../server-link.js'

export interface ServerLinkOptions {
  readonly context: RoleContext
  /** The role's endpoint; the role hands on its outputs and polls it. */
  readonly endpoint: LinkEndpoint
  readonly server: ServerContact
  readonly self: Self
  readonly role: RoleName
  /** 2 bytes; zero for a proxy. */
  readonly accessCode: Uint8Array
}

/** Throws `NETWORK_CARD_MALFORMED` where the server's key is no identity key or it has no address. */
export function createServerLink(options: ServerLinkOptions): ServerLink {
  return new Connector(options)
}

/** Waits between attempts: doubled from the first to the last, each shortened by up to half at random. */
const FIRST_WAIT_MS = 500
const LAST_WAIT_MS = 30_000
/** A session that lasted this long was a good one, even where the server had nothing to say on it. */
const SETTLED_MS = 10_000
/** Until there is an answer to a directory request, and between requests that bring nothing newer. */
const ASK_AGAIN_MS = 5_000
const RENEW_AGAIN_MS = 60_000
/** Part of a directory's life after which a newer one is asked for. */
const RENEW_AFTER = 3 / 4
const NO_BASE: DirectoryResult = { ok: false, code: 'DIRECTORY_DELTA' }

type State =
  | { readonly phase: 'idle' }
  | { readonly phase: 'waiting'; readonly until: Millis }
  | { readonly phase: 'connecting'; readonly session: SessionId }
  | { readonly phase: 'proving'; readonly session: SessionId; readonly proof: MessageNumber }
  | { readonly phase: 'ready'; readonly session: SessionId; readonly since: Millis }

class Connector implements ServerLink {
  private readonly options: ServerLinkOptions
  private readonly linkKey: Key
  private addresses: readonly PeerAddress[]
  private readonly events: ServerLinkEvent[] = []
  private state: State = { phase: 'idle' }
  private held: VerifiedDirectory | undefined
  /** Outlives the directory it came with, so that none older is taken in its place. */
  private heldVersion = 0
  private askAt: Millis | undefined
  private readonly asked = new Set<MessageNumber>()
  /** A difference came to nothing: from now on the whole directory is asked for, until it is there. */
  private wantsWhole = false
  private failures = 0
  private attempts = 0
  private ups = 0

  constructor(options: ServerLinkOptions) {
    assert(options.accessCode.length === 2, 'an access code of 2 bytes')
    const linkKey = options.context.crypto.linkPublicKey(options.server.identityKey)
    if (linkKey === undefined || options.server.addresses.length === 0) {
      throw new ProtocolError('NETWORK_CARD_MALFORMED', 'the network card names no server that could be reached')
    }
    this.options = options
    this.linkKey = linkKey
    this.addresses = options.server.addresses
  }

  get session(): SessionId | undefined {
    return this.state.phase === 'ready' ? this.state.session : undefined
  }

  get connection(): ServerConnection {
    const { state, session } = this
    return {
      upSince: state.phase === 'ready' ? state.since : undefined,
      retryAt: state.phase === 'waiting' ? state.until : undefined,
      reconnects: Math.max(0, this.ups - 1),
      roundTripMs: session === undefined ? undefined : this.options.endpoint.peer(session)?.roundTripMs,
    }
  }

  owns(session: SessionId): boolean {
    return session === this.anySession()
  }

  get directory(): VerifiedDirectory | undefined {
    return this.held
  }

  restoreDirectory(now: Millis, encoded: Uint8Array): void {
    const verified = this.verify(now, encoded)
    if (verified.ok) this.hold(verified.directory)
    else if (verified.code === 'DIRECTORY_EXPIRED') this.heldVersion = versionOf(encoded)
  }

  start(now: Millis): void {
    this.connect(now)
  }

  moved(now: Millis, addresses: readonly PeerAddress[]): void {
    if (addresses.length === 0) return
    this.addresses = addresses
    this.attempts = 0
    this.failures = 0
    if (this.state.phase === 'waiting') this.connect(now)
  }

  linkOutput(now: Millis, output: LinkOutput): boolean {
    if (!('session' in output) || output.session !== this.anySession()) return false
    switch (output.type) {
      case 'connected':
        this.prove(now, output.session)
        return true
      case 'delivered':
        return this.delivered(now, output.session, output.number)
      case 'closed':
        this.lost(now)
        return true
      case 'accepted':
      case 'received':
        return false
      default:
        return output satisfies never
    }
  }

  message(now: Millis, message: Message): boolean {
    this.failures = 0
    if (message.kind === 'directoryReply') this.whole(now, message.value.directory)
    else if (message.kind === 'directoryDelta') this.delta(now, message.value)
    else return false
    return true
  }

  timeout(now: Millis): void {
    if (this.held !== undefined && now > this.held.validUntil) this.held = undefined
    if (this.state.phase === 'waiting' && now >= this.state.until) this.connect(now)
    if (this.state.phase === 'ready' && this.askAt !== undefined && now >= this.askAt) {
      this.ask(now, this.state.session)
    }
  }

  deadline(): Millis | undefined {
    const expiry = this.held === undefined ? undefined : this.held.validUntil + 1
    if (this.state.phase === 'waiting') return earliest(expiry, this.state.until)
    if (this.state.phase === 'ready') return earliest(expiry, this.askAt)
    return expiry
  }

  poll(): ServerLinkEvent | undefined {
    return this.events.shift()
  }

  private verify(now: Millis, encoded: Uint8Array) {
    const { context, server } = this.options
    return verifyDirectory(context.crypto, server.identityKey, encoded, now, this.heldVersion, this.held)
  }

  private whole(now: Millis, encoded: Uint8Array): void {
    const verified = this.verify(now, encoded)
    if (verified.ok) this.take(now, verified.directory)
    else this.events.push({ type: 'drop', code: verified.code })
  }

  /** Whatever is wrong with it, the whole directory sets it right. */
  private delta(now: Millis, delta: DirectoryDelta): void {
    if (this.held !== undefined && delta.version <= this.held.version) return
    const merged = this.held && mergeDelta(this.options.context.crypto, this.held, delta)
    const verified = merged === undefined ? NO_BASE : this.verify(now, merged)
    if (verified.ok) {
      this.take(now, verified.directory)
      return
    }
    this.events.push({ type: 'drop', code: verified.code })
    this.wantsWhole = true
    if (this.state.phase === 'ready') this.ask(now, this.state.session)
  }

  private take(now: Millis, directory: VerifiedDirectory): void {
    const newer = directory.version > this.heldVersion || this.held === undefined
    this.wantsWhole = false
    if (newer) {
      this.hold(directory)
      this.events.push({ type: 'directory', directory })
    }
    this.askAt = Math.max(renewalDue(directory), now + RENEW_AGAIN_MS)
  }

  private hold(directory: VerifiedDirectory): void {
    this.held = directory
    this.heldVersion = directory.version
  }

  private anySession(): SessionId | undefined {
    return 'session' in this.state ? this.state.session : undefined
  }

  private connect(now: Millis): void {
    const addresses = fromTurn(this.addresses, this.attempts++)
    this.state = { phase: 'connecting', session: this.options.endpoint.connect(now, this.linkKey, addresses) }
  }

  private prove(now: Millis, session: SessionId): void {
    const { endpoint, context, self, role, accessCode } = this.options
    const handshakeHash = endpoint.handshakeHash(session)
    assert(handshakeHash !== undefined, 'a connected session has a handshake hash')
    const { identity } = self
    const roleByte = Uint8Array.of(roles[role])
    const proof = encodeMessage('identityProof', {
      role,
      identityKey: identity.identityKey,
      accessCode,
      signature: context.crypto.sign(
        identity,
        labels.identityProof,
        handshakeHash,
        roleByte,
        identity.identityKey,
        accessCode,
      ),
    })
    const number = endpoint.send(now, session, proof, 'receipt')
    assert(number !== undefined, 'a fresh session has room for a proof')
    this.state = { phase: 'proving', session, proof: number }
    this.ask(now, session)
  }

  /** The request follows the proof at once: it saves a round trip, and CS answers it only once it knows who asks. */
  private ask(now: Millis, session: SessionId): void {
    const base = this.wantsWhole ? undefined : this.held
    const request = encodeMessage('directoryRequest', { version: base?.version ?? 0 })
    const number = this.options.endpoint.send(now, session, request, 'receipt')
    if (number !== undefined) this.asked.add(number)
    this.askAt = now + (base === undefined ? ASK_AGAIN_MS : RENEW_AGAIN_MS)
  }

  private delivered(now: Millis, session: SessionId, number: MessageNumber): boolean {
    if (this.state.phase !== 'proving' || number !== this.state.proof) return this.asked.delete(number)
    this.state = { phase: 'ready', session, since: now }
    this.ups++
    this.events.push({ type: 'ready', session })
    return true
  }

  private lost(now: Millis): void {
    if (this.state.phase === 'ready') {
      this.events.push({ type: 'lost' })
      if (now - this.state.since >= SETTLED_MS) this.failures = 0
    }
    this.asked.clear()
    this.state = { phase: 'waiting', until: now + this.nextWaitMs() }
  }

  private nextWaitMs(): number {
    const longestMs = Math.min(FIRST_WAIT_MS * 2 ** this.failures, LAST_WAIT_MS)
    this.failures = Math.min(this.failures + 1, 16)
    return longestMs - randomBelow(this.options.context.random, Math.floor(longestMs / 2))
  }
}

function renewalDue(directory: VerifiedDirectory): Millis {
  const { issuedAt, validUntil } = directory
  return issuedAt + (validUntil - issuedAt) * RENEW_AFTER
}

/** One that is out of date serves no more, but nothing older may come after it. */
function versionOf(signed: Uint8Array): number {
  const parsed = directoryFormat.parse(signed)
  return parsed.ok ? parsed.value.version : 0
}
