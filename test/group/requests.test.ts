/**
 * Requests, from the sender to the last recipient, and how padding hides sizes (PROTOCOL.md sections 3 to 7).
 */
import t from 'tap'
import { bigEndian, concat, equal, type NodeId, nodeId, point, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { slotWindow } from '../../src/base/time.js'
import type { Split } from '../../src/crypto/crypto.js'
import { descramble, openGroupContent } from '../../src/group/content.js'
import { withDecoys } from '../../src/group/decoys.js'
import { assembleDirect } from '../../src/group/direct.js'
import { contentPadding, directPadding, paddingThatFits, requestPadding } from '../../src/group/padding.js'
import { assembleRequest, type Recipient, type RequestToAssemble } from '../../src/group/request.js'
import { recipient as recipientFormat, requestBody } from '../../src/wire/content.js'
import { datagramsOf, messageRoomBytes } from '../../src/wire/datagram-room.js'
import { encodeFrame } from '../../src/wire/frame.js'
import { encodeMessage, parseMessage } from '../../src/wire/message.js'
import { seed, seeded } from '../base/seeded.js'
import { crypto, foundGroup, makeDevice, now, present, sealFor, taken } from './support.js'

t.comment(`seed ${seed}`)
const random = seeded()
const members = Array.from({ length: 6 }, () => makeDevice(random))
const [alice] = members as [(typeof members)[0]]
const group = foundGroup(members.slice(0, 2), random)
const splitter = crypto.reduce(random(64))
const server = crypto.reduce(random(64))
const window = slotWindow(now)
const nothing = new Uint8Array()

function plan(changes: Partial<RequestToAssemble> = {}): RequestToAssemble {
  return {
    splitterKey: crypto.publicPoint(splitter),
    serverKey: crypto.publicPoint(server),
    groupKey: group.keys.publicPoint,
    window,
    recipients: members,
    self: alice.id,
    content: sealFor(group, alice, random),
    mode: 'none',
    ...changes,
  }
}

/** What P2 does with a request message; `undefined` where it does not open. */
function split(message: Uint8Array, atWindow = window): Split | undefined {
  const parsed = parseMessage(message)
  if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('not a request')
  const { ephemeral, sealed } = parsed.value.value
  const requestKey = present(crypto.requestKey(splitter, ephemeral))
  const serverKey = crypto.publicPoint(server)
  const associated = concat(serverKey, bigEndian(atWindow, 4))
  const plaintext = crypto.aeadOpen(requestKey, labels.request, associated, sealed)
  if (plaintext === undefined) return undefined
  const body = requestBody.parse(plaintext)
  if (!body.ok) throw new Error(body.code)
  return crypto.prepareSplit({ ...body.value, ephemeral, requestKey, serverKey }, random(32))
}

/** What CS opens of all copies. */
function copiesOf(prepared: Split) {
  const all = prepared.split(0, prepared.copies)
  const sealed = Array.from({ length: prepared.copies }, (_, i) =>
    all.subarray(i * prepared.sealedCopyBytes, (i + 1) * prepared.sealedCopyBytes),
  )
  return crypto.openCopies(server, [window], sealed).map(present)
}

t.test('a request reaches each recipient once, and every copy opens', (t) => {
  for (const mode of ['none', 'classes', 'cell'] as const) {
    const content = sealFor(group, alice, random, { paddingBytes: contentPadding(mode, 5) })
    const assembled = present(assembleRequest(crypto, random, plan({ content, mode })))
    t.equal(assembled.slots, members.length)
    t.equal(assembled.contentBytes, content.length)
    const copies = copiesOf(present(split(assembled.message)))
    const ids = copies.map(({ recipients }) => {
      const parsed = recipientFormat.parse(present(recipients[0]))
      return parsed.ok ? `${toHex(parsed.value.id)} ${toHex(parsed.value.accessCode)}` : parsed.code
    })
    const expected = members.map(({ id, accessCode }) => `${toHex(id)} ${toHex(accessCode)}`)
    t.strictSame(ids.toSorted(), expected.toSorted())
    t.strictSame(
      ids,
      assembled.receipts.recipients.map(({ id, accessCode }) => `${toHex(id)} ${toHex(accessCode)}`),
    )

    for (const { payload } of copies) {
      const opened = present(descramble(crypto, [group.keys.privateKey], payload))
      t.equal(opened.personalPart.length, 0)
      t.strictSame(taken(openGroupContent(crypto, group, opened.content)).sender.id, alice.id)
    }
    const own = copies.filter(({ payload }) => equal(payload.subarray(0, 32), present(assembled.ownPoint)))
    t.equal(own.length, 1, 'the own point is that of one copy')
    t.equal(ids[copies.indexOf(present(own[0]))]?.slice(0, 16), toHex(alice.id), 'which goes to the sender')
  }
  t.end()
})

t.test("the server's tokens are those the sender expects", (t) => {
  const assembled = present(assembleRequest(crypto, random, plan()))
  const copies = copiesOf(present(split(assembled.message)))
  const { request, receiptKeys } = assembled.receipts
  for (const verdict of ['stored', 'refused'] as const) {
    const tokens = copies.map(({ copy, receiptKey }) => crypto.receiptToken(receiptKey, verdict, copy))
    t.strictSame(crypto.expectedTokens(request, receiptKeys, verdict, 0, copies.length), concat(...tokens))
  }
  t.end()
})

t.test('the order of slots says nothing: every recipient stands in every place', (t) => {
  const places = new Set<string>()
  for (let i = 0; i < 60; i++) {
    const { receipts } = present(assembleRequest(crypto, random, plan({ recipients: members.slice(0, 3) })))
    for (const [place, { id }] of receipts.recipients.entries()) places.add(`${toHex(id)} ${place}`)
  }
  t.equal(places.size, 9)
  t.end()
})

t.test('ten bytes a recipient, and a request that does not open for another window', (t) => {
  const content = sealFor(group, alice, random)
  const bytesFor = (count: number) =>
    present(assembleRequest(crypto, random, plan({ content, recipients: members.slice(0, count) }))).message.length
  t.equal(bytesFor(6) - bytesFor(1), 50)
  t.equal(bytesFor(1), 119 + 10 + content.length, 'R, tag, kind, pair, counts and one slot')
  t.equal(split(present(assembleRequest(crypto, random, plan())).message, window + 1), undefined)
  t.end()
})

t.test('refuses keys that do not decode, and recipients without the sender', (t) => {
  const bad = point(new Uint8Array(32).fill(255))
  t.equal(assembleRequest(crypto, random, plan({ splitterKey: bad })), undefined, 'of P2')
  t.equal(assembleRequest(crypto, random, plan({ serverKey: bad })), undefined, 'of CS')
  t.throws(() => assembleRequest(crypto, random, plan({ recipients: members.slice(1) })), /one of the recipients/)
  t.throws(() => assembleRequest(crypto, random, plan({ recipients: [] })), /as many recipients/)
  t.end()
})

t.test('refuses what would pass the limits of a message or of all copies, by one byte', (t) => {
  const assemble = (copies: number, contentBytes: number) =>
    assembleRequest(crypto, random, plan({ recipients: crowd(copies), content: new Uint8Array(contentBytes) }))
  const tooLarge = { code: 'BODY_TOO_LARGE' }

  const one = limits.messageBytes - 10 - 119 - 10
  t.equal(present(assemble(1, one)).message.length, limits.messageBytes - 10, 'the largest message, in its forward')
  t.throws(() => assemble(1, one + 1), tooLarge, 'a byte more')

  const each = limits.splitTotalBytes / 128 - 91
  t.ok(assemble(128, each), 'copies of exactly the total')
  t.throws(() => assemble(128, each + 1), tooLarge, 'a byte more in each')
  t.ok(assemble(limits.copies, 200), 'as many recipients as there may be')
  t.throws(() => assemble(limits.copies + 1, 200), /as many recipients/, 'one more')
  t.end()
})

function crowd(count: number): Recipient[] {
  const others = Array.from({ length: count - 1 }, (_, i) => ({
    id: nodeId(bigEndian(i + 1, 8)) as NodeId,
    accessCode: new Uint8Array(2),
  }))
  return [alice, ...others]
}

const CONTENT_OVERHEAD = 130
const COPY_OVERHEAD = 155

/** Every size up to a few datagrams, then a sample, the limit at last. */
function* bodySizes(): Generator<number> {
  for (let size = 0; size < 3000; size++) yield size
  for (let size = 3000; size < 20_000; size += 101) yield size
  for (let size = 20_000; size < limits.bodyBytes; size += 7919) yield size
  yield limits.bodyBytes
}

t.test('classes: every content has one of few sizes, the next that fits', (t) => {
  const sizes = new Map<number, number>()
  let shrunk = 0
  let largest = 0
  for (const bodyBytes of bodySizes()) {
    const paddingBytes = contentPadding('classes', bodyBytes)
    const size = CONTENT_OVERHEAD + bodyBytes + paddingBytes
    sizes.set(size, (sizes.get(size) ?? 0) + 1)
    if (paddingBytes < 0 || size < largest) shrunk++
    largest = size
  }
  t.equal(shrunk, 0, 'no class is skipped back')
  const powers = [2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288]
  const last = limits.messageBytes - 10 - 119 - 10 * limits.copies
  t.strictSame([...sizes.keys()], [256, 512, 1013, ...powers, last])
  t.equal(datagramsOf(COPY_OVERHEAD + 1013), 1, 'the third class fills a datagram')
  t.equal(datagramsOf(COPY_OVERHEAD + 1014), 2)
  t.equal(contentPadding('classes', last), 0, 'nothing is added to what is too large')
  t.end()
})

t.test('cell: every forwarded copy fills its datagrams, and takes no more than without padding', (t) => {
  const wrong = []
  for (const bodyBytes of bodySizes()) {
    const bare = COPY_OVERHEAD + CONTENT_OVERHEAD + bodyBytes
    const padded = bare + contentPadding('cell', bodyBytes)
    const isFull = datagramsOf(padded + 1) === datagramsOf(padded) + 1
    const isLast = padded === limits.messageBytes - 10 - 119 - 10 * limits.copies + COPY_OVERHEAD
    if (datagramsOf(bare) !== datagramsOf(padded) || !(isFull || isLast)) wrong.push(bodyBytes)
  }
  t.strictSame(wrong, [])
  t.end()
})

t.test('a padded request fills whole datagrams, of one of few numbers, and never spills', (t) => {
  const numbers = new Set<number>()
  const wrong = []
  for (const bodyBytes of bodySizes()) {
    const requestBytes = 119 + 10 * 20 + CONTENT_OVERHEAD + bodyBytes
    const forwardBytes = 10 + requestBytes + requestPadding('classes', requestBytes)
    const datagrams = datagramsOf(forwardBytes)
    numbers.add(datagrams)
    const isFull = forwardBytes === Math.min(messageRoomBytes(datagrams), limits.messageBytes)
    if (!isFull || fragmentsOf(forwardBytes) !== datagrams) wrong.push(bodyBytes)
    if (datagrams > Math.ceil(datagramsOf(10 + requestBytes) * 1.12) + 1) wrong.push(bodyBytes)
  }
  t.strictSame(wrong, [])
  t.ok([1, 2, 3, 4].every((few) => numbers.has(few)))
  t.notOk(numbers.has(9), '9 is 1001 in binary, and 3 has two digits: one digit too many')
  t.ok(numbers.size < 75, `${numbers.size} numbers of datagrams`)
  t.equal(requestPadding('none', 500), 0)
  t.equal(requestPadding('cell', 500), requestPadding('classes', 500))
  t.equal(requestPadding('classes', limits.messageBytes - 10), 0, 'the largest message stays one')
  t.end()
})

t.test('padding that a split has no room for gives way to less, and none to a body that is too large', (t) => {
  const copies = 1100
  const most = Math.floor(limits.splitTotalBytes / copies) - 91
  const sizeOf = (contentBytes: number) =>
    contentBytes + paddingThatFits('classes', contentBytes - CONTENT_OVERHEAD, copies)
  t.equal(sizeOf(32_768), 32_768)
  t.ok(sizeOf(32_769) < 65_536 && sizeOf(32_769) > 32_769, 'the next class would be too much')
  t.ok(sizeOf(32_769) <= 32_769 * 1.12)
  t.equal(sizeOf(most), most, 'at the limit')
  const assembled = (contentBytes: number) =>
    assembleRequest(crypto, random, plan({ recipients: crowd(copies), content: new Uint8Array(sizeOf(contentBytes)) }))
  t.equal(assembled(most)?.slots, copies)
  t.throws(() => assembled(most + 1), { code: 'BODY_TOO_LARGE' })
  t.equal(paddingThatFits('none', 32_769, copies), 0)
  for (const bodyBytes of [0, 200, 5_000, 60_000]) {
    t.equal(paddingThatFits('cell', bodyBytes, 8), contentPadding('cell', bodyBytes))
  }
  t.end()
})

t.test('a copy sent directly fills the datagrams that a request would', (t) => {
  const wrong = []
  const numbers = new Set<number>()
  for (const bodyBytes of bodySizes()) {
    const forwardBytes = COPY_OVERHEAD + CONTENT_OVERHEAD + bodyBytes + directPadding('classes', bodyBytes)
    const datagrams = datagramsOf(forwardBytes)
    numbers.add(datagrams)
    if (forwardBytes !== Math.min(messageRoomBytes(datagrams), limits.messageBytes)) wrong.push(bodyBytes)
  }
  t.strictSame(wrong, [])
  t.notOk(numbers.has(9))
  t.equal(directPadding('none', 5), 0)
  const direct = (contentBytes: number) => {
    const { serverKey, groupKey } = plan()
    const content = new Uint8Array(contentBytes)
    return assembleDirect(crypto, random, { serverKey, groupKey, window, recipient: members[1] as Recipient, content })
  }
  const most = limits.messageBytes - COPY_OVERHEAD
  t.equal(direct(most)?.message.length, limits.messageBytes - 10)
  t.throws(() => direct(most + 1), { code: 'BODY_TOO_LARGE' })
  t.end()
})

t.test('decoys fill up to a power of two, as far as there is room', (t) => {
  const slots = (count: number, bodyBytes: number) => withDecoys('power', crowd(count), bodyBytes).length
  t.strictSame(
    [1, 2, 3, 4, 5, 8, 9, 1000].map((count) => slots(count, 10)),
    [1, 2, 4, 4, 8, 8, 16, 1024],
  )
  t.equal(slots(limits.copies - 1, 10), limits.copies)
  t.equal(slots(limits.copies, 10), limits.copies)
  t.equal(withDecoys('none', crowd(5), 10).length, 5)
  // 600 copies of this are allowed, 1,024 are not.
  const bodyBytes = Math.floor(limits.splitTotalBytes / 600) - 91 - CONTENT_OVERHEAD
  t.equal(slots(520, bodyBytes), 600)
  t.equal(slots(600, bodyBytes), 600)
  t.equal(slots(601, bodyBytes), 601, 'too large already, which is told elsewhere')

  const recipients = withDecoys('power', members.slice(0, 5), 10)
  const { message, receipts } = present(assembleRequest(crypto, random, plan({ recipients })))
  const opened = copiesOf(present(split(message)))
  const ids = opened.map((each) => toHex(present(each.recipients[0])))
  t.equal(ids.filter((id) => /^0+$/.test(id)).length, 3)
  t.strictSame(
    receipts.recipients.map(({ decoy }) => decoy === true),
    ids.map((id) => /^0+$/.test(id)),
    'the sender knows which they are, in the order of the slots',
  )
  t.end()
})

t.test('groups of different sizes in one class upload as many bytes', (t) => {
  const content = sealFor(group, alice, random, { paddingBytes: contentPadding('classes', 5) })
  const upload = (count: number) =>
    present(assembleRequest(crypto, random, plan({ content, recipients: crowd(count), mode: 'classes' }))).message
      .length
  t.equal(upload(2), upload(70))
  t.ok(
    split(present(assembleRequest(crypto, random, plan({ mode: 'classes' }))).message),
    'and P2 reads past the padding',
  )
  t.end()
})

t.test('the room of datagrams is exact', (t) => {
  t.equal(messageRoomBytes(1), 1200 - 25 - 7)
  for (const datagrams of [1, 2, 3, 13, 14, 15, 16, 100, 903]) {
    const room = messageRoomBytes(datagrams)
    t.equal(fragmentsOf(room), datagrams, `${room} bytes fit ${datagrams}`)
    t.equal(fragmentsOf(room + 1), datagrams + 1, 'and a byte more does not')
  }
  t.equal(messageRoomBytes(10_000), limits.messageBytes, 'no message is longer than one may be')
  t.end()
})

/** Datagrams that a sender fills one after the other, with the longest message number of four bytes. */
function fragmentsOf(messageBytes: number): number {
  const message = 2 ** 30 - 1
  const data = new Uint8Array(1)
  const roomBeside = (frame: Uint8Array) => 1200 - 25 - (frame.length - data.length)
  if (messageBytes <= roomBeside(encodeFrame({ kind: 'whole', value: { message, data } }))) return 1
  let datagrams = 0
  for (let offset = 0; offset < messageBytes; datagrams++) {
    offset += roomBeside(encodeFrame({ kind: 'fragment', value: { message, totalBytes: messageBytes, offset, data } }))
  }
  return datagrams
}

t.test('a copy to be relayed is as long as padding takes it to be', (t) => {
  const content = sealFor(group, alice, random)
  const prepared = present(split(present(assembleRequest(crypto, random, plan({ content }))).message))
  const copy = encodeMessage('copy', { reference: 0, extension: nothing, sealed: prepared.split(0, 1) })
  const forwarded = encodeMessage('forward', { nextHop: alice.id, extension: nothing, message: copy })
  t.equal(forwarded.length, COPY_OVERHEAD + content.length)
  t.equal(CONTENT_OVERHEAD + 5, content.length)
  t.end()
})
