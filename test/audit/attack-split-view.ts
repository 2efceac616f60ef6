/** CS shows one member a directory of its own: the others have to hear of it by what that member announces. */
import { concat, equal, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkEndpoint, SessionId } from '../../src/link/link.js'
import { directory as directoryFormat } from '../../src/wire/directory.js'
import { encodeMessage, parseMessage } from '../../src/wire/message.js'
import { crypto, type DeviceActor, World, type WorldOptions } from '../sim/world.js'
import type { Attack, Outcome } from './attack.js'

const GROUP = 'gardeners'
const MEMBERS = 4
const PROXIES = 3
const SIGNATURE_BYTES = 64

export function splitView(seed: number): Attack {
  return {
    claim:
      'CS shows one member a directory of its own, signed and with other proxies: the others note it by the digest that this one announces',
    run: () => shownAnother(seed),
    undefended: [{ name: 'announcements that do not name the directory', run: () => shownAnother(seed, nameless) }],
  }
}

/** Devices for which every directory has the digest that says nothing. */
const nameless: Partial<WorldOptions> = {
  cryptoOf: (name) =>
    name.startsWith('device')
      ? { ...crypto, hash: (...parts) => (parts[0] === labels.directoryDigest ? silent : crypto.hash(...parts)) }
      : crypto,
}

const silent = crypto.hash().fill(0)

/** An endpoint through which CS can also say something that its machine did not; sessions by the hex id that was proved on them. */
class Aside {
  readonly sessions = new Map<string, SessionId>()
  private endpoint: LinkEndpoint | undefined

  readonly make: typeof createEndpoint = (...parts) => {
    const endpoint = createEndpoint(...parts)
    const poll = endpoint.poll.bind(endpoint)
    endpoint.poll = () => {
      const output = poll()
      if (output?.type === 'received') this.note(output.session, output.message)
      return output
    }
    this.endpoint = endpoint
    return endpoint
  }

  say(world: World, to: DeviceActor, message: Uint8Array): void {
    const session = this.sessions.get(toHex(to.self.id))
    if (session === undefined || this.endpoint?.send(world.now, session, message) === undefined)
      throw new Error('a link to the device')
    world.network.input(world.server.node, { type: 'timeout' })
  }

  private note(session: SessionId, message: Uint8Array): void {
    const parsed = parseMessage(message)
    if (!parsed.ok || parsed.value.kind !== 'identityProof') return
    this.sessions.set(toHex(nodeIdOf(crypto, parsed.value.value.identityKey)), session)
  }
}

function shownAnother(seed: number, options: Partial<WorldOptions> = {}): Outcome {
  const aside = new Aside()
  const members = Array.from({ length: MEMBERS }, (_, i) => i)
  const groups = [{ name: GROUP, members }]
  const world = new World({
    ...{ seed, devices: MEMBERS, proxies: PROXIES, groups, serverEndpoint: aside.make, keepsReads: false },
    ...options,
  })
  const [victim, gone, ...others] = world.devices as [DeviceActor, DeviceActor, ...DeviceActor[]]
  const shown = (device: DeviceActor) => device.node.machine.status().directory
  // Of an announcement from before a device has been linked for a while nothing follows.
  world.network.runFor(2 * limits.directorySettleMs)
  aside.say(world, victim, encodeMessage('directoryReply', { directory: another(world, shown(victim)?.encoded) }))
  world.runUntil('the directory comes', () => shown(victim)?.proxies.size === PROXIES - 1)
  world.do(victim, { type: 'removeMembers', group: GROUP, members: [gone.self.id] })
  world.runUntil('the removal comes', () =>
    others.every((each) => world.group(each, GROUP).list.members.size < MEMBERS),
  )
  world.network.runFor(2 * limits.directorySettleMs)
  const noting = others.filter(({ node }) =>
    node.machine.status().directories.other.some(({ member }) => equal(member, victim.self.id)),
  )
  return {
    succeeded: noting.length < others.length,
    measured: `${noting.length} of ${others.length} name the member that announced another directory`,
  }
}

/** The newest directory without its last proxy, a version on, as CS can sign it. */
function another(world: World, encoded: Uint8Array | undefined): Uint8Array {
  const parsed = directoryFormat.parse(encoded ?? new Uint8Array(0))
  if (!parsed.ok) throw new Error('a device has a directory')
  const { version, proxies } = parsed.value
  const changed = directoryFormat.encode({ ...parsed.value, version: version + 1, proxies: proxies.slice(0, -1) })
  const unsigned = changed.subarray(0, -SIGNATURE_BYTES)
  return concat(unsigned, crypto.sign(world.server.self.identity, labels.directory, unsigned))
}
