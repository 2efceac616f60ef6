/**
 * How receipts travel (PROTOCOL.md section 7): the proxy as P2, which gathers tokens and hands them back, and as P1, which keeps
 * them until S asks. Server, next proxy and source are endpoints in the test's hand; SEED repeats a run.
 */
import t from 'tap'
import { equal, type Scalar } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { slotWindow } from '../../src/base/time.js'
import type { SplitRequest, Verdict } from '../../src/crypto/crypto.js'
import { receiptBytes } from '../../src/group/sizes.js'
import type { SessionId } from '../../src/link/link.js'
import { ReceiptGathering } from '../../src/role/proxy/gathering.js'
import { LinkRates } from '../../src/role/proxy/link-rates.js'
import { Retained } from '../../src/role/proxy/retained.js'
import { Tickets } from '../../src/role/proxy/tickets.js'
import { encodeMessage, type MessageOf } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import { START } from '../sim/virtual-network.js'
import {
  crypto,
  forward,
  type MadeRequest,
  makeRequest,
  random,
  recipients,
  type Surroundings,
  splitterKey,
  surroundings,
} from './proxy-fixture.js'

t.comment(`SEED=${seed}`)

const MEAN_WAIT_MS = 20
/** When P2 hands tokens over for the first time. */
const FIRST_MS = 10 * MEAN_WAIT_MS + 500
const CONTENT = random(200)

/** A request for the proxy, its ticket and what its sender checks receipts by. */
function prepared(around: Surroundings, copies: number) {
  const made = makeRequest({
    splitterKey: splitterKey(around),
    serverKey: around.serverKey(),
    now: around.network.now,
    recipients: recipients(copies),
    content: CONTENT,
  })
  return { ...made, ticket: made.slots.ephemeral.slice(0, 16), tokenBytes: receiptBytes(made.message.length) }
}

function expected(around: Surroundings, { slots }: MadeRequest, verdict: Verdict, copies: number): Uint8Array {
  const noParts = { personalPartBytes: 0, personalParts: new Uint8Array(0) }
  const request: SplitRequest = { ...slots, ...noParts, serverKey: around.serverKey(), content: CONTENT }
  return crypto.expectedTokens(request, slots.receiptKeys, verdict, 0, copies)
}

/** Answers for copies as CS does, each with its true token. */
function answer(
  around: Surroundings,
  copies: readonly MessageOf<'copy'>['value'][],
  verdict: Verdict = 'stored',
): void {
  const { network, server, serverKeys } = around
  const secret = serverKeys.secrets(network.now)[0]?.secret as Scalar
  const opened = crypto.openCopies(
    secret,
    [slotWindow(network.now)],
    copies.map(({ sealed }) => sealed),
  )
  const answers = copies.map(({ reference }, index) => {
    const copy = opened[index]
    if (copy === undefined) throw new Error('a copy that opens')
    return { reference, token: crypto.receiptToken(copy.receiptKey, verdict, copy.copy) }
  })
  const session = server.machine.received.find(({ message }) => message.kind === 'copy')?.session as SessionId
  server.machine.endpoint.send(network.now, session, encodeMessage('copyAnswers', { answers }))
  network.input(server, { type: 'timeout' })
}

