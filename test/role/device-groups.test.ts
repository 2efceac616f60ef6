/**
 * Members that leave and are removed, and keys that go with the day, as whole devices over real links have it: commands, what is
 * sent again after a restart, and what is found on the disk (PROTOCOL.md sections 8.5 and 8.6).
 */
import t from 'tap'
import { bigEndian, toHex, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { bestEpoch, secretOfDay } from '../../src/group/epochs.js'
import { Heard } from '../../src/role/device/heard.js'
import { Storage } from '../../src/role/device/storage.js'
import { encodeMessage } from '../../src/wire/message.js'
import { seed } from '../base/seeded.js'
import { common } from '../sim/knowledge.js'
import { crypto, Lab, type Order, type TestDevice } from './device-lab.js'

t.comment(`SEED=${seed}`)

const DAY_MS = 86_400_000

function send(text: string): Order {
  return { type: 'send', group: 'friends', body: utf8(text) }
}

function three() {
  const lab = new Lab()
  const [anna, ben, cleo] = [lab.device('anna'), lab.device('ben'), lab.device('cleo')] as const
  lab.makeGroup('friends', anna, ben, cleo)
  return { lab, anna, ben, cleo }
}

function epochOf(device: TestDevice): number {
  return bestEpoch(device.group('friends')).number
}

t.test(
  'a removal reaches all who remain, the one without proof after a restart too; the removed reads no more',
  async (t) => {
    const { lab, anna, ben, cleo } = three()
    const before = ben.group('friends')
    lab.judges = (id) => (toHex(id) === toHex(cleo.id) ? 'refused' : 'stored')
    t.match(anna.answer({ type: 'removeMembers', group: 'friends', members: [ben.id] }), { type: 'done' })
    t.equal(anna.answer({ type: 'removeMembers', group: 'friends', members: [ben.id] }).type, 'failed')
    t.equal(anna.refusal({ type: 'removeMembers', group: 'friends', members: [anna.id] }), 'MEMBER_SELF')
    lab.network.runFor(5_000)
    t.equal(epochOf(anna), 1)
    t.equal(epochOf(cleo), 0, 'nothing has come yet')
    lab.network.crash(anna.node)
    lab.network.restart(anna.node)
    lab.judges = () => 'stored'
    lab.network.runUntil(() => epochOf(cleo) === 1, 120_000)
    t.equal(epochOf(cleo), 1, 'the parts have outlived the restart')
    lab.network.runFor(100)
    t.ok(
      cleo.outputs.some((each) => each.type === 'memberLeft'),
      'and it is said',
    )
    t.equal(ben.refusal(send('still here?')), 'GROUP_UNKNOWN', 'who is removed is told')
    anna.answer(send('without ben'))
    lab.network.runFor(2_000)
    t.same(cleo.texts(), ['without ben'])
    t.same(ben.texts(), [])
    const secrets = before.live.map(({ secret }) => toHex(secret))
    t.notOk(secrets.includes(toHex(anna.group('friends').keys.secret)), 'under keys that it never had')
  },
)

t.test('a second proxy that garbles personal parts keeps the new secret from nobody', async (t) => {
  const { lab, anna, ben, cleo } = three()
  for (const proxy of lab.proxies) proxy.garbles = true
  anna.answer({ type: 'removeMembers', group: 'friends', members: [ben.id] })
  lab.network.runFor(5_000)
  t.equal(epochOf(cleo), 0)
  t.equal(cleo.node.dropped('GROUP_SECRET'), 1, 'the message came, and its part does not open')
  for (const proxy of lab.proxies) proxy.garbles = false
  lab.network.runUntil(() => anna.node.machine.status().unprovenMessages === 0, 300_000)
  lab.network.runFor(1_000)
  t.equal(epochOf(cleo), 1, 'sent again, it is not taken for a repeat')
  t.equal(cleo.node.dropped('MESSAGE_REPLAY'), 0)
  t.ok(lab.personalParts.length >= 2)
  t.same(common(lab.personalParts), [], 'and second proxies see nothing in it that they saw before')
})

t.test('a message under way goes again to members alone: who was removed meanwhile could not open it', async (t) => {
  const { lab, anna, ben, cleo } = three()
  lab.judges = () => 'refused'
  anna.answer(send('for both'))
  lab.network.runFor(2_000)
  lab.judges = () => 'stored'
  anna.answer({ type: 'removeMembers', group: 'friends', members: [ben.id] })
  lab.network.runUntil(() => anna.node.machine.status().unprovenMessages === 0, 300_000)
  lab.network.runFor(1_000)
  t.same(cleo.texts(), ['for both'])
  t.same(ben.texts(), [])
  const [outcome] = anna.outputs.flatMap((each) => (each.type === 'outcome' ? [each.outcome] : []))
  t.match(outcome, { recipients: 2, stored: 1, unproven: [{ reason: 'departed' }] })
  t.equal(toHex(outcome?.unproven[0]?.id ?? new Uint8Array(0)), toHex(ben.id))
})

t.test(
  'who leaves is gone at once, from its own disk once the others know; one of them makes a new secret',
  async (t) => {
    const { lab, anna, ben, cleo } = three()
    t.match(ben.answer({ type: 'leaveGroup', group: 'friends' }), { type: 'done', result: { type: 'left' } })
    t.equal(ben.node.machine.group('friends'), undefined)
    t.equal(ben.refusal({ type: 'leaveGroup', group: 'friends' }), 'GROUP_UNKNOWN')
    lab.network.runUntil(() => epochOf(anna) === 1 && epochOf(cleo) === 1, 120_000)
    t.equal(epochOf(cleo), 1)
    t.equal(anna.group('friends').list.members.size, 2)
    lab.network.runFor(30_000)
    t.same(
      [...ben.node.store.keys()].filter((key) => key.startsWith('group/')),
      [],
    )
    anna.answer(send('the two of us'))
    lab.network.runFor(2_000)
    t.same(cleo.texts(), ['the two of us'])
  },
)

t.test(
  'keys of days gone by are wiped from memory and disk, once the server says that nothing older waits',
  async (t) => {
    const { lab, anna, ben } = three()
    const group = ben.group('friends')
    const { day, secret } = bestEpoch(group)
    const first = secret.slice()
    const stored = () => toHex(ben.node.store.get(`group/${toHex(group.id)}`) ?? new Uint8Array())
    const pass = (ms: number) => {
      for (let passed = 0; passed < ms; passed += DAY_MS / 4) lab.network.runFor(DAY_MS / 4)
    }
    t.ok(stored().includes(toHex(first)))
    pass(3 * DAY_MS)
    t.ok(stored().includes(toHex(first)), 'kept, as the server has not said so')
    lab.say(ben.id, encodeMessage('mailboxEmpty', {}))
    lab.network.runFor(limits.introduceWaitMs)
    t.notOk(stored().includes(toHex(first)), 'gone from the disk')
    t.same(secret, new Uint8Array(32), 'and from memory')
    const now = bestEpoch(ben.group('friends'))
    t.ok(now.day > day)
    t.same(
      now.secret,
      secretOfDay(crypto, { day, secret: first as typeof secret }, now.day),
      'what is left follows from it',
    )
    anna.answer(send('days later'))
    lab.network.runFor(2_000)
    t.same(ben.texts(), ['days later'])
  },
)

t.test('a device that was removed while it was away for too long to be told notices that nobody speaks', async (t) => {
  const { lab, anna, ben, cleo } = three()
  const id = toHex(ben.group('friends').id)
  const silence = (device: TestDevice) => device.node.machine.status().silentGroups.get(id)
  /** Days on which they are on for as long as a question takes. */
  const pass = (days: number, ...on: readonly TestDevice[]) => {
    for (let day = 0; day < days; day++) {
      for (const { node } of lab.devices) if (node.up) lab.network.crash(node)
      lab.network.now += DAY_MS
      for (const { node } of on) lab.network.restart(node)
      lab.network.runFor(4 * limits.checkStartMs)
      for (const each of on) lab.say(each.id, encodeMessage('mailboxEmpty', {}))
      lab.network.runFor(1_000)
    }
  }
  const silentDays = limits.groupSilenceMs / DAY_MS
  pass(silentDays + 1, anna, ben, cleo)
  t.same([anna, ben, cleo].map(silence), [undefined, undefined, undefined], 'each asks another every day')
  lab.network.crash(ben.node)
  const last = lab.network.now
  anna.answer({ type: 'removeMembers', group: 'friends', members: [ben.id] })
  pass(limits.messageLifeMs / DAY_MS + 1, anna, cleo)
  lab.mailboxes.clear()
  lab.network.restart(ben.node)
  lab.network.runFor(1_000)
  t.equal(silence(ben), undefined, 'what waits at the server may be from them')
  pass(1, ben)
  const since = silence(ben) ?? Number.NaN
  t.ok(since <= last && since > last - limits.groupSilenceMs, 'the last time is known over restarts')
  t.ok(ben.group('friends').list.members.has(toHex(ben.id)), 'by its own list it is in still')

  ben.answer({ type: 'leaveGroup', group: 'friends' })
  pass(1, anna, ben, cleo)
  t.same([anna, ben, cleo].map(silence), [undefined, undefined, undefined])
  t.notOk(ben.node.store.has(`heard/${id}`), 'nothing of it is left')
})

t.test('a silence is one after a week to the millisecond, by the times that messages bear', (t) => {
  const { anna, lab } = three()
  const group = anna.group('friends')
  const heard = new Heard(new Storage(() => undefined), anna.id)
  const since = (from: Heard, at: number) => from.silent(at, [group]).get(toHex(group.id))
  const { now } = lab.network
  const week = limits.groupSilenceMs
  t.equal(since(heard, now + week), undefined, 'nothing is known yet')
  heard.keep(now, [group])
  heard.note(now + 10, group.id, now + 5)
  heard.note(now + 20, group.id, now + 1_000_000)
  heard.note(now + 20, group.id, now)
  t.equal(since(heard, now + 20 + week - 1), undefined)
  t.equal(since(heard, now + 20 + week), now + 20, 'no clock that is ahead puts it off, no late message back')
  heard.keep(now - 1, [group])
  t.equal(since(heard, now - 1 + week), now - 1, 'nor one that was ahead here')
  const again = new Heard(new Storage(() => undefined), anna.id)
  const id = toHex(group.id)
  t.notOk(again.restore('heard/x', new Uint8Array(6)))
  t.notOk(again.restore(`heard/${id}`, new Uint8Array(5)))
  t.ok(again.restore(`heard/${id}`, bigEndian(now, 6)))
  t.equal(since(again, now + week), now)
  t.end()
})

t.test('members whom the server shows different directories find out, after a restart too', async (t) => {
  const lab = new Lab()
  const shared = lab.signedDirectory()
  lab.directory = () => shared
  const [anna, ben, cleo, dora] = ['anna', 'ben', 'cleo', 'dora'].map((name) => lab.device(name)) as TestDevice[] as [
    TestDevice,
    TestDevice,
    TestDevice,
    TestDevice,
  ]
  lab.makeGroup('friends', anna, ben, cleo, dora)
  const compared = (device: TestDevice) => device.node.machine.status().directories
  const settle = () => {
    for (const { id } of lab.devices) lab.say(id, encodeMessage('mailboxEmpty', {}))
    lab.network.runFor(2 * limits.directorySettleMs)
  }
  settle()
  t.ok(compared(ben).same > 0, 'what was announced in the beginning was one directory')
  t.same(compared(ben).other, [])

  const own = lab.signedDirectory()
  lab.say(anna.id, encodeMessage('directoryReply', { directory: own }))
  lab.network.runFor(1_000)
  anna.answer({ type: 'removeMembers', group: 'friends', members: [dora.id] })
  settle()
  t.same(
    compared(ben).other.map(({ member }) => toHex(member)),
    [toHex(anna.id)],
    'ben was never given what anna holds',
  )
  lab.network.runFor(600_000)
  const noted = ben.node.notices.filter((event) => event.includes('a directory that this device was not given'))
  t.equal(noted.length, 1, 'and it is noted once')

  lab.say(cleo.id, encodeMessage('directoryReply', { directory: own }))
  lab.network.runFor(1_000)
  t.same(compared(cleo).other, [], 'cleo, who is given it later, has nothing to wonder about')

  lab.network.crash(ben.node)
  lab.network.restart(ben.node)
  lab.network.runFor(1_000)
  settle()
  cleo.answer({ type: 'removeMembers', group: 'friends', members: [anna.id] })
  settle()
  t.same(
    compared(ben).other.map(({ member }) => toHex(member)),
    [toHex(cleo.id)],
  )
})

t.test(
  'a device whose disk is put back from before a removal finds out by itself, and reads what waited',
  async (t) => {
    const { lab, anna, ben, cleo } = three()
    const backup = new Map(cleo.node.store)
    anna.answer({ type: 'removeMembers', group: 'friends', members: [ben.id] })
    lab.network.runUntil(() => epochOf(cleo) === 1, 120_000)
    lab.network.runFor(1_000)
    lab.network.crash(cleo.node)
    cleo.node.store.clear()
    for (const [key, value] of backup) cleo.node.store.set(key, value)
    lab.network.restart(cleo.node)
    lab.network.runFor(1_000)
    t.equal(epochOf(cleo), 0, 'it is behind')
    anna.answer(send('not for ben'))
    lab.network.runFor(2_000)
    t.same(cleo.texts(), [], 'and cannot read')
    // Where it asks ben first, it learns of the removal alone, and makes a secret of its own before it is given anna's.
    lab.network.runUntil(() => cleo.texts().length > 0, 3 * DAY_MS)
    t.same(cleo.texts(), ['not for ben'])
    t.equal(cleo.group('friends').list.members.size, 2)
    t.same(bestEpoch(cleo.group('friends')).secret, bestEpoch(anna.group('friends')).secret, 'and both go on with one')
  },
)
