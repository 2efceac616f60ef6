/** Our link as nodes use it: an endpoint under the driver's loop and socket. */
import { randomBytes } from 'node:crypto'
import type { Key } from '../../src/base/bytes.js'
import type { Millis } from '../../src/base/time.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { systemClock } from '../../src/driver/clock.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { createLog } from '../../src/driver/log.js'
import { systemRandom } from '../../src/driver/random.js'
import { type Running, run } from '../../src/driver/run.js'
import { openUdp } from '../../src/driver/udp.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { LinkOutput, SessionId } from '../../src/link/link.js'
import type { RoleOutput } from '../../src/role/role.js'
import { nowhere } from '../network/nowhere.js'
import { Peer } from '../network/peer.js'
import { type End, moment, type Transfer } from './contestant.js'

export async function openOurs(): Promise<End> {
  const crypto = await loadCrypto()
  const linkSecret = systemRandom()(32) as Key
  const socket = await openUdp({ host: '127.0.0.1', port: 0 })
  const machine = new LinkEnd(crypto, linkSecret)
  const running: Running<never> = await run<never, RoleOutput>({
    ...{ machine, socket, store: nowhere, clock: systemClock(), log: createLog('silent') },
  })
  const wake = () => running.handle({ type: 'timeout' })
  return {
    address: socket.address,
    linkKey: crypto.x25519Public(linkSecret),
    receive: ({ messages }) => machine.receive(messages),
    send: (transfer) => {
      const started = machine.send(systemClock().now(), transfer)
      wake()
      return started
    },
    close: () => running.stop(),
  }
}

interface Outgoing {
  readonly session: SessionId
  readonly message: Uint8Array
  unsent: number
  undelivered: number
  readonly started: (at: number) => void
}

class LinkEnd extends Peer {
  private outgoing: Outgoing | undefined
  private expected = 0
  private arrived: (at: number) => void = () => undefined

  constructor(crypto: Crypto, linkSecret: Key) {
    super(createEndpoint({ linkSecret }, crypto, systemRandom()))
  }

  receive(messages: number): Promise<number> {
    this.expected = messages
    return new Promise((resolve) => {
      this.arrived = resolve
    })
  }

  send(now: Millis, { peer, linkKey, messages, messageBytes }: Transfer): Promise<number> {
    const session = this.endpoint.connect(now, linkKey as Key, peer)
    const message = randomBytes(messageBytes)
    return new Promise((started) => {
      this.outgoing = { session, message, started, unsent: messages, undelivered: messages }
    })
  }

  protected event(now: Millis, output: LinkOutput): void {
    const { outgoing } = this
    if (output.type === 'received') {
      if (--this.expected === 0) this.arrived(moment())
    } else if (outgoing !== undefined && output.type === 'connected') {
      outgoing.started(moment())
      this.fill(now, outgoing)
    } else if (outgoing !== undefined && output.type === 'delivered') {
      this.fill(now, outgoing)
      if (--outgoing.undelivered === 0) this.endpoint.close(now, outgoing.session, 'done')
    } else if (output.type === 'closed' && output.undelivered.length > 0) throw new Error(`link ${output.reason}`)
  }

  private fill(now: Millis, outgoing: Outgoing): void {
    while (outgoing.unsent > 0 && this.endpoint.send(now, outgoing.session, outgoing.message) !== undefined) {
      outgoing.unsent--
    }
  }
}
