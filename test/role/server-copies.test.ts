/**
 * What the central server makes of copies: opened, answered, stored once, forgotten in time (PROTOCOL.md sections 5 and
 * 7). Among endpoints in the test's hand, in virtual time; SEED repeats a run.
 */
import t from 'tap'
import { concat, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { slotWindow, startOfDay, startOfWindow, utcDay } from '../../src/base/time.js'
import { seed } from '../base/seeded.js'
import { type Client, crypto, makeMessage, messageTo, network, present, random } from './server-fixture.js'

t.comment(`SEED=${seed}`)

t.comment(`SEED=${seed}`)

const DECOY = new Uint8Array(10)

/** A copy with a good slot and a payload of any length, as only a proxy that breaks the rules makes it. */
function forgedCopy(reader: Client, recipient: Uint8Array, payloadBytes: number): Uint8Array {
  const { now } = reader.world.network
  const serverKey = present(reader.directory().serverSealingKeys.get(utcDay(now)))
  const anyPoint = crypto.publicPoint(crypto.reduce(random(64)))
  const { ephemeral, requestKey, slots } = present(
    crypto.makeSlots({
      splitterKey: anyPoint,
      groupKey: anyPoint,
      serverKey,
      window: slotWindow(now),
      copyBytes: 42 + payloadBytes,
      recipients: recipient,
      entropy: random(128),
    }),
  )
  const offset = crypto.publicPoint(crypto.reduce(crypto.chachaBlock(requestKey, 0, labels.slotOffset)))
  const half = present(crypto.addPoints(ephemeral, offset))
  const copy = concat(present(crypto.addPoints(half, half)), slots, random(payloadBytes))
  const context = { label: labels.copy, associated: new Uint8Array(0) }
  return present(crypto.seal(serverKey, context, copy, random(64)))
}
t.test('copies', (t) => {
  t.test('are stored, answered so that the sender can check it, and delivered', (t) => {
    const { world, proxy, device } = network()
    const other = world.device()
    const message = messageTo(proxy, [device.recipient, other.recipient])
    t.same(proxy.deliver(message.sealed), message.tokens('stored'))
    world.network.runFor(100)
    t.same([device.points, other.points].flat(), message.points)
    t.equal(world.stored('mail/').length, 2)
    t.equal(world.server.machine.status().acceptedCopies, 2)
    t.end()
  })

  t.test('are opened in batches, from several proxies at a time', (t) => {
    const { world, proxy, device } = network()
    const second = world.listedProxy()
    const message = messageTo(
      proxy,
      Array.from({ length: 150 }, () => device.recipient),
      20,
    )
    const half = message.sealed.slice(0, 75)
    const firstReferences = proxy.submit(half)
    const answered = second.deliver(message.sealed.slice(75))
    world.network.runFor(1_000)
    const tokens = [...firstReferences.map((reference) => proxy.token(reference)), ...answered]
    t.same(tokens, message.tokens('stored'))
    t.end()
  })

  t.test('for nobody known, with a wrong access code, and decoys: answered, and stored nowhere', (t) => {
    const { world, proxy, device } = network()
    const wrongCode = concat(
      device.id,
      Uint8Array.from(device.accessCode, (byte) => byte ^ 1),
    )
    const message = messageTo(proxy, [random(10), wrongCode, DECOY])
    let tokens: string[] = []
    const drops = world.drops(() => {
      tokens = proxy.deliver(message.sealed)
    })
    t.same(drops, { COPY_RECIPIENT: 1, ACCESS_CODE: 1, COPY_DECOY: 1 })
    const [refused, stored] = [message.tokens('refused'), message.tokens('stored')]
    t.same(tokens, [refused[0], refused[1], stored[2]])
    t.same(world.stored('mail/'), [])
    t.end()
  })

  t.test('that do not open are answered with random bytes', (t) => {
    const { world, proxy, device } = network()
    const sealed = present(messageTo(proxy, [device.recipient]).sealed[0])
    const flipped = sealed.map((byte, index) => (index === 60 ? byte ^ 1 : byte))
    const noPoint = sealed.map((byte, index) => (index < 32 ? 255 : byte))
    const junk = [flipped, noPoint, sealed.slice(0, 48), new Uint8Array(48)]
    const drops = world.drops(() => {
      const answers = proxy.deliver(junk)
      t.ok(answers.every((answer) => answer.length === 8))
    })
    t.same(drops, { COPY_OPEN: 4 })
    t.equal(world.stored('slot/').length, 0)
    t.end()
  })

  t.test('with a payload too short to be delivered are as good as closed, whoever they name', (t) => {
    const { world, proxy, device } = network()
    const drops = world.drops(() => {
      for (const payloadBytes of [0, 47]) proxy.deliver([forgedCopy(proxy, device.recipient, payloadBytes)])
    })
    t.same(drops, { COPY_OPEN: 2 })
    t.equal(world.stored('mail/').length, 0)
    proxy.deliver([forgedCopy(proxy, device.recipient, 48)])
    t.equal(device.numbers.length, 1, 'the shortest payload there is, is delivered')
    t.end()
  })

  t.test('made for a window neither current nor next to it find nobody', (t) => {
    const { world, proxy, device } = network()
    const serverKey = present(proxy.directory().serverSealingKeys.get(utcDay(world.network.now)))
    const window = slotWindow(world.network.now)
    const outcome = [-2, -1, 0, 1, 2].map((offset) => {
      const message = makeMessage({ recipients: [device.recipient], serverKey, window: window + offset })
      return proxy.deliver(message.sealed)[0] === message.tokens('stored')[0]
    })
    t.same(outcome, [false, true, true, true, false])
    t.end()
  })

  t.test('come again: the same answer, nothing stored, also after a restart', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient, DECOY, random(10)])
    const tokens = proxy.deliver(message.sealed)
    t.same(
      world.drops(() => t.same(proxy.deliver(message.sealed), tokens)),
      { COPY_REPLAY: 3 },
    )
    world.reboot()
    proxy.enter('proxy')
    t.same(
      world.drops(() => t.same(proxy.deliver(message.sealed), tokens)),
      { COPY_REPLAY: 3 },
    )
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('twice in one batch are stored once', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient])
    const [first, second] = proxy.deliver([...message.sealed, ...message.sealed])
    t.equal(first, second)
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('are remembered as long as they could be accepted, and no longer', (t) => {
    const { world, proxy, device } = network()
    const { network: net } = world
    const serverKey = present(proxy.directory().serverSealingKeys.get(utcDay(net.now)))
    const window = slotWindow(net.now)
    const ahead = makeMessage({ recipients: [device.recipient], serverKey, window: window + 1 })
    proxy.deliver(ahead.sealed)
    net.runFor(startOfWindow(window + 3) - 1_000 - net.now)
    t.same(
      world.drops(() => proxy.deliver(ahead.sealed), 0),
      { COPY_REPLAY: 1 },
      'in the last window that takes it',
    )
    net.runFor(2_000)
    t.same(world.stored('slot/'), [])
    t.same(
      world.drops(() => proxy.deliver(ahead.sealed), 0),
      { COPY_RECIPIENT: 1 },
    )
    t.end()
  })

  t.test('are forgotten after a restart, too', (t) => {
    const { world, proxy, device } = network()
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    t.equal(world.stored('slot/').length, 1)
    world.network.crash(world.server)
    world.network.runFor(startOfWindow(slotWindow(world.network.now) + 3) - world.network.now)
    world.network.restart(world.server)
    world.network.runFor(1_000)
    t.same(world.stored('slot/'), [])
    t.end()
  })

  t.test('past what is remembered of a window are refused', (t) => {
    const { world, proxy, device } = network({ bounds: { slotReplays: 4 } })
    const message = messageTo(proxy, [device.recipient, DECOY, device.recipient])
    const drops = world.drops(() => {
      const [first, , third] = proxy.deliver(message.sealed)
      t.equal(first, message.tokens('stored')[0])
      t.equal(third, message.tokens('refused')[2])
    })
    t.same(drops, { COPY_DECOY: 1, COPY_FULL: 1 })
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('past what can wait for the disk are put off', (t) => {
    const { world, proxy, device } = network({ bounds: { intakeCopies: 6 } })
    const message = messageTo(proxy, [device.recipient, device.recipient, device.recipient, device.recipient])
    world.network.storeMs = 5_000
    t.same(
      world.drops(() => proxy.submit(message.sealed)),
      { COPY_FULL: 1 },
    )
    t.equal(proxy.peer.of('busy').length, 1)
    world.network.runFor(10_000)
    t.equal(world.stored('mail/').length, 3)
    world.network.storeMs = 1
    t.same(proxy.deliver(message.sealed.slice(3)), message.tokens('stored').slice(3))
    t.end()
  })

  t.test('past what can wait to be opened are put off', (t) => {
    const { world, proxy, device } = network({ bounds: { intakeBytes: 2_000 } })
    const message = messageTo(
      proxy,
      [device.recipient, device.recipient],
      1_000 - forgedCopy(proxy, device.recipient, 49).length,
    )
    world.network.jobMs = () => 1e9
    t.same(
      world.drops(() => proxy.submit(message.sealed.slice(0, 1))),
      {},
      'at the bound',
    )
    t.same(
      world.drops(() => proxy.submit(message.sealed.slice(1))),
      { COPY_FULL: 1 },
    )
    t.equal(proxy.peer.of('busy').length, 1)
    t.end()
  })

  t.test('of one network leave others as much room as they take, whatever identities they come from', (t) => {
    const { world, proxy, device } = network({ bounds: { intakeCopies: 4, slotReplays: 6 } })
    const [neighbour, other] = [world.proxy(), world.proxy(undefined, '203.0.113')]
    const message = messageTo(proxy, Array(5).fill(device.recipient))
    const [first, second, third, fourth, fifth] = message.sealed.map((copy) => [copy])
    const submit = (from: Client, copy: Uint8Array[] = []) => world.drops(() => from.submit(copy))
    world.network.storeMs = 5_000
    t.same([submit(proxy, first), submit(neighbour, second)], [{}, {}])
    t.same(submit(neighbour, third), { COPY_FULL: 1 }, 'not yet durable: half of all')
    t.same(submit(other, third), {}, 'the other half is for others')
    world.network.runFor(10_000)
    world.network.storeMs = 1
    t.same(submit(proxy, fourth), {}, 'room comes back')
    t.same(submit(neighbour, fifth), { COPY_FULL: 1 }, 'remembered of the window: no more than is left')
    t.same(submit(other, fifth), {}, 'for others')
    t.equal(world.stored('mail/').length, 5)
    t.end()
  })

  t.test('that come while others are opened go into one batch, and batches may overtake each other', (t) => {
    const { world, proxy, device } = network()
    const all = Array.from({ length: 2 * limits.openStepCopies + 3 }, () => device.recipient)
    const message = messageTo(proxy, all, 20)
    const batches: number[] = []
    world.network.jobMs = (job) => {
      if (job.type === 'openCopies') batches.push(job.lengths.length)
      return batches.length === 1 ? 300 : 100
    }
    const first = proxy.submit(message.sealed.slice(0, 1))
    world.network.runFor(20)
    const second = proxy.submit(message.sealed.slice(1, 2))
    world.network.runFor(20)
    const rest = proxy.submit(message.sealed.slice(2))
    world.network.runFor(180)
    t.same(batches, [1, 1, limits.openStepCopies], 'two are under way, the rest is gathered')
    t.equal(proxy.token(present(first[0])), undefined)
    t.equal(proxy.token(present(second[0])), message.tokens('stored')[1])
    world.network.runFor(1_000)
    t.same(batches.slice(3), [limits.openStepCopies, 1])
    t.same(
      [...first, ...second, ...rest].map((reference) => proxy.token(reference)),
      message.tokens('stored'),
    )
    t.end()
  })

  t.test('that come twice while they are opened are stored once, and answered alike', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient])
    let turn = 0
    world.network.jobMs = () => (turn++ === 0 ? 300 : 100)
    let references: number[] = []
    const drops = world.drops(() => {
      references = proxy.submit(message.sealed)
      world.network.runFor(20)
      references.push(...proxy.submit(message.sealed))
    })
    t.same(drops, { COPY_REPLAY: 1 })
    t.same(
      references.map((reference) => proxy.token(reference)),
      [...message.tokens('stored'), ...message.tokens('stored')],
    )
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('whose opening failed are offered again by who sent them', (t) => {
    const { world, proxy, device } = network({ bounds: { intakeCopies: 4 } })
    const { run } = world.network
    const message = messageTo(proxy, [device.recipient, device.recipient])
    world.network.run = () => ({ type: 'failed' })
    t.same(
      world.drops(() => proxy.submit(message.sealed)),
      { JOB_FAILED: 1 },
    )
    t.equal(proxy.peer.of('busy').length, 2)
    world.network.run = run
    t.same(proxy.deliver(message.sealed), message.tokens('stored'), 'they hold no room')
    t.end()
  })

  t.test('are not answered before they are durable; what a crash took is taken anew', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient])
    world.network.storeMs = 5_000
    const [reference] = proxy.submit(message.sealed)
    world.network.runFor(3_000)
    t.equal(proxy.token(present(reference)), undefined)
    t.same(device.points, [], 'nor delivered')
    world.network.crash(world.server)
    world.network.storeMs = 1
    world.network.restart(world.server)
    world.network.runFor(3_000)
    t.same(world.stored('mail/'), [])
    proxy.enter('proxy')
    t.same(proxy.deliver(message.sealed), message.tokens('stored'))
    t.end()
  })

  t.test('that waited are followed by word that nothing older waits, once on a link', (t) => {
    const { world, proxy, device } = network()
    t.equal(device.peer.of('mailboxEmpty').length, 1, 'at once where nothing does')
    world.network.crash(world.server)
    world.network.restart(world.server)
    proxy.enter('proxy')
    proxy.deliver(messageTo(proxy, [device.recipient, device.recipient]).sealed)
    device.enter('device')
    world.network.runFor(500)
    t.equal(device.peer.of('mailboxEmpty').length, 1, 'not while two wait')
    device.confirm(device.numbers.slice(0, 1))
    world.network.runFor(500)
    t.equal(device.peer.of('mailboxEmpty').length, 1, 'nor while one does')
    device.confirm(device.numbers.slice(1))
    world.network.runFor(500)
    t.equal(device.peer.of('mailboxEmpty').length, 2)
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    device.confirm(device.numbers.slice(2))
    world.network.runFor(500)
    t.equal(device.peer.of('mailboxEmpty').length, 2, 'and not again')
    t.end()
  })

  t.test('follow a changed access code', (t) => {
    const { world, proxy, device } = network()
    const old = messageTo(proxy, [device.recipient])
    device.accessCode = Uint8Array.from(device.accessCode, (byte) => byte ^ 255)
    device.send('identityProof', device.proof('device'))
    world.network.runFor(100)
    const fresh = messageTo(proxy, [device.recipient])
    t.same(proxy.deliver(old.sealed), old.tokens('refused'))
    t.same(proxy.deliver(fresh.sealed), fresh.tokens('stored'))
    device.send('identityProof', device.proof('device'))
    world.network.runFor(100)
    t.same(device.points, fresh.points, 'a proof repeated delivers nothing again')
    world.reboot()
    proxy.enter('proxy')
    const later = messageTo(proxy, [device.recipient])
    t.same(proxy.deliver(later.sealed), later.tokens('stored'), 'it is on disk')
    t.end()
  })

  t.test('sealed to the key of yesterday and of tomorrow open, and to no older one', (t) => {
    const { world, proxy, device } = network()
    const { network: net } = world
    const today = utcDay(net.now)
    const keys = new Map(proxy.directory().serverSealingKeys)
    const sealedTo = (day: number) => {
      const serverKey = present(keys.get(day))
      return makeMessage({ recipients: [device.recipient], serverKey, window: slotWindow(net.now) })
    }
    const early = sealedTo(today + 1)
    t.same(proxy.deliver(early.sealed), early.tokens('stored'), 'by a clock that is ahead')
    net.runFor(startOfDay(today + 1) - 1_000 - net.now)
    const onTheWay = sealedTo(today)
    net.runFor(3_000)
    const current = sealedTo(today + 1)
    const both = proxy.deliver([...onTheWay.sealed, ...current.sealed])
    t.same(both, [...onTheWay.tokens('stored'), ...current.tokens('stored')], 'at midnight, in one batch')
    for (const client of [proxy, device]) client.leave('goodbye')
    net.runFor(startOfDay(today + 2) + 1_000 - net.now)
    proxy.enter('proxy')
    t.same(
      world.drops(() => proxy.deliver(sealedTo(today).sealed), 0),
      { COPY_OPEN: 1 },
    )
    t.end()
  })

  t.test('show the server a recipient and what proxies cannot hide, and nothing of how they belong together', (t) => {
    const { world, proxy, device } = network()
    const other = world.device()
    world.read.length = 0
    const message = messageTo(proxy, [device.recipient, other.recipient])
    proxy.deliver(message.sealed)
    const of = (field: string) => world.read.filter(([format, name]) => format === 'copy opened' && name === field)
    t.same(
      of('recipient').map(([, , value]) => toHex(value)),
      [toHex(device.recipient), toHex(other.recipient)],
    )
    t.same(
      of('source').map(([, , value]) => toHex(value)),
      [proxy.hex, proxy.hex],
    )
    const [first, second] = ['ephemeral', 'payload'].map((field) => of(field).map(([, , value]) => toHex(value)))
    t.equal(new Set([...present(first), ...present(second)]).size, 4)
    t.end()
  })

  t.end()
})
