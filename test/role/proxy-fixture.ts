/**
 * What the tests of the proxy stand it among: a server, a next proxy and a source that are bare endpoints in the test's
 * hand, and requests as a source makes them (PROTOCOL.md sections 4 and 5).
 */
import type { ProxyLimits } from '../../src/base/bounds.js'
import { bigEndian, concat, nodeId, type Point, type Scalar, utf8 } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { type Millis, slotWindow, utcDay } from '../../src/base/time.js'
import type { Identity, Slots } from '../../src/crypto/crypto.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { nodeIdOf } from '../../src/group/identity.js'
import type { PeerAddress, SessionId } from '../../src/link/link.js'
import { type ProxyEntry, signDirectory, signProxyEntry } from '../../src/role/directory.js'
import { createProxy } from '../../src/role/proxy/proxy.js'
import type { Proxy as ProxyRole } from '../../src/role/proxy.js'
import { createSealingKeys, type SealingKeys } from '../../src/role/sealing-keys.js'
import { requestBody } from '../../src/wire/content.js'
import { encodeMessage } from '../../src/wire/message.js'
import { seed, seeded } from '../base/seeded.js'
import { Peer } from '../sim/peer.js'
import { calm, VirtualNetwork, type VirtualNode } from '../sim/virtual-network.js'

export { present } from '../base/present.js'

export const crypto = await loadCrypto()
export const random = seeded(seed)

export const addresses = {
  server: { host: '192.0.2.1', port: 7000 },
  proxy: { host: '198.51.100.1', port: 7001 },
  next: { host: '203.0.113.1', port: 7002 },
  source: { host: '10.1.1.1', port: 7003 },
} satisfies Record<string, PeerAddress>

type Field = readonly [format: string, field: string, value: Uint8Array]

export interface Surroundings {
  readonly network: VirtualNetwork
  readonly server: VirtualNode<Peer>
  readonly proxy: VirtualNode<ProxyRole>
  readonly next: VirtualNode<Peer>
  /** Further listed proxies. */
  readonly others: readonly OtherProxy[]
  readonly source: VirtualNode<Peer>
  readonly identities: Readonly<Record<'server' | 'proxy' | 'next', Identity>>
  readonly serverKeys: SealingKeys
  readonly nextKeys: SealingKeys
  /** Each field the proxy read. */
  readonly read: Field[]
  /** Whether the server answers for copies. */
  readonly behaviour: { answersCopies: boolean; listsProxy: boolean }
  /** The proxy's entry as last announced. */
  announced(): ProxyEntry | undefined
  /** C of the day. */
  serverKey(): Point
  /** A session from the source to the proxy. */
  connect(): SessionId
  /** Sends from the source to the proxy on a session of its own. */
  toProxy(message: Uint8Array): void
}

/** A listed proxy that does what the test says. */
export interface OtherProxy {
  readonly identity: Identity
  readonly host: string
  readonly node: VirtualNode<Peer>
}

export interface SurroundingsOptions {
  /** Where further proxies listen. */
  readonly others?: readonly string[]
  /** Whether `next` is listed; it is by default. */
  readonly listsNext?: boolean
  readonly extraHopBelow?: number
  readonly meanWaitMs?: number
  readonly meanForwardWaitMs?: number
  readonly bounds?: Partial<ProxyLimits>
}

