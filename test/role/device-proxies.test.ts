/**
 * By which proxies a device sends, and what it does without a directory, without proxies and where they fail (PROTOCOL.md sections
 * 5, 6 and 9).
 */
import t from 'tap'
import { type NodeId, nodeId, point, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { utcDay } from '../../src/base/time.js'
import { chooseProxies } from '../../src/role/choose-proxies.js'
import type { ListedProxy, VerifiedDirectory } from '../../src/role/server-link.js'
import { seed } from '../base/seeded.js'
import { connected, result, send } from './device-acts.js'
import { Lab, random } from './device-lab.js'

t.comment(`SEED=${seed}`)

const passphrase = utf8('correct horse battery staple')

t.test('without what it takes to send', async (t) => {
  t.test(
    'goes by the last directory while the server is away, after a restart too, and no longer than it is valid',
    async (t) => {
      const lab = new Lab()
      const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
      lab.makeGroup('friends', anna, ben)
      lab.delivers = false
      lab.network.crash(lab.server)
      lab.network.crash(anna.node)
      lab.network.restart(anna.node)
      result(anna, send('friends', 'nobody is there to store it'), 'sent')
      t.notOk(anna.node.machine.status().connected)
      lab.network.crash(anna.node)
      lab.network.now += limits.directoryLifeMs + 1
      lab.network.restart(anna.node)
      t.equal(anna.refusal(send('friends', 'a day later')), 'DIRECTORY_MISSING')
    },
  )

  t.test('waits for a directory, then says that none came', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
    lab.makeGroup('friends', anna, ben)
    const { directory } = lab
    lab.directory = () => undefined
    anna.node.store.delete('directory')
    lab.network.crash(anna.node)
    lab.network.restart(anna.node)
    const start = lab.network.now
    t.equal(anna.refusal(send('friends', 'hello')), 'DIRECTORY_MISSING')
    t.equal(lab.network.now - start, limits.directoryWaitMs)
    const reference = anna.order(send('friends', 'in time'))
    lab.directory = directory
    lab.network.runUntil(() => anna.answerTo(reference) !== undefined, limits.directoryWaitMs)
    t.equal(anna.answerTo(reference)?.type, 'done')
  })

  t.test('says how many proxies there are and how many it takes', async (t) => {
    for (const proxyHosts of [[], ['198.51.100.1']]) {
      const lab = new Lab({ proxyHosts })
      const [anna, ben] = [connected(lab.device('anna')), connected(lab.device('ben'))] as const
      result(anna, { type: 'createGroup', name: 'friends' }, 'created')
      const answer = anna.answer({ type: 'invite', group: 'friends', address: ben.address, passphrase })
      t.match(answer, { type: 'failed', code: 'PROXIES_TOO_FEW' })
      t.match(answer.type === 'failed' && answer.message, new RegExp(`two proxies .* lists ${proxyHosts.length}`))
    }
  })

  t.test('waits for proxies that are about to be listed, and not for long', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
    lab.makeGroup('friends', anna, ben)
    lab.say(anna.id, directoryReply(lab.signedDirectory({ proxies: [] })))
    lab.network.runFor(100)
    const start = lab.network.now
    t.equal(anna.refusal(send('friends', 'too early')), 'PROXIES_TOO_FEW')
    t.ok(lab.network.now - start >= limits.proxiesWaitMs && lab.network.now - start < 2 * limits.proxiesWaitMs)
    const reference = anna.order(send('friends', 'in time'))
    lab.network.runFor(limits.proxiesWaitMs / 2)
    lab.say(anna.id, directoryReply(lab.signedDirectory()))
    lab.network.runUntil(() => anna.answerTo(reference) !== undefined, limits.proxiesWaitMs)
    t.equal(anna.answerTo(reference)?.type, 'done')
  })

  t.test('a bad directory is dropped under its code, and the one held stays', async (t) => {
    const lab = new Lab()
    const anna = connected(lab.device('anna'))
    const held = anna.node.machine.status().directory?.version
    const { now } = lab.network
    const forged = lab.signedDirectory()
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    const cases = [
      ['DIRECTORY_SIGNATURE', forged],
      ['DIRECTORY_EXPIRED', lab.signedDirectory({ issuedAt: now - 5_000, validUntil: now - 1 })],
      ['DIRECTORY_ROLLBACK', lab.signedDirectory({ version: 0 })],
    ] as const
    for (const [code, directory] of cases) {
      lab.directory = () => directory
      lab.network.runUntil(() => anna.node.dropped(code) > 0, limits.directoryLifeMs)
      t.equal(anna.node.dropped(code), 1, code)
      t.equal(anna.node.machine.status().directory?.version, held)
      lab.network.crash(anna.node)
      lab.network.restart(anna.node)
    }
  })
})

