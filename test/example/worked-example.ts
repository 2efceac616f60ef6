/**
 * One message, step by step in hex, for PROTOCOL.md section 13: whoever writes a second implementation can hold each
 * step against it. All that would be random is a fixed pattern here.
 */
import {
  concat,
  groupId,
  type Key,
  key,
  messageId,
  type Point,
  type Scalar,
  toHex,
  utf8,
} from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { Crypto, SplitRequest } from '../../src/crypto/crypto.js'
import { sealContent } from '../../src/group/content.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { groupKeys } from '../../src/group/keys.js'
import { requestBody } from '../../src/wire/content.js'
import { encodeMessage } from '../../src/wire/message.js'

const WINDOW = 2_949_120
const BODY = 'hello'
const NOTHING = new Uint8Array(0)

/** A named value of the example. */
export type Step = readonly [name: string, value: Uint8Array | string]

export interface WorkedExample {
  readonly steps: readonly Step[]
  /** What T needs to open `payload`, to show that the example holds together. */
  readonly groupPrivateKey: Scalar
  readonly groupSymmetric: Key
  readonly payload: Uint8Array
}

/** 32 or 64 bytes that stand for random ones: first, first + 1, ... */
function pattern(first: number, lengthBytes: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, index) => (first + index) % 256)
}

export function workedExample(crypto: Crypto): WorkedExample {
  const sender = crypto.identity(pattern(0x00, 32))
  const target = crypto.identity(pattern(0x20, 32))
  const splitter = keyPair(crypto, 0x40)
  const server = keyPair(crypto, 0x80)
  const group = groupKeys(crypto, key(pattern(0xc0, 32)))
  const id = messageId(pattern(0x50, 8))
  const senderId = nodeIdOf(crypto, sender.identityKey)
  const targetId = nodeIdOf(crypto, target.identityKey)
  const recipients = concat(targetId, pattern(0x60, 2), senderId, pattern(0x70, 2))

  const stableId = groupId(pattern(0x30, 8))
  const content = sealContent(crypto, () => pattern(0x11, 64), {
    identity: sender,
    sender: senderId,
    signedFor: { type: 'group', id: stableId, keys: group },
    messageId: id,
    kind: 'application',
    body: utf8(BODY),
    paddingBytes: 0,
  })
  const payloadBytes = 32 + 1 + content.length + 16
  const copyBytes = 32 + 10 + payloadBytes
  const made = crypto.makeSlots({
    splitterKey: splitter.point,
    serverKey: server.point,
    groupKey: group.publicPoint,
    window: WINDOW,
    copyBytes,
    recipients,
    entropy: concat(pattern(0x22, 64), pattern(0x33, 64)),
  })
  if (made === undefined) throw new Error('the keys of the example decode')
  const request: SplitRequest = {
    ...made,
    serverKey: server.point,
    personalPartBytes: 0,
    personalParts: NOTHING,
    content,
  }
  const outerKey = pattern(0x44, 32)
  const sealedCopies = crypto.prepareSplit(request, outerKey)?.split(0, 2)
  if (sealedCopies === undefined) throw new Error('the request of the example splits')
  const sealedBytes = sealedCopies.length / 2
  const [opened] = crypto.openCopies(server.secret, [WINDOW], [sealedCopies.subarray(0, sealedBytes)])
  if (opened === undefined) throw new Error('the copy of the example opens')

  return {
    groupPrivateKey: group.privateKey,
    groupSymmetric: group.symmetric,
    payload: opened.payload,
    steps: [
      ['seed of S', sender.seed],
      ['identity key of S', sender.identityKey],
      ['id of S', senderId],
      ['seed of T', target.seed],
      ['id of T', targetId],
      ["P2's sealing secret", splitter.secret],
      ["P2's sealing key Q", splitter.point],
      ["CS's sealing secret c", server.secret],
      ["CS's sealing key C", server.point],
      ['group id', stableId],
      ['group secret s', group.secret],
      ['g', group.privateKey],
      ['psk', group.symmetric],
      ['G', group.publicPoint],
      ['message id', id],
      ['body', `"${BODY}"`],
      ['64 bytes for e of the content', pattern(0x11, 64)],
      ['content', content],
      ['64 bytes for r', pattern(0x22, 64)],
      ['64 bytes for h', pattern(0x33, 64)],
      ['window', String(WINDOW)],
      ['recipients: T, then S', recipients],
      ['R', made.ephemeral],
      ['K2', made.requestKey],
      ["B'", made.oneTimeBase],
      ["G'", made.oneTimeKey],
      ['slots', made.slots],
      ['receipt keys', made.receiptKeys],
      ['request, a link message', requestMessage(crypto, request, made.requestKey)],
      ['key of the outer scalars', outerKey],
      ['copy_0', opened.copy],
      ['sealed_0', sealedCopies.subarray(0, sealedBytes)],
      ['sealed_1', sealedCopies.subarray(sealedBytes)],
      ['token_0, stored', crypto.receiptToken(opened.receiptKey, 'stored', opened.copy)],
    ],
  }
}

function requestMessage(crypto: Crypto, request: SplitRequest, requestKey: Key): Uint8Array {
  const plaintext = requestBody.encode({
    oneTimeBase: request.oneTimeBase,
    oneTimeKey: request.oneTimeKey,
    count: 2,
    personalPartBytes: 0,
    contentBytes: request.content.length,
    slots: request.slots,
    personalParts: NOTHING,
    content: request.content,
    paddingBytes: 0,
  })
  const window = new Uint8Array(4)
  new DataView(window.buffer).setUint32(0, WINDOW)
  const sealed = crypto.aeadSeal(requestKey, labels.request, concat(request.serverKey, window), plaintext)
  return encodeMessage('request', { ephemeral: request.ephemeral, sealed })
}

function keyPair(crypto: Crypto, first: number): { readonly secret: Scalar; readonly point: Point } {
  const secret = crypto.reduce(pattern(first, 64))
  return { secret, point: crypto.publicPoint(secret) }
}

/** The section as it stands in PROTOCOL.md, hex in lines of 64 digits. */
export function describeExample({ steps }: WorkedExample): string {
  const lines = steps.map(([name, value]) =>
    typeof value === 'string' ? `${name}\n    ${value}` : `${name} (${value.length} bytes)\n${hexLines(value)}`,
  )
  return `${HEADING}\n\n${INTRODUCTION}\n\n\`\`\`text\n${lines.join('\n')}\n\`\`\`\n`
}

export const HEADING = '## 13. A worked example'

const INTRODUCTION =
  'One message from S to T and itself, no padding. What would be random is a run of consecutive bytes here. Hex, 32 bytes a line.'

function hexLines(value: Uint8Array): string {
  return (toHex(value).match(/.{1,64}/g) ?? []).map((line) => `    ${line}`).join('\n')
}
