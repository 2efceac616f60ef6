/**
 * What P2 does to know what a request asks of it: the sealing key and slot window it was made under, its body, and
 * whether a split of that size is allowed (PROTOCOL.md section 5). Nothing here changes any state.
 */
import { bigEndian, concat, type Key, type Point, wipe } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { labels } from '../../base/labels.js'
import { limits } from '../../base/limits.js'
import { type Millis, slotWindow } from '../../base/time.js'
import type { Crypto, SplitRequest } from '../../crypto/crypto.js'
import type { FieldObserver } from '../../wire/codec.js'
import { requestBody } from '../../wire/content.js'
import type { MessageOf } from '../../wire/message.js'
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
}

type Opening = { readonly ok: true; readonly request: OpenedRequest } | { readonly ok: false; readonly code: DropCode }

interface Unsealed {
  readonly window: number
  readonly requestKey: Key
  readonly serverKey: Point
  readonly body: Uint8Array
}

/** Bytes that a copy has beyond personal part and content: R_i, slot, E_i, length of the part, tag. */
const COPY_OVERHEAD_BYTES = 32 + 10 + 32 + 1 + 16
/** Bytes of the message *copy* around a copy as CS opens it: kind, reference, no extension, E, tag. */
const COPY_MESSAGE_BYTES = 1 + 4 + 1 + 32 + 16
const WINDOW_BYTES = 4

/** Opens and parses a request. What is returned is a copy, without the padding; its key is the caller's to wipe. */
export function openRequest(
  crypto: Crypto,
  keys: OpeningKeys,
  now: Millis,
  request: MessageOf<'request'>['value'],
  observe?: FieldObserver,
): Opening {
  const unsealed = unseal(crypto, keys, now, request)
  if (unsealed === undefined) return { ok: false, code: 'REQUEST_OPEN' }
  const { window, requestKey, serverKey } = unsealed
  const parsed = requestBody.parse(unsealed.body, observe)
  if (!parsed.ok) {
    wipe(requestKey)
    return parsed
  }
  const { oneTimeBase, oneTimeKey, count, personalPartBytes, slots, personalParts, content } = parsed.value
  const copyBytes = COPY_OVERHEAD_BYTES + personalPartBytes + content.length
  if (count * copyBytes > limits.splitTotalBytes || COPY_MESSAGE_BYTES + copyBytes > limits.messageBytes) {
    wipe(requestKey)
    return { ok: false, code: 'WIRE_LIMIT' }
  }
  return {
    ok: true,
    request: {
      window,
      count,
      split: {
        ephemeral: request.ephemeral.slice() as Point,
        requestKey,
        oneTimeBase: oneTimeBase.slice() as Point,
        oneTimeKey: oneTimeKey.slice() as Point,
        serverKey,
        slots: slots.slice(),
        personalPartBytes,
        personalParts: personalParts.slice(),
        content: content.slice(),
      },
    },
  }
}

/**
 * Tries the keys of each day, own and CS's together, under this slot window and its neighbours: three agreements and
 * nine decryptions at most.
 */
function unseal(
  crypto: Crypto,
  { secrets, serverKeys }: OpeningKeys,
  now: Millis,
  { ephemeral, sealed }: MessageOf<'request'>['value'],
): Unsealed | undefined {
  const current = slotWindow(now)
  for (const { day, secret } of secrets) {
    const serverKey = serverKeys.get(day)
    const requestKey = serverKey === undefined ? undefined : crypto.requestKey(secret, ephemeral)
    if (serverKey === undefined || requestKey === undefined) continue
    for (const window of [current, current - 1, current + 1]) {
      const associated = concat(serverKey, bigEndian(window, WINDOW_BYTES))
      const body = crypto.aeadOpen(requestKey, labels.request, associated, sealed)
      if (body !== undefined) return { window, requestKey, serverKey, body }
    }
    wipe(requestKey)
  }
  return undefined
}
