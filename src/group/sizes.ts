/**
 * What each step adds to a body on its way, taken from the wire tables (PROTOCOL.md sections 5 and 6.1), so that a
 * change of a format changes every sum with it.
 */
import { digest, messageId, nodeId, point, signature } from '../base/bytes.js'
import { content, members, openedCopy, requestBody, scrambledPayload } from '../wire/content.js'
import { encodeMessage } from '../wire/message.js'

const NOTHING = new Uint8Array()
const POINT_BYTES = 32
const TAG_BYTES = 16
/** What `seal` adds: the ephemeral point and the AEAD tag. */
const SEAL_BYTES = POINT_BYTES + TAG_BYTES

const noPoint = point(new Uint8Array(POINT_BYTES))
const noId = nodeId(new Uint8Array(8))

/** Sealed content beyond its body and padding. */
export const CONTENT_OVERHEAD_BYTES =
  SEAL_BYTES +
  content.encode({
    sender: noId,
    signature: signature(new Uint8Array(64)),
    messageId: messageId(new Uint8Array(8)),
    kind: 'application',
    body: NOTHING,
    paddingBytes: 0,
  }).length

/** copy_i, as CS opens and stores it, beyond content and personal part. */
export const OPENED_COPY_OVERHEAD_BYTES =
  openedCopy.encode({ ephemeral: noPoint, slot: new Uint8Array(10), payload: NOTHING }).length +
  SEAL_BYTES +
  scrambledPayload.encode({ personalPartBytes: 0, personalPart: NOTHING, content: NOTHING }).length

/** sealed_i beyond content and personal part. */
export const SEALED_COPY_OVERHEAD_BYTES = SEAL_BYTES + OPENED_COPY_OVERHEAD_BYTES

/** What a forward adds to the message it carries. */
export const FORWARD_OVERHEAD_BYTES = encodeMessage('forward', {
  nextHop: noId,
  extension: NOTHING,
  message: NOTHING,
}).length

/** A forwarded copy, the longest form in which one travels, beyond its content. */
export const FORWARDED_COPY_OVERHEAD_BYTES =
  FORWARD_OVERHEAD_BYTES +
  encodeMessage('copy', { reference: 0, extension: NOTHING, sealed: NOTHING }).length +
  SEALED_COPY_OVERHEAD_BYTES

/** A request message beyond slots and content. */
export const REQUEST_OVERHEAD_BYTES =
  encodeMessage('request', { ephemeral: noPoint, sealed: NOTHING }).length +
  TAG_BYTES +
  requestBody.encode({
    oneTimeBase: noPoint,
    oneTimeKey: noPoint,
    count: 0,
    personalPartBytes: 0,
    contentBytes: 0,
    slots: NOTHING,
    personalParts: NOTHING,
    content: NOTHING,
    paddingBytes: 0,
  }).length

/** A members body beyond its records. */
export const MEMBERS_OVERHEAD_BYTES = members.encode({
  purpose: 'records',
  memberCount: 0,
  listDigest: digest(new Uint8Array(32)),
  directoryDigest: digest(new Uint8Array(32)),
  records: [],
}).length