t.test('as P2', (t) => {
  t.test('hands tokens back in slot order, in a length that follows from that of the request', (t) => {
    for (const copies of [1, 3, 8]) {
      const around = surroundings({ meanWaitMs: MEAN_WAIT_MS })
      around.behaviour.answersCopies = false
      const made = prepared(around, copies)
      around.toProxy(made.message)
      around.network.runUntil(() => around.server.machine.of('copy').length === copies, 1_000)
      answer(around, around.server.machine.of('copy'))
      around.network.runFor(2_000)
      const [receipts, ...more] = around.source.machine.of('receipts')
      t.strictSame(more, [], 'once')
      t.strictSame(receipts?.ticket, made.ticket)
      t.equal(receipts?.tokens.length, made.tokenBytes)
      t.strictSame(receipts?.tokens.subarray(0, 4 * copies), expected(around, made, 'stored', copies))
    }
    t.end()
  })

  t.test('hands them back at a moment that is the same for one copy and for many', (t) => {
    for (const copies of [1, 60]) {
      const around = surroundings({ meanWaitMs: MEAN_WAIT_MS })
      around.toProxy(prepared(around, copies).message)
      const count = () => around.proxy.machine.status().splitRequests
      around.network.runUntil(() => count() === 1, 1_000)
      const { now } = around.network
      around.network.runUntil(() => around.source.machine.of('receipts').length > 0, 5_000)
      t.equal(Math.round(around.network.now - now), FIRST_MS + around.network.conditions.delayMs)
    }
    t.end()
  })

  t.test('puts random bytes where CS said nothing, and hands the rest over when it comes', (t) => {
    const around = surroundings({ meanWaitMs: MEAN_WAIT_MS })
    around.behaviour.answersCopies = false
    const made = prepared(around, 4)
    around.toProxy(made.message)
    around.network.runUntil(() => around.server.machine.of('copy').length === 4, 1_000)
    const copies = around.server.machine.of('copy')
    answer(around, copies.slice(0, 2))
    around.network.runFor(FIRST_MS)
    const fits = (tokens: Uint8Array | undefined, verdict: Verdict) => {
      const right = expected(around, made, verdict, 4)
      return [0, 1, 2, 3].filter((i) =>
        equal(tokens?.subarray(4 * i, 4 * i + 4) ?? right, right.subarray(4 * i, 4 * i + 4)),
      )
    }
    t.equal(fits(around.source.machine.of('receipts')[0]?.tokens, 'stored').length, 2)
    around.network.runFor(10 * FIRST_MS)
    t.equal(around.source.machine.of('receipts').length, 1, 'nothing comes again while there is no more')
    answer(around, copies.slice(2), 'refused')
    around.network.runFor(20 * FIRST_MS)
    const last = around.source.machine.of('receipts')[1]?.tokens
    t.equal(fits(last, 'stored').length, 2)
    t.equal(fits(last, 'refused').length, 2)
    t.equal(around.source.machine.of('receipts').length, 2)
    t.end()
  })

  t.test('gives up when a copy is worth nothing any more, and holds nothing then', (t) => {
    const handed: number[] = []
    const hand = (now: number) => {
      handed.push(now)
      return handed.length > 1 ? 'handed' : 'noRoom'
    }
    const gathering = new ReceiptGathering({ random, meanWaitMs: 0, holdMs: 3_000, bounds: limits, hand })
    const tokens = gathering.begin(START, { session: 1 as SessionId, p1Host: undefined }, random(32), 2, 8)
    gathering.answered(tokens, 1, random(4))
    for (let due = gathering.deadline(); due !== undefined; due = gathering.deadline()) gathering.timeout(due)
    t.strictSame(
      handed.map((at) => at - START),
      [500, 1_500],
      'offered again where the link had no room',
    )
    t.equal(gathering.count, 0)
    t.end()
  })

  t.test('holds no tokens for a link that is gone', (t) => {
    const around = surroundings({ bounds: { gatherings: 1 } })
    const { network, source, proxy } = around
    const session = around.connect()
    source.machine.endpoint.send(network.now, session, prepared(around, 2).message)
    network.input(source, { type: 'timeout' })
    t.ok(network.runUntil(() => proxy.machine.status().answeredCopies === 2, 5_000))
    source.machine.endpoint.close(network.now, session, 'done')
    network.input(source, { type: 'timeout' })
    network.runFor(FIRST_MS)
    around.toProxy(prepared(around, 2).message)
    network.runFor(500)
    t.equal(proxy.machine.status().splitRequests, 2, 'what it left behind takes nobody else his place')
    t.end()
  })

  t.test('gathers for so many requests and bytes, and says that it is busy past that', (t) => {
    for (const [bounds, fitting, next] of [
      [{ gatherings: 2 }, [1, 1], 1],
      [{ gatheringBytes: 20 }, [2, 3], 1],
    ] as const) {
      const around = surroundings({ bounds })
      const { network, source, proxy } = around
      around.behaviour.answersCopies = false
      for (const copies of fitting) {
        around.toProxy(prepared(around, copies).message)
        network.runFor(300)
      }
      t.equal(proxy.machine.status().splitRequests, 2)
      around.toProxy(prepared(around, next).message)
      network.runFor(300)
      t.equal(proxy.dropped('REQUEST_FULL'), 1)
      t.equal(source.machine.of('busy').length, 1)
      t.equal(proxy.machine.status().splitRequests, 2)
    }
    t.end()
  })

  t.test('hands over what came late soon after, however long copies wait', (t) => {
    const handed: number[] = []
    const hand = (now: number) => {
      handed.push(now - START)
      return 'handed' as const
    }
    const gathering = new ReceiptGathering({ random, meanWaitMs: 500, holdMs: 15_000, bounds: limits, hand })
    const tokens = gathering.begin(START, { session: 1 as SessionId, p1Host: undefined }, random(32), 4, 16)
    for (let slot = 0; slot < 4; slot++) {
      gathering.answered(tokens, slot, random(4))
      gathering.timeout(gathering.deadline() ?? START)
    }
    t.strictSame(handed, [5_500, 6_500, 8_000, 10_250])
    t.equal(gathering.count, 0)
    t.end()
  })

  t.test('makes so many copies a second for one link, and says that it is busy past that', (t) => {
    const around = surroundings({ bounds: { linkCopiesPerSecond: 10, linkCopiesBurst: 12 } })
    const { network, proxy, source } = around
    const session = around.connect()
    const send = (copies: number) => {
      source.machine.endpoint.send(network.now, session, prepared(around, copies).message)
      network.input(source, { type: 'timeout' })
      network.runFor(100)
    }
    send(12)
    t.equal(proxy.dropped('REQUEST_RATE'), 0, 'as many as it may at once')
    send(3)
    t.equal(proxy.dropped('REQUEST_RATE'), 1)
    t.equal(source.machine.of('busy').length, 1)
    network.runFor(300)
    send(3)
    t.equal(proxy.dropped('REQUEST_RATE'), 1, 'and so many a second from then on')
    around.toProxy(prepared(around, 12).message)
    network.runFor(100)
    t.equal(proxy.machine.status().splitRequests, 3, 'another link has its own')
    t.end()
  })
  t.end()
})

