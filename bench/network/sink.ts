/**
 * The other end of a proxy that is measured alone: a CS that lists it and answers for every copy without opening any, and
 * beside it a proxy that hands it requests. Both speak the real link; what they cost is not measured.
 */
import { randomBytes } from 'node:crypto'
import { bigEndian, concat, type Key, type Point } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { type Millis, slotWindow, utcDay } from '../../src/base/time.js'
import type { Crypto, Identity } from '../../src/crypto/crypto.js'
import { systemRandom } from '../../src/driver/random.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkOutput, PeerAddress, SessionId } from '../../src/link/link.js'
import { peerAddress } from '../../src/role/addresses.js'
import { type ProxyEntry, signDirectory } from '../../src/role/directory.js'
import { createSealingKeys, type SealingKeys } from '../../src/role/sealing-keys.js'
import { requestBody } from '../../src/wire/content.js'
import { encodeMessage, type MessageOf, parseMessage } from '../../src/wire/message.js'
import { keyPair, slotPlan } from '../fixtures.js'
import { Peer } from './peer.js'

/** As CS gathers copies: so many, or for so long. */
const BATCH_COPIES = 64
const GATHER_MS = 2
const COPY_BEYOND_CONTENT_BYTES = 32 + 10 + 32 + 1 + 16

type Answer = MessageOf<'copyAnswers'>['value']['answers'][number]

export class Sink extends Peer {
  readonly sealingKeys: SealingKeys
  /** The proxy as it announced itself. */
  entry: ProxyEntry | undefined
  private readonly crypto: Crypto
  private readonly identity: Identity
  private version = 1
  private readonly gathered = new Map<SessionId, Answer[]>()
  private answerAt: Millis | undefined

  constructor(crypto: Crypto, identity: Identity) {
    super(createEndpoint({ linkSecret: identity.linkSecret }, crypto, systemRandom()))
    this.crypto = crypto
    this.identity = identity
    this.sealingKeys = createSealingKeys(crypto, systemRandom())
  }

  override deadline(): Millis | undefined {
    const link = this.endpoint.deadline()
    return this.answerAt === undefined ? link : Math.min(this.answerAt, link ?? this.answerAt)
  }

  protected override due(now: Millis): void {
    if (this.answerAt === undefined || now < this.answerAt) return
    this.answerAt = undefined
    for (const session of this.gathered.keys()) this.answer(now, session)
  }

  protected event(now: Millis, output: LinkOutput): void {
    if (output.type !== 'received') return
    const parsed = parseMessage(output.message)
    if (!parsed.ok) return
    const { kind, value } = parsed.value
    if (kind === 'copy') this.gather(now, output.session, value.reference)
    else if (kind === 'proxyAnnouncement') this.entry = value.entry
    if (kind === 'directoryRequest' || kind === 'proxyAnnouncement') {
      this.endpoint.send(now, output.session, encodeMessage('directoryReply', { directory: this.directory(now) }))
    }
  }

  private gather(now: Millis, session: SessionId, reference: number): void {
    const answers = this.gathered.get(session) ?? []
    this.gathered.set(session, answers)
    answers.push({ reference, token: new Uint8Array(4) })
    this.answerAt ??= now + GATHER_MS
    if (answers.length >= BATCH_COPIES) this.answer(now, session)
  }

  private answer(now: Millis, session: SessionId): void {
    const answers = this.gathered.get(session) ?? []
    this.gathered.delete(session)
    if (answers.length > 0) this.endpoint.send(now, session, encodeMessage('copyAnswers', { answers }))
  }

  private directory(now: Millis): Uint8Array {
    this.sealingKeys.advance(now)
    return signDirectory(this.crypto, this.identity, {
      version: this.version++,
      issuedAt: now,
      validUntil: now + limits.directoryLifeMs,
      sealingKeys: this.sealingKeys.published(now),
      proxies: this.entry === undefined ? [] : [this.entry],
    })
  }
}

/** Hands requests to one proxy. */
export class Feeder extends Peer {
  private readonly linkKey: Key
  private readonly to: PeerAddress
  private session: SessionId | undefined

  constructor(crypto: Crypto, entry: ProxyEntry) {
    super(createEndpoint({}, crypto, systemRandom()))
    const [address] = entry.addresses
    const to = address && peerAddress(address)
    const linkKey = crypto.linkPublicKey(entry.identityKey)
    if (linkKey === undefined || to === undefined) throw new Error('the proxy named no address')
    this.linkKey = linkKey
    this.to = to
  }

  /** False where the link takes no more for now. Drained by the next input. */
  offer(now: Millis, request: Uint8Array): boolean {
    this.session ??= this.endpoint.connect(now, this.linkKey, this.to)
    return this.endpoint.send(now, this.session, request) !== undefined
  }

  protected event(_now: Millis, output: LinkOutput): void {
    if (output.type === 'closed') throw new Error(`the link to the proxy was closed: ${output.reason}`)
  }
}

/** Requests as S seals them for the listed proxy. */
export function makeRequests(
  crypto: Crypto,
  sink: Sink,
  now: Millis,
  shape: { readonly requests: number; readonly copies: number; readonly contentBytes: number },
): Uint8Array[] {
  const splitterKey = keyOfToday(sink.entry?.sealingKeys ?? [], now)
  const serverKey = keyOfToday(sink.sealingKeys.published(now), now)
  return Array.from({ length: shape.requests }, () => makeRequest(crypto, splitterKey, serverKey, now, shape))
}

/** One whose slots are junk. */
export function makeRequest(
  crypto: Crypto,
  splitterKey: Point,
  serverKey: Point,
  now: Millis,
  { copies, contentBytes }: { readonly copies: number; readonly contentBytes: number },
): Uint8Array {
  const window = slotWindow(now)
  const plan = slotPlan(crypto, serverKey, copies, COPY_BEYOND_CONTENT_BYTES + contentBytes)
  const made = crypto.makeSlots({ ...plan, splitterKey, groupKey: keyPair(crypto).point, window })
  if (made === undefined) throw new Error('the slots could not be made')
  const body = requestBody.encode({
    ...{ oneTimeBase: made.oneTimeBase, oneTimeKey: made.oneTimeKey, slots: made.slots },
    ...{ count: copies, personalPartBytes: 0, contentBytes, personalParts: new Uint8Array(0) },
    ...{ content: randomBytes(contentBytes), paddingBytes: 0 },
  })
  const sealed = crypto.aeadSeal(made.requestKey, labels.request, concat(serverKey, bigEndian(window, 4)), body)
  return encodeMessage('request', { ephemeral: made.ephemeral, sealed })
}

function keyOfToday(keys: readonly { readonly day: number; readonly key: Point }[], now: Millis): Point {
  const today = keys.find(({ day }) => day === utcDay(now))
  if (today === undefined) throw new Error('no sealing key of today')
  return today.key
}
