/**
 * Which proxies are listed: rounds, quorum and the time between them, and what keeps anybody from having others flooded
 * (PROTOCOL.md section 9.8). The machine alone, driven by hand; SEED repeats a run.
 */
import t from 'tap'
import type { ServerLimits } from '../../src/base/bounds.js'
import { type NodeId, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { nodeIdOf } from '../../src/group/identity.js'
import type { SessionId } from '../../src/link/link.js'
import { DialRates } from '../../src/role/dial-rates.js'
import { type ProxyEntry, signProxyEntry } from '../../src/role/directory.js'
import { createSealingKeys } from '../../src/role/sealing-keys.js'
import { Reachability, type Standing } from '../../src/role/server/reachability.js'
import type { Proven } from '../../src/role/server/sessions.js'
import { formatIp } from '../../src/wire/host.js'
import type { ProxyVouching } from '../../src/wire/message.js'
import { seed, seeded } from '../base/seeded.js'

t.comment(`SEED=${seed}`)

const crypto = await loadCrypto()
const random = seeded(seed)
const MINUTE_MS = 60_000
const keys = createSealingKeys(crypto, random)

/** The host in question. */
const HOST = '10.9.0.1'

interface Asked {
  readonly dialer: SessionId
  readonly nonce: Uint8Array
  readonly host: string
  readonly port: number
}

class Server {
  now = Date.UTC(2026, 2, 10, 12)
  readonly listed = new Map<string, ProxyEntry>()
  readonly standings = new Map<SessionId, Standing>()
  asked: Asked[] = []
  readonly reachability: Reachability
  readonly bySession = new Map<SessionId, Proven>()
  /** Of the host in question. */
  dials = 0
  private sessions = 0

  constructor(bounds: Partial<ServerLimits> = {}, room = 100) {
    this.reachability = new Reachability({
      random,
      bounds: { ...limits, ...bounds },
      ask: (_now, dialer, nonce, _entry, { host, port }) => {
        this.asked.push({ dialer, nonce, host: formatIp(host), port })
      },
      tell: (_now, session, standing) => this.standings.set(session, standing),
      list: (_now, id, entry) => {
        if (!this.listed.has(id) && this.listed.size >= room) return 'DIRECTORY_FULL'
        this.listed.set(id, entry)
        return undefined
      },
      unlist: (_now, id) => this.listed.delete(id),
    })
  }

  /** A proxy whose link comes from a host, and what it says of itself. */
  proxy(host: string, vouching: ProxyVouching, addresses = [{ host, port: 7001 }]): Proven {
    const identity = crypto.identity(random(32))
    const idBytes: NodeId = nodeIdOf(crypto, identity.identityKey)
    const session = ++this.sessions as SessionId
    const id = toHex(idBytes)
    const proven = {
      phase: 'proven',
      session,
      role: 'proxy',
      id,
      idBytes,
      identityKey: identity.identityKey,
      host,
      network: host,
    } as const
    this.bySession.set(session, proven)
    keys.advance(this.now)
    const entry = signProxyEntry(crypto, identity, {
      issuedAt: this.now,
      sealingKeys: keys.published(this.now),
      addresses,
    })
    this.reachability.announce(this.now, proven, entry, vouching, this.listed.get(id))
    return proven
  }

  /** Answers what was asked and not answered yet: yes, and of the host in question in turn with these. */
  answer(...reached: readonly (boolean | undefined)[]): void {
    for (const [i, { dialer, nonce, host }] of this.asked.splice(0).entries()) {
      if (host === HOST) this.dials++
      const said = host === HOST ? reached[i % reached.length] : true
      const from = this.bySession.get(dialer)
      if (said !== undefined && from !== undefined) this.reachability.result(this.now, from, nonce, said)
    }
  }

  /** Runs on; whatever is asked is answered so. */
  run(ms: number, ...reached: readonly (boolean | undefined)[]): void {
    const end = this.now + ms
    for (let at = this.reachability.deadline(); at !== undefined && at <= end; at = this.reachability.deadline()) {
      this.now = Math.max(this.now, at)
      this.reachability.timeout(this.now)
      if (reached.length > 0) this.answer(...reached)
    }
    this.now = end
  }

  state(proven: Proven): string {
    const standing = this.standings.get(proven.session)
    return `${standing?.state} ${standing?.reason}`
  }
}

/** A server with proxies in networks of their own, enough to ask. */
function network(bounds?: Partial<ServerLimits>) {
  const server = new Server(bounds)
  const dialers = [1, 2, 3].map((i) => server.proxy(`10.${i}.0.1`, 'operator'))
  server.asked = []
  return { server, dialers }
}

t.test('the first proxies of a network are listed on their operators’ word, and on nobody’s none', (t) => {
  const server = new Server()
  const first = server.proxy('10.1.0.1', 'operator')
  t.equal(server.state(first), 'listed tooFew')
  const alone = server.proxy('10.2.0.1', 'nobody')
  server.run(60 * MINUTE_MS)
  t.equal(server.state(alone), 'candidate tooFew')
  server.proxy('10.1.0.2', 'operator')
  server.proxy('10.1.0.3', 'operator')
  server.proxy('10.3.0.1', 'operator')
  server.run(5 * MINUTE_MS, true)
  t.equal(server.state(alone), 'candidate tooFew', 'three in one network are one')
  server.proxy('10.4.0.1', 'operator')
  server.run(10 * MINUTE_MS, true)
  t.equal(server.state(alone), 'listed reached')
  t.end()
})

t.test('with enough to ask everybody is asked about, where CS sees it and nowhere else', (t) => {
  const { server, dialers } = network()
  const addresses = [
    { host: '192.0.2.9', port: 53 },
    { host: HOST, port: 7001 },
    { host: HOST, port: 7002 },
  ]
  const proxy = server.proxy(HOST, 'operator', addresses)
  t.same(new Set(server.asked.map(({ dialer }) => dialer)), new Set(dialers.map(({ session }) => session)))
  t.ok(server.asked.every(({ host, port }) => host === HOST && port !== 53))
  t.notOk(server.listed.has(proxy.id))
  server.answer(true)
  t.equal(server.state(proxy), 'listed reached', 'one round is enough for whom somebody vouches for')
  const other = server.proxy('10.10.0.1', 'operator', [{ host: '192.0.2.9', port: 53 }])
  t.equal(server.state(other), 'candidate elsewhere')
  t.same(server.asked, [])
  t.end()
})

t.test('two of three decide; who does not answer says nothing', (t) => {
  for (const [answers, outcome] of [
    [[true, true, false], 'listed reached'],
    [[true, true, undefined], 'listed reached'],
    [[true, false, false], 'candidate unreached'],
    [[true, false, undefined], 'candidate undecided'],
    [[true, undefined, undefined], 'candidate undecided'],
    [[undefined], 'candidate undecided'],
  ] as const) {
    const { server } = network()
    const proxy = server.proxy(HOST, 'operator')
    server.answer(...answers)
    server.run(9_000)
    t.equal(server.state(proxy), outcome, answers.join())
  }
  t.end()
})

t.test('a result counts once, from who was asked, while it is waited for', (t) => {
  const { server, dialers } = network()
  server.proxy(HOST, 'nobody')
  const [asked] = server.asked
  const from = asked && server.bySession.get(asked.dialer)
  const another = dialers.find((each) => each !== from)
  if (asked === undefined || from === undefined || another === undefined) throw new Error('somebody was asked')
  const { reachability, now } = server
  t.equal(reachability.result(now, another, asked.nonce, true), 'DIAL_BACK_UNEXPECTED')
  t.equal(reachability.result(now, from, random(8), true), 'DIAL_BACK_UNEXPECTED')
  t.equal(reachability.result(now, from, asked.nonce, true), undefined)
  t.equal(reachability.result(now, from, asked.nonce, true), 'DIAL_BACK_UNEXPECTED')
  const late = server.asked[1]
  server.run(9_000)
  const lateFrom = late && server.bySession.get(late.dialer)
  t.equal(lateFrom && reachability.result(server.now, lateFrom, late.nonce, true), 'DIAL_BACK_UNEXPECTED')
  t.end()
})

t.test('who is vouched for by nobody is listed after two rounds apart, one in between that fails begins anew', (t) => {
  const { server } = network()
  const proxy = server.proxy(HOST, 'nobody')
  server.answer(true)
  t.equal(server.state(proxy), 'candidate reached')
  server.run(44_000, false)
  t.equal(server.asked.length, 0, 'not at once')
  server.run(40_000, false)
  t.equal(server.state(proxy), 'candidate unreached')
  const before = server.dials
  server.run(10 * MINUTE_MS, true)
  t.equal(server.state(proxy), 'listed reached')
  t.equal(server.dials - before, 2 * 3, 'two rounds')
  t.end()
})

t.test('who is listed goes after failures over some time, not after one, and not by silence', (t) => {
  const { server } = network()
  const proxy = server.proxy(HOST, 'operator')
  server.answer(true)
  server.run(40 * MINUTE_MS, undefined)
  t.ok(server.listed.has(proxy.id), 'silence')
  server.run(6 * MINUTE_MS, false)
  t.ok(server.listed.has(proxy.id), 'a failure')
  server.run(10 * MINUTE_MS, true)
  server.run(40 * MINUTE_MS, true)
  t.ok(server.listed.has(proxy.id))
  server.run(120 * MINUTE_MS, false)
  t.notOk(server.listed.has(proxy.id))
  t.equal(server.state(proxy), 'demoted unreached')
  t.end()
})

t.test('who is listed and not reached goes all the same where it begins another link every few minutes', (t) => {
  const { server } = network()
  const proxy = server.proxy(HOST, 'operator')
  server.answer(true)
  const { reachability } = server
  for (let i = 0; i < 60 && server.listed.has(proxy.id); i++) {
    server.run(2 * MINUTE_MS, false)
    const entry = server.listed.get(proxy.id)
    reachability.leave(proxy.id, proxy.session)
    if (entry !== undefined) reachability.announce(server.now, proxy, entry, 'operator', entry)
  }
  t.notOk(server.listed.has(proxy.id))
  t.ok(server.dials >= 3 * 4, 'after it was asked about, and answered for by nobody')
  t.end()
})

t.test('what was found out about a listed one is kept past its link, until too many others are gone as well', (t) => {
  const room = 4
  const stillListedAfter = (othersGone: number) => {
    const { server } = network({ proxyCandidates: room })
    const { reachability } = server
    const newcomer = (host: string): Proven => {
      const proxy = server.proxy(host, 'operator')
      server.answer(true)
      return proxy
    }
    const proxy = newcomer(HOST)
    while (server.dials < 3 * 3) server.run(10_000, false)
    t.equal(server.state(proxy), 'listed unreached', 'twice')
    reachability.leave(proxy.id, proxy.session)
    for (let i = 0; i < othersGone; i++) {
      const { id, session } = newcomer(`10.${20 + i}.0.1`)
      t.ok(server.listed.has(id))
      reachability.leave(id, session)
    }
    const entry = server.listed.get(proxy.id)
    if (entry !== undefined) reachability.announce(server.now, proxy, entry, 'operator', entry)
    // Long enough to go on from two failures, and too short for three over ten minutes.
    server.run(13 * MINUTE_MS, false)
    return server.listed.has(proxy.id)
  }
  t.equal(stillListedAfter(room - 1), false, 'as many as there is room for')
  t.equal(stillListedAfter(room), true, 'one more')
  t.end()
})

t.test('a host is dialled so often and no more, however many announce themselves there', (t) => {
  const { server } = network()
  for (let i = 0; i < 50; i++) {
    server.proxy(HOST, 'nobody')
    server.answer(false)
  }
  server.run(60 * MINUTE_MS, false)
  const most = 3 * 7 * limits.dialHostBurst
  t.ok(server.dials <= most && server.dials > most / 4, `${server.dials} dials in an hour, at most ${most}`)
  t.end()
})

t.test('a network is dialled so often and no more, and as many sources are remembered as is said', (t) => {
  const bounds = { dialHostBurst: 2, dialNetworkBurst: 3, dialRefillMs: 1_000, dialSources: 4 }
  const rates = new DialRates(bounds)
  const taken = (host: string) => rates.take(5_000, host)
  t.same([taken('10.1.1.1'), taken('10.1.1.1'), taken('10.1.1.1')], [true, true, false])
  t.same([taken('10.1.1.2'), taken('10.1.1.2')], [true, false], 'the network has spent what it had')
  t.ok(rates.take(6_100, '10.1.1.1'))
  t.ok(taken('10.2.1.1'))
  t.ok(taken('10.3.1.1'))
  t.ok(taken('10.1.1.1') && taken('10.1.1.1'), 'those of long ago are forgotten')
  t.end()
})

t.test('rounds under way and candidates are bounded', (t) => {
  const { server } = network({ dialRounds: 2, proxyCandidates: 6 })
  const proxies = [1, 2, 3].map((i) => server.proxy(`10.9.${i}.1`, 'nobody'))
  t.equal(server.asked.length, 2 * 3)
  server.answer(true)
  server.run(2 * MINUTE_MS, true)
  t.ok(proxies.slice(0, 2).every(({ id }) => server.listed.has(id)))
  const [first] = proxies
  const late = server.proxy('10.11.0.1', 'operator')
  t.equal(server.standings.get(late.session), undefined, 'there are six')
  if (first !== undefined) server.reachability.leave(first.id, first.session)
  server.asked = []
  server.proxy('10.11.0.1', 'operator')
  t.equal(server.asked.length, 3, 'now there are five')
  t.end()
})

t.test('a directory without room is a reason that is told', (t) => {
  const server = new Server({}, 1)
  server.proxy('10.1.0.1', 'operator')
  t.equal(server.state(server.proxy('10.2.0.1', 'operator')), 'candidate full')
  t.end()
})

t.test('what a candidate that is gone was asked about is forgotten', (t) => {
  const { server } = network({ dialRounds: 1 })
  const proxy = server.proxy(HOST, 'nobody')
  server.reachability.leave(proxy.id, proxy.session)
  const [asked] = server.asked
  const from = asked && server.bySession.get(asked.dialer)
  t.equal(from && server.reachability.result(server.now, from, asked.nonce, true), 'DIAL_BACK_UNEXPECTED')
  server.asked = []
  server.proxy('10.10.0.1', 'nobody')
  t.equal(server.asked.length, 3, 'and makes room for another round')
  t.end()
})