t.test('as P1', (t) => {
  const link = (number: number) => number as SessionId

  /** A proxy that has handed a request on, and the link by which it did. */
  function passedOn() {
    const around = surroundings()
    const made = prepared(around, 5)
    const session = around.connect()
    const { network, source, next } = around
    const say = (message: Uint8Array) => {
      source.machine.endpoint.send(network.now, session, message)
      network.input(source, { type: 'timeout' })
      network.runFor(100)
    }
    const reply = (tokens: Uint8Array, ticket: Uint8Array = made.ticket) => {
      const back = next.machine.received[0]?.session as SessionId
      next.machine.endpoint.send(network.now, back, encodeMessage('receipts', { ticket, tokens }))
      network.input(next, { type: 'timeout' })
      network.runFor(100)
    }
    const ask = (tokenBytes = made.tokenBytes) => {
      say(encodeMessage('receiptRequest', { ticket: made.ticket, tokenBytes }))
      return source.machine.of('receiptReply').at(-1)
    }
    say(forward(around.identities.next, made.message))
    return { ...around, made, say, reply, ask }
  }

  t.test('keeps tokens until they are asked for, and gives as many bytes where there are none', (t) => {
    const { proxy, made, reply, ask } = passedOn()
    const none = ask()
    t.equal(none?.tokens.length, made.tokenBytes)
    const tokens = random(made.tokenBytes)
    reply(tokens)
    t.strictSame(ask(), { ticket: made.ticket, tokens })
    t.strictSame(ask()?.tokens, tokens, 'again where that was lost')
    const later = random(made.tokenBytes)
    reply(later)
    t.strictSame(ask()?.tokens, later, 'the latest')
    t.equal(ask(4)?.tokens.length, 4)
    t.notSame(none?.tokens, ask()?.tokens)
    t.equal(proxy.dropped('RECEIPT_UNEXPECTED'), 0)
    t.end()
  })

  t.test('keeps the later of two receipts, also where a loss makes the earlier one come last', (t) => {
    const { network, next, proxy, made, reply, ask } = passedOn()
    const [earlier, later] = [random(made.tokenBytes), random(made.tokenBytes)]
    const { conditions } = network
    const back = next.machine.received[0]?.session as SessionId
    network.conditions = { ...conditions, loss: 1 }
    next.machine.endpoint.send(network.now, back, encodeMessage('receipts', { ticket: made.ticket, tokens: earlier }))
    network.input(next, { type: 'timeout' })
    network.conditions = conditions
    const order: Uint8Array[] = []
    const { keep } = Tickets.prototype
    t.teardown(() => {
      Tickets.prototype.keep = keep
    })
    Tickets.prototype.keep = function (second, ticket, tokens, place) {
      order.push(tokens.slice())
      return keep.call(this, second, ticket, tokens, place)
    }
    reply(later)
    network.runFor(5_000)
    t.strictSame(order, [later, earlier], 'they overtook each other')
    t.strictSame(ask()?.tokens, later)
    t.equal(proxy.dropped('RECEIPT_UNEXPECTED'), 0)
    t.end()
  })

  t.test('takes receipts only for what it handed on, in their length, and from where it went', (t) => {
    const { proxy, made, reply, ask, say } = passedOn()
    reply(random(made.tokenBytes), random(16))
    reply(random(2 * made.tokenBytes))
    t.equal(proxy.dropped('RECEIPT_UNEXPECTED'), 2)
    const tokens = random(made.tokenBytes)
    say(encodeMessage('receipts', { ticket: made.ticket, tokens }))
    t.equal(proxy.dropped('ROLE_UNEXPECTED'), 1, 'not from a stranger')
    t.notSame(ask()?.tokens, tokens)
    t.end()
  })

  t.test('forgets after a while, and when too many wait the oldest', (t) => {
    const names = Array.from({ length: 4 }, () => random(16))
    const name = (i: number) => names[i] as Uint8Array
    const bytes = receiptBytes(300)
    const tickets = new Tickets(random, { tickets: 3, ticketBytes: 2 * bytes, ticketLifeMs: 1_000 })
    for (let i = 0; i < names.length; i++) {
      tickets.expect(START + i, link(i), 'second', name(i), bytes)
      t.equal(tickets.count, Math.min(i + 1, 3))
    }
    const tokens = random(bytes)
    t.notOk(tickets.keep('second', name(0), tokens), 'the first made way')
    t.notOk(tickets.keep('another', name(1), tokens))
    t.ok(tickets.keep('second', name(1), tokens) && tickets.keep('second', name(2), tokens))
    t.equal(tickets.count, 3, 'as many bytes as may be')
    t.ok(tickets.keep('second', name(3), tokens))
    t.equal(tickets.count, 2, 'past that the oldest makes way')
    t.ok(equal(tickets.answer(name(3), bytes), tokens))
    t.notOk(equal(tickets.answer(name(1), bytes), tokens))
    tickets.timeout(START + 1_002)
    t.equal(tickets.count, 1)
    t.equal(tickets.deadline(), START + 1_003)
    t.end()
  })

  t.test('what floods it by one link pushes out its own, by number and by bytes, also once that link is gone', (t) => {
    const bytes = 64
    for (const bounds of [
      { tickets: 100, ticketBytes: 1_000 * bytes },
      { tickets: 1_000, ticketBytes: 100 * bytes },
    ]) {
      const tickets = new Tickets(random, { ...bounds, ticketLifeMs: 1_000 })
      const bring = (by: SessionId) => {
        const [ticket, tokens] = [random(16), random(bytes)]
        tickets.expect(START, by, 'second', ticket, bytes)
        t.ok(tickets.keep('second', ticket, tokens))
        return () => equal(tickets.answer(ticket, bytes), tokens)
      }
      const early = bring(link(1))
      for (let i = 0; i < 300; i++) bring(link(2))
      tickets.closed(link(2))
      const late = bring(link(3))
      for (let i = 0; i < 300; i++) bring(link(4))
      t.ok(early() && late(), 'those of others are there')
      const kept = tickets.count
      t.ok(kept > 60 && kept < 100, `${kept} tickets`)
    }
    t.end()
  })

  t.test('answers one link so often a second', (t) => {
    const around = surroundings({ bounds: { linkAsksPerSecond: 1, linkAsksBurst: 2 } })
    const { network, proxy, source } = around
    const session = around.connect()
    const ask = (times: number) => {
      for (let i = 0; i < times; i++) {
        const message = encodeMessage('receiptRequest', { ticket: random(16), tokenBytes: 64 })
        source.machine.endpoint.send(network.now, session, message)
      }
      network.input(source, { type: 'timeout' })
      network.runFor(100)
    }
    ask(2)
    t.equal(source.machine.of('receiptReply').length, 2)
    ask(1)
    t.equal(source.machine.of('receiptReply').length, 2)
    t.equal(proxy.dropped('RECEIPT_RATE'), 1)
    network.runFor(1_000)
    ask(1)
    t.equal(source.machine.of('receiptReply').length, 3)
    t.end()
  })

  t.test('offers a request again to a second proxy that was busy, and gives it up in time', (t) => {
    const around = surroundings()
    const { network, proxy, next } = around
    let busy = 2
    next.machine.onMessage = (now, { session, number, message }) => {
      if (message.kind !== 'request' || busy === 0) return
      busy--
      next.machine.endpoint.send(now, session, encodeMessage('busy', { message: number }))
    }
    const made = prepared(around, 2)
    around.toProxy(forward(around.identities.next, made.message))
    network.runUntil(() => busy === 0, 60_000)
    network.runFor(60_000)
    t.equal(next.machine.of('request').length, 3, 'until it was taken')
    busy = 1_000
    around.toProxy(forward(around.identities.next, prepared(around, 2).message))
    network.runFor(limits.forwardHoldMs + 10_000)
    t.equal(proxy.dropped('FORWARD_FAILED'), 1)
    const offered = next.machine.of('request').length
    network.runFor(120_000)
    t.equal(next.machine.of('request').length, offered, 'and not again')
    t.end()
  })
  t.end()
})