t.test('when first proxies fail', async (t) => {
  t.test('goes to others, with fresh keys', async (t) => {
    for (const failing of ['busy', 'down'] as const) {
      const lab = new Lab({ proxyHosts: ['198.51.100.1', '203.0.113.1', '100.64.0.1', '8.8.8.8'] })
      const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
      lab.makeGroup('friends', anna, ben)
      lab.network.runFor(2 * limits.firstProxyIdleMs)
      for (const proxy of lab.proxies.slice(0, 3)) {
        if (failing === 'busy') proxy.behaviour = 'busy'
        else proxy.node.up = false
      }
      for (let i = 0; i < 5; i++) result(anna, send('friends', `message ${i}`), 'sent')
      lab.network.runFor(30_000)
      t.same(
        ben.texts().sort(),
        [0, 1, 2, 3, 4].map((i) => `message ${i}`),
        failing,
      )
      t.equal(anna.node.machine.status().outgoingMessages, 0)
    }
  })

  t.test('gives a message up after a few, and says so', async (t) => {
    const lab = new Lab({ proxyHosts: ['198.51.100.1', '203.0.113.1', '100.64.0.1', '8.8.8.8', '9.9.9.9'] })
    const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
    lab.makeGroup('friends', anna, ben)
    lab.network.runFor(2 * limits.firstProxyIdleMs)
    for (const { node } of lab.proxies) node.up = false
    t.equal(anna.refusal(send('friends', 'hello'), 120_000), 'SEND_FAILED')
    t.equal(anna.node.machine.status().outgoingMessages, 0)
  })

  t.test('keeps trying with what a group says to itself', async (t) => {
    const lab = new Lab()
    const [anna, ben] = [connected(lab.device('anna')), connected(lab.device('ben'))] as const
    result(anna, { type: 'createGroup', name: 'friends' }, 'created')
    result(anna, { type: 'invite', group: 'friends', address: ben.address, passphrase }, 'invited')
    lab.network.runUntil(() => ben.node.machine.status().unopened > 0, 5_000)
    for (const proxy of lab.proxies) proxy.behaviour = 'busy'
    result(ben, { type: 'join', passphrase }, 'joined')
    lab.network.runFor(120_000)
    t.equal(anna.group('friends').list.members.size, 1)
    for (const proxy of lab.proxies) proxy.behaviour = 'carries'
    lab.network.runUntil(() => anna.group('friends').list.members.size === 2, 600_000)
    t.equal(anna.group('friends').list.members.size, 2)
    lab.network.runFor(1_000)
    t.equal(ben.node.machine.status().outgoingMessages, 0)
  })
})

t.test('uses a session with a first proxy again, and closes it when idle', async (t) => {
  const lab = new Lab({ proxyHosts: ['198.51.100.1', '203.0.113.1'] })
  const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
  lab.makeGroup('friends', anna, ben)
  lab.network.runFor(2 * limits.firstProxyIdleMs)
  const accepted = () =>
    lab.proxies.flatMap(({ node }) => node.machine.events).filter(({ type }) => type === 'accepted')
  const closed = () => lab.proxies.flatMap(({ node }) => node.machine.events).filter(({ type }) => type === 'closed')
  const before = accepted().length
  for (let i = 0; i < 10; i++) result(anna, send('friends', `message ${i}`), 'sent')
  const used = accepted().length - before
  t.ok(used === 1 || used === 2, `${used} sessions for ten messages`)
  lab.network.runFor(2 * limits.firstProxyIdleMs)
  t.equal(closed().length, accepted().length)
  t.ok(
    lab.proxies.every(({ node }) => node.machine.of('identityProof').length === 0),
    'and all were anonymous',
  )
})

t.test('never sends by its own proxy, and warns once of proxies in one network', async (t) => {
  const lab = new Lab({ proxyHosts: ['127.0.0.1', '127.0.0.2', '127.0.0.3'] })
  const own = lab.proxies[0]
  if (own === undefined) throw new Error('three proxies')
  const [anna, ben] = [lab.device('anna', { ownProxy: own.id }), lab.device('ben', { ownProxy: own.id })] as const
  lab.makeGroup('friends', anna, ben)
  for (let i = 0; i < 10; i++) result(anna, send('friends', `message ${i}`), 'sent')
  t.equal(own.forwards, 0)
  t.equal(anna.node.notices.filter((event) => event.startsWith('all proxies are in one network')).length, 1)
})
t.test('a day that has no sealing key of the server is waited out', async (t) => {
  const lab = new Lab()
  const [anna, ben] = [lab.device('anna'), lab.device('ben')] as const
  lab.makeGroup('friends', anna, ben)
  const { now } = lab.network
  lab.serverKeys.advance(now)
  const yesterday = lab.serverKeys
    .published(now)
    .map(({ key }) => ({ day: utcDay(now) - 1, key }))
    .slice(0, 1)
  lab.say(anna.id, directoryReply(lab.signedDirectory({ sealingKeys: yesterday })))
  lab.network.runFor(1_000)
  t.equal(anna.refusal(send('friends', 'hello')), 'DIRECTORY_MISSING')
})