/** A proxy that is connected and listed. */
export function surroundings({
  meanWaitMs = 20,
  meanForwardWaitMs = 0,
  extraHopBelow = 0,
  others: hosts = [],
  listsNext = true,
  bounds = {},
}: SurroundingsOptions = {}): Surroundings {
  const network = new VirtualNetwork(seed, calm)
  const identities = { server: newIdentity(), proxy: newIdentity(), next: newIdentity() }
  const serverKeys = createSealingKeys(crypto, random)
  const nextKeys = createSealingKeys(crypto, random)
  const behaviour = { answersCopies: true, listsProxy: true }
  const read: Field[] = []
  let directoryVersion = 1

  const server = network.add({ name: 'server', address: addresses.server, make: () => peerOf(identities.server) })
  const next = network.add({ name: 'next', address: addresses.next, make: () => peerOf(identities.next) })
  const others = hosts.map((host) => {
    const identity = newIdentity()
    const node = network.add({ name: host, address: { host, port: 7009 }, make: () => peerOf(identity) })
    return { identity, host, node }
  })
  const source = network.add({ name: 'source', address: addresses.source, make: () => new Peer({}, crypto, random) })

  function announced(): ProxyEntry | undefined {
    return server.machine.of('proxyAnnouncement').at(-1)?.entry
  }

  function directory(now: Millis): Uint8Array {
    serverKeys.advance(now)
    nextKeys.advance(now)
    const nextEntry = signProxyEntry(crypto, identities.next, {
      issuedAt: now,
      sealingKeys: nextKeys.published(now),
      addresses: [addresses.next],
    })
    const further = others.map(({ identity, host }) =>
      signProxyEntry(crypto, identity, {
        issuedAt: now,
        sealingKeys: nextKeys.published(now),
        addresses: [{ host, port: 7009 }],
      }),
    )
    const own = announced()
    return signDirectory(crypto, identities.server, {
      version: directoryVersion++,
      issuedAt: now,
      validUntil: now + limits.directoryLifeMs,
      sealingKeys: serverKeys.published(now),
      proxies: [
        ...(listsNext ? [nextEntry] : []),
        ...further,
        ...(own !== undefined && behaviour.listsProxy ? [own] : []),
      ],
    })
  }

  server.machine.onMessage = (now, { session, message }) => {
    const { endpoint } = server.machine
    if (message.kind === 'directoryRequest' || message.kind === 'proxyAnnouncement') {
      endpoint.send(now, session, encodeMessage('directoryReply', { directory: directory(now) }))
    }
    if (message.kind === 'copy' && behaviour.answersCopies) {
      const answers = [{ reference: message.value.reference, token: random(4) }]
      endpoint.send(now, session, encodeMessage('copyAnswers', { answers }))
    }
  }

  const proxy = network.add({
    name: 'proxy',
    address: addresses.proxy,
    make: () =>
      createProxy(
        {
          crypto,
          random: seeded(seed + 1),
          observe: (format, field, value) => read.push([format, field, value.slice()]),
          self: { identity: identities.proxy, id: nodeIdOf(crypto, identities.proxy.identityKey) },
          server: { identityKey: identities.server.identityKey, addresses: [addresses.server] },
          advertised: [addresses.proxy],
          meanWaitMs,
          meanForwardWaitMs,
          extraHopBelow,
        },
        bounds,
      ),
  })
  if (!network.runUntil(() => proxy.machine.status().listed, 5_000)) throw new Error('the proxy was not listed')

  function connect(): SessionId {
    const linkKey = crypto.linkPublicKey(identities.proxy.identityKey)
    if (linkKey === undefined) throw new Error('a link key')
    return source.machine.endpoint.connect(network.now, linkKey, addresses.proxy)
  }

  function toProxy(message: Uint8Array): void {
    source.machine.endpoint.send(network.now, connect(), message)
    network.input(source, { type: 'timeout' })
  }

  function serverKey(): Point {
    const today = serverKeys.published(network.now).find(({ day }) => day === utcDay(network.now))
    if (today === undefined) throw new Error('a sealing key of today')
    return today.key
  }

  return {
    network,
    server,
    proxy,
    next,
    others,
    source,
    identities,
    serverKeys,
    nextKeys,
    read,
    behaviour,
    announced,
    serverKey,
    connect,
    toProxy,
  }
}

/** An identity fresh in this run. */
export function newIdentity(): Identity {
  return crypto.identity(random(32))
}

function peerOf({ linkSecret }: Identity): Peer {
  return new Peer({ linkSecret }, crypto, random)
}

