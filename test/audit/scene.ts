/**
 * One CS, one P2 and groups of devices without links between them: requests and copies by the product's own functions,
 * as many as a distinguisher wants, and what P2 and CS read of them with their own keys.
 */
import {
  bigEndian,
  concat,
  type GroupId,
  groupId,
  key,
  type NodeId,
  type Point,
  type Scalar,
} from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { RandomBytes } from '../../src/base/random.js'
import { type Millis, slotWindow } from '../../src/base/time.js'
import type { Crypto, Identity, OpenedCopy } from '../../src/crypto/crypto.js'
import { newMessageId, sealContent } from '../../src/group/content.js'
import type { GroupKeys } from '../../src/group/group.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { groupKeys } from '../../src/group/keys.js'
import { type AssembledRequest, assembleRequest } from '../../src/group/request.js'
import { requestBody } from '../../src/wire/content.js'
import { type MessageOf, parseMessage } from '../../src/wire/message.js'

export const NOW: Millis = Date.UTC(2026, 2, 10, 12, 0, 1)
export const WINDOW = slotWindow(NOW)

export interface Pair255 {
  readonly secret: Scalar
  readonly publicKey: Point
}

export interface SceneDevice {
  readonly identity: Identity
  readonly id: NodeId
  readonly accessCode: Uint8Array
}

export interface SceneGroup {
  readonly id: GroupId
  readonly keys: GroupKeys
}

export interface Scene {
  /** What endpoints, P2 and CS of this scene compute with: the product's, or one broken on purpose. */
  readonly crypto: Crypto
  readonly random: RandomBytes
  readonly server: Pair255
  readonly splitter: Pair255
  readonly devices: readonly SceneDevice[]
}

export function createScene(crypto: Crypto, random: RandomBytes, devices: number): Scene {
  return {
    crypto,
    random,
    server: keyPair(crypto, random),
    splitter: keyPair(crypto, random),
    devices: Array.from({ length: devices }, () => {
      const identity = crypto.identity(random(32))
      return { identity, id: nodeIdOf(crypto, identity.identityKey), accessCode: random(2) }
    }),
  }
}

export function newGroup({ crypto, random }: Scene): SceneGroup {
  return { id: groupId(random(8)), keys: groupKeys(crypto, key(random(32))) }
}

export interface MessageToMake {
  readonly group: SceneGroup
  readonly sender: SceneDevice
  readonly recipients: readonly SceneDevice[]
  readonly bodyBytes: number
  /** C; by default the scene's own. */
  readonly serverKey?: Point
}

/** A message of random bytes, as its sender makes it. */
export function makeRequest(
  scene: Scene,
  { group, sender, recipients, bodyBytes, serverKey }: MessageToMake,
): AssembledRequest {
  const { crypto, random, server, splitter } = scene
  const content = sealContent(crypto, random, {
    identity: sender.identity,
    sender: sender.id,
    signedFor: { type: 'group', id: group.id, keys: group.keys },
    messageId: newMessageId(random, NOW),
    kind: 'application',
    body: random(bodyBytes),
    paddingBytes: 0,
  })
  const assembled = assembleRequest(crypto, random, {
    splitterKey: splitter.publicKey,
    serverKey: serverKey ?? server.publicKey,
    groupKey: group.keys.publicPoint,
    window: WINDOW,
    recipients,
    self: sender.id,
    content,
    mode: 'none',
  })
  if (assembled === undefined) throw new Error('keys of a scene decode')
  return assembled
}

/** What P2 reads of a request with its own key. */
export function openRequest({ crypto, server, splitter }: Scene, message: Uint8Array) {
  const parsed = parseMessage(message)
  if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('a request parses')
  const { ephemeral, sealed } = parsed.value.value as MessageOf<'request'>['value']
  const requestKey = crypto.requestKey(splitter.secret, ephemeral)
  const associated = concat(server.publicKey, bigEndian(WINDOW, 4))
  const body = requestKey && crypto.aeadOpen(requestKey, labels.request, associated, sealed)
  const read = body && requestBody.parse(body)
  if (requestKey === undefined || !read?.ok) throw new Error('P2 opens a request')
  return { ephemeral, requestKey, ...read.value }
}

/** All copies of a request, sealed, as P2 makes them. */
export function makeCopies({ crypto, random }: Scene, { receipts, slots }: AssembledRequest): Uint8Array[] {
  const split = crypto.prepareSplit(receipts.request, random(32))
  if (split === undefined) throw new Error('points of a request decode')
  const all = split.split(0, slots)
  return Array.from({ length: slots }, (_, i) => all.slice(i * split.sealedCopyBytes, (i + 1) * split.sealedCopyBytes))
}

/** A copy as CS reads it. */
export function openCopy({ crypto, server }: Scene, sealed: Uint8Array): OpenedCopy {
  const [opened] = crypto.openCopies(server.secret, [WINDOW], [sealed])
  if (opened === undefined) throw new Error('CS opens a copy')
  return opened
}

function keyPair(crypto: Crypto, random: RandomBytes): Pair255 {
  const secret = crypto.reduce(random(64))
  return { secret, publicKey: crypto.publicPoint(secret) }
}