function directoryReply(directory: Uint8Array): Uint8Array {
  return Uint8Array.of(0x03, ...directory)
}

t.test('the choice of first and second proxy', async (t) => {
  const day = 20_000
  const listed = (...hosts: readonly (string | readonly string[])[]): readonly ListedProxy[] =>
    hosts.map((host, index) => ({
      id: nodeId(Uint8Array.from({ length: 8 }, (_, i) => (i === 7 ? index : 0))),
      linkKey: random(32),
      addresses: [host].flat().map((each) => ({ host: each, port: 1 })),
      sealingKeys: new Map([[day, point(random(32))]]),
    }))
  const choose = (
    proxies: readonly ListedProxy[],
    own?: NodeId,
    avoid: readonly string[] = [],
    avoidSecond: readonly string[] = [],
  ) => {
    const directory = {
      proxies: new Map(proxies.map((each) => [toHex(each.id), each])),
    } as unknown as VerifiedDirectory
    return chooseProxies(random, directory, { day, own, avoid: new Set(avoid), avoidSecond: new Set(avoidSecond) })
  }
  /** The pairs that many choices come to, by their indexes. */
  const pairs = (...from: Parameters<typeof choose>) => {
    const found = new Set<string>()
    for (let i = 0; i < 400; i++) {
      const choice = choose(...from)
      if (choice.ok) found.add(`${choice.first.id[7]}${choice.second.id[7]} ${choice.apart}`)
      else found.add(`${choice.usable} of ${choice.listed}`)
    }
    return [...found].sort()
  }

  t.test('takes every pair from different networks, and no other', async (t) => {
    const network = (...texts: readonly string[]) => texts.map((text) => `${text} network`)
    t.same(pairs(listed('10.1.0.1', '10.1.0.2', '10.2.0.1')), network('02', '12', '20', '21'))
    t.same(pairs(listed('2001:db8::1', '2001:db8:1::1', '2001:db9::1')), network('02', '12', '20', '21'))
    t.same(pairs(listed(['10.1.0.1', '2001:db8::1'], '2001:db8::2', ['10.1.9.9', '2001:db9::1'])), network('12', '21'))
  })

  t.test('takes no pair of which the first could not reach the second', async (t) => {
    t.same(pairs(listed('10.1.0.1', '2001:db8::1')), ['2 of 2'])
    t.same(pairs(listed('10.1.0.1', '2001:db8::1', ['10.2.0.1', '2001:db9::1'])), [
      '02 network',
      '12 network',
      '20 network',
      '21 network',
    ])
  })

  t.test('tells proxies apart by address only where all are in one network', async (t) => {
    t.same(pairs(listed('127.0.0.1', '127.0.0.1', '127.0.0.2')), [
      '02 address',
      '12 address',
      '20 address',
      '21 address',
    ])
    t.same(pairs(listed('127.0.0.1', '127.0.0.1')), ['2 of 2'])
    t.same(pairs(listed('10.1.0.1')), ['1 of 1'])
    t.same(pairs([]), ['0 of 0'])
  })

  t.test('never takes the sender’s own, and weakens nothing for that', async (t) => {
    const proxies = listed('10.1.0.1', '10.1.0.2', '10.2.0.1')
    t.same(pairs(proxies, proxies[2]?.id), ['2 of 3'])
    t.same(pairs(proxies, proxies[0]?.id), ['12 network', '21 network'])
  })

  t.test('takes those that failed only for want of others', async (t) => {
    const proxies = listed('10.1.0.1', '10.2.0.1', '10.3.0.1')
    const ids = proxies.map(({ id }) => toHex(id))
    t.same(pairs(proxies, undefined, ids.slice(0, 2)), ['20 network', '21 network'])
    t.equal(pairs(proxies, undefined, ids).length, 6)
    t.same(pairs(proxies, undefined, [], ids.slice(0, 2)), ['02 network', '12 network', '20 network', '21 network'])
    t.same(pairs(proxies, undefined, ids.slice(0, 2), ids.slice(0, 1)), ['21 network'])
  })

  t.test('takes as second proxy only one with a sealing key of the day', async (t) => {
    const proxies = listed('10.1.0.1', '10.2.0.1').map((each, i) =>
      i === 0 ? { ...each, sealingKeys: new Map() } : each,
    )
    t.same(pairs(proxies), ['01 network'])
  })
})