t.test('messages that may still be refused are kept by number, bytes and time', (t) => {
  const held = (bytes: number) => ({ message: new Uint8Array(bytes), heldUntil: START + 10_000 })
  const session = 1 as SessionId
  const retained = new Retained()
  for (let i = 0; i < limits.retainedMessages; i++) retained.add(START, session, i, held(1))
  t.equal(retained.count, limits.retainedMessages)
  retained.add(START, session, limits.retainedMessages, held(1))
  t.equal(retained.take(session, 0), undefined, 'the oldest made way')
  t.equal(retained.take(session, 1)?.message.length, 1)
  t.equal(retained.take(session, 1), undefined)
  retained.timeout(START + limits.busyWithinMs)
  t.equal(retained.count, 0)
  for (let i = 0; i < 3; i++) retained.add(START, session, i, held(limits.retainedBytes / 2))
  t.equal(retained.count, 2)
  t.end()
})

t.test('a rate of a link is used up and fills again, up to its burst', (t) => {
  const rates = new LinkRates(1_000, 50)
  const session = 7 as SessionId
  t.notOk(rates.take(START, session, 51))
  t.ok(rates.take(START, session, 50))
  t.notOk(rates.of(START, session).allows(START))
  t.ok(rates.of(START, session).allows(START + 1))
  t.notOk(rates.take(START + 9, session, 10))
  t.ok(rates.take(START + 10, session, 10))
  t.notOk(rates.take(START + 10_000, session, 51))
  rates.take(START + 10_000, session, 50)
  rates.forget(session)
  const rate = rates.of(START + 10_000, session)
  t.ok(rate.take(START + 10_000, 50), 'a link that is new')
  rates.forget(session)
  t.notOk(rate.take(START + 10_000, 1), 'who holds the rate of a link that is gone has no more of it')
  t.equal(rates.count, 0, 'nor is the link remembered again')
  t.end()
})

t.test('the length of receipts follows from the length of the request', (t) => {
  const around = surroundings()
  for (const copies of [1, 2, 50, 300]) {
    const { message } = prepared(around, copies)
    const tokens = receiptBytes(message.length) / 4
    t.ok(tokens >= copies && Number.isInteger(Math.log2(tokens)), `${copies} copies, room for ${tokens} tokens`)
  }
  t.equal(receiptBytes(0), 4)
  t.equal(receiptBytes(limits.messageBytes), 4 * limits.copies)
  t.end()
})
