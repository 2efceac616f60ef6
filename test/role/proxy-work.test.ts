/**
 * What a proxy does at a time: slices of a split, requests under way, and the bounds of all that waits (PROTOCOL.md
 * section 5). SEED repeats a run.
 */
import t from 'tap'
import { concat, digest, fromBigEndian, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { RandomNumbers } from '../../src/base/random.js'
import { slotWindow, startOfWindow, utcDay } from '../../src/base/time.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkEndpoint, SessionId } from '../../src/link/link.js'
import { type Job, type JobOutput, type JobResult, runJob } from '../../src/role/jobs.js'
import { COPY_HEAD_BYTES, Copies } from '../../src/role/proxy/copies.js'
import { ReceiptGathering } from '../../src/role/proxy/gathering.js'
import { Listing } from '../../src/role/proxy/listing.js'
import { NextHops } from '../../src/role/proxy/next-hops.js'
import type { OpenedRequest } from '../../src/role/proxy/open-request.js'
import { RequestReplays } from '../../src/role/proxy/replays.js'
import { Splitter } from '../../src/role/proxy/splitter.js'
import { Waiting } from '../../src/role/proxy/waiting.js'
import type { ListedProxy } from '../../src/role/server-link.js'
import { Work } from '../../src/role/work.js'
import { seed } from '../base/seeded.js'
import { START } from '../sim/virtual-network.js'
import {
  addresses,
  crypto,
  dropsOf,
  newIdentity,
  noParts,
  present,
  random,
  recipients,
  requestTo,
  type Surroundings,
  surroundings,
} from './proxy-fixture.js'

t.comment(`SEED=${seed}`)

function splitting(copies: number, slicesAhead = 2) {
  const jobs: JobOutput[] = []
  const made: Uint8Array[] = []
  const failed: [copies: number, code: string | undefined][] = []
  const work = new Work((output) => jobs.push(output))
  const splitter = new Splitter({
    work,
    slicesAhead,
    made: (_now, spaced, bytesEach) => {
      for (let at = COPY_HEAD_BYTES; at < spaced.length; at += COPY_HEAD_BYTES + bytesEach)
        made.push(spaced.subarray(at, at + bytesEach))
    },
    failed: (count, _bytesEach, code) => failed.push([count, code]),
  })
  const request = openedRequest(copies)
  const entropy = random(32)
  const gathering = new ReceiptGathering({ random, meanWaitMs: 1, holdMs: 1, bounds: limits, hand: () => 'handed' })
  splitter.accept(
    7,
    request,
    entropy,
    gathering.begin(START, { session: 1 as SessionId, p1Host: undefined }, random(32), copies, 4),
  )
  splitter.recorded(7)
  /** Ends the job that was handed out as the `turn`-th; what it took with it is gone then. */
  function end(turn: number, how: (job: Job) => JobResult = (job) => runJob(crypto, job)) {
    const { id, job } = present(jobs[turn])
    work.done(START, { type: 'done', id, result: how(job) })
  }
  return { jobs, made, failed, splitter, request, entropy, end }
}

function openedRequest(count: number): OpenedRequest {
  const serverKey = crypto.publicPoint(crypto.reduce(random(64)))
  const content = random(60)
  const plan = { splitterKey: serverKey, serverKey, groupKey: serverKey, window: 1, copyBytes: 151 }
  const slots = present(crypto.makeSlots({ ...plan, recipients: concat(...recipients(count)), entropy: random(128) }))
  return { window: 1, count, sealedCopyBytes: 199, split: { serverKey, ...noParts, content, ...slots } }
}

const failing = (): JobResult => ({ type: 'failed' })
const blank = new Uint8Array(32)

t.test('slices of a split', (t) => {
  t.test('are handed out as far as they may be ahead, and the next when one ends', (t) => {
    const { jobs, made, end } = splitting(5 * limits.splitStepCopies - 1)
    t.equal(jobs.length, 2)
    end(1)
    t.equal(jobs.length, 3, 'ends out of turn')
    t.equal(made.length, limits.splitStepCopies)
    for (const turn of [0, 3, 2, 4]) end(turn)
    t.equal(made.length, 5 * limits.splitStepCopies - 1)
    t.equal(new Set(made.map(toHex)).size, made.length)
    t.end()
  })

  t.test('carry keys of their own, wiped when they are done; the request’s are with its last copy', (t) => {
    const { jobs, request, entropy, end } = splitting(2 * limits.splitStepCopies)
    end(0)
    const [first, second] = jobs.map(({ job }) => job as Extract<Job, { type: 'split' }>)
    t.same([first?.request.requestKey, first?.entropy], [blank, blank])
    t.notSame(request.split.requestKey, blank, 'not before it')
    t.same(second?.request.requestKey, request.split.requestKey)
    end(1)
    t.same([request.split.requestKey, entropy], [blank, blank])
    t.end()
  })

  t.test('that fail are tried once more, then given up', (t) => {
    const { jobs, made, failed, request, end } = splitting(limits.splitStepCopies + 1)
    end(1, failing)
    t.equal(jobs.length, 3)
    end(0)
    end(2)
    t.equal(made.length, limits.splitStepCopies + 1)
    t.same(failed, [])
    t.same(request.split.requestKey, blank)

    const doomed = splitting(limits.splitStepCopies + 1)
    for (const turn of [1, 2]) doomed.end(turn, failing)
    t.same(doomed.failed, [[1, 'JOB_FAILED']])
    t.notSame(doomed.request.split.requestKey, blank, 'the other slice may still be made')
    doomed.end(0)
    t.same(doomed.request.split.requestKey, blank)
    t.end()
  })

  t.test('of which one tells that a point does not decode make an end of all', (t) => {
    const { jobs, failed, request, end } = splitting(5 * limits.splitStepCopies)
    const refused = (): JobResult => ({ type: 'split', copies: undefined })
    end(0, failing)
    end(1, refused)
    t.same(failed, [[4 * limits.splitStepCopies, 'REQUEST_POINT']], 'what is under way is yet to end')
    for (let turn = 2; turn < jobs.length; turn++) end(turn, refused)
    t.equal(
      failed.reduce((sum, [copies]) => sum + copies, 0),
      5 * limits.splitStepCopies,
      'all room is given back',
    )
    t.same(failed.map(([, code]) => code).filter(Boolean), ['REQUEST_POINT'], 'said once')
    t.same(request.split.requestKey, blank)
    t.end()
  })

  t.test('that end after a stop make nothing', (t) => {
    const { jobs, made, request, entropy, splitter, end } = splitting(3 * limits.splitStepCopies)
    splitter.stop()
    t.same([request.split.requestKey, entropy], [blank, blank])
    end(0)
    end(1, failing)
    t.equal(made.length, 0)
    t.equal(jobs.length, 2)
    t.end()
  })
  t.end()
})

t.test('requests whose work is under way', (t) => {
  const held = () => 1e9
  const send = (around: Surroundings, count: number) => {
    for (let i = 0; i < count; i++) around.toProxy(requestTo(around, { recipients: recipients(1) }).message)
    around.network.runFor(1_000)
  }

  t.test('are so many and no more; past that the sender hears so at once', (t) => {
    const around = surroundings({ bounds: { openingRequests: 6 } })
    around.network.jobMs = held
    send(around, 3)
    t.equal(around.proxy.dropped('REQUEST_FULL'), 0)
    send(around, 1)
    t.equal(around.proxy.dropped('REQUEST_FULL'), 1)
    t.equal(around.source.machine.of('busy').length, 1)
    t.end()
  })

  t.test('have so many bytes and no more', (t) => {
    const bytes = requestTo(surroundings(), { recipients: recipients(1) }).message.length - 33
    const around = surroundings({ bounds: { openingBytes: 4 * bytes } })
    around.network.jobMs = held
    send(around, 2)
    t.equal(around.proxy.dropped('REQUEST_FULL'), 0)
    send(around, 1)
    t.equal(around.proxy.dropped('REQUEST_FULL'), 1)
    t.end()
  })

  t.test('make room when they end, also by failing, which the sender hears of', (t) => {
    const around = surroundings({ bounds: { openingRequests: 1 } })
    const { network } = around
    const { run } = network
    network.run = failing
    send(around, 1)
    t.equal(around.proxy.dropped('JOB_FAILED'), 1)
    t.equal(around.source.machine.of('busy').length, 1)
    network.run = run
    send(around, 1)
    t.equal(around.server.machine.of('copy').length, 1)
    t.end()
  })

  t.test('and came twice are split once, whichever ends first', (t) => {
    const around = surroundings()
    let turn = 0
    around.network.jobMs = ({ type }) => (type === 'openRequest' && turn++ === 0 ? 500 : 10)
    const { message } = requestTo(around, { recipients: recipients(3) })
    const drops = dropsOf(around, () => {
      around.toProxy(message)
      around.toProxy(message)
    })
    t.strictSame(drops, { REQUEST_REPLAY: 1 })
    t.equal(turn, 2)
    t.equal(around.server.machine.of('copy').length, 3)
    t.end()
  })

  t.test('do not keep others waiting', (t) => {
    const around = surroundings({ meanWaitMs: 1 })
    around.network.jobMs = (job) => (job.type === 'split' && job.count > 1 ? 10_000 : 1)
    around.toProxy(requestTo(around, { recipients: recipients(40) }).message)
    send(around, 1)
    t.equal(around.proxy.machine.status().answeredCopies, 1)
    around.network.runFor(12_000)
    t.equal(around.proxy.machine.status().answeredCopies, 41)
    t.end()
  })

  t.test('end with the proxy: nothing is split any more, and their keys are wiped', (t) => {
    const around = surroundings()
    const { network } = around
    const keys: Uint8Array[] = []
    const { run } = network
    network.run = (job) => {
      const result = run(job)
      if (result.type === 'openRequest' && result.unsealed) keys.push(result.unsealed.requestKey)
      return result
    }
    network.jobMs = () => 2_000
    send(around, 2)
    network.input(around.proxy, { type: 'stop' })
    network.runFor(3_000)
    t.same(keys, [blank, blank])
    t.equal(around.proxy.machine.status().splitRequests, 0)
    t.end()
  })
  t.end()
})

t.test('bounds', (t) => {
  const { linkSecret } = newIdentity()
  const endpoint = () => createEndpoint({ linkSecret }, crypto, random)
  const listed = (): ListedProxy => ({
    id: random(8) as ListedProxy['id'],
    linkKey: crypto.x25519Public(random(32)),
    addresses: [addresses.next],
    sealingKeys: new Map(),
  })

  t.test('copies that wait, by number and by bytes', (t) => {
    const copies = new Copies({ random, endpoint: endpoint(), meanWaitMs: 1 })
    t.ok(copies.reserve(limits.waitingCopies, 1))
    t.notOk(copies.reserve(1, 1))
    copies.release(limits.waitingCopies, 1)
    t.ok(copies.reserve(1, limits.waitingBytes))
    t.notOk(copies.reserve(1, 1))
    t.end()
  })

  t.test('copies made together, whose bytes are held until the last of them has gone', (t) => {
    const own = endpoint()
    const session = own.connect(START, crypto.x25519Public(random(32)), addresses.server)
    const references: number[] = []
    const tokens: [place: number, token: Uint8Array][] = []
    const given = random(4)
    const send: LinkEndpoint['send'] = (now, to, message) => {
      references.push(fromBigEndian(message.subarray(1, 5)))
      return own.send(now, to, message)
    }
    const copies = new Copies({ random, endpoint: Object.create(own, { send: { value: send } }), meanWaitMs: 1 })
    t.ok(copies.reserve(2, 100) && copies.reserve(1, limits.waitingBytes - 200))
    copies.add(START, random(2 * (COPY_HEAD_BYTES + 100)), 100, (place, token) => tokens.push([place, token]))
    copies.send(START + 10, session)
    t.equal(references.length, 2)
    t.ok(copies.answered(references[0] as number, given))
    t.notOk(copies.answered(references[0] as number, given), 'answered once')
    t.strictSame(
      tokens.map(([, token]) => token),
      [given],
    )
    t.equal(copies.held, 2)
    t.notOk(copies.reserve(1, 1), 'both still stand in memory')
    t.ok(copies.answered(references[1] as number, given))
    t.strictSame(tokens.map(([place]) => place).sort(), [0, 1], 'each token with the place of its copy')
    t.ok(copies.reserve(1, 200))
    t.notOk(copies.reserve(1, 1))
    t.end()
  })

  t.test('requests remembered in a window', (t) => {
    const replays = new RequestReplays(crypto)
    const window = slotWindow(START)
    for (let i = 0; i < limits.requestReplays; i++)
      replays.restore(`seen/${window}/${i.toString(16).padStart(32, '0')}`)
    t.equal(replays.remember(window, 'one', random(32)), undefined)
    t.ok(replays.remember(window + 1, 'one', random(32)), 'another window has room')
    t.equal(replays.expire(startOfWindow(window + 2)).length, limits.requestReplays)
    t.end()
  })

  t.test('requests remembered in a window, for no network more than is left free', (t) => {
    const replays = new RequestReplays(crypto)
    const window = slotWindow(START)
    for (let i = 0; i < limits.requestReplays - 6; i++)
      replays.restore(`seen/${window}/${i.toString(16).padStart(32, '0')}`)
    const taken = (network: string) => replays.remember(window, network, random(32)) !== undefined
    const times = (count: number, network: string) => Array.from({ length: count }, () => taken(network))
    t.strictSame(times(4, 'one'), [true, true, true, false])
    t.strictSame(times(3, 'another'), [true, true, false])
    t.strictSame(times(1, 'one'), [false])
    t.strictSame(times(2, 'a third'), [true, false])
    t.end()
  })

  t.test('messages held for next hops, by number and by bytes, for none more than is left free', (t) => {
    for (const [message, most] of [
      [Uint8Array.of(1), limits.forwardMessages],
      [new Uint8Array(limits.messageBytes), limits.forwardBytes / limits.messageBytes],
    ] as const) {
      const hops = new NextHops(endpoint(), random)
      const fill = (proxy: ListedProxy, now: number) => {
        let taken = 0
        while (taken <= most && hops.forwardToProxy(now, proxy, message)) taken++
        return taken
      }
      const [silent, another] = [listed(), listed()]
      t.equal(fill(silent, START), most / 2, 'a hop that takes nothing has half of all')
      t.equal(fill(another, START), most / 4, 'and half of the rest is for the next')
      t.ok(hops.forwardToProxy(START, listed(), message))
      t.notOk(hops.forwardToProxy(START, silent, message))
      const later = START + limits.forwardHoldMs
      hops.timeout(later)
      t.equal(hops.held, 0)
      t.equal(fill(silent, later), most / 2, 'as much again once it is given up')
    }
    t.end()
  })

  t.test('messages that wait are among those held, and fail where no link is free when their time comes', (t) => {
    const hops = new NextHops(endpoint(), random, 10)
    let taken = 0
    while (taken <= limits.forwardMessages && hops.forwardToProxy(START, listed(), Uint8Array.of(1))) taken++
    t.equal(taken, limits.forwardMessages)
    t.notOk(hops.forwardToProxy(START, listed(), Uint8Array.of(1)))
    t.equal(hops.held, limits.forwardMessages)
    t.ok((hops.deadline() ?? 0) >= START)
    hops.timeout(START + 100)
    t.equal(hops.held, limits.nextHops)
    t.equal(hops.counts.failed, limits.forwardMessages - limits.nextHops)
    t.end()
  })

  t.test('links to next hops, of which an idle one makes room', (t) => {
    const own = endpoint()
    const hops = new NextHops(own, random)
    for (let i = 0; i < limits.nextHops; i++) hops.forwardToProxy(START, listed(), Uint8Array.of(1))
    t.notOk(hops.forwardToProxy(START, listed(), Uint8Array.of(1)))
    hops.timeout(START + limits.forwardHoldMs)
    t.equal(hops.counts.failed, limits.nextHops)
    t.ok(hops.forwardToProxy(START + limits.forwardHoldMs, listed(), Uint8Array.of(1)))
    t.end()
  })
  t.end()
})

t.test('copies leave by their due times, equal ones in random order', (t) => {
  const waiting = new Waiting<{ readonly sealed: Uint8Array }>(new RandomNumbers(random))
  const copy = (name: number) => ({ sealed: Uint8Array.of(name) })
  const dues = Array.from({ length: 200 }, (_, i) => (i * 37) % 100)
  for (const [name, due] of dues.entries()) waiting.add(due, copy(name))
  const order: number[] = []
  for (let taken = waiting.take(); taken !== undefined; taken = waiting.take()) order.push(taken.sealed[0] as number)
  t.strictSame(
    order.map((name) => dues[name] as number),
    [...dues].sort((a, b) => a - b),
  )
  for (let name = 0; name < 64; name++) waiting.add(0, copy(name))
  const ties = Array.from({ length: 64 }, () => waiting.take()?.sealed[0])
  t.notSame(
    ties,
    Array.from({ length: 64 }, (_, name) => name),
  )
  t.equal(waiting.size, 0)
  t.end()
})

t.test('C is remembered for the days about now, however many a server names', async (t) => {
  const identity = newIdentity()
  const options = {
    ...{ crypto, random, meanWaitMs: 0, advertised: [addresses.proxy] },
    self: { identity, id: nodeIdOf(crypto, identity.identityKey) },
    server: { identityKey: identity.identityKey, addresses: [addresses.server] },
  }
  const listing = new Listing(options, () => 0)
  const today = utcDay(START)
  const point = crypto.publicPoint(crypto.reduce(random(64)))
  const signed = { version: 1, issuedAt: START, validUntil: START, proxies: new Map() }
  for (let i = 0; i < 1_000; i++) {
    const days = [today - 3, today - 2, today, today + 1, today + 2, today + 3 + i]
    const serverSealingKeys = new Map(days.map((day) => [day, point]))
    const encoded = new Uint8Array(0)
    listing.learnServerKeys(START, { ...signed, serverSealingKeys, encoded, digest: digest(new Uint8Array(32)) })
  }
  const held = [...listing.keys(START).serverKeys.keys()].map((day) => day - today)
  t.strictSame(held.toSorted(), [-2, 0, 1, 2].toSorted())
})
