/**
 * How a sender sees its messages through (PROTOCOL.md section 7.1), among proxies that lose, lie and vanish and a server that
 * refuses, in virtual time. SEED repeats a run.
 */
import t, { type Test } from 'tap'
import { groupId, messageId, nodeId, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import type { SessionId } from '../../src/link/link.js'
import { Groups } from '../../src/role/device/groups.js'
import { Inbox } from '../../src/role/device/inbox.js'
import { Kept } from '../../src/role/device/kept.js'
import { type Draft, Outbox } from '../../src/role/device/outbox.js'
import { inboxRecord, keys } from '../../src/role/device/records.js'
import { Storage } from '../../src/role/device/storage.js'
import type { DeviceOutput, DeviceResult, Outcome } from '../../src/role/device.js'
import { encodeMessage } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import { crypto, Lab, random, type TestDevice } from './device-lab.js'

t.comment(`SEED=${seed}`)

const GROUP = 'friends'
const HOSTS = ['198.51.100.1', '203.0.113.1', '100.64.0.1', '8.8.8.8', '9.9.9.9', '1.1.1.1']
/** Long enough for all rounds. */
const ALL_ROUNDS_MS = 900_000

interface Around {
  readonly lab: Lab
  readonly anna: TestDevice
  readonly others: readonly TestDevice[]
}

function group(members: number, hosts: readonly string[] = HOSTS): Around {
  const lab = new Lab({ proxyHosts: hosts })
  const [anna, ...others] = Array.from({ length: members }, (_, i) => lab.device(`member ${i}`)) as [
    TestDevice,
    ...TestDevice[],
  ]
  lab.makeGroup(GROUP, anna, ...others)
  for (const proxy of lab.proxies) {
    proxy.forwards = 0
    proxy.splitRequests = 0
  }
  return { lab, anna, others }
}

function sent(
  device: TestDevice,
  text: string,
  until: 'taken' | 'over' = 'over',
): Extract<DeviceResult, { type: 'sent' }> {
  const answer = device.answer({ type: 'send', group: GROUP, body: utf8(text), until }, ALL_ROUNDS_MS)
  if (answer.type !== 'done' || answer.result.type !== 'sent') throw new Error(JSON.stringify(answer))
  return answer.result
}

function outcomes(device: TestDevice): Outcome[] {
  return device.outputs.flatMap((each) => (each.type === 'outcome' ? [each.outcome] : []))
}

function splits({ lab }: Around): number {
  return lab.proxies.reduce((sum, { splitRequests }) => sum + splitRequests, 0)
}

function gotOnce(t: Test, { lab, others }: Around, text: string): void {
  lab.network.runFor(5_000)
  for (const other of others) t.equal(other.texts().filter((each) => each === text).length, 1)
}

t.test('a message is proven stored for all, and nothing of it is left then', async (t) => {
  const around = group(5)
  const { lab, anna } = around
  const at = lab.network.now
  const { outcome, report } = sent(anna, 'hello')
  t.match(outcome, { recipients: 4, stored: 4, unproven: [], messageId: report.messageId })
  t.ok(lab.network.now - at >= limits.receiptWaitMs && lab.network.now - at < 2 * limits.receiptWaitMs + 500)
  t.equal(splits(around), 1, 'by one request')
  t.strictSame(
    outcomes(anna).map(({ stored }) => stored),
    [4],
  )
  t.match(anna.node.machine.status(), { outgoingMessages: 0, unprovenMessages: 0 })
  t.notOk([...anna.node.store.keys()].some((key) => key.startsWith('sending/')))
  gotOnce(t, around, 'hello')
})

t.test('who does not wait is answered at once, and the rest goes on', async (t) => {
  const { lab, anna } = group(3)
  const at = lab.network.now
  const { outcome } = sent(anna, 'hello', 'taken')
  t.equal(outcome, undefined)
  t.ok(lab.network.now - at < limits.receiptWaitMs)
  t.match(anna.node.machine.status(), { outgoingMessages: 0, unprovenMessages: 1 })
  t.ok(
    [...anna.node.store.keys()].some((key) => key.startsWith('sending/')),
    'it stands on disk',
  )
  lab.network.runFor(10_000)
  t.equal(anna.node.machine.status().unprovenMessages, 0)
  t.match(outcomes(anna), [{ stored: 2 }])
})

t.test('what a splitter leaves out goes again to those alone, by others, and each has it once', async (t) => {
  const around = group(8)
  const { lab, anna } = around
  let liar: number | undefined
  for (const [index, proxy] of lab.proxies.entries()) {
    proxy.splits = (place) => {
      if (place === 0) liar ??= index
      return liar !== index || place < 4
    }
  }
  const { outcome } = sent(anna, 'half of it')
  t.match(outcome, { recipients: 7, stored: 7, unproven: [] })
  const again = splits(around) - 1
  t.ok(again >= 2 && again <= limits.roundRequests, `in ${again} requests`)
  t.equal(lab.proxies[liar ?? 0]?.splitRequests, 1, 'not by the one that failed')
  t.ok(anna.outputs.some((each) => each.type === 'progress' && each.outcome.stored >= 3 && each.outcome.stored < 7))
  gotOnce(t, around, 'half of it')
})

t.test('a first proxy that vanishes after it took a message costs time', async (t) => {
  const around = group(4)
  const { lab, anna } = around
  for (const proxy of lab.proxies) proxy.behaviour = 'swallows'
  const reference = anna.order({ type: 'send', group: GROUP, body: utf8('into the void'), until: 'over' })
  lab.network.runUntil(() => lab.proxies.some(({ forwards }) => forwards > 0), 10_000)
  for (const proxy of lab.proxies) {
    if (proxy.forwards > 0) proxy.node.up = false
    else proxy.behaviour = 'carries'
  }
  lab.network.runUntil(() => anna.answerTo(reference) !== undefined, ALL_ROUNDS_MS)
  t.match(anna.answerTo(reference), { type: 'done', result: { outcome: { stored: 3, unproven: [] } } })
  gotOnce(t, around, 'into the void')
})

t.test('who is not reached is named, with the reason', async (t) => {
  await t.test('refused by the server', async (t) => {
    const around = group(4)
    const { lab, anna, others } = around
    const full = others[1] as TestDevice
    const tried: number[] = []
    lab.judges = (id) => {
      if (toHex(id) !== toHex(full.id)) return 'stored'
      tried.push(lab.network.now)
      return 'refused'
    }
    const { outcome } = sent(anna, 'hello')
    t.match(outcome, { recipients: 3, stored: 2 })
    t.strictSame(
      outcome?.unproven.map(({ id, reason }) => [toHex(id), reason]),
      [[toHex(full.id), 'refused']],
    )
    t.equal(tried.length, limits.sendRounds)
    const gaps = tried.slice(1).map((at, i) => at - (tried[i] as number))
    t.ok(
      gaps.every((gap, i) => gap >= limits.refusedPauseMs * 2 ** i),
      'less and less often',
    )
    t.equal(splits(around), limits.sendRounds, 'to nobody else')
    t.ok(anna.node.notices.includes('a message is not proven stored for all'))
    t.equal(anna.node.machine.status().unprovenMessages, 0)
  })

  await t.test('no proof: nothing but random bytes for a token', async (t) => {
    const around = group(3)
    const { lab, anna, others } = around
    for (const proxy of lab.proxies) proxy.splits = () => false
    const at = lab.network.now
    const { outcome } = sent(anna, 'hello')
    t.match(outcome, { recipients: 2, stored: 0, unproven: [{ reason: 'noProof' }, { reason: 'noProof' }] })
    t.ok(lab.network.now - at >= limits.proofMs * (2 ** limits.sendRounds - 1))
    t.strictSame(
      others.flatMap((each) => each.texts()),
      [],
    )
  })

  await t.test('and gets it after all where the reason goes away', async (t) => {
    const around = group(3)
    const { lab, anna, others } = around
    let refusals = 2
    lab.judges = (id) => (toHex(id) === toHex((others[0] as TestDevice).id) && refusals-- > 0 ? 'refused' : 'stored')
    t.match(sent(anna, 'at last').outcome, { stored: 2, unproven: [] })
    gotOnce(t, around, 'at last')
  })
})

t.test('a message under way survives a restart of its sender', async (t) => {
  const around = group(5)
  const { lab, anna, others } = around
  const last = others[3] as TestDevice
  lab.judges = (id) => (toHex(id) === toHex(last.id) ? 'refused' : 'stored')
  anna.order({ type: 'send', group: GROUP, body: utf8('through the night'), until: 'over' })
  lab.network.runUntil(() => anna.outputs.some(({ type }) => type === 'progress'), 10_000)
  lab.network.runFor(100)
  const before = splits(around)
  lab.network.crash(anna.node)
  lab.judges = () => 'stored'
  anna.outputs.length = 0
  lab.network.restart(anna.node)
  t.equal(anna.node.machine.status().outgoingMessages, 1)
  lab.network.runUntil(() => outcomes(anna).length > 0, 60_000)
  t.match(outcomes(anna), [{ recipients: 4, stored: 4, unproven: [] }])
  t.equal(splits(around), before + 1)
  gotOnce(t, around, 'through the night')
})

t.test('a proxy that keeps failing is avoided for a while, for all messages', async (t) => {
  const around = group(3)
  const { lab, anna } = around
  const bad = lab.proxies[0]
  if (bad === undefined) throw new Error('a proxy')
  bad.splits = () => false
  for (let i = 0; i < 30; i++) sent(anna, `message ${i}`)
  const used = bad.splitRequests
  t.ok(used >= 1 && used < 10, `${used} of 30 went by it`)
  lab.network.runFor(limits.avoidMaxMs)
  bad.splits = () => true
  for (let i = 0; i < 40; i++) sent(anna, `later ${i}`)
  t.ok(bad.splitRequests > used, 'and is tried again')
})

t.test('who stops waiting stops nothing that has left', async (t) => {
  const around = group(3)
  const { lab, anna } = around
  const reference = anna.order({ type: 'send', group: GROUP, body: utf8('never mind'), until: 'over' })
  lab.network.runUntil(() => anna.node.machine.status().unprovenMessages === 1, 5_000)
  lab.network.input(anna.node, { type: 'abort', reference })
  t.match(anna.answerTo(reference), { code: 'ABORTED' })
  lab.network.runUntil(() => outcomes(anna).length > 0, 10_000)
  t.match(outcomes(anna), [{ stored: 2 }])
  gotOnce(t, around, 'never mind')
})

t.test(
  'a receipt that comes to the first proxy within three quarters of the time for proof still counts',
  async (t) => {
    const around = group(3)
    const { lab, anna } = around
    const known = new Map<string, number>()
    for (const { node } of lab.proxies) {
      const { machine } = node
      const honest = machine.onMessage
      machine.onMessage = (now, received) => {
        const { session, message } = received
        if (message.kind !== 'receiptRequest') {
          honest(now, received)
          return
        }
        const { ticket, tokenBytes } = message.value
        const name = toHex(ticket)
        // The first question comes after 1.2 to 2.4 s.
        const since = known.get(name) ?? now
        known.set(name, since)
        if (now - since > (3 / 4) * limits.proofMs - 2 * limits.receiptWaitMs) honest(now, received)
        else machine.endpoint.send(now, session, encodeMessage('receiptReply', { ticket, tokens: random(tokenBytes) }))
      }
    }
    for (let i = 0; i < 20; i++) t.match(sent(anna, `late ${i}`).outcome, { stored: 2, unproven: [] })
    t.equal(splits(around), 20, 'no message went twice')
  },
)

t.test('receipts that were not asked for, or of another length, are dropped', async (t) => {
  const { lab, anna } = group(2, HOSTS.slice(0, 2))
  for (const proxy of lab.proxies) proxy.splits = () => false
  lab.receipts.clear()
  anna.order({ type: 'send', group: GROUP, body: utf8('hello'), until: 'over' })
  lab.network.runUntil(() => lab.receipts.size > 0, 5_000)
  for (const [ticket, tokens] of lab.receipts) lab.receipts.set(ticket, random(2 * tokens.length))
  lab.network.runFor(10_000)
  t.ok(anna.node.dropped('RECEIPT_UNEXPECTED') > 0)
})

t.test(
  'a reply counts only on the link that it was asked for on: the second proxy of a message can be the first of another',
  async (t) => {
    const { lab, anna } = group(2, HOSTS.slice(0, 2))
    const links = new Map<(typeof lab.proxies)[number], SessionId>()
    let crossed = false
    for (const proxy of lab.proxies) {
      const { machine } = proxy.node
      const honest = machine.onMessage
      machine.onMessage = (now, received) => {
        links.set(proxy, received.session)
        if (!crossed || received.message.kind !== 'receiptRequest') {
          honest(now, received)
          return
        }
        const { ticket } = received.message.value
        const tokens = lab.receipts.get(toHex(ticket)) ?? random(0)
        for (const [other, session] of links) {
          if (other === proxy) continue
          other.node.machine.endpoint.send(now, session, encodeMessage('receiptReply', { ticket, tokens }))
          lab.network.input(other.node, { type: 'timeout' })
        }
      }
    }
    for (let i = 0; links.size < 2; i++) sent(anna, `before ${i}`, 'taken')
    lab.network.runFor(5_000)
    crossed = true
    anna.order({ type: 'send', group: GROUP, body: utf8('hello'), until: 'over' })
    lab.network.runFor(10_000)
    t.ok(anna.node.dropped('RECEIPT_UNEXPECTED') > 0)
    t.equal(anna.node.machine.status().unprovenMessages, 1)
    crossed = false
    lab.network.runFor(60_000)
    t.equal(anna.node.machine.status().unprovenMessages, 0)
  },
)

t.test('copies are checked a few at a time, and other work goes on in between', async (t) => {
  const around = group(12)
  const { lab, anna } = around
  // Four copies of this length fit one step.
  const body = random(Math.floor(limits.splitStepBytes / 5))
  t.ok(body.length < limits.bodyBytes)
  const reference = anna.order({ type: 'send', group: GROUP, body, until: 'over' })
  let steps = 0
  const { expectedTokens } = crypto
  crypto.expectedTokens = (...call) => {
    steps++
    return expectedTokens.apply(crypto, call)
  }
  t.teardown(() => {
    crypto.expectedTokens = expectedTokens
  })
  lab.network.runUntil(() => anna.answerTo(reference) !== undefined, ALL_ROUNDS_MS)
  t.match(anna.answerTo(reference), { type: 'done', result: { outcome: { stored: 11 } } })
  t.equal(steps, 12 / 4)
})

t.test('what is done with leaves the disk for good: kept messages, the outbox, the inbox', (t) => {
  const outputs: DeviceOutput[] = []
  const storage = new Storage((output) => outputs.push(output))
  const removed = (remove: () => void): unknown => {
    storage.flush(0)
    remove()
    storage.flush(0)
    const last = outputs.at(-1)
    return last?.type === 'persist' && last.writes
  }
  const kept = new Kept(storage, 'kept/', { messages: 1, bytes: 100, lifeMs: 1 })
  kept.keep(0, random(50))
  const [entry] = kept.all()
  t.strictSame(
    removed(() => kept.prune(1)),
    [{ key: entry?.key, value: undefined, erase: true }],
  )
  const addressee = () => ({ id: nodeId(random(8)), accessCode: random(2) })
  const outbox = new Outbox(storage, addressee())
  const ids = { groupId: groupId(random(8)), messageId: messageId(random(8)) }
  const draft: Draft = { ...ids, kind: 'application', body: random(40), padding: 'none' }
  const { parcel } = outbox.addPatient(draft, [addressee()])
  t.strictSame(
    removed(() => outbox.remove(parcel)),
    [{ key: parcel.key, value: undefined, erase: true }],
  )
  const inbox = new Inbox(storage, new Groups(storage))
  const record = { groupId: ids.groupId, group: utf8('friends'), sender: nodeId(random(8)), to: 'all' } as const
  inbox.restore(keys.inbox(1), inboxRecord.encode({ ...record, messageId: ids.messageId, body: random(9) }))
  t.strictSame(
    removed(() => inbox.acknowledge([1])),
    [{ key: keys.inbox(1), value: undefined, erase: true }],
  )
  t.end()
})
