/**
 * Work on points that is too heavy for a role's turn: opening a request and splitting it (PROTOCOL.md section 5), opening
 * copies (section 9.5). A role says what is to be done as plain bytes, its driver decides where, and `runJob` is what is done
 * there. A job owns its bytes, each in no other hands, so that they can change threads without being copied.
 */
import { bigEndian, concat, type Key, key, type Point, scalar, wipe } from '../base/bytes.js'
import { labels } from '../base/labels.js'
import type { Aead, OpenedCopy, Sealing, SplitRequest, Splitting } from '../crypto/crypto.js'
import { SLOT_BYTES } from '../wire/content.js'
import { TOKEN_BYTES } from '../wire/message.js'
import type { Reference } from './role.js'

/** P2: finds the keys and the window that a request was sealed under. */
export interface OpenRequestJob {
  readonly type: 'openRequest'
  /** R. */
  readonly ephemeral: Uint8Array
  readonly sealed: Uint8Array
  /** Own sealing secrets in the order in which to try them, 32 bytes each. Wiped. */
  readonly secrets: Uint8Array
  /** C of the same days, 32 bytes each. */
  readonly serverKeys: Uint8Array
  readonly windows: readonly number[]
}

export interface UnsealedRequest {
  readonly window: number
  /** K2, the receiver's to wipe. */
  readonly requestKey: Key
  readonly serverKey: Point
  /** The request body, unread. */
  readonly body: Uint8Array
}

/** P2: makes some of the copies of a request. */
export interface SplitJob {
  readonly type: 'split'
  /** K2, B' and G' are wiped. */
  readonly request: SplitRequest
  /** 32 bytes drawn for this request, the same in each of its jobs. Wiped. */
  readonly entropy: Uint8Array
  readonly from: number
  readonly count: number
  /** Left free before each copy, for what goes before it in its message. */
  readonly roomBytes: number
}

/** CS: opens copies that came in. */
export interface OpenCopiesJob {
  readonly type: 'openCopies'
  /** Own sealing secrets in the order in which to try them, 32 bytes each. Wiped. */
  readonly secrets: Uint8Array
  readonly windows: readonly number[]
  /** The sealed copies, one after the other, and the bytes of each. */
  readonly sealed: Uint8Array
  readonly lengths: readonly number[]
}

export type Job = OpenRequestJob | SplitJob | OpenCopiesJob

export type JobResult =
  /** `undefined` where nothing opens it. */
  | { readonly type: 'openRequest'; readonly unsealed: UnsealedRequest | undefined }
  /** The copies and the room before each, as `Split.split` gives them; `undefined` where a point of the request does not decode. */
  | { readonly type: 'split'; readonly copies: Uint8Array | undefined }
  | ({ readonly type: 'openCopies' } & OpenedCopies)
  /** The work was not done: a defect, or a thread that died of it. */
  | { readonly type: 'failed' }

/** Copies as CS opened them, packed: hundreds of small arrays would cost more on their way than opening them did. */
export interface OpenedCopies {
  /** Bytes of each opened copy, in the order of the job; 0 for one that does not open. */
  readonly lengths: readonly number[]
  /** The opened copies, one after the other. */
  readonly copies: Uint8Array
  /** For each opened copy a record: the recipients, 10 bytes a window; the receipt key; the token of one that is stored. */
  readonly records: Uint8Array
}

/** An opened copy with the receipt that it gets when it is stored. Views of the result it was taken from. */
export interface OpenedCopyWithToken extends OpenedCopy {
  readonly storedToken: Uint8Array
}

/** What a role says to have a job done, and what it is then told, once, in whatever order jobs end. */
export interface JobOutput {
  readonly type: 'job'
  readonly id: Reference
  readonly job: Job
}

export interface JobInput {
  readonly type: 'done'
  readonly id: Reference
  readonly result: JobResult
}

/** What jobs ask of cryptography. */
export type JobCrypto = Pick<
  Aead & Sealing & Splitting,
  'aeadOpen' | 'requestKey' | 'prepareSplit' | 'openCopies' | 'receiptToken'
>

const KEY_BYTES = 32
const POINT_BYTES = 32
const PAYLOAD_AT = POINT_BYTES + SLOT_BYTES
const WINDOW_BYTES = 4

/** Does a job, here and now, and wipes the secrets that came with it. */
export function runJob(crypto: JobCrypto, job: Job): JobResult {
  try {
    return perform(crypto, job)
  } finally {
    wipe(...secretsOf(job))
  }
}

