/**
 * A device that is away for a day of virtual time while another writes to it (PROTOCOL.md section 9.5): each message is really
 * sent, split and stored, by the production machines, and handed over when the device is back.
 */
import { fromUtf8, utf8 } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import type { DeviceResult } from '../../src/role/device.js'
import { keyParts } from '../../src/role/server/records.js'
import type { Server } from '../../src/role/server.js'
import { type Actor, type DeviceActor, World } from './world.js'

interface Return {
  /** What did not hold; nothing where each message was proven stored and then handed on once. */
  readonly problems: readonly string[]
  /** The most copies that the server had taken up for delivery, unconfirmed: what of a mailbox is in memory at one time. */
  readonly mostUnconfirmed: number
  /** Virtual time that it took to hand all over. */
  readonly handingOverMs: number
}

const GROUP = 'gardeners'
const DAY_MS = 24 * 3_600_000
const ALL_ROUNDS_MS = 900_000
const ALL_DELIVERED_MS = 300_000
/** One proxy's link may fill an eighth of a mailbox, so that many messages need several: these go by each, about. */
const BY_EACH_PROXY = 600

const bodyOf = (index: number): string => `message ${index}`

export function awayForADay(seed: number, messages: number): Return {
  const proxies = Math.max(4, Math.ceil(messages / BY_EACH_PROXY))
  const groups = [{ name: GROUP, members: [0, 1] }]
  const world = new World({ seed, devices: 2, proxies, groups, keepsReads: false })
  const [from, away] = world.devices as [DeviceActor, DeviceActor]
  world.network.runFor(10_000)
  world.crash(away)
  const references = sendOverADay(world, from, messages)
  const proven = references.filter((reference) => {
    const { outcome } = world.result(from, reference) as DeviceResult & { type: 'sent' }
    return outcome?.recipients === 1 && outcome.stored === 1
  })
  const { storedCopies: waiting } = world.server.node.machine.status()
  const most = watchUnconfirmed(world.server)
  const back = world.now
  world.network.restart(away.node)
  world.runUntil('it has them all', () => away.inbox.length >= messages, ALL_DELIVERED_MS)
  const handingOverMs = world.now - back
  world.network.runFor(10_000)
  const bodies = new Set(away.inbox.map(({ body }) => fromUtf8(body)))
  const { storedCopies: left } = world.server.node.machine.status()
  const lost = references.filter((_, i) => !bodies.has(bodyOf(i))).length
  const checks: readonly (readonly [holds: boolean, otherwise: string])[] = [
    [references.length === messages && proven.length === messages, `${proven.length} of ${messages} are proven stored`],
    [waiting >= messages, `${waiting} copies wait, not ${messages}`],
    [lost === 0, `${lost} are lost`],
    [away.inbox.length === messages && away.repeated === 0, `${away.inbox.length + away.repeated} are handed on`],
    [left === 0, `${left} are still at the server`],
    [most() <= limits.deliveriesInFlight, `${most()} are under way at one time`],
  ]
  const problems = checks.filter(([holds]) => !holds).map(([, otherwise]) => otherwise)
  return { problems, mostUnconfirmed: most(), handingOverMs }
}

function sendOverADay(world: World, from: DeviceActor, messages: number): readonly number[] {
  const begin = world.now
  const references: number[] = []
  for (let i = 0; i < messages; i++) {
    world.network.at(begin + Math.floor((DAY_MS * i) / messages), () => {
      references.push(world.command(from, { type: 'send', group: GROUP, body: utf8(bodyOf(i)), until: 'over' }))
    })
  }
  world.network.runFor(DAY_MS)
  const known = () => references.every((reference) => from.answers.has(reference))
  world.runUntil('the sender knows of all', known, ALL_ROUNDS_MS)
  return references
}

/** Counts what the server reads from its disk to deliver it, less what has been confirmed. */
function watchUnconfirmed({ node: { machine } }: Actor<Server>): () => number {
  const confirmedBefore = machine.status().deliveredCopies
  let [taken, most] = [0, 0]
  const poll = machine.poll.bind(machine)
  machine.poll = () => {
    const output = poll()
    if (output?.type === 'load' && keyParts('mail', output.key) !== undefined) {
      most = Math.max(most, ++taken - (machine.status().deliveredCopies - confirmedBefore))
    }
    return output
  }
  return () => most
}
