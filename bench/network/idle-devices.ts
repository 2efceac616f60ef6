/** Devices that do nothing but keep their link to the server: the production link and proof of identity, a socket each. */
import type { Millis } from '../../src/base/time.js'
import { earliest } from '../../src/base/time.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { systemClock } from '../../src/driver/clock.js'
import { createLog } from '../../src/driver/log.js'
import { resolveCard } from '../../src/driver/network.js'
import { systemRandom } from '../../src/driver/random.js'
import { run } from '../../src/driver/run.js'
import { openUdp } from '../../src/driver/udp.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkOutput } from '../../src/link/link.js'
import type { RoleOutput, ServerContact } from '../../src/role/role.js'
import { createServerLink } from '../../src/role/server-link/create.js'
import type { ServerLink, VerifiedDirectory } from '../../src/role/server-link.js'
import { parseMessage } from '../../src/wire/message.js'
import { nowhere } from './nowhere.js'
import { Peer } from './peer.js'

/** Under way at one time: a crowd at the door is another test. */
const AT_ONCE = 32

/** Resolves when all have proved who they are and hold the directory; returns what closes them. */
export async function openIdleDevices(crypto: Crypto, card: string, count: number): Promise<() => Promise<unknown>> {
  const server = await resolveCard(card)
  const closing: (() => Promise<void>)[] = []
  const numbers = Array.from({ length: count }, (_, index) => index).values()
  const lane = async () => {
    for (const _ of numbers) closing.push(await openOne(crypto, server))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return () => Promise.allSettled(closing.map((close) => close()))
}

/** Joins for as long as it takes to get the directory. */
export async function learnDirectory(crypto: Crypto, card: string): Promise<VerifiedDirectory> {
  return new Promise((resolve, reject) => {
    const opened = resolveCard(card).then((server) => openOne(crypto, server, resolve))
    opened.then((close) => close()).catch(reject)
  })
}

async function openOne(
  crypto: Crypto,
  server: ServerContact,
  onDirectory: (directory: VerifiedDirectory) => void = () => undefined,
): Promise<() => Promise<void>> {
  const socket = await openUdp({ host: '127.0.0.1', port: 0 })
  return new Promise((resolve, reject) => {
    const machine = new IdleDevice(crypto, server, (directory) => {
      onDirectory(directory)
      started.then((running) => resolve(() => running.stop()), reject)
    })
    const started = run<never, RoleOutput>({
      ...{ machine, socket, store: nowhere, clock: systemClock(), log: createLog('silent') },
    })
  })
}

class IdleDevice extends Peer {
  private readonly link: ServerLink
  private readonly ready: (directory: VerifiedDirectory) => void

  constructor(crypto: Crypto, server: ServerContact, ready: (directory: VerifiedDirectory) => void) {
    super(createEndpoint({}, crypto, systemRandom()))
    const identity = crypto.identity(systemRandom()(32))
    this.ready = ready
    this.link = createServerLink({
      context: { crypto, random: systemRandom() },
      endpoint: this.endpoint,
      server,
      self: { identity, id: nodeIdOf(crypto, identity.identityKey) },
      role: 'device',
      accessCode: Uint8Array.of(1, 2),
    })
  }

  override start(now: Millis): void {
    this.link.start(now)
    this.settle(now)
  }

  override deadline(): Millis | undefined {
    return earliest(this.endpoint.deadline(), this.link.deadline())
  }

  protected override due(now: Millis): void {
    this.link.timeout(now)
  }

  protected event(now: Millis, output: LinkOutput): void {
    this.link.linkOutput(now, output)
    if (output.type !== 'received') return
    const parsed = parseMessage(output.message)
    if (parsed.ok) this.link.message(now, parsed.value)
    for (let event = this.link.poll(); event !== undefined; event = this.link.poll()) {
      if (event.type === 'directory') this.ready(event.directory)
    }
  }
}