function perform(crypto: JobCrypto, job: Job): JobResult {
  switch (job.type) {
    case 'openRequest':
      return openRequest(crypto, job)
    case 'split':
      return split(crypto, job)
    case 'openCopies':
      return openCopies(crypto, job)
    default:
      return job satisfies never
  }
}

function secretsOf(job: Job): Uint8Array[] {
  if (job.type !== 'split') return [job.secrets]
  const { requestKey, oneTimeBase, oneTimeKey } = job.request
  return [requestKey, oneTimeBase, oneTimeKey, job.entropy]
}

/** Takes a result apart, in the order of its job; `windows` is how many the job named. */
export function openedCopies(result: OpenedCopies, windows: number): (OpenedCopyWithToken | undefined)[] {
  const recipientsBytes = SLOT_BYTES * windows
  let copyAt = 0
  let recordAt = 0
  function take(bytes: number): Uint8Array {
    recordAt += bytes
    return result.records.subarray(recordAt - bytes, recordAt)
  }
  return result.lengths.map((length) => {
    if (length === 0) return undefined
    const copy = result.copies.subarray(copyAt, copyAt + length)
    copyAt += length
    return {
      copy,
      ephemeral: copy.subarray(0, POINT_BYTES),
      payload: copy.subarray(PAYLOAD_AT),
      recipients: parts(take(recipientsBytes), SLOT_BYTES),
      receiptKey: key(take(KEY_BYTES)),
      storedToken: take(TOKEN_BYTES),
    }
  })
}

/** Tries the keys of each day under each window: three agreements and nine decryptions at most. */
function openRequest(
  crypto: JobCrypto,
  { ephemeral, sealed, secrets, serverKeys, windows }: OpenRequestJob,
): JobResult {
  let unsealed: UnsealedRequest | undefined
  for (let at = 0; at < secrets.length && unsealed === undefined; at += KEY_BYTES) {
    const requestKey = crypto.requestKey(scalar(secrets.subarray(at, at + KEY_BYTES)), ephemeral)
    if (requestKey === undefined) break
    const serverKey = serverKeys.slice(at, at + KEY_BYTES) as Point
    for (const window of windows) {
      const associated = concat(serverKey, bigEndian(window, WINDOW_BYTES))
      const body = crypto.aeadOpen(requestKey, labels.request, associated, sealed)
      if (body === undefined) continue
      unsealed = { window, requestKey, serverKey, body }
      break
    }
    if (unsealed === undefined) wipe(requestKey)
  }
  return { type: 'openRequest', unsealed }
}

function split(crypto: JobCrypto, { request, entropy, from, count, roomBytes }: SplitJob): JobResult {
  const prepared = crypto.prepareSplit(request, entropy)
  try {
    return { type: 'split', copies: prepared?.split(from, count, roomBytes) }
  } finally {
    prepared?.wipe()
  }
}

/** One call a secret: what the first does not open is tried with the next. */
function openCopies(crypto: JobCrypto, { secrets, windows, sealed, lengths }: OpenCopiesJob): JobResult {
  let end = 0
  const copies = lengths.map((length) => {
    end += length
    return sealed.subarray(end - length, end)
  })
  const opened: (OpenedCopy | undefined)[] = new Array(copies.length).fill(undefined)
  let closed = copies.map((_, index) => index)
  for (let at = 0; at < secrets.length && closed.length > 0; at += KEY_BYTES) {
    const secret = scalar(secrets.subarray(at, at + KEY_BYTES))
    const batch = closed.map((index) => copies[index] as Uint8Array)
    const found = crypto.openCopies(secret, windows, batch)
    for (const [position, index] of closed.entries()) opened[index] = found[position]
    closed = closed.filter((index) => opened[index] === undefined)
  }
  return { type: 'openCopies', ...packed(crypto, opened) }
}

function packed(crypto: JobCrypto, opened: readonly (OpenedCopy | undefined)[]): OpenedCopies {
  const found = opened.filter((copy) => copy !== undefined)
  // The receipt of nearly every copy is that of one that is stored, and hashing all of them is work, too.
  const records = found.map(({ recipients, receiptKey, copy }) =>
    concat(...recipients, receiptKey, crypto.receiptToken(receiptKey, 'stored', copy)),
  )
  const result = {
    lengths: opened.map((copy) => copy?.copy.length ?? 0),
    copies: concat(...found.map(({ copy }) => copy)),
    records: concat(...records),
  }
  wipe(...records, ...found.map(({ receiptKey }) => receiptKey))
  return result
}

function parts(joined: Uint8Array, partBytes: number): Uint8Array[] {
  return Array.from({ length: joined.length / partBytes }, (_, i) =>
    joined.subarray(partBytes * i, partBytes * (i + 1)),
  )
}
