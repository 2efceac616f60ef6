/**
 * Slots, the split, opening at CS and receipts over the WASM core (PROTOCOL.md sections 3 to 5 and 7).
 * The core holds one prepared request; this file remembers which, prepares again where another came between, and has
 * the core forget it once its last copy is made.
 */
import { assert } from '../base/assert.js'
import { equal, type Key, key, point, type Scalar, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { labels } from '../base/labels.js'
import { limits } from '../base/limits.js'
import type { Hashing, OpenedCopy, SlotPlan, Slots, Split, SplitRequest, Splitting, Verdict } from './crypto.js'
import { type Core, status } from './wasm.js'

const POINT_BYTES = 32
const KEY_BYTES = 32
const SLOT_BYTES = 10
const TAG_BYTES = 16
const TOKEN_BYTES = 4
const SEAL_BYTES = POINT_BYTES + TAG_BYTES
/** R_i, slot_i, E_i, the byte that counts the personal part, and the payload's tag. */
const COPY_FIXED_BYTES = POINT_BYTES + SLOT_BYTES + POINT_BYTES + 1 + TAG_BYTES
const SLOT_ENTROPY_BYTES = 128
/** R, K2, B' and G'. */
const SLOT_RESULT_BYTES = 128
const MAX_PERSONAL_PART_BYTES = 255

const verdictBytes: Readonly<Record<Verdict, number>> = { stored: 1, refused: 2 }

export function createSplitting(core: Core, hashing: Hashing): Splitting {
  const preparation = createPreparation(core)
  return {
    makeSlots: (plan) => makeSlots(core, preparation, plan),
    prepareSplit: (request, entropy) => prepareSplit(core, preparation, request, entropy),
    openCopies: (secret, windows, sealed) => openCopies(core, secret, windows, sealed),
    forgetRequest: () => preparation.forget(),
    receiptToken(receiptKey, verdict, copy) {
      const text = Uint8Array.of(verdictBytes[verdict])
      return hashing.hmac(receiptKey, labels.receipt, text, hashing.hash(copy)).slice(0, TOKEN_BYTES)
    },
    expectedTokens(request, receiptKeys, verdict, from, count) {
      prepareOwn(preparation, request, from, count)
      if (receiptKeys.length !== KEY_BYTES * copiesOf(request)) throw rangeError('receipt keys', receiptKeys.length)
      core.writeExactly(core.at.KEY, request.requestKey, KEY_BYTES)
      core.memory.set(receiptKeys.subarray(KEY_BYTES * from, KEY_BYTES * (from + count)), core.at.RECEIPT_KEYS)
      const { personalPartBytes, content } = request
      const answer = core.calls.tokens(from, count, personalPartBytes, content.length, verdictBytes[verdict])
      assert(answer === status.ok, 'lengths were checked before recomputing tokens')
      return core.takeSecret(core.at.OUTPUT, TOKEN_BYTES * count)
    },
    payloadPoints(request, from, count) {
      // Asked once a message, for one copy of it: tables for all would be built for nothing.
      prepareOwn(preparation, request, from, count, count)
      core.writeExactly(core.at.KEY, request.requestKey, KEY_BYTES)
      const answer = core.calls.payloadPoints(from, count)
      assert(answer === status.ok, 'lengths were checked before computing points')
      preparation.forget()
      return core.takeSecret(core.at.OUTPUT, POINT_BYTES * count)
    },
  }
}

/** What the core holds prepared, so that nothing is prepared twice in a row. */
interface Preparation {
  /** Builds C's comb unless it stands; false where C does not decode. */
  server(serverKey: Uint8Array): boolean
  /**
   * Brings the whole request into the core, with tables that suit so many multiplications; false where a point does not
   * decode. The request must not change later.
   */
  request(request: SplitRequest, uses: number): boolean
  /** Overwrites whatever the core holds of a request. */
  forget(): void
}

function createPreparation(core: Core): Preparation {
  const { at, calls, memory } = core
  let serverKey: Uint8Array = new Uint8Array(0)
  let points: readonly Uint8Array[] = []
  let loaded: SplitRequest | undefined
  /** The most bytes at SLOTS, PARTS and CONTENT since they were last overwritten. */
  let held = { slots: 0, parts: 0, content: 0 }

  function server(wanted: Uint8Array): boolean {
    if (equal(wanted, serverKey)) return true
    core.writeExactly(at.POINT, wanted, POINT_BYTES)
    if (calls.prepareServer() !== status.ok) return false
    serverKey = Uint8Array.from(wanted)
    return true
  }

  function requestPoints(request: SplitRequest, uses: number): boolean {
    const wanted = [request.ephemeral, request.oneTimeBase, request.oneTimeKey]
    if (points.length > 0 && wanted.every((bytes, i) => equal(bytes, points[i] as Uint8Array))) return true
    forget()
    core.writeExactly(at.POINT, request.ephemeral, POINT_BYTES)
    core.writeExactly(at.SECOND_POINT, request.oneTimeBase, POINT_BYTES)
    core.writeExactly(at.THIRD_POINT, request.oneTimeKey, POINT_BYTES)
    if (calls.prepareRequest(Math.max(1, uses)) !== status.ok) return false
    points = wanted.map((bytes) => Uint8Array.from(bytes))
    return true
  }

  function forget(): void {
    if (points.length === 0) return
    calls.forgetRequest()
    core.wipe(at.SLOTS, held.slots)
    core.wipe(at.PARTS, held.parts)
    core.wipe(at.CONTENT, held.content)
    wipe(...points)
    points = []
    loaded = undefined
    held = { slots: 0, parts: 0, content: 0 }
  }

  return {
    server,
    forget,
    request(request, uses) {
      if (!server(request.serverKey) || !requestPoints(request, uses)) return false
      if (loaded === request) return true
      memory.set(request.slots, at.SLOTS)
      memory.set(request.personalParts, at.PARTS)
      memory.set(request.content, at.CONTENT)
      held = {
        slots: Math.max(held.slots, request.slots.length),
        parts: Math.max(held.parts, request.personalParts.length),
        content: Math.max(held.content, request.content.length),
      }
      loaded = request
      return true
    },
  }
}

function makeSlots(core: Core, preparation: Preparation, plan: SlotPlan): Slots | undefined {
  const { at, calls, memory } = core
  const count = plan.recipients.length / SLOT_BYTES
  if (!Number.isInteger(count) || count > limits.copies) throw rangeError('recipients', plan.recipients.length)
  if (plan.copyBytes >= 2 ** 24) throw rangeError('bytes of a copy', plan.copyBytes)
  if (!preparation.server(plan.serverKey)) return undefined
  core.writeExactly(at.POINT, plan.splitterKey, POINT_BYTES)
  core.writeExactly(at.SECOND_POINT, plan.groupKey, POINT_BYTES)
  core.writeExactly(at.ENTROPY, plan.entropy, SLOT_ENTROPY_BYTES)
  memory.set(plan.recipients, at.OUTPUT)
  if (calls.makeSlots(count, plan.window, plan.copyBytes) !== status.ok) {
    core.wipe(at.OUTPUT, plan.recipients.length)
    core.wipe(at.RESULT, SLOT_RESULT_BYTES)
    return undefined
  }
  return {
    ephemeral: point(core.takeSecret(at.RESULT, POINT_BYTES)),
    requestKey: key(core.takeSecret(at.RESULT + 32, KEY_BYTES)),
    oneTimeBase: point(core.takeSecret(at.RESULT + 64, POINT_BYTES)),
    oneTimeKey: point(core.takeSecret(at.RESULT + 96, POINT_BYTES)),
    slots: core.takeSecret(at.OUTPUT, plan.recipients.length),
    receiptKeys: core.takeSecret(at.RECEIPT_KEYS, KEY_BYTES * count),
  }
}

function prepareSplit(
  core: Core,
  preparation: Preparation,
  given: SplitRequest,
  entropy: Uint8Array,
): Split | undefined {
  if (!lengthsFit(core, given)) return undefined
  const request = snapshot(given)
  const outerKey = key(Uint8Array.from(entropy))
  const copies = copiesOf(request)
  const partBytes = request.personalPartBytes
  const sealedCopyBytes = COPY_FIXED_BYTES + partBytes + request.content.length + SEAL_BYTES
  const wipeKeys = () => wipe(request.requestKey, request.oneTimeBase, request.oneTimeKey, outerKey)
  if (!preparation.request(request, copies)) {
    wipeKeys()
    return undefined
  }
  let wiped = false
  let made = 0
  return {
    copies,
    sealedCopyBytes,
    split(from, count, roomBytes = 0) {
      assert(!wiped, 'no copies are made under keys that were wiped')
      requireRange(copies, from, count)
      if (count * sealedCopyBytes > limits.splitOutputBytes) throw rangeError('copies in one call', count)
      const prepared = preparation.request(request, copies)
      assert(prepared, 'a request that was prepared once prepares again')
      core.writeExactly(core.at.KEY, request.requestKey, KEY_BYTES)
      core.writeExactly(core.at.ENTROPY, outerKey, KEY_BYTES)
      const answer = core.calls.split(from, count, partBytes, request.content.length)
      assert(answer === status.ok, 'lengths were checked before splitting')
      made = Math.max(made, from + count)
      return takeSpaced(core, count, sealedCopyBytes, roomBytes)
    },
    wipe() {
      wiped = true
      wipeKeys()
      // Whoever splits in slices, each prepared for itself, has the next one find the tables of this one.
      if (made === 0 || made === copies) preparation.forget()
    },
  }
}

/** Takes so many outputs, each with room before it, and overwrites them in the core. */
function takeSpaced(core: Core, count: number, bytesEach: number, roomBytes: number): Uint8Array {
  const output = core.memory.subarray(core.at.OUTPUT, core.at.OUTPUT + count * bytesEach)
  const strideBytes = roomBytes + bytesEach
  const spaced = new Uint8Array(count * strideBytes)
  // Taken in one piece to the end and moved from there one by one, each to where nothing stands any more: no view for each.
  spaced.set(output, count * roomBytes)
  output.fill(0)
  for (let i = 0; i < count && roomBytes > 0; i++) {
    const from = count * roomBytes + i * bytesEach
    spaced.copyWithin(i * strideBytes + roomBytes, from, from + bytesEach)
  }
  return spaced
}

/** S's own request: it made the points itself, so what does not prepare is a defect. */
function prepareOwn(
  preparation: Preparation,
  request: SplitRequest,
  from: number,
  count: number,
  uses: number = copiesOf(request),
): void {
  requireRange(copiesOf(request), from, count)
  // A copy, since the caller's object may change between two calls.
  const prepared = preparation.request({ ...request }, uses)
  assert(prepared, 'the points of an own request decode')
}

function openCopies(
  core: Core,
  secret: Scalar,
  windows: readonly number[],
  sealed: readonly Uint8Array[],
): (OpenedCopy | undefined)[] {
  const { at } = core
  if (windows.length > at.WINDOWS_CAPACITY) throw rangeError('windows', windows.length)
  const opened: (OpenedCopy | undefined)[] = []
  let batch: Uint8Array[] = []
  let batchBytes = 0
  const flush = () => {
    opened.push(...openBatch(core, secret, windows, batch))
    batch = []
    batchBytes = 0
  }
  for (const copy of sealed) {
    // What could not be a copy goes in as an empty one, so that answers keep their places.
    const candidate = copy.length > at.TEXT_CAPACITY ? new Uint8Array(0) : copy
    if (batch.length === at.LENGTHS_CAPACITY || batchBytes + candidate.length > at.TEXT_CAPACITY) flush()
    batch.push(candidate)
    batchBytes += candidate.length
  }
  flush()
  return opened
}

function openBatch(
  core: Core,
  secret: Scalar,
  windows: readonly number[],
  batch: readonly Uint8Array[],
): (OpenedCopy | undefined)[] {
  const { at, calls, memory } = core
  const view = new DataView(memory.buffer)
  core.writeExactly(at.SECRET, secret, KEY_BYTES)
  windows.forEach((window, i) => {
    view.setUint32(at.WINDOWS + 4 * i, window, true)
  })
  let text = at.TEXT
  batch.forEach((copy, i) => {
    view.setUint32(at.LENGTHS + 4 * i, copy.length, true)
    memory.set(copy, text)
    text += copy.length
  })
  const answer = calls.openCopies(batch.length, windows.length)
  assert(answer === status.ok, 'lengths were checked before opening copies')

  text = at.TEXT
  const opened = batch.map((sealed, i) => {
    const copyAt = text + POINT_BYTES
    text += sealed.length
    const record = at.OUTPUT + at.RECORD_BYTES * i
    if (view.getInt32(record, true) !== status.ok) return undefined
    const copy = core.take(copyAt, sealed.length - SEAL_BYTES)
    return {
      copy,
      ephemeral: copy.subarray(0, POINT_BYTES),
      recipients: windows.map((_, w) => core.takeSecret(record + 64 + SLOT_BYTES * w, SLOT_BYTES)),
      receiptKey: key(core.takeSecret(record + 32, KEY_BYTES)),
      payload: copy.subarray(POINT_BYTES + SLOT_BYTES),
    }
  })
  core.wipe(at.TEXT, text - at.TEXT)
  return opened
}

function copiesOf(request: SplitRequest): number {
  return request.slots.length / SLOT_BYTES
}

function lengthsFit(core: Core, request: SplitRequest): boolean {
  const { personalPartBytes, personalParts, content } = request
  const copies = copiesOf(request)
  return (
    Number.isInteger(copies) &&
    copies >= 1 &&
    copies <= limits.copies &&
    Number.isInteger(personalPartBytes) &&
    personalPartBytes >= 0 &&
    personalPartBytes <= MAX_PERSONAL_PART_BYTES &&
    personalParts.length === copies * personalPartBytes &&
    content.length <= core.at.CONTENT_CAPACITY
  )
}

/** The request's bytes as they are now: the caller may reuse its own. */
function snapshot(request: SplitRequest): SplitRequest {
  return {
    ephemeral: point(Uint8Array.from(request.ephemeral)),
    requestKey: key(Uint8Array.from(request.requestKey)) as Key,
    oneTimeBase: point(Uint8Array.from(request.oneTimeBase)),
    oneTimeKey: point(Uint8Array.from(request.oneTimeKey)),
    serverKey: point(Uint8Array.from(request.serverKey)),
    slots: Uint8Array.from(request.slots),
    personalPartBytes: request.personalPartBytes,
    personalParts: Uint8Array.from(request.personalParts),
    content: Uint8Array.from(request.content),
  }
}

function requireRange(copies: number, from: number, count: number): void {
  const valid = Number.isInteger(from) && Number.isInteger(count) && from >= 0 && count >= 0 && from + count <= copies
  if (!valid) throw rangeError(`copies of ${copies}, from ${from}`, count)
}

function rangeError(what: string, got: number): ProtocolError {
  return new ProtocolError('BYTES_LENGTH', `out of range: ${what}, got ${got}`)
}
