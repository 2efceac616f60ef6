/**
 * What P2 does to know what a request asks of it: the job that unseals it, and then its body, and whether a split of
 * that size is allowed (PROTOCOL.md section 5). Nothing here changes any state.
 */
import { concat, key, type Point, wipe } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { type Millis, slotWindow } from '../../base/time.js'
import type { SplitRequest } from '../../crypto/crypto.js'
import {
  COPY_MESSAGE_OVERHEAD_BYTES,
  OPENED_COPY_OVERHEAD_BYTES,
  SEALED_COPY_OVERHEAD_BYTES,
} from '../../group/sizes.js'
import type { FieldObserver } from '../../wire/codec.js'
import { requestBody } from '../../wire/content.js'
import type { MessageOf } from '../../wire/message.js'
import type { OpenRequestJob, UnsealedRequest } from '../jobs.js'
import type { SealingSecret } from '../sealing-keys.js'

export interface OpeningKeys {
  /** The proxy's own, in the order in which to try them. */
  readonly secrets: readonly SealingSecret[]
  /** C by UTC day. */
  readonly serverKeys: ReadonlyMap<number, Point>
}

export interface OpenedRequest {
  /** The slot window that the sender had. */
  readonly window: number
  readonly split: SplitRequest
  readonly count: number
  /** Bytes of each finished copy. */
  readonly sealedCopyBytes: number
}

type Reading = { readonly ok: true; readonly request: OpenedRequest } | { readonly ok: false; readonly code: DropCode }

/** Keys of each day, own and CS's together, under this slot window and its neighbours. */
export function openingJob(
  { secrets, serverKeys }: OpeningKeys,
  now: Millis,
  { ephemeral, sealed }: MessageOf<'request'>['value'],
): OpenRequestJob {
  const window = slotWindow(now)
  const pairs = secrets.flatMap(({ day, secret }) => {
    const serverKey = serverKeys.get(day)
    return serverKey === undefined ? [] : [{ secret, serverKey }]
  })
  return {
    type: 'openRequest',
    ephemeral: concat(ephemeral),
    sealed: concat(sealed),
    secrets: concat(...pairs.map(({ secret }) => secret)),
    serverKeys: concat(...pairs.map(({ serverKey }) => serverKey)),
    windows: [window, window - 1, window + 1],
  }
}

/** Reads a request that was unsealed, and wipes that. What is returned is a copy, without the padding; its keys are the caller's to wipe. */
export function readRequest(ephemeral: Uint8Array, unsealed: UnsealedRequest, observe?: FieldObserver): Reading {
  const reading = readBody(ephemeral, unsealed, observe)
  wipe(unsealed.requestKey, unsealed.body)
  return reading
}

function readBody(
  ephemeral: Uint8Array,
  { window, requestKey, serverKey, body }: UnsealedRequest,
  observe: FieldObserver | undefined,
): Reading {
  const parsed = requestBody.parse(body, observe)
  if (!parsed.ok) return parsed
  const { oneTimeBase, oneTimeKey, count, personalPartBytes, slots, personalParts, content } = parsed.value
  const scrambledBytes = personalPartBytes + content.length
  const openedBytes = count * (OPENED_COPY_OVERHEAD_BYTES + scrambledBytes)
  if (openedBytes > limits.splitTotalBytes || COPY_MESSAGE_OVERHEAD_BYTES + scrambledBytes > limits.messageBytes) {
    return { ok: false, code: 'WIRE_LIMIT' }
  }
  const points = { ephemeral: ephemeral as Point, oneTimeBase, oneTimeKey, serverKey }
  const split = copyOf({ ...points, requestKey, slots, personalPartBytes, personalParts, content })
  const sealedCopyBytes = SEALED_COPY_OVERHEAD_BYTES + scrambledBytes
  return { ok: true, request: { window, count, sealedCopyBytes, split } }
}

/** A copy of a request in one piece of memory of its own, which can change threads as a whole. */
export function copyOf(request: SplitRequest): SplitRequest {
  const { ephemeral, requestKey, oneTimeBase, oneTimeKey, serverKey, slots, personalParts, content } = request
  const parts = [ephemeral, requestKey, oneTimeBase, oneTimeKey, serverKey, slots, personalParts, content]
  const whole = concat(...parts)
  let end = 0
  const take = (part: Uint8Array) => {
    end += part.length
    return whole.subarray(end - part.length, end)
  }
  return {
    ephemeral: take(ephemeral) as Point,
    requestKey: key(take(requestKey)),
    oneTimeBase: take(oneTimeBase) as Point,
    oneTimeKey: take(oneTimeKey) as Point,
    serverKey: take(serverKey) as Point,
    slots: take(slots),
    personalPartBytes: request.personalPartBytes,
    personalParts: take(personalParts),
    content: take(content),
  }
}
