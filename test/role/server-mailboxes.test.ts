/**
 * Mailboxes of the central server: what waits, in which order it is delivered, when it is forgotten, and their quotas
 * (PROTOCOL.md section 7). Among endpoints in the test's hand, in virtual time; SEED repeats a run.
 */
import t from 'tap'
import { concat, fromHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { seed } from '../base/seeded.js'
import { rough } from '../sim/virtual-network.js'
import { type Client, confirming, messageTo, network, present, World } from './server-fixture.js'

t.comment(`SEED=${seed}`)

t.comment(`SEED=${seed}`)

const MINUTE_MS = 60_000

t.test('mailboxes', (t) => {
  t.test('keep what comes for an absent device, in order, and hand it out on its return', (t) => {
    const { world, proxy, device } = network()
    device.leave('goodbye')
    const messages = [1, 2, 3].map(() => messageTo(proxy, [device.recipient]))
    for (const message of messages) t.same(proxy.deliver(message.sealed), message.tokens('stored'))
    world.reboot()
    device.enter('device')
    world.network.runFor(200)
    t.same(
      device.points,
      messages.flatMap(({ points }) => points),
    )
    t.end()
  })

  t.test('forget a copy once the device has confirmed it, and only then', (t) => {
    const { world, proxy, device } = network()
    const message = messageTo(proxy, [device.recipient, device.recipient])
    proxy.deliver(message.sealed)
    world.network.runFor(100)
    const [first, second] = device.numbers
    device.confirm([present(first), 99_999, 0])
    world.network.runFor(100)
    t.equal(world.stored('mail/').length, 1)
    t.equal(world.server.machine.status().deliveredCopies, 1)
    device.leave('silently')
    device.enter('device')
    world.network.runFor(200)
    t.same(device.numbers, [second], 'what was not confirmed comes again')
    device.confirm([present(second)])
    world.network.runFor(100)
    t.equal(world.server.machine.status().storedCopies, 0)
    t.same(world.stored('mail/'), [])
    t.end()
  })

  t.test('never use a number twice, so a late confirmation deletes nothing new', (t) => {
    const { world, proxy, device } = network()
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    world.network.runFor(100)
    const [old] = device.numbers
    device.confirm([present(old)])
    world.network.runFor(100)
    world.reboot()
    proxy.enter('proxy')
    device.enter('device')
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    world.network.runFor(100)
    device.confirm([present(old)])
    world.network.runFor(100)
    t.equal(world.stored('mail/').length, 1)
    t.ok(present(device.numbers[1]) > present(old))
    t.end()
  })

  t.test('lose and double nothing on a bad network', (t) => {
    const { world, proxy, device } = network()
    confirming(device)
    world.network.conditions = rough
    const message = messageTo(
      proxy,
      Array.from({ length: 40 }, () => device.recipient),
    )
    t.same(proxy.deliver(message.sealed), message.tokens('stored'))
    world.until(() => world.server.machine.status().storedCopies === 0, 'all confirmations', 60_000)
    world.network.runFor(100)
    t.same([...device.points].sort(), [...message.points].sort())
    t.same(world.stored('mail/'), [])
    t.end()
  })

  t.test('keep a copy that is confirmed before it was delivered', (t) => {
    const { world, proxy, device } = network()
    world.network.storeMs = 3_000
    const message = messageTo(proxy, [device.recipient])
    proxy.submit(message.sealed)
    world.network.runFor(1_000)
    device.confirm([2 ** 28])
    world.network.runFor(10_000)
    t.same(device.numbers, [2 ** 28], 'the number was guessed well')
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('of others cannot be emptied', (t) => {
    const { world, proxy, device } = network()
    const other = world.device()
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    world.network.runFor(100)
    other.confirm(device.numbers)
    world.network.runFor(100)
    t.equal(world.stored('mail/').length, 1)
    t.end()
  })

  t.test('refuse at their quota and never evict', (t) => {
    const { world, proxy, device } = network({ bounds: { mailboxCopies: 16 } })
    device.leave('goodbye')
    const fill = (from: Client, count: number) => {
      const message = messageTo(
        proxy,
        Array.from({ length: count }, () => device.recipient),
      )
      const [stored, refused] = [message.tokens('stored'), message.tokens('refused')]
      return from
        .deliver(message.sealed)
        .map((token, i) => (token === stored[i] ? 'stored' : token === refused[i] ? 'refused' : 'neither'))
    }
    t.same(fill(proxy, 3), ['stored', 'stored', 'refused'], 'one proxy fills an eighth')
    for (let i = 0; i < 6; i++) fill(world.listedProxy(), 2)
    t.same(fill(world.listedProxy(), 2), ['stored', 'stored'], 'the sixteenth')
    const drops = world.drops(() => t.same(fill(world.listedProxy(), 1), ['refused'], 'the seventeenth'))
    t.same(drops, { MAILBOX_FULL: 1 })
    t.equal(world.stored('mail/').length, 16)
    confirming(device).enter('device')
    world.network.runFor(500)
    t.equal(world.stored('mail/').length, 0)
    t.same(fill(proxy, 2), ['stored', 'stored'], 'there is room again')
    t.end()
  })

  t.test('count bytes too, one by one and all together', (t) => {
    const payloadBytes = 49 + 100
    const own = network({ bounds: { mailboxBytes: 8 * payloadBytes } })
    const first = messageTo(own.proxy, [own.device.recipient, own.device.recipient])
    t.same(own.proxy.deliver(first.sealed), [first.tokens('stored')[0], first.tokens('refused')[1]])
    for (const bounds of [{ storedBytes: 2 * payloadBytes }, { storedCopies: 2 }]) {
      const { world, proxy, device } = network({ bounds })
      const message = messageTo(proxy, [device.recipient, world.device().recipient, world.device().recipient])
      const [stored, refused] = [message.tokens('stored'), message.tokens('refused')]
      t.same(proxy.deliver(message.sealed), [stored[0], stored[1], refused[2]], Object.keys(bounds).join())
    }
    t.end()
  })

  t.test('hold the most that is said, over a restart', (t) => {
    const { world, proxy, device } = network()
    const store = new Map(world.server.store)
    const record = concat(fromHex(world.network.now.toString(16).padStart(12, '0')), new Uint8Array(60))
    for (let i = 0; i < limits.mailboxCopies - 1; i++) {
      store.set(`mail/${device.hex}/${String(i).padStart(15, '0')}`, record)
    }
    const later = new World({ store })
    const next = later.proxy(proxy.identity)
    const message = messageTo(next, [device.recipient, device.recipient])
    t.same(next.deliver(message.sealed), [message.tokens('stored')[0], message.tokens('refused')[1]])
    t.equal(later.server.machine.status().storedCopies, limits.mailboxCopies)
    t.end()
  })

  t.test('forget what has waited too long', (t) => {
    const { world, proxy, device } = network()
    device.leave('goodbye')
    proxy.deliver(messageTo(proxy, [device.recipient]).sealed)
    proxy.leave('goodbye')
    world.network.runFor(limits.mailboxLifeMs - MINUTE_MS)
    t.equal(world.stored('mail/').length, 1)
    world.network.runFor(61 * MINUTE_MS)
    t.same(world.stored('mail/'), [])
    t.equal(world.server.machine.status().storedCopies, 0)
    t.end()
  })

  t.test('keep a number of deliveries under way, by count and by bytes', (t) => {
    for (const bounds of [{ deliveriesInFlight: 3 }, { deliveryInFlightBytes: 3 * (49 + 100) }]) {
      const { world, proxy, device } = network({ bounds })
      const message = messageTo(
        proxy,
        Array.from({ length: 5 }, () => device.recipient),
      )
      proxy.deliver(message.sealed)
      world.network.runFor(500)
      t.same(device.points, message.points.slice(0, 3), Object.keys(bounds).join())
      device.confirm(device.numbers.slice(0, 1))
      world.network.runFor(500)
      t.same(device.points, message.points.slice(0, 4))
      device.confirm(device.numbers)
      world.network.runFor(500)
      t.same(device.points, message.points)
    }
    t.end()
  })

  t.test('share what there is for all where some take copies and confirm none', (t) => {
    const { world, proxy, device } = network({ bounds: { deliveriesTotalBytes: 4 * (49 + 100) } })
    const fill = (to: typeof device) =>
      proxy.deliver(
        messageTo(
          proxy,
          Array.from({ length: 6 }, () => to.recipient),
        ).sealed,
      )
    fill(device)
    world.network.runFor(500)
    t.equal(device.points.length, 4, 'who is alone has all of it, and no copy more')
    const other = world.device()
    fill(other)
    world.network.runFor(500)
    t.equal(other.points.length, 2, 'who comes later has his part')
    device.leave('goodbye')
    world.network.runFor(500)
    other.confirm(other.numbers.slice(0, 1))
    world.network.runFor(500)
    t.equal(other.points.length, 5, 'what was held for one that is gone is free')
    device.enter('device')
    world.network.runFor(500)
    t.equal(device.points.length, 4 + 2, 'and who comes back has his part')
    t.end()
  })

  t.test('deliver one large copy where not even that fits, and from disk where memory is short', (t) => {
    const { world, proxy, device } = network({ bounds: { deliveryInFlightBytes: 10, deliveryCacheBytes: 200 } })
    const message = messageTo(proxy, [device.recipient, device.recipient, device.recipient])
    proxy.deliver(message.sealed)
    confirming(device)
    world.network.runFor(200)
    device.confirm(device.numbers)
    world.network.runFor(1_000)
    t.same(device.points, message.points)
    t.end()
  })

  t.test('go on past a copy that the disk has lost', (t) => {
    const { world, proxy, device } = network()
    device.leave('goodbye')
    const message = messageTo(proxy, [device.recipient, device.recipient])
    proxy.deliver(message.sealed)
    const [first] = world.stored('mail/').sort()
    world.server.store.delete(present(first))
    device.enter('device')
    world.network.runFor(200)
    t.same(device.points, message.points.slice(1))
    t.ok(world.server.notices.includes('copy missing on disk'))
    t.end()
  })

  t.test('wait for room on the link with copies of the largest size', (t) => {
    const { world, proxy, device } = network({ bounds: { deliveryInFlightBytes: 2 ** 30, mailboxBytes: 2 ** 30 } })
    const contentBytes = limits.messageBytes - 1024
    device.leave('goodbye')
    for (let i = 0; i < 9; i++) proxy.deliver(messageTo(proxy, [device.recipient], contentBytes).sealed)
    device.enter('device')
    world.until(() => device.numbers.length === 9, 'all of them', 60_000)
    // Large messages travel side by side, so they may arrive in any order.
    t.equal(new Set(device.numbers).size, 9, 'each once')
    t.end()
  })

  t.end()
})
