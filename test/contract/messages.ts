/** The crypto contract, second half: slots, the split, opening at CS and at T, and receipts. */
import type { Test } from 'tap'
import { concat, point, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import type { RandomBytes } from '../../src/base/random.js'
import type { Crypto, Split, SplitRequest } from '../../src/crypto/crypto.js'
import { context, copyBytes, flipped, nothing, pair, pieces, scrambledText, window, world } from './fixtures.js'

const shape = { copies: 5, personalPartBytes: 7, contentBytes: 60 }

/** One message all the way: S, P2, CS, T, and the receipts back. */
export function wholeMessage(t: Test, crypto: Crypto, random: RandomBytes): void {
  for (const here of [shape, { copies: 1, personalPartBytes: 0, contentBytes: 0 }]) {
    const { splitter, server, group, plan, slots, request } = world(crypto, random, here)
    t.strictSame(crypto.requestKey(splitter.secret, slots.ephemeral), slots.requestKey, 'P2 has the key of S')

    const split = prepared(crypto, request, random(32))
    t.equal(split.copies, here.copies)
    t.equal(split.sealedCopyBytes, copyBytes(here) + 48)
    const sealed = pieces(split.split(0, here.copies), split.sealedCopyBytes)
    const opened = crypto.openCopies(server.secret, [window - 1, window, window + 1], sealed)
    const expected = pieces(plan.recipients, 10)
    const tokens = pieces(crypto.expectedTokens(request, slots.receiptKeys, 'stored', 0, here.copies), 4)
    const refusals = pieces(crypto.expectedTokens(request, slots.receiptKeys, 'refused', 0, here.copies), 4)
    const points = pieces(crypto.payloadPoints(request, 0, here.copies), 32)

    for (const [i, copy] of opened.entries()) {
      if (copy === undefined) throw new Error(`CS opens copy ${i}`)
      t.equal(copy.copy.length, plan.copyBytes)
      t.strictSame(copy.copy, concat(copy.ephemeral, request.slots.slice(10 * i, 10 * i + 10), copy.payload))
      t.strictSame(copy.recipients[1], expected[i], 'CS reads the recipient under the window of S')
      t.notSame(copy.recipients[0], expected[i], 'and not under another')
      t.notSame(copy.recipients[2], expected[i])
      t.strictSame(copy.receiptKey, slots.receiptKeys.slice(32 * i, 32 * i + 32))
      t.strictSame(crypto.receiptToken(copy.receiptKey, 'stored', copy.copy), tokens[i], 'S expects the token of CS')
      t.strictSame(crypto.receiptToken(copy.receiptKey, 'refused', copy.copy), refusals[i])
      t.notSame(tokens[i], refusals[i])
      t.strictSame(copy.payload.slice(0, 32), points[i], 'S knows its own copy by its point')
      const stranger = pair(crypto, random).secret
      const text = crypto.openAny([stranger, group.secret], context('scramble'), copy.payload)
      t.strictSame(text, { index: 1, plaintext: scrambledText(request, i) }, 'T opens with the group key')
    }
    const seen = new Set([...sealed, ...points].map((bytes) => toHex(bytes.slice(0, 32))))
    t.equal(seen.size, 2 * here.copies, 'no two copies share a point')
  }
}

export function slotsOfOneMessage(t: Test, crypto: Crypto, random: RandomBytes): void {
  const { server, plan, slots, request } = world(crypto, random, shape)
  t.strictSame(crypto.makeSlots(plan), slots, 'slots follow from the plan')
  const sealed = pieces(prepared(crypto, request, random(32)).split(0, shape.copies), copyBytes(shape) + 48)

  const longer = crypto.makeSlots({ ...plan, copyBytes: plan.copyBytes + 1 })
  t.strictSame(longer?.receiptKeys, slots.receiptKeys)
  t.notSame(longer?.slots, slots.slots, 'a slot is bound to the length of its copy')
  const many = Array.from({ length: 8 }, (_, i) => window - 4 + i)
  const [opened] = crypto.openCopies(server.secret, many, sealed)
  t.equal(opened?.recipients.length, 8)
  t.equal(new Set(opened?.recipients.map(toHex)).size, 8, 'eight windows read eight different recipients')
  t.strictSame(opened?.recipients[4], plan.recipients.slice(0, 10))
  t.strictSame(crypto.openCopies(server.secret, [], sealed)[0]?.recipients, [])

  const bad = point(new Uint8Array(32))
  for (const field of ['splitterKey', 'serverKey', 'groupKey'] as const) {
    t.equal(crypto.makeSlots({ ...plan, [field]: bad }), undefined, `${field} must decode`)
  }
  t.strictSame(crypto.makeSlots(plan), slots, 'a refused plan leaves nothing behind')
  t.equal(crypto.makeSlots({ ...plan, entropy: new Uint8Array(128) }), undefined, 'r = 0 is refused')
  t.equal(crypto.makeSlots({ ...plan, recipients: nothing })?.slots.length, 0)
}

export function splitInParts(t: Test, crypto: Crypto, random: RandomBytes): void {
  const first = world(crypto, random, shape)
  const second = world(crypto, random, { copies: 3, personalPartBytes: 0, contentBytes: 200 })
  const entropy = random(32)
  const whole = prepared(crypto, first.request, entropy).split(0, 5)
  const content = Uint8Array.from(first.request.content)
  const firstSplit = prepared(crypto, { ...first.request, content }, entropy)
  content.fill(0)
  const secondSplit = prepared(crypto, second.request, random(32))
  const inParts = [firstSplit.split(0, 2), firstSplit.split(2, 1)]
  secondSplit.split(1, 2)
  inParts.push(firstSplit.split(3, 0))
  crypto.payloadPoints(second.request, 0, 3)
  inParts.push(firstSplit.split(3, 2))
  t.strictSame(concat(...inParts), whole, 'parts join to the whole, whatever was prepared or changed in between')

  t.notSame(prepared(crypto, first.request, random(32)).split(0, 1), whole.slice(0, firstSplit.sealedCopyBytes))
  const tokens = crypto.expectedTokens(first.request, first.slots.receiptKeys, 'stored', 0, 5)
  const some = crypto.expectedTokens(first.request, first.slots.receiptKeys, 'stored', 2, 2)
  t.strictSame(some, tokens.slice(8, 16), 'tokens of some copies are those of all')
  const points = crypto.payloadPoints(first.request, 0, 5)
  t.strictSame(crypto.payloadPoints(first.request, 4, 1), points.slice(4 * 32))
}

export function wipedSplit(t: Test, crypto: Crypto, random: RandomBytes): void {
  const { request } = world(crypto, random, shape)
  const entropy = random(32)
  const [wiped, kept] = [prepared(crypto, request, entropy), prepared(crypto, request, entropy)]
  const whole = wiped.split(0, shape.copies)
  wiped.wipe()
  t.throws(() => wiped.split(0, 1), 'no copy comes from wiped keys')
  t.strictSame(kept.split(0, shape.copies), whole, 'another split of the same request has keys of its own')
  t.strictSame(prepared(crypto, request, entropy).split(0, shape.copies), whole, "and the caller's are the caller's")
}

export function refusedRequests(t: Test, crypto: Crypto, random: RandomBytes): void {
  const { request, slots } = world(crypto, random, shape)
  const prepare = (changed: Partial<SplitRequest>) => crypto.prepareSplit({ ...request, ...changed }, random(32))
  const bad = point(new Uint8Array(32))
  for (const field of ['ephemeral', 'oneTimeBase', 'oneTimeKey', 'serverKey'] as const) {
    t.equal(prepare({ [field]: bad }), undefined, `${field} must decode`)
  }
  t.equal(prepare({ slots: nothing, personalParts: nothing }), undefined, 'no copies')
  t.equal(prepare({ slots: random(51) }), undefined, 'half a slot')
  t.equal(prepare({ personalParts: random(34) }), undefined, 'personal parts of another length')
  t.equal(prepare({ personalPartBytes: 256, personalParts: random(5 * 256) }), undefined, 'personal parts too long')
  t.equal(prepare({ personalPartBytes: 255, personalParts: random(5 * 255) })?.copies, 5)
  const without = { personalPartBytes: 0, personalParts: nothing }
  t.equal(prepare({ ...without, slots: random(10 * limits.copies) })?.copies, limits.copies)
  t.equal(prepare({ ...without, slots: random(10 * (limits.copies + 1)) }), undefined, 'past the copy limit')

  const split = prepared(crypto, request, random(32))
  for (const [from, count] of [
    [0, 6],
    [5, 1],
    [-1, 2],
    [0, -1],
  ] as const) {
    t.throws(() => split.split(from, count), `copies ${from} and ${count} on`)
  }
  const large = random(4 * 1024 * 1024).slice(0, 1024 * 1024)
  const bulky = prepared(crypto, { ...request, ...without, slots: random(160), content: large }, random(32))
  const fitting = Math.floor(limits.splitOutputBytes / bulky.sealedCopyBytes)
  t.equal(bulky.split(0, fitting).length, fitting * bulky.sealedCopyBytes, 'the output buffer filled')
  t.throws(() => bulky.split(0, fitting + 1), 'and one copy past it')
  t.equal(crypto.payloadPoints(request, 0, 5).length, 160)
  t.equal(slots.receiptKeys.length, 160)
}

export function openingAtServer(t: Test, crypto: Crypto, random: RandomBytes): void {
  const { server, plan, request } = world(crypto, random, shape)
  const sealed = pieces(prepared(crypto, request, random(32)).split(0, shape.copies), copyBytes(shape) + 48)
  const [first, second] = sealed as [Uint8Array, Uint8Array]
  const mixture = [first, nothing, random(90), flipped(second, 300), second, first.slice(0, 100), random(200), first]
  const opened = crypto.openCopies(server.secret, [window], mixture)
  t.strictSame(
    opened.map((copy) => copy !== undefined && toHex(copy.recipients[0] ?? nothing)),
    [0, undefined, undefined, undefined, 1, undefined, undefined, 0].map(
      (i) => i !== undefined && toHex(plan.recipients.slice(10 * i, 10 * i + 10)),
    ),
    'answers keep their places among copies that do not open',
  )
  const stranger = pair(crypto, random).secret
  t.ok(crypto.openCopies(stranger, [window], sealed).every((copy) => copy === undefined))
  const turned = Array.from({ length: first.length }, (_, byte) => flipped(first, 8 * byte + (byte % 8)))
  t.ok(
    crypto.openCopies(server.secret, [window], turned).every((copy) => copy === undefined),
    'no byte of a copy may turn',
  )
  t.strictSame(crypto.openCopies(server.secret, [window], []), [])

  // What a bad P2 could seal for CS: too short for a payload that can be delivered, or with an R_i that does not decode.
  const seal = (text: Uint8Array) => crypto.seal(server.point, context('copy'), text, random(64)) ?? nothing
  const shortest = concat(pair(crypto, random).point, random(10 + 48))
  const forged = [seal(shortest), seal(shortest.slice(0, 89)), seal(concat(new Uint8Array(32), random(60)))]
  const verdicts = crypto.openCopies(server.secret, [window], forged).map((copy) => copy?.payload.length)
  t.strictSame(verdicts, [48, undefined, undefined])
}

function prepared(crypto: Crypto, request: SplitRequest, entropy: Uint8Array): Split {
  const split = crypto.prepareSplit(request, entropy)
  if (split === undefined) throw new Error('the request prepares')
  return split
}
