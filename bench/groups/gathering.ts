/**
 * A large group in virtual time: made, everybody invited and joined, one more, one removed. All of it is the product's own
 * code, in one process; two things that follow from nothing else are made cheap, and the bench says so.
 */
import { equal, toHex, utf8 } from '../../src/base/bytes.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { crypto, type DeviceActor, World } from '../../test/sim/world.js'
import { since, type Traffic, trafficOf } from './traffic.js'

const GROUP = 'everybody'
/** In this time every receipt is in, so that what is counted afterwards is of what happens afterwards. */
const QUIET_MS = 60_000
/** A newcomer is introduced a second after its confirmation, and proof of it comes some seconds later. */
const SETTLES_MS = 20_000
const PATIENCE_MS = 30 * 60_000

export interface Step {
  readonly virtualMs: number
  readonly wallMs: number
  readonly traffic: Traffic
}

/** A world of devices that wait; `members` of them, and one more. No padding, so that bytes are those of the protocol. */
export function gather(members: number, proxies: number): World {
  const remembering = remember(crypto)
  return new World({
    ...{ seed: 1, proxies, devices: members + 1, padding: 'none', keepsReads: false },
    cryptoOf: () => remembering,
  })
}

/** The first of the devices makes a group and invites the others, but for the last; all of them join at once. */
export function joinAll(world: World): Step {
  const [creator, ...others] = world.devices.slice(0, -1) as [DeviceActor, ...DeviceActor[]]
  return step(world, () => {
    world.do(creator, { type: 'createGroup', name: GROUP })
    comeIn(world, creator, others)
  })
}

/** The last device joins the group that is there. */
export function joinOne(world: World): Step {
  const [creator, newcomer] = [world.devices[0], world.devices.at(-1)] as [DeviceActor, DeviceActor]
  world.network.runFor(QUIET_MS)
  return step(world, () => {
    comeIn(world, creator, [newcomer])
    world.network.runFor(SETTLES_MS)
  })
}

/** The first device removes the second; those who remain get a fresh secret. */
export function removeOne(world: World): Step {
  const [remover, removed] = world.devices as [DeviceActor, DeviceActor]
  const remaining = world.devices.filter((each) => each !== removed)
  const { epochs } = world.group(remover, GROUP)
  world.network.runFor(QUIET_MS)
  return step(world, () => {
    world.do(remover, { type: 'removeMembers', group: GROUP, members: [removed.self.id] })
    const secret = world.group(remover, GROUP).keys.secret
    if (world.group(remover, GROUP).epochs.length === epochs.length) throw new Error('no secret is fresh')
    const haveIt = () => remaining.every((each) => equal(world.group(each, GROUP).keys.secret, secret))
    world.runUntil('all who remain have the fresh secret', haveIt, PATIENCE_MS)
    world.network.runFor(SETTLES_MS)
    if (new Set(remaining.map((each) => world.group(each, GROUP).list.members.size)).size > 1)
      throw new Error('lists differ')
  })
}

/** As long as `joinOne` took, with nothing to do: links that are kept up cost something too. */
export function idle(world: World, virtualMs: number): Step {
  world.network.runFor(QUIET_MS)
  return step(world, () => world.network.runFor(virtualMs))
}

function comeIn(world: World, inviter: DeviceActor, newcomers: readonly DeviceActor[]): void {
  const members = world.group(inviter, GROUP).list.members.size + newcomers.length
  const passphrase = () => utf8('one for everybody')
  const invited = newcomers.map(({ address }) =>
    world.command(inviter, { type: 'invite', group: GROUP, address, passphrase: passphrase() }),
  )
  for (const reference of invited) world.result(inviter, reference)
  const hasCome = ({ node }: DeviceActor) => node.machine.status().unopened > 0
  world.runUntil('invitations arrive', () => newcomers.every(hasCome), PATIENCE_MS)
  const joined = newcomers.map(
    (each) => [each, world.command(each, { type: 'join', passphrase: passphrase() })] as const,
  )
  for (const [each, reference] of joined) world.result(each, reference)
  agree(world, members)
}

/** Until all hold one list of so many. */
function agree(world: World, members: number): void {
  const inside = world.devices.filter(({ node }) => node.machine.group(GROUP) !== undefined)
  const sizes = () => inside.every((each) => world.group(each, GROUP).list.members.size === members)
  world.runUntil(`lists of ${members}`, sizes, PATIENCE_MS)
  if (!world.listsAgree(GROUP, members)) throw new Error('lists of one size differ')
}

function step(world: World, act: () => void): Step {
  const [before, from, startedMs] = [trafficOf(world), world.now, performance.now()]
  act()
  return {
    ...{ virtualMs: world.now - from, wallMs: performance.now() - startedMs },
    traffic: since(before, trafficOf(world)),
  }
}

/**
 * Signatures that one device has verified are known to be good when another verifies them: a thousand devices in one process
 * would verify each record a thousand times, which is not what is measured here.
 */
function remember(crypto: Crypto): Crypto {
  const verdicts = new Map<string, boolean>()
  const text = (bytes: Uint8Array) => `${bytes.length}:${toHex(bytes)}`
  return Object.assign(Object.create(crypto) as Crypto, {
    verify(...of: Parameters<Crypto['verify']>): boolean {
      const what = of.map(text).join()
      const known = verdicts.get(what)
      if (known !== undefined) return known
      const verdict = crypto.verify(...of)
      verdicts.set(what, verdict)
      return verdict
    },
  })
}