export interface RequestOptions {
  readonly splitterKey: Point
  readonly serverKey: Point
  /** The sender's clock. */
  readonly now: Millis
  /** 10 bytes each. */
  readonly recipients: readonly Uint8Array[]
  readonly content?: Uint8Array
  readonly window?: number
  /** Changes the request body before it is sealed. */
  readonly spoil?: (body: Uint8Array) => void
  /** C that is named in the associated data, where it is another. */
  readonly namedServerKey?: Point
}

/** A request message and what the sender keeps of it. */
export interface MadeRequest {
  readonly message: Uint8Array
  readonly slots: Slots
  readonly body: Uint8Array
}

const COPY_FIXED_BYTES = 91

/** What a source sends to P2, made from the text of PROTOCOL.md. */
export function makeRequest(options: RequestOptions): MadeRequest {
  const { splitterKey, serverKey, recipients, now } = options
  const content = options.content ?? utf8('a content that is sealed for a group')
  const window = options.window ?? slotWindow(now)
  const group = crypto.reduce(random(64))
  const slots = crypto.makeSlots({
    splitterKey,
    serverKey,
    groupKey: crypto.publicPoint(group),
    window,
    copyBytes: COPY_FIXED_BYTES + content.length,
    recipients: concat(...recipients),
    entropy: random(128),
  })
  if (slots === undefined) throw new Error('keys of the test decode')
  const body = requestBody.encode({
    oneTimeBase: slots.oneTimeBase,
    oneTimeKey: slots.oneTimeKey,
    count: recipients.length,
    personalPartBytes: 0,
    contentBytes: content.length,
    slots: slots.slots,
    personalParts: new Uint8Array(0),
    content,
    paddingBytes: 7,
  })
  options.spoil?.(body)
  const associated = concat(options.namedServerKey ?? serverKey, bigEndian(window, 4))
  const sealed = crypto.aeadSeal(slots.requestKey, labels.request, associated, body)
  return { message: encodeMessage('request', { ephemeral: slots.ephemeral, sealed }), slots, body }
}

/** Recipients that differ from each other: id and access code. */
export function recipients(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => random(10))
}

/** The proxy's own sealing key of today. */
export function splitterKey(around: Surroundings): Point {
  const key = around.announced()?.sealingKeys.find(({ day }) => day === utcDay(around.network.now))
  if (key === undefined) throw new Error('an announced key of today')
  return key.key
}

/** What the server finds in the copies it got, in their order. */
export function openedRecipients(around: Surroundings): { recipient: string; payloadBytes: number }[] {
  const { now } = around.network
  const sealed = around.server.machine.of('copy').map((copy) => copy.sealed)
  const secret = around.serverKeys.secrets(now)[0]?.secret as Scalar
  return crypto.openCopies(secret, [slotWindow(now)], sealed).map((opened) => {
    if (opened === undefined) throw new Error('a copy that does not open')
    return { recipient: Buffer.from(opened.recipients[0] ?? []).toString('hex'), payloadBytes: opened.payload.length }
  })
}

export const noExtension = new Uint8Array(0)

/** A forward as a source sends it. */
export function forward(to: Identity | Uint8Array, message: Uint8Array): Uint8Array {
  const id = to instanceof Uint8Array ? to : nodeIdOf(crypto, to.identityKey)
  return encodeMessage('forward', { nextHop: nodeId(id), extension: noExtension, message })
}

export const noParts = { personalPartBytes: 0, personalParts: new Uint8Array(0) }

/** A request for this proxy. */
export function requestTo(around: Surroundings, options: Partial<RequestOptions> & Pick<RequestOptions, 'recipients'>) {
  return makeRequest({
    splitterKey: splitterKey(around),
    serverKey: around.serverKey(),
    now: around.network.now,
    ...options,
  })
}

/** Runs on and tells how the counts of drops changed. */
export function dropsOf(around: Surroundings, act: () => void, runMs = 1_000): Record<string, number> {
  const before = new Map(around.proxy.drops)
  act()
  around.network.runFor(runMs)
  const changed = [...around.proxy.drops].filter(([code, count]) => count !== before.get(code))
  return Object.fromEntries(changed.map(([code, count]) => [code, count - (before.get(code) ?? 0)]))
}
